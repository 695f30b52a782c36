//! A message on its way to receivers.

use std::sync::Arc;

use sluice_access::TopicAction;
use sluice_codec::{Delivery, PublishFrame, Version};
use sluice_model::{Qos, UnixMs};
use sluice_policy::{Caller, Grant};
use sluice_router::{ShareGroup, SubscriberId};
use smallvec::SmallVec;

/// Who published a message, and by which right: what is asked again when the message is replayed.
/// DESIGN section 2, What is stored remembers its publisher.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) caller: Caller,
    /// `mq:PUB` or `mq:SendMessage`.
    pub(crate) action: TopicAction,
    /// The session that published it; none for an operation.
    pub(crate) publisher: Option<SubscriberId>,
    /// A yes of the publisher's at that time: while it can be renewed, nothing of the publisher's rights has changed.
    pub(crate) grant: Grant,
}

/// A message that was permitted, once for all receivers.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) frame: PublishFrame,
    pub(crate) qos: Qos,
    /// The retain flag as published.
    pub(crate) retain: bool,
    /// When it was accepted, by the [steady time](sluice_access::Clock::steady); what it has waited is taken from its expiry.
    pub(crate) accepted: UnixMs,
    pub(crate) origin: Arc<Origin>,
    /// What it takes while it waits, bytes: topic and properties too, which may be as large as a packet.
    pub(crate) bytes: usize,
}

impl Message {
    pub(crate) fn new(frame: PublishFrame, qos: Qos, retain: bool, accepted: UnixMs, origin: Arc<Origin>) -> Self {
        let bytes = frame.length(Version::V5, &Delivery::of(qos));
        Self { frame, qos, retain, accepted, origin, bytes }
    }

    /// Milliseconds since it was accepted; `steady` is the present, here and below.
    pub(crate) fn age_ms(&self, steady: UnixMs) -> i64 {
        steady.0.saturating_sub(self.accepted.0)
    }

    /// Whole seconds since it was accepted.
    pub(crate) fn waited_s(&self, steady: UnixMs) -> u32 {
        u32::try_from(self.age_ms(steady) / 1000).unwrap_or(0)
    }

    /// Whether its time is over. An expiry of 0 leaves it the moment of its delivery. [MQTT-3.3.2-5]
    pub(crate) fn is_expired(&self, steady: UnixMs) -> bool {
        self.frame.expiry().is_some_and(|seconds| self.waited_s(steady) >= seconds.max(1))
    }
}

/// How a message came to its receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// By a subscription.
    Subscribed,
    /// By the client's name.
    PointToPoint,
    /// Kept, and sent because of a new subscription.
    Retained,
}

/// A message that matched, as the receiver asked for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) message: Arc<Message>,
    pub(crate) identifiers: SmallVec<[u32; 2]>,
    /// The shared subscription through which it came.
    pub(crate) share: Option<Arc<ShareGroup>>,
    /// The lower of published and granted.
    pub(crate) qos: Qos,
    pub(crate) way: Way,
    /// The retain flag to be written.
    pub(crate) retain: bool,
    /// Members of its shared subscription that may not have it; mostly none.
    pub(crate) refused_by: Vec<SubscriberId>,
}
