//! Groups of users: names, memberships, limits, and what their members inherit.

use sluice_model::{
    AccountId, Action, PolicyName, PolicyType, Principal, RamEntity, Resource, UserGroupName, UserName,
};
use sluice_policy::{Context, Permit};
use sluice_store::{By, Entity, Holder, Store, StoreError, UserGroup, UserGroupChange};
use sluice_testkit::{allow_all, caller};

use super::{BY, MANY, NOW, new_account, new_user, user_id};

pub(crate) fn group(n: u64, name: &str) -> UserGroup {
    UserGroup {
        id: format!("g-{n:016}").parse().unwrap(),
        name: name.parse().unwrap(),
        comments: "of people".to_owned(),
        created: NOW,
        updated: NOW,
    }
}

fn named(name: &str) -> UserGroupName {
    name.parse().unwrap()
}

async fn add(store: &Store, account: AccountId, group: &str, user: &str, most: i64) -> Result<(), StoreError> {
    let user: UserName = user.parse().unwrap();
    store.add_member([BY, BY], account, (&named(group), &user), NOW, most).await.map(drop)
}

fn is_taken<T>(outcome: &Result<T, StoreError>, entity: Entity) -> bool {
    matches!(outcome, Err(StoreError::AlreadyExists(taken)) if *taken == entity)
}

pub(crate) async fn a_group_is_made_found_renamed_and_deleted(store: Store) {
    let account = new_account(&store, 1).await;
    let made = group(1, "staff");
    store.create_user_group(BY, account, &made, MANY).await.unwrap();
    assert_eq!(store.user_group(account, &made.name).await.unwrap().unwrap(), made);
    let taken = store.create_user_group(BY, account, &group(2, "staff"), MANY).await;
    assert!(is_taken(&taken, Entity::UserGroup));
    store.create_user_group(BY, account, &group(2, "Crew"), MANY).await.unwrap();
    let renamed = UserGroupChange { name: Some(named("Crew")), comments: None };
    let taken = store.update_user_group(BY, account, &made.name, &renamed, NOW).await;
    assert!(is_taken(&taken, Entity::UserGroup));
    let renamed = UserGroupChange { name: Some(named("team")), comments: Some(String::new()) };
    let later = sluice_model::UnixMs(NOW.0 + 5);
    let given = store.update_user_group(BY, account, &made.name, &renamed, later).await.unwrap();
    assert!(store.user_group(account, &made.name).await.unwrap().is_none());
    let found = store.user_group(account, &named("team")).await.unwrap().unwrap();
    let expected = UserGroup { name: named("team"), comments: String::new(), updated: later, ..made };
    assert_eq!((found, given), (expected.clone(), expected));
    let names = |groups: Vec<UserGroup>| groups.into_iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(store.user_groups(account, "", 10).await.unwrap()), ["Crew", "team"]);
    assert_eq!(names(store.user_groups(account, "Crew", 10).await.unwrap()), ["team"]);
    store.delete_user_group(BY, account, &named("team")).await.unwrap();
    let gone = store.delete_user_group(BY, account, &named("team")).await;
    assert!(matches!(gone, Err(StoreError::NotFound(Entity::UserGroup))));
}

pub(crate) async fn a_group_with_something_left_is_not_deleted_nor_is_its_member(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "alice").await;
    let staff = group(1, "staff");
    store.create_user_group(BY, account, &staff, MANY).await.unwrap();
    add(&store, account, "staff", "alice", MANY).await.unwrap();
    assert!(is_taken(&add(&store, account, "staff", "alice", MANY).await, Entity::Membership));
    let policy = (PolicyType::System, &"ReadOnlyAccess".parse().unwrap());
    let holder = Holder::Group(staff.id.clone());
    store.attach(BY, (account, &holder, "staff"), policy, NOW, MANY).await.unwrap();
    let left = store.delete_user_group(BY, account, &staff.name).await;
    assert!(matches!(left, Err(StoreError::Conflict(Entity::Member))));
    let left = store.delete_user(BY, account, &"alice".parse().unwrap()).await;
    assert!(matches!(left, Err(StoreError::Conflict(Entity::Membership))));
    let alice = "alice".parse().unwrap();
    let removed = store.remove_member([BY, BY], account, (&staff.name, &alice)).await.unwrap();
    assert_eq!(removed, user_id(1));
    let again = store.remove_member([BY, BY], account, (&staff.name, &alice)).await;
    assert!(matches!(again, Err(StoreError::NotFound(Entity::Membership))));
    let left = store.delete_user_group(BY, account, &staff.name).await;
    assert!(matches!(left, Err(StoreError::Conflict(Entity::GroupAttachment))));
    store.detach(BY, (account, &holder, "staff"), policy).await.unwrap();
    store.delete_user_group(BY, account, &staff.name).await.unwrap();
    store.delete_user(BY, account, &alice).await.unwrap();
}

pub(crate) async fn the_limits_of_groups_hold_under_a_race(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "alice").await;
    let makers = (0..12).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.create_user_group(BY, account, &group(n, &format!("g{n}")), 5).await })
    });
    let mut made = Vec::new();
    for (n, task) in makers.collect::<Vec<_>>().into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(()) => made.push(format!("g{n}")),
            Err(error) => assert!(matches!(error, StoreError::Limit(Entity::UserGroup)), "{error}"),
        }
    }
    assert_eq!((made.len(), store.user_groups(account, "", MANY).await.unwrap().len()), (5, 5));
    let joiners = made.into_iter().map(|name| {
        let store = store.clone();
        tokio::spawn(async move { add(&store, account, &name, "alice", 2).await })
    });
    let mut joined = 0;
    for task in joiners.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(()) => joined += 1,
            Err(error) => assert!(matches!(error, StoreError::Limit(Entity::Membership)), "{error}"),
        }
    }
    assert_eq!((joined, store.groups_of_user(account, user_id(1)).await.unwrap().len()), (2, 2));
}

