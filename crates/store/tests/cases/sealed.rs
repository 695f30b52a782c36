use sluice_model::Principal;
use sluice_policy::SystemTask::{FirstStart, OperatorCommand};
use sluice_store::{AccessKey, Store, StoreError};

use super::{BY, NOW, new_account};

fn anew(of: &str, sealed: &str) -> Result<String, String> {
    Ok(format!("two.{of}.{sealed}"))
}

async fn texts(store: &Store) -> Vec<String> {
    let accounts = store.accounts().await.unwrap();
    let mut texts = Vec::new();
    for account in accounts {
        texts.extend(store.account_keys(account.account).await.unwrap().into_iter().map(|key| key.sealed_secret));
    }
    texts
}

pub(crate) async fn everything_is_sealed_anew_or_nothing(store: Store) {
    for n in [1, 2] {
        new_account(&store, n).await;
    }
    drop(store.reseal(OperatorCommand, "two.", anew).await.unwrap());
    assert_eq!((texts(&store).await, store.sealing_mark().await.unwrap()), (vec!["sealed".into(); 2], None));
    let refused = store.reseal(OperatorCommand, "two.", |_, _| Err("does not open".into())).await;
    assert!(matches!(refused, Err(StoreError::Damaged { table: "access_keys", .. })));
    let resealed = store.reseal(OperatorCommand, "two.", anew).await.unwrap().commit().await.unwrap();
    assert_eq!(resealed.len(), 2);
    assert_eq!(texts(&store).await, ["two.LTAIaccount1.sealed", "two.LTAIaccount2.sealed"]);
    assert_eq!(store.sealing_mark().await.unwrap().as_deref(), Some("two."));
    let again = store.reseal(OperatorCommand, "two.", anew).await.unwrap().commit().await.unwrap();
    assert!(again.is_empty(), "what is sealed under the key is left alone");
}

pub(crate) async fn nothing_is_written_under_a_key_that_is_not_in_use(store: Store) {
    let account = new_account(&store, 1).await;
    store.begin_sealing(FirstStart, "one.").await.unwrap();
    store.begin_sealing(FirstStart, "two.").await.unwrap();
    assert_eq!(store.sealing_mark().await.unwrap().as_deref(), Some("one."), "the first word holds");
    let key = |id: &str, sealed: &str| AccessKey {
        id: id.parse().unwrap(),
        owner: Principal::Account(account),
        sealed_secret: sealed.into(),
        active: true,
        created: NOW,
    };
    let refused = store.create_key(BY, None, &key("LTAIsecond", "two.x")).await;
    assert!(matches!(refused, Err(StoreError::SealedBefore)));
    store.create_key(BY, None, &key("LTAIsecond", "one.x")).await.unwrap();
}
