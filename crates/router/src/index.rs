//! The index of one instance.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use sluice_model::{TopicFilter, TopicName};

use crate::{
    Merged, ShareGroup, SubscriberId, SubscriptionOptions,
    exact::ExactTable,
    interest::{Found, Interest, Left},
    matches::MatchCache,
    merge::each_merged,
    trie::Trie,
};

/// Who subscribed to what in one instance. Shared by reference; matching takes a read lock, so any number of
/// publishers match at once.
#[derive(Debug, Default)]
pub struct TopicIndex {
    tables: RwLock<Tables>,
    matches: MatchCache,
}

/// What entering a subscription did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// The subscriber did not have this filter.
    New,
    /// The options of its earlier subscription were replaced. [MQTT-3.8.4-3]
    Replaced,
}

impl TopicIndex {
    /// Enters a subscription, or replaces the options of the same filter. `$share/{name}/{filter}` makes the subscriber a
    /// member of that group. Cost: one lookup, or one step a level.
    pub fn subscribe(
        &self,
        subscriber: SubscriberId,
        filter: &TopicFilter,
        options: SubscriptionOptions,
    ) -> Subscribed {
        let mut tables = self.tables.write();
        let (interest, interned) = tables.entry(filter);
        let entered = interest.enter(subscriber, interned, options.into());
        if entered.changed_matches {
            self.matches.forget(&entered.filter);
        }
        if entered.replaced {
            return Subscribed::Replaced;
        }
        tables.held.entry(subscriber).or_default().push(entered.filter);
        tables.count += 1;
        Subscribed::New
    }

    /// Takes a subscription away; `false` when there was none. Cost: O(subscriptions of this subscriber).
    pub fn unsubscribe(&self, subscriber: SubscriberId, filter: &TopicFilter) -> bool {
        let mut tables = self.tables.write();
        let Some(left) = tables.leave(subscriber, filter) else { return false };
        if left.changed_matches {
            self.matches.forget(filter);
        }
        tables.count -= 1;
        if let Some(held) = tables.held.get_mut(&subscriber) {
            if let Some(at) = held.iter().position(|f| f == filter) {
                held.swap_remove(at);
            }
            if held.is_empty() {
                tables.held.remove(&subscriber);
            }
        }
        true
    }

    /// Takes all subscriptions of a subscriber away; says how many there were.
    pub fn remove_all(&self, subscriber: SubscriberId) -> usize {
        let mut tables = self.tables.write();
        let held = tables.held.remove(&subscriber).unwrap_or_default();
        for filter in &held {
            if tables.leave(subscriber, filter).is_some_and(|left| left.changed_matches) {
                self.matches.forget(filter);
            }
        }
        tables.count -= held.len();
        held.len()
    }

    /// Calls `direct` once for each subscriber that wants a message on `topic`, in the order of their numbers, then
    /// `shared` once for each group of which one member is to have it; no lock is held meanwhile. A `no_local`
    /// subscription of `publisher` does not count. [MQTT-3.8.3-3] Who is in a group and subscribed besides gets both.
    ///
    /// Cost: one lookup and the part of the trie that fits; no allocation up to 16 hits and 4 groups. A topic with many
    /// that is published again costs one lookup and what is found.
    /// A point-to-point topic matches nobody; its target is named in it.
    pub fn for_each_match(
        &self,
        topic: &TopicName,
        publisher: Option<SubscriberId>,
        direct: impl FnMut(SubscriberId, &Merged),
        shared: impl FnMut(&Arc<ShareGroup>),
    ) {
        if topic.p2p_target().is_none() {
            self.for_each_subscriber(topic, publisher, direct, shared);
        }
    }

