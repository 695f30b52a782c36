//! A message kept once and written to each receiver.
//!
//! What all receivers get alike (topic, payload, the properties that are passed on, encoded) is shared; what differs (the
//! fixed header, packet identifier, subscription identifiers, what is left of the expiry) is written for each. A receiver
//! costs a few copies into its write buffer and no allocation.

use bytes::{BufMut, Bytes, BytesMut};
use sluice_model::{Qos, TopicName};

use crate::{
    Properties, Version,
    property_table::{MESSAGE_EXPIRY, SUBSCRIPTION_IDENTIFIER, TOPIC_ALIAS},
    wire::{Write, variable_length},
};

/// A message for any number of receivers. Cloned cheaply.
#[derive(Clone, Debug)]
pub struct PublishFrame {
    topic: TopicName,
    payload: Bytes,
    /// Encoded properties that are passed on unaltered. [MQTT-3.3.2-4, -15, -16, -17, -20]
    properties: Bytes,
    expiry: Option<u32>,
}

/// An alias that stands for the topic. MQTT 5. [MQTT-3.1.2-26]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutgoingAlias {
    /// 1 to the client's maximum.
    pub alias: u16,
    /// Whether the topic goes with it, because the receiver does not know the alias yet.
    pub names_topic: bool,
}

/// How one receiver gets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery<'a> {
    /// The lower of published and granted.
    pub qos: Qos,
    /// At QoS 1 and 2.
    pub packet_id: Option<u16>,
    /// Sent before.
    pub dup: bool,
    /// The retain flag.
    pub retain: bool,
    /// Of the subscriptions that matched; MQTT 5.
    pub identifiers: &'a [u32],
    /// Seconds that the message has waited here.
    pub waited_s: u32,
    /// Stands for the topic; MQTT 5.
    pub alias: Option<OutgoingAlias>,
}

impl Delivery<'_> {
    /// At a QoS, and nothing else.
    #[must_use]
    pub fn of(qos: Qos) -> Self {
        Self { qos, packet_id: None, dup: false, retain: false, identifiers: &[], waited_s: 0, alias: None }
    }
}

impl PublishFrame {
    /// Keeps a message. Of the properties, those that speak of one hop only (alias, subscription identifiers) are left out.
    #[must_use]
    pub fn new(topic: TopicName, payload: Bytes, properties: Option<Box<Properties>>) -> Self {
        let expiry = properties.as_ref().and_then(|properties| properties.message_expiry_interval);
        let encoded = properties.map_or_else(Bytes::new, |mut properties| {
            properties.topic_alias = None;
            properties.message_expiry_interval = None;
            properties.subscription_identifiers.clear();
            properties.encoded_list()
        });
        Self { topic, payload, properties: encoded, expiry }
    }

    /// A message that was kept before, from its parts: `properties` as [`PublishFrame::properties`] gave them, `expiry` in
    /// seconds.
    #[must_use]
    pub fn kept(topic: TopicName, payload: Bytes, properties: Bytes, expiry: Option<u32>) -> Self {
        Self { topic, payload, properties, expiry }
    }

    /// The encoded properties that every receiver gets alike, without their length and without the expiry.
    #[must_use]
    pub fn properties(&self) -> &Bytes {
        &self.properties
    }

    /// Whether another is the same message, byte for byte.
    #[must_use]
    pub fn has_same_content(&self, other: &Self) -> bool {
        (&self.topic, &self.payload, &self.properties, self.expiry)
            == (&other.topic, &other.payload, &other.properties, other.expiry)
    }

    /// Where it was published.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// The application's bytes.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Seconds that it may live; `None` is without end.
    #[must_use]
    pub fn expiry(&self) -> Option<u32> {
        self.expiry
    }

    fn properties_length(&self, delivery: &Delivery<'_>) -> usize {
        let identifiers: usize =
            delivery.identifiers.iter().map(|id| 1 + variable_length(usize::try_from(*id).unwrap_or(usize::MAX))).sum();
        let alias = if delivery.alias.is_some() { 3 } else { 0 };
        self.properties.len() + identifiers + alias + if self.expiry.is_some() { 5 } else { 0 }
    }

    /// Bytes that [`PublishFrame::write_to`] writes, to compare with the receiver's maximum packet size.
    #[must_use]
    pub fn length(&self, version: Version, delivery: &Delivery<'_>) -> usize {
        let remaining = self.remaining(version, delivery);
        1 + variable_length(remaining) + remaining
    }

    fn remaining(&self, version: Version, delivery: &Delivery<'_>) -> usize {
        let packet_id = if delivery.packet_id.is_some() { 2 } else { 0 };
        let properties = if version.is_v5() {
            let length = self.properties_length(delivery);
            variable_length(length) + length
        } else {
            0
        };
        2 + self.topic_text(version, delivery).len() + packet_id + properties + self.payload.len()
    }

    /// The topic as it is written: empty where the receiver knows the alias.
    fn topic_text(&self, version: Version, delivery: &Delivery<'_>) -> &str {
        let is_known = version.is_v5() && delivery.alias.is_some_and(|alias| !alias.names_topic);
        if is_known { "" } else { self.topic.as_str() }
    }

    /// Writes the PUBLISH of one receiver.
    pub fn write_to(&self, out: &mut BytesMut, version: Version, delivery: &Delivery<'_>) {
        let remaining = self.remaining(version, delivery);
        out.reserve(5 + remaining);
        let flags = u8::from(delivery.dup) << 3 | delivery.qos.bits() << 1 | u8::from(delivery.retain);
        out.put_u8(0x30 | flags);
        out.put_variable(remaining);
        out.put_text(self.topic_text(version, delivery));
        if let Some(id) = delivery.packet_id {
            out.put_u16(id);
        }
        if version.is_v5() {
            out.put_variable(self.properties_length(delivery));
            if let Some(expiry) = self.expiry {
                out.put_u8(MESSAGE_EXPIRY);
                out.put_u32(expiry.saturating_sub(delivery.waited_s));
            }
            if let Some(OutgoingAlias { alias, .. }) = delivery.alias {
                out.put_u8(TOPIC_ALIAS);
                out.put_u16(alias);
            }
            out.put_slice(&self.properties);
            for id in delivery.identifiers {
                out.put_u8(SUBSCRIPTION_IDENTIFIER);
                out.put_variable(usize::try_from(*id).unwrap_or(usize::MAX));
            }
        }
        out.put_slice(&self.payload);
    }
}
