//! PUBLISH. Source: MQTT 5.0 section 3.3.

use bytes::{BufMut, Bytes, BytesMut};
use sluice_model::{Qos, TopicName};

use crate::{
    DecodeError, Properties, Version,
    error::{Malformation, malformed, protocol},
    property_table::Place,
    wire::{Reader, Write, owned},
};

/// A message on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publish {
    /// Sent before; at QoS 1 and 2 only.
    pub dup: bool,
    /// How it is delivered.
    pub qos: Qos,
    /// Kept for later subscribers.
    pub retain: bool,
    /// `None` when an alias stands for it.
    pub topic: Option<TopicName>,
    /// At QoS 1 and 2, never 0.
    pub packet_id: Option<u16>,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
    /// The application's bytes.
    pub payload: Bytes,
}

impl Publish {
    /// Whether an alias stands for the topic or names it from now on.
    #[must_use]
    pub fn topic_alias(&self) -> Option<u16> {
        self.properties.as_ref().and_then(|properties| properties.topic_alias)
    }

    pub(crate) fn read(flags: u8, mut reader: Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let Some(qos) = Qos::from_bits((flags >> 1) & 0b11) else { return malformed(Malformation::Qos) };
        let dup = flags & 0b1000 != 0;
        if dup && qos == Qos::AtMostOnce {
            return malformed(Malformation::DupAtQos0);
        }
        let name = reader.text()?;
        let topic = if name.is_empty() && version.is_v5() {
            None
        } else {
            Some(name.parse().map_err(|_| DecodeError::Malformed(Malformation::TopicName))?)
        };
        let packet_id = if qos == Qos::AtMostOnce { None } else { Some(reader.packet_id()?) };
        let properties = if version.is_v5() { Properties::read_boxed(&mut reader, Place::Publish)? } else { None };
        let publish = Self { dup, qos, retain: flags & 1 != 0, topic, packet_id, properties, payload: owned(reader.0) };
        if publish.topic.is_none() && publish.topic_alias().is_none() {
            return protocol(Malformation::TopicName);
        }
        let is_text =
            publish.properties.as_ref().is_some_and(|properties| properties.payload_format_utf8 == Some(true));
        if is_text && std::str::from_utf8(&publish.payload).is_err() {
            return protocol(Malformation::PayloadFormat);
        }
        Ok(publish)
    }

    pub(crate) fn flags(&self) -> u8 {
        u8::from(self.dup) << 3 | self.qos.bits() << 1 | u8::from(self.retain)
    }

    pub(crate) fn write(&self, version: Version, out: &mut BytesMut) {
        out.put_text(self.topic.as_ref().map_or("", TopicName::as_str));
        if let Some(id) = self.packet_id {
            out.put_u16(id);
        }
        if version.is_v5() {
            match &self.properties {
                Some(properties) => properties.write(out),
                None => out.put_u8(0),
            }
        }
        out.put_slice(&self.payload);
    }
}
