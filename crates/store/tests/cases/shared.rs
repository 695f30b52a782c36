//! Several processes on one database: what one writes, the others read.

use sluice_model::{PolicyName, Principal};
use sluice_store::{Change, SharedChanges, Store};
use sqlx::AnyPool;

use super::{BY, MANY, NOW, draft, new_account, new_user, user, user_id};

async fn two(url: &str) -> (Store, Store, SharedChanges) {
    let (one, other) = (Store::open(url).await.unwrap(), Store::open(url).await.unwrap());
    let changes = other.shared_changes(url).await.unwrap().expect("others write here");
    (one, other, changes)
}

pub(crate) async fn what_one_process_writes_another_reads_once(url: String) {
    let (one, other, mut changes) = two(&url).await;
    let account = new_account(&one, 1).await;
    new_user(&one, account, 1, "u").await;
    let policy: PolicyName = "p".parse().unwrap();
    one.create_policy(BY, account, &policy, ("", "{}"), NOW, MANY).await.unwrap();
    one.record_sign_in(sluice_policy::SystemTask::ConsoleSessions, user(account, 1), NOW).await.unwrap();
    let expected = vec![Change::Account(account), Change::Principal(user(account, 1)), Change::Policy(account, policy)];
    assert_eq!(changes.read().await.unwrap().changes, expected);
    assert_eq!(changes.read().await.unwrap(), sluice_store::News::default());
    one.close().await;
    other.close().await;
}

pub(crate) async fn an_own_write_that_is_in_force_is_not_read_and_one_that_is_not_is(url: String) {
    let (one, other, mut changes) = two(&url).await;
    let account = new_account(&one, 1).await;
    changes.read().await.unwrap();
    new_user(&other, account, 1, "kept").await;
    let written = other.written(&Change::Principal(user(account, 1)));
    // Not yet in force, and in time: it is looked at again.
    assert!(changes.read().await.unwrap().changes.is_empty());
    other.put_in_force(&written);
    new_user(&other, account, 2, "forgotten").await;
    let mut read = Vec::new();
    while read.is_empty() {
        read = changes.read().await.unwrap().changes;
        tokio::task::yield_now().await;
    }
    assert_eq!(read, [Change::Principal(user(account, 2))]);
    one.close().await;
    other.close().await;
}

pub(crate) async fn a_write_that_commits_late_is_not_missed(url: String) {
    let (one, other, mut changes) = two(&url).await;
    let (first, second) = (new_account(&one, 1).await, new_account(&one, 2).await);
    changes.read().await.unwrap();
    // A transaction takes its number, and others commit before it does.
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(&url).await.unwrap();
    let mut late = pool.begin().await.unwrap();
    let sql = "INSERT INTO changes (account_id, revision, place, what, transaction_id, written) SELECT account_id, 77, 0, \
               'owner', CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT), 0 FROM accounts WHERE alias = 'account-1'";
    sqlx::query(sql).execute(&mut *late).await.unwrap();
    for n in 1..=3 {
        one.create_user(BY, second, &draft(n, &format!("u{n}")), MANY).await.unwrap();
        assert_eq!(changes.read().await.unwrap().changes, [Change::Principal(user(second, n))]);
    }
    late.commit().await.unwrap();
    assert_eq!(changes.read().await.unwrap().changes, [Change::Principal(Principal::Account(first))]);
    assert!(changes.read().await.unwrap().changes.is_empty());
    pool.close().await;
    one.close().await;
    other.close().await;
}

pub(crate) async fn old_changes_are_taken_out(url: String) {
    let (one, other, mut changes) = two(&url).await;
    let account = new_account(&one, 1).await;
    new_user(&one, account, 1, "u").await;
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(&url).await.unwrap();
    sqlx::query("UPDATE changes SET written = 0 WHERE what = 'account'").execute(&pool).await.unwrap();
    changes.read().await.unwrap();
    changes.prune().await.unwrap();
    let left: Vec<(String,)> = sqlx::query_as("SELECT what FROM changes").fetch_all(&pool).await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    pool.close().await;
    one.close().await;
    other.close().await;
}

pub(crate) async fn who_has_not_read_for_long_is_told_of_a_gap(url: String) {
    let (one, other, mut changes) = two(&url).await;
    changes.forget();
    new_account(&one, 1).await;
    assert!(changes.read().await.unwrap().is_gap);
    let account = new_account(&one, 2).await;
    let news = changes.read().await.unwrap();
    assert_eq!((news.is_gap, news.changes), (false, vec![Change::Account(account)]));
    one.close().await;
    other.close().await;
}

pub(crate) async fn a_notice_is_heard_by_others_only(url: String) {
    let (one, other, changes) = two(&url).await;
    let account = new_account(&one, 1).await;
    let mut listener = changes.listener();
    let mut heard = tokio::spawn(async move {
        listener.heard().await.unwrap();
        listener
    });
    // It has begun to listen once it hears something.
    let mut n = 0;
    let mut listener = loop {
        n += 1;
        new_user(&one, account, n, &format!("u{n}")).await;
        if let Ok(listener) = tokio::time::timeout(std::time::Duration::from_millis(50), &mut heard).await {
            break listener.unwrap();
        }
    };
    while tokio::time::timeout(std::time::Duration::from_millis(100), listener.heard()).await.is_ok() {}
    new_user(&other, account, 1_000, "own").await;
    let own = tokio::time::timeout(std::time::Duration::from_millis(200), listener.heard()).await;
    assert!(own.is_err(), "its own write is no news");
    one.close().await;
    other.close().await;
}

pub(crate) async fn a_reading_of_one_instant_sees_no_later_write(url: String) {
    let store = Store::open(&url).await.unwrap();
    let account = new_account(&store, 1).await;
    let instant = store.at_one_instant(sluice_store::Extent::Part).await.unwrap();
    assert!(instant.users(account, "", 10).await.unwrap().is_empty());
    if sluice_store::is_shared(&url) {
        new_user(&store, account, 1, "later").await;
    }
    assert!(instant.users(account, "", 10).await.unwrap().is_empty());
    assert!(instant.user_by_id(account, user_id(1)).await.unwrap().is_none());
    drop(instant);
    new_user(&store, account, 2, "after").await;
    store.close().await;
}
