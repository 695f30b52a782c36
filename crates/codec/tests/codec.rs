//! The codec against its own encoder, against arbitrary bytes, and against what the specification spells out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use sluice_codec::{
    Ack, ConnAck, Connect, Decoded, Delivery, Disconnect, FilterOptions, OutgoingAlias, Packet, Properties, Publish,
    PublishFrame, ReasonCode, SubAck, Subscribe, UnsubAck, Unsubscribe, Version, Will, decode, decode_first, encode,
    packet_length,
};
use sluice_model::Qos;

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];
const MOST: usize = 1024 * 1024;

fn bytes_of(packet: &Packet, version: Version) -> BytesMut {
    let mut out = BytesMut::new();
    encode(packet, version, &mut out);
    out
}

fn properties(of: impl FnOnce(&mut Properties)) -> Option<Box<Properties>> {
    let mut properties = Properties::default();
    of(&mut properties);
    Some(Box::new(properties))
}

fn connect(version: Version) -> Connect {
    let will = Will {
        topic: "a/b".parse().unwrap(),
        payload: Bytes::from_static(b"gone"),
        qos: Qos::AtLeastOnce,
        retain: true,
        properties: version.is_v5().then(|| properties(|p| p.will_delay_interval = Some(5))).flatten(),
    };
    Connect {
        version,
        clean: true,
        keep_alive: 60,
        client_id: "GID_x@@@1".into(),
        will: Some(will),
        username: Some("Signature|k|i".into()),
        password: Some(Bytes::from_static(b"secret")),
        properties: version.is_v5().then(|| properties(|p| p.receive_maximum = Some(7))).flatten(),
    }
}

/// One of each packet that a connection carries after CONNECT, as the version can say it.
fn packets(version: Version) -> Vec<Packet> {
    let v5 = version.is_v5();
    let only_v5 = |of: fn(&mut Properties)| if v5 { properties(of) } else { None };
    let reason = |code| if v5 { code } else { ReasonCode::Success };
    let publish = Publish {
        dup: true,
        qos: Qos::ExactlyOnce,
        retain: true,
        topic: Some("a/b/c".parse().unwrap()),
        packet_id: Some(10),
        properties: only_v5(|p| {
            p.message_expiry_interval = Some(9);
            p.user_properties = vec![("k".into(), "v".into()), ("k".into(), "w".into())];
            p.correlation_data = Some(Bytes::from_static(&[0, 255]));
            p.topic_alias = Some(3);
        }),
        payload: Bytes::from_static(b"\0payload"),
    };
    let options = FilterOptions { no_local: v5, ..FilterOptions::of(Qos::AtLeastOnce) };
    let acks = if v5 { vec![ReasonCode::Success, ReasonCode::NotAuthorized] } else { vec![ReasonCode::GrantedQos1] };
    let mut packets = vec![
        Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::NotAuthorized,
            properties: only_v5(|p| p.reason_string = Some("no".into())),
        }),
        Packet::Publish(publish),
        Packet::PubAck(Ack { reason: reason(ReasonCode::NotAuthorized), ..Ack::success(1) }),
        Packet::PubRec(Ack::success(2)),
        Packet::PubRel(Ack { reason: reason(ReasonCode::PacketIdentifierNotFound), ..Ack::success(3) }),
        Packet::PubComp(Ack::success(4)),
        Packet::Subscribe(Subscribe {
            packet_id: 5,
            properties: only_v5(|p| p.subscription_identifiers = vec![268_435_455]),
            filters: vec![("a/+/#".parse().unwrap(), options)],
        }),
        Packet::SubAck(SubAck { packet_id: 5, properties: None, reasons: acks.clone() }),
        Packet::Unsubscribe(Unsubscribe { packet_id: 6, properties: None, filters: vec!["a/#".parse().unwrap()] }),
        Packet::UnsubAck(UnsubAck { packet_id: 6, properties: None, reasons: if v5 { acks } else { vec![] } }),
        Packet::PingReq,
        Packet::PingResp,
        Packet::Disconnect(Disconnect::of(reason(ReasonCode::SessionTakenOver))),
    ];
    if v5 {
        packets.push(Packet::Auth(sluice_codec::Auth {
            reason: ReasonCode::ContinueAuthentication,
            properties: properties(|p| {
                p.authentication_method = Some("m".into());
                p.authentication_data = Some(Bytes::from_static(b"d"));
            }),
        }));
    }
    packets
}

