//! From where each AccessKey may be used, as it is found when keys are read.

use std::sync::Arc;

use ahash::AHashMap;
use sluice_model::{AccessKeyId, AccountId};
use sluice_policy::{AccessKeyPolicy, AllowedSources};
use sluice_store::{AccessKey, KeyPolicy, StoreError};

/// Active lists, by account and key.
pub(crate) struct KeyLists(AHashMap<(AccountId, Option<AccessKeyId>), Arc<AllowedSources>>);

/// A key and from where it may be used; `None` is from everywhere.
pub(crate) type Listed = (AccessKey, Option<Arc<AllowedSources>>);

impl KeyLists {
    /// # Errors
    /// [`StoreError::Damaged`] for a text that is no policy: then nobody knows from where its key may be used.
    pub(crate) fn compiled(rows: Vec<KeyPolicy>) -> Result<Self, StoreError> {
        let mut lists = AHashMap::new();
        for KeyPolicy { account, key, document } in rows {
            let policy = AccessKeyPolicy::parse(&document).map_err(|fault| StoreError::Damaged {
                table: "access_key_policies",
                fault: format!("a policy of account {account}: {fault}"),
            })?;
            if let Some(sources) = policy.sources() {
                lists.insert((account, key), sources);
            }
        }
        Ok(Self(lists))
    }

    /// A key's own active list replaces the account's.
    pub(crate) fn list(&self, key: AccessKey) -> Listed {
        let list = self.of(key.owner.account(), &key.id);
        (key, list)
    }

    /// From where a key may be used; `None` is from everywhere.
    pub(crate) fn of(&self, account: AccountId, key: &AccessKeyId) -> Option<Arc<AllowedSources>> {
        if self.0.is_empty() {
            return None;
        }
        let own = self.0.get(&(account, Some(key.clone())));
        own.or_else(|| self.0.get(&(account, None))).cloned()
    }
}
