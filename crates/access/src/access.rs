//! The room's door: one value that the other rooms share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use ahash::AHashMap;
use arc_swap::ArcSwap;
use sluice_model::{AccountId, GroupId, InstanceId, Principal};
use sluice_policy::{InForce, PolicySource, SystemTask};
use sluice_store::{Extent, Store, StoreError};

use crate::{
    Change, Clock, InstanceSettings, MasterKey, Passwords, Touched,
    directory::{Directory, InstanceView, Snapshot},
    federation::Issuers,
    key_uses::KeyUses,
    load,
    nonce::Nonces,
    refusals::Refusals,
    seen::SeenDecisions,
    waiting::{Entry, Waiting},
};

/// How long it is waited before an account that could not be read is read again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Has the live side decide again.
type Sweep = Box<dyn Fn(&Touched) + Send + Sync>;

/// Who is calling, and what is in force for them.
pub struct Access {
    pub(crate) store: Store,
    pub(crate) master_key: ArcSwap<MasterKey>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) nonces: Nonces,
    pub(crate) issuers: Issuers,
    pub(crate) passwords: Passwords,
    pub(crate) clock: Clock,
    seen: Arc<SeenDecisions>,
    refusals: Arc<Refusals>,
    /// Who is told of a change that nobody here asked for.
    live_side: OnceLock<Sweep>,
    pub(crate) key_uses: KeyUses,
    /// One change at a time is read back and swapped in, so that a later write is never hidden by an earlier read.
    pub(crate) writers: tokio::sync::Mutex<()>,
    /// What waits for that.
    waiting: Waiting,
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
        let snapshot = load::everything(&store.at_one_instant(Extent::Whole).await?).await?;
        let master_key = in_use(&store, &snapshot, master_key).await?;
        let directory = Arc::new(Directory::default());
        directory.swap(snapshot, &[]);
        Ok(Self {
            seen: SeenDecisions::new(store.clone()),
            refusals: Refusals::new(store.clone()),
            store,
            master_key: ArcSwap::from_pointee(master_key),
            directory,
            nonces: Nonces::default(),
            issuers: Issuers::default(),
            passwords: Passwords::default(),
            clock,
            live_side: OnceLock::new(),
            key_uses: KeyUses::default(),
            writers: tokio::sync::Mutex::new(()),
            waiting: Waiting::default(),
        })
    }

    /// The policies in force, for the `Authority` that `server` makes.
    #[must_use]
    pub fn policy_source(&self) -> Arc<dyn PolicySource> {
        Arc::clone(&self.directory) as Arc<dyn PolicySource>
    }

    /// What was decided lately; the observer for the `Authority` that `server` makes.
    #[must_use]
    pub fn seen(&self) -> &Arc<SeenDecisions> {
        &self.seen
    }

    /// What callers were refused lately.
    #[must_use]
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// What is in force for a principal of whatever credential, for simulation; `None` for whoever is gone.
    #[must_use]
    pub fn in_force_of(&self, principal: Principal) -> Option<Arc<InForce>> {
        self.directory.read().principals.get(&principal).map(|view| Arc::clone(&view.in_force))
    }

    /// The clock that all rooms share.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Who may have passwords hashed, two at once.
    #[must_use]
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Seals a new AccessKey's secret for its row.
    #[must_use]
    pub fn seal(&self, key: &sluice_model::AccessKeyId, secret: &secrecy::SecretString) -> String {
        self.master_key.load().seal(key.as_str(), secret)
    }

    /// The name of a user or a role; `None` for an account itself and for whoever is gone.
    #[must_use]
    pub fn name_of(&self, principal: Principal) -> Option<Arc<str>> {
        let (Principal::User(..) | Principal::Role(..)) = principal else { return None };
        self.directory.read().principals.get(&principal).map(|view| Arc::clone(&view.in_force.name))
    }

    /// Whether the account has what an ARN ends with: `user/{name}`, `role/{name}`.
    #[must_use]
    pub fn has_entity(&self, account: AccountId, entity: &str) -> bool {
        let snapshot = self.directory.read();
        match entity.split_once('/') {
            Some(("user", name)) => snapshot.users.contains_key(&(account, Arc::from(name))),
            Some(("role", name)) => snapshot.roles.contains_key(&(account, Arc::from(name))),
            _ => false,
        }
    }

    /// An instance of this account; a foreign one and an absent one are both `None`.
    #[must_use]
    pub fn instance(&self, account: AccountId, instance: &InstanceId) -> Option<Arc<InstanceSettings>> {
        let snapshot = self.directory.read();
        let view = snapshot.instances.get(instance)?;
        (view.settings.account == account).then(|| Arc::clone(&view.settings))
    }

    /// The IDs of the account's instances, in no order. Cost: O(instances of all accounts).
    #[must_use]
    pub fn instance_ids(&self, account: AccountId) -> Vec<InstanceId> {
        load::instances_of(&self.directory.read(), account)
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
    /// When the store cannot be read, the whole account is in doubt (everything is refused, nothing ends) and read again
    /// in the background until it can be.
    pub async fn refresh(self: &Arc<Self>, change: Change) -> Touched {
        self.refresh_all(std::slice::from_ref(&change)).await
    }

    /// As [`Access::refresh`], of several changes at once. Each account's wait for their own turn.
    pub(crate) async fn refresh_all(self: &Arc<Self>, changes: &[Change]) -> Touched {
        let mut of_account: BTreeMap<AccountId, Vec<Change>> = BTreeMap::new();
        for change in changes {
            of_account.entry(change.account()).or_default().push(change.clone());
        }
        let enter = |(account, changes)| {
            let told = self.waiting.enter(changes);
            let access = Arc::clone(self);
            // A task of its own: what was written is put in force, though whoever waits for it goes away.
            (account, told, tokio::spawn(async move { access.put_next_in_force().await }))
        };
        let waiting: Vec<_> = of_account.into_iter().map(enter).collect();
        let mut touched = Touched::default();
        for (account, told, turn) in waiting {
            if let Ok(told) = told.await {
                touched.add(told);
                continue;
            }
            // Only when reading back panicked: what is in force then is for nobody to say.
            let outcome = turn.await;
            tracing::error!(?outcome, %account, "a change was not read back; its account is refused everything until it can be");
            let _turn = self.writers.lock().await;
            touched.add(self.doubt(account));
        }
        touched
    }

    /// Puts in force what waits. Several accounts go together; where that fails, each goes alone, so that what is wrong with
    /// one leaves the others as they are.
    async fn put_next_in_force(self: &Arc<Self>) {
        let _turn = self.writers.lock().await;
        let mut groups = vec![self.waiting.take()];
        while let Some(entries) = groups.pop().filter(|entries| !entries.is_empty()) {
            let changes: Vec<&[Change]> = entries.iter().map(Entry::changes).collect();
            let error = match self.put_in_force(&changes).await {
                Ok(touched) => {
                    entries.into_iter().zip(touched).for_each(|(entry, touched)| self.answer(entry, touched));
                    continue;
                }
                Err(error) => error,
            };
            let mut of_account: BTreeMap<AccountId, Vec<Entry>> = BTreeMap::new();
            for entry in entries {
                of_account.entry(entry.account()).or_default().push(entry);
            }
            // A database that is gone is gone for each of them; to wait for it once is enough.
            if of_account.len() > 1 && !matches!(error, StoreError::Unavailable(_)) {
                groups.extend(of_account.into_values());
                continue;
            }
            for (account, entries) in of_account {
                tracing::error!(%error, %account, "a change cannot be read back; its account is refused everything until it can");
                let touched = self.doubt(account);
                entries.into_iter().for_each(|entry| self.answer(entry, touched.clone()));
            }
        }
    }

    /// Tells whoever waits whom a change touches. Where nobody does any more, nobody else has the live side decide again.
    fn answer(&self, entry: Entry, touched: Touched) {
        if let Err(touched) = entry.answer(touched) {
            self.sweep(&touched);
        }
    }

    /// Reads back what was written, each change once, and swaps it in; whom each of these touches. Called under the writers'
    /// lock.
    async fn put_in_force(&self, written: &[&[Change]]) -> Result<Vec<Touched>, StoreError> {
        let before = Arc::clone(&self.directory.read());
        let mut next = (*before).clone();
        let mut of_change: AHashMap<&Change, Touched> = AHashMap::new();
        let changes: Vec<&Change> = written.iter().flat_map(|changes| changes.iter()).collect();
        // Before the rows are read, so that all that is ticked off has been read.
        let ticked: Vec<_> = changes.iter().map(|change| self.store.written(change)).collect();
        let store = self.store.at_one_instant(Extent::Part).await?;
        for change in changes {
            if !of_change.contains_key(change) {
                of_change.insert(change, load::apply(&store, &mut next, change).await?);
            }
            if let Change::Account(account) = change {
                next.in_doubt.remove(account);
            }
        }
        drop(store);
        let mut all = Touched::default();
        of_change.values().for_each(|touched| all.add(touched.clone()));
        self.directory.swap(next, &touched_principals(&before, &all));
        ticked.iter().for_each(|written| self.store.put_in_force(written));
        let of_one = |changes: &&[Change]| {
            let mut touched = Touched::default();
            changes.iter().filter_map(|change| of_change.get(change)).for_each(|one| touched.add(one.clone()));
            touched
        };
        Ok(written.iter().map(of_one).collect())
    }

    /// Refuses an account everything until it can be read. Called under the writers' lock.
    fn doubt(self: &Arc<Self>, account: AccountId) -> Touched {
        let before = Arc::clone(&self.directory.read());
        let mut next = (*before).clone();
        if next.in_doubt.insert(account) {
            self.retry(account);
        }
        let touched = Touched { accounts: vec![account], ..Touched::default() };
        self.directory.swap(next, &touched_principals(&before, &touched));
        touched
    }

    /// Reads everything again; everybody decides anew.
    pub(crate) async fn reload(&self) -> Result<Touched, StoreError> {
        let _turn = self.writers.lock().await;
        let next = load::everything(&self.store.at_one_instant(Extent::Whole).await?).await?;
        let before = Arc::clone(&self.directory.read());
        let all: Vec<Principal> = before.principals.keys().copied().collect();
        let mut touched = Touched { accounts: accounts_of(&all), ..Touched::default() };
        let is_gone = |(id, view): (&InstanceId, &Arc<InstanceView>)| {
            (!next.instances.contains_key(id)).then(|| (view.settings.account, id.clone()))
        };
        touched.instances = before.instances.iter().filter_map(is_gone).collect();
        self.directory.swap(next, &all);
        Ok(touched)
    }

    /// Whom the live side's sweep is to be told of, when nobody waits for the answer: a change of another process, an
    /// account that could not be read and can again. To be called once.
    pub fn tell_live_side(&self, sweep: impl Fn(&Touched) + Send + Sync + 'static) {
        if self.live_side.set(Box::new(sweep)).is_err() {
            tracing::error!("there are two live sides; the second is told nothing");
        }
    }

    pub(crate) fn sweep(&self, touched: &Touched) {
        if let Some(sweep) = self.live_side.get()
            && !touched.is_empty()
        {
            sweep(touched);
        }
    }

    /// Whether nobody can say at present what is in force in an account; `None` for what is in none.
    #[must_use]
    pub fn is_unavailable(&self, account: Option<AccountId>) -> bool {
        self.directory.doubts(&self.directory.read(), account)
    }

    /// Whether nothing can be said of any account: the database that others write into cannot be read.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.directory.is_cut_off()
    }

    /// Refuses everything from now on, remembered yeses included.
    pub(crate) fn cut_off(&self) -> Touched {
        let snapshot = self.directory.cut_off();
        let all: Vec<Principal> = snapshot.principals.keys().copied().collect();
        Touched { accounts: accounts_of(&all), ..Touched::default() }
    }

    /// Ends it: everything is known again. Everybody decides anew.
    pub(crate) async fn connect(&self) -> Touched {
        let touched = self.decide_anew().await;
        self.directory.connect();
        touched
    }

    /// Voids everything that was ever decided, because the wall clock jumped: a yes knows its end, not its beginning. The
    /// answer goes to the live side's sweep.
    pub async fn decide_anew(&self) -> Touched {
        let _turn = self.writers.lock().await;
        let mut next = (**self.directory.read()).clone();
        let all: Vec<Principal> = next.principals.keys().copied().collect();
        next.principals.change_all(|view| *view = Arc::new(view.at_next_epoch()));
        self.directory.swap(next, &all);
        Touched { accounts: accounts_of(&all), ..Touched::default() }
    }

    /// Tries each second to read the account again.
    fn retry(self: &Arc<Self>, account: AccountId) {
        let access = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(RETRY_AFTER).await;
                let Some(access) = access.upgrade() else { return };
                match access.read_doubted(account).await {
                    Ok(touched) => {
                        tracing::info!(%account, "the account is read again and in force");
                        access.sweep(&touched);
                        return;
                    }
                    Err(error) => tracing::warn!(%error, %account, "the account still cannot be read"),
                }
            }
        });
    }

    async fn read_doubted(&self, account: AccountId) -> Result<Touched, StoreError> {
        let _turn = self.writers.lock().await;
        let touched = self.put_in_force(&[&[Change::Account(account)]]).await?;
        Ok(touched.into_iter().next().unwrap_or_default())
    }
}

