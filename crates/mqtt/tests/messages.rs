//! PUBLISH, SUBSCRIBE and delivery under permission.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use sluice_codec::{
    Connect, FilterOptions, Packet, Properties, Publish, ReasonCode, Subscribe, Unsubscribe, Version, encode,
};
use sluice_model::Qos;
use support::{
    ANSWERS, CLOSES, STRICT, World, allow,
    client::{Client, connect, message},
    deny, member,
};

#[tokio::test]
async fn a_message_reaches_every_version_at_the_lower_qos() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
    for (n, version) in [Version::V3_1, Version::V3_1_1, Version::V5].into_iter().enumerate() {
        for granted in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let id = format!("GID_one@@@sub{n}");
            let mut subscriber = Client::open_as(&world, version, &key, CLOSES, &id).await;
            let Some(Packet::SubAck(suback)) = subscriber.ask_for("home/+", FilterOptions::of(granted), None).await
            else {
                panic!("not a SUBACK")
            };
            assert_eq!(suback.reasons[0].byte(), granted.bits());
            assert_eq!(publisher.publish("home/a", "at 1").await, ReasonCode::Success);
            publisher.send(Packet::Publish(message("home/b", "at 0", None))).await;
            let first = subscriber.next().await;
            let at = granted.min(Qos::AtLeastOnce);
            assert_eq!((&*first.payload, first.qos, first.dup, first.retain), (&b"at 1"[..], at, false, false));
            assert_eq!(subscriber.next().await.qos, Qos::AtMostOnce);
        }
    }
}

#[tokio::test]
async fn overlapping_subscriptions_give_one_message_with_all_identifiers() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    for (id, filter) in [(7, "home/#"), (300_000, "home/a"), (2, "home/+")] {
        assert!(client.ask_for(filter, FilterOptions::of(Qos::AtLeastOnce), Some(id)).await.is_some());
    }
    world.send(CLOSES, "home/a", "x").await;
    let got = client.next().await;
    assert_eq!(&got.properties.unwrap().subscription_identifiers[..], [2, 7, 300_000]);
    client.is_alive().await;
}

#[tokio::test]
async fn no_local_keeps_a_clients_own_messages_from_it() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    let options = FilterOptions { no_local: true, ..FilterOptions::of(Qos::AtLeastOnce) };
    assert!(client.ask_for("home/a", options, None).await.is_some());
    assert_eq!(client.publish("home/a", "own").await, ReasonCode::Success);
    world.send(CLOSES, "home/a", "another's").await;
    assert_eq!(client.hears().await, "another's");
}

#[tokio::test]
async fn an_unsubscribed_filter_gives_nothing_more() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    client.subscribe("home/a").await;
    client.subscribe("home/b").await;
    let filters = vec!["home/a".parse().unwrap(), "home/never".parse().unwrap()];
    client.send(Packet::Unsubscribe(Unsubscribe { packet_id: 9, properties: None, filters })).await;
    let Some(Packet::UnsubAck(unsuback)) = client.receive().await else { panic!("not an UNSUBACK") };
    assert_eq!(unsuback.reasons, [ReasonCode::Success, ReasonCode::NoSubscriptionExisted]);
    world.send(CLOSES, "home/a", "gone").await;
    world.send(CLOSES, "home/b", "kept").await;
    assert_eq!(client.hears().await, "kept");
}

#[tokio::test]
async fn what_is_not_served_closes_with_its_code() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut retained = message("home/a", "x", Some(1));
    retained.retain = true;
    let mut v5 = Client::open(&world, &key, STRICT, "GID_one@@@a").await;
    v5.send(Packet::Publish(retained.clone())).await;
    assert_eq!(v5.closing_reason().await, ReasonCode::RetainNotSupported);
    let mut v3 = Client::open_as(&world, Version::V3_1_1, &key, STRICT, "GID_one@@@a").await;
    v3.send(Packet::Publish(retained)).await;
    assert_eq!(v3.is_closed().await, None);
    let mut client = Client::open(&world, &key, STRICT, "GID_one@@@a").await;
    assert_eq!(client.subscribe("$share/g/home/a").await, ReasonCode::SharedSubscriptionsNotSupported);
    client.is_alive().await;
}

