//! The versions of the protocol.

/// A version of MQTT, chosen by CONNECT for the whole connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    /// MQTT 3.1: `MQIsdp`, level 3.
    V3_1,
    /// MQTT 3.1.1: `MQTT`, level 4.
    V3_1_1,
    /// MQTT 5: `MQTT`, level 5.
    V5,
}

impl Version {
    /// The protocol level in CONNECT.
    #[must_use]
    pub fn level(self) -> u8 {
        match self {
            Self::V3_1 => 3,
            Self::V3_1_1 => 4,
            Self::V5 => 5,
        }
    }

    pub(crate) fn protocol_name(self) -> &'static str {
        match self {
            Self::V3_1 => "MQIsdp",
            Self::V3_1_1 | Self::V5 => "MQTT",
        }
    }

    /// Whether packets have properties and reason codes.
    #[must_use]
    pub fn is_v5(self) -> bool {
        self == Self::V5
    }
}
