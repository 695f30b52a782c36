//! Framing: the fixed header, and which packet it begins. Source: MQTT 5.0 section 2.1.

use bytes::{BufMut, BytesMut};

use crate::{
    Ack, Auth, ConnAck, Connect, DecodeError, Disconnect, Publish, SubAck, Subscribe, UnsubAck, Unsubscribe, Version,
    error::{Malformation, malformed},
    reason::CodesOf,
    wire::{Reader, Write, variable, variable_length},
};

/// A packet of any version.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each variant is the packet of its name")]
pub enum Packet {
    Connect(Box<Connect>),
    ConnAck(ConnAck),
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    Subscribe(Subscribe),
    SubAck(SubAck),
    Unsubscribe(Unsubscribe),
    UnsubAck(UnsubAck),
    PingReq,
    PingResp,
    Disconnect(Disconnect),
    Auth(Auth),
}

/// A packet and how many bytes it took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// The packet.
    pub packet: Packet,
    /// Bytes from the start of the buffer, the fixed header included.
    pub length: usize,
}

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBREL: u8 = 6;
const SUBSCRIBE: u8 = 8;
const UNSUBSCRIBE: u8 = 10;
const AUTH: u8 = 15;

/// Reads a connection's first packet, which must be CONNECT. `Ok(None)` while it is incomplete.
///
/// # Errors
/// [`DecodeError`]; a packet of more than `most_bytes` is refused as soon as its length is known.
pub fn decode_first(bytes: &[u8], most_bytes: usize) -> Result<Option<(Box<Connect>, usize)>, DecodeError> {
    match bytes.first() {
        None => return Ok(None),
        Some(header) if header >> 4 != CONNECT => return Err(DecodeError::UnexpectedPacket),
        Some(_) => {}
    }
    let Some(Frame { header, body, length }) = frame(bytes, most_bytes)? else { return Ok(None) };
    check_flags(header)?;
    Ok(Some((Box::new(Connect::read(Reader(body))?), length)))
}

/// Reads the packet at the start of `bytes`. `Ok(None)` while it is incomplete.
///
/// # Errors
/// As [`decode_first`].
pub fn decode(bytes: &[u8], version: Version, most_bytes: usize) -> Result<Option<Decoded>, DecodeError> {
    if let Some(header) = bytes.first() {
        check_type(*header, version)?;
    }
    let Some(Frame { header, body, length }) = frame(bytes, most_bytes)? else { return Ok(None) };
    let packet = read(header, Reader(body), version)?;
    Ok(Some(Decoded { packet, length }))
}

/// Bytes of the packet at the start of `bytes`, by its fixed header alone; `None` while it is not all there, and for what is no packet.
#[must_use]
pub fn packet_length(bytes: &[u8]) -> Option<usize> {
    frame(bytes, usize::MAX).ok().flatten().map(|frame| frame.length)
}

/// One packet's bytes.
struct Frame<'a> {
    /// Type and flags.
    header: u8,
    body: &'a [u8],
    /// With the fixed header.
    length: usize,
}

/// The packet at the start of `bytes`, when it is complete.
fn frame(bytes: &[u8], most_bytes: usize) -> Result<Option<Frame<'_>>, DecodeError> {
    let Some((&header, rest)) = bytes.split_first() else { return Ok(None) };
    let Some((remaining, prefix)) = variable(rest)? else { return Ok(None) };
    let start = 1 + prefix;
    let length = start + usize::try_from(remaining).expect("28 bits");
    if length > most_bytes {
        return Err(DecodeError::TooLarge { most: most_bytes });
    }
    Ok(bytes.get(start..length).map(|body| Frame { header, body, length }))
}

fn check_type(header: u8, version: Version) -> Result<(), DecodeError> {
    match header >> 4 {
        0 => malformed(Malformation::PacketType),
        AUTH if !version.is_v5() => malformed(Malformation::PacketType),
        _ => check_flags(header),
    }
}

