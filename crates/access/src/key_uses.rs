//! When AccessKeys are used: noted in memory, written by whoever calls [`Access::write_key_uses`], which `server` does each
//! minute and at the end. So an answer is exact as long as the process lives, and after a crash at most a minute old.

use ahash::AHashMap;
use parking_lot::Mutex;
use sluice_model::{AccessKeyId, AccountId, UnixMs};
use sluice_policy::SystemTask;
use sluice_store::StoreError;

use crate::Access;

/// Uses that were not written yet. Bounded by the keys that there are: only who proved its secret is noted.
#[derive(Debug, Default)]
pub(crate) struct KeyUses(Mutex<AHashMap<AccessKeyId, (AccountId, UnixMs)>>);

impl KeyUses {
    /// Notes that a key was used. Cost: a short lock; the key is copied at its first use since the last write.
    pub(crate) fn note(&self, key: &AccessKeyId, account: AccountId, now: UnixMs) {
        let mut uses = self.0.lock();
        match uses.get_mut(key) {
            Some(used) => used.1 = used.1.max(now),
            None => drop(uses.insert(key.clone(), (account, now))),
        }
    }

    fn of(&self, key: &AccessKeyId) -> Option<UnixMs> {
        self.0.lock().get(key).map(|used| used.1)
    }
}

impl Access {
    /// When a key was last used to sign a request or a CONNECT.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_last_used(&self, key: &AccessKeyId) -> Result<Option<UnixMs>, StoreError> {
        // Memory first: what is written in between is read from the store.
        let noted = self.key_uses.of(key);
        Ok(noted.max(self.store.key_last_used(key).await?))
    }

    /// Writes the uses that were noted since the last time. What cannot be written is noted again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn write_key_uses(&self) -> Result<(), StoreError> {
        let uses: Vec<_> = {
            let noted = self.key_uses.0.lock();
            noted.iter().map(|(key, (account, used))| (key.clone(), *account, *used)).collect()
        };
        self.store.add_key_uses(SystemTask::Usage, &uses).await?;
        // Only now, so that nobody finds a use in neither place; what came since stays for the next time.
        let mut noted = self.key_uses.0.lock();
        for (key, _, used) in uses {
            if noted.get(&key).is_some_and(|now| now.1 == used) {
                noted.remove(&key);
            }
        }
        Ok(())
    }
}
