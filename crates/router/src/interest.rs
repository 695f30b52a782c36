//! Who has one filter: its direct subscribers, and the groups that share it.

use std::sync::Arc;

use sluice_model::TopicFilter;
use smallvec::SmallVec;

use crate::{
    SubscriberId,
    share::ShareGroup,
    subscribers::{Hits, Packed, Subscribers},
};

/// What a match found, before overlapping subscriptions are merged.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) hits: Hits,
    pub(crate) groups: SmallVec<[Arc<ShareGroup>; 4]>,
    /// Filters with direct subscribers. Those of one filter are in order, and each is there once.
    pub(crate) filters: usize,
    /// Whether a filter with a wildcard is among those that match.
    pub(crate) by_wildcard: bool,
}

/// Groups in the order of their names; few filters have any, so they are kept apart from the others.
#[derive(Debug, Default)]
struct Groups(Vec<Arc<ShareGroup>>);

/// Those who have one plain filter.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    direct: Subscribers,
    groups: Option<Box<Groups>>,
}

/// What entering a subscription did.
pub(crate) struct Entered {
    /// The filter as first entered, so that its text is held once.
    pub(crate) filter: TopicFilter,
    pub(crate) replaced: bool,
    /// Whether a match of this filter's topics finds something else now.
    pub(crate) changed_matches: bool,
}

/// What taking a subscription away did.
pub(crate) struct Left {
    /// Whether a match of this filter's topics finds something else now.
    pub(crate) changed_matches: bool,
}

impl Interest {
    pub(crate) fn enter(&mut self, subscriber: SubscriberId, filter: TopicFilter, options: Packed) -> Entered {
        let Some(name) = filter.share() else {
            let replaced = self.direct.insert(subscriber, options);
            return Entered { filter, replaced, changed_matches: true };
        };
        let groups = &mut self.groups.get_or_insert_default().0;
        match groups.binary_search_by(|group| group.name().cmp(name)) {
            Ok(at) => {
                let replaced = groups[at].insert(subscriber, options);
                Entered { filter: groups[at].filter().clone(), replaced, changed_matches: false }
            }
            Err(at) => {
                let group = ShareGroup::new(filter.clone());
                group.insert(subscriber, options);
                groups.insert(at, Arc::new(group));
                Entered { filter, replaced: false, changed_matches: true }
            }
        }
    }

    /// `None` when there was no such subscription. A group that is left empty is dropped.
    pub(crate) fn leave(&mut self, subscriber: SubscriberId, share: Option<&str>) -> Option<Left> {
        let Some(name) = share else {
            return self.direct.remove(subscriber).then_some(Left { changed_matches: true });
        };
        let groups = &mut self.groups.as_mut()?.0;
        let at = groups.binary_search_by(|group| group.name().cmp(name)).ok()?;
        if !groups[at].remove(subscriber) {
            return None;
        }
        let ended = groups[at].is_empty();
        if ended {
            groups.remove(at);
            if groups.is_empty() {
                self.groups = None;
            }
        }
        Some(Left { changed_matches: ended })
    }

    pub(crate) fn get(&self, subscriber: SubscriberId, share: Option<&str>) -> Option<Packed> {
        match share {
            None => self.direct.get(subscriber),
            Some(name) => self.group(name)?.get(subscriber),
        }
    }

    pub(crate) fn group(&self, name: &str) -> Option<&Arc<ShareGroup>> {
        let groups = &self.groups.as_ref()?.0;
        groups.binary_search_by(|group| group.name().cmp(name)).ok().map(|at| &groups[at])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.groups.is_none()
    }

    /// Appends all to `found`.
    pub(crate) fn collect_into(&self, found: &mut Found) {
        if !self.direct.is_empty() {
            found.filters += 1;
            self.direct.collect_into(&mut found.hits);
        }
        if let Some(groups) = &self.groups {
            found.groups.extend(groups.0.iter().map(Arc::clone));
        }
    }
}
