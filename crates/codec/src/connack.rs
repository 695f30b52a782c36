//! CONNACK. Source: MQTT 5.0 section 3.2; MQTT 3.1.1 section 3.2.

use bytes::{BufMut, BytesMut};

use crate::{
    DecodeError, Properties, ReasonCode, Version,
    connect::write_properties,
    error::{Malformation, malformed, protocol},
    property_table::Place,
    reason::CodesOf,
    wire::Reader,
};

/// The return codes of MQTT 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ConnectReturnCode {
    /// Accepted.
    Accepted = 0,
    /// Unacceptable protocol version.
    UnacceptableProtocolVersion = 1,
    /// Identifier rejected.
    IdentifierRejected = 2,
    /// Server unavailable.
    ServerUnavailable = 3,
    /// Bad user name or password.
    BadUserNameOrPassword = 4,
    /// Not authorized.
    NotAuthorized = 5,
}

impl ConnectReturnCode {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Accepted,
            Self::UnacceptableProtocolVersion,
            Self::IdentifierRejected,
            Self::ServerUnavailable,
            Self::BadUserNameOrPassword,
            Self::NotAuthorized,
        ]
        .get(usize::from(byte))
        .copied()
    }

    /// What MQTT 3 says where MQTT 5 says `reason`.
    #[must_use]
    pub fn of(reason: ReasonCode) -> Self {
        match reason {
            ReasonCode::Success => Self::Accepted,
            ReasonCode::UnsupportedProtocolVersion => Self::UnacceptableProtocolVersion,
            ReasonCode::ClientIdentifierNotValid => Self::IdentifierRejected,
            ReasonCode::BadUserNameOrPassword | ReasonCode::BadAuthenticationMethod => Self::BadUserNameOrPassword,
            ReasonCode::NotAuthorized | ReasonCode::Banned => Self::NotAuthorized,
            _ => Self::ServerUnavailable,
        }
    }

    /// What MQTT 5 says for this code.
    #[must_use]
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::Accepted => ReasonCode::Success,
            Self::UnacceptableProtocolVersion => ReasonCode::UnsupportedProtocolVersion,
            Self::IdentifierRejected => ReasonCode::ClientIdentifierNotValid,
            Self::ServerUnavailable => ReasonCode::ServerUnavailable,
            Self::BadUserNameOrPassword => ReasonCode::BadUserNameOrPassword,
            Self::NotAuthorized => ReasonCode::NotAuthorized,
        }
    }
}

/// The answer to CONNECT. MQTT 3 has six codes: on its wire a reason becomes the nearest, see [`ConnectReturnCode::of`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnAck {
    /// Whether a stored session was resumed.
    pub session_present: bool,
    /// The answer.
    pub reason: ReasonCode,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
}

impl ConnAck {
    pub(crate) fn read(mut reader: Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let session_present = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return malformed(Malformation::AcknowledgeFlags),
        };
        let byte = reader.u8()?;
        let reason = if version.is_v5() {
            ReasonCode::from_byte(byte).filter(|code| CodesOf::ConnAck.may_be(*code))
        } else {
            ConnectReturnCode::from_byte(byte).map(ConnectReturnCode::reason)
        };
        let Some(reason) = reason else { return malformed(Malformation::ReasonCode) };
        let properties = if version.is_v5() { Properties::read_boxed(&mut reader, Place::ConnAck)? } else { None };
        reader.end()?;
        if session_present && reason != ReasonCode::Success {
            return protocol(Malformation::AcknowledgeFlags);
        }
        Ok(Self { session_present, reason, properties })
    }

    pub(crate) fn write(&self, version: Version, out: &mut BytesMut) {
        out.put_u8(u8::from(self.session_present));
        if version.is_v5() {
            out.put_u8(self.reason.byte());
            write_properties(self.properties.as_deref(), out);
        } else {
            out.put_u8(ConnectReturnCode::of(self.reason) as u8);
        }
    }
}
