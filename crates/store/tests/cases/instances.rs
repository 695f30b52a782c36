use sluice_model::{
    AccountId, Action, Compatibility, DenyAction, Durability, Edition, OfflineRetention, Principal, Resource, UnixMs,
};
use sluice_policy::{Context, SystemTask};
use sluice_store::{By, Counts, Entity, Group, Instance, InstanceChange, NewAccount, Store, StoreError, Topic};

use super::{BY, MANY, NOW, new_account};

pub(crate) fn instance(account: AccountId, id: &str, name: &str) -> Instance {
    Instance {
        id: id.parse().unwrap(),
        account,
        name: name.parse().unwrap(),
        edition: Edition::Professional,
        compatibility: Compatibility::Extended,
        deny_action: DenyAction::Respond,
        durability: Durability::Sync,
        retention: OfflineRetention { seconds: 60, messages_max: 1_000 },
        created: NOW,
    }
}

pub(crate) async fn instance_ids_are_unique_over_all_accounts(store: Store) {
    let (one, two) = (new_account(&store, 1).await, new_account(&store, 2).await);
    let mine = instance(one, "mqtt-cn-a", "name");
    store.create_instance(BY, &mine).await.unwrap();
    for taken in [instance(two, "mqtt-cn-a", "other"), instance(one, "mqtt-cn-b", "name")] {
        let refused = store.create_instance(BY, &taken).await;
        assert!(matches!(refused, Err(StoreError::AlreadyExists(Entity::Instance))));
    }
    assert_eq!(store.instance(one, &mine.id).await.unwrap(), Some(mine.clone()));
    assert_eq!(store.instance(two, &mine.id).await.unwrap(), None);
    assert!(store.instances(two).await.unwrap().is_empty());
}

pub(crate) async fn topics_and_groups_are_their_instances_own(store: Store) {
    let (one, two) = (new_account(&store, 1).await, new_account(&store, 2).await);
    let mine = instance(one, "mqtt-cn-a", "name");
    store.create_instance(BY, &mine).await.unwrap();
    let topic = Topic { name: "orders".parse().unwrap(), remark: "r".into(), created: NOW };
    let group = Group { id: "GID_aaa".parse().unwrap(), created: NOW };
    let foreign = store.create_topic(BY, (two, &mine.id), &topic, MANY).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(Entity::Instance))));
    store.create_topic(BY, (one, &mine.id), &topic, 1).await.unwrap();
    store.create_group(BY, (one, &mine.id), &group, 1).await.unwrap();
    let twice = store.create_topic(BY, (one, &mine.id), &topic, 1).await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists(Entity::Topic))));
    let second = Group { id: "GID_bbb".parse().unwrap(), created: NOW };
    let over = store.create_group(BY, (one, &mine.id), &second, 1).await;
    assert!(matches!(over, Err(StoreError::Limit(Entity::Group))));
    assert_eq!(store.counts(one).await.unwrap(), Counts { instances: 1, topics: 1, groups: 1 });
    assert_eq!(store.counts(two).await.unwrap(), Counts::default());
    assert_eq!(store.topics(one, &mine.id).await.unwrap().first(), Some(&topic));
    assert!(store.topics(two, &mine.id).await.unwrap().is_empty());
    let foreign = store.delete_topic(BY, (two, &mine.id), &topic.name).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(Entity::Topic))));
    store.delete_topic(BY, (one, &mine.id), &topic.name).await.unwrap();
    store.delete_group(BY, (one, &mine.id), &group.id).await.unwrap();
    assert!(store.groups(one, &mine.id).await.unwrap().is_empty());
}

pub(crate) async fn an_account_and_its_first_instance_are_made_together_or_not_at_all(store: Store) {
    let one = new_account(&store, 1).await;
    store.create_instance(BY, &instance(one, "mqtt-cn-a", "name")).await.unwrap();
    let account = sluice_testkit::account(2);
    let taken = instance(account, "mqtt-cn-a", "name");
    let (alias, key) = ("second".parse().unwrap(), "LTAIsecond000".parse().unwrap());
    let new = NewAccount {
        account,
        alias: &alias,
        password_hash: "hash",
        key: &key,
        sealed_secret: "sealed",
        instance: Some(&taken),
        created: NOW,
    };
    let refused = store.create_account(SystemTask::FirstStart, &new).await;
    assert!(matches!(refused, Err(StoreError::AlreadyExists(Entity::Instance))));
    assert!(store.account(account).await.unwrap().is_none());
    let free = instance(account, "mqtt-cn-b", "name");
    let new = NewAccount { instance: Some(&free), ..new };
    store.create_account(SystemTask::FirstStart, &new).await.unwrap();
    assert_eq!(store.instances(account).await.unwrap().first(), Some(&free));
}

