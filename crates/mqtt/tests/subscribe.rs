//! SUBSCRIBE and what follows it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use sluice_codec::{Connect, FilterOptions, Packet, Properties, Publish, ReasonCode, Subscribe, Version};
use sluice_model::Qos;
use support::{
    CLOSES, Key, World,
    client::{Client, connect, message},
    member,
};

/// More than one slice of retained messages.
const RETAINED: usize = 100;
/// A message of which a queue of 64 MiB holds few.
const SHARED_BYTES: usize = 1_000_000;

#[tokio::test]
async fn a_suback_that_its_client_does_not_take_closes_the_connection_mqtt_3_1_2_24() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut asked = connect(Version::V5, &key, CLOSES, "GID_one@@@a");
    asked.properties = Some(Properties { maximum_packet_size: Some(100), ..Properties::default() }.into());
    let (mut client, connack) = Client::try_open(&world, asked).await;
    assert_eq!(connack.reason, ReasonCode::Success);
    let filters = |count: usize| -> Vec<_> {
        (0..count).map(|n| (format!("home/{n}").parse().unwrap(), FilterOptions::of(Qos::AtMostOnce))).collect()
    };
    let ask = |count| Packet::Subscribe(Subscribe { packet_id: 1, properties: None, filters: filters(count) });
    // A byte for each filter, and 5 around them.
    client.send(ask(95)).await;
    assert!(matches!(client.receive().await, Some(Packet::SubAck(suback)) if suback.reasons.len() == 95));
    client.send(ask(96)).await;
    assert_eq!(client.is_closed().await, None);
}

#[tokio::test]
async fn retained_messages_go_on_after_a_groups_backlog() {
    // Whichever member's turn it is when the backlog is handed out.
    for turn in 0..3 {
        let world = World::new().await;
        let key = world.user("alice", &member()).await;
        let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
        for n in 0..RETAINED {
            let kept = Publish { retain: true, ..message(&format!("home/kept/{n}"), "kept", Some(publisher.id())) };
            publisher.send(Packet::Publish(kept)).await;
            assert!(matches!(publisher.receive().await, Some(Packet::PubAck(_))));
        }
        // One whose session is stored, so that a message waits for the group while nobody has room.
        let mut away = joined(&world, &key, "GID_one@@@away", (Qos::AtLeastOnce, 600)).await;
        for _ in 0..turn {
            publisher.publish("home/shared", "moves the turn").await;
            away.next().await;
        }
        drop(away);
        is_offline(&world, "GID_one@@@away").await;
        let mut first = joined(&world, &key, "GID_one@@@first", (Qos::AtMostOnce, 0)).await;
        let second = joined(&world, &key, "GID_one@@@second", (Qos::AtMostOnce, 0)).await;
        // In one go, so that no member takes any of it before both are full: half of a queue is for QoS 0.
        let payload = "x".repeat(SHARED_BYTES);
        for _ in 0..=2 * (32 * 1024 * 1024 / (SHARED_BYTES + 64)) {
            world.send(CLOSES, "home/shared", &payload).await;
        }
        // It comes to hand the backlog out with nothing in flight, whose acknowledgement would have it look again.
        let filters = vec![("home/kept/+".parse().unwrap(), FilterOptions::of(Qos::AtMostOnce))];
        first.send(Packet::Subscribe(Subscribe { packet_id: 9, properties: None, filters })).await;
        let mut kept = 0;
        while kept < RETAINED {
            if let Some(Packet::Publish(publish)) = first.receive().await {
                kept += usize::from(publish.payload.len() == 4);
            }
        }
        drop(second);
    }
}

async fn is_offline(world: &World, client_id: &str) {
    while world.session(CLOSES, client_id).is_none_or(|session| session.online) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A member of the group, connected, by its QoS and the seconds that its session is kept.
async fn joined(world: &World, key: &Key, client_id: &str, (qos, expiry_s): (Qos, u32)) -> Client {
    let properties = Some(Properties { session_expiry_interval: Some(expiry_s), ..Properties::default() }.into());
    let asked = Connect { properties, ..connect(Version::V5, key, CLOSES, client_id) };
    let (mut client, _) = Client::try_open(world, asked).await;
    let joined = client.ask_for("$share/g/home/shared", FilterOptions::of(qos), None).await;
    assert!(matches!(joined, Some(Packet::SubAck(_))));
    client
}
