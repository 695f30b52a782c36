use sluice_model::{Action, Principal, RamEntity, Resource, UnixMs};
use sluice_policy::{Context, SystemTask::ConsoleSessions};
use sluice_store::{
    By, ConsoleSession, Entity, HALF_SIGN_INS_MAX, LoginProfile, MfaDevice, MfaTicket, NewPassword, PASSWORDS_KEPT_MAX,
    Store, StoreError,
};

use super::{BY, NOW, console_session, new_account, new_user, user, user_id};

const PROFILE: LoginProfile = LoginProfile { password_reset_required: false, mfa_bind_required: false, created: NOW };
const NEW: NewPassword<'static> = NewPassword { hash: "new", now: NOW, keep: None };

pub(crate) async fn wrong_passwords_lock_and_a_new_password_unlocks(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let of = (account, user_id(1), "u");
    store.create_login_profile(BY, of, &PROFILE, "hash").await.unwrap();
    let twice = store.create_login_profile(BY, of, &PROFILE, "hash").await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists(Entity::LoginProfile))));
    for who in [user(account, 1), Principal::Account(account)] {
        for _ in 0..2 {
            store.record_sign_in_failure(ConsoleSessions, who, 3, UnixMs(9)).await.unwrap();
        }
    }
    let state = store.user_login(account, user_id(1)).await.unwrap().unwrap();
    assert_eq!((state.failures, state.locked_until), (2, None));
    store.record_sign_in_failure(ConsoleSessions, user(account, 1), 3, UnixMs(9)).await.unwrap();
    let state = store.user_login(account, user_id(1)).await.unwrap().unwrap();
    assert_eq!(state.locked_until, Some(UnixMs(9)));
    assert_eq!(store.account_login(account).await.unwrap().unwrap().failures, 2);
    store.update_login_profile(BY, of, (Some(true), None), Some(NEW)).await.unwrap();
    let state = store.user_login(account, user_id(1)).await.unwrap().unwrap();
    assert_eq!((state.password_hash.as_str(), state.locked_until, state.password_reset_required), ("new", None, true));
    store.record_sign_in(ConsoleSessions, user(account, 1), UnixMs(7)).await.unwrap();
    assert_eq!(store.user_by_id(account, user_id(1)).await.unwrap().unwrap().last_login, Some(UnixMs(7)));
}

async fn begin(store: &Store, who: Principal, digest: &str) {
    let session = console_session(digest, who, UnixMs(NOW.0 + 100));
    let verified = match who {
        Principal::User(account, user) => store.user_login(account, user).await.unwrap().unwrap().password_hash,
        _ => "hash".to_owned(),
    };
    assert!(store.create_console_session(ConsoleSessions, &session, &verified).await.unwrap());
}

pub(crate) async fn a_session_ends_with_its_time_its_password_and_its_profile(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let (who, of) = (user(account, 1), (account, user_id(1), "u"));
    store.create_login_profile(BY, of, &PROFILE, "hash").await.unwrap();
    begin(&store, who, "time").await;
    let found = store.console_session("time", UnixMs(NOW.0 + 99)).await.unwrap().unwrap();
    assert_eq!(found.principal, who);
    assert!(store.console_session("time", UnixMs(NOW.0 + 100)).await.unwrap().is_none());
    assert!(store.change_own_password(ConsoleSessions, (account, user_id(1)), "hash", NEW).await.unwrap());
    assert!(store.console_session("time", NOW).await.unwrap().is_none());
    begin(&store, who, "profile").await;
    begin(&store, Principal::Account(account), "root").await;
    store.delete_login_profile(BY, of).await.unwrap();
    assert!(store.console_session("profile", NOW).await.unwrap().is_none());
    assert!(store.console_session("root", NOW).await.unwrap().is_some());
    store.delete_console_session(ConsoleSessions, "root").await.unwrap();
    assert!(store.console_session("root", NOW).await.unwrap().is_none());
    let gone = store.delete_login_profile(BY, of).await;
    assert!(matches!(gone, Err(StoreError::NotFound(Entity::LoginProfile))));
}

