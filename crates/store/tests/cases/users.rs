use sluice_model::PolicyType;
use sluice_store::{Entity, Holder, Store, StoreError, UserChange};

use super::{BY, MANY, NOW, draft, new_account, new_user, user_id};

pub(crate) async fn a_user_is_made_found_changed_and_deleted(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "alice").await;
    let change =
        UserChange { name: Some("alicia".parse().unwrap()), email: Some("a@b.c".into()), ..UserChange::default() };
    let alice = "alice".parse().unwrap();
    let given = store.update_user(BY, account, &alice, &change, NOW).await.unwrap();
    assert!(store.user(account, &alice).await.unwrap().is_none());
    let user = store.user(account, &"alicia".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(given, user);
    assert_eq!((user.id, user.email.as_str()), (user_id(1), "a@b.c"));
    assert_eq!(store.user_by_id(account, user_id(1)).await.unwrap().unwrap(), user);
    assert_eq!(store.delete_user(BY, account, &user.name).await.unwrap(), user.id);
    let gone = store.delete_user(BY, account, &user.name).await;
    assert!(matches!(gone, Err(StoreError::NotFound(Entity::User))));
    let absent = store.update_user(BY, account, &user.name, &UserChange::default(), NOW).await;
    assert!(matches!(absent, Err(StoreError::NotFound(Entity::User))));
}

pub(crate) async fn names_are_unique_in_an_account_and_in_byte_order(store: Store) {
    let account = new_account(&store, 1).await;
    for (n, name) in [(1, "b"), (2, "B"), (3, "a"), (4, "a-"), (5, "a1")] {
        new_user(&store, account, n, name).await;
    }
    let taken = store.create_user(BY, account, &draft(6, "b"), MANY).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists(Entity::User))));
    let renamed = UserChange { name: Some("B".parse().unwrap()), ..UserChange::default() };
    let taken = store.update_user(BY, account, &"b".parse().unwrap(), &renamed, NOW).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists(Entity::User))));
    let names = |users: Vec<sluice_store::User>| users.into_iter().map(|u| u.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(store.users(account, "", 10).await.unwrap()), ["B", "a", "a-", "a1", "b"]);
    assert_eq!(names(store.users(account, "a", 2).await.unwrap()), ["a-", "a1"]);
}

pub(crate) async fn a_limit_holds_under_a_race(store: Store) {
    let account = new_account(&store, 1).await;
    let tasks = (0..20).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.create_user(BY, account, &draft(n, &format!("u{n}")), 7).await })
    });
    let mut made = 0;
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(()) => made += 1,
            Err(error) => assert!(matches!(error, StoreError::Limit(Entity::User)), "{error}"),
        }
    }
    assert_eq!((made, store.users(account, "", 100).await.unwrap().len()), (7, 7));
}

pub(crate) async fn a_user_with_something_left_is_not_deleted(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "busy").await;
    let policy = (PolicyType::System, &"ReadOnlyAccess".parse().unwrap());
    let to = (account, &Holder::User(user_id(1)), "busy");
    store.attach(BY, to, policy, NOW, MANY).await.unwrap();
    let name = "busy".parse().unwrap();
    let left = store.delete_user(BY, account, &name).await;
    assert!(matches!(left, Err(StoreError::Conflict(Entity::Attachment))));
    store.detach(BY, to, policy).await.unwrap();
    store.delete_user(BY, account, &name).await.unwrap();
}
