use sluice_model::{Principal, UnixMs};
use sluice_policy::SystemTask::ConsoleSessions;
use sluice_store::{ConsoleSession, Entity, LoginProfile, Store, StoreError};

use super::{BY, NOW, new_account, new_user, user, user_id};

const PROFILE: LoginProfile = LoginProfile { password_reset_required: true, mfa_bind_required: false, created: NOW };

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
    store.update_login_profile(BY, of, (Some(false), None), Some("new")).await.unwrap();
    let state = store.user_login(account, user_id(1)).await.unwrap().unwrap();
    assert_eq!((state.password_hash.as_str(), state.locked_until, state.password_reset_required), ("new", None, false));
    store.record_sign_in(ConsoleSessions, user(account, 1), UnixMs(7)).await.unwrap();
    assert_eq!(store.user_by_id(account, user_id(1)).await.unwrap().unwrap().last_login, Some(UnixMs(7)));
}

async fn begin(store: &Store, who: Principal, digest: &str) {
    let session = ConsoleSession {
        digest: digest.into(),
        principal: who,
        csrf: "csrf".into(),
        must_change_password: false,
        created: NOW,
        expires: UnixMs(NOW.0 + 100),
    };
    store.create_console_session(ConsoleSessions, &session).await.unwrap();
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
    store.change_own_password(ConsoleSessions, (account, user_id(1)), "new").await.unwrap();
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
