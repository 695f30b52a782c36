//! Filters without a wildcard: one hash lookup a message.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{Hash, Hasher},
};

use sluice_model::TopicFilter;

use crate::subscribers::{Hits, Subscribers};

/// A filter found by the text of a topic.
#[derive(Debug)]
struct ByText(TopicFilter);

impl Borrow<str> for ByText {
    fn borrow(&self) -> &str {
        self.0.plain()
    }
}
impl PartialEq for ByText {
    fn eq(&self, other: &Self) -> bool {
        self.0.plain() == other.0.plain()
    }
}
impl Eq for ByText {}
impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.plain().hash(state);
    }
}

/// Exact filters and their subscribers; none is empty.
#[derive(Debug, Default)]
pub(crate) struct ExactTable(HashMap<ByText, Subscribers, ahash::RandomState>);

impl ExactTable {
    /// The subscribers of `filter`, and the filter as first entered, so that its text is held once.
    pub(crate) fn entry(&mut self, filter: &TopicFilter) -> (&mut Subscribers, TopicFilter) {
        let interned =
            self.0.get_key_value(filter.plain()).map_or_else(|| filter.clone(), |(known, _)| known.0.clone());
        (self.0.entry(ByText(interned.clone())).or_default(), interned)
    }

    pub(crate) fn get(&self, filter: &TopicFilter) -> Option<&Subscribers> {
        self.0.get(filter.plain())
    }

    /// Runs `change` on the subscribers of `filter` and drops the entry when none are left.
    pub(crate) fn change(&mut self, filter: &TopicFilter, change: impl FnOnce(&mut Subscribers) -> bool) -> bool {
        let Some(subscribers) = self.0.get_mut(filter.plain()) else { return false };
        let changed = change(subscribers);
        if subscribers.is_empty() {
            self.0.remove(filter.plain());
        }
        changed
    }

    pub(crate) fn collect_into(&self, topic: &str, hits: &mut Hits) {
        if let Some(subscribers) = self.0.get(topic) {
            subscribers.collect_into(hits);
        }
    }

    /// Entries held, for the tests of pruning.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
