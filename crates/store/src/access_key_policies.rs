//! From where AccessKeys may be used: a policy of one key, and one of an account for its keys that have none.

use sluice_model::{AccessKeyId, AccountId, Principal};

use crate::{
    By, Change, Entity, Store, StoreError,
    by::Target,
    row::{Columns, user_number},
    write::Write,
};

/// A policy as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy {
    /// Of which account.
    pub account: AccountId,
    /// Of which key; `None` is the account's.
    pub key: Option<AccessKeyId>,
    /// Its text.
    pub document: String,
}

pub(crate) const SELECT: &str = "SELECT account_id, key_id, document FROM access_key_policies";

/// The account's own policy has no key.
const OF_ACCOUNT: &str = "";

fn key_text(key: Option<&AccessKeyId>) -> &str {
    key.map_or(OF_ACCOUNT, AccessKeyId::as_str)
}

pub(crate) fn key_policy(columns: &Columns<'_>) -> Result<KeyPolicy, StoreError> {
    let is_of_account = columns.text("key_id")? == OF_ACCOUNT;
    let key = if is_of_account { None } else { Some(columns.parsed("key_id")?) };
    Ok(KeyPolicy { account: columns.account()?, key, document: columns.text("document")? })
}

/// Puts a policy in the place of the one before; `None` takes it away.
async fn put(
    write: &mut Write,
    account: AccountId,
    key: Option<&AccessKeyId>,
    document: Option<&str>,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM access_key_policies WHERE account_id = $1 AND key_id = $2";
    write.run(sql, &[account.into(), key_text(key).into()]).await?;
    if let Some(document) = document {
        let sql = "INSERT INTO access_key_policies (account_id, key_id, document) VALUES ($1, $2, $3)";
        write.run(sql, &[account.into(), key_text(key).into(), document.into()]).await?;
    }
    Ok(())
}

impl Store {
    /// Sets the policy of a key; `None` takes it away. `owner_name` as in [`Store::create_key`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of user or key, [`StoreError::PermitMismatch`].
    pub async fn set_key_policy(
        &self,
        by: By<'_>,
        owner: Principal,
        owner_name: Option<&str>,
        key: &AccessKeyId,
        document: Option<&str>,
    ) -> Result<(), StoreError> {
        let account = owner.account();
        let mut write = self.write_keys(by, owner, owner_name).await?;
        let sql = "SELECT COUNT(*) AS n FROM access_keys WHERE key_id = $1 AND account_id = $2 AND user_id = $3";
        if write.count(sql, &[key.as_str().into(), account.into(), user_number(owner).into()]).await? == 0 {
            return Err(StoreError::NotFound(Entity::AccessKey));
        }
        put(&mut write, account, Some(key), document).await?;
        write.commit(Change::Principal(owner)).await
    }

    /// Sets the policy of an account's keys that have none of their own; `None` takes it away.
    ///
    /// # Errors
    /// [`StoreError::PermitMismatch`].
    pub async fn set_account_key_policy(
        &self,
        by: By<'_>,
        account: AccountId,
        document: Option<&str>,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::Account)?;
        let mut write = self.write(by, account).await?;
        put(&mut write, account, None, document).await?;
        write.commit(Change::AccountKeyPolicy(account)).await
    }

    /// The text of a key's policy, or of the account's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_policy(
        &self,
        account: AccountId,
        key: Option<&AccessKeyId>,
    ) -> Result<Option<String>, StoreError> {
        let sql = format!("{SELECT} WHERE account_id = $1 AND key_id = $2");
        let row = self.one(&sql, &[account.into(), key_text(key).into()]).await?;
        row.as_ref().map(|row| Columns { row, table: "access_key_policies" }.text("document")).transpose()
    }

    /// The policies that speak of an account's keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_policies_of_account(&self, account: AccountId) -> Result<Vec<KeyPolicy>, StoreError> {
        let rows = self.all(&format!("{SELECT} WHERE account_id = $1"), &[account.into()]).await?;
        rows.iter().map(|row| key_policy(&Columns { row, table: "access_key_policies" })).collect()
    }

    /// The policies that speak of an owner's keys: theirs and the account's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_policies(&self, owner: Principal) -> Result<Vec<KeyPolicy>, StoreError> {
        let sql = format!(
            "{SELECT} WHERE account_id = $1 AND (key_id = '' OR key_id IN \
             (SELECT key_id FROM access_keys WHERE account_id = $1 AND user_id = $2))"
        );
        let rows = self.all(&sql, &[owner.account().into(), user_number(owner).into()]).await?;
        rows.iter().map(|row| key_policy(&Columns { row, table: "access_key_policies" })).collect()
    }
}
