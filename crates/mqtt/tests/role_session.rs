//! A role session ends at its time: connected, away, and for what it said. Attacks 2, 5, 7, 13 and 14.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{sync::Arc, time::Duration};

use sluice_codec::{Connect, Packet, Properties, ReasonCode, Version, Will};
use sluice_model::Qos;
use support::{
    CLOSES, Key, World,
    client::{Client, connect, message},
    member,
};

const SECOND: i64 = 1_000;

async fn world() -> World {
    let world = World::new().await;
    tokio::spawn(Arc::clone(&world.broker).keep_time());
    world
}

/// A CONNECT in a role's session; a kept one where the session shall outlive the connection.
fn in_session((key, token): &(Key, String), version: Version, client_id: &str, kept: bool) -> Connect {
    let asked = connect(version, key, CLOSES, client_id);
    let username = format!("{}|{token}", asked.username.as_deref().unwrap());
    let properties = Properties { session_expiry_interval: Some(7_200), ..Properties::default() };
    let properties = (version == Version::V5 && kept).then(|| properties.into());
    Connect { clean: !kept, username: Some(username.into()), properties, ..asked }
}

async fn until(mut holds: impl FnMut() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), look).await.expect("in time");
}

#[tokio::test]
async fn a_connection_ends_when_its_token_does_v3_and_v5() {
    for version in [Version::V3_1_1, Version::V5] {
        let world = world().await;
        let key = world.role_session("device", &member(), 900).await;
        let (mut client, connack) = Client::try_open(&world, in_session(&key, version, "GID_one@@@a", false)).await;
        assert_eq!(connack.reason, ReasonCode::Success);
        world.pass(899 * SECOND);
        client.is_alive().await;
        world.pass(SECOND);
        // By itself: nobody sends anything.
        match version {
            Version::V5 => match client.receive().await {
                Some(Packet::Disconnect(told)) => assert_eq!(told.reason, ReasonCode::NotAuthorized),
                other => panic!("{other:?}"),
            },
            _ => assert!(client.receive().await.is_none()),
        }
        let (_, connack) = Client::try_open(&world, in_session(&key, version, "GID_one@@@a", false)).await;
        assert_eq!(connack.reason, ReasonCode::BadUserNameOrPassword);
    }
}

#[tokio::test]
async fn what_a_session_said_and_left_dies_with_its_token_and_the_owner_keeps_its_queue() {
    let world = world().await;
    let key = world.role_session("device", &member(), 900).await;
    let alice = world.user("alice", &member()).await;
    let mut watcher = Client::open(&world, &alice, CLOSES, "GID_one@@@w").await;
    watcher.subscribe("home/#").await;
    // A retained message, a message that waits for an absent client, a will.
    let properties = Properties { session_expiry_interval: Some(7_200), ..Properties::default() };
    let absent = || Connect {
        clean: false,
        properties: Some(properties.clone().into()),
        ..connect(Version::V5, &alice, CLOSES, "GID_one@@@b")
    };
    let (mut client, _) = Client::try_open(&world, absent()).await;
    client.subscribe("home/a").await;
    drop(client);
    until(|| world.session(CLOSES, "GID_one@@@b").is_some_and(|session| !session.online)).await;
    let mut asked = in_session(&key, Version::V5, "GID_one@@@a", true);
    asked.will = Some(Will {
        topic: "home/will".parse().unwrap(),
        payload: "will".into(),
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: None,
    });
    let (mut client, _) = Client::try_open(&world, asked).await;
    client.subscribe("home/mine").await;
    for (topic, retain) in [("home/a", false), ("home/kept", true)] {
        let mut publish = message(topic, "said", Some(1));
        publish.retain = retain;
        client.send(Packet::Publish(publish)).await;
        assert!(matches!(client.receive().await, Some(Packet::PubAck(_))));
        assert_eq!(watcher.hears().await, "said");
    }
    world.pass(899 * SECOND);
    client.is_alive().await;
    world.pass(SECOND);
    until(|| world.session(CLOSES, "GID_one@@@a").is_some_and(|session| !session.online)).await;
    world.send(CLOSES, "home/mine", "waits").await;
    assert_eq!(watcher.hears().await, "waits");
    // No will came before it, nothing waits, nothing is retained.
    let (mut absent, connack) = Client::try_open(&world, absent()).await;
    assert!(connack.session_present);
    absent.is_alive().await;
    let mut late = Client::open(&world, &alice, CLOSES, "GID_one@@@late").await;
    late.subscribe("home/kept").await;
    late.is_alive().await;
    // The role owns the session: whoever assumes it again goes on.
    let draft = world.another_session("device", "s2", 900).await;
    let (mut client, connack) = Client::try_open(&world, in_session(&draft, Version::V5, "GID_one@@@a", true)).await;
    assert!(connack.session_present);
    assert_eq!(&*client.next().await.payload, b"waits");
}