#[tokio::test]
async fn a_denied_publish_closes_or_is_answered_and_never_routed() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let reader = world.user("reader", &[allow("*", &["*"])]).await;
    for instance in [CLOSES, ANSWERS] {
        let mut watcher = Client::open(&world, &reader, instance, "GID_two@@@w").await;
        assert_eq!(watcher.subscribe("#").await, ReasonCode::GrantedQos1);
        for topic in ["yard/a", "absent/a", "home2", "$SYS/x"] {
            for version in [Version::V3_1_1, Version::V5] {
                let mut client = Client::open_as(&world, version, &key, instance, "GID_one@@@a").await;
                client.put(topic, "no").await;
                match (instance, version) {
                    (CLOSES, Version::V5) => {
                        let end = client.is_closed().await.unwrap();
                        assert_eq!(end.reason, ReasonCode::NotAuthorized);
                        assert!(end.properties.unwrap().reason_string.unwrap().contains(topic));
                    }
                    (CLOSES, _) => assert_eq!(client.is_closed().await, None),
                    (_, Version::V5) => {
                        let Some(Packet::PubAck(ack)) = client.receive().await else { panic!("not a PUBACK") };
                        assert_eq!(ack.reason, ReasonCode::NotAuthorized);
                        client.is_alive().await;
                    }
                    _ => {
                        assert!(matches!(client.receive().await, Some(Packet::PubAck(_))));
                        client.is_alive().await;
                    }
                }
            }
        }
        world.send(instance, "home/end", "end").await;
        assert_eq!(watcher.hears().await, "end");
    }
}

#[tokio::test]
async fn a_denied_subscribe_closes_or_is_answered_filter_by_filter() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let no_group = [allow("MqttInstanceAccess", &["instance/*"]), allow("PUB,SUB", &["topic/*/home"])];
    let stranger = world.user("stranger", &no_group).await;
    for filter in ["yard/a", "#", "+/a", "absent/a", "home2/#", "home/p2p/GID_one@@@b"] {
        let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
        assert_eq!(client.ask_for(filter, FilterOptions::of(Qos::AtMostOnce), None).await.map(reason), Some(0x87));
    }
    let mut client = Client::open(&world, &stranger, CLOSES, "GID_one@@@a").await;
    let refused = client.ask_for("home/a", FilterOptions::of(Qos::AtMostOnce), None).await;
    assert_eq!(refused.map(reason), Some(0x87));
    for (version, code) in [(Version::V5, ReasonCode::NotAuthorized), (Version::V3_1_1, ReasonCode::UnspecifiedError)] {
        let mut client = Client::open_as(&world, version, &key, ANSWERS, "GID_one@@@a").await;
        let filters = ["home/a", "yard/a", "home/b"]
            .map(|filter| (filter.parse().unwrap(), FilterOptions::of(Qos::AtMostOnce)))
            .to_vec();
        client.send(Packet::Subscribe(Subscribe { packet_id: 1, properties: None, filters })).await;
        let Some(Packet::SubAck(suback)) = client.receive().await else { panic!("not a SUBACK") };
        assert_eq!(suback.reasons, [ReasonCode::Success, code, ReasonCode::Success]);
        world.send(ANSWERS, "yard/a", "hidden").await;
        world.send(ANSWERS, "home/b", "seen").await;
        assert_eq!(client.hears().await, "seen");
    }
}

fn reason(packet: Packet) -> u8 {
    match packet {
        Packet::Disconnect(disconnect) => disconnect.reason.byte(),
        other => panic!("not a DISCONNECT: {other:?}"),
    }
}

#[tokio::test]
async fn a_wildcard_holds_back_what_a_deny_below_it_forbids() {
    let world = World::new().await;
    let mut statements = member();
    statements.push(deny("SUB", &[&format!("topic/{CLOSES}/home/lock")]));
    let key = world.user("alice", &statements).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    assert_eq!(client.subscribe("home/#").await, ReasonCode::GrantedQos1);
    for topic in ["home/lock", "home/lock/code", "home", "home/locked"] {
        world.send(CLOSES, topic, topic).await;
    }
    assert_eq!(client.hears().await, "home");
    assert_eq!(client.hears().await, "home/locked");
    client.is_alive().await;
}

