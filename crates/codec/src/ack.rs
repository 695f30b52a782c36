//! PUBACK, PUBREC, PUBREL and PUBCOMP, which have one form. Source: MQTT 5.0 sections 3.4 to 3.7.

use bytes::{BufMut, BytesMut};

use crate::{
    DecodeError, Properties, ReasonCode, Version,
    error::{Malformation, malformed},
    property_table::Place,
    reason::CodesOf,
    wire::Reader,
};

/// Acknowledges a packet identifier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ack {
    /// Never 0.
    pub packet_id: u16,
    /// [`ReasonCode::Success`] in MQTT 3.
    pub reason: ReasonCode,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
}

impl Ack {
    /// A success.
    #[must_use]
    pub fn success(packet_id: u16) -> Self {
        Self { packet_id, reason: ReasonCode::Success, properties: None }
    }

    pub(crate) fn read(mut reader: Reader<'_>, version: Version, codes: CodesOf) -> Result<Self, DecodeError> {
        let mut ack = Self::success(reader.packet_id()?);
        // The reason and the properties may be left out from the end. [MQTT5 3.4.2.1]
        if version.is_v5() && !reader.is_empty() {
            ack.reason = read_reason(&mut reader, codes)?;
            if !reader.is_empty() {
                ack.properties = Properties::read_boxed(&mut reader, Place::Ack)?;
            }
        }
        reader.end()?;
        Ok(ack)
    }

    /// Whether the packet identifier is all that is written. [MQTT5 3.4.2.1]
    pub(crate) fn is_short(&self, version: Version) -> bool {
        !version.is_v5() || (self.reason == ReasonCode::Success && self.properties.is_none())
    }

    pub(crate) fn write(&self, version: Version, out: &mut BytesMut) {
        out.put_u16(self.packet_id);
        if self.is_short(version) {
            return;
        }
        out.put_u8(self.reason.byte());
        if let Some(properties) = &self.properties {
            properties.write(out);
        }
    }
}

/// A reason code that the packet may carry.
pub(crate) fn read_reason(reader: &mut Reader<'_>, codes: CodesOf) -> Result<ReasonCode, DecodeError> {
    match ReasonCode::from_byte(reader.u8()?).filter(|code| codes.may_be(*code)) {
        Some(reason) => Ok(reason),
        None => malformed(Malformation::ReasonCode),
    }
}
