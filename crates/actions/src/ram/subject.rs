//! Of whom it is asked what they may: a principal as `PrincipalType` and `PrincipalName` name it, with what is in force for it.

use std::{str::FromStr, sync::Arc};

use sluice_model::{NameError, Principal, RoleName, UserName};
use sluice_policy::{InForce, Standing};

use crate::{ActionContext, ActionError, Code, Params, params::parsed};

/// A user or a role, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectType {
    /// A RAM user, or the account itself.
    User,
    /// A RAM role.
    Role,
}

impl FromStr for SubjectType {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "User" => Ok(Self::User),
            "Role" => Ok(Self::Role),
            _ => Err(NameError::Format { what: "PrincipalType" }),
        }
    }
}

/// A principal of the caller's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What it is.
    pub kind: SubjectType,
    /// Its name; for a user also `acs:ram::{account}:root`, the account itself.
    pub name: String,
}

impl Subject {
    /// Both parameters, which come together.
    pub(super) fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { kind: params.required_word("PrincipalType")?, name: params.text("PrincipalName")?.to_owned() })
    }

    /// Who it is, and what is in force now.
    pub(super) async fn find(&self, context: &ActionContext) -> Result<(Principal, Arc<InForce>), ActionError> {
        let principal = match self.kind {
            SubjectType::User => self.find_user(context).await?.ok_or(Code::NoUser)?,
            SubjectType::Role => self.find_role(context).await?.ok_or(Code::NoRole)?,
        };
        let gone = if self.kind == SubjectType::User { Code::NoUser } else { Code::NoRole };
        let in_force = context.access().in_force_of(principal).ok_or(gone)?;
        if matches!(in_force.standing, Standing::Unknown) {
            return Err(Code::ServiceUnavailable.into());
        }
        Ok((principal, in_force))
    }

    async fn find_user(&self, context: &ActionContext) -> Result<Option<Principal>, ActionError> {
        let account = context.account();
        let root = Principal::Account(account);
        if self.name == root.arn_by_id() {
            return Ok(Some(root));
        }
        let name: UserName = parsed("PrincipalName", &self.name)?;
        let user = context.store().user(account, &name).await?;
        Ok(user.map(|user| Principal::User(account, user.id)))
    }

    async fn find_role(&self, context: &ActionContext) -> Result<Option<Principal>, ActionError> {
        let account = context.account();
        let name: RoleName = parsed("PrincipalName", &self.name)?;
        let role = context.store().role(account, &name).await?;
        Ok(role.map(|role| Principal::Role(account, role.id)))
    }
}
