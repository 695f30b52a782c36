//! Sign-in to the console, its sessions, and the change of one's own password.
//!
//! Every failure of a sign-in is one value and costs the same hashing, so that neither the answer nor its time tells
//! which of name, password, login profile or lock was the cause. The cause is in the log.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sluice_model::{AccountAlias, AccountId, Principal, UnixMs, UserId, UserName};
use sluice_policy::{Caller, Credential, PolicySource, Standing, SystemTask};
use sluice_store::{ConsoleSession, LoginState, StoreError};

use crate::{Access, Change, Peer, is_strong_enough, random};

/// Wrong passwords in a row that lock a sign-in.
pub const SIGN_IN_FAILURES_MAX: i64 = 10;
/// How long it is locked. Source: facts/ram.md section 2 (the vendor's window is one hour).
const LOCK_MS: i64 = 60 * 60 * 1000;
/// How long a console session lives. Source: facts/ram.md section 2 (the vendor's default is six hours).
pub const CONSOLE_SESSION_MS: i64 = 6 * 60 * 60 * 1000;
/// What follows the alias in the long form of a logon name.
const DOMAIN_SUFFIX: &str = ".onaliyun.com";
const TASK: SystemTask = SystemTask::ConsoleSessions;

/// A session has begun.
#[derive(Debug)]
pub struct SignedIn {
    /// The cookie's value; only its digest is kept.
    pub token: SecretString,
    /// Whether no page but the change of password may open.
    pub must_change_password: bool,
}

/// Why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Wrong in any way: one answer for all.
    #[error("the logon name or the password is wrong, or the sign-in is locked")]
    Refused,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whoever a console session speaks for.
#[derive(Debug, Clone)]
pub struct ConsoleCaller {
    /// Who acts.
    pub caller: Caller,
    /// The token that every form must send.
    pub csrf: String,
    /// Whether no page but the change of password may open.
    pub must_change_password: bool,
    /// The user's name, or `root`.
    pub name: Arc<str>,
    /// The account's alias.
    pub account_alias: AccountAlias,
}

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
    /// Against the password policy.
    #[error("the new password must have 8 to 32 characters")]
    TooWeak,
    /// The new one is the present one.
    #[error("the new password is the present one")]
    Same,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

impl Access {
    /// Signs in a RAM user (`user@alias`, `user@alias.onaliyun.com`, `user@accountId`) or an account (alias or ID).
    ///
    /// # Errors
    /// [`SignInError::Refused`] for every cause but a failing database.
    pub async fn sign_in(
        self: &Arc<Self>,
        logon_name: &str,
        password: SecretString,
        peer: Peer,
        now: UnixMs,
    ) -> Result<SignedIn, SignInError> {
        let Some(principal) = self.principal_named(logon_name.trim()).await? else {
            self.passwords.verify(password, None).await;
            return Err(refused("no such account or user", None, peer));
        };
        let state = self.login_state(principal).await?;
        if !self.verify(principal, state.clone(), password, now).await? {
            return Err(refused("wrong password, locked or no sign-in", Some(principal), peer));
        }
        if self.is_disabled(principal.account()) {
            return Err(refused("the account is disabled", Some(principal), peer));
        }
        self.store.record_sign_in(TASK, principal, now).await?;
        let must_change_password = state.is_some_and(|state| state.password_reset_required);
        let token = self.begin_session(principal, must_change_password, now).await?;
        tracing::info!(%principal, peer = %peer.addr, "signed in to the console");
        Ok(SignedIn { token, must_change_password })
    }

