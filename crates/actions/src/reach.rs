//! How far an operation would reach: the live connections that it has decide again. For a warning before it is done.
//!
//! Invariant: the operation's own right is asked first, so that nobody learns a number whose cause they could not make.

use sluice_access::Change;
use sluice_model::{PolicyName, Principal, RoleName, UserGroupName, UserName};

use crate::{Act, ActionContext, ActionError, permitted};

/// Whom an operation changes, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A user: its keys, policies, groups or existence.
    User(UserName),
    /// A user group: its members, or what is attached to it.
    Group(UserGroupName),
    /// A role: its policies or existence.
    Role(RoleName),
    /// A custom policy's version in force: everyone who has it.
    Policy(PolicyName),
}

/// Whom an operation touches now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Live connections that will decide again.
    pub connections: usize,
    /// Users and roles whose rights change.
    pub principals: usize,
}

/// Whom `input` would touch if it were done now. Nobody who is not there.
///
/// # Errors
/// The refusal that [`call`](crate::call) would answer with; then the store's.
pub async fn reach<A: Act>(context: &ActionContext, input: &A, whom: &[Whom]) -> Result<Reach, ActionError> {
    permitted(context, input)?;
    let mut principals = Vec::new();
    for one in whom {
        if let Some(change) = change_of(context, one).await? {
            principals.extend(context.access().who_would_be_touched(&change).await?.principals);
        }
    }
    principals.sort_unstable();
    principals.dedup();
    let connections = context.services.broker.count_connections(&principals);
    Ok(Reach { connections, principals: principals.len() })
}

async fn change_of(context: &ActionContext, whom: &Whom) -> Result<Option<Change>, ActionError> {
    let account = context.account();
    Ok(match whom {
        Whom::User(name) => {
            let user = context.store().user(account, name).await?;
            user.map(|user| Change::Principal(Principal::User(account, user.id)))
        }
        Whom::Group(name) => {
            let group = context.store().user_group(account, name).await?;
            group.map(|group| Change::UserGroup(account, group.id))
        }
        Whom::Role(name) => {
            let role = context.store().role(account, name).await?;
            role.map(|role| Change::Principal(Principal::Role(account, role.id)))
        }
        Whom::Policy(name) => Some(Change::Policy(account, name.clone())),
    })
}
