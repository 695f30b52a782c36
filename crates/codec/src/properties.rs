//! Properties of MQTT 5. One type for all packets; which may stand where is [`Place`]'s table.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    DecodeError,
    error::{Malformation, malformed, protocol},
    property_table::{self as table, Place},
    wire::{Reader, VARIABLE_BYTE_INTEGER_MAX, Write, owned, variable_length},
};

/// The properties of a packet; what did not come is `None` or empty.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Properties {
    /// Whether the payload is UTF-8 text.
    pub payload_format_utf8: Option<bool>,
    /// Seconds.
    pub message_expiry_interval: Option<u32>,
    /// MIME type or the application's own.
    pub content_type: Option<Box<str>>,
    /// Where to answer; a topic name.
    pub response_topic: Option<Box<str>>,
    /// To match an answer with its question.
    pub correlation_data: Option<Bytes>,
    /// 1 to 268,435,455.
    pub subscription_identifiers: Vec<u32>,
    /// Seconds; 0xFFFFFFFF is without end.
    pub session_expiry_interval: Option<u32>,
    /// The ID that the server chose.
    pub assigned_client_identifier: Option<Box<str>>,
    /// Seconds; the client must use it.
    pub server_keep_alive: Option<u16>,
    /// Of enhanced authentication.
    pub authentication_method: Option<Box<str>>,
    /// Of enhanced authentication. Left out of `Debug` by its users.
    pub authentication_data: Option<Bytes>,
    /// Whether reason strings and user properties are wanted.
    pub request_problem_information: Option<bool>,
    /// Seconds.
    pub will_delay_interval: Option<u32>,
    /// Whether response information is wanted.
    pub request_response_information: Option<bool>,
    /// For building response topics.
    pub response_information: Option<Box<str>>,
    /// Another server.
    pub server_reference: Option<Box<str>>,
    /// Why, for people.
    pub reason_string: Option<Box<str>>,
    /// Most QoS 1 and 2 messages in flight, at least 1.
    pub receive_maximum: Option<u16>,
    /// Most aliases.
    pub topic_alias_maximum: Option<u16>,
    /// Stands for the topic, at least 1.
    pub topic_alias: Option<u16>,
    /// 0 or 1.
    pub maximum_qos: Option<u8>,
    /// Whether retained messages are served.
    pub retain_available: Option<bool>,
    /// Name and value, in order.
    pub user_properties: Vec<(Box<str>, Box<str>)>,
    /// Bytes, at least 1.
    pub maximum_packet_size: Option<u32>,
    /// Whether wildcard filters are served.
    pub wildcard_subscription_available: Option<bool>,
    /// Whether subscription identifiers are served.
    pub subscription_identifiers_available: Option<bool>,
    /// Whether shared subscriptions are served.
    pub shared_subscription_available: Option<bool>,
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => protocol(Malformation::PropertyValue),
    }
}

fn text(reader: &mut Reader<'_>) -> Result<Box<str>, DecodeError> {
    Ok(reader.text()?.into())
}

/// A number that may not be 0.
fn positive<T: PartialEq + From<u8>>(value: T) -> Result<T, DecodeError> {
    if value == T::from(0) { protocol(Malformation::PropertyValue) } else { Ok(value) }
}

/// Fills a property that may come once.
fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), DecodeError> {
    if slot.replace(value).is_some() { protocol(Malformation::DuplicateProperty) } else { Ok(()) }
}

