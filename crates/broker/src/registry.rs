//! Who is connected: by session key, and by the number under which the topic index knows them.

use std::{hash::Hash, sync::Arc};

use ahash::{AHashMap, RandomState};
use parking_lot::Mutex;
use sluice_model::AccountId;
use sluice_router::SubscriberId;

use crate::link::{Link, SessionKey};

/// Locks are held for a lookup; this many publishers can look up at once.
const SHARDS: usize = 64;

/// A hash table in parts, each with its own lock.
#[derive(Debug)]
struct Sharded<K, V> {
    hasher: RandomState,
    shards: [Mutex<AHashMap<K, V>>; SHARDS],
}

impl<K: Hash + Eq, V: Clone> Sharded<K, V> {
    fn new() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    fn shard(&self, key: &K) -> &Mutex<AHashMap<K, V>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % (SHARDS as u64)).expect("under 64");
        &self.shards[hash]
    }

    fn get(&self, key: &K) -> Option<V> {
        self.shard(key).lock().get(key).cloned()
    }

    fn for_each(&self, mut see: impl FnMut(&V)) {
        for shard in &self.shards {
            shard.lock().values().for_each(&mut see);
        }
    }
}

/// Who is connected.
#[derive(Debug)]
pub(crate) struct Registry {
    by_key: Sharded<SessionKey, Arc<Link>>,
    by_id: Sharded<SubscriberId, Arc<Link>>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { by_key: Sharded::new(), by_id: Sharded::new() }
    }

    pub(crate) fn by_key(&self, key: &SessionKey) -> Option<Arc<Link>> {
        self.by_key.get(key)
    }

    pub(crate) fn by_id(&self, id: SubscriberId) -> Option<Arc<Link>> {
        self.by_id.get(&id)
    }

    /// Enters a connection if its key is held by nobody or by `expected`.
    ///
    /// # Errors
    /// Whoever holds the key otherwise; nothing was changed.
    pub(crate) fn enter(&self, link: &Arc<Link>, expected: Option<&Arc<Link>>) -> Result<(), Arc<Link>> {
        {
            let mut shard = self.by_key.shard(&link.key).lock();
            match shard.get(&link.key) {
                Some(held) if expected.is_none_or(|expected| !Arc::ptr_eq(held, expected)) => {
                    return Err(Arc::clone(held));
                }
                _ => shard.insert(link.key.clone(), Arc::clone(link)),
            };
        }
        self.by_id.shard(&link.id).lock().insert(link.id, Arc::clone(link));
        Ok(())
    }

    /// Takes a connection out; its key only if it still holds it.
    pub(crate) fn leave(&self, link: &Link) {
        self.by_id.shard(&link.id).lock().remove(&link.id);
        let mut shard = self.by_key.shard(&link.key).lock();
        if shard.get(&link.key).is_some_and(|held| held.id == link.id) {
            shard.remove(&link.key);
        }
    }

    pub(crate) fn for_each(&self, see: impl FnMut(&Arc<Link>)) {
        self.by_id.for_each(see);
    }

    pub(crate) fn count(&self, account: AccountId) -> u64 {
        let mut count = 0;
        self.by_key.for_each(|link| count += u64::from(link.key.account == account));
        count
    }
}
