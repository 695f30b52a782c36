//! What leaves for a client only once the log has it, what does not wait, and what a log that fails does to both.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{sync::Arc, time::Duration};

use sluice_codec::{Ack, Connect, FilterOptions, Packet, Properties, Publish, ReasonCode, Subscribe, Version, Will};
use sluice_model::Qos;
use sluice_store::log::LogFault;
use support::{
    CLOSES, Key, World,
    client::{Client, connect, message},
    member,
    slow_log::SlowLog,
};

async fn world() -> (World, SlowLog, Key) {
    let log = SlowLog::default();
    let world = World::on(Arc::new(log.clone())).await;
    let key = world.user("alice", &member()).await;
    (world, log, key)
}

fn stored(key: &Key, client_id: &str) -> Connect {
    let properties = Some(Properties { session_expiry_interval: Some(600), ..Properties::default() }.into());
    Connect { clean: false, properties, ..connect(Version::V5, key, CLOSES, client_id) }
}

/// A connected client whose session is stored, and which holds `home/#` at this QoS.
async fn subscriber(world: &World, key: &Key, qos: Qos) -> Client {
    let (mut client, _) = Client::try_open(world, stored(key, "GID_one@@@sub")).await;
    assert!(matches!(client.ask_for("home/#", FilterOptions::of(qos), None).await, Some(Packet::SubAck(_))));
    client
}

async fn put(publisher: &mut Client, payload: &str, qos: Qos) {
    let packet_id = (qos != Qos::AtMostOnce).then(|| publisher.id());
    publisher.send(Packet::Publish(Publish { qos, ..message("home/a", payload, packet_id) })).await;
}

async fn payload(client: &mut Client) -> String {
    match client.receive().await {
        Some(Packet::Publish(publish)) => String::from_utf8(publish.payload.to_vec()).unwrap(),
        other => panic!("not a PUBLISH: {other:?}"),
    }
}

#[tokio::test]
async fn a_puback_waits_for_the_log_and_a_live_copy_at_qos_1_does_not() {
    let (world, log, key) = world().await;
    let mut subscriber = subscriber(&world, &key, Qos::AtLeastOnce).await;
    let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
    log.hold();
    put(&mut publisher, "early", Qos::AtLeastOnce).await;
    assert_eq!(payload(&mut subscriber).await, "early");
    publisher.is_alive().await;
    log.settle();
    assert!(matches!(publisher.receive().await, Some(Packet::PubAck(_))));
}

#[tokio::test]
async fn what_nobody_is_to_get_later_is_acknowledged_at_once() {
    let (world, log, key) = world().await;
    let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
    log.hold();
    assert_eq!(publisher.publish("home/a", "x").await, ReasonCode::Success);
    log.fails(Some(LogFault::Full));
    assert_eq!(publisher.publish("home/a", "x").await, ReasonCode::Success);
}

#[tokio::test]
async fn messages_leave_in_order_behind_a_copy_at_qos_2_that_waits() {
    let (world, log, key) = world().await;
    let mut subscriber = subscriber(&world, &key, Qos::ExactlyOnce).await;
    let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
    log.hold();
    for (text, qos) in [("1", Qos::ExactlyOnce), ("2", Qos::AtLeastOnce), ("3", Qos::AtMostOnce)] {
        put(&mut publisher, text, qos).await;
    }
    // Nothing for either of them, though all of it was routed.
    publisher.is_alive().await;
    subscriber.is_alive().await;
    log.settle();
    for text in ["1", "2", "3"] {
        assert_eq!(payload(&mut subscriber).await, text);
    }
    assert!(matches!(publisher.receive().await, Some(Packet::PubRec(_))));
    assert!(matches!(publisher.receive().await, Some(Packet::PubAck(_))));
}