#[test]
fn every_packet_of_every_version_comes_back_as_it_was() {
    for version in VERSIONS {
        for packet in packets(version) {
            let bytes = bytes_of(&packet, version);
            let decoded = decode(&bytes, version, MOST).unwrap_or_else(|error| panic!("{packet:?}: {error}"));
            assert_eq!(decoded, Some(Decoded { packet, length: bytes.len() }), "{version:?}");
        }
        let connect = connect(version);
        let bytes = bytes_of(&Packet::Connect(Box::new(connect.clone())), version);
        assert_eq!(decode_first(&bytes, MOST), Ok(Some((Box::new(connect), bytes.len()))));
    }
}

#[test]
fn a_packet_that_is_cut_anywhere_is_waited_for() {
    for version in VERSIONS {
        for packet in packets(version) {
            let bytes = bytes_of(&packet, version);
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut], version, MOST), Ok(None), "{packet:?} cut at {cut}");
            }
        }
    }
}

#[test]
fn the_length_of_a_packet_is_known_once_it_is_all_there() {
    for packet in packets(Version::V5) {
        let mut bytes = bytes_of(&packet, Version::V5);
        let length = bytes.len();
        assert_eq!(packet_length(&bytes[..length - 1]), None, "{packet:?}");
        bytes.extend_from_slice(&[0xC0, 0]);
        assert_eq!(packet_length(&bytes), Some(length), "{packet:?}");
    }
    assert_eq!(packet_length(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01]), None);
}

#[test]
fn a_length_over_the_limit_is_refused_before_its_body_comes() {
    let error = decode(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], Version::V5, MOST).unwrap_err();
    assert_eq!(error.reason(), ReasonCode::PacketTooLarge);
}

#[test]
fn debug_of_connect_shows_no_password() {
    assert!(!format!("{:?}", connect(Version::V5)).contains("secret"));
}

#[test]
fn a_frame_writes_what_the_encoder_writes() {
    for version in VERSIONS {
        let given = properties(|p| {
            p.content_type = Some("text/plain".into());
            p.message_expiry_interval = Some(10);
            p.topic_alias = Some(4);
        });
        let frame = PublishFrame::new("a/b".parse().unwrap(), Bytes::from_static(b"x"), given);
        let delivery =
            Delivery { packet_id: Some(7), identifiers: &[1, 200], waited_s: 3, ..Delivery::of(Qos::AtLeastOnce) };
        let mut out = BytesMut::new();
        frame.write_to(&mut out, version, &delivery);
        assert_eq!(out.len(), frame.length(version, &delivery));
        let Ok(Some(Decoded { packet: Packet::Publish(publish), .. })) = decode(&out, version, MOST) else {
            panic!("not a PUBLISH: {out:?}");
        };
        assert_eq!((publish.packet_id, publish.topic.unwrap().as_str()), (Some(7), "a/b"));
        if let Some(properties) = publish.properties {
            assert_eq!(properties.subscription_identifiers, [1, 200]);
            assert_eq!(properties.message_expiry_interval, Some(7));
            assert_eq!(properties.topic_alias, None);
            assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
        }
    }
}

#[test]
fn an_outgoing_alias_names_the_topic_once_and_then_stands_for_it() {
    let frame = PublishFrame::new("a/b".parse().unwrap(), Bytes::from_static(b"x"), None);
    for (names_topic, topic) in [(true, Some("a/b")), (false, None)] {
        let alias = Some(OutgoingAlias { alias: 9, names_topic });
        let delivery = Delivery { alias, ..Delivery::of(Qos::AtMostOnce) };
        let mut out = BytesMut::new();
        frame.write_to(&mut out, Version::V5, &delivery);
        assert_eq!(out.len(), frame.length(Version::V5, &delivery));
        let Ok(Some(Decoded { packet: Packet::Publish(publish), .. })) = decode(&out, Version::V5, MOST) else {
            panic!("not a PUBLISH: {out:?}");
        };
        assert_eq!(publish.topic.as_ref().map(sluice_model::TopicName::as_str), topic);
        assert_eq!(publish.topic_alias(), Some(9));
    }
}