fn accounts_of(principals: &[Principal]) -> Vec<AccountId> {
    let accounts: BTreeSet<AccountId> = principals.iter().map(|principal| principal.account()).collect();
    accounts.into_iter().collect()
}

/// The keys that are held, with the one in use under which the data is sealed.
async fn in_use(store: &Store, snapshot: &Snapshot, held: MasterKey) -> Result<MasterKey, OpenError> {
    if let Some((id, key)) = snapshot.keys.iter().next() {
        // One key speaks for all: they are sealed under the same master key.
        held.open(id.as_str(), &key.sealed_secret).map_err(|_| OpenError::OtherMasterKey)?;
    }
    if store.sealing_mark().await?.is_none() {
        store.begin_sealing(SystemTask::MasterKey, held.mark()).await?;
    }
    // Read back: another process may have said it first.
    let mark = store.sealing_mark().await?.unwrap_or_default();
    held.using(&mark).ok_or(OpenError::OtherMasterKey)
}

/// All principals of what was touched, as they were before.
fn touched_principals(before: &Snapshot, touched: &Touched) -> Vec<Principal> {
    let mut principals = touched.principals.clone();
    for account in &touched.accounts {
        principals.extend(before.principals.keys().filter(|principal| principal.account() == *account));
    }
    principals
}
