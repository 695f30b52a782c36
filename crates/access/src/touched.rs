//! Whom a change touches, so that the live side knows what to decide again.

use sluice_model::{AccountId, GroupId, InstanceId, Principal};

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
    /// What two changes touch.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { principals, accounts, instances, groups } = other;
        self.principals.extend(principals);
        self.accounts.extend(accounts);
        self.instances.extend(instances);
        self.groups.extend(groups);
    }

    /// Whether nothing is touched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.principals.is_empty() && self.accounts.is_empty() && self.instances.is_empty() && self.groups.is_empty()
    }
}