    /// Whoever this session speaks for; `None` when it has ended or its user may no longer sign in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn console_caller(
        &self,
        token: &str,
        peer: Peer,
        now: UnixMs,
    ) -> Result<Option<ConsoleCaller>, StoreError> {
        let Some(session) = self.store.console_session(&digest(token), now).await? else { return Ok(None) };
        let credential = Credential::Console(session.digest.as_str().into());
        let Some(in_force) = self.directory.in_force(session.principal, &credential) else { return Ok(None) };
        if matches!(in_force.standing, Standing::Unknown) {
            return Err(StoreError::Unavailable("what is in force cannot be read at present".to_owned()));
        }
        let Some(account) = self.store.account(session.principal.account()).await? else { return Ok(None) };
        Ok(Some(ConsoleCaller {
            caller: Caller::authenticated(session.principal, credential, Some(peer.addr), peer.secure, Some(false)),
            csrf: session.csrf,
            must_change_password: session.must_change_password,
            name: Arc::clone(&in_force.name),
            account_alias: account.alias,
        }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sign_out(&self, token: &str) -> Result<(), StoreError> {
        self.store.delete_console_session(TASK, &digest(token)).await
    }

    /// Changes the password of the user who is signed in; all its sessions end and a new one begins.
    ///
    /// # Errors
    /// [`ChangePasswordError`].
    pub async fn change_own_password(
        self: &Arc<Self>,
        token: &str,
        present: SecretString,
        new: SecretString,
        now: UnixMs,
    ) -> Result<SignedIn, ChangePasswordError> {
        let session = self.store.console_session(&digest(token), now).await?.ok_or(ChangePasswordError::NoSession)?;
        let Principal::User(account, user) = session.principal else { return Err(ChangePasswordError::Account) };
        self.change_password_of((account, user), present, new, now).await?;
        self.refresh(Change::Principal(session.principal)).await;
        let token = self.begin_session(session.principal, false, now).await?;
        Ok(SignedIn { token, must_change_password: false })
    }

    /// Changes a user's password on proof of the present one; all its console sessions end. The caller puts the change
    /// in force.
    ///
    /// # Errors
    /// [`ChangePasswordError`].
    pub async fn change_password_of(
        &self,
        user: (AccountId, UserId),
        present: SecretString,
        new: SecretString,
        now: UnixMs,
    ) -> Result<(), ChangePasswordError> {
        let principal = Principal::User(user.0, user.1);
        let state = self.login_state(principal).await?;
        if state.is_none() {
            return Err(ChangePasswordError::NoSession);
        }
        if !self.verify(principal, state, present.clone(), now).await? {
            return Err(ChangePasswordError::WrongPassword);
        }
        if !is_strong_enough(&new) {
            return Err(ChangePasswordError::TooWeak);
        }
        if new.expose_secret() == present.expose_secret() {
            return Err(ChangePasswordError::Same);
        }
        let hash = self.passwords.hash(new).await;
        self.store.change_own_password(TASK, user, &hash).await?;
        tracing::info!(%principal, "changed its own console password");
        Ok(())
    }

    async fn begin_session(
        &self,
        principal: Principal,
        must_change_password: bool,
        now: UnixMs,
    ) -> Result<SecretString, StoreError> {
        let token = random::token();
        let session = ConsoleSession {
            digest: digest(&token),
            principal,
            csrf: random::token(),
            must_change_password,
            created: now,
            expires: UnixMs(now.0 + CONSOLE_SESSION_MS),
        };
        self.store.create_console_session(TASK, &session).await?;
        Ok(token.into())
    }

    /// Checks a password and counts a wrong one. A locked sign-in does the same work and says no.
    async fn verify(
        &self,
        principal: Principal,
        state: Option<LoginState>,
        password: SecretString,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let is_locked = |state: &LoginState| state.locked_until.is_some_and(|until| until > now);
        let mut locked = state.as_ref().is_some_and(is_locked);
        let exists = state.is_some();
        let right = self.passwords.verify(password, state.map(|state| state.password_hash)).await;
        if !right && exists && !locked {
            let until = UnixMs(now.0 + LOCK_MS);
            self.store.record_sign_in_failure(TASK, principal, SIGN_IN_FAILURES_MAX, until).await?;
        }
        if right && !locked {
            // Others may have guessed meanwhile: the right guess among a hundred at once does not slip by the lock.
            locked = self.login_state(principal).await?.as_ref().is_none_or(is_locked);
        }
        Ok(right && !locked)
    }

    async fn login_state(&self, principal: Principal) -> Result<Option<LoginState>, StoreError> {
        match principal {
            Principal::Account(account) => self.store.account_login(account).await,
            Principal::User(account, user) => self.store.user_login(account, user).await,
            // A role has no password.
            Principal::Role(..) => Ok(None),
        }
    }

    async fn principal_named(&self, logon_name: &str) -> Result<Option<Principal>, StoreError> {
        let Some((user, place)) = logon_name.rsplit_once('@') else {
            return Ok(self.account_named(logon_name).await?.map(Principal::Account));
        };
        let place = place.strip_suffix(DOMAIN_SUFFIX).unwrap_or(place);
        let Some(account) = self.account_named(place).await? else { return Ok(None) };
        let Ok(name) = user.parse::<UserName>() else { return Ok(None) };
        Ok(self.store.user(account, &name).await?.map(|user| Principal::User(account, user.id)))
    }

    async fn account_named(&self, text: &str) -> Result<Option<AccountId>, StoreError> {
        if let Ok(id) = text.parse::<AccountId>() {
            return Ok(self.store.account(id).await?.map(|account| account.account));
        }
        match text.parse::<AccountAlias>() {
            Ok(alias) => Ok(self.store.account_by_alias(&alias).await?.map(|account| account.account)),
            Err(_) => Ok(None),
        }
    }
}

fn refused(cause: &'static str, principal: Option<Principal>, peer: Peer) -> SignInError {
    tracing::warn!(target: "sluice::denied", principal = principal.map(tracing::field::display), peer = %peer.addr, cause, "a console sign-in is refused");
    SignInError::Refused
}
