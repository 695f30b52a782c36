//! The subscribers of one filter: a sorted list while they are few, a tree when they are many.

use std::{collections::BTreeMap, num::NonZeroU32};

use sluice_model::Qos;
use smallvec::SmallVec;

use crate::{SubscriberId, SubscriptionOptions};

/// Above this many, a sorted list costs more to change than a tree.
const LISTED_MAX: usize = 32;

/// [`SubscriptionOptions`] in 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Packed {
    pub(crate) id: Option<NonZeroU32>,
    pub(crate) qos: Qos,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
}

impl From<SubscriptionOptions> for Packed {
    fn from(o: SubscriptionOptions) -> Self {
        Self {
            id: o.id.and_then(NonZeroU32::new),
            qos: o.qos,
            no_local: o.no_local,
            retain_as_published: o.retain_as_published,
        }
    }
}

impl From<Packed> for SubscriptionOptions {
    fn from(p: Packed) -> Self {
        Self {
            qos: p.qos,
            no_local: p.no_local,
            retain_as_published: p.retain_as_published,
            id: p.id.map(NonZeroU32::get),
        }
    }
}

/// One subscriber of a filter, and one hit of a match.
pub(crate) type Entry = (SubscriberId, Packed);

/// Each subscriber at most once, in the order of their numbers.
#[derive(Debug)]
pub(crate) enum Subscribers {
    /// Up to [`LISTED_MAX`]; a single one takes no heap.
    Few(SmallVec<[Entry; 1]>),
    /// More.
    Many(BTreeMap<SubscriberId, Packed>),
}

impl Default for Subscribers {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl Subscribers {
    /// Enters or replaces; `true` when it replaced.
    pub(crate) fn insert(&mut self, subscriber: SubscriberId, options: Packed) -> bool {
        match self {
            Self::Few(list) => match list.binary_search_by_key(&subscriber, |e| e.0) {
                Ok(at) => {
                    list[at].1 = options;
                    true
                }
                Err(at) => {
                    if list.len() < LISTED_MAX {
                        list.insert(at, (subscriber, options));
                    } else {
                        let mut tree: BTreeMap<_, _> = list.drain(..).collect();
                        tree.insert(subscriber, options);
                        *self = Self::Many(tree);
                    }
                    false
                }
            },
            Self::Many(tree) => tree.insert(subscriber, options).is_some(),
        }
    }

    /// `true` when it was there.
    pub(crate) fn remove(&mut self, subscriber: SubscriberId) -> bool {
        match self {
            Self::Few(list) => {
                let found = list.binary_search_by_key(&subscriber, |e| e.0);
                if let Ok(at) = found {
                    list.remove(at);
                }
                found.is_ok()
            }
            Self::Many(tree) => {
                let was = tree.remove(&subscriber).is_some();
                // Half the limit, so that one client that comes and goes does not convert each time.
                if tree.len() <= LISTED_MAX / 2 {
                    *self = Self::Few(std::mem::take(tree).into_iter().collect());
                }
                was
            }
        }
    }

    pub(crate) fn get(&self, subscriber: SubscriberId) -> Option<Packed> {
        match self {
            Self::Few(list) => list.binary_search_by_key(&subscriber, |e| e.0).ok().map(|at| list[at].1),
            Self::Many(tree) => tree.get(&subscriber).copied(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Few(list) => list.is_empty(),
            Self::Many(tree) => tree.is_empty(),
        }
    }

    /// Appends all to `hits`, in order.
    pub(crate) fn collect_into(&self, hits: &mut Hits) {
        match self {
            Self::Few(list) => hits.extend_from_slice(list),
            Self::Many(tree) => hits.extend(tree.iter().map(|(s, o)| (*s, *o))),
        }
    }
}

/// Direct subscriptions that match.
pub(crate) type Hits = SmallVec<[Entry; 16]>;

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Packed = Packed { id: None, qos: Qos::AtMostOnce, no_local: false, retain_as_published: false };

    #[test]
    fn an_entry_is_sixteen_bytes() {
        assert_eq!(size_of::<Entry>(), 16);
    }

    #[test]
    fn many_subscribers_come_back_to_a_list() {
        let mut all = Subscribers::default();
        for n in (0..100).rev() {
            assert!(!all.insert(SubscriberId(n), OPTIONS));
        }
        assert!(matches!(all, Subscribers::Many(_)));
        assert!(all.insert(SubscriberId(50), OPTIONS));
        let mut hits = Hits::new();
        all.collect_into(&mut hits);
        assert!(hits.iter().map(|h| h.0.0).eq(0..100));
        for n in 0..100 {
            assert!(all.remove(SubscriberId(n)));
            assert!(!all.remove(SubscriberId(n)));
            assert_eq!(all.get(SubscriberId(n)), None);
        }
        assert!(all.is_empty() && matches!(all, Subscribers::Few(_)));
    }
}
