//! UNSUBACK. Source: MQTT 5.0 section 3.11; in MQTT 3 it has no codes.

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

/// The answer to UNSUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnsubAck {
    /// As in UNSUBSCRIBE.
    pub packet_id: u16,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
    /// In the order of the filters; empty in MQTT 3.
    pub reasons: Vec<ReasonCode>,
}

impl UnsubAck {
    pub(crate) fn read(mut reader: Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        if !version.is_v5() {
            reader.end()?;
            return Ok(Self { packet_id, properties: None, reasons: Vec::new() });
        }
        let properties = Properties::read_boxed(&mut reader, Place::Ack)?;
        let mut reasons = Vec::with_capacity(reader.0.len());
        while !reader.is_empty() {
            reasons.push(read_reason(&mut reader, CodesOf::UnsubAck)?);
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
            for reason in &self.reasons {
                out.put_u8(reason.byte());
            }
        }
    }
}
