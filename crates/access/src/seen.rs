//! What is asked for and decided, counted: who, which action, on which resource, how it ended, by the hour.
//!
//! The way through: the `Authority` shows each fresh decision ([`DecisionObserver`]); here it is only counted, in memory
//! that is cut in shards; [`SeenDecisions::write`] adds what was counted to the store, each minute and at the end. A remembered
//! yes is no decision and costs nothing here; it is remembered for an hour at most, so that what is in use is seen each hour.
//!
//! Bounded: [`ALL_MAX`] questions between two writes, [`ACCOUNT_MAX`] of one account; in the store so many of one principal
//! an hour. What finds no room is dropped, the new before the old, and counted in `sluice_decisions_not_kept_total`.
//!
//! Not counted: what the account itself does, what belongs to another account, refusals of whoever is gone.
//! Never here: clocks, secrets (`sts:ExternalId` is left out of the conditions).

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use ahash::{AHashMap, RandomState};
use metrics::{Counter, counter};
use parking_lot::Mutex;
use sluice_model::{AccountId, Action, Principal, Resource, UnixMs};
use sluice_policy::{Context, DecisionObserver, Reason, Seen, SystemTask};
use sluice_store::{Conditions, SeenDecision, SeenOutcome, Store, StoreError};
use smallvec::SmallVec;

/// For how long it is kept what was seen.
pub const SEEN_KEPT_MS: i64 = 90 * 24 * HOUR_MS;

const HOUR_MS: i64 = 3_600_000;
/// Questions between two writes.
const ALL_MAX: usize = 131_072;
/// Questions of one account between two writes.
const ACCOUNT_MAX: usize = 65_536;
/// Cores that decide at once seldom meet in one.
const SHARDS: usize = 64;
/// Longest topic of a question that is kept, bytes; as long as one that is remembered.
const TOPIC_BYTES_MAX: usize = 1_024;
/// Condition keys of a question besides those that every request has.
const KEYS_MAX: usize = 16;
/// Questions that could not be written and wait for the next time.
const UNWRITTEN_MAX: usize = 2 * ALL_MAX;
/// Rows of one transaction: others write in between.
const ROWS_PER_WRITE: usize = 500;

/// Seeded anew in each process, so that nobody can choose questions that share a hash.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

type Keys = Vec<(Arc<str>, Vec<Arc<str>>)>;

/// One question with its outcome, in one hour.
struct Entry {
    principal: Principal,
    actions: SmallVec<[Action; 1]>,
    resource: Resource,
    outcome: SeenOutcome,
    hour: i64,
    times: u64,
    last: UnixMs,
    source_ip: Option<IpAddr>,
    secure_transport: bool,
    mfa_present: Option<bool>,
    keys: Keys,
}

impl Entry {
    fn is_of(&self, seen: &Seen<'_>, outcome: SeenOutcome, hour: i64) -> bool {
        self.hour == hour
            && self.outcome == outcome
            && self.principal == seen.caller.principal()
            && self.actions[..] == *seen.actions
            && self.resource == *seen.resource
    }

    /// Counts it once more, and takes its marks of now.
    fn count(&mut self, seen: &Seen<'_>) {
        self.times += 1;
        self.last = self.last.max(seen.context.now);
        self.source_ip = seen.caller.source_ip();
        self.secure_transport = seen.caller.secure_transport();
        self.mfa_present = seen.caller.mfa_present();
        if !(self.keys.is_empty() && seen.context.keys.is_empty()) {
            self.keys = keys_of(seen.context);
        }
    }

    fn into_row(self) -> SeenDecision {
        let marks = Marks {
            source_ip: self.source_ip,
            secure_transport: self.secure_transport,
            mfa_present: self.mfa_present,
            keys: &self.keys,
        };
        SeenDecision {
            principal: self.principal,
            hour: UnixMs(self.hour * HOUR_MS),
            actions: self.actions.iter().map(ToString::to_string).collect(),
            resource: self.resource.to_string(),
            outcome: self.outcome,
            times: self.times,
            last: self.last,
            conditions: marks.conditions(),
        }
    }
}