pub(crate) async fn a_group_deleted_in_a_race_has_no_member(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "alice").await;
    for round in 0..20 {
        let made = group(round, &format!("g{round}"));
        store.create_user_group(BY, account, &made, MANY).await.unwrap();
        let (joined, deleted) = tokio::join!(
            add(&store, account, made.name.as_str(), "alice", MANY),
            store.delete_user_group(BY, account, &made.name),
        );
        let is_member = !store.members(account, &made.id, "", 10).await.unwrap().is_empty();
        assert_eq!(joined.is_ok(), is_member, "{joined:?}");
        assert_eq!(deleted.is_ok(), store.user_group(account, &made.name).await.unwrap().is_none());
        assert!(!(joined.is_ok() && deleted.is_ok()));
    }
}

fn permit(account: AccountId, entity: RamEntity) -> Permit {
    let resource = Resource::Ram(account, entity);
    let caller = caller(Principal::Account(account));
    allow_all().authorize(&caller, &Action::of("ram:AddUserToGroup"), &resource, &Context::at(NOW)).unwrap()
}

fn is_mismatch<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::PermitMismatch { .. }))
}

pub(crate) async fn a_permit_for_another_group_or_user_writes_nothing(store: Store) {
    let (account, other) = (new_account(&store, 1).await, new_account(&store, 2).await);
    new_user(&store, account, 1, "alice").await;
    let staff = group(1, "staff");
    store.create_user_group(BY, account, &staff, MANY).await.unwrap();
    let foreign = permit(other, RamEntity::Group("staff".into()));
    let crew = permit(account, RamEntity::Group("crew".into()));
    let a_user = permit(account, RamEntity::User("staff".into()));
    let change = UserGroupChange { comments: Some("mine".to_owned()), ..UserGroupChange::default() };
    for wrong in [&foreign, &crew, &a_user] {
        let by = By::Permit(wrong);
        assert!(is_mismatch(&store.create_user_group(by, account, &staff, MANY).await));
        assert!(is_mismatch(&store.update_user_group(by, account, &staff.name, &change, NOW).await));
        assert!(is_mismatch(&store.delete_user_group(by, account, &staff.name).await));
    }
    let (right, alice) = (permit(account, RamEntity::Group("staff".into())), "alice".parse().unwrap());
    let bob = permit(account, RamEntity::User("bob".into()));
    let both = [
        [By::Permit(&right), By::Permit(&bob)],
        [By::Permit(&crew), By::Permit(&permit(account, RamEntity::User("alice".into())))],
    ];
    for by in both {
        assert!(is_mismatch(&store.add_member(by, account, (&staff.name, &alice), NOW, MANY).await));
        assert!(is_mismatch(&store.remove_member(by, account, (&staff.name, &alice)).await));
    }
    // A name that came to mean another row since the permit was given: the row has to have that name still.
    let holder = Holder::Group(staff.id.clone());
    let policy = (PolicyType::System, &"ReadOnlyAccess".parse().unwrap());
    let renamed = store.attach(By::Permit(&crew), (account, &holder, "crew"), policy, NOW, MANY).await;
    assert!(matches!(renamed, Err(StoreError::NotFound(Entity::UserGroup))));
    assert_eq!(store.user_group(account, &staff.name).await.unwrap().unwrap(), staff);
    assert!(store.members(account, &staff.id, "", 10).await.unwrap().is_empty());
    assert!(store.attachments(account, &holder).await.unwrap().is_empty());
}

pub(crate) async fn members_have_what_is_attached_to_their_groups_each_once(store: Store) {
    let account = new_account(&store, 1).await;
    for (n, name) in [(1, "alice"), (2, "bob"), (3, "carol")] {
        new_user(&store, account, n, name).await;
    }
    let (staff, crew) = (group(1, "staff"), group(2, "crew"));
    for one in [&staff, &crew] {
        store.create_user_group(BY, account, one, MANY).await.unwrap();
    }
    for (group, user) in [("staff", "alice"), ("staff", "bob"), ("crew", "alice"), ("crew", "carol")] {
        add(&store, account, group, user, MANY).await.unwrap();
    }
    let attach = async |holder: Holder, name: &str, policy: &str| {
        let policy: PolicyName = policy.parse().unwrap();
        store.attach(BY, (account, &holder, name), (PolicyType::System, &policy), NOW, MANY).await.unwrap();
    };
    attach(Holder::Group(staff.id.clone()), "staff", "of-staff").await;
    attach(Holder::Group(staff.id.clone()), "staff", "of-both").await;
    attach(Holder::Group(crew.id.clone()), "crew", "of-both").await;
    attach(Holder::User(user_id(1)), "alice", "of-alice").await;
    let mut inherited = store.policies_of_members(account, &staff.id).await.unwrap();
    assert_eq!(inherited.len(), 2);
    for (n, expected) in [(1, vec!["of-alice", "of-both", "of-staff"]), (2, vec!["of-both", "of-staff"])] {
        let mut policies = inherited.remove(&user_id(n)).unwrap();
        policies.sort_unstable();
        let mut alone = store.policies_of_user(account, user_id(n)).await.unwrap();
        alone.sort_unstable();
        assert_eq!(policies, alone);
        assert_eq!(policies.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), expected);
    }
    let groups = store.groups_of_user(account, user_id(1)).await.unwrap();
    assert_eq!(groups.iter().map(|one| one.group.name.as_str()).collect::<Vec<_>>(), ["crew", "staff"]);
    let members = store.members(account, &staff.id, "alice", 10).await.unwrap();
    assert_eq!(members.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["bob"]);
}
