//! The account's alias: SetAccountAlias, GetAccountAlias, ClearAccountAlias. Without one its ID stands for it, also in logon names.

use serde::Serialize;
use sluice_model::{AccountAlias, Action, RamEntity, Resource};
use sluice_store::By;

use super::user::Done;
use crate::{Act, ActionContext, ActionError, Ask, Fault, Granted, Params, Product, Row, operation::required};

fn settings(context: &ActionContext) -> Ask {
    Ask::On(Resource::Ram(context.account(), RamEntity::All))
}

/// Gives the account another alias; users sign in by it at once, and by the one of before no more.
#[derive(Clone, Debug)]
pub struct SetAccountAlias {
    /// The alias.
    pub alias: AccountAlias,
}

impl Act for SetAccountAlias {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "SetAccountAlias",
        actions: &[Action::of("ram:SetAccountAlias")],
        resource: "*",
        parameters: &[required("AccountAlias")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        // The vendor has two codes for an alias: length and format.
        let alias = params.name("AccountAlias").map_err(|error| match error {
            ActionError::Invalid { name, fault: Fault::InvalidChars } => {
                ActionError::Invalid { name, fault: Fault::Format }
            }
            other => other,
        })?;
        Ok(Self { alias })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        settings(context)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let by = By::Permit(granted.permit()?);
        context.store().set_account_alias(by, context.account(), &self.alias).await?;
        Ok(Done {})
    }
}

/// Shows the alias.
#[derive(Clone, Copy, Debug)]
pub struct GetAccountAlias;

/// `{AccountAlias}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Alias {
    /// The account's ID when it has none.
    pub account_alias: String,
}

impl Act for GetAccountAlias {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetAccountAlias",
        actions: &[Action::of("ram:GetAccountAlias")],
        resource: "*",
        parameters: &[],
    };
    type Output = Alias;

    fn read(_params: &Params) -> Result<Self, ActionError> {
        Ok(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        settings(context)
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<Alias, ActionError> {
        let account = context.store().account(context.account()).await?;
        // Its key or session was just in force.
        let alias = account.ok_or(ActionError::Internal)?.alias;
        Ok(Alias { account_alias: alias.to_string() })
    }
}

/// Takes the alias away.
#[derive(Clone, Copy, Debug)]
pub struct ClearAccountAlias;

impl Act for ClearAccountAlias {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ClearAccountAlias",
        actions: &[Action::of("ram:ClearAccountAlias")],
        resource: "*",
        parameters: &[],
    };
    type Output = Done;

    fn read(_params: &Params) -> Result<Self, ActionError> {
        Ok(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        settings(context)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let (by, account) = (By::Permit(granted.permit()?), context.account());
        context.store().set_account_alias(by, account, &AccountAlias::unset(account)).await?;
        Ok(Done {})
    }
}
