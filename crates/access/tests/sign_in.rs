//! Sign-in over time, on a real store with a clock of our own: expiry, codes, machines that are remembered, shorter sessions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::Poll,
};

use secrecy::{ExposeSecret, SecretString};
use sluice_access::{
    Access, AccountDraft, BindError, Change, ChangePasswordError, Clock, HALF_SIGN_IN_MS, MFA_TICKET_MS, MasterKey,
    PasswordFault, Peer, SignInError, SignedIn, Visit, own_device_name, random,
};
use sluice_model::{AccountId, Principal, SignInSettings, UnixMs, UserId};
use sluice_policy::{Credential, SystemTask};
use sluice_store::{By, LoginProfile, NewPassword, Store};
use sluice_testkit::new_user;

const BY: By<'static> = By::Task(SystemTask::FirstStart);
const START: UnixMs = UnixMs(1_700_000_000_000);
const PASSWORD: &str = "a-good-password";
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const STEP_MS: i64 = 30_000;

struct World {
    store: Store,
    access: Arc<Access>,
    time: Arc<AtomicI64>,
    account: AccountId,
    user: UserId,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(profile: LoginProfile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}", folder.path().join("db").display())).await.unwrap();
        let time = Arc::new(AtomicI64::new(START.0));
        let now = Arc::clone(&time);
        let clock = Clock::new(move || UnixMs(now.load(Ordering::Relaxed)));
        let master_key = MasterKey::from_hex(&MasterKey::generate_hex()).unwrap();
        let access = Arc::new(Access::open(store.clone(), master_key, clock).await.unwrap());
        let draft = AccountDraft { alias: Some("acme".parse().unwrap()), ..AccountDraft::default() };
        let account = access.create_account(SystemTask::FirstStart, draft).await.unwrap().account;
        let user = random::user_id();
        let new = new_user(user, "alice", START);
        store.create_user(BY, account, &new, 10).await.unwrap();
        let hash = access.passwords().hash(PASSWORD.into()).await;
        store.create_login_profile(BY, (account, user, "alice"), &profile, &hash).await.unwrap();
        access.refresh(Change::Principal(Principal::User(account, user))).await;
        Self { store, access, time, account, user, _folder: folder }
    }

    fn pass(&self, ms: i64) {
        self.time.fetch_add(ms, Ordering::Relaxed);
    }

    fn visit(&self) -> Visit<'static> {
        let peer = Peer { addr: [127, 0, 0, 1].into(), secure: false };
        Visit { peer, user_agent: "a test", now: UnixMs(self.time.load(Ordering::Relaxed)) }
    }

    async fn sign_in(&self, ticket: Option<&str>) -> Result<SignedIn, SignInError> {
        self.access.sign_in("alice@acme", PASSWORD.into(), ticket, &self.visit()).await
    }

    async fn session(&self) -> SecretString {
        match self.sign_in(None).await.unwrap() {
            SignedIn::Session(token) => token,
            SignedIn::NeedsCode(_) => panic!("a code is asked"),
        }
    }

    async fn half(&self) -> String {
        match self.sign_in(None).await.unwrap() {
            SignedIn::NeedsCode(token) => token.expose_secret().to_owned(),
            SignedIn::Session(_) => panic!("no code is asked"),
        }
    }

    async fn set(&self, change: impl FnOnce(&mut SignInSettings) + Send) {
        self.store.change_sign_in_settings(BY, self.account, change).await.unwrap();
    }

    async fn caller(&self, token: &SecretString) -> Option<sluice_access::ConsoleCaller> {
        let visit = self.visit();
        self.access.console_caller(token.expose_secret(), visit.peer, visit.now).await.unwrap()
    }

    /// Binds a device by the codes of before now, so that this step's is not used yet; its seed.
    async fn bind(&self) -> SecretString {
        let now = self.visit().now;
        let made = self.access.create_mfa_device(BY, self.account, &"phone".parse().unwrap(), None, now).await.unwrap();
        let (first, second) = (code(&made.seed, now, -2), code(&made.seed, now, -1));
        let of = (self.account, self.user, "alice");
        self.access.bind_mfa_device(BY, of, &made.device, [&first, &second], now).await.unwrap();
        made.seed
    }
}

