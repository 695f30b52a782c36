//! The end of an account: every row of it goes, in one transaction.
//!
//! Invariant: [`OF_ACCOUNT`] is every table that has an account's rows. A test compares it with the schema.

use sluice_model::AccountId;
use sluice_policy::SystemTask;

use crate::{By, Change, Store, StoreError};

/// Tables with rows of one account each, in `account_id`. A row goes before the row that it refers to.
pub(crate) const OF_ACCOUNT: &[&str] = &[
    "policy_attachments",
    "tags",
    "group_members",
    "user_groups",
    "roles",
    "identity_providers",
    "login_profiles",
    "old_passwords",
    "half_sign_ins",
    "mfa_tickets",
    "mfa_devices",
    "sign_in_settings",
    "key_uses",
    "access_key_policies",
    "access_keys",
    "users",
    "policy_versions",
    "policies",
    "topics",
    "client_groups",
    "instances",
    "console_sessions",
    "usage_counts",
    "usage_peaks",
    "changes",
    "seen_decisions",
    "refusals",
    "accounts",
];

/// Tables that belong to the server as a whole.
#[cfg(test)]
const OF_NOBODY: &[&str] = &["schema_steps", "sealing"];

impl Store {
    /// Deletes an account with everything that it has. Its ID and alias, and its instances' IDs, are free afterwards.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_account(&self, task: SystemTask, account: AccountId) -> Result<(), StoreError> {
        tracing::info!(task = task.as_str(), %account, "a system task deletes an account");
        let mut write = self.write(By::Task(task), account).await?;
        let mut rows = 0;
        for table in OF_ACCOUNT {
            rows += write.run(&format!("DELETE FROM {table} WHERE account_id = $1"), &[account.into()]).await?;
        }
        write.commit(Change::Account(account)).await?;
        tracing::info!(%account, rows, "the account is deleted");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sqlx::Row;

    use super::*;
    use crate::SEALED_COLUMNS;

    /// Every table of the schema with its columns.
    async fn schema() -> Vec<(String, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}", folder.path().join("db").display())).await.unwrap();
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let mut schema = Vec::new();
        for table in store.all(tables, &[]).await.unwrap() {
            let table: String = table.get("name");
            let columns = store.all("SELECT name FROM pragma_table_info($1)", &[table.as_str().into()]).await.unwrap();
            schema.push((table, columns.iter().map(|column| column.get("name")).collect()));
        }
        store.close().await;
        schema
    }

    #[tokio::test]
    async fn every_table_is_an_accounts_or_nobodys() {
        let schema = schema().await;
        let with_account = schema.iter().filter(|(_, columns)| columns.iter().any(|column| column == "account_id"));
        let with_account: BTreeSet<&str> = with_account.map(|(table, _)| table.as_str()).collect();
        assert_eq!(with_account, OF_ACCOUNT.iter().copied().collect(), "delete_account must know every table");
        let rest: BTreeSet<&str> = schema.iter().map(|(table, _)| table.as_str()).collect();
        let rest: BTreeSet<&str> = rest.difference(&with_account).copied().collect();
        assert_eq!(rest, OF_NOBODY.iter().copied().collect(), "whose rows are these?");
    }

    #[tokio::test]
    async fn every_sealed_column_is_sealed_anew_when_the_master_key_changes() {
        let schema = schema().await;
        let of = |(table, columns): &(String, Vec<String>)| -> Vec<(String, String)> {
            let sealed = columns.iter().filter(|column| column.starts_with("sealed_"));
            sealed.map(|column| (table.clone(), column.clone())).collect()
        };
        let found: BTreeSet<(String, String)> = schema.iter().flat_map(of).collect();
        let known = SEALED_COLUMNS.iter().map(|one| (one.table.to_owned(), one.column.to_owned())).collect();
        assert_eq!(found, known, "a sealed column is named sealed_… and listed in SEALED_COLUMNS");
    }
}