/// A copy was permitted, and its right is gone when the log has it. With a window of one message: the place of what is
/// withheld is free again.
#[tokio::test]
async fn a_copy_that_waits_for_the_log_is_not_written_once_a_right_is_taken_back() {
    let (world, log, key) = world().await;
    let guest = world.user("guest", &member()).await;
    let mut connect = stored(&key, "GID_one@@@sub");
    connect.properties.as_mut().unwrap().receive_maximum = Some(1);
    let (mut subscriber, _) = Client::try_open(&world, connect).await;
    let wanted = FilterOptions::of(Qos::ExactlyOnce);
    assert!(matches!(subscriber.ask_for("home/#", wanted, None).await, Some(Packet::SubAck(_))));
    let mut publisher = Client::open(&world, &guest, CLOSES, "GID_one@@@pub").await;
    let mut other = Client::open(&world, &key, CLOSES, "GID_one@@@other").await;
    log.hold();
    put(&mut publisher, "of a guest", Qos::ExactlyOnce).await;
    publisher.is_alive().await;
    subscriber.is_alive().await;
    put(&mut other, "permitted", Qos::ExactlyOnce).await;
    other.is_alive().await;
    world.revoke(&guest, "guest").await;
    log.settle();
    assert_eq!(payload(&mut subscriber).await, "permitted");
}

#[tokio::test]
async fn a_copy_that_waits_for_the_log_is_not_written_to_who_lost_the_instance() {
    let (world, log, key) = world().await;
    let publishing = world.user("publishing", &member()).await;
    let mut subscriber = subscriber(&world, &key, Qos::ExactlyOnce).await;
    let mut publisher = Client::open(&world, &publishing, CLOSES, "GID_one@@@pub").await;
    log.hold();
    put(&mut publisher, "too late", Qos::ExactlyOnce).await;
    publisher.is_alive().await;
    subscriber.is_alive().await;
    world.revoke(&key, "alice").await;
    log.settle();
    assert!(!matches!(subscriber.receive().await, Some(Packet::Publish(_))));
}

#[tokio::test]
async fn more_than_a_connection_holds_back_comes_all_the_same() {
    let (world, log, key) = world().await;
    let mut subscriber = subscriber(&world, &key, Qos::ExactlyOnce).await;
    let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
    log.hold();
    put(&mut publisher, "first", Qos::ExactlyOnce).await;
    let large = "x".repeat(100_000);
    for _ in 0..10 {
        put(&mut publisher, &large, Qos::AtMostOnce).await;
    }
    publisher.is_alive().await;
    subscriber.is_alive().await;
    log.settle();
    assert_eq!(payload(&mut subscriber).await, "first");
    for _ in 0..10 {
        assert_eq!(payload(&mut subscriber).await.len(), large.len());
    }
}

#[tokio::test]
async fn suback_and_connack_of_a_stored_session_wait_and_retained_messages_follow_the_suback() {
    let (world, log, key) = world().await;
    let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
    let kept = Publish { retain: true, ..message("home/kept", "kept", Some(publisher.id())) };
    publisher.send(Packet::Publish(kept)).await;
    assert!(matches!(publisher.receive().await, Some(Packet::PubAck(_))));
    log.hold();
    let mut client = Client::dial(&world, Version::V5).await;
    client.send(Packet::Connect(stored(&key, "GID_one@@@sub").into())).await;
    while !log.is_waited_for() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    log.settle();
    assert!(matches!(client.receive().await, Some(Packet::ConnAck(connack)) if connack.reason == ReasonCode::Success));
    log.hold();
    let filters = vec![("home/#".parse().unwrap(), FilterOptions::of(Qos::AtLeastOnce))];
    client.send(Packet::Subscribe(Subscribe { packet_id: 1, properties: None, filters })).await;
    client.is_alive().await;
    log.settle();
    assert!(matches!(client.receive().await, Some(Packet::SubAck(_))));
    assert_eq!(payload(&mut client).await, "kept");
}

