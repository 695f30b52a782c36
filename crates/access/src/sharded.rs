//! A map of which a changed copy costs what was changed, not what there is: a copy shares its shards, and the one in which
//! something changes is copied alone.

use std::{hash::Hash, sync::Arc};

use ahash::AHashMap;

use crate::decision_cache::HASHER;

/// Shards of a map. A copy is so many pointers; with 100,000 entries a change copies some 400 of them.
const SHARDS: usize = 256;

/// The map. Look-ups cost one hash more than an ordinary map's.
#[derive(Debug)]
pub(crate) struct Sharded<K, V>(Box<[Arc<AHashMap<K, V>>]>);

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        let empty = Arc::default();
        Self((0..SHARDS).map(|_| Arc::clone(&empty)).collect())
    }
}

impl<K, V> Clone for Sharded<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Sharded<K, V> {
    fn place(key: &K) -> usize {
        // The high bits: the shard's own map uses the low ones of its own hash.
        usize::try_from(HASHER.hash_one(key) >> 56).unwrap_or(0) % SHARDS
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0[Self::place(key)].get(key)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let shard = &mut self.0[Self::place(key)];
        if shard.contains_key(key) { Arc::make_mut(shard).get_mut(key) } else { None }
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        Arc::make_mut(&mut self.0[Self::place(&key)]).insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let shard = &mut self.0[Self::place(key)];
        if shard.contains_key(key) { Arc::make_mut(shard).remove(key) } else { None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().flat_map(|shard| shard.iter())
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Changes every value.
    pub(crate) fn change_all(&mut self, mut change: impl FnMut(&mut V)) {
        for shard in &mut self.0 {
            if !shard.is_empty() {
                Arc::make_mut(shard).values_mut().for_each(&mut change);
            }
        }
    }

    /// Takes out what `keep` does not want.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        for shard in &mut self.0 {
            if shard.iter().any(|(key, value)| !keep(key, value)) {
                Arc::make_mut(shard).retain(|key, value| keep(key, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_shares_all_but_what_is_changed() {
        let mut map = Sharded::default();
        for n in 0..10_000 {
            map.insert(n, n);
        }
        let mut copy = map.clone();
        copy.insert(5, 50);
        copy.remove(&7);
        assert_eq!(copy.remove(&20_000), None);
        assert_eq!((map.get(&5), map.contains_key(&7)), (Some(&5), true));
        assert_eq!((copy.get(&5), copy.contains_key(&7)), (Some(&50), false));
        let copied = map.0.iter().zip(&copy.0).filter(|(one, other)| !Arc::ptr_eq(one, other)).count();
        assert!(copied <= 2, "{copied} shards");
        copy.retain(|n, _| *n < 100);
        assert_eq!((copy.keys().count(), map.values().count()), (99, 10_000));
        copy.change_all(|n| *n += 1);
        assert_eq!(copy.iter().map(|(n, more)| more - n).filter(|more| *more == 1).count(), 98);
    }
}
