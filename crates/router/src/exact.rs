//! Filters without a wildcard: one hash lookup a message.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{Hash, Hasher},
};

use sluice_model::TopicFilter;

use crate::interest::{Found, Interest};

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

/// Exact filters and who has them; none is empty.
#[derive(Debug, Default)]
pub(crate) struct ExactTable(HashMap<ByText, Interest, ahash::RandomState>);

impl ExactTable {
    /// Who has `filter`, and the filter as first entered, so that its text is held once.
    pub(crate) fn entry(&mut self, filter: &TopicFilter) -> (&mut Interest, TopicFilter) {
        let mut interned = filter.clone();
        if let Some((known, _)) = self.0.get_key_value(filter.plain()) {
            if known.0.share() == filter.share() {
                interned = known.0.clone();
            } else if filter.share().is_none()
                && let Some(interest) = self.0.remove(filter.plain())
            {
                // A group came first. From now on the direct subscribers have one text, and it is the key.
                self.0.insert(ByText(filter.clone()), interest);
            }
        }
        (self.0.entry(ByText(interned.clone())).or_default(), interned)
    }

    pub(crate) fn get(&self, filter: &TopicFilter) -> Option<&Interest> {
        self.0.get(filter.plain())
    }

    /// Runs `change` on who has `filter` and drops the entry when nobody is left.
    pub(crate) fn change<R>(
        &mut self,
        filter: &TopicFilter,
        change: impl FnOnce(&mut Interest) -> Option<R>,
    ) -> Option<R> {
        let interest = self.0.get_mut(filter.plain())?;
        let changed = change(interest);
        if interest.is_empty() {
            self.0.remove(filter.plain());
        }
        changed
    }

    pub(crate) fn collect_into(&self, topic: &str, found: &mut Found) {
        if let Some(interest) = self.0.get(topic) {
            interest.collect_into(found);
        }
    }

    /// Entries held, for the tests of pruning.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