pub(crate) async fn the_passwords_of_before_are_kept_up_to_their_limit(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let of = (account, user_id(1), "u");
    store.create_login_profile(BY, of, &PROFILE, "0").await.unwrap();
    for n in 1..=30 {
        let hash = n.to_string();
        let password = NewPassword { hash: &hash, now: UnixMs(n), keep: None };
        let verified = (n - 1).to_string();
        assert!(store.change_own_password(ConsoleSessions, (account, user_id(1)), &verified, password).await.unwrap());
    }
    let kept = store.passwords(account, user_id(1), PASSWORDS_KEPT_MAX).await.unwrap();
    let expected: Vec<String> = (6..=30).rev().map(|n| n.to_string()).collect();
    assert_eq!(kept, expected);
    assert_eq!(store.passwords(account, user_id(1), 2).await.unwrap(), ["30", "29"]);
    assert_eq!(store.user_login(account, user_id(1)).await.unwrap().unwrap().password_changed, UnixMs(30));
    // As long as the user lives, with and without a sign-in.
    store.delete_login_profile(BY, of).await.unwrap();
    assert_eq!(store.passwords(account, user_id(1), PASSWORDS_KEPT_MAX).await.unwrap(), expected);
    store.create_login_profile(BY, of, &PROFILE, "31").await.unwrap();
    assert_eq!(store.passwords(account, user_id(1), 3).await.unwrap(), ["31", "30", "29"]);
    assert_eq!(store.passwords(account, user_id(1), 100).await.unwrap().len(), 25);
    store.delete_login_profile(BY, of).await.unwrap();
    store.delete_user(BY, account, &"u".parse().unwrap()).await.unwrap();
    new_user(&store, account, 1, "u").await;
    assert!(store.passwords(account, user_id(1), PASSWORDS_KEPT_MAX).await.unwrap().is_empty());
}

pub(crate) async fn no_more_attempts_are_let_through_than_there_may_be(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    store.create_login_profile(BY, (account, user_id(1), "u"), &PROFILE, "hash").await.unwrap();
    let (who, until) = (user(account, 1), UnixMs(NOW.0 + 100));
    let attempts = (0..9).map(|_| store.spend_attempt(ConsoleSessions, who, 3, (NOW, until)));
    let mut let_through = 0;
    for attempt in attempts {
        let_through += usize::from(attempt.await.unwrap());
    }
    assert_eq!(let_through, 3);
    // The lock's end begins anew; a right one takes count and lock back.
    assert!(store.spend_attempt(ConsoleSessions, who, 3, (until, UnixMs(until.0 + 100))).await.unwrap());
    store.record_sign_in(ConsoleSessions, who, until).await.unwrap();
    for _ in 0..3 {
        assert!(store.spend_attempt(ConsoleSessions, who, 3, (until, UnixMs(until.0 + 100))).await.unwrap());
    }
    assert!(!store.spend_attempt(ConsoleSessions, who, 3, (until, UnixMs(until.0 + 100))).await.unwrap());
}

fn device(account: sluice_model::AccountId, name: &str) -> MfaDevice {
    MfaDevice {
        serial: format!("acs:ram::{account}:mfa/{name}"),
        name: name.parse().unwrap(),
        sealed_seed: "sealed".into(),
        user: None,
        activated: None,
        last_step: 0,
        page_session: String::new(),
    }
}

