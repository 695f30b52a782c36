//! Who is in force, and who may sign in, on a real store with a clock of our own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use secrecy::ExposeSecret;
use sluice_access::{
    Access, AccountDraft, AuthRefusal, CONSOLE_SESSION_MS, Change, Clock, MasterKey, OpenError, Peer, SignInError,
    SignedIn, Visit, random,
};
use sluice_model::{AccessKeyId, AccountId, InstanceId, PolicyName, PolicyType, Principal, SignInSettings, UnixMs};
use sluice_policy::{Credential, Standing, SystemTask};
use sluice_store::{AccessKey, By, Holder, LoginProfile, Role, Store, UserChange};
use sluice_testkit::new_user;

const BY: By<'static> = By::Task(SystemTask::FirstStart);
const START: UnixMs = UnixMs(1_700_000_000_000);
const PASSWORD: &str = "a-good-password";

struct World {
    store: Store,
    access: Arc<Access>,
    time: Arc<AtomicI64>,
    account: AccountId,
    instance: InstanceId,
    user: Principal,
    key: AccessKeyId,
    folder: tempfile::TempDir,
}

fn url(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("db").display())
}

fn peer() -> Peer {
    Peer { addr: [127, 0, 0, 1].into(), secure: false }
}

impl World {
    /// An account `acme` with an instance and a user `alice`, who has a key and a sign-in.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&url(&folder)).await.unwrap();
        let time = Arc::new(AtomicI64::new(START.0));
        let now = Arc::clone(&time);
        let clock = Clock::new(move || UnixMs(now.load(Ordering::Relaxed)));
        let master_key = MasterKey::from_hex(&MasterKey::generate_hex()).unwrap();
        let access = Arc::new(Access::open(store.clone(), master_key, clock).await.unwrap());
        let instance = random::instance_id();
        let draft = AccountDraft {
            alias: Some("acme".parse().unwrap()),
            instance: Some(instance.clone()),
            ..AccountDraft::default()
        };
        let account = access.create_account(SystemTask::FirstStart, draft).await.unwrap().account;
        let id = random::user_id();
        store.create_user(BY, account, &new_user(id, "alice", START), 10).await.unwrap();
        let (user, key) = (Principal::User(account, id), random::access_key_id());
        let sealed_secret = access.seal(&key, &random::access_key_secret());
        let row = AccessKey { id: key.clone(), owner: user, sealed_secret, active: true, created: START };
        store.create_key(BY, Some("alice"), &row).await.unwrap();
        let hash = access.passwords().hash(PASSWORD.into()).await;
        let profile = LoginProfile { password_reset_required: false, mfa_bind_required: false, created: START };
        store.create_login_profile(BY, (account, id, "alice"), &profile, &hash).await.unwrap();
        access.refresh(Change::Principal(user)).await;
        Self { store, access, time, account, instance, user, key, folder }
    }

    /// A user of the account, with nothing.
    async fn user_named(&self, name: &str) -> Principal {
        let id = random::user_id();
        self.store.create_user(BY, self.account, &new_user(id, name, START), 10).await.unwrap();
        let principal = Principal::User(self.account, id);
        self.access.refresh(Change::Principal(principal)).await;
        principal
    }

    fn now(&self) -> UnixMs {
        UnixMs(self.time.load(Ordering::Relaxed))
    }

    fn visit(&self) -> Visit<'static> {
        Visit { peer: peer(), user_agent: "a test", now: self.now() }
    }

    async fn sign_in(&self, password: &str) -> Result<String, SignInError> {
        match self.access.sign_in("alice@acme", password.into(), None, &self.visit()).await? {
            SignedIn::Session(token) => Ok(token.expose_secret().to_owned()),
            SignedIn::NeedsCode(_) => panic!("no device is bound"),
        }
    }
}

#[tokio::test]
async fn a_change_voids_what_was_decided_before_it() {
    let world = World::new().await;
    let source = world.access.policy_source();
    let credential = Credential::AccessKey(world.key.clone());
    let before = source.in_force(world.user, &credential).unwrap();
    assert!(before.epoch.is_current());
    let (Principal::User(account, id), policy) = (world.user, "ReadOnlyAccess".parse().unwrap()) else {
        unreachable!()
    };
    let to = (account, &Holder::User(id), "alice");
    world.store.attach(BY, to, (PolicyType::System, &policy), START, 10).await.unwrap();
    let touched = world.access.refresh(Change::Principal(world.user)).await;
    assert_eq!(touched.principals, [world.user]);
    assert!(!before.epoch.is_current());
    assert!(source.in_force(world.user, &credential).unwrap().epoch.is_current());
    world.store.set_key_active(BY, world.user, Some("alice"), &world.key, false).await.unwrap();
    world.access.refresh(Change::Principal(world.user)).await;
    assert!(source.in_force(world.user, &credential).is_none());
}

