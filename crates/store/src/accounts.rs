//! Tenant accounts and their own sign-in.

use sluice_model::{AccessKeyId, AccountAlias, AccountId, UnixMs};
use sluice_policy::SystemTask;

use crate::{
    By, Change, Entity, Instance, Store, StoreError,
    by::Target,
    database::Bind,
    instances,
    login_profiles::LoginState,
    row::{Columns, account_number},
    write::Write,
};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its ID.
    pub account: AccountId,
    /// Its alias, or what stands for one.
    pub alias: AccountAlias,
    /// Whether anything of it is in force; an operator disables and enables it.
    pub active: bool,
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

/// The account's own way in, anew. Not `Debug`: the hash stays out of logs.
pub struct NewRoot<'a> {
    /// Which account.
    pub account: AccountId,
    /// argon2 hash of its own password.
    pub password_hash: &'a str,
    /// Its only AccessKey from now on.
    pub key: &'a AccessKeyId,
    /// That key's secret, sealed.
    pub sealed_secret: &'a str,
    /// Now.
    pub created: UnixMs,
}

pub(crate) const COLUMNS: &str = "account_id, alias, active, created";

pub(crate) fn account(columns: &Columns<'_>) -> Result<Account, StoreError> {
    let id = columns.account()?;
    let unset = AccountAlias::unset(id);
    let alias = if columns.text("alias")? == unset.as_str() { unset } else { columns.parsed("alias")? };
    Ok(Account { account: id, alias, active: columns.flag("active")?, created: columns.time("created")? })
}

impl Store {
    /// Makes an account with its first key and, when it has one, its first instance.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] of the ID, the alias, the key or the instance.
    pub async fn create_account(&self, task: SystemTask, new: &NewAccount<'_>) -> Result<(), StoreError> {
        let mut write = self.write_to_any().await?;
        let same_id = "SELECT COUNT(*) AS n FROM accounts WHERE account_id = $1";
        if write.count(same_id, &[new.account.into()]).await? > 0 {
            return Err(StoreError::AlreadyExists(Entity::Account));
        }
        write.expect_sealed_now(new.sealed_secret).await?;
        // Behind the changes of a deleted account of this ID: whoever reads them tells changes apart by their numbers.
        let behind = "SELECT COALESCE(MAX(revision) + 1, 0) AS n FROM changes WHERE account_id = $1";
        write.revision = write.count(behind, &[new.account.into()]).await?;
        let revision = write.revision;
        let sql = "INSERT INTO accounts (account_id, alias, password_hash, failures, locked_until, created, revision) \
                   VALUES ($1, $2, $3, 0, 0, $4, $5)";
        let (alias, hash) = (new.alias.as_str().into(), new.password_hash.into());
        let binds = [new.account.into(), alias, hash, new.created.into(), revision.into()];
        write.insert(sql, &binds, Entity::AccountAlias).await?;
        insert_root_key(&mut write, (new.account, new.key, new.sealed_secret), new.created).await?;
        if let Some(instance) = new.instance {
            instances::insert(&mut write, instance).await?;
        }
        write.commit(Change::Account(new.account)).await?;
        tracing::info!(task = task.as_str(), account = %new.account, "a system task made an account");
        Ok(())
    }

    /// Puts an account out of force, or in force again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_account_active(&self, task: SystemTask, id: AccountId, active: bool) -> Result<(), StoreError> {
        tracing::info!(task = task.as_str(), account = %id, active, "a system task disables or enables an account");
        let mut write = self.write(By::Task(task), id).await?;
        write.run("UPDATE accounts SET active = $2 WHERE account_id = $1", &[id.into(), active.into()]).await?;
        write.commit(Change::Account(id)).await
    }

    /// Replaces the account's own password and AccessKeys; its lock and its own console sessions end. Users keep theirs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the account, [`StoreError::AlreadyExists`] of the key.
    pub async fn reset_root(&self, task: SystemTask, new: &NewRoot<'_>) -> Result<(), StoreError> {
        tracing::info!(task = task.as_str(), account = %new.account, "a system task resets an account's own sign-in");
        let mut write = self.write(By::Task(task), new.account).await?;
        // Before the keys, which whoever changes the master key locks after this.
        write.expect_sealed_now(new.sealed_secret).await?;
        let sql = "UPDATE accounts SET password_hash = $2, failures = 0, locked_until = 0 WHERE account_id = $1";
        write.run(sql, &[new.account.into(), new.password_hash.into()]).await?;
        // A list that leaves nobody in could not be changed by anybody: the account's own goes with those of its own keys.
        let own = "SELECT key_id FROM access_keys WHERE account_id = $1 AND user_id = 0";
        let sql =
            format!("DELETE FROM access_key_policies WHERE account_id = $1 AND (key_id = '' OR key_id IN ({own}))");
        write.run(&sql, &[new.account.into()]).await?;
        for table in ["access_keys", "console_sessions"] {
            let sql = format!("DELETE FROM {table} WHERE account_id = $1 AND user_id = 0");
            write.run(&sql, &[new.account.into()]).await?;
        }
        insert_root_key(&mut write, (new.account, new.key, new.sealed_secret), new.created).await?;
        write.commit(Change::Account(new.account)).await
    }

    /// All accounts, by ID.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let rows = self.all(&format!("SELECT {COLUMNS} FROM accounts ORDER BY account_id"), &[]).await?;
        rows.iter().map(|row| account(&Columns { row, table: "accounts" })).collect()
    }

    /// One account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.account_where(&format!("SELECT {COLUMNS} FROM accounts WHERE account_id = $1"), id.into()).await
    }

    /// The account with this alias.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_by_alias(&self, alias: &AccountAlias) -> Result<Option<Account>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM accounts WHERE alias = $1");
        self.account_where(&sql, alias.as_str().into()).await
    }

    /// Gives an account another alias, or with [`AccountAlias::unset`] none; sign-in asks by it at once.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::PermitMismatch`].
    pub async fn set_account_alias(&self, by: By<'_>, id: AccountId, alias: &AccountAlias) -> Result<(), StoreError> {
        by.check(id, &Target::Account)?;
        let mut write = self.write(by, id).await?;
        let sql = "UPDATE accounts SET alias = $1 WHERE account_id = $2";
        write.change(sql, &[alias.as_str().into(), id.into()], Entity::AccountAlias).await?;
        write.commit_unseen().await
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
        // The account's own password is not under the password policy.
        let sql = "SELECT password_hash, 0 AS password_reset_required, 0 AS mfa_bind_required, 0 AS password_changed, \
                   failures, locked_until FROM accounts WHERE account_id = $1";
        let row = self.one(sql, &[Bind::Integer(account_number(id))]).await?;
        row.as_ref().map(|row| LoginState::of(&Columns { row, table: "accounts" })).transpose()
    }
}

async fn insert_root_key(
    write: &mut Write,
    (account, key, sealed_secret): (AccountId, &AccessKeyId, &str),
    created: UnixMs,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO access_keys (key_id, account_id, user_id, sealed_secret, active, created) \
               VALUES ($1, $2, 0, $3, 1, $4)";
    let binds = [key.as_str().into(), account.into(), sealed_secret.into(), created.into()];
    write.insert(sql, &binds, Entity::AccessKey).await
}
