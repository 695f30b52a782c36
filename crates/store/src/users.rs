//! RAM users.

use sluice_model::{AccountId, Principal, UnixMs, UserId, UserName};

use crate::{
    By, Change, Entity, Holder, Store, StoreError,
    by::Target,
    database::Bind,
    row::{Columns, user_number},
    write::Write,
};

/// A RAM user. Texts that were not given are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The permanent number.
    pub id: UserId,
    /// The name.
    pub name: UserName,
    /// For people.
    pub display_name: String,
    /// `{country}-{number}`.
    pub mobile_phone: String,
    /// Mail address.
    pub email: String,
    /// Free text.
    pub comments: String,
    /// When it was made.
    pub created: UnixMs,
    /// When it was changed last.
    pub updated: UnixMs,
    /// When it signed in to the console last.
    pub last_login: Option<UnixMs>,
}

/// A user to make.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The permanent number.
    pub id: UserId,
    /// The name.
    pub name: UserName,
    /// For people.
    pub display_name: String,
    /// `{country}-{number}`.
    pub mobile_phone: String,
    /// Mail address.
    pub email: String,
    /// Free text.
    pub comments: String,
    /// Now.
    pub created: UnixMs,
}

/// What to change of a user; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// The new name.
    pub name: Option<UserName>,
    /// For people.
    pub display_name: Option<String>,
    /// `{country}-{number}`.
    pub mobile_phone: Option<String>,
    /// Mail address.
    pub email: Option<String>,
    /// Free text.
    pub comments: Option<String>,
}

const COLUMNS: &str =
    "account_id, user_id, name, display_name, mobile_phone, email, comments, created, updated, last_login";

fn user(columns: &Columns<'_>) -> Result<User, StoreError> {
    Ok(User {
        id: columns.user("user_id")?,
        name: columns.parsed("name")?,
        display_name: columns.text("display_name")?,
        mobile_phone: columns.text("mobile_phone")?,
        email: columns.text("email")?,
        comments: columns.text("comments")?,
        created: columns.time("created")?,
        updated: columns.time("updated")?,
        last_login: columns.time_if_any("last_login")?,
    })
}

impl Store {
    /// Begins a write on what one user has. A permit names the user, a row its number: refused unless both are one user's.
    pub(crate) async fn write_user(
        &self,
        by: By<'_>,
        (account, number, name): (AccountId, i64, &str),
    ) -> Result<Write, StoreError> {
        by.check(account, &Target::User(name))?;
        let mut write = self.write(by, account).await?;
        let sql = "SELECT COUNT(*) AS n FROM users WHERE account_id = $1 AND user_id = $2 AND name = $3";
        let found = write.count(sql, &[account.into(), number.into(), name.into()]).await?;
        if found == 0 { Err(StoreError::NotFound(Entity::User)) } else { Ok(write) }
    }

    /// Makes a user; `most` is the account's limit.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::Limit`], [`StoreError::PermitMismatch`].
    pub async fn create_user(
        &self,
        by: By<'_>,
        account: AccountId,
        new: &NewUser,
        most: i64,
    ) -> Result<(), StoreError> {
        by.check(account, &Target::User(new.name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let id = user_number(Principal::User(account, new.id));
        write
            .insert(
                "INSERT INTO users (account_id, user_id, name, display_name, mobile_phone, email, comments, created, \
                 updated, last_login) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 0)",
                &[
                    account.into(),
                    id.into(),
                    new.name.as_str().into(),
                    new.display_name.as_str().into(),
                    new.mobile_phone.as_str().into(),
                    new.email.as_str().into(),
                    new.comments.as_str().into(),
                    new.created.into(),
                ],
                Entity::User,
            )
            .await?;
        if write.count("SELECT COUNT(*) AS n FROM users WHERE account_id = $1", &[account.into()]).await? > most {
            return Err(StoreError::Limit(Entity::User));
        }
        write.commit(Change::Principal(Principal::User(account, new.id))).await
    }

    /// The user of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user(&self, account: AccountId, name: &UserName) -> Result<Option<User>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM users WHERE account_id = $1 AND name = $2");
        let row = self.one(&sql, &[account.into(), name.as_str().into()]).await?;
        row.as_ref().map(|row| user(&Columns { row, table: "users" })).transpose()
    }

    /// The user of this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_by_id(&self, account: AccountId, id: UserId) -> Result<Option<User>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM users WHERE account_id = $1 AND user_id = $2");
        let number = user_number(Principal::User(account, id));
        let row = self.one(&sql, &[account.into(), number.into()]).await?;
        row.as_ref().map(|row| user(&Columns { row, table: "users" })).transpose()
    }