/// An app's code, some steps from now.
fn code(seed: &SecretString, now: UnixMs, steps: i64) -> String {
    let secret = totp_rs::Secret::try_from_base32(seed.expose_secret()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
    totp.generate(u64::try_from((now.0 + steps * STEP_MS) / 1000).unwrap()).to_string()
}

const PLAIN: LoginProfile = LoginProfile { password_reset_required: false, mfa_bind_required: false, created: START };

#[tokio::test]
async fn an_expired_password_must_be_changed_and_with_hard_expiry_opens_nothing() {
    let world = World::new(PLAIN).await;
    world.set(|all| all.password.age_days_max = 30).await;
    world.pass(30 * DAY_MS - 1);
    assert!(!world.caller(&world.session().await).await.unwrap().must_change_password);
    world.pass(1);
    let token = world.session().await;
    assert!(world.caller(&token).await.unwrap().must_change_password);
    world.set(|all| all.password.hard_expiry = true).await;
    assert!(matches!(world.sign_in(None).await, Err(SignInError::Refused)));
    // Nor does its user get around it: neither in the session that began before nor by an AccessKey.
    let (now, next) = (world.visit().now, "another-password");
    let as_demanded = async |present: &str| {
        world.access.change_password_as_demanded(token.expose_secret(), present.into(), next.into(), now).await
    };
    assert!(matches!(as_demanded(PASSWORD).await, Err(ChangePasswordError::Expired)));
    assert!(matches!(as_demanded("not-the-password").await, Err(ChangePasswordError::WrongPassword)));
    let (of, key) = ((world.account, world.user), Credential::AccessKey(random::access_key_id()));
    let by_key = world.access.change_password_of(of, &key, (PASSWORD.into(), next.into()), now).await;
    assert!(matches!(by_key, Err(ChangePasswordError::Expired)));
    // Where it does not shut out, it can be changed; then its age begins anew.
    world.set(|all| all.password.hard_expiry = false).await;
    let changed = as_demanded(PASSWORD).await.unwrap();
    assert!(!world.caller(&changed).await.unwrap().must_change_password);
    world.set(|all| all.password.hard_expiry = true).await;
    let signed_in = world.access.sign_in("alice@acme", next.into(), None, &world.visit()).await;
    assert!(matches!(signed_in, Ok(SignedIn::Session(_))));
}

#[tokio::test]
async fn an_administrator_lets_somebody_in_again_whose_password_has_expired() {
    let world = World::new(PLAIN).await;
    world.set(|all| (all.password.age_days_max, all.password.hard_expiry) = (10, true)).await;
    world.pass(10 * DAY_MS);
    assert!(matches!(world.sign_in(None).await, Err(SignInError::Refused)));
    let hash = world.access.passwords().hash(PASSWORD.into()).await;
    let password = NewPassword { hash: &hash, now: world.visit().now, keep: None };
    let of = (world.account, world.user, "alice");
    world.store.update_login_profile(BY, of, (None, None), Some(password)).await.unwrap();
    assert!(!world.caller(&world.session().await).await.unwrap().must_change_password);
}

#[tokio::test]
async fn the_present_password_and_as_many_of_before_as_the_policy_says_are_not_used_again() {
    let world = World::new(PLAIN).await;
    world.set(|all| all.password.reuse_prevention = 1).await;
    let (of, named) = ((world.account, world.user), (world.account, world.user, "alice"));
    let is_reused = async |password: &str| {
        let admitted = world.access.passwords().admit(Principal::Account(world.account)).unwrap();
        let fault = world.access.password_fault(&admitted, world.account, world.user, &password.into()).await.unwrap();
        assert!(matches!(fault, None | Some(PasswordFault::Reused)));
        fault.is_some()
    };
    let api = Credential::Console("no session".into());
    let mut present = PASSWORD;
    for next in ["second-password", "third-password"] {
        let passwords = (present.into(), next.into());
        world.access.change_password_of(of, &api, passwords, world.visit().now).await.unwrap();
        present = next;
    }
    let all_as_counted = async || {
        assert!(is_reused("third-password").await && is_reused("second-password").await);
        assert!(!is_reused(PASSWORD).await && !is_reused("never-used").await);
    };
    all_as_counted().await;
    // Taking the sign-in away and giving it again is no way around.
    world.store.delete_login_profile(BY, named).await.unwrap();
    all_as_counted().await;
}

#[tokio::test]
async fn a_sign_in_waits_five_minutes_for_its_code_which_works_once() {
    let world = World::new(PLAIN).await;
    let seed = world.bind().await;
    let half = world.half().await;
    world.pass(HALF_SIGN_IN_MS);
    let late = world.access.sign_in_with_code(&half, &code(&seed, world.visit().now, 0), false, &world.visit()).await;
    assert!(matches!(late, Err(SignInError::Over)));
    let (one, two) = (world.half().await, world.half().await);
    let now = code(&seed, world.visit().now, 0);
    let entered = world.access.sign_in_with_code(&one, &now, true, &world.visit()).await.unwrap();
    assert!(entered.ticket.is_none(), "the preference remembers no machine");
    assert_eq!(world.caller(&entered.session).await.unwrap().caller.mfa_present(), Some(true));
    for used in [&one, &two] {
        let again = world.access.sign_in_with_code(used, &now, false, &world.visit()).await;
        assert!(matches!(again, Err(SignInError::Refused | SignInError::Over)));
    }
}

#[tokio::test]
async fn wrong_codes_lock_for_an_hour_and_a_right_password_does_not_forgive_them() {
    let world = World::new(PLAIN).await;
    let seed = world.bind().await;
    world.set(|all| all.password.login_attempts_max = 3).await;
    for _ in 0..3 {
        let half = world.half().await;
        let wrong = world.access.sign_in_with_code(&half, "12345x", false, &world.visit()).await;
        assert!(matches!(wrong, Err(SignInError::Refused)));
    }
    assert!(matches!(world.sign_in(None).await, Err(SignInError::Refused)));
    world.pass(HOUR_MS);
    let half = world.half().await;
    let right = code(&seed, world.visit().now, 0);
    assert!(world.access.sign_in_with_code(&half, &right, false, &world.visit()).await.is_ok());
}

#[tokio::test]
async fn a_machine_is_remembered_for_seven_days() {
    let world = World::new(PLAIN).await;
    let seed = world.bind().await;
    world.set(|all| all.preference.save_mfa_ticket = true).await;
    let half = world.half().await;
    let right = code(&seed, world.visit().now, 0);
    let entered = world.access.sign_in_with_code(&half, &right, true, &world.visit()).await.unwrap();
    let ticket = entered.ticket.unwrap();
    let asks = async |ticket| matches!(world.sign_in(Some(ticket)).await.unwrap(), SignedIn::NeedsCode(_));
    world.pass(MFA_TICKET_MS - 1);
    assert!(!asks(ticket.expose_secret()).await && asks("another").await);
    world.pass(1);
    assert!(asks(ticket.expose_secret()).await);
}

#[tokio::test]
async fn a_device_that_must_be_bound_is_asked_of_who_has_none_alone() {
    let world = World::new(LoginProfile { mfa_bind_required: true, ..PLAIN }).await;
    let token = world.session().await;
    let console = world.caller(&token).await.unwrap();
    assert!(console.must_bind_mfa);
    let visit = world.visit();
    let made = world.access.own_enrolment(&console, true, visit.now).await.unwrap().unwrap();
    let again = world.access.own_enrolment(&console, false, visit.now).await.unwrap().unwrap();
    assert_eq!(made.seed.expose_secret(), again.seed.expose_secret());
    let (first, second) = (code(&made.seed, visit.now, -1), code(&made.seed, visit.now, 0));
    assert!(world.access.bind_as_demanded(&console, visit.peer, [&second, &first], visit.now).await.is_err());
    world.access.bind_as_demanded(&console, visit.peer, [&first, &second], visit.now).await.unwrap();
    // Whoever has the password alone does not get past it in a second window.
    assert!(world.access.bind_as_demanded(&console, visit.peer, [&first, &second], visit.now).await.is_err());
    assert!(matches!(world.sign_in(None).await.unwrap(), SignedIn::NeedsCode(_)));
}

#[tokio::test]
async fn a_session_lasts_as_long_as_the_preference_says_now_and_ends_from_elsewhere() {
    let world = World::new(PLAIN).await;
    world.set(|all| all.preference.session_hours = 24).await;
    let token = world.session().await;
    world.pass(24 * HOUR_MS - 1);
    assert!(world.caller(&token).await.is_some());
    world.set(|all| all.preference.session_hours = 1).await;
    assert!(world.caller(&token).await.is_none());
    let token = world.session().await;
    world.set(|all| all.preference.masks = "192.0.2.0/24".parse().unwrap()).await;
    assert!(matches!(world.sign_in(None).await, Err(SignInError::Refused)));
    assert!(world.caller(&token).await.is_none());
    world.set(|all| all.preference.masks = "".parse().unwrap()).await;
    assert!(world.caller(&token).await.is_none(), "it has ended");
}

impl World {
    /// An administrator's reset.
    async fn reset(&self, hash: &str) {
        let new = NewPassword { hash, now: self.visit().now, keep: None };
        self.store.update_login_profile(BY, (self.account, self.user, "alice"), (None, None), Some(new)).await.unwrap();
    }

    async fn hash(&self) -> String {
        self.store.user_login(self.account, self.user).await.unwrap().unwrap().password_hash
    }

    /// Begins a reset after every number of steps that `late` may have made, each time of a new one: whichever point it had
    /// come to, `holds` of what became of it. Ends when it was over before the reset.
    async fn resets_in_the_midst_of<T>(&self, late: impl AsyncFn() -> T, holds: impl AsyncFn(T)) {
        let (before, reset) =
            (self.hash().await, self.access.passwords().hash("set-by-the-administrator".into()).await);
        for steps in 0.. {
            let mut late = pin!(late());
            let mut left = steps;
            let early = poll_fn(|context| match left {
                0 => Poll::Ready(None),
                _ => {
                    left -= 1;
                    late.as_mut().poll(context).map(Some)
                }
            });
            let early = early.await;
            let is_over = early.is_some();
            let result = match early {
                Some(result) => {
                    self.reset(&reset).await;
                    result
                }
                // It goes on at once: where it has begun to write, the reset waits for it.
                None => tokio::join!(biased; self.reset(&reset), late).1,
            };
            assert_eq!(self.hash().await, reset, "after {steps} steps");
            holds(result).await;
            self.reset(&before).await;
            self.pass(STEP_MS);
            if is_over {
                assert!(steps > 1);
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_reset_wins_over_whoever_knew_the_password_of_before_and_was_at_work() {
    let world = World::new(PLAIN).await;
    let (of, api) = ((world.account, world.user), Credential::Console("no session".into()));
    let change = async || {
        let passwords = (PASSWORD.into(), "set-by-a-thief".into());
        world.access.change_password_of(of, &api, passwords, world.visit().now).await
    };
    world
        .resets_in_the_midst_of(change, async |changed| {
            assert!(matches!(changed, Ok(()) | Err(ChangePasswordError::WrongPassword)));
        })
        .await;
    let dead =
        async |session: &SecretString| assert!(world.caller(session).await.is_none(), "a session outlives the reset");
    world
        .resets_in_the_midst_of(
            async || world.sign_in(None).await,
            async |signed_in| match signed_in {
                Ok(SignedIn::Session(token)) => dead(&token).await,
                Ok(SignedIn::NeedsCode(_)) => panic!("there is no device"),
                Err(error) => assert!(matches!(error, SignInError::Refused)),
            },
        )
        .await;
    let seed = world.bind().await;
    world
        .resets_in_the_midst_of(
            async || world.sign_in(None).await,
            async |signed_in| match signed_in {
                Ok(SignedIn::NeedsCode(half)) => {
                    let waits = world.access.waits_for_code(half.expose_secret(), world.visit().now).await.unwrap();
                    assert!(waits.is_none(), "half a sign-in outlives the reset");
                }
                Ok(SignedIn::Session(_)) => panic!("a code is asked"),
                Err(error) => assert!(matches!(error, SignInError::Refused)),
            },
        )
        .await;
    world
        .resets_in_the_midst_of(
            async || match world.sign_in(None).await {
                Ok(SignedIn::NeedsCode(half)) => {
                    let (half, now) = (half.expose_secret(), code(&seed, world.visit().now, 0));
                    Some(world.access.sign_in_with_code(half, &now, false, &world.visit()).await)
                }
                _ => None,
            },
            async |entered| match entered {
                Some(Ok(entered)) => dead(&entered.session).await,
                Some(Err(error)) => assert!(matches!(error, SignInError::Refused | SignInError::Over)),
                None => {}
            },
        )
        .await;
}

#[tokio::test]
async fn a_password_that_expires_while_its_code_is_awaited_opens_nothing() {
    let world = World::new(PLAIN).await;
    let seed = world.bind().await;
    world.set(|all| (all.password.age_days_max, all.password.hard_expiry) = (1, true)).await;
    world.pass(DAY_MS - STEP_MS);
    let half = world.half().await;
    world.pass(STEP_MS);
    let late = world.access.sign_in_with_code(&half, &code(&seed, world.visit().now, 0), false, &world.visit()).await;
    assert!(matches!(late, Err(SignInError::Refused)));
}

#[tokio::test]
async fn nobody_binds_a_seed_that_another_session_the_api_or_the_password_of_before_has_shown() {
    let world = World::new(LoginProfile { mfa_bind_required: true, ..PLAIN }).await;
    let now = world.visit().now;
    let by_api =
        world.access.create_mfa_device(BY, world.account, &own_device_name(world.user), None, now).await.unwrap();
    let (thief, owner) = (world.session().await, world.session().await);
    let (thief, owner) = (world.caller(&thief).await.unwrap(), world.caller(&owner).await.unwrap());
    let seed = async |console| world.access.own_enrolment(console, true, now).await.unwrap().unwrap().seed;
    let bind = async |console: &sluice_access::ConsoleCaller, seed: &SecretString| {
        let (first, second) = (code(seed, now, -1), code(seed, now, 0));
        world.access.bind_as_demanded(console, world.visit().peer, [&first, &second], now).await
    };
    assert!(matches!(bind(&thief, &by_api.seed).await, Err(BindError::WrongCodes)));
    let known = seed(&thief).await;
    let own = seed(&owner).await;
    for (one, other) in [(&by_api.seed, &known), (&by_api.seed, &own), (&known, &own)] {
        assert_ne!(one.expose_secret(), other.expose_secret());
    }
    // Neither in the thief's session nor in the owner's.
    assert!(matches!(bind(&thief, &known).await, Err(BindError::WrongCodes)));
    assert!(matches!(bind(&owner, &known).await, Err(BindError::WrongCodes)));
    assert!(world.access.own_enrolment(&thief, false, now).await.unwrap().is_none());
    bind(&owner, &own).await.unwrap();
    let of = (world.account, world.user, "alice");
    world.store.unbind_mfa_device(BY, of, None).await.unwrap();
    assert_ne!(seed(&owner).await.expose_secret(), own.expose_secret());
    world.reset(&world.hash().await).await;
    let dropped = world.store.mfa_device(world.account, &own_device_name(world.user)).await.unwrap();
    assert!(dropped.is_none(), "a seed outlives the password of whoever saw it");
}
