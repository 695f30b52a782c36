//! MQTT 5.

use std::time::Duration;

use rumqttc::{
    Outgoing,
    v5::{
        AsyncClient, Event, MqttOptions,
        mqttbytes::{
            QoS, qos,
            v5::{LastWill, Packet, PublishProperties, SubscribeReasonCode},
        },
    },
};
use tokio::sync::mpsc::Receiver;

use crate::{COMMANDS_MAX, Command, Failure, Given, SESSION_EXPIRY_S, tell_message};

pub(crate) async fn run(given: &Given, mut commands: Receiver<Command>) -> Result<(), Failure> {
    let (host, port, transport) = given.address()?;
    let mut options = MqttOptions::new(given.get("id"), host, port);
    options.set_transport(transport);
    options.set_keep_alive(Duration::from_secs(30));
    options.set_credentials(given.get("username"), given.get("password"));
    options.set_clean_start(!given.is_stored());
    options.set_session_expiry_interval(Some(if given.is_stored() { SESSION_EXPIRY_S } else { 0 }));
    if !given.get("will_topic").is_empty() {
        let (topic, payload) = (given.get("will_topic"), given.get("will_payload"));
        options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, false, None));
    }
    let (client, mut events) = AsyncClient::new(options, COMMANDS_MAX);
    loop {
        tokio::select! {
            event = events.poll() => {
                if tell(&event?) {
                    return Ok(());
                }
            }
            Some(command) = commands.recv() => ask(&client, command).await?,
        }
    }
}

async fn ask(client: &AsyncClient, command: Command) -> Result<(), Failure> {
    match command {
        Command::Subscribe { topic, qos: level } => client.subscribe(topic, level_of(level)?).await?,
        Command::Publish { topic, payload, qos: level, retain, pairs } => {
            let properties = PublishProperties { user_properties: pairs, ..PublishProperties::default() };
            client.publish_with_properties(topic, level_of(level)?, retain, payload, properties).await?;
        }
        Command::Disconnect => client.disconnect().await?,
    }
    Ok(())
}

fn level_of(level: u8) -> Result<QoS, Failure> {
    qos(level).ok_or_else(|| format!("QoS {level}").into())
}

/// Tells of an event; true when it was the last.
fn tell(event: &Event) -> bool {
    match event {
        Event::Incoming(Packet::ConnAck(connack)) => println!("connected {}", u8::from(connack.session_present)),
        Event::Incoming(Packet::SubAck(suback)) => match suback.return_codes.first() {
            Some(SubscribeReasonCode::Success(qos)) => println!("subscribed {}", *qos as u8),
            _ => println!("subscribed 128"),
        },
        Event::Incoming(Packet::Publish(publish)) => {
            let pairs = publish.properties.as_ref().map_or(&[][..], |properties| &properties.user_properties);
            tell_message(&publish.topic, &publish.payload, publish.qos as u8, publish.retain, pairs);
        }
        Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) | Event::Outgoing(Outgoing::Publish(0)) => {
            println!("published 0");
        }
        Event::Outgoing(Outgoing::Disconnect) => {
            println!("disconnected 0");
            return true;
        }
        _ => {}
    }
    false
}