#[tokio::test]
async fn a_change_that_cannot_be_read_back_refuses_the_account_everything() {
    let world = World::new().await;
    let source = world.access.policy_source();
    let credential = Credential::AccessKey(world.key.clone());
    let before = source.in_force(world.user, &credential).unwrap();
    let damage = sqlx::AnyPool::connect(&url(&world.folder)).await.unwrap();
    sqlx::query("UPDATE users SET name = 'no name!'").execute(&damage).await.unwrap();
    let touched = world.access.refresh(Change::Principal(world.user)).await;
    assert_eq!(touched.accounts, [world.account]);
    assert!(!before.epoch.is_current());
    let unknown = source.in_force(world.user, &credential).unwrap();
    assert!(matches!(unknown.standing, Standing::Unknown) && unknown.valid_until < START);
    assert!(world.access.is_unavailable(Some(world.account)));
    // Nothing ends for it: what is stored waits until the account can be read again.
    assert!(world.access.instance(world.account, &world.instance).is_some());
    sqlx::query("UPDATE users SET name = 'alice'").execute(&damage).await.unwrap();
    while world.access.is_unavailable(Some(world.account)) {
        tokio::task::yield_now().await;
    }
    assert!(source.in_force(world.user, &credential).is_some_and(|now| now.epoch.is_current()));
}

#[tokio::test]
async fn a_tenant_who_changes_much_does_not_hold_up_the_change_of_another() {
    let world = World::new().await;
    let draft = AccountDraft { alias: Some("other".parse().unwrap()), ..AccountDraft::default() };
    let other = world.access.create_account(SystemTask::FirstStart, draft).await.unwrap().account;
    let order = Arc::new(Mutex::new(Vec::new()));
    let refreshing = |change: Change| {
        let (access, order) = (Arc::clone(&world.access), Arc::clone(&order));
        tokio::spawn(async move {
            access.refresh(change.clone()).await;
            order.lock().unwrap().push(change.account());
        })
    };
    let name = |number: u32| -> PolicyName { format!("p{number}").parse().unwrap() };
    let mut tasks: Vec<_> = (0..200).map(|number| refreshing(Change::Policy(world.account, name(number)))).collect();
    tasks.push(refreshing(Change::Account(other)));
    for task in tasks {
        task.await.unwrap();
    }
    let place = order.lock().unwrap().iter().position(|account| *account == other);
    assert!(place.is_some_and(|place| place < 10), "the other tenant came in place {place:?}");
}

#[tokio::test]
async fn what_cannot_be_read_of_one_tenant_leaves_the_change_of_another_in_force() {
    let world = World::new().await;
    let draft = AccountDraft { alias: Some("other".parse().unwrap()), ..AccountDraft::default() };
    let other = world.access.create_account(SystemTask::FirstStart, draft).await.unwrap().account;
    let damage = sqlx::AnyPool::connect(&url(&world.folder)).await.unwrap();
    sqlx::query("UPDATE users SET name = 'no name!'").execute(&damage).await.unwrap();
    let (access, user) = (&world.access, world.user);
    let (damaged, whole) =
        tokio::join!(access.refresh(Change::Principal(user)), access.refresh(Change::Account(other)));
    assert_eq!((damaged.accounts, whole.accounts), (vec![world.account], vec![other]));
    assert!(access.is_unavailable(Some(world.account)) && !access.is_unavailable(Some(other)));
}