pub(crate) async fn a_device_is_one_users_and_a_code_is_taken_once(store: Store) {
    let account = new_account(&store, 1).await;
    for (n, name) in [(1, "u"), (2, "v")] {
        new_user(&store, account, n, name).await;
    }
    let (one, two) = (device(account, "one"), device(account, "two"));
    for device in [&one, &two] {
        store.create_mfa_device(BY, account, device, NOW, 2).await.unwrap();
    }
    let twice = store.create_mfa_device(BY, account, &one, NOW, 2).await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists(Entity::MfaDevice))));
    let third = store.create_mfa_device(BY, account, &device(account, "three"), NOW, 2).await;
    assert!(matches!(third, Err(StoreError::Limit(Entity::MfaDevice))));
    let (u, v) = ((account, user_id(1), "u"), (account, user_id(2), "v"));
    store.bind_mfa_device(BY, u, &one, 7, NOW).await.unwrap();
    for (who, device, entity) in [(u, &two, Entity::MfaBinding), (v, &one, Entity::MfaDeviceBinding)] {
        let refused = store.bind_mfa_device(BY, who, device, 9, NOW).await;
        assert!(matches!(refused, Err(StoreError::AlreadyExists(found)) if found == entity), "{entity:?}");
    }
    let take = async |who: (_, _, &str), step| {
        store.take_mfa_step(ConsoleSessions, (who.0, who.1), &one.serial, step).await.unwrap()
    };
    assert!(!take(u, 7).await && !take(v, 8).await && take(u, 8).await && !take(u, 8).await);
    let bound = store.delete_mfa_device(BY, account, &one.name).await;
    assert!(matches!(bound, Err(StoreError::Conflict(Entity::MfaBinding))));
    let has_device = store.delete_user(BY, account, &"u".parse().unwrap()).await;
    assert!(matches!(has_device, Err(StoreError::Conflict(Entity::MfaDevice))));
    let listed = store.mfa_devices(account).await.unwrap();
    assert_eq!(listed[0].1.as_ref().map(|user| user.name.as_str()), Some("u"));
    let ticket = MfaTicket {
        digest: "ticket".into(),
        user: (account, user_id(1)),
        serial: one.serial.clone(),
        expires: UnixMs(NOW.0 + 9),
    };
    store.create_mfa_ticket(ConsoleSessions, &ticket, NOW).await.unwrap();
    store.create_login_profile(BY, u, &PROFILE, "hash").await.unwrap();
    let times = (NOW, UnixMs(NOW.0 + 9));
    assert!(store.create_half_sign_in(ConsoleSessions, "half", ticket.user, "hash", times).await.unwrap());
    let remembered = async |now| store.has_mfa_ticket("ticket", ticket.user, &ticket.serial, now).await.unwrap();
    assert!(remembered(NOW).await && !remembered(ticket.expires).await);
    assert_eq!(store.half_sign_in("half", NOW).await.unwrap(), Some(ticket.user));
    assert_eq!(store.unbind_mfa_device(BY, u, None).await.unwrap(), one.serial);
    assert!(!remembered(NOW).await && store.half_sign_in("half", NOW).await.unwrap().is_none());
    let unbound = store.unbind_mfa_device(BY, u, None).await;
    assert!(matches!(unbound, Err(StoreError::NotFound(Entity::MfaBinding))));
    // A code of before the unbinding binds nothing again.
    let replayed = store.bind_mfa_device(BY, v, &one, 8, NOW).await;
    assert!(matches!(replayed, Err(StoreError::AlreadyExists(Entity::MfaCode))));
    store.delete_mfa_device(BY, account, &one.name).await.unwrap();
    let gone = store.delete_mfa_device(BY, account, &one.name).await;
    assert!(matches!(gone, Err(StoreError::NotFound(Entity::MfaDevice))));
}

pub(crate) async fn what_a_password_proved_is_void_once_it_is_another(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let (who, of, id) = (user(account, 1), (account, user_id(1), "u"), (account, user_id(1)));
    store.create_login_profile(BY, of, &PROFILE, "verified").await.unwrap();
    let reset = NewPassword { hash: "reset", now: NOW, keep: None };
    store.update_login_profile(BY, of, (Some(true), None), Some(reset)).await.unwrap();
    let times = (NOW, UnixMs(NOW.0 + 100));
    let session = |digest: &str, principal| console_session(digest, principal, times.1);
    let void = async |store: &Store| {
        assert!(!store.change_own_password(ConsoleSessions, id, "verified", NEW).await.unwrap());
        assert!(!store.create_half_sign_in(ConsoleSessions, "half", id, "verified", times).await.unwrap());
        assert!(store.half_sign_in("half", NOW).await.unwrap().is_none());
        for who in [who, Principal::Account(account)] {
            let begun = store.create_console_session(ConsoleSessions, &session("late", who), "verified").await.unwrap();
            assert!(!begun && store.console_session("late", NOW).await.unwrap().is_none(), "{who}");
        }
    };
    void(&store).await;
    let state = store.user_login(account, user_id(1)).await.unwrap().unwrap();
    assert_eq!((state.password_hash.as_str(), state.password_reset_required), ("reset", true));
    assert!(store.create_half_sign_in(ConsoleSessions, "half", id, "reset", times).await.unwrap());
    // A step that is demanded meanwhile is one that the session does not know of.
    assert!(!store.create_console_session(ConsoleSessions, &session("late", who), "reset").await.unwrap());
    store.update_login_profile(BY, of, (Some(false), None), None).await.unwrap();
    for (who, hash) in [(who, "reset"), (Principal::Account(account), "hash")] {
        assert!(store.create_console_session(ConsoleSessions, &session(hash, who), hash).await.unwrap());
    }
    store.delete_login_profile(BY, of).await.unwrap();
    void(&store).await;
}

