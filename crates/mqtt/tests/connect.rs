//! CONNECT: who is let in, who is refused with which code, and who takes whose place.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use sluice_codec::{Connect, Packet, Properties, ReasonCode, Version, Will};
use sluice_model::Qos;
use support::{
    ANSWERS, CLOSES, STRICT, World, allow,
    client::{Client, connect},
    deny, member,
};

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];

async fn answer(world: &World, connect: Connect) -> ReasonCode {
    let (mut client, connack) = Client::try_open(world, connect).await;
    if connack.reason != ReasonCode::Success {
        assert_eq!(client.receive().await, None, "a refused connection is closed");
    }
    connack.reason
}

#[tokio::test]
async fn each_reason_to_refuse_has_its_code_in_every_version() {
    let world = World::new().await;
    let rival = world.rival("mqtt-cn-rival").await;
    let key = world.user("alice", &member()).await;
    let nobody = world.user("nobody", &[allow("PUB,SUB", &["topic/*", "groupId/*"])]).await;
    let inactive = world.user("inactive", &member()).await;
    world.deactivate(&inactive).await;
    for version in VERSIONS {
        let mut forged = connect(version, &key, CLOSES, "GID_one@@@a");
        forged.password = Some("not the signature".into());
        let mut bare = connect(version, &key, CLOSES, "GID_one@@@a");
        (bare.username, bare.password) = (None, None);
        let mut unknown = connect(version, &key, CLOSES, "GID_one@@@a");
        unknown.username = Some(format!("Signature|LTAIunknown0000000000000|{CLOSES}").into());
        let mut mode = connect(version, &key, CLOSES, "GID_one@@@a");
        mode.username = Some(format!("Token|{}|{CLOSES}", key.id).into());
        let cases = [
            (connect(version, &key, CLOSES, "GID_one@@@a"), ReasonCode::Success),
            (connect(version, &key, CLOSES, ""), ReasonCode::ClientIdentifierNotValid),
            (connect(version, &key, CLOSES, "GID_one"), ReasonCode::ClientIdentifierNotValid),
            (connect(version, &key, CLOSES, "GID_one@@@a/b"), ReasonCode::ClientIdentifierNotValid),
            (connect(version, &key, CLOSES, "GID_absent@@@a"), ReasonCode::ClientIdentifierNotValid),
            (forged, ReasonCode::BadUserNameOrPassword),
            (bare, ReasonCode::BadUserNameOrPassword),
            (unknown, ReasonCode::BadUserNameOrPassword),
            (mode, ReasonCode::BadUserNameOrPassword),
            (connect(version, &inactive, CLOSES, "GID_one@@@a"), ReasonCode::BadUserNameOrPassword),
            (connect(version, &nobody, CLOSES, "GID_one@@@a"), ReasonCode::NotAuthorized),
            (connect(version, &key, "mqtt-cn-absent", "GID_one@@@a"), ReasonCode::NotAuthorized),
            (connect(version, &key, "mqtt-cn-rival", "GID_one@@@a"), ReasonCode::NotAuthorized),
            (connect(version, &rival, CLOSES, "GID_one@@@a"), ReasonCode::NotAuthorized),
        ];
        for (connect, expected) in cases {
            let what = format!("{connect:?}");
            assert_eq!(answer(&world, connect).await, expected, "{what}");
        }
    }
}

#[tokio::test]
async fn what_is_served_is_announced_and_enhanced_authentication_is_refused_mqtt_4_12_0_1() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut asked = connect(Version::V5, &key, CLOSES, "GID_one@@@a");
    asked.properties = Some(Box::new(Properties { session_expiry_interval: Some(60), ..Properties::default() }));
    let (_client, connack) = Client::try_open(&world, asked).await;
    let announced = Properties {
        receive_maximum: Some(100),
        topic_alias_maximum: Some(30),
        maximum_packet_size: Some(1 << 20),
        ..Properties::default()
    };
    assert_eq!(connack.properties, Some(Box::new(announced)));

    let mut enhanced = connect(Version::V5, &key, CLOSES, "GID_one@@@e");
    enhanced.properties =
        Some(Box::new(Properties { authentication_method: Some("SCRAM-SHA-256".into()), ..Properties::default() }));
    assert_eq!(answer(&world, enhanced).await, ReasonCode::BadAuthenticationMethod);
}

#[tokio::test]
async fn an_instance_with_the_originals_gaps_announces_or_refuses_them() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let (_client, connack) = Client::try_open(&world, connect(Version::V5, &key, STRICT, "GID_one@@@a")).await;
    let properties = connack.properties.unwrap();
    assert_eq!(properties.retain_available, Some(false));
    assert_eq!(properties.shared_subscription_available, Some(false));
    let will = |retain| {
        let (topic, payload) = ("home/a".parse().unwrap(), "gone".into());
        Some(Will { topic, payload, qos: Qos::AtMostOnce, retain, properties: None })
    };
    for (version, retain, expected) in [
        (Version::V5, false, ReasonCode::ImplementationSpecificError),
        (Version::V5, true, ReasonCode::RetainNotSupported),
        (Version::V3_1_1, false, ReasonCode::ServerUnavailable),
        (Version::V3_1, true, ReasonCode::ServerUnavailable),
    ] {
        let mut connect = connect(version, &key, STRICT, "GID_one@@@w");
        connect.will = will(retain);
        assert_eq!(answer(&world, connect).await, expected);
    }
}

