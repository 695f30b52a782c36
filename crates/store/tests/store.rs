//! The same cases on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod support;

use std::{future::Future, pin::Pin};

use sluice_store::Store;

type Done = Pin<Box<dyn Future<Output = ()>>>;
type Case = fn(Store) -> Done;
/// A case that opens the database itself, more than once or behind the store's back.
type SchemaCase = fn(String) -> Done;

macro_rules! cases {
    ($case:ty: $($module:ident :: $name:ident),+ $(,)?) => {
        &[$((stringify!($name), (|given| Box::pin(cases::$module::$name(given))) as $case)),+]
    };
}

const CASES: &[(&str, Case)] = cases![Case:
    users::a_user_is_made_found_changed_and_deleted,
    users::names_are_unique_in_an_account_and_in_byte_order,
    users::a_limit_holds_under_a_race,
    users::a_user_with_something_left_is_not_deleted,
    user_groups::a_group_is_made_found_renamed_and_deleted,
    user_groups::a_group_with_something_left_is_not_deleted_nor_is_its_member,
    user_groups::the_limits_of_groups_hold_under_a_race,
    user_groups::a_group_deleted_in_a_race_has_no_member,
    user_groups::a_permit_for_another_group_or_user_writes_nothing,
    user_groups::members_have_what_is_attached_to_their_groups_each_once,
    tags::tags_are_put_replaced_filtered_and_taken,
    tags::tags_are_given_to_all_or_to_none,
    tags::each_tagged_policy_needs_its_own_permit,
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
    policies::the_limits_of_policies_hold_under_a_race,
    policies::an_attached_policy_is_not_deleted,
    sign_in::wrong_passwords_lock_and_a_new_password_unlocks,
    sign_in::a_session_ends_with_its_time_its_password_and_its_profile,
    sign_in::the_passwords_of_before_are_kept_up_to_their_limit,
    sign_in::no_more_attempts_are_let_through_than_there_may_be,
    sign_in::a_device_is_one_users_and_a_code_is_taken_once,
    sign_in::what_a_password_proved_is_void_once_it_is_another,
    sign_in::a_password_of_ones_own_takes_back_neither_count_nor_lock,
    sign_in::a_session_ends_with_the_device_that_opened_it_and_with_a_step_that_is_newly_demanded,
    sign_in::few_sign_ins_of_a_user_wait_at_once,
    sign_in::a_device_on_a_page_gives_way_to_the_next_and_ends_with_the_password,
    sign_in::settings_keep_what_a_change_leaves_alone,
    sign_in::an_alias_is_one_accounts_and_can_be_cleared,
    sign_in::a_keys_last_use_never_goes_back_and_ends_with_it,
    instances::instance_ids_are_unique_over_all_accounts,
    instances::topics_and_groups_are_their_instances_own,
    instances::settings_are_changed_one_by_one,
    instances::an_instance_goes_with_its_topics_and_groups,
    instances::a_permit_for_another_instance_changes_nothing,
    instances::an_account_and_its_first_instance_are_made_together_or_not_at_all,
    accounts::an_account_is_put_out_of_force_and_in_force_again,
    accounts::reset_root_leaves_the_users_as_they_are,
    accounts::a_deleted_account_leaves_nothing_and_touches_no_other,
    sealed::everything_is_sealed_anew_or_nothing,
    sealed::nothing_is_written_under_a_key_that_is_not_in_use,
    usage::counts_add_up_to_the_account_and_peaks_only_rise,
    usage::usage_is_read_by_instance_and_by_principal,
    usage::old_usage_is_forgotten_and_a_long_answer_is_cut,
    decisions::what_was_decided_of_a_deleted_account_is_not_written_again,
    decisions::seen_decisions_add_up_with_the_conditions_of_the_last,
    decisions::a_principal_has_so_many_different_questions_an_hour,
    decisions::a_refusal_is_read_by_its_account_alone_as_it_was,
    decisions::one_principals_refusals_push_out_its_own,
    decisions::the_newest_refusals_of_an_account_stay,
];

const SCHEMA_CASES: &[(&str, SchemaCase)] = cases![SchemaCase:
    schema::a_reopened_store_has_what_was_written,
    schema::a_schema_of_a_newer_program_is_refused_and_left_alone,
    schema::an_older_database_gets_the_steps_that_it_lacks,
    schema::an_empty_database_opened_twice_at_once_has_one_schema,
    schema::a_damaged_row_names_its_table,
    shared::a_reading_of_one_instant_sees_no_later_write,
];

/// What is so only where several processes share the database.
const SHARED_CASES: &[(&str, SchemaCase)] = cases![SchemaCase:
    shared::what_one_process_writes_another_reads_once,
    shared::an_own_write_that_is_in_force_is_not_read_and_one_that_is_not_is,
    shared::a_write_that_commits_late_is_not_missed,
    shared::old_changes_are_taken_out,
    shared::who_has_not_read_for_long_is_told_of_a_gap,
    shared::a_notice_is_heard_by_others_only,
];

/// Runs all cases, each on a database of its own.
async fn run_all(database: impl Fn(&str) -> String) {
    for (name, case) in CASES {
        let store = Store::open(&database(name)).await.unwrap();
        case(store.clone()).await;
        store.close().await;
    }
    for (name, case) in SCHEMA_CASES {
        case(database(name)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_pass_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    run_all(|name| support::sqlite(folder.path(), name)).await;
    cases::schema::a_column_of_another_type_is_damage_too(support::sqlite(folder.path(), "typed")).await;
    cases::schema::a_copy_is_of_one_instant(folder.path(), support::sqlite(folder.path(), "own")).await;
    cases::schema::another_database_than_ours_is_not_copied().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_pass_on_postgresql() {
    if std::env::var_os("SLUICE_TEST_WITHOUT_POSTGRES").is_some() {
        return;
    }
    let cluster = support::Cluster::start();
    run_all(|name| cluster.database(name)).await;
    for (name, case) in SHARED_CASES {
        case(cluster.database(name)).await;
    }
}
