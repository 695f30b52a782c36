//! MQTT 3.1.1.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, LastWill, MqttOptions, Outgoing, Packet, QoS, SubscribeReasonCode, qos};
use tokio::sync::mpsc::Receiver;

use crate::{COMMANDS_MAX, Command, Failure, Given, tell_message};

pub(crate) async fn run(given: &Given, mut commands: Receiver<Command>) -> Result<(), Failure> {
    let (host, port, transport) = given.address()?;
    let mut options = MqttOptions::new(given.get("id"), host, port);
    options.set_transport(transport);
    options.set_keep_alive(Duration::from_secs(30));
    options.set_credentials(given.get("username"), given.get("password"));
    options.set_clean_session(!given.is_stored());
    if !given.get("will_topic").is_empty() {
        options.set_last_will(LastWill::new(
            given.get("will_topic"),
            given.get("will_payload"),
            QoS::AtLeastOnce,
            false,
        ));
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
        Command::Subscribe { topic, qos: level } => client.subscribe(topic, qos(level)?).await?,
        Command::Publish { topic, payload, qos: level, retain, .. } => {
            client.publish(topic, qos(level)?, retain, payload).await?;
        }
        Command::Disconnect => client.disconnect().await?,
    }
    Ok(())
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
            tell_message(publish.topic.as_bytes(), &publish.payload, publish.qos as u8, publish.retain, &[]);
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
