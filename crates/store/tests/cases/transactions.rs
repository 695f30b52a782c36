//! What only a transaction keeps: all or nothing, and no write that another has made senseless.

use std::{future::Future, pin::pin, task::Poll};

use sluice_model::{PolicyName, PolicyType, UserName};
use sluice_store::{Entity, Holder, Store, StoreError};

use super::{BY, MANY, NOW, draft, new_account, user_id};

/// Polls a future so often and then drops it, as a caller that goes away does.
async fn abandon<F: Future>(future: F, polls: usize) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

pub(crate) async fn an_abandoned_write_leaves_all_or_nothing(store: Store) {
    let account = new_account(&store, 1).await;
    let mut abandoned = 0;
    for polls in 1..40 {
        let name: PolicyName = format!("p{polls}").parse().unwrap();
        let write = store.create_policy(BY, account, &name, ("", "{}"), NOW, MANY);
        abandoned += i32::from(!abandon(write, polls).await);
        let versions = store.policy_versions(account, &name).await.unwrap().len();
        let policy = store.policy(account, &name).await.unwrap();
        assert_eq!(versions, usize::from(policy.is_some()), "after {polls} polls");
        // The connection that was left in the middle serves the next write.
        store.create_user(BY, account, &draft(polls as u64, &format!("u{polls}")), MANY).await.unwrap();
    }
    assert!(abandoned > 0, "no write was caught in the middle");
}

pub(crate) async fn a_policy_deleted_in_a_race_is_attached_to_nobody(store: Store) {
    let account = new_account(&store, 1).await;
    store.create_user(BY, account, &draft(1, "u"), MANY).await.unwrap();
    for round in 0..20 {
        let name: PolicyName = format!("p{round}").parse().unwrap();
        store.create_policy(BY, account, &name, ("", "{}"), NOW, MANY).await.unwrap();
        let to = (account, &Holder::User(user_id(1)), "u");
        let (attached, deleted) = tokio::join!(
            store.attach(BY, to, (PolicyType::Custom, &name), NOW, MANY),
            store.delete_policy(BY, account, &name, true),
        );
        match (attached, deleted) {
            (Ok(()), Err(StoreError::Conflict(Entity::User))) | (Err(StoreError::NotFound(Entity::Policy)), Ok(())) => {
            }
            other => panic!("both or neither won: {other:?}"),
        }
    }
}

pub(crate) async fn a_user_deleted_in_a_race_keeps_no_attachment(store: Store) {
    let account = new_account(&store, 1).await;
    let policy = "ReadOnlyAccess".parse().unwrap();
    for round in 1..20 {
        let text = format!("u{round}");
        let name: UserName = text.parse().unwrap();
        store.create_user(BY, account, &draft(round, &text), MANY).await.unwrap();
        let to = (account, &Holder::User(user_id(round)), text.as_str());
        let (attached, deleted) = tokio::join!(
            store.attach(BY, to, (PolicyType::System, &policy), NOW, MANY),
            store.delete_user(BY, account, &name),
        );
        match (attached, deleted) {
            (Ok(()), Err(StoreError::Conflict(Entity::Attachment)))
            | (Err(StoreError::NotFound(Entity::User)), Ok(_)) => {}
            other => panic!("both or neither won: {other:?}"),
        }
    }
}
