//! Sessions by number, and tables with a lock for each part.

use std::{hash::Hash, sync::Arc};

use ahash::{AHashMap, RandomState};
use parking_lot::{Mutex, MutexGuard};
use sluice_router::SubscriberId;

use crate::link::Link;

/// A hash table in parts, each with its own lock, held for a look-up.
#[derive(Debug)]
pub(crate) struct Sharded<K, V> {
    hasher: RandomState,
    shards: Box<[Mutex<AHashMap<K, V>>]>,
}

impl<K: Hash + Eq, V: Clone> Sharded<K, V> {
    /// As many can look up at once as there are `shards`.
    pub(crate) fn new(shards: usize) -> Self {
        Self { hasher: RandomState::new(), shards: (0..shards).map(|_| Mutex::default()).collect() }
    }

    pub(crate) fn shard(&self, key: &K) -> MutexGuard<'_, AHashMap<K, V>> {
        let shards = u64::try_from(self.shards.len()).expect("a few");
        let place = usize::try_from(self.hasher.hash_one(key) % shards).expect("below their number");
        self.shards[place].lock()
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.shard(key).get(key).cloned()
    }

    /// All values, part by part; no lock is held while `see` works.
    pub(crate) fn for_each(&self, mut see: impl FnMut(V)) {
        (0..self.shards.len()).for_each(|part| self.for_part(part, &mut see));
    }

    /// The values of one part; no lock is held while `see` works.
    pub(crate) fn for_part(&self, part: usize, see: impl FnMut(V)) {
        let values: Vec<V> = self.shards[part].lock().values().cloned().collect();
        values.into_iter().for_each(see);
    }
}

/// Parts of the registry.
const SHARDS: usize = 64;

/// Every session, connected or stored, by the number under which the topic index knows it.
#[derive(Debug)]
pub(crate) struct Registry(Sharded<SubscriberId, Arc<Link>>);

impl Registry {
    pub(crate) fn new() -> Self {
        Self(Sharded::new(SHARDS))
    }

    pub(crate) fn get(&self, id: SubscriberId) -> Option<Arc<Link>> {
        self.0.get(&id)
    }

    /// Enters a session, or puts its new link in the place of the old one.
    pub(crate) fn enter(&self, link: &Arc<Link>) {
        self.0.shard(&link.id).insert(link.id, Arc::clone(link));
    }

    /// Takes a session out, if it is still under this link.
    pub(crate) fn leave(&self, link: &Arc<Link>) {
        let mut shard = self.0.shard(&link.id);
        if shard.get(&link.id).is_some_and(|held| Arc::ptr_eq(held, link)) {
            shard.remove(&link.id);
        }
    }

    pub(crate) fn for_each(&self, see: impl FnMut(Arc<Link>)) {
        self.0.for_each(see);
    }

    /// In how many parts it can be gone through.
    pub(crate) fn parts(&self) -> usize {
        SHARDS
    }

    pub(crate) fn for_part(&self, part: usize, see: impl FnMut(Arc<Link>)) {
        self.0.for_part(part, see);
    }
}
