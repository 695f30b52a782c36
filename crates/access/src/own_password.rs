//! Changing a password: what the account's policy demands of the new one, and the change of one's own.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sluice_model::{AccountId, PasswordPolicy, Principal, UnixMs, UserId};
use sluice_policy::{Credential, SystemTask};
use sluice_store::{NewPassword, StoreError};

use crate::{Access, Admitted, Change, audit, console_login::is_shut_out, random, token_digest};

const TASK: SystemTask = SystemTask::ConsoleSessions;

/// Why one's own password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The session has ended, or there is no sign-in.
    #[error("the session has ended")]
    NoSession,
    /// Only a RAM user's password is changed here.
    #[error("the account's own password is not changed here")]
    Account,
    /// The password given as the present one is not; it counts as a wrong password, and a locked sign-in answers so too.
    #[error("the present password is wrong")]
    WrongPassword,
    /// The present one is right and past its age, and the policy lets nobody in with such a one: an administrator sets another.
    #[error("the present password has expired; an administrator must set another")]
    Expired,
    /// The account, or the user, has as many passwords checked and hashed at the moment as it may.
    #[error("too many passwords at once")]
    Busy,
    /// Against the password policy.
    #[error("the new password must have {0}")]
    TooWeak(PasswordPolicy),
    /// The new one is the present one, or one of before that may not be used again.
    #[error("the new password was in use already")]
    Reused,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a password may not be a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordFault {
    /// Against what the policy demands of every password.
    TooWeak(PasswordPolicy),
    /// The present or last one, or one of as many before it as the policy says.
    Reused,
}

impl Access {
    /// What is against a new password of a user, who may have none at present.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn password_fault(
        &self,
        admitted: &Admitted,
        account: AccountId,
        user: UserId,
        new: &SecretString,
    ) -> Result<Option<PasswordFault>, StoreError> {
        let policy = self.store.sign_in_settings(account).await?.password;
        if !policy.allows(new.expose_secret()) {
            return Ok(Some(PasswordFault::TooWeak(policy)));
        }
        if policy.reuse_prevention == 0 {
            return Ok(None);
        }
        // The vendor counts previous passwords: the present one is refused besides.
        for hash in self.store.passwords(account, user, i64::from(policy.reuse_prevention) + 1).await? {
            if admitted.verify(new.clone(), Some(hash)).await {
                return Ok(Some(PasswordFault::Reused));
            }
        }
        Ok(None)
    }

    /// What a new password of an account's user must be, to say it before it is typed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn password_policy(&self, account: AccountId) -> Result<PasswordPolicy, StoreError> {
        Ok(self.store.sign_in_settings(account).await?.password)
    }

    /// Changes the password of whoever is signed in and must, which asks no right; the session goes on under another token.
    ///
    /// # Errors
    /// [`ChangePasswordError`].
    pub async fn change_password_as_demanded(
        self: &Arc<Self>,
        token: &str,
        present: SecretString,
        new: SecretString,
        now: UnixMs,
    ) -> Result<SecretString, ChangePasswordError> {
        let digest = token_digest(token);
        let session = self.store.console_session(&digest, now).await?.ok_or(ChangePasswordError::NoSession)?;
        let Principal::User(account, user) = session.principal else { return Err(ChangePasswordError::Account) };
        if !session.must_change_password {
            return Err(ChangePasswordError::NoSession);
        }
        let credential = Credential::Console(digest.as_str().into());
        self.change_password_of((account, user), &credential, (present, new), now).await?;
        self.refresh(Change::Principal(session.principal)).await;
        match self.renew_session(token).await {
            // Ended meanwhile by another change of the password.
            Err(StoreError::NotFound(_)) => Err(ChangePasswordError::NoSession),
            renewed => Ok(renewed?),
        }
    }

    /// Gives a session another token, after its user's password was changed in it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of a session that has ended.
    pub async fn renew_session(&self, token: &str) -> Result<SecretString, StoreError> {
        let (next, csrf) = (random::token(), random::token());
        self.store.renew_console_session(TASK, &token_digest(token), (&token_digest(&next), &csrf)).await?;
        Ok(next.into())
    }

    /// Changes a user's password on proof of the present one; its console sessions end but the one of the credential, and
    /// machines that were remembered are forgotten. The caller puts the change in force.
    ///
    /// # Errors
    /// [`ChangePasswordError`].
    pub async fn change_password_of(
        &self,
        user: (AccountId, UserId),
        credential: &Credential,
        (present, new): (SecretString, SecretString),
        now: UnixMs,
    ) -> Result<(), ChangePasswordError> {
        let principal = Principal::User(user.0, user.1);
        let admitted = self.passwords.admit(principal).ok_or(ChangePasswordError::Busy)?;
        let state = self.store.user_login(user.0, user.1).await?.ok_or(ChangePasswordError::NoSession)?;
        let settings = self.store.sign_in_settings(user.0).await?;
        let (verified, is_shut_out) = (state.password_hash.clone(), is_shut_out(&settings, &state, now));
        if !self.verify(&admitted, (principal, Some(state)), present.clone(), now).await? {
            return Err(ChangePasswordError::WrongPassword);
        }
        // Said to whoever knows the password alone, as at the sign-in.
        if is_shut_out {
            return Err(ChangePasswordError::Expired);
        }
        match self.password_fault(&admitted, user.0, user.1, &new).await? {
            Some(PasswordFault::TooWeak(policy)) => return Err(ChangePasswordError::TooWeak(policy)),
            Some(PasswordFault::Reused) => return Err(ChangePasswordError::Reused),
            None => {}
        }
        if new.expose_secret() == present.expose_secret() {
            return Err(ChangePasswordError::Reused);
        }
        let hash = admitted.hash(new).await;
        let keep = match credential {
            Credential::Console(digest) => Some(&**digest),
            _ => None,
        };
        // Hashing takes its time: a password that was set meanwhile is not overwritten by whoever knew the one of before.
        if !self.store.change_own_password(TASK, user, &verified, NewPassword { hash: &hash, now, keep }).await? {
            return Err(ChangePasswordError::WrongPassword);
        }
        let name = self.name_of(principal).unwrap_or_default();
        audit::own_sign_in("PasswordModify", principal, None, &name);
        Ok(())
    }
}
