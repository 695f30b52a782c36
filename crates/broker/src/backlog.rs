//! What waits for a member of a shared subscription, when none is there that takes it.

use std::{collections::VecDeque, sync::Arc};

use ahash::AHashMap;
use sluice_model::{Limits, TopicFilter};
use sluice_router::SubscriberId;

use crate::message::Message;

/// A message that waits for a member.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) message: Arc<Message>,
    /// Members that may not have it: it does not wait for these.
    pub(crate) refused_by: Vec<SubscriberId>,
}

/// The backlogs of an instance's shared subscriptions. Bounded together, as one session's queue is.
#[derive(Debug, Default)]
pub(crate) struct Backlogs {
    by_filter: AHashMap<TopicFilter, VecDeque<Held>>,
    messages: usize,
    bytes: u64,
}

impl Backlogs {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_filter.is_empty()
    }

    /// Whether anything waits that a member has not refused.
    pub(crate) fn holds_for(&self, filter: &TopicFilter, member: SubscriberId) -> bool {
        let backlog = self.by_filter.get(filter);
        backlog.is_some_and(|backlog| backlog.iter().any(|held| !held.refused_by.contains(&member)))
    }

    /// Adds a message; gives back what was dropped for it: the oldest of the same filter, or itself.
    pub(crate) fn push(&mut self, filter: &TopicFilter, held: Held, limits: &Limits) -> Vec<Held> {
        let backlog = self.by_filter.entry(filter.clone()).or_default();
        self.messages += 1;
        self.bytes += size(&held);
        backlog.push_back(held);
        let messages_max = usize::try_from(limits.queue_messages_max).unwrap_or(usize::MAX);
        let mut dropped = Vec::new();
        while self.messages > messages_max || self.bytes > limits.queue_bytes_max {
            let Some(oldest) = backlog.pop_front() else { break };
            self.messages -= 1;
            self.bytes -= size(&oldest);
            dropped.push(oldest);
        }
        if backlog.is_empty() {
            self.by_filter.remove(filter);
        }
        dropped
    }

    /// Takes out what `is_over`, with its filters.
    pub(crate) fn take_over(&mut self, is_over: impl Fn(&Message) -> bool) -> Vec<(TopicFilter, Held)> {
        let mut over = Vec::new();
        for (filter, backlog) in &mut self.by_filter {
            if backlog.iter().any(|held| is_over(&held.message)) {
                let (gone, kept): (VecDeque<_>, VecDeque<_>) =
                    std::mem::take(backlog).into_iter().partition(|held| is_over(&held.message));
                *backlog = kept;
                over.extend(gone.into_iter().map(|held| (filter.clone(), held)));
            }
        }
        self.by_filter.retain(|_, backlog| !backlog.is_empty());
        self.messages -= over.len();
        self.bytes -= over.iter().map(|(_, held)| size(held)).sum::<u64>();
        over
    }

    /// Takes out what waits for a filter, in order.
    pub(crate) fn take(&mut self, filter: &TopicFilter) -> Option<VecDeque<Held>> {
        let backlog = self.by_filter.remove(filter)?;
        self.messages -= backlog.len();
        self.bytes -= backlog.iter().map(size).sum::<u64>();
        Some(backlog)
    }
}

fn size(held: &Held) -> u64 {
    u64::try_from(held.message.bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use sluice_model::{Compatibility, Edition, Qos};

    use super::*;
    use crate::outbox::tests::message;

    #[test]
    fn all_backlogs_of_an_instance_are_bounded_together() {
        let extended = Limits::of(Edition::Professional, Compatibility::Extended);
        let limits = Limits { queue_messages_max: 3, ..extended };
        let (one, two): (TopicFilter, TopicFilter) = ("$share/g/a".parse().unwrap(), "$share/h/a".parse().unwrap());
        let mut backlogs = Backlogs::default();
        let held = |payload| Held { message: message(Qos::AtLeastOnce, payload, 0), refused_by: vec![SubscriberId(7)] };
        let payloads = |taken: Option<VecDeque<Held>>| -> Vec<Vec<u8>> {
            taken.into_iter().flatten().map(|held| held.message.frame.payload().to_vec()).collect()
        };
        for n in ["1", "2", "3"] {
            assert!(backlogs.push(&one, held(n), &limits).is_empty());
        }
        // No room for another filter, and its own has nothing older.
        assert_eq!(backlogs.push(&two, held("4"), &limits).len(), 1);
        assert!(!backlogs.holds_for(&two, SubscriberId(1)));
        assert!(backlogs.holds_for(&one, SubscriberId(1)) && !backlogs.holds_for(&one, SubscriberId(7)));
        assert_eq!(backlogs.push(&one, held("5"), &limits).len(), 1);
        assert_eq!(payloads(backlogs.take(&one)), [b"2", b"3", b"5"]);
        assert!(backlogs.is_empty());
        assert_eq!((backlogs.messages, backlogs.bytes), (0, 0));
    }
}
