//! Tenant accounts and their own sign-in.

use sluice_model::{AccessKeyId, AccountAlias, AccountId, UnixMs};
use sluice_policy::SystemTask;

use crate::{
    Change, Entity, Instance, Store, StoreError,
    database::Bind,
    instances,
    login_profiles::LoginState,
    row::{Columns, account_number},
};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its ID.
    pub account: AccountId,
    /// Its alias; the ID's digits cannot be one, so an account without alias has `account-{ID}`.
    pub alias: AccountAlias,
    /// When it was made.
    pub created: UnixMs,
}

/// What a new account begins with. Not `Debug`: the hash stays out of logs.
pub struct NewAccount<'a> {
    /// Its ID.
    pub account: AccountId,
    /// Its alias.
    pub alias: &'a AccountAlias,
    /// argon2 hash of its own password.
    pub password_hash: &'a str,
    /// Its first AccessKey.
    pub key: &'a AccessKeyId,
    /// That key's secret, sealed.
    pub sealed_secret: &'a str,
    /// Its first instance, made with it or not at all.
    pub instance: Option<&'a Instance>,
    /// Now.
    pub created: UnixMs,
}

pub(crate) fn account(columns: &Columns<'_>) -> Result<Account, StoreError> {
    Ok(Account { account: columns.account()?, alias: columns.parsed("alias")?, created: columns.time("created")? })
}

impl Store {
    /// Makes an account with its first key and, when it has one, its first instance.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] of the ID, the alias, the key or the instance.
    pub async fn create_account(&self, task: SystemTask, new: &NewAccount<'_>) -> Result<(), StoreError> {
        tracing::info!(task = task.as_str(), account = %new.account, "a system task makes an account");
        let mut write = self.write_to_any().await?;
        let same_id = "SELECT COUNT(*) AS n FROM accounts WHERE account_id = $1";
        if write.count(same_id, &[new.account.into()]).await? > 0 {
            return Err(StoreError::AlreadyExists(Entity::Account));
        }
        write
            .insert(
                "INSERT INTO accounts (account_id, alias, password_hash, failures, locked_until, created, revision) \
                 VALUES ($1, $2, $3, 0, 0, $4, 0)",
                &[new.account.into(), new.alias.as_str().into(), new.password_hash.into(), new.created.into()],
                Entity::AccountAlias,
            )
            .await?;
        write
            .insert(
                "INSERT INTO access_keys (key_id, account_id, user_id, sealed_secret, active, created) \
                 VALUES ($1, $2, 0, $3, 1, $4)",
                &[new.key.as_str().into(), new.account.into(), new.sealed_secret.into(), new.created.into()],
                Entity::AccessKey,
            )
            .await?;
        if let Some(instance) = new.instance {
            instances::insert(&mut write, instance).await?;
        }
        write.commit(Change::Account(new.account)).await
    }

    /// All accounts, by ID.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let rows = self.all("SELECT account_id, alias, created FROM accounts ORDER BY account_id", &[]).await?;
        rows.iter().map(|row| account(&Columns { row, table: "accounts" })).collect()
    }

    /// One account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.account_where("SELECT account_id, alias, created FROM accounts WHERE account_id = $1", id.into()).await
    }

    /// The account with this alias.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_by_alias(&self, alias: &AccountAlias) -> Result<Option<Account>, StoreError> {
        let sql = "SELECT account_id, alias, created FROM accounts WHERE alias = $1";
        self.account_where(sql, alias.as_str().into()).await
    }

    async fn account_where(&self, sql: &str, bind: Bind<'_>) -> Result<Option<Account>, StoreError> {
        let row = self.one(sql, &[bind]).await?;
        row.as_ref().map(|row| account(&Columns { row, table: "accounts" })).transpose()
    }

    /// What the account's own sign-in is checked against.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_login(&self, id: AccountId) -> Result<Option<LoginState>, StoreError> {
        let sql = "SELECT password_hash, 0 AS password_reset_required, failures, locked_until FROM accounts \
                   WHERE account_id = $1";
        let row = self.one(sql, &[Bind::Integer(account_number(id))]).await?;
        row.as_ref().map(|row| LoginState::of(&Columns { row, table: "accounts" })).transpose()
    }
}
