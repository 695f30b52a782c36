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

/// What a packet asks of the broker. `H` is what it keeps with a message in flight.
#[derive(Debug)]
pub enum Input<H> {
    /// To be permitted and routed, then answered with [`Session::publish_reply`](crate::Session::publish_reply).
    Publish(Incoming),
    /// To be permitted and entered, then answered with a SUBACK.
    Subscribe(Subscribe),
    /// To be taken away, then answered with an UNSUBACK.
    Unsubscribe(Unsubscribe),
    /// To be written as it is.
    Reply(Packet),
    /// A QoS 2 message that is known comes again: the PUBREC is to be written once the identifier is remembered for good.
    Again {
        /// Its identifier.
        id: u16,
        /// PUBREC.
        reply: Packet,
    },
    /// PUBREL: the PUBCOMP is to be written once the identifier is free for good. [MQTT-4.3.3-12]
    Released {
        /// Its identifier.
        id: u16,
        /// PUBCOMP.
        reply: Packet,
    },
    /// PUBREC: the message is with the client; the PUBREL is to be written once that is known for good. [MQTT-4.3.3-6]
    Received {
        /// Its identifier.
        id: u16,
        /// What was kept with it, the first time.
        held: Option<Box<H>>,
        /// PUBREL.
        reply: Packet,
    },
    /// A message is over, and the window has room again: what waits may be delivered.
    Acknowledged {
        /// Its identifier.
        id: u16,
        /// What was kept with it; nothing where PUBREC came before.
        held: Option<Box<H>>,
    },
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
    /// Whether the peer kept to the protocol, and asked for more than the instance serves.
    #[must_use]
    pub fn is_of_limit(&self) -> bool {
        use ReasonCode::{PacketTooLarge, RetainNotSupported, TopicNameInvalid};
        matches!(self.reason, PacketTooLarge | RetainNotSupported | TopicNameInvalid)
    }

    pub(crate) fn protocol(why: &'static str) -> Self {
        Self { reason: ReasonCode::ProtocolError, why }
    }
}
