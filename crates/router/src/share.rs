//! Shared subscriptions: a group whose members take turns. [MQTT-4.8.2]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::RwLock;
use sluice_model::TopicFilter;

use crate::{
    SubscriberId, SubscriptionOptions,
    subscribers::{Hits, Packed, Subscribers},
};

/// A member of a group and the options of its subscription.
pub type Member = (SubscriberId, SubscriptionOptions);

/// The subscribers of one `$share/{name}/{filter}` in one instance: each message goes to one of them.
///
/// It is in the index as long as it has a member. Whoever holds it longer sees it empty; a group that is formed anew
/// under the same filter is another one.
#[derive(Debug)]
pub struct ShareGroup {
    filter: TopicFilter,
    members: RwLock<Members>,
    /// Counts messages; its remainder by the number of members says whose turn it is.
    next: AtomicUsize,
}

#[derive(Debug, Default)]
struct Members {
    held: Subscribers,
    /// What a message looks at: made by the first one after a change, so that many who come without a message between
    /// them cost no copy each.
    snapshot: Option<Arc<[Member]>>,
}

impl ShareGroup {
    pub(crate) fn new(filter: TopicFilter) -> Self {
        Self { filter, members: RwLock::default(), next: AtomicUsize::new(0) }
    }

    /// The share name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.filter.share().expect("only the filter of a shared subscription makes a group")
    }

    /// The whole filter, `$share/{name}/` included.
    #[must_use]
    pub fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    /// The members of this moment, in the order of their numbers. Cost: a counter, and one copy after a change.
    #[must_use]
    pub fn members(&self) -> Arc<[Member]> {
        if let Some(snapshot) = &self.members.read().snapshot {
            return Arc::clone(snapshot);
        }
        let mut members = self.members.write();
        let Members { held, snapshot } = &mut *members;
        let snapshot = snapshot.get_or_insert_with(|| {
            let mut hits = Hits::new();
            held.collect_into(&mut hits);
            hits.into_iter().map(|(subscriber, options)| (subscriber, options.into())).collect()
        });
        Arc::clone(snapshot)
    }

    /// The members of this moment, each once, beginning with the one whose turn it is; the turn passes on. No lock is
    /// held while the caller looks at them, and nothing is allocated unless the members changed.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        let members = self.members();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let first = turn.checked_rem(members.len()).unwrap_or(0);
        Rotation { members, first, given: 0 }
    }

    /// Enters a member or replaces its options; `true` when it replaced.
    pub(crate) fn insert(&self, subscriber: SubscriberId, options: Packed) -> bool {
        let mut members = self.members.write();
        members.snapshot = None;
        members.held.insert(subscriber, options)
    }

    /// `true` when it was a member.
    pub(crate) fn remove(&self, subscriber: SubscriberId) -> bool {
        let mut members = self.members.write();
        members.snapshot = None;
        members.held.remove(subscriber)
    }

    pub(crate) fn get(&self, subscriber: SubscriberId) -> Option<Packed> {
        self.members.read().held.get(subscriber)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.read().held.is_empty()
    }
}

/// The members of a group for one message, from [`ShareGroup::rotation`].
#[derive(Debug)]
pub struct Rotation {
    members: Arc<[Member]>,
    first: usize,
    given: usize,
}

impl Iterator for Rotation {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        if self.given == self.members.len() {
            return None;
        }
        // Neither is beyond the length, so that one subtraction wraps.
        let at = self.first + self.given;
        self.given += 1;
        Some(self.members[at.checked_sub(self.members.len()).unwrap_or(at)])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.members.len() - self.given;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Rotation {}

#[cfg(test)]
mod tests {
    use sluice_model::Qos;

    use super::*;

    const OPTIONS: Packed = Packed { id: None, qos: Qos::AtMostOnce, no_local: false, retain_as_published: false };

    fn group(members: u64) -> ShareGroup {
        let group = ShareGroup::new("$share/g/a/+".parse().unwrap());
        for n in 0..members {
            assert!(!group.insert(SubscriberId(n), OPTIONS));
        }
        group
    }

    fn turn(group: &ShareGroup) -> Vec<u64> {
        group.rotation().map(|(subscriber, _)| subscriber.0).collect()
    }

    #[test]
    fn members_take_turns() {
        let group = group(3);
        assert_eq!((group.name(), group.filter().plain()), ("g", "a/+"));
        assert_eq!([turn(&group), turn(&group), turn(&group)], [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
        assert_eq!(group.rotation().len(), 3);
        assert!(group.remove(SubscriberId(1)));
        assert_eq!([turn(&group), turn(&group)], [[0, 2], [2, 0]]);
    }

    #[test]
    fn a_group_without_members_gives_nobody() {
        let group = group(0);
        assert!(turn(&group).is_empty());
        assert!(group.members().is_empty());
    }

    #[test]
    fn each_of_many_members_gets_its_share_from_publishers_on_several_threads() {
        let group = group(50);
        let mut got = vec![0; 50];
        std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1_000).map(|_| group.rotation().next().unwrap().0.0).collect::<Vec<_>>()))
                .collect();
            for publisher in publishers {
                for subscriber in publisher.join().unwrap() {
                    got[usize::try_from(subscriber).unwrap()] += 1;
                }
            }
        });
        assert_eq!(got, vec![80; 50]);
    }

    #[test]
    fn messages_between_two_changes_look_at_the_same_members() {
        let group = group(40);
        assert!(Arc::ptr_eq(&group.members(), &group.members()));
        let held = group.members();
        assert!(group.remove(SubscriberId(0)));
        assert_eq!((held.len(), group.members().len()), (40, 39));
    }
}
