//! The change of the master key, beside everything that goes on.
//!
//! Order: whoever calls has written a key file that holds both keys, the new one first. Then everything is sealed anew in one
//! transaction, which also says which key is in use; its commit is the one instant of the change. Until it the key of before
//! is in use, after it the new one, and with both in the file either opens after a kill. At last the caller writes a file that
//! holds the new key alone.
//!
//! Whoever sealed a text under the key of before and writes it after the commit is refused by the store
//! ([`StoreError::SealedBefore`]) and seals again, after [`Access::follow_master_key`].

use std::sync::Arc;

use sluice_model::AccessKeyId;
use sluice_policy::SystemTask;
use sluice_store::{Resealed, StoreError};

use crate::{Access, MasterKey, directory::KeyView};

/// How often a text is sealed before its write is given up: the key changes seldom, and never twice in a moment.
pub const SEALINGS_MAX: usize = 3;

/// Why the master key was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The keys given are not those under which the data is sealed.
    #[error("the data is sealed under a key that is not in the key file")]
    OtherMasterKey,
    /// The database failed, or a row does not open; run it again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Access {
    /// Seals everything anew under the first key of `held`, which holds the key of before too. Gives how many secrets there
    /// were; none when an earlier run came as far. After it, what the key of before sealed opens no more.
    ///
    /// # Errors
    /// [`RotationError`]: one of the two keys is in use, and both open.
    pub async fn change_master_key(&self, held: MasterKey) -> Result<usize, RotationError> {
        // Nothing is read back into the snapshot meanwhile.
        let _turn = self.writers.lock().await;
        let before = self.master_key.load_full();
        let back = held.using(before.mark()).ok_or(RotationError::OtherMasterKey)?;
        let anew = |of: &str, sealed: &str| {
            held.open(of, sealed).map(|secret| held.seal(of, &secret)).map_err(|error| error.to_string())
        };
        let resealing = self.store.reseal(SystemTask::MasterKey, held.mark(), anew).await?;
        // Before the commit: whoever is refused for the key of before seals under the new one.
        self.master_key.store(Arc::new(held.clone()));
        match resealing.commit().await {
            Ok(resealed) => {
                let secrets = resealed.len();
                self.take_resealed(resealed);
                self.master_key.store(Arc::new(held.alone()));
                Ok(secrets)
            }
            Err(error) => {
                // It may have been committed all the same.
                let mark = self.store.sealing_mark().await.ok().flatten();
                let in_use = mark.and_then(|mark| held.using(&mark)).unwrap_or(back);
                self.master_key.store(Arc::new(in_use));
                Err(error.into())
            }
        }
    }

    /// Has the key in use that the data is sealed under now, if it is held: another process may have changed it. To be called
    /// where a text was refused as sealed under the one of before.
    ///
    /// # Errors
    /// [`StoreError::SealedBefore`] when the key is not held; others.
    pub async fn follow_master_key(&self) -> Result<(), StoreError> {
        let held = self.master_key.load_full();
        let mark = self.store.sealing_mark().await?.unwrap_or_default();
        let in_use = held.using(&mark).ok_or(StoreError::SealedBefore)?;
        // Whoever changed it in between knows better.
        self.master_key.compare_and_swap(&held, Arc::new(in_use));
        Ok(())
    }

    /// The snapshot's keys with their new texts. Nobody's rights change.
    fn take_resealed(&self, resealed: Vec<Resealed>) {
        let mut next = (**self.directory.read()).clone();
        for one in resealed.into_iter().filter(|one| one.column.table == "access_keys") {
            let Ok(id) = one.of.parse::<AccessKeyId>() else { continue };
            let Some(key) = next.keys.get_mut(&id) else { continue };
            let KeyView { owner, active, .. } = **key;
            *key = Arc::new(KeyView { owner, active, sealed_secret: one.sealed.into() });
        }
        self.directory.swap(next, &[]);
    }
}
