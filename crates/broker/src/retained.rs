//! Retained messages of one instance. Source: MQTT 5.0 section 3.3.1.3.

use std::sync::Arc;

use parking_lot::RwLock;
use sluice_model::{Limits, TopicFilter, UnixMs};
use sluice_router::{Matching, TopicTree};

use crate::message::Message;

/// Messages that a wide filter gets in one go, before others have their turn.
pub(crate) const SLICE: usize = 64;

#[derive(Debug, Default)]
struct Kept {
    tree: TopicTree<Arc<Message>>,
    bytes: u64,
    /// Up to where expired ones were taken out.
    tidied_to: Option<Arc<str>>,
}

/// The last retained message of each topic.
#[derive(Debug, Default)]
pub(crate) struct Retained(RwLock<Kept>);

impl Retained {
    /// Whether there is room for a message, in the place of the one that its topic has.
    pub(crate) fn has_room(&self, topic: &str, bytes: usize, limits: &Limits) -> bool {
        let kept = self.0.read();
        let (before, is_new) = kept.tree.get(topic).map_or((0, true), |old| (size(old), false));
        let messages = u32::try_from(kept.tree.len() + usize::from(is_new)).unwrap_or(u32::MAX);
        let bytes = kept.bytes - before + u64::try_from(bytes).unwrap_or(u64::MAX);
        messages <= limits.retained_messages_max && bytes <= limits.retained_bytes_max
    }

    /// Keeps a message in the place of the one before, which it gives back; an empty one takes it away. [MQTT-3.3.1-5]
    /// [MQTT-3.3.1-6]
    pub(crate) fn keep(&self, message: &Arc<Message>) -> Option<Arc<Message>> {
        let topic = message.frame.topic();
        let mut kept = self.0.write();
        let before = if message.frame.payload().is_empty() {
            kept.tree.remove(topic.as_str())
        } else {
            kept.bytes += size(message);
            kept.tree.insert(topic.shared(), Arc::clone(message))
        };
        kept.bytes -= before.as_deref().map_or(0, size);
        before
    }

    /// Takes a message away, if it is still the one that its topic has; whether it was.
    pub(crate) fn forget(&self, message: &Arc<Message>) -> bool {
        let topic = message.frame.topic().as_str();
        let mut kept = self.0.write();
        let is_kept = kept.tree.get(topic).is_some_and(|held| Arc::ptr_eq(held, message));
        if is_kept {
            kept.tree.remove(topic);
            kept.bytes -= size(message);
        }
        is_kept
    }

    /// Where the search for expired ones goes on.
    pub(crate) fn tidied_to(&self) -> Option<Arc<str>> {
        self.0.read().tidied_to.clone()
    }

    pub(crate) fn set_tidied_to(&self, tidied_to: Option<Arc<str>>) {
        self.0.write().tidied_to = tidied_to;
    }

    /// The next messages that a filter matches, in the order of their topics, after `after`. What has expired is not among
    /// them, and to be taken away.
    pub(crate) fn next(&self, filter: &TopicFilter, after: Option<&str>, steady: UnixMs) -> Slice {
        let Matching { found, resume_after } = self.0.read().tree.matching(filter, after, SLICE);
        let (expired, messages): (Vec<_>, Vec<_>) =
            found.into_iter().map(|(_, message)| message).partition(|message| message.is_expired(steady));
        Slice { messages, expired, resume_after }
    }
}

/// A part of what a filter matches.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) messages: Vec<Arc<Message>>,
    pub(crate) expired: Vec<Arc<Message>>,
    /// Where to go on; `None` at the end.
    pub(crate) resume_after: Option<Arc<str>>,
}

fn size(message: &Message) -> u64 {
    u64::try_from(message.bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use sluice_model::{Compatibility, Edition, Qos};

    use super::*;
    use crate::outbox::tests::message;

    fn limits(messages: u32, bytes: u64) -> Limits {
        let extended = Limits::of(Edition::Professional, Compatibility::Extended);
        Limits { retained_messages_max: messages, retained_bytes_max: bytes, ..extended }
    }

    #[test]
    fn a_topic_keeps_its_last_message_and_an_empty_one_takes_it_away_mqtt_3_3_1_5() {
        let retained = Retained::default();
        let filter: TopicFilter = "home/#".parse().unwrap();
        let payloads = |retained: &Retained| -> Vec<Vec<u8>> {
            let slice = retained.next(&filter, None, UnixMs(0));
            slice.messages.iter().map(|message| message.frame.payload().to_vec()).collect()
        };
        retained.keep(&message(Qos::AtLeastOnce, "first", 0));
        retained.keep(&message(Qos::AtLeastOnce, "second", 0));
        assert_eq!(payloads(&retained), [b"second"]);
        retained.keep(&message(Qos::AtLeastOnce, "", 0));
        assert!(payloads(&retained).is_empty());
        assert_eq!(retained.0.read().bytes, 0);
    }

    #[test]
    fn there_is_room_for_one_in_the_place_of_another_but_not_for_one_more() {
        let retained = Retained::default();
        let first = message(Qos::AtLeastOnce, "first", 0);
        assert!(retained.has_room("home/a", first.bytes, &limits(1, 1_000)));
        retained.keep(&first);
        assert!(retained.has_room("home/a", first.bytes, &limits(1, 1_000)));
        assert!(!retained.has_room("home/b", first.bytes, &limits(1, 1_000)));
        assert!(!retained.has_room("home/b", first.bytes, &limits(2, size(&first))));
        assert!(!retained.has_room("home/a", 2_000, &limits(1, 1_000)));
    }

    #[test]
    fn one_that_was_replaced_meanwhile_is_not_forgotten_in_the_place_of_its_successor() {
        let retained = Retained::default();
        let (first, second) = (message(Qos::AtLeastOnce, "first", 0), message(Qos::AtLeastOnce, "second", 0));
        retained.keep(&first);
        retained.keep(&second);
        retained.forget(&first);
        assert_eq!(retained.0.read().tree.len(), 1);
        retained.forget(&second);
        assert!(retained.0.read().tree.is_empty());
    }
}
