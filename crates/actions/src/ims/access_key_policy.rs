//! From where AccessKeys may be used: Set and Get of AccessKeyPolicy and AccessKeyPolicyForAccount.
//!
//! There is no Delete: a policy that is inactive and has no statements is none, and none is shown as that.

use serde::Serialize;
use sluice_access::Change;
use sluice_model::{AccessKeyId, AccountAlias, AccountId, Action, RamEntity, Resource, UserName};
use sluice_policy::{AccessKeyPolicy, KeyPolicyFault};
use sluice_store::By;

use crate::{
    Act, ActionContext, ActionError, Ask, Code, Fault, Granted, Params, Product, Row,
    operation::{optional, required},
    params::parsed,
    ram::{KeyOwner, read_key},
};

const POLICY: &str = "AccessKeyPolicy";
const LOGON_NAME: &str = "UserPrincipalName";
/// What follows the alias in the long form of a logon name.
const DOMAIN_SUFFIX: &str = ".onaliyun.com";

/// Whose key: `{user}@{account ID or alias}`, with or without `.onaliyun.com` as at the sign-in, or the caller's own.
/// Source: facts/ram.md section 2, logon names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogonName {
    owner: KeyOwner,
    /// The account as it is named; empty for the caller's own key.
    place: String,
}

impl LogonName {
    fn read(params: &Params) -> Result<Self, ActionError> {
        let Some(text) = params.given(LOGON_NAME) else {
            return Ok(Self { owner: KeyOwner::Caller, place: String::new() });
        };
        let format = ActionError::Invalid { name: LOGON_NAME, fault: Fault::Format };
        let (user, domain) = text.rsplit_once('@').ok_or_else(|| format.clone())?;
        let place = domain.strip_suffix(DOMAIN_SUFFIX).unwrap_or(domain);
        if place.parse::<AccountId>().is_err() && place.parse::<AccountAlias>().is_err() {
            return Err(format);
        }
        let user: UserName = parsed(LOGON_NAME, user)?;
        Ok(Self { owner: KeyOwner::Named(user), place: place.to_owned() })
    }

    /// Another account's user is no user of this one.
    async fn principal(
        &self,
        context: &ActionContext,
        permit: &sluice_policy::Permit,
    ) -> Result<sluice_model::Principal, ActionError> {
        if self.owner != KeyOwner::Caller {
            let account = context.store().account(context.account()).await?.ok_or(ActionError::Internal)?;
            if self.place != account.account.to_string() && self.place != account.alias.as_str() {
                return Err(Code::NoUser.into());
            }
        }
        self.owner.principal(context, permit).await.map_err(|error| match error {
            ActionError::Missing("UserName") => ActionError::Missing(LOGON_NAME),
            other => other,
        })
    }
}

fn read_policy(params: &Params) -> Result<AccessKeyPolicy, ActionError> {
    AccessKeyPolicy::parse(params.text(POLICY)?).map_err(|fault| match fault {
        KeyPolicyFault::Format(_) => ActionError::Invalid { name: POLICY, fault: Fault::Format },
        KeyPolicyFault::TooLong => ActionError::Invalid { name: POLICY, fault: Fault::Length },
    })
}

fn shown(kept: Option<String>) -> String {
    kept.unwrap_or_else(|| AccessKeyPolicy::none().to_text())
}

/// `{AccessKeyId, AccessKeyPolicy}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OfKey {
    /// The key.
    pub access_key_id: String,
    /// The policy, JSON.
    pub access_key_policy: String,
}

/// `{AccessKeyPolicy}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OfAccount {
    /// The policy, JSON.
    pub access_key_policy: String,
}

/// Says from where a key may be used; connections from elsewhere end.
#[derive(Clone, Debug)]
pub struct SetAccessKeyPolicy {
    /// Whose.
    pub owner: LogonName,
    /// Which.
    pub key: AccessKeyId,
    /// From where.
    pub policy: AccessKeyPolicy,
}

impl Act for SetAccessKeyPolicy {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "SetAccessKeyPolicy",
        actions: &[Action::of("ram:SetAccessKeyPolicy")],
        resource: "user/{UserName}, the caller without one",
        parameters: &[optional(LOGON_NAME), required("UserAccessKeyId"), required(POLICY)],
    };
    type Output = OfKey;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { owner: LogonName::read(params)?, key: read_key(params)?, policy: read_policy(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(self.owner.owner.resource(context))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OfKey, ActionError> {
        let permit = granted.permit()?;
        let owner = self.owner.principal(context, permit).await?;
        let (name, text) = (self.owner.owner.name(context), self.policy.to_text());
        let kept = (!self.policy.is_none()).then_some(text.as_str());
        context.store().set_key_policy(By::Permit(permit), owner, name.as_deref(), &self.key, kept).await?;
        context.changed(Change::Principal(owner)).await;
        Ok(OfKey { access_key_id: self.key.to_string(), access_key_policy: text })
    }
}

/// Shows from where a key may be used.
#[derive(Clone, Debug)]
pub struct GetAccessKeyPolicy {
    /// Whose.
    pub owner: LogonName,
    /// Which.
    pub key: AccessKeyId,
}

impl Act for GetAccessKeyPolicy {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "GetAccessKeyPolicy",
        actions: &[Action::of("ram:GetAccessKeyPolicy")],
        resource: "user/{UserName}, the caller without one",
        parameters: &[optional(LOGON_NAME), required("UserAccessKeyId")],
    };
    type Output = OfKey;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { owner: LogonName::read(params)?, key: read_key(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(self.owner.owner.resource(context))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OfKey, ActionError> {
        let owner = self.owner.principal(context, granted.permit()?).await?;
        let keys = context.store().keys(owner).await?;
        if !keys.iter().any(|key| key.id == self.key) {
            return Err(Code::NoAccessKey.into());
        }
        let kept = context.store().key_policy(context.account(), Some(&self.key)).await?;
        Ok(OfKey { access_key_id: self.key.to_string(), access_key_policy: shown(kept) })
    }
}

/// Says from where those keys may be used that have no policy of their own; connections from elsewhere end.
#[derive(Clone, Debug)]
pub struct SetAccessKeyPolicyForAccount {
    /// From where.
    pub policy: AccessKeyPolicy,
}

impl Act for SetAccessKeyPolicyForAccount {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "SetAccessKeyPolicyForAccount",
        actions: &[Action::of("ram:SetAccessKeyPolicyForAccount")],
        resource: "*",
        parameters: &[required(POLICY)],
    };
    type Output = OfAccount;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { policy: read_policy(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::All))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OfAccount, ActionError> {
        let (permit, account, text) = (granted.permit()?, context.account(), self.policy.to_text());
        let kept = (!self.policy.is_none()).then_some(text.as_str());
        context.store().set_account_key_policy(By::Permit(permit), account, kept).await?;
        context.changed(Change::AccountKeyPolicy(account)).await;
        Ok(OfAccount { access_key_policy: text })
    }
}

/// Shows from where those keys may be used that have no policy of their own.
#[derive(Clone, Debug)]
pub struct GetAccessKeyPolicyForAccount;

impl Act for GetAccessKeyPolicyForAccount {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "GetAccessKeyPolicyForAccount",
        actions: &[Action::of("ram:GetAccessKeyPolicyForAccount")],
        resource: "*",
        parameters: &[],
    };
    type Output = OfAccount;

    fn read(_params: &Params) -> Result<Self, ActionError> {
        Ok(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::All))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<OfAccount, ActionError> {
        let kept = context.store().key_policy(context.account(), None).await?;
        Ok(OfAccount { access_key_policy: shown(kept) })
    }
}
