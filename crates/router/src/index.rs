//! The index of one instance.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use sluice_model::{Qos, TopicFilter, TopicName};
use smallvec::SmallVec;

use crate::{
    ShareGroup, SubscriberId, SubscriptionOptions,
    exact::ExactTable,
    interest::{Found, Interest, Left},
    subscribers::{Entry, Packed},
    trie::Trie,
};

/// Who subscribed to what in one instance. Shared by reference; matching takes a read lock, so any number of
/// publishers match at once.
#[derive(Debug, Default)]
pub struct TopicIndex {
    tables: RwLock<Tables>,
}

/// What entering a subscription did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// The subscriber did not have this filter.
    New,
    /// The options of its earlier subscription were replaced. [MQTT-3.8.4-3]
    Replaced,
}

/// The subscriptions of one subscriber that match one topic, as one. DESIGN section 2: overlapping subscriptions of a
/// client give one message with all their identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The highest granted QoS. [MQTT-3.3.4-2]
    pub qos: Qos,
    /// Whether any of them keeps the retain flag.
    pub retain_as_published: bool,
    /// All their identifiers, ascending, each once. [MQTT-3.3.4-4]
    pub ids: SmallVec<[u32; 4]>,
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
        if tables.leave(subscriber, filter).is_none() {
            return false;
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
            tables.leave(subscriber, filter);
        }
        tables.count -= held.len();
        held.len()
    }

    /// Calls `direct` once for each subscriber that wants a message on `topic`, in the order of their numbers, then
    /// `shared` once for each group of which one member is to have it; no lock is held meanwhile. A `no_local`
    /// subscription of `publisher` does not count. [MQTT-3.8.3-3] Who is in a group and subscribed besides gets both.
    ///
    /// Cost: one lookup and the part of the trie that fits; no allocation up to 16 hits and 4 groups.
    /// A point-to-point topic matches nobody; its target is named in it.
    pub fn for_each_match(
        &self,
        topic: &TopicName,
        publisher: Option<SubscriberId>,
        mut direct: impl FnMut(SubscriberId, &Merged),
        shared: impl FnMut(&Arc<ShareGroup>),
    ) {
        if topic.p2p_target().is_some() {
            return;
        }
        let mut found = Found::default();
        self.tables.read().collect_into(topic.as_str(), &mut found);
        if found.filters > 1 {
            found.hits.sort_unstable_by_key(|hit| hit.0);
        }
        for same in found.hits.chunk_by(|a, b| a.0 == b.0) {
            let subscriber = same[0].0;
            if let Some(merged) = merge(same, publisher == Some(subscriber)) {
                direct(subscriber, &merged);
            }
        }
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

/// One subscriber's hits as one; `None` when every one is `no_local` and the subscriber is the publisher.
fn merge(hits: &[Entry], own: bool) -> Option<Merged> {
    let mut wanted = hits.iter().map(|hit| hit.1).filter(|o: &Packed| !(own && o.no_local));
    let first = wanted.next()?;
    let mut merged = Merged {
        qos: first.qos,
        retain_as_published: first.retain_as_published,
        ids: first.id.iter().map(|id| id.get()).collect(),
    };
    for other in wanted {
        merged.qos = merged.qos.max(other.qos);
        merged.retain_as_published |= other.retain_as_published;
        merged.ids.extend(other.id.map(std::num::NonZeroU32::get));
    }
    merged.ids.sort_unstable();
    merged.ids.dedup();
    Some(merged)
}

#[cfg(test)]
mod tests;
