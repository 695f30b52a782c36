use sluice_model::{Principal, UnixMs};
use sluice_policy::SystemTask::{ConsoleSessions, OperatorCommand, Usage};
use sluice_store::{
    AccessKey, Entity, Group, Holder, LoginProfile, NewRoot, Store, StoreError, Topic, UsageCounts, UsageKey,
};

use super::{BY, MANY, NOW, console_session, instances::instance, new_account, new_user, user, user_id};

pub(crate) async fn an_account_is_put_out_of_force_and_in_force_again(store: Store) {
    let (account, other) = (new_account(&store, 1).await, new_account(&store, 2).await);
    for active in [false, false, true] {
        store.set_account_active(OperatorCommand, account, active).await.unwrap();
        assert_eq!(store.account(account).await.unwrap().unwrap().active, active);
        assert!(store.account(other).await.unwrap().unwrap().active);
    }
    let absent = store.set_account_active(OperatorCommand, sluice_testkit::account(9), true).await;
    assert!(matches!(absent, Err(StoreError::NotFound(Entity::Account))));
}

async fn key(store: &Store, owner: Principal, name: Option<&str>, id: &str) {
    let key = AccessKey { id: id.parse().unwrap(), owner, sealed_secret: "sealed".into(), active: true, created: NOW };
    store.create_key(BY, name, &key).await.unwrap();
}

async fn sign_in(store: &Store, principal: Principal, digest: &str) {
    let session = console_session(digest, principal, UnixMs(NOW.0 + 1_000));
    assert!(store.create_console_session(ConsoleSessions, &session, "hash").await.unwrap());
}

pub(crate) async fn reset_root_leaves_the_users_as_they_are(store: Store) {
    let account = new_account(&store, 1).await;
    let (root, alice) = (Principal::Account(account), user(account, 1));
    new_user(&store, account, 1, "alice").await;
    key(&store, root, None, "LTAIsecond").await;
    key(&store, alice, Some("alice"), "LTAIalice").await;
    let profile = LoginProfile { password_reset_required: false, mfa_bind_required: false, created: NOW };
    store.create_login_profile(BY, (account, user_id(1), "alice"), &profile, "hash").await.unwrap();
    sign_in(&store, root, "root").await;
    sign_in(&store, alice, "alice").await;
    store.record_sign_in_failure(ConsoleSessions, root, 1, UnixMs(9_999)).await.unwrap();
    let id = "LTAIfresh".parse().unwrap();
    let new = NewRoot { account, password_hash: "new", key: &id, sealed_secret: "sealed", created: NOW };
    store.reset_root(OperatorCommand, &new).await.unwrap();
    let keys = |of| store.keys(of);
    assert_eq!(keys(root).await.unwrap().iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["LTAIfresh"]);
    assert_eq!(keys(alice).await.unwrap().len(), 1);
    let state = store.account_login(account).await.unwrap().unwrap();
    assert_eq!((state.password_hash.as_str(), state.failures, state.locked_until), ("new", 0, None));
    assert!(store.console_session("root", NOW).await.unwrap().is_none());
    assert!(store.console_session("alice", NOW).await.unwrap().is_some());
    let other = new_account(&store, 2).await;
    let taken = store.reset_root(OperatorCommand, &NewRoot { account: other, ..new }).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists(Entity::AccessKey))));
    assert_eq!(store.keys(Principal::Account(other)).await.unwrap().len(), 1, "refused, so that nothing changed");
}

/// Something in each table.
async fn furnish(store: &Store, n: u64) -> sluice_model::AccountId {
    let account = new_account(store, n).await;
    new_user(store, account, n, "alice").await;
    let alice = (account, user_id(n), "alice");
    key(store, user(account, n), Some("alice"), &format!("LTAIalice{n}")).await;
    let profile = LoginProfile { password_reset_required: false, mfa_bind_required: false, created: NOW };
    store.create_login_profile(BY, alice, &profile, "hash").await.unwrap();
    let policy = "device".parse().unwrap();
    store.create_policy(BY, account, &policy, ("", "{}"), NOW, MANY).await.unwrap();
    let attachment = (sluice_model::PolicyType::Custom, &policy);
    store.attach(BY, (account, &Holder::User(user_id(n)), "alice"), attachment, NOW, MANY).await.unwrap();
    let place = instance(account, &format!("mqtt-cn-{n}"), "first");
    store.create_instance(BY, &place).await.unwrap();
    let topic = Topic { name: "orders".parse().unwrap(), remark: String::new(), created: NOW };
    store.create_topic(BY, (account, &place.id), &topic, MANY).await.unwrap();
    let group = Group { id: "GID_group".parse().unwrap(), created: NOW };
    store.create_group(BY, (account, &place.id), &group, MANY).await.unwrap();
    sign_in(store, user(account, n), &format!("session-{n}")).await;
    use_something(store, account).await;
    account
}

async fn use_something(store: &Store, account: sluice_model::AccountId) {
    let key = UsageKey { principal: Principal::Account(account), hour: UnixMs(0), instance: None };
    store.add_usage(Usage, &[(key, UsageCounts { api_calls: 1, ..UsageCounts::default() })], &[]).await.unwrap();
}

pub(crate) async fn a_deleted_account_leaves_nothing_and_touches_no_other(store: Store) {
    let (account, other) = (furnish(&store, 1).await, furnish(&store, 2).await);
    store.delete_account(OperatorCommand, account).await.unwrap();
    let again = store.delete_account(OperatorCommand, account).await;
    assert!(matches!(again, Err(StoreError::NotFound(Entity::Account))));
    // Counted before and written after the end.
    use_something(&store, account).await;
    // The same names are free, and whoever takes them finds nothing.
    assert_eq!(new_account(&store, 1).await, account);
    assert!(store.users(account, "", 10).await.unwrap().is_empty());
    assert!(store.console_session("session-1", NOW).await.unwrap().is_none());
    let counts = store.counts(account).await.unwrap();
    assert_eq!((counts.instances, counts.topics, counts.groups), (0, 0, 0));
    let query = sluice_store::UsageQuery {
        account,
        instance: None,
        principal: None,
        from: UnixMs(0),
        before: UnixMs(1),
        by: sluice_store::UsageBy::Account,
    };
    assert!(store.usage(&query, 10).await.unwrap().is_empty());
    let kept = sluice_store::UsageQuery { account: other, ..query };
    assert_eq!(store.usage(&kept, 10).await.unwrap().len(), 1);
    assert_eq!(store.users(other, "", 10).await.unwrap().len(), 1);
    assert_eq!(store.counts(other).await.unwrap().topics, 1);
    assert_eq!(store.account_keys(other).await.unwrap().len(), 2);
}
