use sluice_model::{PolicyType, PolicyVersion};
use sluice_store::{Entity, Holder, Store, StoreError, VERSIONS_PER_POLICY_MAX};

use super::{BY, MANY, NOW, new_account, new_user, user_id};

pub(crate) async fn versions_are_never_used_twice_and_the_default_stays(store: Store) {
    let account = new_account(&store, 1).await;
    let name = "p".parse().unwrap();
    store.create_policy(BY, account, &name, ("text", "one"), NOW, MANY).await.unwrap();
    let taken = store.create_policy(BY, account, &name, ("", ""), NOW, MANY).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists(Entity::Policy))));
    let v2 = store.create_policy_version(BY, account, &name, "two", (false, false), NOW).await.unwrap();
    assert_eq!((v2, store.policy(account, &name).await.unwrap().unwrap().document.as_str()), (PolicyVersion(2), "one"));
    store.set_default_policy_version(BY, account, &name, v2, NOW).await.unwrap();
    assert_eq!(store.policy(account, &name).await.unwrap().unwrap().document, "two");
    let in_force = store.delete_policy_version(BY, account, &name, v2).await;
    assert!(matches!(in_force, Err(StoreError::Conflict(Entity::DefaultPolicyVersion))));
    let v3 = store.create_policy_version(BY, account, &name, "three", (false, false), NOW).await.unwrap();
    store.delete_policy_version(BY, account, &name, v3).await.unwrap();
    let v4 = store.create_policy_version(BY, account, &name, "four", (true, false), NOW).await.unwrap();
    assert_eq!(v4, PolicyVersion(4));
    let absent = store.set_default_policy_version(BY, account, &name, v3, NOW).await;
    assert!(matches!(absent, Err(StoreError::NotFound(Entity::PolicyVersion))));
    let others = store.delete_policy(BY, account, &name, false).await;
    assert!(matches!(others, Err(StoreError::Conflict(Entity::PolicyVersion))));
    store.delete_policy(BY, account, &name, true).await.unwrap();
    assert!(store.policy_versions(account, &name).await.unwrap().is_empty());
}

pub(crate) async fn five_versions_even_in_a_race(store: Store) {
    let account = new_account(&store, 1).await;
    let name: sluice_model::PolicyName = "p".parse().unwrap();
    store.create_policy(BY, account, &name, ("", "one"), NOW, MANY).await.unwrap();
    let tasks = (0..12).map(|_| {
        let (store, name) = (store.clone(), name.clone());
        tokio::spawn(async move { store.create_policy_version(BY, account, &name, "x", (false, false), NOW).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        if let Err(error) = task.await.unwrap() {
            assert!(matches!(error, StoreError::Limit(Entity::PolicyVersion)), "{error}");
        }
    }
    let count = |rows: Vec<sluice_store::PolicyVersionRow>| i64::try_from(rows.len()).unwrap();
    assert_eq!(count(store.policy_versions(account, &name).await.unwrap()), VERSIONS_PER_POLICY_MAX);
    // Rotation takes the oldest that is not in force.
    store.create_policy_version(BY, account, &name, "new", (false, true), NOW).await.unwrap();
    let rows = store.policy_versions(account, &name).await.unwrap();
    let versions: Vec<u32> = rows.iter().map(|row| row.version.0).collect();
    assert_eq!(versions, [6, 5, 4, 3, 1]);
}

pub(crate) async fn the_limits_of_policies_hold_under_a_race(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let name = |n: usize| format!("p{n}").parse::<sluice_model::PolicyName>().unwrap();
    let makers = (0..12).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.create_policy(BY, account, &name(n), ("", "{}"), NOW, 5).await })
    });
    let mut made = Vec::new();
    for (n, task) in makers.collect::<Vec<_>>().into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(()) => made.push(name(n)),
            Err(error) => assert!(matches!(error, StoreError::Limit(Entity::Policy)), "{error}"),
        }
    }
    assert_eq!((made.len(), store.policies(account, "", MANY).await.unwrap().len()), (5, 5));
    let attachers = made.into_iter().map(|policy| {
        let store = store.clone();
        tokio::spawn(async move {
            let to = (account, &Holder::User(user_id(1)), "u");
            store.attach(BY, to, (PolicyType::Custom, &policy), NOW, 2).await
        })
    });
    let mut attached = 0;
    for task in attachers.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(()) => attached += 1,
            Err(error) => assert!(matches!(error, StoreError::Limit(Entity::Attachment)), "{error}"),
        }
    }
    assert_eq!((attached, store.attachments(account, &Holder::User(user_id(1))).await.unwrap().len()), (2, 2));
}

pub(crate) async fn an_attached_policy_is_not_deleted(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let (to, name) = ((account, &Holder::User(user_id(1)), "u"), "p".parse().unwrap());
    let absent = store.attach(BY, to, (PolicyType::Custom, &name), NOW, MANY).await;
    assert!(matches!(absent, Err(StoreError::NotFound(Entity::Policy))));
    store.create_policy(BY, account, &name, ("", "{}"), NOW, MANY).await.unwrap();
    store.attach(BY, to, (PolicyType::Custom, &name), NOW, 1).await.unwrap();
    let twice = store.attach(BY, to, (PolicyType::Custom, &name), NOW, 1).await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists(Entity::Attachment))));
    let other = "q".parse().unwrap();
    store.create_policy(BY, account, &other, ("", "{}"), NOW, MANY).await.unwrap();
    let over = store.attach(BY, to, (PolicyType::Custom, &other), NOW, 1).await;
    assert!(matches!(over, Err(StoreError::Limit(Entity::Attachment))));
    let attached = store.delete_policy(BY, account, &name, true).await;
    assert!(matches!(attached, Err(StoreError::Conflict(Entity::User))));
    assert_eq!(store.policy_users(account, (PolicyType::Custom, &name)).await.unwrap().len(), 1);
    assert_eq!(store.account_attachments(account).await.unwrap().len(), 1);
    store.detach(BY, to, (PolicyType::Custom, &name)).await.unwrap();
    store.delete_policy(BY, account, &name, true).await.unwrap();
}
