use sluice_model::{AccountId, Action, Principal, RamEntity, Resource};
use sluice_policy::{Context, Permit};
use sluice_store::{By, Entity, Store, StoreError};
use sluice_testkit::{allow_all, caller};

use super::{BY, MANY, NOW, draft, new_account, new_user, user_id};

fn permit(account: AccountId, name: &str) -> Permit {
    let resource = Resource::Ram(account, RamEntity::User(name.into()));
    let caller = caller(Principal::Account(account));
    allow_all().authorize(&caller, &Action::of("ram:CreateUser"), &resource, &Context::at(NOW)).unwrap()
}

pub(crate) async fn the_same_names_in_two_accounts_are_apart(store: Store) {
    let (one, two) = (new_account(&store, 1).await, new_account(&store, 2).await);
    new_user(&store, one, 1, "same").await;
    new_user(&store, two, 2, "same").await;
    let name = "same".parse().unwrap();
    assert_eq!(store.user(one, &name).await.unwrap().unwrap().id, user_id(1));
    assert!(store.user_by_id(one, user_id(2)).await.unwrap().is_none());
    store.delete_user(BY, one, &name).await.unwrap();
    assert_eq!(store.user(two, &name).await.unwrap().unwrap().id, user_id(2));
    let policy = "p".parse().unwrap();
    store.create_policy(BY, one, &policy, ("", "{}"), NOW, MANY).await.unwrap();
    assert!(store.policy(two, &policy).await.unwrap().is_none());
    let foreign = store.delete_policy(BY, two, &policy, true).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(Entity::Policy))));
}

pub(crate) async fn a_permit_for_another_row_or_account_writes_nothing(store: Store) {
    let (one, two) = (new_account(&store, 1).await, new_account(&store, 2).await);
    for (account, of, named) in [(one, two, "x"), (one, one, "y")] {
        let permit = permit(of, named);
        let refused = store.create_user(By::Permit(&permit), account, &draft(1, "x"), MANY).await;
        assert!(matches!(refused, Err(StoreError::PermitMismatch { .. })));
    }
    assert!(store.users(one, "", 10).await.unwrap().is_empty());
    store.create_user(By::Permit(&permit(one, "x")), one, &draft(1, "x"), MANY).await.unwrap();
}
