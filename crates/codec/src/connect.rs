//! CONNECT. Source: MQTT 5.0 section 3.1; MQTT 3.1.1 section 3.1; MQTT V3.1 section 3.1.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use sluice_model::{Qos, TopicName};

use crate::{
    DecodeError, Properties, Version,
    error::{Malformation, malformed, protocol},
    property_table::Place,
    wire::{Reader, Write, owned},
};

const CLEAN: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS_SHIFT: u8 = 3;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USERNAME: u8 = 0b1000_0000;

/// The message that the server sends when the client is lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Will {
    /// Where.
    pub topic: TopicName,
    /// What.
    pub payload: Bytes,
    /// How.
    pub qos: Qos,
    /// Kept for later subscribers.
    pub retain: bool,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
}

/// A client's first packet. Its `Debug` shows no password and no authentication data.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// The version that both speak from now on.
    pub version: Version,
    /// Clean session (3.x), clean start (5).
    pub clean: bool,
    /// Seconds; 0 is off.
    pub keep_alive: u16,
    /// As sent; empty asks the server to choose.
    pub client_id: Box<str>,
    /// The last message.
    pub will: Option<Will>,
    /// The username.
    pub username: Option<Box<str>>,
    /// The password.
    pub password: Option<Bytes>,
    /// MQTT 5 only.
    pub properties: Option<Box<Properties>>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean", &self.clean)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("has_will", &self.will.is_some())
            .finish_non_exhaustive()
    }
}

impl Connect {
    pub(crate) fn read(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let version = read_version(&mut reader)?;
        let flags = reader.u8()?;
        check_flags(flags, version)?;
        let keep_alive = reader.u16()?;
        let properties = if version.is_v5() { Properties::read_boxed(&mut reader, Place::Connect)? } else { None };
        let client_id = reader.text()?.into();
        let will = if flags & WILL != 0 { Some(Will::read(flags, &mut reader, version)?) } else { None };
        // MQTT V3.1 lets the payload end before a username or password whose flag is set; then there is none.
        let may_be_cut = version == Version::V3_1;
        let there = |bit: u8, reader: &Reader<'_>| flags & bit != 0 && !(may_be_cut && reader.is_empty());
        let username = if there(USERNAME, &reader) { Some(reader.text()?.into()) } else { None };
        let password = if there(PASSWORD, &reader) { Some(owned(reader.binary()?)) } else { None };
        reader.end()?;
        let clean = flags & CLEAN != 0;
        Ok(Self { version, clean, keep_alive, client_id, will, username, password, properties })
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_text(self.version.protocol_name());
        out.put_u8(self.version.level());
        let will_flags = self
            .will
            .as_ref()
            .map_or(0, |will| WILL | will.qos.bits() << WILL_QOS_SHIFT | if will.retain { WILL_RETAIN } else { 0 });
        let flag = |bit: u8, set: bool| if set { bit } else { 0 };
        out.put_u8(
            will_flags
                | flag(CLEAN, self.clean)
                | flag(USERNAME, self.username.is_some())
                | flag(PASSWORD, self.password.is_some()),
        );
        out.put_u16(self.keep_alive);
        if self.version.is_v5() {
            write_properties(self.properties.as_deref(), out);
        }
        out.put_text(&self.client_id);
        if let Some(will) = &self.will {
            if self.version.is_v5() {
                write_properties(will.properties.as_deref(), out);
            }
            out.put_text(will.topic.as_str());
            out.put_binary(&will.payload);
        }
        if let Some(username) = &self.username {
            out.put_text(username);
        }
        if let Some(password) = &self.password {
            out.put_binary(password);
        }
    }
}

impl Will {
    fn read(flags: u8, reader: &mut Reader<'_>, version: Version) -> Result<Self, DecodeError> {
        let Some(qos) = Qos::from_bits((flags >> WILL_QOS_SHIFT) & 0b11) else { return malformed(Malformation::Qos) };
        let properties = if version.is_v5() { Properties::read_boxed(reader, Place::Will)? } else { None };
        let topic = reader.text()?.parse().map_err(|_| DecodeError::Malformed(Malformation::TopicName))?;
        let payload = owned(reader.binary()?);
        let is_text = properties.as_ref().is_some_and(|properties| properties.payload_format_utf8 == Some(true));
        if is_text && std::str::from_utf8(&payload).is_err() {
            return protocol(Malformation::PayloadFormat);
        }
        Ok(Self { topic, payload, qos, retain: flags & WILL_RETAIN != 0, properties })
    }
}

pub(crate) fn write_properties(properties: Option<&Properties>, out: &mut BytesMut) {
    match properties {
        Some(properties) => properties.write(out),
        None => out.put_u8(0),
    }
}

fn read_version(reader: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let name = reader.binary()?;
    let level = reader.u8()?;
    match (name, level) {
        (b"MQIsdp", 3) => Ok(Version::V3_1),
        (b"MQTT", 4) => Ok(Version::V3_1_1),
        (b"MQTT", 5) => Ok(Version::V5),
        _ => Err(DecodeError::Version),
    }
}

/// [MQTT-3.1.2-3] reserved bit; [MQTT-3.1.2-11] to [MQTT-3.1.2-15] will bits; [MQTT-3.1.2-22] of 3.1.1: no password
/// without a username.
fn check_flags(flags: u8, version: Version) -> Result<(), DecodeError> {
    let will_bits_without_will = flags & WILL == 0 && flags & (WILL_RETAIN | 0b11 << WILL_QOS_SHIFT) != 0;
    let password_alone = !version.is_v5() && flags & PASSWORD != 0 && flags & USERNAME == 0;
    if flags & 1 != 0 || will_bits_without_will || password_alone {
        return malformed(Malformation::ConnectFlags);
    }
    if flags >> WILL_QOS_SHIFT & 0b11 == 0b11 {
        return malformed(Malformation::Qos);
    }
    Ok(())
}