#[test]
fn what_the_specification_forbids_is_refused_with_its_reason() {
    let malformed = ReasonCode::MalformedPacket;
    let protocol = ReasonCode::ProtocolError;
    for (name, bytes, reason) in [
        ("a reserved type", &[0x00, 0x00][..], malformed),
        ("SUBSCRIBE without its flag", &[0x80, 0x00], malformed),
        ("PUBLISH at QoS 3", &[0x36, 0x00], malformed),
        ("DUP at QoS 0", &[0x38, 0x04, 0, 1, b'a', 0], malformed),
        ("PUBLISH with packet ID 0", &[0x32, 0x06, 0, 1, b'a', 0, 0, 0], malformed),
        ("PUBLISH to a wildcard", &[0x30, 0x04, 0, 1, b'#', 0], malformed),
        ("PUBLISH without topic and alias", &[0x30, 0x03, 0, 0, 0], protocol),
        ("topic alias 0", &[0x30, 0x07, 0, 1, b'a', 3, 0x23, 0, 0], protocol),
        ("a property twice", &[0x30, 0x08, 0, 1, b'a', 4, 0x01, 0, 0x01, 0], protocol),
        ("a property of another packet", &[0x30, 0x07, 0, 1, b'a', 3, 0x21, 0, 1], malformed),
        ("text that is none", &[0x30, 0x07, 0, 1, b'a', 2, 0x01, 1, 0xFF], ReasonCode::PayloadFormatInvalid),
        ("SUBSCRIBE without filters", &[0x82, 0x03, 0, 1, 0], protocol),
        ("reserved subscription bits", &[0x82, 0x07, 0, 1, 0, 0, 1, b'a', 0x40], malformed),
        (
            "No Local on $share",
            &[0x82, 0x10, 0, 1, 0, 0, 10, b'$', b's', b'h', b'a', b'r', b'e', b'/', b'g', b'/', b'a', 4],
            protocol,
        ),
        ("PINGREQ with a body", &[0xC0, 0x01, 0], malformed),
        ("a second CONNECT", &[0x10, 0x00], protocol),
        ("a length of five bytes", &[0x30, 0x80, 0x80, 0x80, 0x80, 0x01], malformed),
        ("an unknown reason code", &[0x40, 0x03, 0, 1, 0x77], malformed),
    ] {
        let error = decode(bytes, Version::V5, MOST).expect_err(name);
        assert_eq!(error.reason(), reason, "{name}: {error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_what_is_read_can_be_written(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        version in proptest::sample::select(&VERSIONS[..]),
    ) {
        let _ = decode_first(&bytes, MOST);
        if let Ok(Some(Decoded { packet, .. })) = decode(&bytes, version, MOST) {
            let written = bytes_of(&packet, version);
            let again = decode(&written, version, MOST).unwrap().unwrap();
            prop_assert_eq!(again.packet, packet);
        }
    }

    #[test]
    fn a_valid_packet_with_a_flipped_byte_never_panics(
        which in 0_usize..13,
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        version in proptest::sample::select(&VERSIONS[..]),
    ) {
        let mut bytes = bytes_of(&packets(version)[which], version);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(Some(Decoded { packet, .. })) = decode(&bytes, version, MOST) {
            let written = bytes_of(&packet, version);
            prop_assert_eq!(decode(&written, version, MOST).unwrap().unwrap().packet, packet);
        }
        let mut first = bytes_of(&Packet::Connect(Box::new(connect(version))), version);
        let place = place % first.len();
        first[place] = byte;
        let _ = decode_first(&first, MOST);
    }
}