    /// As [`TopicIndex::for_each_match`], for a publisher to whom no topic names a client: one of the open listener.
    pub fn for_each_subscriber(
        &self,
        topic: &TopicName,
        publisher: Option<SubscriberId>,
        direct: impl FnMut(SubscriberId, &Merged),
        shared: impl FnMut(&Arc<ShareGroup>),
    ) {
        if let Some(made) = self.matches.get(topic.as_str()) {
            return made.for_each(publisher, direct, shared);
        }
        let mut found = Found::default();
        let version = {
            let tables = self.tables.read();
            tables.collect_into(topic.as_str(), &mut found);
            self.matches.version()
        };
        if found.filters > 1 {
            found.hits.sort_unstable_by_key(|hit| hit.0);
        }
        self.matches.offer(topic, &found, version);
        each_merged(&found.hits, publisher, direct);
        found.groups.iter().for_each(shared);
    }

    /// The group of a shared subscription's filter, if it has a member.
    #[must_use]
    pub fn share(&self, filter: &TopicFilter) -> Option<Arc<ShareGroup>> {
        self.tables.read().share(filter)
    }

    /// The groups that a subscriber is a member of.
    #[must_use]
    pub fn shares_of(&self, subscriber: SubscriberId) -> Vec<Arc<ShareGroup>> {
        let tables = self.tables.read();
        tables.held_by(subscriber).iter().filter_map(|filter| tables.share(filter)).collect()
    }

    /// The subscriptions of one subscriber, shared ones too, for a sweep after a revocation and for the sessions' API.
    #[must_use]
    pub fn filters_of(&self, subscriber: SubscriberId) -> Vec<(TopicFilter, SubscriptionOptions)> {
        let tables = self.tables.read();
        let options = |f: &TopicFilter| Some(tables.get(f)?.get(subscriber, f.share())?.into());
        tables.held_by(subscriber).iter().filter_map(|f| Some((f.clone(), options(f)?))).collect()
    }

    /// Whether a subscriber has this filter. Cost: one lookup, or one step a level.
    #[must_use]
    pub fn holds(&self, subscriber: SubscriberId, filter: &TopicFilter) -> bool {
        let tables = self.tables.read();
        tables.get(filter).is_some_and(|interest| interest.get(subscriber, filter.share()).is_some())
    }

    /// Subscriptions of one subscriber.
    #[must_use]
    pub fn count_of(&self, subscriber: SubscriberId) -> usize {
        self.tables.read().held_by(subscriber).len()
    }

    /// Subscriptions held.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.tables.read().count
    }
}

#[derive(Debug, Default)]
struct Tables {
    exact: ExactTable,
    wildcard: Trie,
    /// The filters of each subscriber; none is empty.
    held: HashMap<SubscriberId, Vec<TopicFilter>, ahash::RandomState>,
    count: usize,
}

impl Tables {
    fn entry(&mut self, filter: &TopicFilter) -> (&mut Interest, TopicFilter) {
        if filter.has_wildcard() { self.wildcard.entry(filter) } else { self.exact.entry(filter) }
    }

    fn get(&self, filter: &TopicFilter) -> Option<&Interest> {
        if filter.has_wildcard() { self.wildcard.get(filter) } else { self.exact.get(filter) }
    }

    fn leave(&mut self, subscriber: SubscriberId, filter: &TopicFilter) -> Option<Left> {
        let leave = |interest: &mut Interest| interest.leave(subscriber, filter.share());
        if filter.has_wildcard() { self.wildcard.change(filter, leave) } else { self.exact.change(filter, leave) }
    }

    fn share(&self, filter: &TopicFilter) -> Option<Arc<ShareGroup>> {
        self.get(filter)?.group(filter.share()?).map(Arc::clone)
    }

    fn held_by(&self, subscriber: SubscriberId) -> &[TopicFilter] {
        self.held.get(&subscriber).map_or(&[], Vec::as_slice)
    }

    fn collect_into(&self, topic: &str, found: &mut Found) {
        self.exact.collect_into(topic, found);
        self.wildcard.collect_into(topic, found);
    }
}

#[cfg(test)]
mod tests;