#[tokio::test]
async fn point_to_point_reaches_its_target_alone_and_only_with_its_rights() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let all = world.user("all", &[allow("*", &["*"])]).await;
    let no_group = [allow("MqttInstanceAccess", &["instance/*"]), allow("PUB,SUB", &["topic/*/home"])];
    let no_topic = [allow("MqttInstanceAccess", &["instance/*"]), allow("SUB", &["groupId/*/GID_one"])];
    // A right below the parent is none on the parent.
    let below =
        [allow("MqttInstanceAccess", &["instance/*"]), allow("SUB", &["topic/*/home/p2p/*", "groupId/*/GID_one"])];
    let below = world.user("below", &below).await;
    let no_group = world.user("nogroup", &no_group).await;
    let no_topic = world.user("notopic", &no_topic).await;
    let mut watcher = Client::open(&world, &all, CLOSES, "GID_two@@@w").await;
    for filter in ["#", "home/#", "home/p2p/+", "+/p2p/#"] {
        watcher.subscribe(filter).await;
    }
    let mut target = Client::open_as(&world, Version::V3_1_1, &key, CLOSES, "GID_one@@@t").await;
    let mut groupless = Client::open(&world, &no_group, CLOSES, "GID_one@@@g").await;
    let mut topicless = Client::open(&world, &no_topic, CLOSES, "GID_one@@@n").await;
    let mut lower = Client::open(&world, &below, CLOSES, "GID_one@@@l").await;
    let mut sender = Client::open(&world, &key, CLOSES, "GID_one@@@s").await;
    for id in ["t", "g", "n", "l", "absent"] {
        assert_eq!(sender.publish(&format!("home/p2p/GID_one@@@{id}"), id).await, ReasonCode::Success);
    }
    let got = target.next().await;
    assert_eq!((&*got.payload, got.qos), (&b"t"[..], Qos::AtLeastOnce));
    assert_eq!(got.topic.unwrap().as_str(), "home/p2p/GID_one@@@t");
    for client in [&mut target, &mut groupless, &mut topicless, &mut lower, &mut sender] {
        client.is_alive().await;
    }
    // A fourth level makes it an ordinary topic.
    assert_eq!(sender.publish("home/p2p/GID_one@@@t/x", "ordinary").await, ReasonCode::Success);
    assert_eq!(watcher.hears().await, "ordinary");
    target.is_alive().await;
    sender.put("yard/p2p/GID_one@@@t", "no right").await;
    assert_eq!(sender.closing_reason().await, ReasonCode::NotAuthorized);
}

#[tokio::test]
async fn the_same_names_in_two_accounts_never_meet() {
    let world = World::new().await;
    let rival = world.rival("mqtt-cn-rival").await;
    let key = world.user("alice", &member()).await;
    let mut mine = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    let mut theirs = Client::open(&world, &rival, "mqtt-cn-rival", "GID_one@@@a").await;
    mine.is_alive().await;
    assert_eq!(mine.subscribe("home/#").await, ReasonCode::GrantedQos1);
    assert_eq!(theirs.subscribe("#").await, ReasonCode::GrantedQos1);
    world.send(CLOSES, "home/a", "mine").await;
    world.send(CLOSES, "home/p2p/GID_one@@@a", "mine by name").await;
    assert_eq!(mine.hears().await, "mine");
    assert_eq!(mine.hears().await, "mine by name");
    theirs.is_alive().await;
    assert_eq!(theirs.publish("home/p2p/GID_one@@@a", "theirs").await, ReasonCode::Success);
    mine.is_alive().await;
}

#[tokio::test]
async fn the_receive_maximum_of_the_client_is_never_exceeded() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut asked = connect(Version::V5, &key, CLOSES, "GID_one@@@a");
    asked.properties = Some(Box::new(Properties { receive_maximum: Some(2), ..Properties::default() }));
    let (mut client, _) = Client::try_open(&world, asked).await;
    client.subscribe("home/a").await;
    for n in 0..5 {
        world.send(CLOSES, "home/a", &n.to_string()).await;
    }
    let mut ids = Vec::new();
    for n in 0..2 {
        let Some(Packet::Publish(got)) = client.receive().await else { panic!("not a PUBLISH") };
        assert_eq!(&*got.payload, n.to_string().as_bytes());
        ids.push(got.packet_id.unwrap());
    }
    client.is_alive().await;
    for n in 2..5 {
        let packet_id = ids.remove(0);
        let ack = sluice_codec::Ack { packet_id, reason: ReasonCode::Success, properties: None };
        client.send(Packet::PubAck(ack)).await;
        let Some(Packet::Publish(got)) = client.receive().await else { panic!("not a PUBLISH") };
        assert_eq!(&*got.payload, n.to_string().as_bytes());
        ids.push(got.packet_id.unwrap());
    }
    client.is_alive().await;
}

