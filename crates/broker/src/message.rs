//! A message on its way to receivers.

use sluice_codec::{Delivery, PublishFrame, Version};
use sluice_model::{Qos, UnixMs};
use sluice_router::SubscriberId;

/// A message that was permitted, once for all receivers.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) frame: PublishFrame,
    pub(crate) qos: Qos,
    /// When it was accepted; what it has waited is taken from its expiry.
    pub(crate) accepted: UnixMs,
    /// The connection that published it; none for SendMessage.
    pub(crate) publisher: Option<SubscriberId>,
    /// What it takes while it waits, bytes: topic and properties too, which may be as large as a packet.
    pub(crate) bytes: usize,
}

impl Message {
    pub(crate) fn new(frame: PublishFrame, qos: Qos, accepted: UnixMs, publisher: Option<SubscriberId>) -> Self {
        let delivery = Delivery { qos, packet_id: None, dup: false, retain: false, identifiers: &[], waited_s: 0 };
        let bytes = frame.length(Version::V5, &delivery);
        Self { frame, qos, accepted, publisher, bytes }
    }

    /// Whole seconds since it was accepted.
    pub(crate) fn waited_s(&self, now: UnixMs) -> u32 {
        u32::try_from(now.0.saturating_sub(self.accepted.0) / 1000).unwrap_or(0)
    }

    /// Whether its time is over. [MQTT-3.3.2-5]
    pub(crate) fn is_expired(&self, now: UnixMs) -> bool {
        self.frame.expiry().is_some_and(|seconds| self.waited_s(now) >= seconds && seconds > 0)
    }
}
