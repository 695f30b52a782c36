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

    /// Keeps a message in the place of the one before; an empty one takes it away. [MQTT-3.3.1-5] [MQTT-3.3.1-6]
    pub(crate) fn keep(&self, message: &Arc<Message>) {
        let topic = message.frame.topic();
        let mut kept = self.0.write();
        let before = if message.frame.payload().is_empty() {
            kept.tree.remove(topic.as_str())
        } else {
            kept.bytes += size(message);
            kept.tree.insert(topic.shared(), Arc::clone(message))
        };
        kept.bytes -= before.as_deref().map_or(0, size);
    }

    /// Takes a message away, if it is still the one that its topic has.
    pub(crate) fn forget(&self, message: &Arc<Message>) {
        let topic = message.frame.topic().as_str();
        let mut kept = self.0.write();
        if kept.tree.get(topic).is_some_and(|held| Arc::ptr_eq(held, message)) {
            kept.tree.remove(topic);
            kept.bytes -= size(message);
        }
    }

    /// The next messages that a filter matches, in the order of their topics, after `after`. What has expired is taken away.
    pub(crate) fn next(&self, filter: &TopicFilter, after: Option<&str>, now: UnixMs) -> Slice {
        let Matching { found, resume_after } = self.0.read().tree.matching(filter, after, SLICE);
        let (expired, messages): (Vec<_>, Vec<_>) =
            found.into_iter().map(|(_, message)| message).partition(|message| message.is_expired(now));
        expired.iter().for_each(|message| self.forget(message));
        Slice { messages, resume_after }
    }
}

/// A part of what a filter matches.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) messages: Vec<Arc<Message>>,
    /// Where to go on; `None` at the end.
    pub(crate) resume_after: Option<Arc<str>>,
}

fn size(message: &Message) -> u64 {
    u64::try_from(message.bytes).unwrap_or(u64::MAX)
}
