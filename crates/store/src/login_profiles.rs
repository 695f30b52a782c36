//! Console sign-ins of RAM users, and the count of wrong passwords of users and accounts.

use sluice_model::{AccountId, Principal, UnixMs, UserId};
use sluice_policy::SystemTask;

use crate::{
    By, Change, Entity, Store, StoreError,
    row::{Columns, user_number},
    write::Write,
};

/// A user's console sign-in, as the API shows it. The hash is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginProfile {
    /// Whether the password must be changed at the next sign-in.
    pub password_reset_required: bool,
    /// Whether an MFA device must be bound at the next sign-in.
    pub mfa_bind_required: bool,
    /// When it was made.
    pub created: UnixMs,
}

/// What a sign-in is checked against. Its `Debug` shows no hash.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginState {
    /// argon2 hash.
    pub password_hash: String,
    /// Whether the password must be changed first.
    pub password_reset_required: bool,
    /// Whether an MFA device must be bound first.
    pub mfa_bind_required: bool,
    /// Since when the password is what it is.
    pub password_changed: UnixMs,
    /// Wrong passwords in a row.
    pub failures: i64,
    /// Locked until then.
    pub locked_until: Option<UnixMs>,
}

impl std::fmt::Debug for LoginState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoginState {{ failures: {}, locked_until: {:?} }}", self.failures, self.locked_until)
    }
}

impl LoginState {
    pub(crate) fn of(columns: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            password_hash: columns.text("password_hash")?,
            password_reset_required: columns.flag("password_reset_required")?,
            mfa_bind_required: columns.flag("mfa_bind_required")?,
            // Not read as "never": an account's own password has no age.
            password_changed: columns.time("password_changed")?,
            failures: columns.integer("failures")?,
            locked_until: columns.time_if_any("locked_until")?,
        })
    }
}

/// Passwords of a user that are kept as hashes: the present or last one, and 24 of before, the most that a policy forbids to
/// use again. They are kept as long as the user is. Source: facts/ram.md section 2.
pub const PASSWORDS_KEPT_MAX: i64 = 25;

/// A password in the place of the one of before.
#[derive(Clone, Copy)]
pub struct NewPassword<'a> {
    /// argon2 hash.
    pub hash: &'a str,
    /// Now.
    pub now: UnixMs,
    /// The digest of the one console session that goes on.
    pub keep: Option<&'a str>,
}

impl Write {
    /// Puts a new password in place: console sessions end, machines are forgotten. The count of wrong passwords and codes, and
    /// the lock, stay: who changes its own password would else guess codes without end.
    async fn replace_password(
        &mut self,
        (account, number): (AccountId, i64),
        new: NewPassword<'_>,
    ) -> Result<(), StoreError> {
        self.retire_password(account, number).await?;
        let sql = "UPDATE login_profiles SET password_hash = $1, password_changed = $2 \
                   WHERE account_id = $3 AND user_id = $4";
        self.run(sql, &[new.hash.into(), new.now.into(), account.into(), number.into()]).await?;
        let sql = "DELETE FROM console_sessions WHERE account_id = $1 AND user_id = $2 AND digest <> $3";
        self.run(sql, &[account.into(), number.into(), new.keep.unwrap_or_default().into()]).await?;
        self.forget_second_factors(account, number).await?;
        self.forget_pending_device(account, number).await
    }

    /// Puts the present password among those of before.
    async fn retire_password(&mut self, account: AccountId, number: i64) -> Result<(), StoreError> {
        let of = [account.into(), number.into()];
        let sql = "INSERT INTO old_passwords (account_id, user_id, number, password_hash) \
                   SELECT account_id, user_id, (SELECT COALESCE(MAX(number), 0) + 1 FROM old_passwords \
                   WHERE account_id = $1 AND user_id = $2), password_hash FROM login_profiles \
                   WHERE account_id = $1 AND user_id = $2";
        self.run(sql, &of).await?;
        let sql = "DELETE FROM old_passwords WHERE account_id = $1 AND user_id = $2 AND number <= \
                   (SELECT MAX(number) FROM old_passwords WHERE account_id = $1 AND user_id = $2) - $3";
        self.run(sql, &[account.into(), number.into(), PASSWORDS_KEPT_MAX.into()]).await?;
        Ok(())
    }

