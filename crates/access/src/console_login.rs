//! Sign-in to the console and its sessions.
//!
//! The way through: name and password ([`Access::sign_in`]), where a device is bound its code ([`Access::sign_in_with_code`]), then a
//! session, which opens no page but the one that is demanded while a password must be changed or a device bound.
//!
//! Every failure of a sign-in is one value and costs the same hashing, so that neither the answer nor its time tells
//! which of name, password, login profile, address, expiry or lock was the cause. The cause is in the log.

use std::sync::Arc;

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use sluice_model::{AccountAlias, AccountId, Principal, SignInSettings, UnixMs, UserId, UserName};
use sluice_policy::{Caller, Credential, PolicySource, Standing, SystemTask};
use sluice_store::{ConsoleSession, LoginState, MfaDevice, MfaTicket, StoreError};

use crate::{Access, Admitted, Peer, audit, is_code, random};

/// Wrong passwords or codes in a row that lock a sign-in where the account's policy sets no number, and always of the account
/// itself: guessing is never free.
pub const SIGN_IN_FAILURES_MAX: u32 = 10;
/// How long it is locked. Source: facts/ram.md section 2 (the vendor's window is one hour).
const LOCK_MS: i64 = HOUR_MS;
/// How long a console session of the account itself lives; a user's, as the security preference says.
/// Source: facts/ram.md section 2 (the vendor's default is six hours).
pub const CONSOLE_SESSION_MS: i64 = 6 * HOUR_MS;
/// How long a sign-in waits for its code.
pub const HALF_SIGN_IN_MS: i64 = 5 * 60 * 1000;
/// How long a machine is remembered. Source: facts/ram.md section 2.
pub const MFA_TICKET_MS: i64 = 7 * DAY_MS;
const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// What follows the alias in the long form of a logon name.
const DOMAIN_SUFFIX: &str = ".onaliyun.com";
const TASK: SystemTask = SystemTask::ConsoleSessions;

/// Who comes to the sign-in, besides what it types.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// From where.
    pub peer: Peer,
    /// The browser as it names itself; for the log.
    pub user_agent: &'a str,
    /// Now.
    pub now: UnixMs,
}

/// What a right password led to. Each holds a cookie's value, of which only the digest is kept.
#[derive(Debug)]
pub enum SignedIn {
    /// A session has begun.
    Session(SecretString),
    /// A code of the user's device is to come within [`HALF_SIGN_IN_MS`].
    NeedsCode(SecretString),
}

/// What a right code led to.
#[derive(Debug)]
pub struct SignedInWithCode {
    /// The session's token.
    pub session: SecretString,
    /// The token by which this machine is remembered, if it is.
    pub ticket: Option<SecretString>,
}

/// Why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Wrong in any way: one answer for all.
    #[error("the logon name or the password is wrong, or the sign-in is locked")]
    Refused,
    /// So many sign in from there that whoever comes next would wait for long.
    #[error("too many sign in at once")]
    Busy,
    /// The sign-in does not wait for a code, or not any more.
    #[error("no sign-in waits for a code")]
    Over,
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
    /// Whether no page but the binding of an MFA device may open.
    pub must_bind_mfa: bool,
    /// The user's name, or `root`.
    pub name: Arc<str>,
    /// The account's alias.
    pub account_alias: AccountAlias,
}

/// What is kept of a token.
pub(crate) fn token_digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

fn after(now: UnixMs, ms: i64) -> UnixMs {
    UnixMs(now.0.saturating_add(ms))
}

/// Whether a password is past its age.
fn is_expired(settings: &SignInSettings, state: &LoginState, now: UnixMs) -> bool {
    let days = settings.password.age_days_max;
    days > 0 && after(state.password_changed, i64::from(days) * DAY_MS) <= now
}

/// Whether a password is past its age where that lets nobody in until an administrator sets another.
/// Source: facts/ram.md section 5.7.
pub(crate) fn is_shut_out(settings: &SignInSettings, state: &LoginState, now: UnixMs) -> bool {
    settings.password.hard_expiry && is_expired(settings, state, now)
}

