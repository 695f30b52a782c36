//! Whom a change touches, so that the live side knows what to decide again.

use sluice_model::{AccountId, GroupId, InstanceId, Principal, UserGroupId};

/// What a change may have taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Principals whose policies, keys or existence changed.
    pub principals: Vec<Principal>,
    /// Accounts all of whose principals changed.
    pub accounts: Vec<AccountId>,
    /// Instances whose topics or settings changed: every session there decides again.
    pub instances: Vec<(AccountId, InstanceId)>,
    /// Groups that are gone: their clients are closed.
    pub groups: Vec<(AccountId, InstanceId, GroupId)>,
}

impl Touched {
    /// Whether nothing is touched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.principals.is_empty() && self.accounts.is_empty() && self.instances.is_empty() && self.groups.is_empty()
    }
}

/// What was written to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A user, role or the account: its row, keys, sign-in, groups or attachments.
    Principal(Principal),
    /// A user group: its members, or what is attached to it.
    UserGroup(AccountId, UserGroupId),
    /// A custom policy's version in force or its existence.
    Policy(AccountId, sluice_model::PolicyName),
    /// A whole account, created or changed.
    Account(AccountId),
    /// An instance, created, changed or deleted.
    Instance(AccountId, InstanceId),
    /// A parent topic, created or deleted.
    Topic(AccountId, InstanceId),
    /// A group, created or deleted.
    Group(AccountId, InstanceId, GroupId),
}

impl Change {
    /// The tenant whose change it is.
    #[must_use]
    pub fn account(&self) -> AccountId {
        match self {
            Self::Principal(principal) => principal.account(),
            Self::UserGroup(account, _)
            | Self::Policy(account, _)
            | Self::Account(account)
            | Self::Instance(account, _)
            | Self::Topic(account, _)
            | Self::Group(account, ..) => *account,
        }
    }
}
