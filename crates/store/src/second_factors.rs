//! Sign-ins that wait for a code, and machines that are remembered so that none is asked there. Of both tokens only digests
//! are kept; neither is a session.

use sluice_model::{AccountId, Principal, UnixMs, UserId};
use sluice_policy::SystemTask;

use crate::{
    By, Entity, Store, StoreError,
    row::{Columns, user_number},
    write::Write,
};

/// Sign-ins of a user that wait for a code at once: the oldest goes for a new one.
pub const HALF_SIGN_INS_MAX: i64 = 5;

/// A machine that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaTicket {
    /// SHA-256 of the cookie's token, hex.
    pub digest: String,
    /// Whose sign-in.
    pub user: (AccountId, UserId),
    /// Of which device a code was given there.
    pub serial: String,
    /// Until when.
    pub expires: UnixMs,
}

impl Write {
    /// Forgets remembered machines and sign-ins that wait for a code.
    pub(crate) async fn forget_second_factors(&mut self, account: AccountId, number: i64) -> Result<(), StoreError> {
        for table in ["mfa_tickets", "half_sign_ins"] {
            let sql = format!("DELETE FROM {table} WHERE account_id = $1 AND user_id = $2");
            self.run(&sql, &[account.into(), number.into()]).await?;
        }
        Ok(())
    }

    /// Deletes the device that waits on a page of the console to be bound by this user: its seed was shown to whoever had the
    /// password of before. Its name is the user's number.
    pub(crate) async fn forget_pending_device(&mut self, account: AccountId, number: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM mfa_devices WHERE account_id = $1 AND name = $2 AND user_id = 0 AND page_session <> ''";
        self.run(sql, &[account.into(), number.to_string().as_str().into()]).await.map(drop)
    }
}

impl Store {
    /// Keeps that a user's password was right and a code is to come; those of anybody that are past their end go, and the
    /// user's oldest beyond [`HALF_SIGN_INS_MAX`]. `false`, and none waits, when the password is not the one of the hash
    /// `verified` any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_half_sign_in(
        &self,
        task: SystemTask,
        digest: &str,
        (account, user): (AccountId, UserId),
        verified: &str,
        (now, expires): (UnixMs, UnixMs),
    ) -> Result<bool, StoreError> {
        let principal = Principal::User(account, user);
        tracing::debug!(task = task.as_str(), %principal, "a sign-in waits for its code");
        let mut write = self.write(By::Task(task), account).await?;
        if !write.is_password_still(principal, verified).await? {
            return Ok(false);
        }
        write.run("DELETE FROM half_sign_ins WHERE expires <= $1", &[now.into()]).await?;
        let sql = "DELETE FROM half_sign_ins WHERE account_id = $1 AND user_id = $2 AND digest NOT IN (SELECT digest \
                   FROM half_sign_ins WHERE account_id = $1 AND user_id = $2 ORDER BY expires DESC, digest LIMIT $3)";
        let others = HALF_SIGN_INS_MAX - 1;
        write.run(sql, &[account.into(), user_number(principal).into(), others.into()]).await?;
        let sql = "INSERT INTO half_sign_ins (digest, account_id, user_id, expires) VALUES ($1, $2, $3, $4)";
        let binds = [digest.into(), account.into(), user_number(principal).into(), expires.into()];
        write.insert(sql, &binds, Entity::LoginProfile).await?;
        write.commit_unseen().await?;
        Ok(true)
    }

    /// Whose sign-in waits for a code under this digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn half_sign_in(&self, digest: &str, now: UnixMs) -> Result<Option<(AccountId, UserId)>, StoreError> {
        let sql = "SELECT account_id, user_id FROM half_sign_ins WHERE digest = $1 AND expires > $2";
        let Some(row) = self.one(sql, &[digest.into(), now.into()]).await? else { return Ok(None) };
        let columns = Columns { row: &row, table: "half_sign_ins" };
        Ok(Some((columns.account()?, columns.user("user_id")?)))
    }

    /// Ends it, because the code came; `false` when it was ended already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_half_sign_in(&self, task: SystemTask, digest: &str) -> Result<bool, StoreError> {
        tracing::debug!(task = task.as_str(), "a sign-in waits for its code no more");
        let mut write = self.write_to_any().await?;
        let ended = write.run("DELETE FROM half_sign_ins WHERE digest = $1", &[digest.into()]).await? == 1;
        write.commit_unseen().await?;
        Ok(ended)
    }

    /// Remembers a machine; those of anybody that are past their end go.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_mfa_ticket(&self, task: SystemTask, new: &MfaTicket, now: UnixMs) -> Result<(), StoreError> {
        let (account, user) = new.user;
        let principal = Principal::User(account, user);
        tracing::debug!(task = task.as_str(), %principal, "a machine is remembered");
        let mut write = self.write(By::Task(task), account).await?;
        write.run("DELETE FROM mfa_tickets WHERE expires <= $1", &[now.into()]).await?;
        let sql = "INSERT INTO mfa_tickets (digest, account_id, user_id, serial, expires) VALUES ($1, $2, $3, $4, $5)";
        let (digest, serial) = (new.digest.as_str(), new.serial.as_str());
        let binds = [digest.into(), account.into(), user_number(principal).into(), serial.into(), new.expires.into()];
        write.insert(sql, &binds, Entity::LoginProfile).await?;
        write.commit_unseen().await
    }

    /// Whether a machine is remembered for this user and this device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_mfa_ticket(
        &self,
        digest: &str,
        (account, user): (AccountId, UserId),
        serial: &str,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT account_id FROM mfa_tickets WHERE digest = $1 AND account_id = $2 AND user_id = $3 \
                   AND serial = $4 AND expires > $5";
        let number = user_number(Principal::User(account, user));
        let binds = [digest.into(), account.into(), number.into(), serial.into(), now.into()];
        Ok(self.one(sql, &binds).await?.is_some())
    }
}
