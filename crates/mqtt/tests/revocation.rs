//! What is taken back is taken back from those who are connected.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use sluice_access::Change;
use sluice_codec::{ReasonCode, Version};
use sluice_model::{Principal, Resource};
use sluice_policy::Context;
use support::{ANSWERS, CLOSES, World, allow, client::Client, deny, member};

#[tokio::test]
async fn a_lost_instance_right_closes_every_connection_of_the_user_and_no_other() {
    let world = World::new().await;
    let (key, other) = (world.user("alice", &member()).await, world.user("bob", &member()).await);
    let mut v5 = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    let mut v3 = Client::open_as(&world, Version::V3_1_1, &key, ANSWERS, "GID_one@@@a").await;
    let mut stays = Client::open(&world, &other, CLOSES, "GID_one@@@b").await;
    world.revoke(&key, "alice").await;
    assert_eq!(v5.closing_reason().await, ReasonCode::NotAuthorized);
    assert_eq!(v3.is_closed().await, None);
    stays.is_alive().await;
}

#[tokio::test]
async fn an_inactive_key_closes_its_connections() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    world.deactivate(&key).await;
    assert_eq!(client.closing_reason().await, ReasonCode::NotAuthorized);
}

#[tokio::test]
async fn a_deny_that_comes_later_stops_the_subscription_and_leaves_the_connection() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    for filter in ["home/a", "home/b"] {
        assert_eq!(client.subscribe(filter).await, ReasonCode::GrantedQos1);
    }
    world.grant(&key, "wall", &[deny("SUB", &["topic/*/home/a"])]).await;
    world.send(CLOSES, "home/a", "held back").await;
    world.send(CLOSES, "home/b", "seen").await;
    assert_eq!(client.hears().await, "seen");
    // What was stopped does not come back by itself.
    world.revoke(&key, "wall").await;
    client.is_alive().await;
    world.send(CLOSES, "home/a", "stopped").await;
    world.send(CLOSES, "home/b", "seen again").await;
    assert_eq!(client.hears().await, "seen again");
    assert_eq!(client.subscribe("home/a").await, ReasonCode::GrantedQos1);
}

#[tokio::test]
async fn a_remembered_yes_to_publish_dies_with_its_right() {
    let world = World::new().await;
    let base = [allow("MqttInstanceAccess", &["instance/*"]), allow("SUB", &["topic/*", "groupId/*"])];
    let key = world.user("alice", &base).await;
    world.grant(&key, "pub", &[allow("PUB", &["topic/*/home"])]).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    for _ in 0..3 {
        assert_eq!(client.publish("home/a", "x").await, ReasonCode::Success);
    }
    world.revoke(&key, "pub").await;
    client.is_alive().await;
    client.put("home/a", "too late").await;
    assert_eq!(client.closing_reason().await, ReasonCode::NotAuthorized);
}

#[tokio::test]
async fn what_waited_when_the_right_was_lost_is_not_delivered() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut asked = support::client::connect(Version::V5, &key, CLOSES, "GID_one@@@a");
    let properties = sluice_codec::Properties { receive_maximum: Some(1), ..Default::default() };
    asked.properties = Some(Box::new(properties));
    let (mut client, _) = Client::try_open(&world, asked).await;
    client.subscribe("home/#").await;
    for payload in ["in flight", "waits"] {
        world.send(CLOSES, "home/a", payload).await;
    }
    world.send(CLOSES, "home/b", "also waits").await;
    let Some(sluice_codec::Packet::Publish(first)) = client.receive().await else { panic!("not a PUBLISH") };
    world.grant(&key, "wall", &[deny("SUB", &["topic/*/home/a"])]).await;
    let packet_id = first.packet_id.unwrap();
    let ack = sluice_codec::Ack { packet_id, reason: ReasonCode::Success, properties: None };
    client.send(sluice_codec::Packet::PubAck(ack)).await;
    assert_eq!(client.hears().await, "also waits");
    client.is_alive().await;
}

