//! Opening: what is kept, what is refused, and rows that no version of this program writes.

use sluice_model::{OfflineRetention, UnixMs};
use sluice_store::{Holder, Store, StoreError, schema_known};
use sqlx::{AnyPool, AssertSqlSafe};

use super::{MANY, NOW, new_account, new_user, user_id};
use crate::cases::BY;

/// Runs statements behind the store's back.
async fn tamper(url: &str, statements: &[&str]) {
    sqlx::any::install_default_drivers();
    let url = if url.starts_with("sqlite:") { format!("{url}?mode=rwc") } else { url.to_owned() };
    let pool = AnyPool::connect(&url).await.unwrap();
    for statement in statements {
        sqlx::query(AssertSqlSafe(*statement)).execute(&pool).await.unwrap();
    }
    pool.close().await;
}

pub(crate) async fn a_reopened_store_has_what_was_written(url: String) {
    let store = Store::open(&url).await.unwrap();
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "kept").await;
    store.close().await;
    for _ in 0..2 {
        let store = Store::open(&url).await.unwrap();
        assert_eq!(store.users(account, "", 10).await.unwrap().len(), 1);
        store.close().await;
    }
}

pub(crate) async fn a_schema_of_a_newer_program_is_refused_and_left_alone(url: String) {
    Store::open(&url).await.unwrap().close().await;
    tamper(&url, &["INSERT INTO schema_steps (step) VALUES (999)"]).await;
    let error = Store::open(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 999, known } if known == schema_known()), "{error}");
    assert!(error.to_string().contains("use the newer program"), "{error}");
    tamper(&url, &["DELETE FROM schema_steps WHERE step = 999"]).await;
    Store::open(&url).await.unwrap().close().await;
}

/// The steps of the program of step 3, as they were.
const STEPS_BEFORE: [&str; 3] = [
    include_str!("../../migrations/0001_accounts_users_policies_instances.sql"),
    include_str!("../../migrations/0002_usage.sql"),
    include_str!("../../migrations/0003_offline_retention.sql"),
];

pub(crate) async fn an_older_database_gets_the_steps_that_it_lacks(url: String) {
    let (account, user) = (sluice_testkit::account(1), user_id(1));
    let name = if url.starts_with("sqlite:") { "TEXT" } else { "TEXT COLLATE \"C\"" };
    let mut statements = vec!["CREATE TABLE schema_steps (step BIGINT PRIMARY KEY)".to_owned()];
    for (index, step) in STEPS_BEFORE.iter().enumerate() {
        statements.extend(step.replace("{name}", name).split(';').map(str::to_owned));
        statements.push(format!("INSERT INTO schema_steps (step) VALUES ({})", index + 1));
    }
    statements.extend([
        format!("INSERT INTO accounts VALUES ({account}, 'alias', 'hash', 0, 0, 1, 0)"),
        format!("INSERT INTO users VALUES ({account}, {user}, 'u', 'U', '', '', '', 1, 1, 0)"),
        format!("INSERT INTO attachments VALUES ({account}, {user}, 'System', 'ReadOnlyAccess', 7)"),
        format!(
            "INSERT INTO instances (instance_id, account_id, name, edition, compatibility, deny_action, durability, \
             created) VALUES ('mqtt-cn-a', {account}, 'name', 'Professional', 'Extended', 'Close', 'Sync', 1)"
        ),
    ]);
    tamper(&url, &statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.instances(account).await.unwrap()[0].retention, OfflineRetention::DEFAULT);
    let attached = store.attachments(account, &Holder::User(user)).await.unwrap();
    assert_eq!(
        (attached.len(), attached[0].policy_name.as_str(), attached[0].attached),
        (1, "ReadOnlyAccess", UnixMs(7))
    );
    assert_eq!(store.policies_of_user(account, user).await.unwrap().len(), 1);
    store.close().await;
}

pub(crate) async fn an_empty_database_opened_twice_at_once_has_one_schema(url: String) {
    let (one, two) = tokio::join!(tokio::spawn(open(url.clone())), tokio::spawn(open(url)));
    let (one, two) = (one.unwrap(), two.unwrap());
    let account = new_account(&one, 1).await;
    assert_eq!(two.accounts().await.unwrap().len(), 1);
    new_user(&two, account, 1, "u").await;
    one.close().await;
    two.close().await;
}

async fn open(url: String) -> Store {
    Store::open(&url).await.unwrap()
}

pub(crate) async fn a_damaged_row_names_its_table(url: String) {
    let store = Store::open(&url).await.unwrap();
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    let policy = "p".parse().unwrap();
    store.create_policy(BY, account, &policy, ("", "{}"), NOW, MANY).await.unwrap();
    tamper(
        &url,
        &[
            "UPDATE users SET name = 'no name!'",
            "UPDATE access_keys SET active = 7",
            "UPDATE policies SET default_version = -1",
            "UPDATE policy_versions SET version = -1",
        ],
    )
    .await;
    let faults = [
        store.users(account, "", 10).await.map(drop),
        store.account_keys(account).await.map(drop),
        store.policy(account, &policy).await.map(drop),
        store.policy_versions(account, &policy).await.map(drop),
    ];
    for (fault, table) in faults.into_iter().zip(["users", "access_keys", "policies", "policy_versions"]) {
        assert!(
            matches!(&fault, Err(StoreError::Damaged { table: named, .. }) if *named == table),
            "{table}: {fault:?}"
        );
    }
    store.close().await;
}

/// Beside an open store, whose writes go on.
pub(crate) async fn a_copy_is_of_one_instant(folder: &std::path::Path, url: String) {
    let store = Store::open(&url).await.unwrap();
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "before").await;
    let copy = folder.join("copy.db");
    let step = sluice_store::copy_database(&url, &copy).await.unwrap();
    assert_eq!(step, sluice_store::schema_known());
    new_user(&store, account, 2, "behind").await;
    let copied = Store::open(&format!("sqlite://{}", copy.display())).await.unwrap();
    let names = copied.users(account, "", 10).await.unwrap();
    assert_eq!(names.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["before"]);
    copied.close().await;
    // Only a file that is absent or empty becomes a copy.
    assert!(matches!(sluice_store::copy_database(&url, &copy).await, Err(StoreError::Database(_))));
    store.close().await;
}

pub(crate) async fn another_database_than_ours_is_not_copied() {
    let copied = sluice_store::copy_database("postgres://host/sluice", std::path::Path::new("copy")).await;
    assert!(copied.unwrap_err().to_string().contains("pg_dump"));
}

/// SQLite alone keeps a text in a column of integers.
pub(crate) async fn a_column_of_another_type_is_damage_too(url: String) {
    let store = Store::open(&url).await.unwrap();
    let account = new_account(&store, 1).await;
    new_user(&store, account, 1, "u").await;
    tamper(&url, &["UPDATE users SET created = 'yesterday'"]).await;
    let error = store.users(account, "", 10).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { table: "users", .. }), "{error}");
    store.close().await;
}