    /// Whether the hash that a password was verified against is the principal's still; it stays so until the commit.
    pub(crate) async fn is_password_still(&mut self, principal: Principal, verified: &str) -> Result<bool, StoreError> {
        let (table, row) = login_row(principal);
        let sql = format!("SELECT COUNT(*) AS n FROM {table} WHERE password_hash = $1 AND {row}");
        let binds = [verified.into(), principal.account().into(), user_number(principal).into()];
        Ok(self.count(&sql, &binds).await? == 1)
    }
}

impl Store {
    /// Lets a user sign in to the console.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::NotFound`] of the user.
    pub async fn create_login_profile(
        &self,
        by: By<'_>,
        user: (AccountId, UserId, &str),
        profile: &LoginProfile,
        password_hash: &str,
    ) -> Result<(), StoreError> {
        let (account, id, name) = user;
        let number = user_number(Principal::User(account, id));
        let mut write = self.write_user(by, (account, number, name)).await?;
        write
            .insert(
                "INSERT INTO login_profiles (account_id, user_id, password_hash, password_reset_required, \
                 mfa_bind_required, created, password_changed, failures, locked_until) \
                 VALUES ($1, $2, $3, $4, $5, $6, $6, 0, 0)",
                &[
                    account.into(),
                    number.into(),
                    password_hash.into(),
                    profile.password_reset_required.into(),
                    profile.mfa_bind_required.into(),
                    profile.created.into(),
                ],
                Entity::LoginProfile,
            )
            .await?;
        write.commit(Change::Principal(Principal::User(account, id))).await
    }

