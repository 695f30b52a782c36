//! A permit names a user, a row its number: both must be the same user's.

use sluice_model::{AccessKeyId, AccountId, Action, PolicyName, PolicyType, Principal, RamEntity, Resource};
use sluice_policy::{Context, Permit};
use sluice_store::{AccessKey, By, Entity, Holder, LoginProfile, Store, StoreError};
use sluice_testkit::{allow_all, caller};

use super::{BY, MANY, NOW, new_account, new_user, user, user_id};

const PROFILE: LoginProfile = LoginProfile { password_reset_required: false, mfa_bind_required: false, created: NOW };

fn permit(account: AccountId, entity: RamEntity) -> Permit {
    let caller = caller(Principal::Account(account));
    let resource = Resource::Ram(account, entity);
    allow_all().authorize(&caller, &Action::of("ram:*"), &resource, &Context::at(NOW)).unwrap()
}

fn key(owner: Principal, n: u64) -> AccessKey {
    let id = format!("LTAIproof{n}").parse().unwrap();
    AccessKey { id, owner, sealed_secret: "sealed".into(), active: true, created: NOW }
}

fn is_no_such_user<T: std::fmt::Debug>(refused: &Result<T, StoreError>) -> bool {
    matches!(refused, Err(StoreError::NotFound(Entity::User)))
}

pub(crate) async fn a_permit_for_one_user_writes_nothing_of_another(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "alice").await;
    new_user(&store, account, 2, "bob").await;
    let (bob, policy): (_, PolicyName) = (user(account, 2), "ReadOnlyAccess".parse().unwrap());
    let (as_bob, policy) = ((account, user_id(2), "bob"), (PolicyType::System, &policy));
    store.create_key(BY, Some("bob"), &key(bob, 1)).await.unwrap();
    let holder = Holder::User(user_id(2));
    store.attach(BY, (account, &holder, "bob"), policy, NOW, MANY).await.unwrap();
    store.create_login_profile(BY, as_bob, &PROFILE, "hash").await.unwrap();
    let permit = permit(account, RamEntity::User("alice".into()));
    let (by, as_alice) = (By::Permit(&permit), (account, user_id(2), "alice"));
    let id: AccessKeyId = key(bob, 1).id;
    assert!(is_no_such_user(&store.create_key(by, Some("alice"), &key(bob, 2)).await));
    assert!(is_no_such_user(&store.set_key_active(by, bob, Some("alice"), &id, false).await));
    assert!(is_no_such_user(&store.delete_key(by, bob, Some("alice"), &id).await));
    let renamed = (account, &holder, "alice");
    assert!(is_no_such_user(&store.attach(by, renamed, policy, NOW, MANY).await));
    assert!(is_no_such_user(&store.detach(by, renamed, policy).await));
    assert!(is_no_such_user(&store.create_login_profile(by, as_alice, &PROFILE, "other").await));
    let other = sluice_store::NewPassword { hash: "other", now: NOW, keep: None };
    assert!(is_no_such_user(&store.update_login_profile(by, as_alice, (Some(true), None), Some(other)).await));
    assert!(is_no_such_user(&store.delete_login_profile(by, as_alice).await));
    assert_eq!(store.keys(bob).await.unwrap(), [key(bob, 1)]);
    assert_eq!(store.attachments(account, &holder).await.unwrap().len(), 1);
    assert_eq!(store.login_profile(account, user_id(2)).await.unwrap(), Some(PROFILE));
    assert_eq!(store.user_login(account, user_id(2)).await.unwrap().unwrap().password_hash, "hash");
}

pub(crate) async fn keys_of_the_account_need_a_permit_for_the_account(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "alice").await;
    let (root, alice) = (Principal::Account(account), user(account, 1));
    let for_alice = permit(account, RamEntity::User("alice".into()));
    let for_account = permit(account, RamEntity::All);
    let mismatch = store.create_key(By::Permit(&for_alice), None, &key(root, 1)).await;
    assert!(matches!(mismatch, Err(StoreError::PermitMismatch { .. })));
    let mismatch = store.create_key(By::Permit(&for_account), Some("alice"), &key(alice, 1)).await;
    assert!(matches!(mismatch, Err(StoreError::PermitMismatch { .. })));
    assert!(is_no_such_user(&store.create_key(By::Permit(&for_account), None, &key(alice, 1)).await));
    assert!(is_no_such_user(&store.create_key(By::Permit(&for_alice), Some("alice"), &key(root, 1)).await));
    assert_eq!((store.keys(root).await.unwrap().len(), store.keys(alice).await.unwrap().len()), (1, 0));
    store.create_key(By::Permit(&for_account), None, &key(root, 1)).await.unwrap();
    store.create_key(By::Permit(&for_alice), Some("alice"), &key(alice, 2)).await.unwrap();
    assert_eq!(store.account_keys(account).await.unwrap().len(), 3);
}
