//! A client made of the codec and a socket.

use std::{net::Ipv4Addr, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use sluice_access::mqtt_password;
use sluice_codec::{
    Ack, ConnAck, Connect, Disconnect, FilterOptions, Packet, Properties, Publish, ReasonCode, Subscribe, Version,
    decode, encode,
};
use sluice_model::Qos;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Key, World};

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Client {
    stream: TcpStream,
    buffer: BytesMut,
    pub version: Version,
    next_id: u16,
}

/// A CONNECT in Signature mode.
pub fn connect(version: Version, key: &Key, instance: &str, client_id: &str) -> Connect {
    Connect {
        version,
        clean: true,
        keep_alive: 60,
        client_id: client_id.into(),
        will: None,
        username: Some(format!("Signature|{}|{instance}", key.id).into()),
        password: Some(mqtt_password(&key.secret, client_id).into_bytes().into()),
        properties: None,
    }
}

impl Client {
    /// A bare connection.
    pub async fn dial(world: &World, version: Version) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, world.port)).await.unwrap();
        Self { stream, buffer: BytesMut::new(), version, next_id: 0 }
    }

    /// Sends a CONNECT and reads the answer.
    pub async fn try_open(world: &World, connect: Connect) -> (Self, ConnAck) {
        let mut client = Self::dial(world, connect.version).await;
        client.send(Packet::Connect(Box::new(connect))).await;
        match client.receive().await {
            Some(Packet::ConnAck(connack)) => (client, connack),
            other => panic!("not a CONNACK: {other:?}"),
        }
    }

    pub async fn open_as(world: &World, version: Version, key: &Key, instance: &str, client_id: &str) -> Self {
        let (client, connack) = Self::try_open(world, connect(version, key, instance, client_id)).await;
        assert_eq!(connack.reason, ReasonCode::Success);
        assert!(!connack.session_present);
        client
    }

    /// MQTT 5.
    pub async fn open(world: &World, key: &Key, instance: &str, client_id: &str) -> Self {
        Self::open_as(world, Version::V5, key, instance, client_id).await
    }

    pub async fn send(&mut self, packet: Packet) {
        let mut out = BytesMut::new();
        encode(&packet, self.version, &mut out);
        self.write(&out).await;
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet; `None` at the end of the connection.
    pub async fn receive(&mut self) -> Option<Packet> {
        timeout(PATIENCE, async {
            loop {
                if let Some(decoded) = decode(&self.buffer, self.version, 4 << 20).unwrap() {
                    self.buffer.advance(decoded.length);
                    return Some(decoded.packet);
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
        .expect("a packet in time")
    }

    pub fn id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends a SUBSCRIBE and gives what comes next.
    pub async fn ask_for(&mut self, filter: &str, options: FilterOptions, id: Option<u32>) -> Option<Packet> {
        let properties = id.map(|id| {
            Box::new(Properties { subscription_identifiers: [id].into_iter().collect(), ..Properties::default() })
        });
        let filters = vec![(filter.parse().unwrap(), options)];
        let packet_id = self.id();
        self.send(Packet::Subscribe(Subscribe { packet_id, properties, filters })).await;
        self.receive().await
    }

    /// Subscribes at QoS 1; the SUBACK's code.
    pub async fn subscribe(&mut self, filter: &str) -> ReasonCode {
        match self.ask_for(filter, FilterOptions::of(Qos::AtLeastOnce), None).await {
            Some(Packet::SubAck(suback)) => suback.reasons[0],
            other => panic!("not a SUBACK: {other:?}"),
        }
    }

    /// Sends a PUBLISH at QoS 1 without waiting.
    pub async fn put(&mut self, topic: &str, payload: &str) {
        let packet_id = Some(self.id());
        self.send(Packet::Publish(message(topic, payload, packet_id))).await;
    }

    /// Publishes at QoS 1; the PUBACK's code.
    pub async fn publish(&mut self, topic: &str, payload: &str) -> ReasonCode {
        self.put(topic, payload).await;
        match self.receive().await {
            Some(Packet::PubAck(ack)) => ack.reason,
            other => panic!("not a PUBACK: {other:?}"),
        }
    }

    /// The next message, acknowledged; panics on any other packet.
    pub async fn next(&mut self) -> Publish {
        match self.receive().await {
            Some(Packet::Publish(publish)) => {
                if let Some(packet_id) = publish.packet_id {
                    self.send(Packet::PubAck(Ack { packet_id, reason: ReasonCode::Success, properties: None })).await;
                }
                publish
            }
            other => panic!("not a PUBLISH: {other:?}"),
        }
    }

    /// The next message's payload.
    pub async fn hears(&mut self) -> String {
        String::from_utf8(self.next().await.payload.to_vec()).unwrap()
    }

    /// The connection ends next: with a DISCONNECT in MQTT 5, without a word in 3.
    pub async fn is_closed(&mut self) -> Option<Disconnect> {
        match self.receive().await {
            None => None,
            Some(Packet::Disconnect(disconnect)) => {
                assert_eq!(self.receive().await, None, "nothing follows a DISCONNECT");
                Some(disconnect)
            }
            other => panic!("not the end: {other:?}"),
        }
    }

    /// The reason with which an MQTT 5 connection ends next.
    pub async fn closing_reason(&mut self) -> ReasonCode {
        self.is_closed().await.expect("a DISCONNECT before the end").reason
    }

    /// Still served.
    pub async fn is_alive(&mut self) {
        self.send(Packet::PingReq).await;
        assert_eq!(self.receive().await, Some(Packet::PingResp));
    }
}

/// A PUBLISH; QoS 1 with a packet identifier.
pub fn message(topic: &str, payload: &str, packet_id: Option<u16>) -> Publish {
    Publish {
        dup: false,
        qos: if packet_id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce },
        retain: false,
        topic: (!topic.is_empty()).then(|| topic.parse().unwrap()),
        packet_id,
        properties: None,
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}
