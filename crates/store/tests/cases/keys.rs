use sluice_store::{AccessKey, Entity, Store, StoreError};

use super::{BY, NOW, new_account, new_user, user};

pub(crate) async fn two_keys_an_owner_even_in_a_race(store: Store) {
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let owner = user(account, 1);
    let tasks = (0..12).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let id = format!("LTAIkey{n:04}").parse().unwrap();
            let key = AccessKey { id, owner, sealed_secret: "sealed".into(), active: true, created: NOW };
            store.create_key(BY, Some("u"), &key).await
        })
    });
    let mut made = 0;
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(()) => made += 1,
            Err(error) => assert!(matches!(error, StoreError::Limit(Entity::AccessKey)), "{error}"),
        }
    }
    assert_eq!(made, 2);
    let keys = store.keys(owner).await.unwrap();
    store.set_key_active(BY, owner, Some("u"), &keys[0].id, false).await.unwrap();
    assert_eq!(store.keys(owner).await.unwrap().iter().filter(|key| key.active).count(), 1);
    for key in keys {
        store.delete_key(BY, owner, Some("u"), &key.id).await.unwrap();
        let gone = store.delete_key(BY, owner, Some("u"), &key.id).await;
        assert!(matches!(gone, Err(StoreError::NotFound(Entity::AccessKey))));
    }
}