/// What conditions read of a request besides time and principal.
pub(crate) struct Marks<'a> {
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) secure_transport: bool,
    pub(crate) mfa_present: Option<bool>,
    pub(crate) keys: &'a [(Arc<str>, Vec<Arc<str>>)],
}

impl Marks<'_> {
    /// As they are kept.
    pub(crate) fn conditions(&self) -> Conditions {
        let mut list = Vec::new();
        let mut put = |key: &str, value: String| list.push((key.to_owned(), vec![value]));
        if let Some(ip) = self.source_ip {
            put("acs:SourceIp", ip.to_string());
        }
        put("acs:SecureTransport", self.secure_transport.to_string());
        if let Some(mfa) = self.mfa_present {
            put("acs:MFAPresent", mfa.to_string());
        }
        let texts = |values: &[Arc<str>]| values.iter().map(ToString::to_string).collect();
        list.extend(self.keys.iter().map(|(key, values)| (key.to_string(), texts(values))));
        Conditions(list)
    }
}

/// Whether a key's value is something that only its two sides should know.
pub(crate) fn is_secret(key: &str) -> bool {
    key.eq_ignore_ascii_case("sts:ExternalId")
}

fn keys_of(context: &Context) -> Keys {
    context.keys.iter().filter(|(key, _)| !is_secret(key)).take(KEYS_MAX).cloned().collect()
}

#[derive(Default)]
struct Shard {
    /// By the hash of the question, which is compared in full all the same.
    entries: AHashMap<u64, Entry>,
    of_account: AHashMap<AccountId, usize>,
}

impl Shard {
    /// Whether it was counted.
    fn count(&mut self, hash: u64, seen: &Seen<'_>, outcome: SeenOutcome, hour: i64) -> bool {
        if let Some(entry) = self.entries.get_mut(&hash) {
            // Two questions of one hash: the later one is not kept.
            return entry.is_of(seen, outcome, hour).then(|| entry.count(seen)).is_some();
        }
        let is_long = matches!(seen.resource, Resource::Topic(_, _, path) if path.len() > TOPIC_BYTES_MAX);
        let of_account = self.of_account.entry(seen.resource.account()).or_default();
        if is_long || self.entries.len() >= ALL_MAX / SHARDS || *of_account >= ACCOUNT_MAX / SHARDS {
            return false;
        }
        *of_account += 1;
        let entry = Entry {
            principal: seen.caller.principal(),
            actions: seen.actions.iter().cloned().collect(),
            resource: seen.resource.clone(),
            outcome,
            hour,
            times: 1,
            last: seen.context.now,
            source_ip: seen.caller.source_ip(),
            secure_transport: seen.caller.secure_transport(),
            mfa_present: seen.caller.mfa_present(),
            keys: keys_of(seen.context),
        };
        self.entries.insert(hash, entry);
        true
    }
}

/// Counts decisions, and writes what was counted. One for all of the process.
pub struct SeenDecisions {
    store: Store,
    shards: [Mutex<Shard>; SHARDS],
    /// What the store could not take yet. Held while it is written, so that two writers never take the same.
    unwritten: tokio::sync::Mutex<Vec<SeenDecision>>,
    not_kept: Counter,
}

impl std::fmt::Debug for SeenDecisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeenDecisions")
    }
}