fn attempts_max(settings: &SignInSettings) -> i64 {
    match settings.password.login_attempts_max {
        0 => SIGN_IN_FAILURES_MAX.into(),
        most => most.into(),
    }
}

impl Access {
    /// Signs in a RAM user (`user@alias`, `user@alias.onaliyun.com`, `user@accountId`) or an account (alias or ID). `ticket`
    /// is what the browser keeps of a machine that was remembered.
    ///
    /// # Errors
    /// [`SignInError::Refused`] for every cause but a failing database, and [`SignInError::Busy`] before anything is looked at.
    pub async fn sign_in(
        self: &Arc<Self>,
        logon_name: &str,
        password: SecretString,
        ticket: Option<&str>,
        visit: &Visit<'_>,
    ) -> Result<SignedIn, SignInError> {
        let admitted = self.passwords.admit_stranger(visit.peer.addr).ok_or(SignInError::Busy)?;
        let Some(principal) = self.principal_named(logon_name.trim()).await? else {
            admitted.verify(password, None).await;
            return Err(refused("EntityNotExist.User", None, visit));
        };
        let settings = self.sign_in_settings_of(principal).await?;
        if !settings.preference.masks.admit(visit.peer.addr) {
            // The same work, and nothing is counted: from elsewhere nobody is locked out.
            admitted.verify(password, None).await;
            return Err(refused("LoginNetworkMasks", Some(principal), visit));
        }
        let state = self.login_state(principal).await?;
        if !self.verify(&admitted, (principal, state.clone()), password, visit.now).await? {
            return Err(refused("WrongPasswordOrLocked", Some(principal), visit));
        }
        let Some(state) = state else {
            return Err(refused("EntityNotExist.User.LoginProfile", Some(principal), visit));
        };
        if self.is_disabled(principal.account()) {
            return Err(refused("AccountDisabled", Some(principal), visit));
        }
        if is_shut_out(&settings, &state, visit.now) {
            return Err(refused("PasswordExpired", Some(principal), visit));
        }
        if let Principal::User(account, user) = principal
            && let Some(device) = self.store.mfa_device_of(account, user).await?
        {
            let is_remembered = self.is_remembered((account, user), &device, ticket, &settings, visit.now).await?;
            if !is_remembered {
                let token = random::token();
                let times = (visit.now, after(visit.now, HALF_SIGN_IN_MS));
                let (digest, verified) = (token_digest(&token), &state.password_hash);
                if !self.store.create_half_sign_in(TASK, &digest, (account, user), verified, times).await? {
                    return Err(refused("PasswordChanged", Some(principal), visit));
                }
                return Ok(SignedIn::NeedsCode(token.into()));
            }
            return Ok(SignedIn::Session(self.enter(principal, &state, &settings, Some(true), visit).await?));
        }
        Ok(SignedIn::Session(self.enter(principal, &state, &settings, None, visit).await?))
    }

