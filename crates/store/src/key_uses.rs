//! When each AccessKey was last used, to the minute in which it was written.

use sluice_model::{AccessKeyId, AccountId, UnixMs};
use sluice_policy::SystemTask;

use crate::{Store, StoreError, row::Columns};

/// Uses that are written in one transaction, so that others get their turn in between.
const USES_AT_ONCE_MAX: usize = 200;

impl Store {
    /// Writes uses; of two of one key the later stays.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been written.
    pub async fn add_key_uses(
        &self,
        task: SystemTask,
        uses: &[(AccessKeyId, AccountId, UnixMs)],
    ) -> Result<(), StoreError> {
        tracing::debug!(task = task.as_str(), keys = uses.len(), "uses of keys are written");
        // A key that was deleted meanwhile leaves nothing.
        let sql = "INSERT INTO key_uses (key_id, account_id, used) SELECT key_id, account_id, $1 FROM access_keys \
                   WHERE key_id = $2 AND account_id = $3 ON CONFLICT (key_id) DO UPDATE SET used = excluded.used \
                   WHERE key_uses.used < excluded.used";
        for some in uses.chunks(USES_AT_ONCE_MAX) {
            let mut write = self.write_to_any().await?;
            for (key, account, used) in some {
                write.run(sql, &[(*used).into(), key.as_str().into(), (*account).into()]).await?;
            }
            write.commit_unseen().await?;
        }
        Ok(())
    }

    /// When a key was last used, as far as it was written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_last_used(&self, key: &AccessKeyId) -> Result<Option<UnixMs>, StoreError> {
        let row = self.one("SELECT used FROM key_uses WHERE key_id = $1", &[key.as_str().into()]).await?;
        row.as_ref().map(|row| Columns { row, table: "key_uses" }.time("used")).transpose()
    }
}
