//! What no policy decided and a client was refused all the same: kept under the request ID that the client is told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::Ipv4Addr;

use bytes::BytesMut;
use sluice_access::Peer;
use sluice_broker::{Arrival, Door};
use sluice_codec::{Connect, FilterOptions, Packet, Properties, Publish, ReasonCode, Subscribe, Version, Will, decode};
use sluice_model::{Compatibility, Edition, Limits, Qos};
use sluice_store::Refusal;

use support::{
    ANSWERS, BASIC, CLOSES, Key, STRICT, World, allow,
    client::{Client, connect, message},
    member,
};

/// What a sentence of the server says, and the request ID at its end.
fn split(properties: Option<Box<Properties>>) -> (String, String) {
    let sentence = properties.unwrap().reason_string.unwrap();
    let (reason, id) = sentence.rsplit_once(" (request ").unwrap();
    (reason.to_owned(), id.trim_end_matches(')').to_owned())
}

/// What is kept of a sentence, by its request ID.
async fn kept(world: &World, key: &Key, properties: Option<Box<Properties>>) -> Refusal {
    let (reason, id) = split(properties);
    world.access.refusals().write().await.unwrap();
    let kept = world.store.refusal(key.owner.account(), &id).await.unwrap().unwrap();
    assert_eq!((kept.reason.as_str(), kept.scope.as_str(), &kept.by), (reason.as_str(), "", &None));
    assert_eq!((kept.principal, kept.at), (key.owner, world.access.clock().now()));
    kept
}

async fn of_connect(world: &World, key: &Key, connect: Connect) -> Refusal {
    let (_client, connack) = Client::try_open(world, connect).await;
    assert_ne!(connack.reason, ReasonCode::Success);
    kept(world, key, connack.properties).await
}

fn v5(key: &Key, instance: &str, client: &str) -> Connect {
    connect(Version::V5, key, instance, client)
}

fn with_will(mut connect: Connect, topic: &str) -> Connect {
    let (topic, payload) = (topic.parse().unwrap(), "gone".into());
    connect.will = Some(Will { topic, payload, qos: Qos::AtMostOnce, retain: false, properties: None });
    connect
}

/// What of a kept refusal tells one cause from another.
fn facts<'a>(world: &World, kept: &'a Refusal) -> (&'a str, String, &'a str) {
    let own = format!("acs:mq:*:{}:", world.account);
    (&kept.action, kept.resource.strip_prefix(&own).unwrap().to_owned(), &kept.reason)
}

const ACCESS: &str = "mq:MqttInstanceAccess";

#[tokio::test]
async fn each_connect_that_no_policy_refused_is_kept() {
    let world = World::new().await;
    let _rival = world.rival("mqtt-cn-rival").await;
    let key = world.user("alice", &member()).await;
    let (peer, inactive) = (world.user("peer", &member()).await, world.user("inactive", &member()).await);
    world.deactivate(&inactive).await;
    let _present = Client::open(&world, &peer, CLOSES, "GID_one@@@held").await;
    let mut enhanced = v5(&key, CLOSES, "GID_one@@@a");
    enhanced.properties =
        Some(Box::new(Properties { authentication_method: Some("SCRAM-SHA-256".into()), ..Properties::default() }));
    let here = format!("instance/{CLOSES}");
    let no_instance = "the instance does not exist or belongs to another account";
    let cases = [
        (&key, v5(&key, "mqtt-cn-absent", "GID_one@@@a"), "instance/mqtt-cn-absent", no_instance),
        (&key, v5(&key, "mqtt-cn-rival", "GID_one@@@a"), "instance/mqtt-cn-rival", no_instance),
        (&key, v5(&key, "no\u{1b}such", "GID_one@@@a"), "instance/no\\u{1b}such", no_instance),
        (&inactive, v5(&inactive, CLOSES, "GID_one@@@a"), &here, "the AccessKey is inactive"),
        (&key, v5(&key, CLOSES, "GID_one@@@held"), &here, "the client ID is in use by another principal"),
        (&key, enhanced, &here, "enhanced authentication is not served"),
    ];
    for (key, connect, resource, reason) in cases {
        let kept = of_connect(&world, key, connect).await;
        assert_eq!(facts(&world, &kept), (ACCESS, resource.to_owned(), reason));
        assert_eq!(kept.principal_name, key.name);
    }
    let group = of_connect(&world, &key, v5(&key, CLOSES, "GID_absent@@@a")).await;
    let resource = format!("groupId/{CLOSES}/GID_absent");
    assert_eq!(facts(&world, &group), ("mq:SUB", resource, "the group does not exist"));
    let will = of_connect(&world, &key, with_will(v5(&key, CLOSES, "GID_one@@@a"), "attic/a")).await;
    let resource = format!("topic/{CLOSES}/attic/a");
    assert_eq!(facts(&world, &will), ("mq:PUB", resource, "the will's parent topic does not exist"));
    let gap = of_connect(&world, &key, with_will(v5(&key, STRICT, "GID_one@@@a"), "home/a")).await;
    assert_eq!(gap.reason, "wills are not served");
}

