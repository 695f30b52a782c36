//! The room's door: one value that the other rooms share.

use std::sync::Arc;

use sluice_model::{AccountId, GroupId, InstanceId, Principal};
use sluice_policy::PolicySource;
use sluice_store::{Store, StoreError};

use crate::{
    Change, Clock, InstanceSettings, MasterKey, Passwords, Touched, directory::Directory, load, nonce::Nonces,
};

/// Who is calling, and what is in force for them.
pub struct Access {
    pub(crate) store: Store,
    pub(crate) master_key: MasterKey,
    pub(crate) directory: Arc<Directory>,
    pub(crate) nonces: Nonces,
    pub(crate) passwords: Passwords,
    pub(crate) clock: Clock,
    /// One change at a time is read back and swapped in, so that a later write is never hidden by an earlier read.
    writers: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

/// Why the room could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database failed.
    #[error("cannot read the accounts: {0}")]
    Store(#[from] StoreError),
    /// The data was sealed under another key.
    #[error("the data folder was sealed under another master key")]
    OtherMasterKey,
}

impl Access {
    /// Reads all accounts into memory.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(store: Store, master_key: MasterKey, clock: Clock) -> Result<Self, OpenError> {
        let snapshot = load::everything(&store).await?;
        if let Some((id, key)) = snapshot.keys.iter().next() {
            // One key speaks for all: they are sealed under the same master key.
            master_key.open(id.as_str(), &key.sealed_secret).map_err(|_| OpenError::OtherMasterKey)?;
        }
        let directory = Arc::new(Directory::default());
        directory.swap(snapshot, &[]);
        Ok(Self {
            store,
            master_key,
            directory,
            nonces: Nonces::default(),
            passwords: Passwords::default(),
            clock,
            writers: tokio::sync::Mutex::new(()),
        })
    }

    /// The policies in force, for the `Authority` that `server` makes.
    #[must_use]
    pub fn policy_source(&self) -> Arc<dyn PolicySource> {
        Arc::clone(&self.directory) as Arc<dyn PolicySource>
    }

    /// The clock that all rooms share.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The password hasher, with its limit of two at once.
    #[must_use]
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Seals a new AccessKey's secret for its row.
    #[must_use]
    pub fn seal(&self, key: &sluice_model::AccessKeyId, secret: &secrecy::SecretString) -> String {
        self.master_key.seal(key.as_str(), secret)
    }

    /// The name of a user or a role; `None` for an account itself and for whoever is gone.
    #[must_use]
    pub fn name_of(&self, principal: Principal) -> Option<Arc<str>> {
        let (Principal::User(..) | Principal::Role(..)) = principal else { return None };
        self.directory.read().principals.get(&principal).map(|view| Arc::clone(&view.in_force.name))
    }

    /// An instance of this account; a foreign one and an absent one are both `None`.
    #[must_use]
    pub fn instance(&self, account: AccountId, instance: &InstanceId) -> Option<Arc<InstanceSettings>> {
        let snapshot = self.directory.read();
        let view = snapshot.instances.get(instance)?;
        (view.settings.account == account).then(|| Arc::clone(&view.settings))
    }

    /// Whether the group was created in this account's instance.
    #[must_use]
    pub fn group_exists(&self, account: AccountId, instance: &InstanceId, group: &GroupId) -> bool {
        let snapshot = self.directory.read();
        snapshot
            .instances
            .get(instance)
            .is_some_and(|view| view.settings.account == account && view.groups.contains(group))
    }

    /// Whether the parent topic was created in this account's instance.
    #[must_use]
    pub fn topic_exists(&self, account: AccountId, instance: &InstanceId, parent: &str) -> bool {
        let snapshot = self.directory.read();
        snapshot
            .instances
            .get(instance)
            .is_some_and(|view| view.settings.account == account && view.topics.contains(parent))
    }

    /// Reads back what a change wrote and puts it in force. To be called after every write, before the reply; the
    /// answer goes to the live side's sweep.
    ///
    /// When the store cannot be read, the whole account is taken out of force (everything is refused) and read again
    /// in the background until it can be.
    pub async fn refresh(self: &Arc<Self>, change: Change) -> Touched {
        let _turn = self.writers.lock().await;
        let before = Arc::clone(&self.directory.read());
        let mut next = (*before).clone();
        match load::apply(&self.store, &mut next, &change).await {
            Ok(touched) => {
                let principals = touched_principals(&before, &touched);
                self.directory.swap(next, &principals);
                touched
            }
            Err(error) => {
                let account = change.account();
                tracing::error!(%error, %account, "a change cannot be read back; the account is refused everything until it can");
                let mut without = (*before).clone();
                without.remove_account(account);
                let touched = Touched { accounts: vec![account], ..Touched::default() };
                self.directory.swap(without, &touched_principals(&before, &touched));
                self.retry(account);
                touched
            }
        }
    }

    /// Voids everything that was ever decided, because the wall clock jumped: a yes knows its end, not its beginning. The
    /// answer goes to the live side's sweep.
    pub async fn decide_anew(&self) -> Touched {
        let _turn = self.writers.lock().await;
        let mut next = (**self.directory.read()).clone();
        let all: Vec<Principal> = next.principals.keys().copied().collect();
        for view in next.principals.values_mut() {
            *view = Arc::new(view.at_next_epoch());
        }
        self.directory.swap(next, &all);
        let mut accounts: Vec<AccountId> = all.iter().map(|principal| principal.account()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        Touched { accounts, ..Touched::default() }
    }

    /// Tries each second to read the account again.
    fn retry(self: &Arc<Self>, account: AccountId) {
        let access = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                let Some(access) = access.upgrade() else { return };
                let _turn = access.writers.lock().await;
                let mut next = (**access.directory.read()).clone();
                match load::apply(&access.store, &mut next, &Change::Account(account)).await {
                    Ok(_) => {
                        access.directory.swap(next, &[]);
                        tracing::info!(%account, "the account is read again and in force");
                        return;
                    }
                    Err(error) => tracing::warn!(%error, %account, "the account still cannot be read"),
                }
            }
        });
    }
}

/// All principals of what was touched, as they were before.
fn touched_principals(before: &crate::directory::Snapshot, touched: &Touched) -> Vec<Principal> {
    let mut principals = touched.principals.clone();
    for account in &touched.accounts {
        principals.extend(before.principals.keys().filter(|principal| principal.account() == *account));
    }
    principals
}
