//! The state of one client.

use std::time::Duration;

use bytes::BytesMut;
use sluice_codec::{Ack, Delivery, Disconnect, Packet, Properties, Publish, PublishFrame, ReasonCode, Version};
use sluice_model::Qos;

use crate::{
    Incoming, Input, Violation,
    aliases::Aliases,
    limits::{reason_string, too_many_levels},
    window::Window,
};

/// One client's state. Small while the client is idle.
#[derive(Debug)]
pub struct Session {
    version: Version,
    keep_alive_s: u16,
    /// The client's receive maximum, never over ours.
    receive_maximum: u16,
    /// The client's maximum packet size, bytes.
    packet_bytes_max: u32,
    /// Whether the client takes reason strings.
    problem_information: bool,
    aliases: Aliases,
    window: Window,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// Written.
    Written,
    /// As many as the client takes are unacknowledged; nothing was written.
    WindowFull,
    /// Larger than the client takes; it is dropped as if it had been sent. [MQTT-3.1.2-25]
    TooLarge,
}

impl Session {
    pub(crate) fn agreed(
        version: Version,
        keep_alive_s: u16,
        receive_maximum: u16,
        packet_bytes_max: u32,
        problem_information: bool,
    ) -> Self {
        Self {
            version,
            keep_alive_s,
            receive_maximum,
            packet_bytes_max,
            problem_information,
            aliases: Aliases::default(),
            window: Window::default(),
        }
    }

    /// The version that both speak.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Without a packet for so long the client counts as lost: one and a half times its keep-alive. [MQTT-3.1.2-22]
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        (self.keep_alive_s > 0).then(|| Duration::from_millis(u64::from(self.keep_alive_s) * 1_500))
    }

    /// Turns a packet into what it asks for; `None` when nothing is to be done.
    ///
    /// # Errors
    /// [`Violation`]: the connection must be closed.
    pub fn receive(&mut self, packet: Packet) -> Result<Option<Input>, Violation> {
        Ok(Some(match packet {
            Packet::Publish(publish) => Input::Publish(self.receive_publish(publish)?),
            Packet::PubAck(ack) => {
                // An acknowledgement of nothing is ignored, as MQTT 3 and 5 allow; it frees nothing.
                return Ok(self.window.close(ack.packet_id).then_some(Input::Acknowledged));
            }
            Packet::Subscribe(subscribe) => Input::Subscribe(subscribe),
            Packet::Unsubscribe(unsubscribe) => Input::Unsubscribe(unsubscribe),
            Packet::PingReq => Input::Ping,
            Packet::Disconnect(disconnect) => self.receive_disconnect(&disconnect)?,
            Packet::Auth(_) => {
                // [MQTT-4.12.0-6]; 0x8C is a code of CONNACK and may not be in a DISCONNECT.
                return Err(Violation::protocol("AUTH without an authentication method at CONNECT"));
            }
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => {
                return Err(Violation::protocol("a packet of QoS 2, which was announced as not served"));
            }
            Packet::Connect(_) | Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                return Err(Violation::protocol("a packet that only a server sends"));
            }
        }))
    }

    fn receive_publish(&mut self, publish: Publish) -> Result<Incoming, Violation> {
        if publish.qos == Qos::ExactlyOnce {
            return Err(Violation { reason: ReasonCode::QosNotSupported, why: "QoS 2 is not served" });
        }
        if publish.retain {
            let why = "retained messages are not served";
            return Err(Violation { reason: ReasonCode::RetainNotSupported, why });
        }
        let alias = publish.topic_alias();
        // [MQTT-3.3.4-6]: only a server sends them.
        if publish.properties.as_ref().is_some_and(|properties| !properties.subscription_identifiers.is_empty()) {
            return Err(Violation::protocol("a subscription identifier from a client"));
        }
        let topic = self.aliases.resolve(publish.topic, alias)?;
        if too_many_levels(topic.as_str()) {
            return Err(Violation { reason: ReasonCode::TopicNameInvalid, why: "the topic has too many levels" });
        }
        let Publish { qos, packet_id, properties, payload, .. } = publish;
        Ok(Incoming { topic, qos, packet_id, properties, payload })
    }

    fn receive_disconnect(&mut self, disconnect: &Disconnect) -> Result<Input, Violation> {
        let expiry = disconnect.properties.as_ref().and_then(|properties| properties.session_expiry_interval);
        // [MQTT-3.14.2-2]: every session here has expiry 0, which may not be raised at the end.
        if expiry.is_some_and(|seconds| seconds > 0) {
            return Err(Violation::protocol("a session expiry that was 0 at CONNECT"));
        }
        Ok(Input::Disconnect)
    }

    /// The answer to a PUBLISH; none at QoS 0.
    #[must_use]
    pub fn publish_reply(&self, packet_id: Option<u16>, reason: ReasonCode, why: Option<&str>) -> Option<Packet> {
        let properties = self.reason_string(why);
        packet_id.map(|packet_id| Packet::PubAck(Ack { packet_id, reason, properties }))
    }

    /// The last packet of a connection that the server closes; MQTT 3 has none.
    #[must_use]
    pub fn farewell(&self, reason: ReasonCode, why: Option<&str>) -> Option<Packet> {
        let properties = self.reason_string(why);
        self.version.is_v5().then_some(Packet::Disconnect(Disconnect { reason, properties }))
    }

    fn reason_string(&self, why: Option<&str>) -> Option<Box<Properties>> {
        let why = why.filter(|_| self.problem_information && self.version.is_v5())?;
        reason_string(why, self.packet_bytes_max)
    }

    /// Writes a message at `qos`, 0 or 1.
    pub fn deliver(
        &mut self,
        frame: &PublishFrame,
        qos: Qos,
        identifiers: &[u32],
        waited_s: u32,
        out: &mut BytesMut,
    ) -> Delivered {
        let mut delivery = Delivery { qos, packet_id: None, dup: false, retain: false, identifiers, waited_s };
        if qos != Qos::AtMostOnce {
            let Some(id) = self.window.open(self.receive_maximum) else { return Delivered::WindowFull };
            delivery.packet_id = Some(id);
        }
        if self.packet_bytes_max < u32::MAX {
            let length = u32::try_from(frame.length(self.version, &delivery)).unwrap_or(u32::MAX);
            if length > self.packet_bytes_max {
                if let Some(id) = delivery.packet_id {
                    self.window.close(id);
                }
                return Delivered::TooLarge;
            }
        }
        frame.write_to(out, self.version, &delivery);
        Delivered::Written
    }
}
