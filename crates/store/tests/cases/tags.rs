//! Tags: one value a key, a limit an entity, and gone with their entity.

use sluice_model::{AccountId, Action, PolicyName, Principal, RamEntity, Resource, Tag};
use sluice_policy::{Context, Permit};
use sluice_store::{By, Entity, Store, StoreError, TagFilter, TaggedKind};
use sluice_testkit::{allow_all, caller};

use super::{BY, MANY, NOW, new_account};

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.parse().unwrap(), value: value.parse().unwrap() }
}

async fn new_policy(store: &Store, account: AccountId, name: &str, tags: &[Tag]) {
    let policy: PolicyName = name.parse().unwrap();
    store.create_tagged_policy(BY, account, &policy, ("", "{}", tags), NOW, (MANY, 3)).await.unwrap();
}

async fn put(store: &Store, account: AccountId, names: &[&str], tags: &[Tag]) -> Result<(), StoreError> {
    store.tag(&vec![BY; names.len()], account, (TaggedKind::Policy, names), tags, 3).await
}

/// All tags of the account's policies as `name/key=value`.
async fn all(store: &Store, account: AccountId, names: &[&str], filter: &[TagFilter]) -> Vec<String> {
    let tags = store.tags(account, (TaggedKind::Policy, names), filter, ("", ""), 100).await.unwrap();
    tags.iter().map(|one| format!("{}/{}={}", one.name, one.tag.key, one.tag.value)).collect()
}

fn wanted(key: &str, value: Option<&str>) -> TagFilter {
    TagFilter { key: key.parse().unwrap(), value: value.map(|text| text.parse().unwrap()) }
}

pub(crate) async fn tags_are_put_replaced_filtered_and_taken(store: Store) {
    let (account, other) = (new_account(&store, 1).await, new_account(&store, 2).await);
    new_policy(&store, account, "a", &[tag("team", "dev"), tag("stage", "")]).await;
    new_policy(&store, account, "b", &[]).await;
    new_policy(&store, other, "a", &[tag("team", "theirs")]).await;
    put(&store, account, &["a", "b"], &[tag("team", "ops")]).await.unwrap();
    assert_eq!(all(&store, account, &[], &[]).await, ["a/stage=", "a/team=ops", "b/team=ops"]);
    assert_eq!(all(&store, account, &["b"], &[]).await, ["b/team=ops"]);
    assert_eq!(all(&store, account, &[], &[wanted("stage", None)]).await, ["a/stage=", "a/team=ops"]);
    let both = [wanted("team", Some("ops")), wanted("stage", Some(""))];
    assert_eq!(all(&store, account, &["a", "b"], &both).await.len(), 2);
    assert!(all(&store, account, &[], &[wanted("team", Some("dev"))]).await.is_empty());
    let names = |policies: Vec<sluice_store::CustomPolicy>| {
        policies.into_iter().map(|policy| policy.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(store.policies_with(account, &both, "", 10).await.unwrap()), ["a"]);
    assert_eq!(names(store.policies_with(account, &both[..1], "a", 10).await.unwrap()), ["b"]);
    let page = store.tags(account, (TaggedKind::Policy, &[]), &[], ("a", "stage"), 1).await.unwrap();
    assert_eq!((page[0].name.as_str(), page[0].tag.key.as_str()), ("a", "team"));
    let key = ["stage".parse().unwrap(), "absent".parse().unwrap()];
    store.untag(&[BY, BY], account, (TaggedKind::Policy, &["a", "b"]), Some(&key)).await.unwrap();
    assert_eq!(all(&store, account, &[], &[]).await, ["a/team=ops", "b/team=ops"]);
    store.untag(&[BY], account, (TaggedKind::Policy, &["b"]), None).await.unwrap();
    assert_eq!(all(&store, account, &[], &[]).await, ["a/team=ops"]);
    store.delete_policy(BY, account, &"a".parse().unwrap(), false).await.unwrap();
    assert!(all(&store, account, &[], &[]).await.is_empty());
    assert_eq!(all(&store, other, &[], &[]).await, ["a/team=theirs"]);
}

pub(crate) async fn tags_are_given_to_all_or_to_none(store: Store) {
    let account = new_account(&store, 1).await;
    new_policy(&store, account, "a", &[]).await;
    new_policy(&store, account, "full", &[tag("1", ""), tag("2", ""), tag("3", "")]).await;
    let over = put(&store, account, &["a", "full"], &[tag("4", "")]).await;
    assert!(matches!(over, Err(StoreError::Limit(Entity::Tag))));
    put(&store, account, &["full"], &[tag("3", "new")]).await.unwrap();
    let absent = put(&store, account, &["a", "absent"], &[tag("4", "")]).await;
    assert!(matches!(absent, Err(StoreError::NotFound(Entity::Policy))));
    let role = store.tag(&[BY], account, (TaggedKind::Role, &["a"]), &[tag("4", "")], 3).await;
    assert!(matches!(role, Err(StoreError::NotFound(Entity::Role))));
    assert_eq!(all(&store, account, &[], &[]).await, ["full/1=", "full/2=", "full/3=new"]);
}

fn permit(account: AccountId, entity: RamEntity) -> Permit {
    let resource = Resource::Ram(account, entity);
    let caller = caller(Principal::Account(account));
    allow_all().authorize(&caller, &Action::of("ram:TagResources"), &resource, &Context::at(NOW)).unwrap()
}

pub(crate) async fn each_tagged_policy_needs_its_own_permit(store: Store) {
    let account = new_account(&store, 1).await;
    for name in ["a", "b"] {
        new_policy(&store, account, name, &[tag("team", "dev")]).await;
    }
    let (a, b) = (permit(account, RamEntity::Policy("a".into())), permit(account, RamEntity::Policy("b".into())));
    let role = permit(account, RamEntity::Role("b".into()));
    for wrong in [vec![By::Permit(&a)], vec![By::Permit(&a), By::Permit(&a)], vec![By::Permit(&a), By::Permit(&role)]] {
        let of = (TaggedKind::Policy, ["a", "b"].as_slice());
        let refused = store.tag(&wrong, account, of, &[tag("team", "mine")], 3).await;
        assert!(matches!(refused, Err(StoreError::PermitMismatch { .. })));
        let refused = store.untag(&wrong, account, of, None).await;
        assert!(matches!(refused, Err(StoreError::PermitMismatch { .. })));
    }
    assert_eq!(all(&store, account, &[], &[]).await, ["a/team=dev", "b/team=dev"]);
    let right = [By::Permit(&a), By::Permit(&b)];
    store.untag(&right, account, (TaggedKind::Policy, &["a", "b"]), None).await.unwrap();
    assert!(all(&store, account, &[], &[]).await.is_empty());
}