pub(crate) async fn a_password_of_ones_own_takes_back_neither_count_nor_lock(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let (who, of, id) = (user(account, 1), (account, user_id(1), "u"), (account, user_id(1)));
    store.create_login_profile(BY, of, &PROFILE, "first").await.unwrap();
    let caller = sluice_testkit::caller(who);
    let (action, resource) =
        (Action::of("ram:UpdateLoginProfile"), Resource::Ram(account, RamEntity::User("u".into())));
    let own = sluice_testkit::allow_all().authorize(&caller, &action, &resource, &Context::at(NOW)).unwrap();
    let until = UnixMs(NOW.0 + 100);
    let state = async || {
        let state = store.user_login(account, user_id(1)).await.unwrap().unwrap();
        (state.password_hash, state.failures, state.locked_until)
    };
    for (spent, failures, locked) in [(2, 2, None), (1, 0, Some(until))] {
        for _ in 0..spent {
            assert!(store.spend_attempt(ConsoleSessions, who, 3, (NOW, until)).await.unwrap());
        }
        let verified = state().await.0;
        assert!(store.change_own_password(ConsoleSessions, id, &verified, NEW).await.unwrap());
        assert_eq!(state().await, ("new".to_owned(), failures, locked));
        store.update_login_profile(By::Permit(&own), of, (None, None), Some(NEW)).await.unwrap();
        assert_eq!(state().await, ("new".to_owned(), failures, locked));
    }
    store.update_login_profile(BY, of, (None, None), Some(NEW)).await.unwrap();
    assert_eq!(state().await, ("new".to_owned(), 0, None));
}

pub(crate) async fn a_session_ends_with_the_device_that_opened_it_and_with_a_step_that_is_newly_demanded(store: Store) {
    let account = new_account(&store, 1).await;
    let (of, phone) = ((account, user_id(1), "u"), device(account, "phone"));
    for (n, name) in [(1, "u"), (2, "v")] {
        new_user(&store, account, n, name).await;
        store.create_login_profile(BY, (account, user_id(n), name), &PROFILE, "hash").await.unwrap();
        begin(&store, user(account, n), &format!("{name} by password")).await;
    }
    store.create_mfa_device(BY, account, &phone, NOW, 9).await.unwrap();
    store.bind_mfa_device(BY, of, &phone, 7, NOW).await.unwrap();
    for digest in ["u by code", "u unbinds"] {
        begin(&store, user(account, 1), digest).await;
        store.note_mfa_bound(ConsoleSessions, digest).await.unwrap();
    }
    let mfa = async |digest: &str| store.console_session(digest, NOW).await.unwrap().map(|session| session.mfa_present);
    assert_eq!((mfa("u by code").await, mfa("u by password").await), (Some(true), Some(false)));
    store.unbind_mfa_device(BY, of, Some("u unbinds")).await.unwrap();
    assert_eq!((mfa("u by code").await, mfa("u unbinds").await), (None, Some(false)));
    assert_eq!((mfa("u by password").await, mfa("v by password").await), (Some(false), Some(false)));
    // Who was about to say that it was bound is too late, and so is who came by a code of it.
    store.note_mfa_bound(ConsoleSessions, "u unbinds").await.unwrap();
    assert_eq!(mfa("u unbinds").await, Some(false));
    store.bind_mfa_device(BY, of, &phone, 8, NOW).await.unwrap();
    store.note_mfa_bound(ConsoleSessions, "u unbinds").await.unwrap();
    let by_code = store.console_session("u unbinds", NOW).await.unwrap().unwrap();
    // A device to bind is demanded of who has not shown one; a new password of all. What is demanded already ends nothing.
    store.update_login_profile(BY, of, (Some(false), Some(true)), None).await.unwrap();
    assert_eq!((mfa("u by password").await, mfa("u unbinds").await), (None, Some(true)));
    store.update_login_profile(BY, of, (None, Some(true)), None).await.unwrap();
    assert_eq!(mfa("u unbinds").await, Some(true));
    store.update_login_profile(BY, of, (Some(true), None), None).await.unwrap();
    assert_eq!((mfa("u unbinds").await, mfa("v by password").await), (None, Some(false)));
    let again = ConsoleSession { must_change_password: true, ..by_code };
    assert!(store.create_console_session(ConsoleSessions, &again, "hash").await.unwrap());
    store.unbind_mfa_device(BY, of, None).await.unwrap();
    assert!(!store.create_console_session(ConsoleSessions, &again, "hash").await.unwrap());
}

pub(crate) async fn few_sign_ins_of_a_user_wait_at_once(store: Store) {
    let account = new_account(&store, 1).await;
    for (n, name) in [(1, "u"), (2, "v")] {
        new_user(&store, account, n, name).await;
        store.create_login_profile(BY, (account, user_id(n), name), &PROFILE, "hash").await.unwrap();
    }
    let wait = async |digest: &str, n, until| {
        let times = (NOW, UnixMs(until));
        assert!(
            store.create_half_sign_in(ConsoleSessions, digest, (account, user_id(n)), "hash", times).await.unwrap()
        );
    };
    wait("other", 2, NOW.0 + 1).await;
    for n in 1..=HALF_SIGN_INS_MAX + 1 {
        wait(&n.to_string(), 1, NOW.0 + 1 + n).await;
    }
    let waits = async |digest: &str| store.half_sign_in(digest, NOW).await.unwrap().is_some();
    assert!(!waits("1").await && waits("2").await && waits(&(HALF_SIGN_INS_MAX + 1).to_string()).await);
    assert!(waits("other").await);
}

