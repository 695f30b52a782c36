//! What arrives as bytes: cut anywhere, malformed, too large, too slow.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use bytes::BytesMut;
use sluice_codec::{Packet, ReasonCode, Version, encode};
use support::{
    CLOSES, World,
    client::{Client, connect, message},
    member,
};
use tokio::time::{Instant, timeout};

fn encoded(packet: &Packet, version: Version) -> BytesMut {
    let mut out = BytesMut::new();
    encode(packet, version, &mut out);
    out
}

#[tokio::test]
async fn packets_may_be_cut_anywhere_and_come_in_one_piece_with_connect() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut together =
        encoded(&Packet::Connect(Box::new(connect(Version::V5, &key, CLOSES, "GID_one@@@a"))), Version::V5);
    together.extend_from_slice(&encoded(&Packet::Publish(message("home/a", "x", Some(7))), Version::V5));
    together.extend_from_slice(&encoded(&Packet::PingReq, Version::V5));
    for piece in [1, together.len()] {
        let mut client = Client::dial(&world, Version::V5).await;
        for bytes in together.chunks(piece) {
            client.write(bytes).await;
        }
        assert!(matches!(client.receive().await, Some(Packet::ConnAck(_))));
        assert!(matches!(client.receive().await, Some(Packet::PubAck(ack)) if ack.packet_id == 7));
        assert_eq!(client.receive().await, Some(Packet::PingResp));
    }
}

#[tokio::test]
async fn a_message_of_nearly_a_packets_size_passes_whole() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    client.subscribe("home/a").await;
    let payload = "x".repeat((1 << 20) - 32);
    client.put("home/a", &payload).await;
    let (mut acked, mut heard) = (false, false);
    for _ in 0..2 {
        match client.receive().await {
            Some(Packet::PubAck(ack)) => acked = ack.reason == ReasonCode::Success,
            Some(Packet::Publish(publish)) => heard = publish.payload == payload.as_bytes(),
            other => panic!("neither: {other:?}"),
        }
    }
    assert!(acked && heard);
}

#[tokio::test]
async fn bytes_that_are_no_packet_close_the_connection_and_nothing_else() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let cases: [(&[u8], ReasonCode); 11] = [
        (&[0x00, 0x00], ReasonCode::MalformedPacket),
        (&[0xC1, 0x00], ReasonCode::MalformedPacket),
        (&[0x36, 0x00], ReasonCode::MalformedPacket),
        (&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], ReasonCode::MalformedPacket),
        (&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], ReasonCode::PacketTooLarge),
        (&[0x30, 0x04, 0x00, 0x01, b'#', 0x00], ReasonCode::MalformedPacket),
        (&[0x32, 0x06, 0x00, 0x01, b'a', 0x00, 0x00, 0x00], ReasonCode::MalformedPacket),
        (&[0x30, 0x05, 0x00, 0x02, 0xC0, 0x80, 0x00], ReasonCode::MalformedPacket),
        (&[0x82, 0x03, 0x00, 0x01, 0x00], ReasonCode::ProtocolError),
        (&[0x20, 0x03, 0x00, 0x00, 0x00], ReasonCode::ProtocolError),
        (&[0xF0, 0x00], ReasonCode::ProtocolError),
    ];
    let mut bystander = Client::open(&world, &key, CLOSES, "GID_one@@@b").await;
    for (bytes, reason) in cases {
        let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
        client.write(bytes).await;
        assert_eq!(client.closing_reason().await, reason, "{bytes:02x?}");
    }
    bystander.is_alive().await;
}

#[tokio::test]
async fn a_first_packet_that_is_no_connect_gets_no_answer() {
    let world = World::new().await;
    let too_large = [0x10, 0x80, 0x80, 0x08];
    let cases: [&[u8]; 5] =
        [&[0xC0, 0x00], &[0x30, 0x03, 0, 1, b'a'], b"GET / HTTP/1.1\r\n", &[0x11, 0x00], &too_large];
    for bytes in cases {
        let mut client = Client::dial(&world, Version::V5).await;
        client.write(bytes).await;
        assert_eq!(client.receive().await, None, "{bytes:02x?}");
    }
    // A version that does not exist is answered in the form that every version reads.
    let mut client = Client::dial(&world, Version::V3_1_1).await;
    client.write(&[0x10, 0x0C, 0, 4, b'M', b'Q', b'T', b'T', 6, 2, 0, 0, 0, 0]).await;
    let Some(Packet::ConnAck(connack)) = client.receive().await else { panic!("not a CONNACK") };
    assert_eq!(connack.reason, ReasonCode::UnsupportedProtocolVersion);
}

#[tokio::test]
async fn a_client_is_lost_after_one_and_a_half_times_its_keep_alive_mqtt_3_1_2_22() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut asked = connect(Version::V5, &key, CLOSES, "GID_one@@@a");
    asked.keep_alive = 1;
    let begin = Instant::now();
    let (mut client, _) = Client::try_open(&world, asked).await;
    assert_eq!(client.closing_reason().await, ReasonCode::KeepAliveTimeout);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(1_490) && waited < Duration::from_secs(5), "{waited:?}");
}

#[tokio::test]
async fn bytes_of_a_packet_that_never_ends_keep_no_connection_alive() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut asked = connect(Version::V5, &key, CLOSES, "GID_one@@@a");
    asked.keep_alive = 1;
    let (mut client, _) = Client::try_open(&world, asked).await;
    // A PUBLISH of 100,000 bytes, a byte at a time.
    client.write(&[0x30, 0xA0, 0x8D, 0x06]).await;
    let begin = Instant::now();
    let end = loop {
        match timeout(Duration::from_millis(100), client.receive()).await {
            Ok(end) => break end,
            Err(_) => client.write(&[0]).await,
        }
        assert!(begin.elapsed() < Duration::from_secs(8), "the connection is still open");
    };
    let Some(Packet::Disconnect(end)) = end else { panic!("not a DISCONNECT: {end:?}") };
    assert_eq!(end.reason, ReasonCode::KeepAliveTimeout);
}