#[tokio::test]
async fn an_absent_instance_and_another_accounts_are_kept_alike_and_for_the_caller_alone() {
    let world = World::new().await;
    let rival = world.rival("mqtt-cn-rival").await;
    let key = world.user("alice", &member()).await;
    let mut pair = Vec::new();
    for instance in ["mqtt-cn-rival", "mqtt-cn-other"] {
        let (_client, connack) = Client::try_open(&world, v5(&key, instance, "GID_one@@@a")).await;
        let (_, id) = split(connack.properties.clone());
        let mut kept = kept(&world, &key, connack.properties).await;
        let of_rival = world.store.refusal(rival.owner.account(), &id).await.unwrap();
        assert_eq!(of_rival, None);
        kept.request_id.clear();
        kept.resource = kept.resource.replace(instance, "");
        pair.push(kept);
    }
    assert_eq!(pair[0], pair[1]);
}

#[tokio::test]
async fn a_connect_without_proof_and_a_broken_one_get_no_request_id() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut forged = v5(&key, CLOSES, "GID_one@@@a");
    forged.password = Some("not the signature".into());
    let mut unknown = v5(&key, CLOSES, "GID_one@@@a");
    unknown.username = Some(format!("Signature|LTAIunknown0000000000000|{CLOSES}").into());
    for connect in [forged, unknown, v5(&key, CLOSES, "GID_one")] {
        let (_client, connack) = Client::try_open(&world, connect).await;
        let why = connack.properties.unwrap().reason_string.unwrap();
        assert!(!why.contains("request"), "{why}");
    }
}

#[tokio::test]
async fn tls_for_another_instance_than_connect_is_kept() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let peer = Peer { addr: Ipv4Addr::LOCALHOST.into(), secure: true };
    let arrival = Arrival { peer, sni_instance: Some(ANSWERS.parse().unwrap()), door: Door::Signed };
    let mut out = BytesMut::new();
    assert!(world.broker.connect(&v5(&key, CLOSES, "GID_one@@@a"), &arrival, &mut out).await.is_none());
    let Packet::ConnAck(connack) = decode(&out, Version::V5, 1 << 20).unwrap().unwrap().packet else { panic!() };
    let kept = kept(&world, &key, connack.properties).await;
    let reason = "TLS named another instance than CONNECT";
    assert_eq!(facts(&world, &kept), (ACCESS, format!("instance/{CLOSES}"), reason));
}

#[tokio::test]
async fn an_absent_parent_topic_and_anothers_point_to_point_topic_are_kept() {
    let world = World::new().await;
    let key = world.user("alice", &[member(), vec![allow("PUB,SUB", &["topic/*"])]].concat()).await;
    for instance in [CLOSES, ANSWERS] {
        let mut client = Client::open(&world, &key, instance, "GID_one@@@a").await;
        client.put("attic/a", "x").await;
        let told = match client.receive().await.unwrap() {
            Packet::PubAck(ack) => ack.properties,
            Packet::Disconnect(disconnect) => disconnect.properties,
            other => panic!("{other:?}"),
        };
        let told = kept(&world, &key, told).await;
        let reason = "the parent topic of `attic/a` does not exist";
        assert_eq!(facts(&world, &told), ("mq:PUB", format!("topic/{instance}/attic/a"), reason));
        for (filter, resource, reason) in [
            ("$share/two/attic/#", "attic/#", "the parent topic does not exist"),
            ("home/p2p/GID_one@@@b", "home/p2p/GID_one@@@b", "the filter names another client's point-to-point topic"),
        ] {
            let mut client = Client::open(&world, &key, instance, "GID_one@@@a").await;
            let told = match client.ask_for(filter, FilterOptions::of(Qos::AtLeastOnce), None).await.unwrap() {
                Packet::SubAck(suback) => suback.properties,
                Packet::Disconnect(disconnect) => disconnect.properties,
                other => panic!("{other:?}"),
            };
            let told = kept(&world, &key, told).await;
            assert_eq!(facts(&world, &told), ("mq:SUB", format!("topic/{instance}/{resource}"), reason));
        }
    }
}