#[tokio::test]
async fn a_session_of_clean_session_0_is_there_again_mqtt_3_1_2_4() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    for is_present in [false, true, true] {
        let mut stored = connect(Version::V3_1_1, &key, CLOSES, "GID_one@@@a");
        stored.clean = false;
        let (_client, connack) = Client::try_open(&world, stored).await;
        assert_eq!((connack.reason, connack.session_present), (ReasonCode::Success, is_present));
    }
    let clean = connect(Version::V3_1_1, &key, CLOSES, "GID_one@@@a");
    assert!(!Client::try_open(&world, clean).await.1.session_present);
}

#[tokio::test]
async fn second_connect_of_the_same_owner_closes_the_first_mqtt_3_1_4_3() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut first = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    assert_eq!(first.subscribe("home/a").await, ReasonCode::GrantedQos1);
    let mut second = Client::open_as(&world, Version::V3_1_1, &key, CLOSES, "GID_one@@@a").await;
    assert_eq!(first.closing_reason().await, ReasonCode::SessionTakenOver);
    // The first one's subscription went with it.
    assert_eq!(second.publish("home/a", "x").await, ReasonCode::Success);
    second.is_alive().await;
    let _third = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    assert_eq!(second.is_closed().await, None);
}

#[tokio::test]
async fn another_principal_takes_a_client_id_only_with_the_group_right_that_the_present_one_lacks() {
    let world = World::new().await;
    let bare = [allow("MqttInstanceAccess", &["instance/*"]), allow("PUB", &["topic/*/home"])];
    let (guest, other) = (world.user("guest", &bare).await, world.user("other", &bare).await);
    let (owner, peer) = (world.user("owner", &member()).await, world.user("peer", &member()).await);
    let id = "GID_one@@@a";
    let mut present = Client::open(&world, &guest, CLOSES, id).await;
    assert_eq!(answer(&world, connect(Version::V5, &other, CLOSES, id)).await, ReasonCode::NotAuthorized);
    assert_eq!(answer(&world, connect(Version::V3_1_1, &other, CLOSES, id)).await, ReasonCode::NotAuthorized);
    present.is_alive().await;
    let mut rightful = Client::open(&world, &owner, CLOSES, id).await;
    assert_eq!(present.closing_reason().await, ReasonCode::SessionTakenOver);
    for key in [&guest, &peer] {
        assert_eq!(answer(&world, connect(Version::V5, key, CLOSES, id)).await, ReasonCode::NotAuthorized);
    }
    rightful.is_alive().await;
    // Another instance is another session.
    let _elsewhere = Client::open(&world, &peer, ANSWERS, id).await;
    rightful.is_alive().await;
}

#[tokio::test]
async fn a_refused_connect_changes_nothing_of_the_session_that_is_there() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut victim = Client::open(&world, &key, CLOSES, "GID_one@@@v").await;
    assert_eq!(victim.subscribe("home/v").await, ReasonCode::GrantedQos1);
    let mut forged = connect(Version::V5, &key, CLOSES, "GID_one@@@v");
    forged.password = Some("wrong".into());
    assert_eq!(answer(&world, forged).await, ReasonCode::BadUserNameOrPassword);
    let mut willed = connect(Version::V5, &key, CLOSES, "GID_one@@@v");
    willed.properties = Some(Box::new(Properties { authentication_method: Some("x".into()), ..Properties::default() }));
    assert_eq!(answer(&world, willed).await, ReasonCode::BadAuthenticationMethod);
    world.send(CLOSES, "home/v", "still yours").await;
    assert_eq!(victim.hears().await, "still yours");
}

#[tokio::test]
async fn a_deny_on_the_instance_beats_the_allow_beside_it() {
    let world = World::new().await;
    let mut statements = member();
    statements.push(deny("MqttInstanceAccess", &[&format!("instance/{CLOSES}")]));
    let key = world.user("alice", &statements).await;
    let (mut client, connack) = Client::try_open(&world, connect(Version::V5, &key, CLOSES, "GID_one@@@a")).await;
    assert_eq!(connack.reason, ReasonCode::NotAuthorized);
    let why = connack.properties.unwrap().reason_string.unwrap();
    assert!(why.contains("alice") && why.contains("mq:MqttInstanceAccess") && why.contains(CLOSES), "{why}");
    assert_eq!(client.receive().await, None);
    assert_eq!(answer(&world, connect(Version::V5, &key, ANSWERS, "GID_one@@@a")).await, ReasonCode::Success);
}

#[tokio::test]
async fn a_second_connect_on_one_connection_is_a_protocol_error() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    client.send(Packet::Connect(Box::new(connect(Version::V5, &key, CLOSES, "GID_one@@@a")))).await;
    assert_eq!(client.closing_reason().await, ReasonCode::ProtocolError);
}
