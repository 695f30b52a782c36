//! A message on its way to receivers.

use std::sync::{Arc, OnceLock};

use sluice_access::TopicAction;
use sluice_codec::{Delivery, PublishFrame, Version};
use sluice_model::{Limits, Qos, UnixMs};
use sluice_policy::{Caller, Grant};
use sluice_router::{ShareGroup, SubscriberId};
use sluice_store::log::{Receiver, StoredCaller, Way};
use smallvec::SmallVec;

use crate::journal::{self, Stored};

/// Who published a message, and by which right: what is asked again when the message is replayed.
/// DESIGN section 2, What is stored remembers its publisher.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) caller: Caller,
    /// `mq:PUB` or `mq:SendMessage`.
    pub(crate) action: TopicAction,
    /// The session that published it; none for an operation.
    pub(crate) publisher: Option<SubscriberId>,
    /// A yes of the publisher's at that time: while it can be renewed, nothing of the publisher's rights has changed. None of
    /// a message from before the start.
    pub(crate) grant: Option<Grant>,
    kept: OnceLock<Box<StoredCaller>>,
}

impl Origin {
    pub(crate) fn new(
        caller: Caller,
        action: TopicAction,
        publisher: Option<SubscriberId>,
        grant: Option<Grant>,
    ) -> Arc<Self> {
        Arc::new(Self { caller, action, publisher, grant, kept: OnceLock::new() })
    }

    /// The caller as it is stored with each message.
    pub(crate) fn kept(&self) -> &StoredCaller {
        self.kept.get_or_init(|| Box::new(journal::kept(&self.caller)))
    }

    pub(crate) fn is_sent_by_operation(&self) -> bool {
        self.action == TopicAction::Send
    }
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
    /// Its place in the log, if it has one.
    pub(crate) stored: Option<Box<Stored>>,
    /// What it takes while it waits, bytes: topic and properties too, which may be as large as a packet.
    pub(crate) bytes: usize,
}

impl Message {
    pub(crate) fn new(frame: PublishFrame, qos: Qos, retain: bool, accepted: UnixMs, origin: Arc<Origin>) -> Self {
        let bytes = frame.length(Version::V5, &Delivery::of(qos));
        Self { frame, qos, retain, accepted, origin, stored: None, bytes }
    }

    /// Milliseconds since it was accepted; `steady` is the present, here and below.
    pub(crate) fn age_ms(&self, steady: UnixMs) -> i64 {
        steady.0.saturating_sub(self.accepted.0)
    }

    /// Whole seconds since it was accepted.
    pub(crate) fn waited_s(&self, steady: UnixMs) -> u32 {
        u32::try_from(self.age_ms(steady) / 1000).unwrap_or(0)
    }

    /// Whether it has waited longer than the instance keeps messages for those who are away.
    pub(crate) fn has_waited_too_long(&self, limits: &Limits, now: UnixMs) -> bool {
        self.waited_s(now) > limits.offline_retention_s
    }

    /// Whether its time is over. An expiry of 0 leaves it the moment of its delivery. [MQTT-3.3.2-5]
    pub(crate) fn is_expired(&self, steady: UnixMs) -> bool {
        self.frame.expiry().is_some_and(|seconds| self.waited_s(steady) >= seconds.max(1))
    }
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

impl Waiting {
    /// A message for one receiver, as a match or the log says.
    pub(crate) fn new(message: Arc<Message>, share: Option<Arc<ShareGroup>>, receiver: &Receiver) -> Self {
        let Receiver { qos, retain, way, ref identifiers, .. } = *receiver;
        let identifiers = SmallVec::from_slice(identifiers);
        Self { message, identifiers, share, qos, way, retain, refused_by: Vec::new() }
    }

    /// What is needed to ask for a copy again.
    pub(crate) fn again(message: &Arc<Message>, qos: Qos, way: Way) -> Self {
        let (message, identifiers, refused_by) = (Arc::clone(message), SmallVec::new(), Vec::new());
        Self { message, identifiers, share: None, qos, way, retain: false, refused_by }
    }

    /// Whether it made room for newer messages of its instance. A retained one is sent because of its topic.
    pub(crate) fn is_given_up(&self) -> bool {
        self.way != Way::Retained && self.message.stored.as_ref().is_some_and(|stored| stored.is_given_up())
    }
}