#[tokio::test]
async fn a_topic_alias_is_decided_on_the_topic_that_it_stands_for() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, ANSWERS, "GID_one@@@a").await;
    client.subscribe("home/a").await;
    let aliased = |topic: &str, alias, id| {
        let mut publish = message(topic, "x", Some(id));
        publish.properties = Some(Box::new(Properties { topic_alias: Some(alias), ..Properties::default() }));
        Packet::Publish(publish)
    };
    for (topic, alias, reason) in [
        ("home/a", 1, ReasonCode::Success),
        ("", 1, ReasonCode::Success),
        ("yard/a", 1, ReasonCode::NotAuthorized),
        ("", 1, ReasonCode::NotAuthorized),
    ] {
        client.send(aliased(topic, alias, 9)).await;
        let Some(Packet::PubAck(ack)) = client.receive().await else { panic!("not a PUBACK") };
        assert_eq!(ack.reason, reason, "{topic}");
        if reason == ReasonCode::Success {
            let got = client.next().await;
            assert_eq!((got.topic.unwrap().as_str(), got.properties), ("home/a", None));
        }
    }
    client.send(aliased("home/a", 31, 9)).await;
    assert_eq!(client.closing_reason().await, ReasonCode::TopicAliasInvalid);
}

#[tokio::test]
async fn a_reason_string_never_makes_a_packet_larger_than_the_client_takes_mqtt_3_4_2_2() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let nobody = world.user("nobody", &[deny("*", &["*"])]).await;
    let small = |key, instance| {
        let mut asked = connect(Version::V5, key, instance, "GID_one@@@a");
        asked.properties = Some(Box::new(Properties { maximum_packet_size: Some(60), ..Properties::default() }));
        asked
    };
    let (_, refused) = Client::try_open(&world, small(&nobody, CLOSES)).await;
    let length = |packet: Packet| {
        let mut out = bytes::BytesMut::new();
        encode(&packet, Version::V5, &mut out);
        out.len()
    };
    assert_eq!(refused.reason, ReasonCode::NotAuthorized);
    assert!(length(Packet::ConnAck(refused)) <= 60);
    for instance in [ANSWERS, CLOSES] {
        let (mut client, connack) = Client::try_open(&world, small(&key, instance)).await;
        assert_eq!(connack.reason, ReasonCode::Success);
        client.put("yard/a", "no").await;
        assert!(length(client.receive().await.unwrap()) <= 60, "{instance}");
    }
}

#[tokio::test]
async fn a_client_without_problem_information_gets_no_reason_string_on_a_puback_mqtt_3_1_2_29() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut asked = connect(Version::V5, &key, ANSWERS, "GID_one@@@a");
    asked.properties = Some(Box::new(Properties { request_problem_information: Some(false), ..Properties::default() }));
    let (mut client, _) = Client::try_open(&world, asked).await;
    client.put("yard/a", "no").await;
    let Some(Packet::PubAck(ack)) = client.receive().await else { panic!("not a PUBACK") };
    assert_eq!((ack.reason, ack.properties), (ReasonCode::NotAuthorized, None));
}

#[tokio::test]
async fn a_client_holds_a_thousand_filters_and_may_name_one_of_them_again() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    let filters =
        (0..1_002).map(|n| (format!("home/{n}").parse().unwrap(), FilterOptions::of(Qos::AtMostOnce))).collect();
    client.send(Packet::Subscribe(Subscribe { packet_id: 1, properties: None, filters })).await;
    let Some(Packet::SubAck(suback)) = client.receive().await else { panic!("not a SUBACK") };
    assert!(suback.reasons[..1_000].iter().all(|reason| *reason == ReasonCode::Success));
    assert_eq!(suback.reasons[1_000..], [ReasonCode::QuotaExceeded; 2]);
    assert_eq!(client.subscribe("home/7").await, ReasonCode::GrantedQos1);
    assert_eq!(client.subscribe("home/new").await, ReasonCode::QuotaExceeded);
}

#[tokio::test]
async fn a_message_that_waited_past_its_expiry_is_not_delivered() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut asked = connect(Version::V5, &key, CLOSES, "GID_one@@@a");
    asked.properties = Some(Box::new(Properties { receive_maximum: Some(1), ..Properties::default() }));
    let (mut client, _) = Client::try_open(&world, asked).await;
    client.subscribe("home/a").await;
    let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@p").await;
    for (n, expiry) in [("first", 60), ("stale", 2), ("fresh", 60)] {
        let mut publish = message("home/a", n, Some(1));
        publish.properties =
            Some(Box::new(Properties { message_expiry_interval: Some(expiry), ..Properties::default() }));
        publisher.send(Packet::Publish(publish)).await;
        assert!(matches!(publisher.receive().await, Some(Packet::PubAck(_))));
    }
    let Some(Packet::Publish(first)) = client.receive().await else { panic!("not a PUBLISH") };
    world.pass(5_000);
    let packet_id = first.packet_id.unwrap();
    let ack = sluice_codec::Ack { packet_id, reason: ReasonCode::Success, properties: None };
    client.send(Packet::PubAck(ack)).await;
    let fresh = client.next().await;
    assert_eq!(&*fresh.payload, b"fresh");
    assert_eq!(fresh.properties.unwrap().message_expiry_interval, Some(55));
}

