//! Console sessions. A token's digest is kept, never the token.

use sluice_model::{AccountId, Principal, UnixMs};
use sluice_policy::SystemTask;

use crate::{
    By, Entity, Store, StoreError,
    row::{Columns, user_number},
    write::Write,
};

/// A console session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleSession {
    /// SHA-256 of the cookie's token, hex.
    pub digest: String,
    /// Who signed in.
    pub principal: Principal,
    /// The token that every form must send.
    pub csrf: String,
    /// Whether no page but the change of password may open.
    pub must_change_password: bool,
    /// Whether no page but the binding of an MFA device may open.
    pub must_bind_mfa: bool,
    /// Whether a second factor was shown.
    pub mfa_present: bool,
    /// Since when.
    pub created: UnixMs,
    /// Until when.
    pub expires: UnixMs,
}

impl Write {
    /// Ends a user's sessions that a second factor opened, but for one: that counts as one without from now on.
    pub(crate) async fn end_mfa_sessions(
        &mut self,
        account: AccountId,
        number: i64,
        keep: Option<&str>,
    ) -> Result<(), StoreError> {
        let binds = [account.into(), number.into(), keep.unwrap_or_default().into()];
        let sql =
            "DELETE FROM console_sessions WHERE account_id = $1 AND user_id = $2 AND digest <> $3 AND mfa_present = 1";
        self.run(sql, &binds).await?;
        let sql = "UPDATE console_sessions SET mfa_present = 0 WHERE account_id = $1 AND user_id = $2 AND digest = $3";
        self.run(sql, &binds).await.map(drop)
    }

    /// Whether what a user's new session rests on is so still: no step is demanded that it does not know of, and the device
    /// that it was opened with is bound.
    async fn is_still_so(&mut self, new: &ConsoleSession) -> Result<bool, StoreError> {
        let Principal::User(account, _) = new.principal else { return Ok(true) };
        let number = user_number(new.principal);
        let sql = "SELECT COUNT(*) AS n FROM login_profiles WHERE account_id = $1 AND user_id = $2 \
                   AND password_reset_required <= $3 AND mfa_bind_required <= $4";
        let (changes, binds_or_has) = (new.must_change_password, new.must_bind_mfa || new.mfa_present);
        if self.count(sql, &[account.into(), number.into(), changes.into(), binds_or_has.into()]).await? == 0 {
            return Ok(false);
        }
        let sql = "SELECT COUNT(*) AS n FROM mfa_devices WHERE account_id = $1 AND user_id = $2";
        Ok(!new.mfa_present || self.count(sql, &[account.into(), number.into()]).await? == 1)
    }
}

impl Store {
    /// Keeps a new session; those of anybody that are past their end go. `false`, and there is no session, when the principal's
    /// password is not the one of the hash `verified` any more, a step is demanded meanwhile, or the device is unbound.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_console_session(
        &self,
        task: SystemTask,
        new: &ConsoleSession,
        verified: &str,
    ) -> Result<bool, StoreError> {
        tracing::debug!(task = task.as_str(), principal = %new.principal, "a console session begins");
        let account = new.principal.account();
        let mut write = self.write(By::Task(task), account).await?;
        if !write.is_password_still(new.principal, verified).await? || !write.is_still_so(new).await? {
            return Ok(false);
        }
        write.run("DELETE FROM console_sessions WHERE expires <= $1", &[new.created.into()]).await?;
        write
            .insert(
                "INSERT INTO console_sessions (digest, account_id, user_id, csrf, must_change_password, created, \
                 expires, must_bind_mfa, mfa_present) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                &[
                    new.digest.as_str().into(),
                    account.into(),
                    user_number(new.principal).into(),
                    new.csrf.as_str().into(),
                    new.must_change_password.into(),
                    new.created.into(),
                    new.expires.into(),
                    new.must_bind_mfa.into(),
                    new.mfa_present.into(),
                ],
                Entity::LoginProfile,
            )
            .await?;
        write.commit_unseen().await?;
        Ok(true)
    }

    /// The session of this digest, unless it is past its end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn console_session(&self, digest: &str, now: UnixMs) -> Result<Option<ConsoleSession>, StoreError> {
        let sql = "SELECT digest, account_id, user_id, csrf, must_change_password, created, expires, \
                   must_bind_mfa, mfa_present \
                   FROM console_sessions WHERE digest = $1 AND expires > $2";
        let Some(row) = self.one(sql, &[digest.into(), now.into()]).await? else { return Ok(None) };
        let columns = Columns { row: &row, table: "console_sessions" };
        Ok(Some(ConsoleSession {
            digest: columns.text("digest")?,
            principal: columns.principal()?,
            csrf: columns.text("csrf")?,
            must_change_password: columns.flag("must_change_password")?,
            must_bind_mfa: columns.flag("must_bind_mfa")?,
            mfa_present: columns.flag("mfa_present")?,
            created: columns.time("created")?,
            expires: columns.time("expires")?,
        }))
    }

    /// Gives a session another token and another token of its forms; the password need not be changed any more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of a session that has ended.
    pub async fn renew_console_session(
        &self,
        task: SystemTask,
        digest: &str,
        (new_digest, csrf): (&str, &str),
    ) -> Result<(), StoreError> {
        tracing::debug!(task = task.as_str(), "a console session gets another token");
        let mut write = self.write_to_any().await?;
        let sql = "UPDATE console_sessions SET digest = $1, csrf = $2, must_change_password = 0 WHERE digest = $3";
        let renewed = write.change(sql, &[new_digest.into(), csrf.into(), digest.into()], Entity::LoginProfile).await?;
        if renewed == 0 {
            return Err(StoreError::NotFound(Entity::LoginProfile));
        }
        write.commit_unseen().await
    }

    /// Notes that an MFA device was bound in a session, with two of its codes; not when it is unbound again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_mfa_bound(&self, task: SystemTask, digest: &str) -> Result<(), StoreError> {
        tracing::debug!(task = task.as_str(), "a console session has shown a second factor");
        let mut write = self.write_to_any().await?;
        let sql = "UPDATE console_sessions SET must_bind_mfa = 0, mfa_present = 1 WHERE digest = $1 AND EXISTS \
                   (SELECT 1 FROM mfa_devices d WHERE d.account_id = console_sessions.account_id \
                   AND d.user_id = console_sessions.user_id)";
        write.run(sql, &[digest.into()]).await?;
        write.commit_unseen().await
    }

    /// Ends a session; one that is not there is ended already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_console_session(&self, task: SystemTask, digest: &str) -> Result<(), StoreError> {
        tracing::debug!(task = task.as_str(), "a console session ends");
        let mut write = self.write_to_any().await?;
        write.run("DELETE FROM console_sessions WHERE digest = $1", &[digest.into()]).await?;
        write.commit_unseen().await
    }
}
