//! Why bytes are no packet.

use crate::ReasonCode;

/// What is wrong, in words for the log and the reason string. Holds nothing that the peer sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant is its message")]
pub enum Malformation {
    #[error("the packet ends within a field")]
    Truncated,
    #[error("bytes follow the last field")]
    TrailingBytes,
    #[error("a variable byte integer is longer than four bytes or than it needs to be")]
    VariableByteInteger,
    #[error("a text is not UTF-8, or holds U+0000")]
    Text,
    #[error("the packet type is reserved")]
    PacketType,
    #[error("the flags of the fixed header are wrong for the packet")]
    FixedHeaderFlags,
    #[error("the connect flags contradict each other")]
    ConnectFlags,
    #[error("QoS 3 does not exist")]
    Qos,
    #[error("DUP is set at QoS 0")]
    DupAtQos0,
    #[error("the packet identifier is 0")]
    PacketId,
    #[error("a topic name holds a wildcard or is empty")]
    TopicName,
    #[error("a topic filter is malformed")]
    TopicFilter,
    #[error("reserved bits of the subscription options are set")]
    SubscriptionOptions,
    #[error("No Local is set on a shared subscription")]
    NoLocalShared,
    #[error("there is no topic filter")]
    NoFilters,
    #[error("a property does not exist or is not allowed in this packet")]
    Property,
    #[error("a property that may come once comes twice")]
    DuplicateProperty,
    #[error("a property has a value that it may not have")]
    PropertyValue,
    #[error("the reason code does not exist or is not allowed in this packet")]
    ReasonCode,
    #[error("authentication data without an authentication method")]
    AuthenticationData,
    #[error("the acknowledge flags are wrong")]
    AcknowledgeFlags,
    #[error("the payload is not the UTF-8 that it is said to be")]
    PayloadFormat,
}

/// Why bytes are no packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// Cannot be parsed.
    #[error("malformed packet: {0}")]
    Malformed(Malformation),
    /// Can be parsed and is forbidden.
    #[error("protocol error: {0}")]
    Protocol(Malformation),
    /// Another protocol, or a version that does not exist.
    #[error("the protocol name or level is not that of MQTT 3.1, 3.1.1 or 5")]
    Version,
    /// Larger than the receiver takes.
    #[error("the packet has more than {most} bytes")]
    TooLarge {
        /// The limit, bytes with the fixed header.
        most: usize,
    },
    /// The first packet must be CONNECT, and no other may be.
    #[error("CONNECT must come first and once")]
    UnexpectedPacket,
}

impl DecodeError {
    /// The code to close with in MQTT 5.
    #[must_use]
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::Malformed(_) => ReasonCode::MalformedPacket,
            Self::Protocol(Malformation::PayloadFormat) => ReasonCode::PayloadFormatInvalid,
            Self::Protocol(_) | Self::UnexpectedPacket => ReasonCode::ProtocolError,
            Self::Version => ReasonCode::UnsupportedProtocolVersion,
            Self::TooLarge { .. } => ReasonCode::PacketTooLarge,
        }
    }
}

pub(crate) fn malformed<T>(what: Malformation) -> Result<T, DecodeError> {
    Err(DecodeError::Malformed(what))
}

pub(crate) fn protocol<T>(what: Malformation) -> Result<T, DecodeError> {
    Err(DecodeError::Protocol(what))
}