impl Properties {
    /// Reads the length and the properties of a place.
    pub(crate) fn read(reader: &mut Reader<'_>, place: Place) -> Result<Self, DecodeError> {
        let length = reader.variable()?;
        let mut list = Reader(reader.take(usize::try_from(length).expect("28 bits"))?);
        let mut properties = Self::default();
        while !list.is_empty() {
            let property = list.variable()?;
            match u8::try_from(property) {
                Ok(property) if place.allows(property) => properties.read_one(&mut list, property, place)?,
                _ => return malformed(Malformation::Property),
            }
        }
        if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
            return protocol(Malformation::AuthenticationData);
        }
        Ok(properties)
    }

    /// As [`Properties::read`]; without properties nothing is allocated.
    pub(crate) fn read_boxed(reader: &mut Reader<'_>, place: Place) -> Result<Option<Box<Self>>, DecodeError> {
        if reader.0.first() == Some(&0) {
            reader.u8()?;
            return Ok(None);
        }
        Ok(Some(Box::new(Self::read(reader, place)?)))
    }

    fn read_one(&mut self, list: &mut Reader<'_>, property: u8, place: Place) -> Result<(), DecodeError> {
        match property {
            table::SUBSCRIPTION_IDENTIFIER => {
                let identifier = positive(list.variable()?)?;
                if !self.subscription_identifiers.is_empty() && !place.repeats(property) {
                    return protocol(Malformation::DuplicateProperty);
                }
                self.subscription_identifiers.push(identifier);
                Ok(())
            }
            table::USER_PROPERTY => {
                self.user_properties.push((text(list)?, text(list)?));
                Ok(())
            }
            table::PAYLOAD_FORMAT
            | table::MESSAGE_EXPIRY
            | table::CONTENT_TYPE
            | table::RESPONSE_TOPIC
            | table::CORRELATION_DATA
            | table::TOPIC_ALIAS
            | table::WILL_DELAY => self.read_of_message(list, property),
            _ => self.read_of_connection(list, property),
        }
    }

    fn read_of_message(&mut self, list: &mut Reader<'_>, property: u8) -> Result<(), DecodeError> {
        match property {
            table::PAYLOAD_FORMAT => once(&mut self.payload_format_utf8, flag(list)?),
            table::MESSAGE_EXPIRY => once(&mut self.message_expiry_interval, list.u32()?),
            table::CONTENT_TYPE => once(&mut self.content_type, text(list)?),
            table::RESPONSE_TOPIC => {
                let topic = text(list)?;
                if topic.is_empty() || topic.contains(['+', '#']) {
                    return protocol(Malformation::TopicName);
                }
                once(&mut self.response_topic, topic)
            }
            table::CORRELATION_DATA => once(&mut self.correlation_data, owned(list.binary()?)),
            table::WILL_DELAY => once(&mut self.will_delay_interval, list.u32()?),
            _ => once(&mut self.topic_alias, positive(list.u16()?)?),
        }
    }

    fn read_of_connection(&mut self, list: &mut Reader<'_>, property: u8) -> Result<(), DecodeError> {
        match property {
            table::SESSION_EXPIRY => once(&mut self.session_expiry_interval, list.u32()?),
            table::ASSIGNED_CLIENT_ID => once(&mut self.assigned_client_identifier, text(list)?),
            table::SERVER_KEEP_ALIVE => once(&mut self.server_keep_alive, list.u16()?),
            table::AUTHENTICATION_METHOD => once(&mut self.authentication_method, text(list)?),
            table::AUTHENTICATION_DATA => once(&mut self.authentication_data, owned(list.binary()?)),
            table::REQUEST_PROBLEM_INFORMATION => once(&mut self.request_problem_information, flag(list)?),
            table::REQUEST_RESPONSE_INFORMATION => once(&mut self.request_response_information, flag(list)?),
            table::RESPONSE_INFORMATION => once(&mut self.response_information, text(list)?),
            table::SERVER_REFERENCE => once(&mut self.server_reference, text(list)?),
            table::REASON_STRING => once(&mut self.reason_string, text(list)?),
            table::RECEIVE_MAXIMUM => once(&mut self.receive_maximum, positive(list.u16()?)?),
            table::TOPIC_ALIAS_MAXIMUM => once(&mut self.topic_alias_maximum, list.u16()?),
            table::MAXIMUM_QOS => match list.u8()? {
                qos @ 0..=1 => once(&mut self.maximum_qos, qos),
                _ => protocol(Malformation::PropertyValue),
            },
            table::RETAIN_AVAILABLE => once(&mut self.retain_available, flag(list)?),
            table::MAXIMUM_PACKET_SIZE => once(&mut self.maximum_packet_size, positive(list.u32()?)?),
            table::WILDCARD_AVAILABLE => once(&mut self.wildcard_subscription_available, flag(list)?),
            table::SUBSCRIPTION_IDENTIFIERS_AVAILABLE => {
                once(&mut self.subscription_identifiers_available, flag(list)?)
            }
            _ => once(&mut self.shared_subscription_available, flag(list)?),
        }
    }

    /// Writes the length and the properties.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let mut list = BytesMut::new();
        self.write_list(&mut list);
        out.reserve(list.len() + variable_length(list.len()));
        out.put_variable(list.len());
        out.put_slice(&list);
    }

    /// The properties without their length.
    pub(crate) fn encoded_list(&self) -> Bytes {
        let mut list = BytesMut::new();
        self.write_list(&mut list);
        list.freeze()
    }

    fn write_list(&self, out: &mut BytesMut) {
        let mut one = |property: u8, write: &dyn Fn(&mut BytesMut)| {
            out.put_u8(property);
            write(out);
        };
        let flags = [
            (table::PAYLOAD_FORMAT, self.payload_format_utf8),
            (table::REQUEST_PROBLEM_INFORMATION, self.request_problem_information),
            (table::REQUEST_RESPONSE_INFORMATION, self.request_response_information),
            (table::RETAIN_AVAILABLE, self.retain_available),
            (table::WILDCARD_AVAILABLE, self.wildcard_subscription_available),
            (table::SUBSCRIPTION_IDENTIFIERS_AVAILABLE, self.subscription_identifiers_available),
            (table::SHARED_AVAILABLE, self.shared_subscription_available),
        ];
        for (property, value) in flags.into_iter().filter_map(|(property, value)| Some((property, value?))) {
            one(property, &|out| out.put_u8(u8::from(value)));
        }
        if let Some(qos) = self.maximum_qos {
            one(table::MAXIMUM_QOS, &|out| out.put_u8(qos));
        }
        let short = [
            (table::SERVER_KEEP_ALIVE, self.server_keep_alive),
            (table::RECEIVE_MAXIMUM, self.receive_maximum),
            (table::TOPIC_ALIAS_MAXIMUM, self.topic_alias_maximum),
            (table::TOPIC_ALIAS, self.topic_alias),
        ];
        for (property, value) in short.into_iter().filter_map(|(property, value)| Some((property, value?))) {
            one(property, &|out| out.put_u16(value));
        }
        let long = [
            (table::MESSAGE_EXPIRY, self.message_expiry_interval),
            (table::SESSION_EXPIRY, self.session_expiry_interval),
            (table::WILL_DELAY, self.will_delay_interval),
            (table::MAXIMUM_PACKET_SIZE, self.maximum_packet_size),
        ];
        for (property, value) in long.into_iter().filter_map(|(property, value)| Some((property, value?))) {
            one(property, &|out| out.put_u32(value));
        }
        for (property, value) in self.texts() {
            one(property, &|out| out.put_text(value));
        }
        for (property, value) in
            [(table::CORRELATION_DATA, &self.correlation_data), (table::AUTHENTICATION_DATA, &self.authentication_data)]
        {
            if let Some(value) = value {
                one(property, &|out| out.put_binary(value));
            }
        }
        for identifier in &self.subscription_identifiers {
            let identifier = (*identifier).clamp(1, VARIABLE_BYTE_INTEGER_MAX);
            one(table::SUBSCRIPTION_IDENTIFIER, &|out| out.put_variable(usize::try_from(identifier).expect("28 bits")));
        }
        for (name, value) in &self.user_properties {
            one(table::USER_PROPERTY, &|out| {
                out.put_text(name);
                out.put_text(value);
            });
        }
    }

    fn texts(&self) -> impl Iterator<Item = (u8, &str)> {
        let texts = [
            (table::CONTENT_TYPE, &self.content_type),
            (table::RESPONSE_TOPIC, &self.response_topic),
            (table::ASSIGNED_CLIENT_ID, &self.assigned_client_identifier),
            (table::AUTHENTICATION_METHOD, &self.authentication_method),
            (table::RESPONSE_INFORMATION, &self.response_information),
            (table::SERVER_REFERENCE, &self.server_reference),
            (table::REASON_STRING, &self.reason_string),
        ];
        texts.into_iter().filter_map(|(property, text)| Some((property, text.as_deref()?)))
    }
}
