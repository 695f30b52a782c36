//! Whom a change would touch, before it is made: for a warning, so that nothing is decided by it.

use sluice_model::Principal;
use sluice_store::{Change, StoreError};

use crate::{Access, Touched};

impl Access {
    /// Whom a change of this kind touches if it is made now, by what is in force now.
    ///
    /// # Errors
    /// The store's, when it cannot say who is in a group.
    pub async fn who_would_be_touched(&self, change: &Change) -> Result<Touched, StoreError> {
        let mut touched = Touched::default();
        match change {
            Change::Principal(principal) => touched.principals.push(*principal),
            Change::UserGroup(account, group) => {
                let members = self.store.policies_of_members(*account, group).await?;
                touched.principals = members.into_keys().map(|user| Principal::User(*account, user)).collect();
            }
            Change::Policy(account, name) => {
                let snapshot = self.directory.read();
                let view = snapshot.policies.get(&(*account, name.clone()));
                touched.principals = view.map(|view| view.holders.iter().copied().collect()).unwrap_or_default();
            }
            Change::Account(account) | Change::Preference(account) | Change::AccountKeyPolicy(account) => {
                touched.accounts.push(*account);
            }
            Change::Instance(account, instance) | Change::Topic(account, instance) => {
                touched.instances.push((*account, instance.clone()));
            }
            Change::Group(account, instance, group) => {
                touched.groups.push((*account, instance.clone(), group.clone()));
            }
        }
        Ok(touched)
    }
}