    /// Goes on with a sign-in that waits for a code of the user's device. A code is right once; wrong ones count like wrong
    /// passwords.
    ///
    /// # Errors
    /// [`SignInError::Refused`] for a code that is wrong in any way, [`SignInError::Over`] when nothing waits for one.
    pub async fn sign_in_with_code(
        self: &Arc<Self>,
        half: &str,
        code: &str,
        remember: bool,
        visit: &Visit<'_>,
    ) -> Result<SignedInWithCode, SignInError> {
        let digest = token_digest(half);
        let Some((account, user)) = self.store.half_sign_in(&digest, visit.now).await? else {
            return Err(SignInError::Over);
        };
        let principal = Principal::User(account, user);
        let settings = self.sign_in_settings_of(principal).await?;
        let (Some(state), Some(device)) =
            (self.store.user_login(account, user).await?, self.store.mfa_device_of(account, user).await?)
        else {
            return Err(SignInError::Over);
        };
        if !settings.preference.masks.admit(visit.peer.addr) {
            return Err(refused("LoginNetworkMasks", Some(principal), visit));
        }
        if self.is_disabled(account) {
            return Err(refused("AccountDisabled", Some(principal), visit));
        }
        if is_shut_out(&settings, &state, visit.now) {
            return Err(refused("PasswordExpired", Some(principal), visit));
        }
        // Counted before it is looked at: a thousand guesses at once are not more than there may be.
        let times = (visit.now, after(visit.now, LOCK_MS));
        if !self.store.spend_attempt(TASK, principal, attempts_max(&settings), times).await? {
            return Err(refused("Locked", Some(principal), visit));
        }
        if !is_code(code) || !self.take_code(TASK, (account, user), &device, code, visit.now).await? {
            return Err(refused("CheckAuthenticationCodeFail", Some(principal), visit));
        }
        if !self.store.end_half_sign_in(TASK, &digest).await? {
            return Err(SignInError::Over);
        }
        let session = self.enter(principal, &state, &settings, Some(true), visit).await?;
        let remember = remember && settings.preference.save_mfa_ticket;
        let ticket = if remember { Some(self.remember((account, user), &device, visit.now).await?) } else { None };
        Ok(SignedInWithCode { session, ticket })
    }