#[tokio::test]
async fn a_client_that_reads_late_gets_every_retained_message_all_the_same() {
    // More than the sockets between them hold, so that a write is stuck for a while.
    const MESSAGES: usize = 400;
    let payload = "x".repeat(32 * 1024);
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut publisher = Client::open(&world, &key, CLOSES, "GID_one@@@pub").await;
    for n in 0..MESSAGES {
        let id = Some(publisher.id());
        let kept = Publish { retain: true, ..message(&format!("home/{n:03}"), &payload, id) };
        publisher.send(Packet::Publish(kept)).await;
        assert!(matches!(publisher.receive().await, Some(Packet::PubAck(_))));
    }
    let mut late = Client::open(&world, &key, CLOSES, "GID_one@@@late").await;
    let Some(Packet::SubAck(_)) = late.ask_for("home/#", FilterOptions::of(Qos::AtMostOnce), None).await else {
        panic!("not a SUBACK")
    };
    // Another's round trip: whatever could be written to the late one has been.
    publisher.is_alive().await;
    for n in 0..MESSAGES {
        let got = late.next().await;
        assert_eq!(got.topic.unwrap().as_str(), format!("home/{n:03}"));
    }
}

#[tokio::test]
async fn what_a_groups_only_stored_member_did_not_acknowledge_waits_for_it() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let stored = || {
        let properties = Properties { session_expiry_interval: Some(600), ..Properties::default() };
        let properties = Some(Box::new(properties));
        Connect { clean: false, properties, ..connect(Version::V5, &key, CLOSES, "GID_one@@@a") }
    };
    let (mut client, _) = Client::try_open(&world, stored()).await;
    assert_eq!(client.subscribe("$share/g/home/a").await, ReasonCode::GrantedQos1);
    world.send(CLOSES, "home/a", "first").await;
    let Some(Packet::Publish(first)) = client.receive().await else { panic!("not a PUBLISH") };
    assert_eq!(&*first.payload, b"first");
    // Gone without an acknowledgement.
    drop(client);
    let (mut back, connack) = Client::try_open(&world, stored()).await;
    assert!(connack.session_present);
    assert_eq!(back.hears().await, "first");
}

#[tokio::test]
async fn of_many_messages_that_waited_the_original_delivers_thirty_every_five_seconds() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let stored = || Connect { clean: false, ..connect(Version::V3_1_1, &key, STRICT, "GID_one@@@a") };
    let (mut client, _) = Client::try_open(&world, stored()).await;
    client.subscribe("home/a").await;
    let mut publisher = Client::open(&world, &key, STRICT, "GID_one@@@pub").await;
    publisher.publish("home/a", "unacknowledged").await;
    assert!(matches!(client.receive().await, Some(Packet::Publish(_))));
    drop(client);
    while world.session(STRICT, "GID_one@@@a").is_none_or(|session| session.online) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for n in 1..70 {
        publisher.publish("home/a", &n.to_string()).await;
    }
    let (mut client, _) = Client::try_open(&world, stored()).await;
    assert_eq!(client.hears().await, "unacknowledged");
    // What comes now comes last.
    publisher.publish("home/a", "live").await;
    for (first, end) in [(1, 30), (30, 60)] {
        for n in first..end {
            assert_eq!(client.hears().await, n.to_string());
        }
        client.is_alive().await;
        world.pass(5_000);
        // Its own alarm goes by the system's time; an acknowledgement has it look too.
        let ack = sluice_codec::Ack { packet_id: 9_999, reason: ReasonCode::Success, properties: None };
        client.send(Packet::PubAck(ack)).await;
    }
    for n in 60..70 {
        assert_eq!(client.hears().await, n.to_string());
    }
    assert_eq!(client.hears().await, "live");
    publisher.publish("home/a", "at once").await;
    assert_eq!(client.hears().await, "at once");
}
