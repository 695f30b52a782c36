//! What an instance may have at most, and what a client meets beyond it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bytes::BytesMut;
use sluice_access::Peer;
use sluice_broker::Arrival;
use sluice_codec::{FilterOptions, Packet, ReasonCode, Subscribe, Version, decode};
use sluice_model::{Compatibility, Edition, Limits, Qos};

use support::{
    ANSWERS, BASIC, CLOSES, STRICT, World,
    client::{Client, connect, message},
    member,
};

fn basic() -> Limits {
    Limits::of(Edition::Basic, Compatibility::Extended)
}

#[tokio::test]
async fn more_messages_than_the_instance_may_have_in_a_second_are_refused_and_not_routed() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut reader = Client::open(&world, &key, BASIC, "GID_one@@@r").await;
    let mut v5 = Client::open(&world, &key, BASIC, "GID_one@@@5").await;
    let mut v3 = Client::open_as(&world, Version::V3_1_1, &key, BASIC, "GID_one@@@3").await;
    for _ in 0..basic().messages_per_s_max {
        assert_eq!(v5.publish("home/a", "within").await, ReasonCode::Success);
    }
    assert_eq!(reader.subscribe("home/#").await, ReasonCode::GrantedQos1);
    assert_eq!(v5.publish("home/a", "over").await, ReasonCode::QuotaExceeded);
    // MQTT 3 cannot refuse a message: at QoS 0 it is dropped, at QoS 1 the connection is closed rather than acknowledged.
    v3.send(Packet::Publish(message("home/a", "over", None))).await;
    v3.is_alive().await;
    v3.put("home/a", "over").await;
    assert_eq!(v3.is_closed().await, None);
    world.pass(1_000);
    assert_eq!(v5.publish("home/a", "the next second").await, ReasonCode::Success);
    assert_eq!(reader.hears().await, "the next second");
}

#[tokio::test]
async fn more_connections_than_the_instance_may_have_in_a_second_are_refused() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut clients = Vec::new();
    for n in 0..basic().connects_per_s_max {
        clients.push(Client::open(&world, &key, BASIC, &format!("GID_one@@@{n}")).await);
    }
    for (version, refusal) in
        [(Version::V5, ReasonCode::ConnectionRateExceeded), (Version::V3_1_1, ReasonCode::ServerUnavailable)]
    {
        let (_client, connack) = Client::try_open(&world, connect(version, &key, BASIC, "GID_one@@@over")).await;
        assert_eq!(connack.reason, refusal);
    }
    // Another instance has its own.
    let _other = Client::open(&world, &key, CLOSES, "GID_one@@@over").await;
    world.pass(1_000);
    let _next = Client::open(&world, &key, BASIC, "GID_one@@@over").await;
}

#[tokio::test]
async fn more_subscriptions_than_a_client_may_have_are_refused_one_by_one() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, STRICT, "GID_one@@@a").await;
    for n in 0..Limits::of(Edition::Professional, Compatibility::Strict).client_subscriptions_max {
        assert_eq!(client.subscribe(&format!("home/{n}")).await, ReasonCode::GrantedQos1);
    }
    assert_eq!(client.subscribe("home/over").await, ReasonCode::QuotaExceeded);
    // One that is held already takes no room.
    assert_eq!(client.subscribe("home/0").await, ReasonCode::GrantedQos1);
}

#[tokio::test]
async fn more_subscriptions_than_the_instance_may_have_are_refused() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let each = basic().client_subscriptions_max;
    let mut clients = Vec::new();
    for n in 0..basic().subscriptions_max / each {
        let mut client = Client::open(&world, &key, BASIC, &format!("GID_one@@@{n}")).await;
        let filter = |m| (format!("home/{m}").parse().unwrap(), FilterOptions::of(Qos::AtMostOnce));
        let filters = (0..each).map(filter).collect();
        client.send(Packet::Subscribe(Subscribe { packet_id: 1, properties: None, filters })).await;
        let Some(Packet::SubAck(suback)) = client.receive().await else { panic!("not a SUBACK") };
        assert!(suback.reasons.iter().all(|reason| *reason == ReasonCode::Success));
        clients.push(client);
    }
    let mut last = Client::open(&world, &key, BASIC, "GID_one@@@last").await;
    assert_eq!(last.subscribe("home/over").await, ReasonCode::QuotaExceeded);
    clients.pop();
    // The place of one that has left is free.
    while last.subscribe("home/over").await == ReasonCode::QuotaExceeded {}
}

#[tokio::test]
async fn more_connections_than_the_instance_may_have_are_refused() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut clients = Vec::new();
    for n in 0..basic().connections_max {
        if n % basic().connects_per_s_max == 0 {
            world.pass(1_000);
        }
        clients.push(Client::open(&world, &key, BASIC, &format!("GID_one@@@{n}")).await);
    }
    world.pass(1_000);
    for (version, refusal) in
        [(Version::V5, ReasonCode::QuotaExceeded), (Version::V3_1_1, ReasonCode::ServerUnavailable)]
    {
        let (_client, connack) = Client::try_open(&world, connect(version, &key, BASIC, "GID_one@@@over")).await;
        assert_eq!(connack.reason, refusal);
    }
}

#[tokio::test]
async fn a_topic_longer_than_the_originals_closes_but_one_that_names_a_client_does_not() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let target = format!("GID_one@@@{}", "x".repeat(54));
    let mut long = Client::open(&world, &key, STRICT, &target).await;
    assert_eq!(long.publish(&format!("home/p2p/{target}"), "to myself").await, ReasonCode::Success);
    assert_eq!(long.hears().await, "to myself");
    assert_eq!(long.subscribe(&format!("home/{}", "y".repeat(64))).await, ReasonCode::TopicFilterInvalid);
    long.put(&format!("home/{}", "y".repeat(64)), "x").await;
    assert_eq!(long.closing_reason().await, ReasonCode::TopicNameInvalid);
}

#[tokio::test]
async fn a_stored_session_of_the_original_takes_no_qos_2() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut stored = connect(Version::V3_1_1, &key, STRICT, "GID_one@@@a");
    stored.clean = false;
    let (mut client, _) = Client::try_open(&world, stored).await;
    let Some(Packet::SubAck(suback)) = client.ask_for("home/a", FilterOptions::of(Qos::ExactlyOnce), None).await else {
        panic!("not a SUBACK")
    };
    assert!(suback.reasons[0].is_failure());
    assert_eq!(client.subscribe("home/a").await, ReasonCode::GrantedQos1);
}

#[tokio::test]
async fn connect_may_name_no_other_instance_than_tls_did() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let peer = Peer { addr: "192.0.2.1".parse().unwrap(), secure: true };
    for (named, reason) in [(CLOSES, ReasonCode::Success), (ANSWERS, ReasonCode::NotAuthorized)] {
        let arrival = Arrival { sni_instance: Some(named.parse().unwrap()), ..Arrival::signed(peer) };
        let mut out = BytesMut::new();
        let client = world.broker.connect(&connect(Version::V5, &key, CLOSES, "GID_one@@@a"), &arrival, &mut out).await;
        let Some(Packet::ConnAck(connack)) = decode(&out, Version::V5, 1024).unwrap().map(|decoded| decoded.packet)
        else {
            panic!("not a CONNACK")
        };
        assert_eq!((connack.reason, client.is_some()), (reason, reason == ReasonCode::Success));
    }
}
