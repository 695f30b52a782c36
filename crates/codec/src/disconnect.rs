//! DISCONNECT. Source: MQTT 5.0 section 3.14; in MQTT 3 it is empty and only the client sends it.

use bytes::{BufMut, BytesMut};

use crate::{
    DecodeError, Properties, ReasonCode, Version, ack::read_reason, property_table::Place, reason::CodesOf,
    wire::Reader,
};

/// The last packet of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disconnect {
    /// [`ReasonCode::Success`] is a normal disconnection.
    pub reason: ReasonCode,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
}

impl Disconnect {
    /// A reason without properties.
    #[must_use]
    pub fn of(reason: ReasonCode) -> Self {
        Self { reason, properties: None }
    }

    pub(crate) fn read(mut reader: Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let mut disconnect = Self::of(ReasonCode::Success);
        if version.is_v5() && !reader.is_empty() {
            disconnect.reason = read_reason(&mut reader, CodesOf::Disconnect)?;
            if !reader.is_empty() {
                disconnect.properties = Properties::read_boxed(&mut reader, Place::Disconnect)?;
            }
        }
        reader.end()?;
        Ok(disconnect)
    }

    pub(crate) fn write(&self, version: Version, out: &mut BytesMut) {
        if !version.is_v5() || (self.reason == ReasonCode::Success && self.properties.is_none()) {
            return;
        }
        out.put_u8(self.reason.byte());
        if let Some(properties) = &self.properties {
            properties.write(out);
        }
    }
}
