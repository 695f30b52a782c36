//! Somebody sets the clock: nothing that is kept ends early or hangs, and rights follow at once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{sync::Arc, time::Duration};

use sluice_codec::{Connect, Packet, Properties, ReasonCode, Version, Will};
use sluice_model::{Qos, UnixMs};
use sluice_policy::Credential;
use sluice_store::log::{QueueId, Recovered, RecoveredSession, SessionRecord, StoredCaller};
use support::{
    CLOSES, Key, START, World, allow,
    client::{Client, connect, message},
    member,
};

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;

/// A world whose broker keeps the time.
async fn world() -> World {
    let world = World::new().await;
    tokio::spawn(Arc::clone(&world.broker).keep_time());
    world
}

/// A CONNECT of a session that is kept for `expiry_s` seconds.
fn stored(key: &Key, client_id: &str, expiry_s: u32) -> Connect {
    let properties = Properties { session_expiry_interval: Some(expiry_s), ..Properties::default() };
    Connect { clean: false, properties: Some(properties.into()), ..connect(Version::V5, key, CLOSES, client_id) }
}

/// Returns when the broker has seen that a client left; panics where it never does.
async fn is_away(world: &World, client_id: &str) {
    until(|| world.session(CLOSES, client_id).is_some_and(|session| !session.online)).await;
}

async fn until(mut holds: impl FnMut() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), look).await.expect("in time");
}

async fn put_expiring(publisher: &mut Client, payload: &str, expiry_s: u32) {
    let mut publish = message("home/a", payload, Some(1));
    publish.properties = Some(Properties { message_expiry_interval: Some(expiry_s), ..Properties::default() }.into());
    publisher.send(Packet::Publish(publish)).await;
    assert!(matches!(publisher.receive().await, Some(Packet::PubAck(_))));
}

#[tokio::test]
async fn a_message_expires_by_the_time_that_passed_wherever_the_clock_jumps() {
    for jump in [HOUR, -HOUR] {
        let world = world().await;
        let key = world.user("alice", &member()).await;
        let (mut client, _) = Client::try_open(&world, stored(&key, "GID_one@@@a", 7_200)).await;
        client.subscribe("home/a").await;
        drop(client);
        is_away(&world, "GID_one@@@a").await;
        let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
        put_expiring(&mut publisher, "before", 100).await;
        put_expiring(&mut publisher, "too old", 30).await;
        world.jump(jump);
        put_expiring(&mut publisher, "after", 100).await;
        world.pass(40 * SECOND);
        let (mut client, _) = Client::try_open(&world, stored(&key, "GID_one@@@a", 7_200)).await;
        for payload in ["before", "after"] {
            let got = client.next().await;
            assert_eq!(&*got.payload, payload.as_bytes());
            assert_eq!(got.properties.unwrap().message_expiry_interval, Some(60));
        }
        client.is_alive().await;
    }
}

#[tokio::test]
async fn a_session_ends_by_the_time_that_passed_wherever_the_clock_jumps() {
    for jump in [HOUR, -HOUR] {
        let world = world().await;
        let key = world.user("alice", &member()).await;
        for (client_id, expiry_s) in [("GID_one@@@short", 600), ("GID_one@@@long", 1_200)] {
            drop(Client::try_open(&world, stored(&key, client_id, expiry_s)).await);
            is_away(&world, client_id).await;
        }
        world.jump(jump);
        // Shown by the clock that people see.
        let ends = |client_id| world.session(CLOSES, client_id).unwrap().expires.unwrap().0;
        until(|| ends("GID_one@@@short") == START.0 + jump + 600 * SECOND).await;
        world.pass(599 * SECOND);
        let (client, connack) = Client::try_open(&world, stored(&key, "GID_one@@@short", 600)).await;
        assert!(connack.session_present);
        drop(client);
        is_away(&world, "GID_one@@@short").await;
        world.pass(600 * SECOND);
        until(|| world.session(CLOSES, "GID_one@@@short").is_none()).await;
        assert!(world.session(CLOSES, "GID_one@@@long").is_some());
        world.pass(SECOND);
        until(|| world.session(CLOSES, "GID_one@@@long").is_none()).await;
    }
}

