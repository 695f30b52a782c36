//! What must hold for every input of the decoder. Run by this room's test for a while and by `make fuzz` for long.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "the fuzzer's crate exports them")]

use bytes::{Bytes, BytesMut};
use sluice_codec::{
    Connect, DecodeError, Decoded, Delivery, Packet, Publish, PublishFrame, Version, decode, decode_first, encode,
};

/// An input's versions: each input is read as all of them.
const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];
/// The limit of a packet, bytes: what an instance takes.
const PACKET_BYTES_MAX: usize = 1024 * 1024;
/// A limit that many inputs are over.
const SMALL_PACKET_BYTES_MAX: usize = 24;
/// Longest input that is cut at every point; the work grows with its square.
const CUT_BYTES_MAX: usize = 256;

/// A stream of packets is read to its end or its first fault: never a panic, never a length that is not there, and a
/// smaller limit refuses what is over it and changes nothing else.
pub fn decode_stream(bytes: &[u8]) {
    for version in VERSIONS {
        let mut rest = bytes;
        while let Ok(Some(Decoded { packet, length })) = decode(rest, version, PACKET_BYTES_MAX) {
            assert!((2..=rest.len()).contains(&length), "{packet:?} of {length} bytes in {} bytes", rest.len());
            match decode(rest, version, SMALL_PACKET_BYTES_MAX) {
                Ok(again) => assert_eq!(again, Some(Decoded { packet, length })),
                Err(error) => {
                    assert_eq!(error, DecodeError::TooLarge { most: SMALL_PACKET_BYTES_MAX });
                    assert!(length > SMALL_PACKET_BYTES_MAX);
                }
            }
            rest = &rest[length..];
        }
    }
}

/// What is read and written is read again as the same, and is written the same way from then on.
pub fn round_trip(bytes: &[u8]) {
    for version in VERSIONS {
        let mut rest = bytes;
        while let Ok(Some(Decoded { packet, length })) = decode(rest, version, PACKET_BYTES_MAX) {
            let written = encoded(&packet, version);
            let again = decode(&written, version, PACKET_BYTES_MAX).unwrap().unwrap();
            assert_eq!(again, Decoded { packet: packet.clone(), length: written.len() });
            assert_eq!(encoded(&again.packet, version), written);
            if let Packet::Publish(publish) = packet {
                frame_writes_what_was_published(publish, version);
            }
            rest = &rest[length..];
        }
    }
}

/// A packet that comes in pieces is what it is whole: each prefix is waited for, or already has the final answer.
pub fn in_pieces(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(CUT_BYTES_MAX)];
    for version in VERSIONS {
        let whole = decode(bytes, version, PACKET_BYTES_MAX);
        for cut in 0..bytes.len() {
            let part = decode(&bytes[..cut], version, PACKET_BYTES_MAX);
            assert!(part == Ok(None) || part == whole, "cut at {cut}: {part:?}, whole: {whole:?}");
        }
    }
    let whole = decode_first(bytes, PACKET_BYTES_MAX);
    for cut in 0..bytes.len() {
        let part = decode_first(&bytes[..cut], PACKET_BYTES_MAX);
        assert!(part == Ok(None) || part == whole, "cut at {cut}: {part:?}, whole: {whole:?}");
    }
}

/// A first packet is a CONNECT or refused, and what was read is written back as the same.
pub fn first(bytes: &[u8]) {
    let Ok(Some((connect, length))) = decode_first(bytes, PACKET_BYTES_MAX) else { return };
    assert!((2..=bytes.len()).contains(&length));
    let version = connect.version;
    let written = encoded(&Packet::Connect(connect.clone()), version);
    let (again, length): (Box<Connect>, usize) = decode_first(&written, PACKET_BYTES_MAX).unwrap().unwrap();
    assert_eq!((&again, length), (&connect, written.len()));
    // What follows it is read in its version.
    let rest = &bytes[length.min(bytes.len())..];
    assert!(decode(&written, version, PACKET_BYTES_MAX).is_err(), "CONNECT comes once");
    let _any = decode(rest, version, PACKET_BYTES_MAX);
}

fn encoded(packet: &Packet, version: Version) -> Bytes {
    let mut out = BytesMut::new();
    encode(packet, version, &mut out);
    out.freeze()
}

/// A receiver reads what the publisher sent, except for what speaks of one hop only.
fn frame_writes_what_was_published(publish: Publish, version: Version) {
    let Some(topic) = publish.topic.clone() else { return };
    let delivery = Delivery {
        qos: publish.qos,
        packet_id: publish.packet_id,
        dup: publish.dup,
        retain: publish.retain,
        identifiers: &[],
        waited_s: 0,
        alias: None,
    };
    let frame = PublishFrame::new(topic, publish.payload.clone(), publish.properties.clone());
    let mut out = BytesMut::new();
    frame.write_to(&mut out, version, &delivery);
    assert_eq!(out.len(), frame.length(version, &delivery));
    let mut expected = publish;
    if let Some(properties) = &mut expected.properties {
        properties.topic_alias = None;
        properties.subscription_identifiers.clear();
    }
    expected.properties = expected.properties.filter(|properties| **properties != sluice_codec::Properties::default());
    let length = out.len();
    let read = decode(&out, version, PACKET_BYTES_MAX).unwrap();
    assert_eq!(read, Some(Decoded { packet: Packet::Publish(expected), length }));
}
