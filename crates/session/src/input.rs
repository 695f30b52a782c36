//! What a packet asks of the broker.

use bytes::Bytes;
use sluice_codec::{Packet, Properties, ReasonCode, Subscribe, Unsubscribe};
use sluice_model::{Qos, TopicName};

/// A message that a client publishes, its alias resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Where.
    pub topic: TopicName,
    /// How.
    pub qos: Qos,
    /// Kept for later subscribers.
    pub retain: bool,
    /// At QoS 1 and 2.
    pub packet_id: Option<u16>,
    /// MQTT 5.
    pub properties: Option<Box<Properties>>,
    /// What.
    pub payload: Bytes,
}

/// What a packet asks of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// To be permitted and routed, then answered with [`Session::publish_reply`](crate::Session::publish_reply).
    Publish(Incoming),
    /// To be permitted and entered, then answered with a SUBACK.
    Subscribe(Subscribe),
    /// To be taken away, then answered with an UNSUBACK.
    Unsubscribe(Unsubscribe),
    /// To be written as it is.
    Reply(Packet),
    /// The window has room again: what waits may be delivered.
    Acknowledged,
    /// The client leaves.
    Disconnect {
        /// It asks for its will to be published. [MQTT5 3.14.2.1]
        with_will: bool,
    },
}

/// Why a connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Violation {
    /// The code of MQTT 5; MQTT 3 just closes.
    pub reason: ReasonCode,
    /// For the log and the reason string.
    pub why: &'static str,
}

impl Violation {
    pub(crate) fn protocol(why: &'static str) -> Self {
        Self { reason: ReasonCode::ProtocolError, why }
    }
}