    /// Users in bytewise order of names, after `after`, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn users(&self, account: AccountId, after: &str, most: i64) -> Result<Vec<User>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM users WHERE account_id = $1 AND name > $2 ORDER BY name LIMIT $3");
        let rows = self.all(&sql, &[account.into(), after.into(), most.into()]).await?;
        rows.iter().map(|row| user(&Columns { row, table: "users" })).collect()
    }

    /// Changes or renames a user; gives it as it is then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::AlreadyExists`] of the new name, [`StoreError::PermitMismatch`].
    pub async fn update_user(
        &self,
        by: By<'_>,
        account: AccountId,
        name: &UserName,
        change: &UserChange,
        now: UnixMs,
    ) -> Result<User, StoreError> {
        by.check(account, &Target::User(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let columns = [
            ("display_name", change.display_name.as_deref()),
            ("mobile_phone", change.mobile_phone.as_deref()),
            ("email", change.email.as_deref()),
            ("comments", change.comments.as_deref()),
            ("name", change.name.as_ref().map(UserName::as_str)),
        ];
        let touched = "UPDATE users SET updated = $1 WHERE account_id = $2 AND name = $3";
        if write.run(touched, &[now.into(), account.into(), name.as_str().into()]).await? == 0 {
            return Err(StoreError::NotFound(Entity::User));
        }
        // The name last: the statements before it still find the row by the old one.
        for (column, value) in columns {
            if let Some(value) = value {
                let sql = format!("UPDATE users SET {column} = $1 WHERE account_id = $2 AND name = $3");
                let binds = [Bind::Text(value), account.into(), name.as_str().into()];
                write.insert(&sql, &binds, Entity::User).await?;
            }
        }
        let sql = format!("SELECT {COLUMNS} FROM users WHERE account_id = $1 AND name = $2");
        let now_named = change.name.as_ref().unwrap_or(name);
        let row = write.one(&sql, &[account.into(), now_named.as_str().into()]).await?;
        let row = row.ok_or(StoreError::NotFound(Entity::User))?;
        let changed = user(&Columns { row: &row, table: "users" })?;
        write.commit(Change::Principal(Principal::User(account, changed.id))).await?;
        Ok(changed)
    }

    /// Deletes a user that nothing hangs on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Conflict`] naming what still hangs on it.
    pub async fn delete_user(&self, by: By<'_>, account: AccountId, name: &UserName) -> Result<UserId, StoreError> {
        by.check(account, &Target::User(name.as_str()))?;
        let mut write = self.write(by, account).await?;
        let sql = "SELECT user_id FROM users WHERE account_id = $1 AND name = $2";
        let row = write.one(sql, &[account.into(), name.as_str().into()]).await?;
        let row = row.ok_or(StoreError::NotFound(Entity::User))?;
        let columns = Columns { row: &row, table: "users" };
        let (id, number) = (columns.user("user_id")?, columns.integer("user_id")?);
        for (table, entity) in [
            ("access_keys", Entity::AccessKey),
            ("login_profiles", Entity::LoginProfile),
            ("mfa_devices", Entity::MfaDevice),
            ("group_members", Entity::Membership),
        ] {
            let sql = format!("SELECT COUNT(*) AS n FROM {table} WHERE account_id = $1 AND user_id = $2");
            if write.count(&sql, &[account.into(), number.into()]).await? > 0 {
                return Err(StoreError::Conflict(entity));
            }
        }
        if write.attachments_of(account, &Holder::User(id)).await? > 0 {
            return Err(StoreError::Conflict(Entity::Attachment));
        }
        for table in ["console_sessions", "old_passwords", "users"] {
            let sql = format!("DELETE FROM {table} WHERE account_id = $1 AND user_id = $2");
            write.run(&sql, &[account.into(), number.into()]).await?;
        }
        write.commit(Change::Principal(Principal::User(account, id))).await?;
        Ok(id)
    }
}
