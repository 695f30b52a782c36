//! AUTH, MQTT 5 only. Source: MQTT 5.0 section 3.15.

use bytes::{BufMut, BytesMut};

use crate::{
    DecodeError, Properties, ReasonCode, ack::read_reason, property_table::Place, reason::CodesOf, wire::Reader,
};

/// A step of enhanced authentication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Auth {
    /// Success, continue or re-authenticate.
    pub reason: ReasonCode,
    /// Method and data.
    pub properties: Option<Box<Properties>>,
}

impl Auth {
    pub(crate) fn read(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let mut auth = Self { reason: ReasonCode::Success, properties: None };
        if !reader.is_empty() {
            auth.reason = read_reason(&mut reader, CodesOf::Auth)?;
            if !reader.is_empty() {
                auth.properties = Properties::read_boxed(&mut reader, Place::Auth)?;
            }
        }
        reader.end()?;
        Ok(auth)
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        if self.reason == ReasonCode::Success && self.properties.is_none() {
            return;
        }
        out.put_u8(self.reason.byte());
        if let Some(properties) = &self.properties {
            properties.write(out);
        }
    }
}
