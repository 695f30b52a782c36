//! One instance's live side: its sessions, topic index, retained messages and what is counted against its limits.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use ahash::AHashMap;
use parking_lot::{Mutex, RwLock};
use sluice_model::{ClientId, TopicFilter, UnixMs};
use sluice_router::{InstanceKey, TopicIndex};
use sluice_store::log::QueueId;

use crate::{backlog::Backlogs, link::Link, registry::Sharded, retained::Retained, stock::Stock, usage::Past};

/// Parts of an instance's table of sessions.
const SHARDS: usize = 16;

/// One instance. The tenant is in its key.
#[derive(Debug)]
pub(crate) struct LiveInstance {
    pub(crate) key: InstanceKey,
    pub(crate) index: TopicIndex,
    /// Connected and stored, by client ID. DESIGN section 2, Session key.
    pub(crate) sessions: Sharded<ClientId, Arc<Link>>,
    pub(crate) retained: Retained,
    /// What waits for members of shared subscriptions.
    pub(crate) backlogs: Mutex<Backlogs>,
    /// Whether any of them holds something, for connections to see without the lock.
    pub(crate) has_backlogs: AtomicBool,
    /// Sessions that outlive their connection: without any nothing is stored for a session.
    pub(crate) stored_sessions: AtomicU32,
    /// The queues of shared subscriptions that have stored members.
    pub(crate) shares: Mutex<AHashMap<TopicFilter, QueueId>>,
    pub(crate) stock: Arc<Stock>,
    pub(crate) connections: AtomicU32,
    pub(crate) connects: Rate,
    pub(crate) messages: Rate,
    pub(crate) past: Mutex<Past>,
}

impl LiveInstance {
    fn new(key: InstanceKey) -> Self {
        Self {
            key,
            index: TopicIndex::default(),
            sessions: Sharded::new(SHARDS),
            retained: Retained::default(),
            backlogs: Mutex::default(),
            has_backlogs: AtomicBool::new(false),
            stored_sessions: AtomicU32::new(0),
            shares: Mutex::default(),
            stock: Arc::default(),
            connections: AtomicU32::new(0),
            connects: Rate::default(),
            messages: Rate::default(),
            past: Mutex::default(),
        }
    }

    /// Enters a session if its client ID is held by nobody or by `expected`.
    ///
    /// # Errors
    /// Whoever holds the ID otherwise; nothing was changed.
    pub(crate) fn enter(&self, link: &Arc<Link>, expected: Option<&Arc<Link>>) -> Result<(), Arc<Link>> {
        let client = &link.identity.client;
        let mut past = self.past.lock();
        let mut shard = self.sessions.shard(client);
        match shard.get(client) {
            Some(held) if expected.is_none_or(|expected| !Arc::ptr_eq(held, expected)) => Err(Arc::clone(held)),
            _ => {
                // Whoever is replaced is counted until it has left.
                past.leaving.extend(shard.insert(client.clone(), Arc::clone(link)));
                Ok(())
            }
        }
    }

    /// Puts the new link of a session in the place of the old one, if that still holds the client ID.
    pub(crate) fn replace(&self, old: &Arc<Link>, new: &Arc<Link>) {
        let client = &new.identity.client;
        let mut shard = self.sessions.shard(client);
        if shard.get(client).is_some_and(|held| Arc::ptr_eq(held, old)) {
            shard.insert(client.clone(), Arc::clone(new));
        }
    }

    /// Works on the backlogs under their lock.
    pub(crate) fn with_backlogs<T>(&self, work: impl FnOnce(&mut Backlogs) -> T) -> T {
        let mut backlogs = self.backlogs.lock();
        let done = work(&mut backlogs);
        self.has_backlogs.store(!backlogs.is_empty(), Ordering::Release);
        done
    }

    /// Takes a session out, if its client ID still holds it.
    pub(crate) fn leave(&self, link: &Arc<Link>) {
        let client = &link.identity.client;
        let mut shard = self.sessions.shard(client);
        if shard.get(client).is_some_and(|held| Arc::ptr_eq(held, link)) {
            shard.remove(client);
        }
    }
}

/// All instances of which a client was ever here.
#[derive(Debug, Default)]
pub(crate) struct LiveInstances {
    all: RwLock<AHashMap<InstanceKey, Arc<LiveInstance>>>,
    /// Deleted ones whose usage was not read since their last connection left.
    departed: Mutex<Vec<Arc<LiveInstance>>>,
}

impl LiveInstances {
    /// The live side of an instance that is known to exist.
    pub(crate) fn of(&self, key: &InstanceKey) -> Arc<LiveInstance> {
        if let Some(live) = self.all.read().get(key) {
            return Arc::clone(live);
        }
        let mut all = self.all.write();
        Arc::clone(all.entry(key.clone()).or_insert_with(|| Arc::new(LiveInstance::new(key.clone()))))
    }

    pub(crate) fn get(&self, key: &InstanceKey) -> Option<Arc<LiveInstance>> {
        self.all.read().get(key).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<LiveInstance>> {
        self.all.read().values().cloned().collect()
    }

    /// Forgets an instance that was deleted, but for its usage.
    pub(crate) fn remove(&self, key: &InstanceKey) {
        let departed = self.all.write().remove(key);
        self.departed.lock().extend(departed);
    }

    /// All instances, and for the last time those that were deleted and have nobody connected any more.
    pub(crate) fn with_departed(&self) -> Vec<Arc<LiveInstance>> {
        let mut all = self.all();
        let mut departed = self.departed.lock();
        all.extend(departed.iter().cloned());
        departed.retain(|live| live.connections.load(Ordering::Relaxed) > 0);
        all
    }
}

/// Counts what happens in the present second.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// The second in the upper half, the count in the lower.
    packed: AtomicU64,
}

impl Rate {
    /// Counts one more; whether it is within `most` of this second. Without a limit nothing is counted.
    pub(crate) fn allows(&self, most: u32, now: UnixMs) -> bool {
        if most == u32::MAX {
            return true;
        }
        let second = u64::try_from(now.0 / 1000).unwrap_or(0) << 32;
        let next = |packed: u64| {
            let count = if packed >> 32 == second >> 32 { packed & u64::from(u32::MAX) } else { 0 };
            (count < u64::from(most)).then_some(second | (count + 1))
        };
        self.packed.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_begins_anew_each_second() {
        let rate = Rate::default();
        let at = |ms: i64| UnixMs(1_700_000_000_000 + ms);
        assert!(rate.allows(2, at(0)) && rate.allows(2, at(999)));
        assert!(!rate.allows(2, at(999)));
        assert!(rate.allows(2, at(1_000)));
        assert!((0..100).all(|_| rate.allows(u32::MAX, at(1_000))));
    }
}