    /// A user's console sign-in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn login_profile(&self, account: AccountId, user: UserId) -> Result<Option<LoginProfile>, StoreError> {
        let sql = "SELECT password_reset_required, mfa_bind_required, created FROM login_profiles \
                   WHERE account_id = $1 AND user_id = $2";
        let number = user_number(Principal::User(account, user));
        let Some(row) = self.one(sql, &[account.into(), number.into()]).await? else { return Ok(None) };
        let columns = Columns { row: &row, table: "login_profiles" };
        Ok(Some(LoginProfile {
            password_reset_required: columns.flag("password_reset_required")?,
            mfa_bind_required: columns.flag("mfa_bind_required")?,
            created: columns.time("created")?,
        }))
    }

    /// What a user's sign-in is checked against.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_login(&self, account: AccountId, user: UserId) -> Result<Option<LoginState>, StoreError> {
        let sql = "SELECT password_hash, password_reset_required, mfa_bind_required, password_changed, failures, \
                   locked_until FROM login_profiles WHERE account_id = $1 AND user_id = $2";
        let number = user_number(Principal::User(account, user));
        let row = self.one(sql, &[account.into(), number.into()]).await?;
        row.as_ref().map(|row| LoginState::of(&Columns { row, table: "login_profiles" })).transpose()
    }

    /// Hashes of a user's passwords, the present one first, where there is one; `most` of them, [`PASSWORDS_KEPT_MAX`] at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn passwords(&self, account: AccountId, user: UserId, most: i64) -> Result<Vec<String>, StoreError> {
        let present = self.user_login(account, user).await?.map(|present| Ok(present.password_hash));
        let most = usize::try_from(most.clamp(0, PASSWORDS_KEPT_MAX)).unwrap_or_default();
        let sql = "SELECT password_hash FROM old_passwords WHERE account_id = $1 AND user_id = $2 \
                   ORDER BY number DESC LIMIT $3";
        let number = user_number(Principal::User(account, user));
        let rows = self.all(sql, &[account.into(), number.into(), PASSWORDS_KEPT_MAX.into()]).await?;
        let old = rows.iter().map(|row| Columns { row, table: "old_passwords" }.text("password_hash"));
        present.into_iter().chain(old).take(most).collect()
    }

    /// Changes flags and, when given, the password. A new password ends the user's console sessions and, unless the user itself
    /// sets it, the lock. A step that is newly demanded ends the sessions that have not done it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn update_login_profile(
        &self,
        by: By<'_>,
        user: (AccountId, UserId, &str),
        flags: (Option<bool>, Option<bool>),
        password: Option<NewPassword<'_>>,
    ) -> Result<(), StoreError> {
        let (account, id, name) = user;
        let number = user_number(Principal::User(account, id));
        let mut write = self.write_user(by, (account, number, name)).await?;
        let principal = Principal::User(account, id);
        let of = [account.into(), number.into()];
        let exists = "SELECT COUNT(*) AS n FROM login_profiles WHERE account_id = $1 AND user_id = $2";
        if write.count(exists, &of).await? == 0 {
            return Err(StoreError::NotFound(Entity::LoginProfile));
        }
        // The sessions that have a step yet to do: all a new password, those without MFA a device to bind.
        let steps = [("password_reset_required", flags.0, ""), ("mfa_bind_required", flags.1, " AND mfa_present = 0")];
        for (column, value, undone) in steps {
            let Some(value) = value else { continue };
            let sql = format!(
                "UPDATE login_profiles SET {column} = $1 WHERE account_id = $2 AND user_id = $3 AND {column} <> $1"
            );
            let is_new = write.run(&sql, &[value.into(), account.into(), number.into()]).await? > 0;
            if is_new && value {
                let sql = format!("DELETE FROM console_sessions WHERE account_id = $1 AND user_id = $2{undone}");
                write.run(&sql, &of).await?;
            }
        }
        if let Some(password) = password {
            write.replace_password((account, number), password).await?;
            if !by.is_of(principal) {
                let sql =
                    "UPDATE login_profiles SET failures = 0, locked_until = 0 WHERE account_id = $1 AND user_id = $2";
                write.run(sql, &of).await?;
            }
        }
        write.commit(Change::Principal(principal)).await
    }

    /// Changes a user's password at its own wish; it need not be changed again, and its console sessions end but the one
    /// from which it was done. Wrong passwords and codes stay counted, and a lock stays. `false`, and nothing is changed, when the present password is not the one of the hash `verified`
    /// any more: what was set or taken away meanwhile wins.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_own_password(
        &self,
        task: SystemTask,
        user: (AccountId, UserId),
        verified: &str,
        password: NewPassword<'_>,
    ) -> Result<bool, StoreError> {
        let principal = Principal::User(user.0, user.1);
        tracing::debug!(task = task.as_str(), %principal, "a user changes its own password");
        let mut write = self.write(By::Task(task), user.0).await?;
        let sql = "UPDATE login_profiles SET password_reset_required = 0 \
                   WHERE account_id = $1 AND user_id = $2 AND password_hash = $3";
        let number = user_number(principal);
        if write.run(sql, &[user.0.into(), number.into(), verified.into()]).await? == 0 {
            return Ok(false);
        }
        write.replace_password((user.0, number), password).await?;
        write.commit(Change::Principal(principal)).await?;
        Ok(true)
    }

    /// Takes the console sign-in away, with its sessions; its password stays among those of before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_login_profile(&self, by: By<'_>, user: (AccountId, UserId, &str)) -> Result<(), StoreError> {
        let (account, id, name) = user;
        let number = user_number(Principal::User(account, id));
        let binds = [account.into(), number.into()];
        let mut write = self.write_user(by, (account, number, name)).await?;
        write.retire_password(account, number).await?;
        if write.run("DELETE FROM login_profiles WHERE account_id = $1 AND user_id = $2", &binds).await? == 0 {
            return Err(StoreError::NotFound(Entity::LoginProfile));
        }
        write.run("DELETE FROM console_sessions WHERE account_id = $1 AND user_id = $2", &binds).await?;
        write.forget_second_factors(account, number).await?;
        write.forget_pending_device(account, number).await?;
        write.commit(Change::Principal(Principal::User(account, id))).await
    }

    /// Counts a wrong password; at `most` in a row the sign-in is locked until `locked_until` and the count begins
    /// anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_sign_in_failure(
        &self,
        task: SystemTask,
        principal: Principal,
        most: i64,
        locked_until: UnixMs,
    ) -> Result<(), StoreError> {
        let (account, number) = (principal.account(), user_number(principal));
        tracing::debug!(task = task.as_str(), %principal, "a wrong password is counted");
        let (table, row) = login_row(principal);
        let mut write = self.write(By::Task(task), account).await?;
        let lock = format!("UPDATE {table} SET failures = 0, locked_until = $1 WHERE {row} AND failures + 1 >= $4");
        let binds = [locked_until.into(), account.into(), number.into(), most.into()];
        if write.run(&lock, &binds).await? == 0 {
            let count = format!("UPDATE {table} SET failures = failures + $1 WHERE {row}");
            write.run(&count, &[1.into(), account.into(), number.into()]).await?;
        }
        write.commit_unseen().await
    }

    /// Counts an attempt before it is looked at: whether there may be one. The last of `most` locks until `locked_until`, and
    /// is looked at all the same; if it is right, [`Store::record_sign_in`] takes count and lock back. So no number of
    /// attempts at once is more than `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn spend_attempt(
        &self,
        task: SystemTask,
        principal: Principal,
        most: i64,
        (now, locked_until): (UnixMs, UnixMs),
    ) -> Result<bool, StoreError> {
        let (account, number) = (principal.account(), user_number(principal));
        tracing::debug!(task = task.as_str(), %principal, "an attempt is counted");
        let (table, row) = login_row(principal);
        let mut write = self.write(By::Task(task), account).await?;
        let lock = format!(
            "UPDATE {table} SET failures = 0, locked_until = $1 WHERE {row} AND failures + 1 >= $4 AND locked_until <= $5"
        );
        let binds = [locked_until.into(), account.into(), number.into(), most.into(), now.into()];
        let mut may = write.run(&lock, &binds).await? > 0;
        if !may {
            let count = format!("UPDATE {table} SET failures = failures + 1 WHERE {row} AND locked_until <= $1");
            may = write.run(&count, &[now.into(), account.into(), number.into()]).await? > 0;
        }
        write.commit_unseen().await?;
        Ok(may)
    }

    /// Forgets wrong passwords after a right one, and notes when a user signed in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_sign_in(&self, task: SystemTask, principal: Principal, now: UnixMs) -> Result<(), StoreError> {
        let (account, number) = (principal.account(), user_number(principal));
        tracing::debug!(task = task.as_str(), %principal, "a sign-in is noted");
        let (table, row) = login_row(principal);
        let mut write = self.write(By::Task(task), account).await?;
        let sql = format!("UPDATE {table} SET failures = $1, locked_until = 0 WHERE {row}");
        write.run(&sql, &[0.into(), account.into(), number.into()]).await?;
        if matches!(principal, Principal::User(..)) {
            let sql = "UPDATE users SET last_login = $1 WHERE account_id = $2 AND user_id = $3";
            write.run(sql, &[now.into(), account.into(), number.into()]).await?;
        }
        write.commit_unseen().await
    }
}

/// Where a principal's wrong passwords are counted: the table, and the condition on `$2` and `$3`.
fn login_row(principal: Principal) -> (&'static str, &'static str) {
    match principal {
        Principal::Account(_) => ("accounts", "account_id = $2 AND $3 = 0"),
        // A role has no sign-in: there is no row of its number.
        Principal::User(..) | Principal::Role(..) => ("login_profiles", "account_id = $2 AND user_id = $3"),
    }
}
