//! Finished matches by topic, so that what is published again and again is not computed again
//! (facts/broker-techniques.md, 7).
//!
//! Invariant: after a change of the tables has returned, no match from before it is found. A change raises `version`
//! and then drops what it touches; a match is kept only if no change came since it was computed, which is compared under
//! the lock that dropping takes.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;
use sluice_model::{TopicFilter, TopicName};

use crate::{
    Merged, ShareGroup, SubscriberId, TopicTree,
    interest::Found,
    merge::{each_merged, merge},
};

/// Parts with a lock of their own, so that publishers on many cores seldom meet.
const SHARDS: usize = 8;
/// Topics kept in a shard.
const TOPICS_MAX: usize = 512;
/// Subscribers and groups kept in a shard, about 48 bytes each: 6 MiB an instance. A larger match is not kept.
const HITS_MAX: usize = 16_384;
/// Topics of which a shard remembers that they were computed once.
const SEEN: usize = 256;
/// Below this, what only an exact filter found is computed as fast as it is found here (figures in benches/router.rs).
const EXACT_HITS_MIN: usize = 16;

/// All that wants the messages of one topic.
#[derive(Debug)]
pub(crate) struct Match {
    /// In the order of their numbers.
    direct: Box<[(SubscriberId, Merged)]>,
    /// What is left for those with a `no_local` subscription when they are the publisher, in the order of their numbers.
    own: Box<[(SubscriberId, Option<Merged>)]>,
    groups: Box<[Arc<ShareGroup>]>,
}

impl Match {
    /// From hits in the order of subscribers.
    fn new(found: &Found) -> Self {
        let mut direct = Vec::new();
        each_merged(&found.hits, None, |subscriber, merged| direct.push((subscriber, merged.clone())));
        let same = found.hits.chunk_by(|a, b| a.0 == b.0);
        let own = same.filter(|hits| hits.iter().any(|hit| hit.1.no_local)).map(|hits| (hits[0].0, merge(hits, true)));
        Self { direct: direct.into(), own: own.collect(), groups: found.groups.iter().map(Arc::clone).collect() }
    }

    pub(crate) fn for_each(
        &self,
        publisher: Option<SubscriberId>,
        mut direct: impl FnMut(SubscriberId, &Merged),
        shared: impl FnMut(&Arc<ShareGroup>),
    ) {
        let own = publisher.and_then(|p| self.own.binary_search_by_key(&p, |own| own.0).ok()).map(|at| &self.own[at]);
        for (subscriber, merged) in &self.direct {
            match own {
                Some((publisher, rest)) if publisher == subscriber => {
                    if let Some(rest) = rest {
                        direct(*subscriber, rest);
                    }
                }
                _ => direct(*subscriber, merged),
            }
        }
        self.groups.iter().for_each(shared);
    }

    fn hits(&self) -> usize {
        self.direct.len() + self.own.len() + self.groups.len()
    }
}

/// The matches of one instance that are worth keeping. Without one it takes no memory and no time.
#[derive(Debug, Default)]
pub(crate) struct MatchCache {
    hasher: ahash::RandomState,
    /// Changes of the tables; raised under their write lock, read for a match under their read lock.
    version: AtomicU64,
    shards: OnceLock<Box<[Shard; SHARDS]>>,
}

#[derive(Debug)]
struct Shard {
    /// Marks of topics that were computed once: one that comes but once drives out none that comes often.
    seen: [AtomicU32; SEEN],
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    matches: HashMap<Arc<str>, Arc<Match>, ahash::RandomState>,
    /// The same topics, for a wildcard filter to find those it matches.
    topics: TopicTree<()>,
    hits: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Self { seen: [const { AtomicU32::new(0) }; SEEN], kept: RwLock::default() }
    }
}

impl MatchCache {
    pub(crate) fn get(&self, topic: &str) -> Option<Arc<Match>> {
        let shards = self.shards.get()?;
        shards[shard_of(self.hasher.hash_one(topic))].kept.read().matches.get(topic).map(Arc::clone)
    }

    /// To be asked while the tables are locked for the computation.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    /// Keeps a match, computed at `version` from hits in the order of subscribers, if it is worth it.
    pub(crate) fn offer(&self, topic: &TopicName, found: &Found, version: u64) {
        let hits = found.hits.len() + found.groups.len();
        if (hits < EXACT_HITS_MIN && !found.by_wildcard) || hits > HITS_MAX {
            return;
        }
        let shard = self.shards.get_or_init(Box::default);
        let hash = self.hasher.hash_one(topic.as_str());
        let shard = &shard[shard_of(hash)];
        if shard.is_first(hash) {
            return;
        }
        let made = Arc::new(Match::new(found));
        if made.hits() > HITS_MAX {
            return;
        }
        let mut kept = shard.kept.write();
        if self.version() == version {
            kept.insert(topic.shared(), made);
        }
    }

    /// Drops the matches that a change of who has `filter` touches. To be called with the tables locked for the change.
    pub(crate) fn forget(&self, filter: &TopicFilter) {
        self.version.fetch_add(1, Ordering::SeqCst);
        let Some(shards) = self.shards.get() else { return };
        if !filter.has_wildcard() {
            let shard = &shards[shard_of(self.hasher.hash_one(filter.plain()))];
            shard.kept.write().remove(filter.plain());
            return;
        }
        for shard in shards.iter() {
            let mut touched = Vec::new();
            shard.kept.read().topics.walk(filter, None, usize::MAX, |topic, ()| {
                touched.push(Arc::clone(topic));
                true
            });
            if !touched.is_empty() {
                let mut kept = shard.kept.write();
                touched.iter().for_each(|topic| kept.remove(topic));
            }
        }
    }

    /// Topics and hits kept, for the tests of the bounds.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        let shards = self.shards.get().map_or(&[][..], |shards| &shards[..]);
        shards.iter().map(|shard| shard.kept.read()).fold((0, 0), |(topics, hits), kept| {
            assert_eq!(kept.matches.len(), kept.topics.len());
            assert_eq!(kept.matches.values().map(|made| made.hits()).sum::<usize>(), kept.hits);
            assert!(kept.matches.len() <= TOPICS_MAX && kept.hits <= HITS_MAX);
            (topics + kept.matches.len(), hits + kept.hits)
        })
    }
}

impl Shard {
    /// Whether this topic was not computed lately; it is remembered.
    fn is_first(&self, hash: u64) -> bool {
        let [.., place, a, b, c, d] = hash.to_le_bytes();
        let mark = u32::from_le_bytes([a, b, c, d]);
        self.seen[usize::from(place) % SEEN].swap(mark, Ordering::Relaxed) != mark
    }
}

impl Kept {
    fn insert(&mut self, topic: Arc<str>, made: Arc<Match>) {
        self.remove(&topic);
        self.hits += made.hits();
        // The neighbour of a topic is as good as any other to make room.
        while self.matches.len() >= TOPICS_MAX || self.hits > HITS_MAX {
            let Some(neighbour) = self.topics.next_or_first(&topic).map(Arc::clone) else { break };
            self.remove(&neighbour);
        }
        self.topics.insert(Arc::clone(&topic), ());
        self.matches.insert(topic, made);
    }

    fn remove(&mut self, topic: &str) {
        if let Some(made) = self.matches.remove(topic) {
            self.hits -= made.hits();
            self.topics.remove(topic);
        }
    }
}

fn shard_of(hash: u64) -> usize {
    usize::from(hash.to_le_bytes()[0]) % SHARDS
}