#[tokio::test]
async fn what_was_written_is_put_in_force_though_whoever_wrote_it_went_away() {
    let world = World::new().await;
    let credential = Credential::AccessKey(world.key.clone());
    let source = world.access.policy_source();
    assert!(source.in_force(world.user, &credential).is_some());
    world.store.delete_key(BY, world.user, Some("alice"), &world.key).await.unwrap();
    // Polled once, and dropped.
    tokio::select! {
        biased;
        _ = world.access.refresh(Change::Principal(world.user)) => panic!("it has to read"),
        () = std::future::ready(()) => {}
    }
    while source.in_force(world.user, &credential).is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_preference_changes_what_users_may_do_and_nothing_else() {
    let world = World::new().await;
    let bob = world.user_named("bob").await;
    let credential = Credential::AccessKey(world.key.clone());
    let source = world.access.policy_source();
    let own = |standing: &Standing| match standing {
        Standing::Governed(set) => set.account.iter().filter(|policy| &*policy.name == "SelfService").count(),
        _ => panic!("a user is governed"),
    };
    let before = source.in_force(world.user, &credential).unwrap();
    assert_eq!(own(&before.standing), 1);
    let change = |settings: &mut SignInSettings| settings.preference.session_hours = 3;
    world.store.change_sign_in_settings(BY, world.account, change).await.unwrap();
    assert!(world.access.refresh(Change::Preference(world.account)).await.is_empty());
    assert!(before.epoch.is_current(), "how long a session lasts is no right");
    let change = |settings: &mut SignInSettings| {
        settings.preference.users_change_password = false;
        settings.preference.users_manage_mfa_devices = false;
    };
    world.store.change_sign_in_settings(BY, world.account, change).await.unwrap();
    let mut touched = world.access.refresh(Change::Preference(world.account)).await.principals;
    touched.sort_unstable_by_key(ToString::to_string);
    let mut users = vec![world.user, bob];
    users.sort_unstable_by_key(ToString::to_string);
    assert_eq!(touched, users);
    assert!(!before.epoch.is_current());
    assert_eq!(own(&source.in_force(world.user, &credential).unwrap().standing), 0);
}

#[tokio::test]
async fn a_new_version_reaches_the_holders_of_a_policy_and_nobody_else() {
    let world = World::new().await;
    let source = world.access.policy_source();
    let credential = Credential::AccessKey(world.key.clone());
    let policy: PolicyName = "p".parse().unwrap();
    let documents = [
        r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#,
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ];
    let texts = ("", documents[0]);
    world.store.create_policy(BY, world.account, &policy, texts, START, 10).await.unwrap();
    let before = source.in_force(world.user, &credential).unwrap();
    // Nobody has it: nobody decides again.
    assert!(world.access.refresh(Change::Policy(world.account, policy.clone())).await.is_empty());
    assert!(before.epoch.is_current());
    let Principal::User(account, user) = world.user else { panic!("a user") };
    let holder = (account, &Holder::User(user), "alice");
    world.store.attach(BY, holder, (PolicyType::Custom, &policy), START, 10).await.unwrap();
    world.access.refresh(Change::Principal(world.user)).await;
    let attached = source.in_force(world.user, &credential).unwrap();
    world.store.create_policy_version(BY, account, &policy, documents[1], (true, false), START).await.unwrap();
    let touched = world.access.refresh(Change::Policy(account, policy.clone())).await;
    assert_eq!(touched.principals, [world.user]);
    assert!(!attached.epoch.is_current());
    let now = source.in_force(world.user, &credential).unwrap();
    let Standing::Governed(set) = &now.standing else { panic!("a user is governed") };
    assert!(now.epoch.is_current());
    // Besides what it may do for itself.
    let custom = set.account.iter().filter(|one| one.policy_type == PolicyType::Custom);
    assert_eq!(custom.map(|one| one.version.0).collect::<Vec<_>>(), [2]);
    world.store.detach(BY, holder, (PolicyType::Custom, &policy)).await.unwrap();
    world.access.refresh(Change::Principal(world.user)).await;
    assert!(world.access.refresh(Change::Policy(account, policy)).await.is_empty());
}

#[tokio::test]
async fn data_sealed_under_another_master_key_is_refused() {
    let world = World::new().await;
    let other = MasterKey::from_hex(&MasterKey::generate_hex()).unwrap();
    let opened = Access::open(world.store.clone(), other, Clock::new(|| START)).await;
    assert!(matches!(opened, Err(OpenError::OtherMasterKey)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_guess_among_many_at_once_does_not_slip_by_the_lock() {
    let world = Arc::new(World::new().await);
    let guesses = (0..40).map(|n| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.sign_in(&format!("guess-{n}")).await.is_ok() })
    });
    for guess in guesses.collect::<Vec<_>>() {
        assert!(!guess.await.unwrap());
    }
    assert!(matches!(world.sign_in(PASSWORD).await, Err(SignInError::Refused)));
    world.time.fetch_add(60 * 60 * 1000 + 1, Ordering::Relaxed);
    assert!(world.sign_in(PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_console_session_ends_after_six_hours_and_with_its_user() {
    let world = World::new().await;
    let token = world.sign_in(PASSWORD).await.unwrap();
    let caller = async || world.access.console_caller(&token, peer(), world.now()).await.unwrap();
    let found = caller().await.unwrap();
    assert_eq!((&*found.name, found.account_alias.as_str()), ("alice", "acme"));
    world.time.fetch_add(CONSOLE_SESSION_MS - 1, Ordering::Relaxed);
    assert!(caller().await.is_some());
    world.time.fetch_add(1, Ordering::Relaxed);
    assert!(caller().await.is_none());
    let token = world.sign_in(PASSWORD).await.unwrap();
    let Principal::User(account, id) = world.user else { unreachable!() };
    world.store.delete_login_profile(BY, (account, id, "alice")).await.unwrap();
    world.access.refresh(Change::Principal(world.user)).await;
    assert!(world.access.console_caller(&token, peer(), world.now()).await.unwrap().is_none());
}

#[tokio::test]
async fn the_open_listener_acts_as_its_user_while_that_user_exists() {
    let world = World::new().await;
    let Principal::User(account, id) = world.user else { unreachable!() };
    let source = world.access.policy_source();
    let login = |name: &str| world.access.authenticate_open(&world.instance, &name.parse().unwrap(), peer());
    assert_eq!(login("bob").unwrap_err(), AuthRefusal::NoListenerUser);
    let found = login("alice").unwrap();
    assert_eq!((found.caller.principal(), found.caller.credential().mode()), (world.user, "Open"));
    assert_eq!((found.settings.account, &found.settings.instance), (account, &world.instance));
    let before = source.in_force(world.user, found.caller.credential()).unwrap();
    // A new name is the same user under another name; the old one is nobody's.
    let change = UserChange { name: Some("bob".parse().unwrap()), ..UserChange::default() };
    world.store.update_user(BY, account, &"alice".parse().unwrap(), &change, START).await.unwrap();
    world.access.refresh(Change::Principal(world.user)).await;
    assert_eq!(login("alice").unwrap_err(), AuthRefusal::NoListenerUser);
    assert_eq!(login("bob").unwrap().caller.principal(), world.user);
    assert!(!before.epoch.is_current());
    // Whoever has a sign-in, a key or a policy cannot be deleted; nothing of these is left.
    let between = source.in_force(world.user, &Credential::Listener).unwrap();
    world.store.delete_login_profile(BY, (account, id, "bob")).await.unwrap();
    world.store.delete_key(BY, world.user, Some("bob"), &world.key).await.unwrap();
    world.store.delete_user(BY, account, &"bob".parse().unwrap()).await.unwrap();
    world.access.refresh(Change::Principal(world.user)).await;
    assert!(!between.epoch.is_current());
    assert!(source.in_force(world.user, &Credential::Listener).is_none());
    assert_eq!(login("bob").unwrap_err(), AuthRefusal::NoListenerUser);
    // A later user of the name is another user.
    let next = world.user_named("bob").await;
    assert_ne!(next, world.user);
    assert_eq!(login("bob").unwrap().caller.principal(), next);
    assert!(source.in_force(world.user, &Credential::Listener).is_none());
}

#[tokio::test]
async fn the_open_listener_never_acts_as_an_account_or_as_a_user_of_another_account() {
    let world = World::new().await;
    let instance = random::instance_id();
    let draft = AccountDraft { instance: Some(instance.clone()), ..AccountDraft::default() };
    let other = world.access.create_account(SystemTask::FirstStart, draft).await.unwrap().account;
    let login = |instance: &InstanceId| world.access.authenticate_open(instance, &"alice".parse().unwrap(), peer());
    // `alice` is a user of the first account; the other account's instance knows no such user.
    assert_eq!(login(&instance).unwrap_err(), AuthRefusal::NoListenerUser);
    assert_eq!(login(&random::instance_id()).unwrap_err(), AuthRefusal::NoInstance);
    let source = world.access.policy_source();
    for account in [world.account, other] {
        assert!(source.in_force(Principal::Account(account), &Credential::Listener).is_none());
    }
}

#[tokio::test]
async fn a_role_whose_saved_trust_policy_names_what_cannot_exist_is_loaded_and_trusts_nobody_by_it() {
    let world = World::new().await;
    let trust = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"RAM":["acs:ram::123:root","acs:ram::{A}:user/alice"],"Service":"x","Federated":"corp"}}]}"#;
    let role = Role {
        id: random::role_id(),
        name: "old".parse().unwrap(),
        description: String::new(),
        trust_document: trust.replace("{A}", &world.account.to_string()),
        session_s_max: 3_600,
        allow_console_login: true,
        service_name: String::new(),
        created: START,
        updated: START,
    };
    world.store.create_role(BY, world.account, &role, 10).await.unwrap();
    world.access.refresh(Change::Principal(Principal::Role(world.account, role.id))).await;
    let loaded = world.access.policy_source().role(world.account, "old").unwrap();
    let trusted: Vec<_> = loaded.trust.document.trusted_arns().collect();
    assert_eq!(trusted, [format!("acs:ram::{}:user/alice", world.account)]);
}
