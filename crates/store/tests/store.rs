//! The same cases on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod support;

use std::{future::Future, pin::Pin};

use sluice_store::Store;

type Case = fn(Store) -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! cases {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        &[$((stringify!($name), (|store| Box::pin(cases::$module::$name(store))) as Case)),+]
    };
}

const CASES: &[(&str, Case)] = cases![
    users::a_user_is_made_found_changed_and_deleted,
    users::names_are_unique_in_an_account_and_in_byte_order,
    users::a_limit_holds_under_a_race,
    users::a_user_with_something_left_is_not_deleted,
    wall::the_same_names_in_two_accounts_are_apart,
    wall::a_permit_for_another_row_or_account_writes_nothing,
    proof::a_permit_for_one_user_writes_nothing_of_another,
    proof::keys_of_the_account_need_a_permit_for_the_account,
    transactions::an_abandoned_write_leaves_all_or_nothing,
    transactions::a_policy_deleted_in_a_race_is_attached_to_nobody,
    transactions::a_user_deleted_in_a_race_keeps_no_attachment,
    keys::two_keys_an_owner_even_in_a_race,
    policies::versions_are_never_used_twice_and_the_default_stays,
    policies::five_versions_even_in_a_race,
    policies::an_attached_policy_is_not_deleted,
    sign_in::wrong_passwords_lock_and_a_new_password_unlocks,
    sign_in::a_session_ends_with_its_time_its_password_and_its_profile,
    instances::instance_ids_are_unique_over_all_accounts,
    instances::topics_and_groups_are_their_instances_own,
];

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_pass_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    for (name, case) in CASES {
        case(support::sqlite(folder.path(), name).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_pass_on_postgresql() {
    if std::env::var_os("SLUICE_TEST_WITHOUT_POSTGRES").is_some() {
        return;
    }
    let cluster = support::Cluster::start();
    for (number, (_, case)) in CASES.iter().enumerate() {
        let store = Store::open(&cluster.database(&format!("case{number}"))).await.unwrap();
        case(store.clone()).await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_reopened_store_has_what_was_written_and_a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = support::sqlite(folder.path(), "kept").await;
    let account = cases::new_account(&store, 1).await;
    cases::new_user(&store, account, 1, "kept").await;
    store.close().await;
    let store = support::sqlite(folder.path(), "kept").await;
    assert_eq!(store.users(account, "", 10).await.unwrap().len(), 1);
    store.close().await;
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", folder.path().join("kept").display());
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    sqlx::query("INSERT INTO schema_steps (step) VALUES (999)").execute(&pool).await.unwrap();
    pool.close().await;
    let error = Store::open(&url).await.unwrap_err();
    assert!(error.to_string().contains("use the newer program"), "{error}");
}

#[tokio::test]
async fn a_damaged_row_names_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let store = support::sqlite(folder.path(), "damaged").await;
    let account = cases::new_account(&store, 1).await;
    cases::new_user(&store, account, 1, "damaged").await;
    let pool = sqlx::AnyPool::connect(&format!("sqlite://{}", folder.path().join("damaged").display())).await.unwrap();
    sqlx::query("UPDATE users SET name = 'no name!'").execute(&pool).await.unwrap();
    let error = store.users(account, "", 10).await.unwrap_err();
    assert!(error.to_string().contains("`users`"), "{error}");
}