#[tokio::test]
async fn a_topic_that_is_gone_stops_its_subscriptions_and_refuses_its_messages() {
    let world = World::new().await;
    let key = world.user("alice", &[allow("*", &["*"])]).await;
    let mut client = Client::open(&world, &key, ANSWERS, "GID_one@@@a").await;
    for filter in ["home/a", "yard/a"] {
        assert_eq!(client.subscribe(filter).await, ReasonCode::GrantedQos1);
    }
    world.delete_topic(ANSWERS, "yard").await;
    client.put("yard/a", "no").await;
    let Some(sluice_codec::Packet::PubAck(ack)) = client.receive().await else { panic!("not a PUBACK") };
    assert_eq!(ack.reason, ReasonCode::NotAuthorized);
    let owner = sluice_testkit::caller(Principal::Account(world.account));
    let permit = |resource| {
        let action = sluice_model::Action::INSTANCE_ACCESS;
        sluice_testkit::allow_all().authorize(&owner, &action, &resource, &Context::at(support::START)).unwrap()
    };
    let counts = world.broker.counts(&permit(Resource::Instance(world.account, ANSWERS.parse().unwrap())));
    assert_eq!((counts.connections, counts.subscriptions), (1, 1));
}

#[tokio::test]
async fn a_group_that_is_gone_closes_its_clients_alone() {
    let world = World::new().await;
    let key = world.user("alice", &[allow("*", &["*"])]).await;
    let mut gone = Client::open(&world, &key, CLOSES, "GID_two@@@a").await;
    let mut stays = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    world.delete_group(CLOSES, "GID_two").await;
    assert_eq!(gone.closing_reason().await, ReasonCode::NotAuthorized);
    stays.is_alive().await;
}

#[tokio::test]
async fn a_date_condition_ends_by_itself_at_its_instant() {
    let world = World::new().await;
    // START is 2023-11-14T22:13:20Z.
    let until = r#"{"Effect":"Allow","Action":"mq:*","Resource":"*","Condition":{"DateLessThan":{"acs:CurrentTime":"2023-11-14T22:13:21Z"}}}"#;
    let key = world.user("alice", &[until.to_owned()]).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    client.is_alive().await;
    world.pass(1_000);
    // Nothing is sent and nothing swept: the connection's own timer asks.
    assert_eq!(client.closing_reason().await, ReasonCode::NotAuthorized);
}

#[tokio::test]
async fn an_operation_closes_a_connection_of_its_own_instance_alone() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    let id = "GID_one@@@a".parse().unwrap();
    let permit = |instance: &str| {
        let resource = Resource::Instance(world.account, instance.parse().unwrap());
        let owner = sluice_testkit::caller(Principal::Account(world.account));
        let action = sluice_model::Action::INSTANCE_ACCESS;
        sluice_testkit::allow_all().authorize(&owner, &action, &resource, &Context::at(support::START)).unwrap()
    };
    let place = CLOSES.parse().unwrap();
    assert!(!world.broker.close_connection(&permit(ANSWERS), &place, &id));
    assert!(!world.broker.is_online(&permit(ANSWERS), &place, &id));
    client.is_alive().await;
    assert!(world.broker.is_online(&permit(CLOSES), &place, &id));
    assert!(world.broker.close_connection(&permit(CLOSES), &place, &id));
    assert_eq!(client.closing_reason().await, ReasonCode::AdministrativeAction);
}

#[tokio::test]
async fn a_drain_tells_every_client() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut v5 = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    let mut v3 = Client::open_as(&world, Version::V3_1, &key, CLOSES, "GID_one@@@b").await;
    world.broker.drain();
    assert_eq!(v5.closing_reason().await, ReasonCode::ServerShuttingDown);
    assert_eq!(v3.is_closed().await, None);
}

#[tokio::test]
async fn an_account_that_cannot_be_read_is_closed() {
    let world = World::new().await;
    let key = world.user("alice", &member()).await;
    let mut client = Client::open(&world, &key, CLOSES, "GID_one@@@a").await;
    world.store.close().await;
    world.change(Change::Account(world.account)).await;
    // Nobody can say what it may; its client comes back, and what waits for it stays.
    assert_eq!(client.closing_reason().await, ReasonCode::ServerBusy);
}
