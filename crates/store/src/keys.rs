//! AccessKeys of users and of accounts.

use sluice_model::{AccessKeyId, AccountId, Principal, UnixMs};

use crate::{
    By, Change, Entity, Store, StoreError,
    by::Target,
    row::{Columns, user_number},
    write::Write,
};

/// AccessKeys that one owner may have.
pub const KEYS_PER_OWNER_MAX: i64 = 2;

/// An AccessKey, its secret sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The public half.
    pub id: AccessKeyId,
    /// Whose it is.
    pub owner: Principal,
    /// The secret, sealed by `access`.
    pub sealed_secret: String,
    /// Whether it may act.
    pub active: bool,
    /// When it was made.
    pub created: UnixMs,
}

pub(crate) const COLUMNS: &str = "key_id, account_id, user_id, sealed_secret, active, created";

pub(crate) fn key(columns: &Columns<'_>) -> Result<AccessKey, StoreError> {
    Ok(AccessKey {
        id: columns.parsed("key_id")?,
        owner: columns.principal()?,
        sealed_secret: columns.text("sealed_secret")?,
        active: columns.flag("active")?,
        created: columns.time("created")?,
    })
}

impl Store {
    /// Begins a write to an owner's keys: the proof must name the owner, by its user's name or as the account itself.
    pub(crate) async fn write_keys(
        &self,
        by: By<'_>,
        owner: Principal,
        name: Option<&str>,
    ) -> Result<Write, StoreError> {
        let account = owner.account();
        let Some(name) = name else {
            by.check(account, &Target::Account)?;
            // A user's key never hangs on a right to the account's own.
            let Principal::Account(_) = owner else { return Err(StoreError::NotFound(Entity::User)) };
            return self.write(by, account).await;
        };
        self.write_user(by, (account, user_number(owner), name)).await
    }

    /// Makes a key. `owner_name` is the user's name that the permit speaks of; `None` for the account's own.
    ///
    /// # Errors
    /// [`StoreError::Limit`] at [`KEYS_PER_OWNER_MAX`], [`StoreError::AlreadyExists`], [`StoreError::NotFound`],
    /// [`StoreError::SealedBefore`].
    pub async fn create_key(&self, by: By<'_>, owner_name: Option<&str>, new: &AccessKey) -> Result<(), StoreError> {
        let (account, user) = (new.owner.account(), user_number(new.owner));
        let mut write = self.write_keys(by, new.owner, owner_name).await?;
        let sql = "SELECT COUNT(*) AS n FROM access_keys WHERE account_id = $1 AND user_id = $2";
        if write.count(sql, &[account.into(), user.into()]).await? >= KEYS_PER_OWNER_MAX {
            return Err(StoreError::Limit(Entity::AccessKey));
        }
        write.expect_sealed_now(&new.sealed_secret).await?;
        write
            .insert(
                "INSERT INTO access_keys (key_id, account_id, user_id, sealed_secret, active, created) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
                &[
                    new.id.as_str().into(),
                    account.into(),
                    user.into(),
                    new.sealed_secret.as_str().into(),
                    new.active.into(),
                    new.created.into(),
                ],
                Entity::AccessKey,
            )
            .await?;
        write.commit(Change::Principal(new.owner)).await
    }

    /// The keys of an owner, by creation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys(&self, owner: Principal) -> Result<Vec<AccessKey>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM access_keys WHERE account_id = $1 AND user_id = $2 ORDER BY created, key_id"
        );
        let rows = self.all(&sql, &[owner.account().into(), user_number(owner).into()]).await?;
        rows.iter().map(|row| key(&Columns { row, table: "access_keys" })).collect()
    }

    /// All keys of an account, its users' included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_keys(&self, account: AccountId) -> Result<Vec<AccessKey>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM access_keys WHERE account_id = $1 ORDER BY key_id");
        let rows = self.all(&sql, &[account.into()]).await?;
        rows.iter().map(|row| key(&Columns { row, table: "access_keys" })).collect()
    }

    /// Makes a key active or inactive.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of user or key.
    pub async fn set_key_active(
        &self,
        by: By<'_>,
        owner: Principal,
        owner_name: Option<&str>,
        id: &AccessKeyId,
        active: bool,
    ) -> Result<(), StoreError> {
        let mut write = self.write_keys(by, owner, owner_name).await?;
        let sql = "UPDATE access_keys SET active = $1 WHERE key_id = $2 AND account_id = $3 AND user_id = $4";
        let binds = [active.into(), id.as_str().into(), owner.account().into(), user_number(owner).into()];
        if write.run(sql, &binds).await? == 0 {
            return Err(StoreError::NotFound(Entity::AccessKey));
        }
        write.commit(Change::Principal(owner)).await
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of user or key.
    pub async fn delete_key(
        &self,
        by: By<'_>,
        owner: Principal,
        owner_name: Option<&str>,
        id: &AccessKeyId,
    ) -> Result<(), StoreError> {
        let mut write = self.write_keys(by, owner, owner_name).await?;
        let sql = "DELETE FROM access_keys WHERE key_id = $1 AND account_id = $2 AND user_id = $3";
        let binds = [id.as_str().into(), owner.account().into(), user_number(owner).into()];
        if write.run(sql, &binds).await? == 0 {
            return Err(StoreError::NotFound(Entity::AccessKey));
        }
        let policy = "DELETE FROM access_key_policies WHERE account_id = $1 AND key_id = $2";
        write.run(policy, &[owner.account().into(), id.as_str().into()]).await?;
        write.run("DELETE FROM key_uses WHERE key_id = $1", &[id.as_str().into()]).await?;
        write.commit(Change::Principal(owner)).await
    }
}