#[tokio::test]
async fn a_will_waits_by_the_time_that_passed_wherever_the_clock_jumps() {
    for jump in [HOUR, -HOUR] {
        let world = world().await;
        let key = world.user("alice", &member()).await;
        let mut watcher = Client::open(&world, &key, CLOSES, "GID_one@@@w").await;
        watcher.subscribe("home/#").await;
        for (payload, delay_s) in [("soon", 10), ("late", 20)] {
            let client_id = format!("GID_one@@@{payload}");
            let mut asked = stored(&key, &client_id, 7_200);
            let properties = Properties { will_delay_interval: Some(delay_s), ..Properties::default() };
            asked.will = Some(Will {
                topic: "home/a".parse().unwrap(),
                payload: payload.into(),
                qos: Qos::AtLeastOnce,
                retain: false,
                properties: Some(properties.into()),
            });
            drop(Client::try_open(&world, asked).await);
            is_away(&world, &client_id).await;
        }
        world.jump(jump);
        world.pass(10 * SECOND);
        assert_eq!(watcher.hears().await, "soon");
        watcher.is_alive().await;
        world.jump(-2 * jump);
        world.pass(10 * SECOND);
        assert_eq!(watcher.hears().await, "late");
    }
}

#[tokio::test]
async fn a_right_that_a_date_bounds_follows_the_wall_clock_at_once() {
    // From 21:43:20 to 22:43:20; it is 22:13:20.
    let dates = r#""Condition":{"DateGreaterThan":{"acs:CurrentTime":"2023-11-14T21:43:20Z"},"DateLessThan":{"acs:CurrentTime":"2023-11-14T22:43:20Z"}}}"#;
    let bounded = |statement: String| format!("{},{dates}", statement.strip_suffix('}').unwrap());
    for jump in [HOUR, -HOUR] {
        let world = world().await;
        let may_come = allow("MqttInstanceAccess", &["instance/*"]);
        let (here, publishes) = ([bounded(may_come.clone())], [may_come, bounded(allow("PUB", &["topic/*/home"]))]);
        let (guest, publisher) = (world.user("guest", &here).await, world.user("publisher", &publishes).await);
        let mut guest = Client::open(&world, &guest, CLOSES, "GID_one@@@guest").await;
        let mut publisher = Client::open(&world, &publisher, CLOSES, "GID_one@@@pub").await;
        assert_eq!(publisher.publish("home/a", "in time").await, ReasonCode::Success);
        world.jump(jump);
        // One that says nothing is closed by itself.
        assert_eq!(guest.closing_reason().await, ReasonCode::NotAuthorized);
        publisher.put("home/a", "out of time").await;
        assert_eq!(publisher.closing_reason().await, ReasonCode::NotAuthorized);
    }
}

#[tokio::test]
async fn a_start_does_not_go_back_behind_what_the_log_says() {
    let mut world = World::new().await;
    let key = world.user("alice", &member()).await;
    // The clock was set back by an hour while nobody looked.
    let latest = START.0 + HOUR;
    let owner = StoredCaller {
        principal: key.owner,
        credential: Credential::AccessKey(key.id.clone()),
        source_ip: None,
        secure_transport: false,
        mfa_present: None,
    };
    let record = SessionRecord {
        // Odd: of a session that outlives its connection.
        session: QueueId(3),
        account: world.account,
        instance: CLOSES.parse().unwrap(),
        client: "GID_one@@@a".parse().unwrap(),
        owner,
        version: Version::V5,
        connected: START,
        expiry_s: 600,
        will: None,
    };
    let session = RecoveredSession {
        record,
        left: Some((UnixMs(latest + 600 * SECOND), None)),
        subscriptions: Vec::new(),
        in_flight: Vec::new(),
        remembered: Vec::new(),
    };
    let recovered = Recovered { sessions: vec![session], latest: Some(UnixMs(latest)), ..Recovered::default() };
    world.restart(recovered);
    tokio::spawn(Arc::clone(&world.broker).keep_time());
    world.pass(599 * SECOND);
    assert!(world.session(CLOSES, "GID_one@@@a").is_some());
    world.pass(SECOND);
    until(|| world.session(CLOSES, "GID_one@@@a").is_none()).await;
}