#[tokio::test]
async fn a_qos_2_handshake_of_stored_sessions_waits_at_each_step() {
    let (world, log, key) = world().await;
    let mut subscriber = subscriber(&world, &key, Qos::ExactlyOnce).await;
    let (mut publisher, _) = Client::try_open(&world, stored(&key, "GID_one@@@pub")).await;
    put(&mut publisher, "x", Qos::ExactlyOnce).await;
    assert!(matches!(publisher.receive().await, Some(Packet::PubRec(_))));
    let Some(Packet::Publish(got)) = subscriber.receive().await else { panic!("not a PUBLISH") };
    log.hold();
    publisher.send(Packet::PubRel(Ack::success(1))).await;
    subscriber.send(Packet::PubRec(Ack::success(got.packet_id.unwrap()))).await;
    publisher.is_alive().await;
    subscriber.is_alive().await;
    log.settle();
    assert!(matches!(publisher.receive().await, Some(Packet::PubComp(_))));
    assert!(matches!(subscriber.receive().await, Some(Packet::PubRel(_))));
}

#[tokio::test]
async fn a_full_log_refuses_what_would_be_stored_and_takes_it_again_by_itself() {
    let (world, log, key) = world().await;
    let mut subscriber = subscriber(&world, &key, Qos::AtLeastOnce).await;
    let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
    let mut old = Client::open_as(&world, Version::V3_1_1, &key, CLOSES, "GID_one@@@old").await;
    for fault in [LogFault::Full, LogFault::ReadOnly] {
        log.fails(Some(fault));
        assert_eq!(publisher.publish("home/a", "refused").await, ReasonCode::QuotaExceeded);
        assert_eq!(subscriber.subscribe("home/more").await, ReasonCode::QuotaExceeded);
        let (_, connack) = Client::try_open(&world, stored(&key, "GID_one@@@new")).await;
        assert_eq!(connack.reason, ReasonCode::QuotaExceeded);
        assert!(world.session(CLOSES, "GID_one@@@new").is_none());
    }
    // MQTT 3 cannot refuse.
    old.put("home/a", "refused").await;
    assert_eq!(old.is_closed().await, None);
    log.fails(None);
    assert_eq!(publisher.publish("home/a", "taken").await, ReasonCode::Success);
    assert_eq!(payload(&mut subscriber).await, "taken");
}

#[tokio::test]
async fn a_connect_that_the_log_does_not_take_leaves_neither_session_nor_will() {
    let (world, log, key) = world().await;
    let mut watcher = Client::open(&world, &key, CLOSES, "GID_one@@@watch").await;
    watcher.subscribe("home/#").await;
    log.fails(Some(LogFault::Full));
    let topic = "home/will".parse().unwrap();
    let will = Will { topic, payload: "gone".into(), qos: Qos::AtMostOnce, retain: false, properties: None };
    let asked = Connect { will: Some(will), ..stored(&key, "GID_one@@@new") };
    let (mut client, connack) = Client::try_open(&world, asked).await;
    assert_eq!(connack.reason, ReasonCode::QuotaExceeded);
    assert_eq!(client.is_closed().await, None);
    assert!(world.session(CLOSES, "GID_one@@@new").is_none());
    put(&mut watcher, "end", Qos::AtMostOnce).await;
    assert_eq!(payload(&mut watcher).await, "end");
}

#[tokio::test]
async fn a_broken_log_closes_whoever_waits_without_the_acknowledgement() {
    let (world, log, key) = world().await;
    let mut subscriber = subscriber(&world, &key, Qos::AtLeastOnce).await;
    let mut waits = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
    let mut later = Client::open(&world, &key, CLOSES, "GID_one@@@later").await;
    log.hold();
    put(&mut waits, "x", Qos::AtLeastOnce).await;
    assert_eq!(payload(&mut subscriber).await, "x");
    log.fails(Some(LogFault::Broken));
    assert_eq!(waits.closing_reason().await, ReasonCode::ImplementationSpecificError);
    assert_eq!(later.publish("home/a", "x").await, ReasonCode::ImplementationSpecificError);
    // A sync that succeeds later heals nothing.
    log.settle();
    assert_eq!(later.publish("home/a", "x").await, ReasonCode::ImplementationSpecificError);
}