impl DecisionObserver for SeenDecisions {
    /// Cost: a hash of the question, a lock that few share, a comparison: 87 ns, a new question 140 ns (`benches/decision_cache.rs`).
    fn decided(&self, seen: &Seen<'_>) {
        let principal = seen.caller.principal();
        if matches!(principal, Principal::Account(_)) || seen.resource.account() != principal.account() {
            return;
        }
        let outcome = match seen.outcome.map_err(|denied| &denied.reason) {
            Ok(()) => SeenOutcome::Allowed,
            Err(Reason::Explicit(_)) => SeenOutcome::ExplicitDeny,
            Err(Reason::NoAllow { .. }) => SeenOutcome::ImplicitDeny,
            // What a list of addresses refuses, no policy decided.
            Err(
                Reason::AccountWall
                | Reason::NoPrincipal
                | Reason::Unavailable
                | Reason::SourceNotAllowed
                | Reason::OwnerAssumes,
            ) => return,
        };
        let hour = seen.context.now.0.div_euclid(HOUR_MS);
        let action = seen.actions.first().map_or("", Action::as_str);
        let hash = HASHER.hash_one((principal, action, seen.resource, outcome, hour));
        let shard = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        if !self.shards[shard].lock().count(hash, seen, outcome, hour) {
            self.not_kept.increment(1);
        }
    }
}