#[tokio::test]
async fn what_ends_a_subscription_or_a_connection_without_a_policy_is_kept_too() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    assert_eq!(client.subscribe("home/a").await, ReasonCode::GrantedQos1);
    world.delete_topic(CLOSES, "home").await;
    client.is_alive().await;
    world.delete_group(CLOSES, "GID_one").await;
    assert_eq!(client.closing_reason().await, ReasonCode::NotAuthorized);
    // The subscription, and then the connection.
    assert_eq!(count_kept(&world).await, 2);
}

/// How many are kept that no policy decided; they are forgotten.
async fn count_kept(world: &World) -> u64 {
    world.access.refusals().write().await.unwrap();
    world.store.trim_refusals(world.account, (u32::MAX, 0)).await.unwrap()
}

#[tokio::test]
async fn a_limit_that_is_met_again_in_the_same_second_has_the_same_request_id() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, BASIC, "GID_one@@@a").await;
    for _ in 0..Limits::of(Edition::Basic, Compatibility::Extended).messages_per_s_max {
        assert_eq!(client.publish("home/a", "within").await, ReasonCode::Success);
    }
    let mut told = Vec::new();
    for topic in ["home/a", "home/b"] {
        client.put(topic, "over").await;
        let Some(Packet::PubAck(ack)) = client.receive().await else { panic!() };
        assert_eq!(ack.reason, ReasonCode::QuotaExceeded);
        told.push(ack.properties);
    }
    assert_eq!(split(told[0].clone()), split(told[1].clone()));
    let first = kept(&world, &key, told.remove(0)).await;
    let reason = "the instance has as many messages in this second as it may";
    assert_eq!(facts(&world, &first), ("mq:PUB", format!("topic/{BASIC}/home/a"), reason));
    world.pass(1_000);
    assert_eq!(client.publish("home/a", "the next second").await, ReasonCode::Success);
}

#[tokio::test]
async fn a_client_that_meets_two_limits_by_turns_has_one_request_id_for_each_of_them_in_a_second() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, STRICT, "GID_one@@@a").await;
    let long = format!("home/{}", "a".repeat(1_000));
    let mut turns = async || {
        let mut told = Vec::new();
        for filter in ["$share/two/home/a", &long] {
            let options = FilterOptions::of(Qos::AtLeastOnce);
            let Some(Packet::SubAck(suback)) = client.ask_for(filter, options, None).await else { panic!() };
            told.push(split(suback.properties));
        }
        told
    };
    let first = turns().await;
    assert_ne!(first[0], first[1]);
    assert_eq!((turns().await, turns().await), (first.clone(), first.clone()));
    assert_eq!(count_kept(&world).await, 2);
    world.pass(1_000);
    let next = turns().await;
    assert!(first.iter().zip(&next).all(|((reason, id), (again, other))| reason == again && id != other));
    assert_eq!(count_kept(&world).await, 2);
}

#[tokio::test]
async fn what_an_instance_does_not_serve_is_kept_once_for_a_whole_packet() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, STRICT, "GID_one@@@a").await;
    let most = Limits::of(Edition::Professional, Compatibility::Strict).client_subscriptions_max;
    let options = FilterOptions::of(Qos::AtLeastOnce);
    let filters = (0..most + 20).map(|n| (format!("home/{n}").parse().unwrap(), options)).collect();
    let packet_id = client.id();
    client.send(Packet::Subscribe(Subscribe { packet_id, properties: None, filters })).await;
    let Some(Packet::SubAck(suback)) = client.receive().await else { panic!() };
    assert_eq!(suback.reasons.iter().filter(|reason| **reason == ReasonCode::QuotaExceeded).count(), 20);
    let over = kept(&world, &key, suback.properties).await;
    assert_eq!(over.reason, "the client or the instance has as many subscriptions as it may");
    let Some(Packet::SubAck(suback)) = client.ask_for("$share/two/home/a", options, None).await else { panic!() };
    let shared = kept(&world, &key, suback.properties).await;
    assert_eq!(facts(&world, &shared).1, format!("topic/{STRICT}/home/a"));
    let retained = Publish { retain: true, ..message("home/a", "x", None) };
    client.send(Packet::Publish(retained)).await;
    let closed = client.is_closed().await.unwrap();
    assert_eq!(closed.reason, ReasonCode::RetainNotSupported);
    assert_eq!(kept(&world, &key, closed.properties).await.reason, "retained messages are not served");
    assert_eq!(count_kept(&world).await, 3);
}