    /// Whose sign-in waits for a code, and whether this machine may be remembered; `None` when none does any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waits_for_code(&self, half: &str, now: UnixMs) -> Result<Option<bool>, StoreError> {
        let Some((account, _)) = self.store.half_sign_in(&token_digest(half), now).await? else { return Ok(None) };
        Ok(Some(self.store.sign_in_settings(account).await?.preference.save_mfa_ticket))
    }

    async fn is_remembered(
        &self,
        user: (AccountId, UserId),
        device: &MfaDevice,
        ticket: Option<&str>,
        settings: &SignInSettings,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        match ticket {
            Some(ticket) if settings.preference.save_mfa_ticket => {
                self.store.has_mfa_ticket(&token_digest(ticket), user, &device.serial, now).await
            }
            _ => Ok(false),
        }
    }

    async fn remember(
        &self,
        user: (AccountId, UserId),
        device: &MfaDevice,
        now: UnixMs,
    ) -> Result<SecretString, StoreError> {
        let token = random::token();
        let (digest, serial) = (token_digest(&token), device.serial.clone());
        let ticket = MfaTicket { digest, user, serial, expires: after(now, MFA_TICKET_MS) };
        self.store.create_mfa_ticket(TASK, &ticket, now).await?;
        Ok(token.into())
    }

    /// Begins a session after everything that was asked for was right. `mfa` is whether a second factor was shown, where there
    /// is one. Refused when the password is not the one that was verified any more.
    async fn enter(
        &self,
        principal: Principal,
        state: &LoginState,
        settings: &SignInSettings,
        mfa: Option<bool>,
        visit: &Visit<'_>,
    ) -> Result<SecretString, SignInError> {
        let token = random::token();
        let session = ConsoleSession {
            digest: token_digest(&token),
            principal,
            csrf: random::token(),
            must_change_password: state.password_reset_required || is_expired(settings, state, visit.now),
            must_bind_mfa: state.mfa_bind_required && mfa.is_none(),
            mfa_present: mfa.unwrap_or(false),
            created: visit.now,
            expires: after(visit.now, session_ms(principal, settings)),
        };
        if !self.store.create_console_session(TASK, &session, &state.password_hash).await? {
            return Err(refused("PasswordChanged", Some(principal), visit));
        }
        self.store.record_sign_in(TASK, principal, visit.now).await?;
        audit::signed_in(
            principal,
            &self.name_of(principal).unwrap_or_else(|| "root".into()),
            visit,
            session.mfa_present,
        );
        Ok(token.into())
    }

    /// Whoever this session speaks for; `None` when it has ended or its user may no longer sign in. One that is used from
    /// where its user may not sign in ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn console_caller(
        &self,
        token: &str,
        peer: Peer,
        now: UnixMs,
    ) -> Result<Option<ConsoleCaller>, StoreError> {
        let Some(session) = self.store.console_session(&token_digest(token), now).await? else { return Ok(None) };
        let settings = self.sign_in_settings_of(session.principal).await?;
        // A shorter duration, and masks, hold for sessions that began before them.
        let is_over = after(session.created, session_ms(session.principal, &settings)) <= now;
        if is_over || !settings.preference.masks.admit(peer.addr) {
            self.store.delete_console_session(TASK, &session.digest).await?;
            tracing::info!(
                target: "sluice::audit", event = "ConsoleSignout", account = %session.principal.account(), principal = %session.principal,
                source_ip = %peer.addr, is_over, "a console session ends: its time is over, or it is used from elsewhere"
            );
            return Ok(None);
        }
        let credential = Credential::Console(session.digest.as_str().into());
        let Some(in_force) = self.directory.in_force(session.principal, &credential) else { return Ok(None) };
        if matches!(in_force.standing, Standing::Unknown) {
            return Err(StoreError::Unavailable("what is in force cannot be read at present".to_owned()));
        }
        let Some(account) = self.store.account(session.principal.account()).await? else { return Ok(None) };
        let mfa_present = Some(session.mfa_present);
        Ok(Some(ConsoleCaller {
            caller: Caller::authenticated(session.principal, credential, Some(peer.addr), peer.secure, mfa_present),
            csrf: session.csrf,
            must_change_password: session.must_change_password,
            must_bind_mfa: session.must_bind_mfa,
            name: Arc::clone(&in_force.name),
            account_alias: account.alias,
        }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sign_out(&self, token: &str, console: &ConsoleCaller) -> Result<(), StoreError> {
        let (principal, source_ip) = (console.caller.principal(), console.caller.source_ip());
        audit::own_sign_in("ConsoleSignout", principal, source_ip, &console.name);
        self.store.delete_console_session(TASK, &token_digest(token)).await
    }

    /// Notes in a session that its user bound a device there, with two codes of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_mfa_bound(&self, token: &str) -> Result<(), StoreError> {
        self.store.note_mfa_bound(TASK, &token_digest(token)).await
    }

    /// What the account demands of a user's sign-in. Of the account itself it demands nothing: nobody could let it in again.
    async fn sign_in_settings_of(&self, principal: Principal) -> Result<SignInSettings, StoreError> {
        match principal {
            Principal::User(account, _) => self.store.sign_in_settings(account).await,
            Principal::Account(_) | Principal::Role(..) => Ok(SignInSettings::default()),
        }
    }

    /// Checks a password and counts a wrong one. A locked sign-in does the same work and says no.
    pub(crate) async fn verify(
        &self,
        admitted: &Admitted,
        (principal, state): (Principal, Option<LoginState>),
        password: SecretString,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        let is_locked = |state: &LoginState| state.locked_until.is_some_and(|until| until > now);
        let mut locked = state.as_ref().is_some_and(is_locked);
        let exists = state.is_some();
        let right = admitted.verify(password, state.map(|state| state.password_hash)).await;
        if !right && exists && !locked {
            let most = attempts_max(&self.sign_in_settings_of(principal).await?);
            self.store.record_sign_in_failure(TASK, principal, most, after(now, LOCK_MS)).await?;
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

fn session_ms(principal: Principal, settings: &SignInSettings) -> i64 {
    match principal {
        Principal::User(..) => i64::from(settings.preference.session_hours) * HOUR_MS,
        Principal::Account(_) | Principal::Role(..) => CONSOLE_SESSION_MS,
    }
}

fn refused(cause: &'static str, principal: Option<Principal>, visit: &Visit<'_>) -> SignInError {
    audit::refused(principal, visit, cause);
    SignInError::Refused
}