impl SeenDecisions {
    /// Nothing seen yet. To be made after the recorder of metrics.
    #[must_use]
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            shards: std::array::from_fn(|_| Mutex::default()),
            unwritten: tokio::sync::Mutex::default(),
            not_kept: counter!("sluice_decisions_not_kept_total"),
        })
    }

    /// Writes what is new. What cannot be written is kept and written the next time.
    ///
    /// # Errors
    /// [`StoreError`]; what was not written is kept, up to a bound.
    pub async fn write(self: &Arc<Self>) -> Result<(), StoreError> {
        let seen = Arc::clone(self);
        // On its own task: whoever asked may go away in the middle, which must not leave it open whether it was written.
        let written = tokio::spawn(async move { seen.write_turn().await }).await;
        written.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
    }

    async fn write_turn(&self) -> Result<(), StoreError> {
        let mut unwritten = self.unwritten.lock().await;
        self.take(&mut unwritten);
        while !unwritten.is_empty() {
            let rows = unwritten.len().min(ROWS_PER_WRITE);
            let not_kept = self.store.add_seen(SystemTask::Decisions, &unwritten[..rows]).await?;
            unwritten.drain(..rows);
            self.not_kept.increment(not_kept);
        }
        unwritten.shrink_to_fit();
        Ok(())
    }

    /// Takes what was counted out of the shards.
    fn take(&self, unwritten: &mut Vec<SeenDecision>) {
        for shard in &self.shards {
            let Shard { entries, .. } = std::mem::take(&mut *shard.lock());
            for entry in entries.into_values() {
                if unwritten.len() < UNWRITTEN_MAX {
                    unwritten.push(entry.into_row());
                } else {
                    self.not_kept.increment(1);
                }
            }
        }
    }

    /// Forgets what is older than [`SEEN_KEPT_MS`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_old(&self, now: UnixMs) -> Result<(), StoreError> {
        self.store.forget_seen(SystemTask::Decisions, UnixMs(now.0.saturating_sub(SEEN_KEPT_MS))).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::Ipv4Addr;

    use sluice_policy::{Authority, Caller, Credential, PolicySource};
    use sluice_testkit::{PolicyTable, account, user};

    use super::*;
    use crate::test_store::store_with;

    const NOW: UnixMs = UnixMs(1_700_000_000_000);
    const ALLOW: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"mq:PUB","Resource":"*"},
        {"Effect":"Deny","Action":"mq:PUB","Resource":"acs:mq:*:*:topic/*/no"}]}"#;

    struct World {
        seen: Arc<SeenDecisions>,
        authority: Authority,
        store: Store,
        _folder: tempfile::TempDir,
    }

    impl World {
        async fn new() -> Self {
            let (store, folder) = store_with(&[1, 2]).await;
            let (seen, table) = (SeenDecisions::new(store.clone()), PolicyTable::default());
            table.set(user(account(1), 1), &[ALLOW]);
            table.set_owner(account(1));
            let observer = Arc::clone(&seen) as Arc<dyn DecisionObserver>;
            let authority = sluice_testkit::observed_over(Arc::new(table) as Arc<dyn PolicySource>, observer);
            Self { seen, authority, store, _folder: folder }
        }

        fn ask(&self, principal: Principal, owner: u64, path: &str, context: &Context) {
            let caller = Caller::authenticated(
                principal,
                Credential::Listener,
                Some(Ipv4Addr::LOCALHOST.into()),
                true,
                Some(false),
            );
            let resource = Resource::Topic(account(owner), "mqtt-cn-a".parse().unwrap(), path.into());
            drop(self.authority.authorize(&caller, &Action::PUB, &resource, context));
        }

        async fn kept(&self, principal: Principal) -> Vec<(String, SeenOutcome, u64)> {
            self.seen.write().await.unwrap();
            let rows = self.store.seen(principal, UnixMs(0), 100_000).await.unwrap();
            let path = |row: &SeenDecision| row.resource.rsplit_once("mqtt-cn-a/").unwrap().1.to_owned();
            rows.iter().map(|row| (path(row), row.outcome, row.times)).collect()
        }
    }

    #[tokio::test]
    async fn what_was_asked_in_earnest_is_counted_by_question_and_outcome() {
        let (world, alice, at) = (World::new().await, user(account(1), 1), Context::at(NOW));
        for path in ["a", "a", "no", "a"] {
            world.ask(alice, 1, path, &at);
        }
        world.ask(alice, 1, "a", &Context::only_asking_at(NOW));
        let expected = [("a".to_owned(), SeenOutcome::Allowed, 3), ("no".to_owned(), SeenOutcome::ExplicitDeny, 1)];
        assert_eq!(world.kept(alice).await, expected);
        // Written once.
        assert_eq!(world.kept(alice).await, expected);
        let row = world.store.seen(alice, UnixMs(0), 1).await.unwrap().remove(0);
        let conditions = ["acs:SourceIp 127.0.0.1", "acs:SecureTransport true", "acs:MFAPresent false"];
        let kept: Vec<String> = row.conditions.0.iter().map(|(key, values)| format!("{key} {}", values[0])).collect();
        assert_eq!(kept, conditions);
    }

    #[tokio::test]
    async fn the_account_itself_foreign_resources_the_gone_and_secrets_are_not_kept() {
        let (world, root) = (World::new().await, Principal::Account(account(1)));
        let (alice, gone) = (user(account(1), 1), user(account(1), 9));
        let at = Context::at(NOW).with("sts:ExternalId", &["between us"]).with("x:y", &["z"]);
        world.ask(root, 1, "a", &at);
        world.ask(alice, 2, "a", &at);
        world.ask(gone, 1, "a", &at);
        world.ask(alice, 1, "a", &at);
        world.ask(alice, 1, &"a".repeat(TOPIC_BYTES_MAX + 1), &at);
        for principal in [root, gone, user(account(2), 1)] {
            assert_eq!(world.kept(principal).await, []);
        }
        assert_eq!(world.kept(alice).await, [("a".to_owned(), SeenOutcome::Allowed, 1)]);
        let row = world.store.seen(alice, UnixMs(0), 1).await.unwrap().remove(0);
        assert_eq!(row.conditions.0.last().unwrap(), &("x:y".to_owned(), vec!["z".to_owned()]));
        assert!(row.conditions.0.iter().all(|(key, _)| !is_secret(key)));
    }

    #[tokio::test]
    async fn the_memory_is_bounded_by_account_and_in_all() {
        let (world, alice, at) = (World::new().await, user(account(1), 1), Context::at(NOW));
        for n in 0..ACCOUNT_MAX + ACCOUNT_MAX / 4 {
            world.ask(alice, 1, &format!("a/{n}"), &at);
        }
        let held: usize = world.seen.shards.iter().map(|shard| shard.lock().entries.len()).sum();
        assert!((ACCOUNT_MAX * 9 / 10..=ACCOUNT_MAX).contains(&held), "{held}");
        let mut rows = Vec::new();
        world.seen.take(&mut rows);
        assert_eq!(rows.len(), held);
        assert!(world.seen.shards.iter().all(|shard| shard.lock().of_account.is_empty()));
    }
}