/// [MQTT-2.1.3-1]: PUBREL, SUBSCRIBE and UNSUBSCRIBE have 0b0010, PUBLISH its own flags, all others 0. MQTT V3.1 let
/// clients set DUP on resent ones; a fixed header of 3.1 with it is read as 3.1.1 reads it.
fn check_flags(header: u8) -> Result<(), DecodeError> {
    let legal = match header >> 4 {
        PUBLISH => true,
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => header & 0x0F == 0b0010,
        _ => header & 0x0F == 0,
    };
    if legal { Ok(()) } else { malformed(Malformation::FixedHeaderFlags) }
}

fn read(header: u8, reader: Reader<'_>, version: Version) -> Result<Packet, DecodeError> {
    Ok(match header >> 4 {
        CONNECT => return Err(DecodeError::UnexpectedPacket),
        2 => Packet::ConnAck(ConnAck::read(reader, version)?),
        PUBLISH => Packet::Publish(Publish::read(header & 0x0F, reader, version)?),
        4 => Packet::PubAck(Ack::read(reader, version, CodesOf::PubAck)?),
        5 => Packet::PubRec(Ack::read(reader, version, CodesOf::PubAck)?),
        PUBREL => Packet::PubRel(Ack::read(reader, version, CodesOf::PubRel)?),
        7 => Packet::PubComp(Ack::read(reader, version, CodesOf::PubRel)?),
        SUBSCRIBE => Packet::Subscribe(Subscribe::read(reader, version)?),
        9 => Packet::SubAck(SubAck::read(reader, version)?),
        UNSUBSCRIBE => Packet::Unsubscribe(Unsubscribe::read(reader, version)?),
        11 => Packet::UnsubAck(UnsubAck::read(reader, version)?),
        12 => reader.end().map(|()| Packet::PingReq)?,
        13 => reader.end().map(|()| Packet::PingResp)?,
        14 => Packet::Disconnect(Disconnect::read(reader, version)?),
        _ => Packet::Auth(Auth::read(reader)?),
    })
}

/// Writes a packet. What the version has no place for (properties and codes in MQTT 3) is left out.
pub fn encode(packet: &Packet, version: Version, out: &mut BytesMut) {
    if let Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) = packet
        && ack.is_short(version)
    {
        // The acknowledgement of each message: four bytes, without a detour.
        let [high, low] = ack.packet_id.to_be_bytes();
        out.put_slice(&[fixed_header(packet), 2, high, low]);
        return;
    }
    let mut body = BytesMut::new();
    write_body(packet, version, &mut body);
    out.reserve(1 + variable_length(body.len()) + body.len());
    out.put_u8(fixed_header(packet));
    out.put_variable(body.len());
    out.put_slice(&body);
}

/// The first byte: type and flags.
fn fixed_header(packet: &Packet) -> u8 {
    match packet {
        Packet::Connect(_) => CONNECT << 4,
        Packet::ConnAck(_) => 2 << 4,
        Packet::Publish(publish) => PUBLISH << 4 | publish.flags(),
        Packet::PubAck(_) => 4 << 4,
        Packet::PubRec(_) => 5 << 4,
        Packet::PubRel(_) => PUBREL << 4 | 0b0010,
        Packet::PubComp(_) => 7 << 4,
        Packet::Subscribe(_) => SUBSCRIBE << 4 | 0b0010,
        Packet::SubAck(_) => 9 << 4,
        Packet::Unsubscribe(_) => UNSUBSCRIBE << 4 | 0b0010,
        Packet::UnsubAck(_) => 11 << 4,
        Packet::PingReq => 12 << 4,
        Packet::PingResp => 13 << 4,
        Packet::Disconnect(_) => 14 << 4,
        Packet::Auth(_) => AUTH << 4,
    }
}

fn write_body(packet: &Packet, version: Version, body: &mut BytesMut) {
    match packet {
        Packet::Connect(packet) => packet.write(body),
        Packet::ConnAck(packet) => packet.write(version, body),
        Packet::Publish(packet) => packet.write(version, body),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack.write(version, body);
        }
        Packet::Subscribe(packet) => packet.write(version, body),
        Packet::SubAck(packet) => packet.write(version, body),
        Packet::Unsubscribe(packet) => packet.write(version, body),
        Packet::UnsubAck(packet) => packet.write(version, body),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(packet) => packet.write(version, body),
        Packet::Auth(packet) => packet.write(body),
    }
}
