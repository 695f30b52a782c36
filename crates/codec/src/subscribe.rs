//! SUBSCRIBE. Source: MQTT 5.0 section 3.8.

use bytes::{BufMut, BytesMut};
use sluice_model::{Qos, TopicFilter};

use crate::{
    DecodeError, Properties, Version,
    connect::write_properties,
    error::{Malformation, malformed, protocol},
    property_table::Place,
    wire::{Reader, Write},
};

/// Whether retained messages are sent at SUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// At each SUBSCRIBE.
    #[default]
    Send = 0,
    /// Only when the subscription is new.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// What a subscription asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterOptions {
    /// The most that is delivered.
    pub qos: Qos,
    /// Not one's own messages. MQTT 5.
    pub no_local: bool,
    /// The retain flag as published. MQTT 5.
    pub retain_as_published: bool,
    /// MQTT 5.
    pub retain_handling: RetainHandling,
}

impl FilterOptions {
    /// A QoS and nothing else.
    #[must_use]
    pub fn of(qos: Qos) -> Self {
        Self { qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Send }
    }

    fn read(byte: u8, version: Version) -> Result<Self, DecodeError> {
        let Some(qos) = Qos::from_bits(byte & 0b11) else { return malformed(Malformation::Qos) };
        if !version.is_v5() {
            return if byte & !0b11 == 0 { Ok(Self::of(qos)) } else { malformed(Malformation::SubscriptionOptions) };
        }
        let retain_handling = match byte >> 4 & 0b11 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return protocol(Malformation::SubscriptionOptions),
        };
        if byte & 0b1100_0000 != 0 {
            return malformed(Malformation::SubscriptionOptions);
        }
        Ok(Self { qos, no_local: byte & 0b100 != 0, retain_as_published: byte & 0b1000 != 0, retain_handling })
    }

    fn byte(self) -> u8 {
        self.qos.bits()
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | (self.retain_handling as u8) << 4
    }
}

/// Asks for messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscribe {
    /// Never 0.
    pub packet_id: u16,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
    /// At least one.
    pub filters: Vec<(TopicFilter, FilterOptions)>,
}

impl Subscribe {
    /// The identifier that messages of these filters carry.
    #[must_use]
    pub fn identifier(&self) -> Option<u32> {
        self.properties.as_ref().and_then(|properties| properties.subscription_identifiers.first().copied())
    }

    pub(crate) fn read(mut reader: Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        let properties = if version.is_v5() { Properties::read_boxed(&mut reader, Place::Subscribe)? } else { None };
        let mut filters = Vec::with_capacity(1);
        while !reader.is_empty() {
            let filter = read_filter(&mut reader)?;
            let options = FilterOptions::read(reader.u8()?, version)?;
            // [MQTT-3.8.3-4]
            if options.no_local && filter.share().is_some() {
                return protocol(Malformation::NoLocalShared);
            }
            filters.push((filter, options));
        }
        if filters.is_empty() { protocol(Malformation::NoFilters) } else { Ok(Self { packet_id, properties, filters }) }
    }

    pub(crate) fn write(&self, version: Version, out: &mut BytesMut) {
        out.put_u16(self.packet_id);
        if version.is_v5() {
            write_properties(self.properties.as_deref(), out);
        }
        for (filter, options) in &self.filters {
            out.put_text(filter.as_str());
            out.put_u8(if version.is_v5() { options.byte() } else { options.qos.bits() });
        }
    }
}

pub(crate) fn read_filter(reader: &mut Reader<'_>) -> Result<TopicFilter, DecodeError> {
    reader.text()?.parse().map_err(|_| DecodeError::Malformed(Malformation::TopicFilter))
}
