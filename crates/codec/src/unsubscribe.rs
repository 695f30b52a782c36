//! UNSUBSCRIBE. Source: MQTT 5.0 section 3.10.

use bytes::{BufMut, BytesMut};
use sluice_model::TopicFilter;

use crate::{
    DecodeError, Properties, Version,
    connect::write_properties,
    error::{Malformation, protocol},
    property_table::Place,
    subscribe::read_filter,
    wire::{Reader, Write},
};

/// Ends subscriptions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsubscribe {
    /// Never 0.
    pub packet_id: u16,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
    /// At least one.
    pub filters: Vec<TopicFilter>,
}

impl Unsubscribe {
    pub(crate) fn read(mut reader: Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        let properties = if version.is_v5() { Properties::read_boxed(&mut reader, Place::Unsubscribe)? } else { None };
        let mut filters = Vec::with_capacity(1);
        while !reader.is_empty() {
            filters.push(read_filter(&mut reader)?);
        }
        if filters.is_empty() { protocol(Malformation::NoFilters) } else { Ok(Self { packet_id, properties, filters }) }
    }

    pub(crate) fn write(&self, version: Version, out: &mut BytesMut) {
        out.put_u16(self.packet_id);
        if version.is_v5() {
            write_properties(self.properties.as_deref(), out);
        }
        for filter in &self.filters {
            out.put_text(filter.as_str());
        }
    }
}
