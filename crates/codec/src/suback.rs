//! SUBACK. Source: MQTT 5.0 section 3.9; MQTT 3.1.1 section 3.9.

use bytes::{BufMut, BytesMut};

use crate::{
    DecodeError, Properties, ReasonCode, Version,
    ack::read_reason,
    connect::write_properties,
    error::{Malformation, malformed},
    property_table::Place,
    reason::CodesOf,
    wire::Reader,
};

/// The answer to SUBSCRIBE, a code a filter. On the wire of MQTT 3 every failure is 0x80.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubAck {
    /// As in SUBSCRIBE.
    pub packet_id: u16,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
    /// In the order of the filters.
    pub reasons: Vec<ReasonCode>,
}

impl SubAck {
    pub(crate) fn read(mut reader: Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        let properties = if version.is_v5() { Properties::read_boxed(&mut reader, Place::Ack)? } else { None };
        let mut reasons = Vec::with_capacity(reader.0.len());
        while !reader.is_empty() {
            let reason = read_reason(&mut reader, CodesOf::SubAck)?;
            if !version.is_v5() && reason.is_failure() && reason != ReasonCode::UnspecifiedError {
                return malformed(Malformation::ReasonCode);
            }
            reasons.push(reason);
        }
        if reasons.is_empty() {
            malformed(Malformation::Truncated)
        } else {
            Ok(Self { packet_id, properties, reasons })
        }
    }

    pub(crate) fn write(&self, version: Version, out: &mut BytesMut) {
        out.put_u16(self.packet_id);
        if version.is_v5() {
            write_properties(self.properties.as_deref(), out);
        }
        for reason in &self.reasons {
            let on_wire = if version.is_v5() || !reason.is_failure() { *reason } else { ReasonCode::UnspecifiedError };
            out.put_u8(on_wire.byte());
        }
    }
}