pub(crate) async fn settings_are_changed_one_by_one(store: Store) {
    let (one, two) = (new_account(&store, 1).await, new_account(&store, 2).await);
    let mut mine = instance(one, "mqtt-cn-a", "name");
    store.create_instance(BY, &mine).await.unwrap();
    store.create_instance(BY, &instance(one, "mqtt-cn-b", "taken")).await.unwrap();
    let place = (one, &mine.id.clone());
    store.update_instance(BY, place, &InstanceChange::default()).await.unwrap();
    assert_eq!(store.instance(one, place.1).await.unwrap().as_ref(), Some(&mine));
    let change = InstanceChange { compatibility: Some(Compatibility::Strict), ..InstanceChange::default() };
    store.update_instance(BY, place, &change).await.unwrap();
    mine.compatibility = Compatibility::Strict;
    assert_eq!(store.instance(one, place.1).await.unwrap().as_ref(), Some(&mine));
    let change = InstanceChange {
        name: Some("other".parse().unwrap()),
        edition: Some(Edition::Basic),
        compatibility: None,
        deny_action: Some(DenyAction::Close),
        durability: Some(Durability::Relaxed),
        retention_s: Some(120),
        offline_messages_max: None,
    };
    store.update_instance(BY, place, &change).await.unwrap();
    mine = Instance {
        name: "other".parse().unwrap(),
        edition: Edition::Basic,
        deny_action: DenyAction::Close,
        durability: Durability::Relaxed,
        retention: OfflineRetention { seconds: 120, messages_max: 1_000 },
        ..mine
    };
    assert_eq!(store.instance(one, place.1).await.unwrap().as_ref(), Some(&mine));
    let taken = InstanceChange { name: Some("taken".parse().unwrap()), ..InstanceChange::default() };
    let refused = store.update_instance(BY, place, &taken).await;
    assert!(matches!(refused, Err(StoreError::AlreadyExists(Entity::Instance))));
    let foreign = store.update_instance(BY, (two, place.1), &change).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(Entity::Instance))));
    let topic = Topic { name: "orders".parse().unwrap(), remark: "r".into(), created: NOW };
    store.create_topic(BY, place, &topic, 1).await.unwrap();
    for (remark, shown) in [(None, "r"), (Some("new"), "new"), (Some(""), "")] {
        store.update_topic(BY, place, &topic.name, remark).await.unwrap();
        assert_eq!(store.topics(one, place.1).await.unwrap()[0].remark, shown);
    }
    let foreign = store.update_topic(BY, (two, place.1), &topic.name, Some("x")).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(Entity::Topic))));
}

pub(crate) async fn an_instance_goes_with_its_topics_and_groups(store: Store) {
    let (one, two) = (new_account(&store, 1).await, new_account(&store, 2).await);
    let mine = instance(one, "mqtt-cn-a", "name");
    store.create_instance(BY, &mine).await.unwrap();
    let topic = Topic { name: "orders".parse().unwrap(), remark: String::new(), created: NOW };
    let group = Group { id: "GID_aaa".parse().unwrap(), created: NOW };
    store.create_topic(BY, (one, &mine.id), &topic, 1).await.unwrap();
    store.create_group(BY, (one, &mine.id), &group, 1).await.unwrap();
    let foreign = store.delete_instance(BY, two, &mine.id).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(Entity::Instance))));
    assert_eq!(store.topics(one, &mine.id).await.unwrap().len(), 1);
    store.delete_instance(BY, one, &mine.id).await.unwrap();
    assert_eq!(store.counts(one).await.unwrap(), Counts::default());
    let gone = store.delete_instance(BY, one, &mine.id).await;
    assert!(matches!(gone, Err(StoreError::NotFound(Entity::Instance))));
    // The ID is free again, for anyone, and nothing of before is there.
    store.create_instance(BY, &instance(two, "mqtt-cn-a", "name")).await.unwrap();
    assert!(store.topics(two, &mine.id).await.unwrap().is_empty());
}

pub(crate) async fn a_permit_for_another_instance_changes_nothing(store: Store) {
    let account = new_account(&store, 1).await;
    let (mine, other) = (instance(account, "mqtt-cn-a", "name"), instance(account, "mqtt-cn-b", "other"));
    store.create_instance(BY, &mine).await.unwrap();
    store.create_instance(BY, &other).await.unwrap();
    let root = sluice_testkit::caller(Principal::Account(account));
    let (action, resource) = (Action::of("mq:DeleteMqttInstance"), Resource::Instance(account, other.id.clone()));
    let permit = sluice_testkit::allow_all().authorize(&root, &action, &resource, &Context::at(UnixMs(1))).unwrap();
    let by = By::Permit(&permit);
    let refused = store.delete_instance(by, account, &mine.id).await;
    assert!(matches!(refused, Err(StoreError::PermitMismatch { .. })));
    let refused = store.update_instance(by, (account, &mine.id), &InstanceChange::default()).await;
    assert!(matches!(refused, Err(StoreError::PermitMismatch { .. })));
    store.delete_instance(by, account, &other.id).await.unwrap();
    assert_eq!(store.instances(account).await.unwrap(), [mine]);
}
