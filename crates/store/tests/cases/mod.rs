//! What must hold on either database.

pub(crate) mod accounts;
pub(crate) mod decisions;
pub(crate) mod instances;
pub(crate) mod keys;
pub(crate) mod policies;
pub(crate) mod proof;
pub(crate) mod schema;
pub(crate) mod sealed;
pub(crate) mod shared;
pub(crate) mod sign_in;
pub(crate) mod tags;
pub(crate) mod transactions;
pub(crate) mod usage;
pub(crate) mod user_groups;
pub(crate) mod users;
pub(crate) mod wall;

use sluice_model::{AccountId, Principal, UnixMs, UserId};
use sluice_policy::SystemTask;
use sluice_store::{By, ConsoleSession, NewAccount, NewUser, Store};

pub(crate) const BY: By<'static> = By::Task(SystemTask::FirstStart);
pub(crate) const NOW: UnixMs = UnixMs(1_000);
pub(crate) const MANY: i64 = 1_000;

pub(crate) async fn new_account(store: &Store, n: u64) -> AccountId {
    let account = sluice_testkit::account(n);
    let new = NewAccount {
        account,
        alias: &format!("account-{n}").parse().unwrap(),
        password_hash: "hash",
        key: &format!("LTAIaccount{n}").parse().unwrap(),
        sealed_secret: "sealed",
        instance: None,
        created: NOW,
    };
    store.create_account(SystemTask::FirstStart, &new).await.unwrap();
    account
}

pub(crate) fn user_id(n: u64) -> UserId {
    UserId::new(UserId::MIN + n).unwrap()
}

pub(crate) fn user(account: AccountId, n: u64) -> Principal {
    Principal::User(account, user_id(n))
}

pub(crate) fn draft(n: u64, name: &str) -> NewUser {
    sluice_testkit::new_user(user_id(n), name, NOW)
}

/// A console session that is nothing special, until `expires`.
pub(crate) fn console_session(digest: &str, principal: Principal, expires: UnixMs) -> ConsoleSession {
    ConsoleSession {
        digest: digest.into(),
        principal,
        csrf: "csrf".into(),
        must_change_password: false,
        must_bind_mfa: false,
        mfa_present: false,
        created: NOW,
        expires,
    }
}

pub(crate) async fn new_user(store: &Store, account: AccountId, n: u64, name: &str) {
    store.create_user(BY, account, &draft(n, name), MANY).await.unwrap();
}
