//! For tests: a store on a folder of its own, with accounts of which something may be written.

use sluice_model::UnixMs;
use sluice_policy::SystemTask;
use sluice_store::{NewAccount, Store};
use sluice_testkit::account;

/// A new store with the tests' accounts of these numbers.
pub(crate) async fn store_with(accounts: &[u64]) -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}", folder.path().join("db").display())).await.unwrap();
    for n in accounts {
        let (alias, key) = (format!("tenant-{n}").parse().unwrap(), format!("LTAItestkey{n}").parse().unwrap());
        let new = NewAccount {
            account: account(*n),
            alias: &alias,
            password_hash: "",
            key: &key,
            sealed_secret: "",
            instance: None,
            created: UnixMs(0),
        };
        store.create_account(SystemTask::FirstStart, &new).await.unwrap();
    }
    (store, folder)
}