pub(crate) async fn a_device_on_a_page_gives_way_to_the_next_and_ends_with_the_password(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let of = (account, user_id(1), "u");
    store.create_login_profile(BY, of, &PROFILE, "hash").await.unwrap();
    let name = user_id(1).to_string();
    let by_api = device(account, &name);
    let on_page = |seed: &str| MfaDevice { sealed_seed: seed.into(), page_session: seed.into(), ..by_api.clone() };
    let (first, second) = (on_page("first"), on_page("second"));
    for made in [&by_api, &first, &second] {
        store.create_mfa_device(BY, account, made, NOW, 1).await.unwrap();
    }
    let again = store.create_mfa_device(BY, account, &by_api, NOW, 2).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists(Entity::MfaDevice))));
    // Two codes of the first seed do not bind the second.
    let other_seed = store.bind_mfa_device(BY, of, &first, 7, NOW).await;
    assert!(matches!(other_seed, Err(StoreError::AlreadyExists(Entity::MfaCode))));
    store.update_login_profile(BY, of, (None, None), Some(NEW)).await.unwrap();
    assert!(store.mfa_device(account, &by_api.name).await.unwrap().is_none());
    store.create_mfa_device(BY, account, &second, NOW, 1).await.unwrap();
    store.delete_login_profile(BY, of).await.unwrap();
    assert!(store.mfa_device(account, &by_api.name).await.unwrap().is_none());
    store.create_mfa_device(BY, account, &second, NOW, 1).await.unwrap();
    store.bind_mfa_device(BY, of, &second, 7, NOW).await.unwrap();
    let bound = store.create_mfa_device(BY, account, &first, NOW, 2).await;
    assert!(matches!(bound, Err(StoreError::AlreadyExists(Entity::MfaDevice))));
    store.unbind_mfa_device(BY, of, None).await.unwrap();
    assert_eq!(store.mfa_device(account, &by_api.name).await.unwrap().unwrap().page_session, "");
}

pub(crate) async fn settings_keep_what_a_change_leaves_alone(store: Store) {
    let account = new_account(&store, 1).await;
    assert_eq!(store.sign_in_settings(account).await.unwrap(), sluice_model::SignInSettings::default());
    store.change_sign_in_settings(BY, account, |all| all.password.hard_expiry = true).await.unwrap();
    let masks = "10.0.0.0/8;::1".parse().unwrap();
    store.change_sign_in_settings(BY, account, |all| all.preference.masks = masks).await.unwrap();
    let found = store.sign_in_settings(account).await.unwrap();
    assert!(found.password.hard_expiry && found.preference.masks.as_str() == "10.0.0.0/8;::1");
    assert_eq!(found.preference.session_hours, 6);
}

pub(crate) async fn an_alias_is_one_accounts_and_can_be_cleared(store: Store) {
    let (first, second) = (new_account(&store, 1).await, new_account(&store, 2).await);
    let alias: sluice_model::AccountAlias = "team".parse().unwrap();
    store.set_account_alias(BY, first, &alias).await.unwrap();
    let taken = store.set_account_alias(BY, second, &alias).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists(Entity::AccountAlias))));
    for account in [first, second] {
        store.set_account_alias(BY, account, &sluice_model::AccountAlias::unset(account)).await.unwrap();
        assert!(!store.account(account).await.unwrap().unwrap().alias.is_set());
    }
    assert!(store.account_by_alias(&alias).await.unwrap().is_none());
    assert_eq!(store.accounts().await.unwrap().len(), 2);
}

pub(crate) async fn a_keys_last_use_never_goes_back_and_ends_with_it(store: Store) {
    let account = new_account(&store, 1).await;
    let key = store.keys(Principal::Account(account)).await.unwrap().remove(0).id;
    assert_eq!(store.key_last_used(&key).await.unwrap(), None);
    for at in [5, 9, 7] {
        store.add_key_uses(ConsoleSessions, &[(key.clone(), account, UnixMs(at))]).await.unwrap();
    }
    assert_eq!(store.key_last_used(&key).await.unwrap(), Some(UnixMs(9)));
    store.delete_key(BY, Principal::Account(account), None, &key).await.unwrap();
    store.add_key_uses(ConsoleSessions, &[(key.clone(), account, UnixMs(10))]).await.unwrap();
    assert_eq!(store.key_last_used(&key).await.unwrap(), None);
}
