//! The state of one client on one connection.

use std::time::Duration;

use bytes::BytesMut;
use sluice_codec::{Ack, Delivery, Disconnect, Packet, Properties, Publish, PublishFrame, ReasonCode, Version, encode};
use sluice_model::{Limits, Qos};

use crate::{
    InFlight, Incoming, Input, Stage, Violation,
    agreed::{Agreed, clamp_expiry},
    aliases::{InboundAliases, OutboundAliases},
    inbound::Inbound,
    outbound::{Answered, Outbound},
    reason_string::reason_string,
};

/// What outlives a connection of a stored session. `H` is what `broker` keeps with a message in flight.
/// Source: MQTT 5.0 section 4.1.
#[derive(Debug)]
pub struct SessionState<H> {
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound<H>,
}

impl<H> Default for SessionState<H> {
    fn default() -> Self {
        Self { inbound: Inbound::default(), outbound: Outbound::default() }
    }
}

impl<H> SessionState<H> {
    /// What was kept of a session: the messages in flight to the client in the order in which they were sent, and the
    /// identifiers of its own that it has not released.
    #[must_use]
    pub fn kept(in_flight: Vec<InFlight<H>>, remembered: Vec<u16>) -> Self {
        Self { inbound: Inbound::kept(remembered), outbound: Outbound::kept(in_flight) }
    }

    /// Messages in flight to the client.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.outbound.len()
    }

    /// Takes out messages in flight that nobody will send again, with their identifiers.
    pub fn take_in_flight(&mut self, is_wanted: impl FnMut(Stage, &H) -> bool) -> Vec<(u16, H)> {
        self.outbound.take_if(is_wanted)
    }
}

/// One client's state. Small while the client is idle.
#[derive(Debug)]
pub struct Session<H> {
    pub(crate) agreed: Agreed,
    pub(crate) aliases_in: InboundAliases,
    pub(crate) aliases_out: OutboundAliases,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound<H>,
}

/// A message to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'m> {
    /// The message.
    pub frame: &'m PublishFrame,
    /// The lower of published and granted.
    pub qos: Qos,
    /// The retain flag.
    pub retain: bool,
    /// Of the subscriptions that matched.
    pub identifiers: &'m [u32],
    /// Seconds that it has waited here.
    pub waited_s: u32,
    /// Whether an alias may stand for the topic: not where others that use it may be written before.
    pub may_alias: bool,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// Written, at QoS 1 and 2 under this identifier.
    Written(Option<u16>),
    /// Larger than the client takes; it is dropped as if it had been sent. [MQTT-3.1.2-25]
    TooLarge,
}

impl<H> Session<H> {
    /// The version that both speak.
    #[must_use]
    pub fn version(&self) -> Version {
        self.agreed.version
    }

    /// Without a packet for so long the client counts as lost: one and a half times its keep-alive. [MQTT-3.1.2-22]
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        (self.agreed.keep_alive_s > 0).then(|| Duration::from_millis(u64::from(self.agreed.keep_alive_s) * 1_500))
    }

    /// Seconds that the session outlives this connection; `u32::MAX` is without end.
    #[must_use]
    pub fn expiry_s(&self) -> u32 {
        self.agreed.session_expiry_s
    }

    /// Messages in flight to the client.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.outbound.len()
    }

    /// Takes out what outlives the connection, which is over.
    #[must_use]
    pub fn take_state(&mut self) -> SessionState<H> {
        SessionState { inbound: std::mem::take(&mut self.inbound), outbound: std::mem::take(&mut self.outbound) }
    }

    /// Turns a packet into what it asks for; `None` when nothing is to be done.
    ///
    /// # Errors
    /// [`Violation`]: the connection must be closed.
    pub fn receive(&mut self, packet: Packet, limits: &Limits) -> Result<Option<Input<H>>, Violation> {
        match packet {
            Packet::Publish(publish) => self.receive_publish(publish, limits).map(Some),
            Packet::PubAck(ack) => self.acknowledged(ack.packet_id, Stage::Acknowledge),
            Packet::PubComp(ack) => self.acknowledged(ack.packet_id, Stage::Complete),
            Packet::PubRec(ack) => self.receive_pubrec(&ack),
            Packet::PubRel(ack) => {
                let (id, known) = (ack.packet_id, self.inbound.release(ack.packet_id));
                Ok(Some(Input::Released { id, reply: Packet::PubComp(answer(id, known)) }))
            }
            Packet::Subscribe(subscribe) => Ok(Some(Input::Subscribe(subscribe))),
            Packet::Unsubscribe(unsubscribe) => Ok(Some(Input::Unsubscribe(unsubscribe))),
            Packet::PingReq => Ok(Some(Input::Reply(Packet::PingResp))),
            Packet::Disconnect(disconnect) => self.receive_disconnect(&disconnect, limits).map(Some),
            // [MQTT-4.12.0-6]; 0x8C is a code of CONNACK and may not be in a DISCONNECT.
            Packet::Auth(_) => Err(Violation::protocol("AUTH without an authentication method at CONNECT")),
            Packet::Connect(_) => Err(Violation::protocol("a second CONNECT")),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                Err(Violation::protocol("a packet that only a server sends"))
            }
        }
    }

    fn receive_publish(&mut self, publish: Publish, limits: &Limits) -> Result<Input<H>, Violation> {
        if publish.retain && !limits.serves_retained {
            // [MQTT-3.2.2-14]
            let why = "retained messages are not served";
            return Err(Violation { reason: ReasonCode::RetainNotSupported, why });
        }
        let alias = publish.topic_alias();
        // [MQTT-3.3.4-6]: only a server sends them.
        if publish.properties.as_ref().is_some_and(|properties| !properties.subscription_identifiers.is_empty()) {
            return Err(Violation::protocol("a subscription identifier from a client"));
        }
        let topic = self.aliases_in.resolve(publish.topic, alias, self.agreed.topic_alias_maximum_in)?;
        if !limits.admits_topic(&topic) {
            let why = "the topic is too long or has too many levels";
            return Err(Violation { reason: ReasonCode::TopicNameInvalid, why });
        }
        if publish.payload.len() > usize::try_from(limits.payload_bytes_max).unwrap_or(usize::MAX) {
            return Err(Violation { reason: ReasonCode::PacketTooLarge, why: "the payload is too large" });
        }
        let Publish { qos, retain, packet_id, properties, payload, .. } = publish;
        if let (Qos::ExactlyOnce, Some(id)) = (qos, packet_id) {
            if self.inbound.holds(id) {
                // Routed already: it is acknowledged again and goes nowhere. [MQTT-4.3.3-10]
                return Ok(Input::Again { id, reply: Packet::PubRec(Ack::success(id)) });
            }
            if self.inbound.len() >= usize::from(self.agreed.receive_maximum_in) {
                // [MQTT-3.3.4-9]
                let why = "more QoS 2 messages unreleased than the receive maximum";
                return Err(Violation { reason: ReasonCode::ReceiveMaximumExceeded, why });
            }
        }
        Ok(Input::Publish(Incoming { topic, qos, retain, packet_id, properties, payload }))
    }

    /// Remembers a QoS 2 message that is to be routed now, so that it is not when it comes again. DESIGN section 2, QoS 2.
    pub fn remember(&mut self, packet_id: u16) {
        self.inbound.remember(packet_id);
    }

    fn acknowledged(&mut self, id: u16, stage: Stage) -> Result<Option<Input<H>>, Violation> {
        match self.outbound.finish(id, stage) {
            Answered::Fits(held) => Ok(Some(Input::Acknowledged { id, held })),
            // An acknowledgement of nothing is ignored, as MQTT 3 and 5 allow; it frees nothing.
            Answered::Unknown => Ok(None),
            Answered::OutOfTurn => Err(out_of_turn()),
        }
    }

    fn receive_pubrec(&mut self, ack: &Ack) -> Result<Option<Input<H>>, Violation> {
        let id = ack.packet_id;
        if ack.reason.is_failure() {
            // The client refuses the message; it is over. [MQTT-4.3.3-4]
            return self.acknowledged(id, Stage::Receive);
        }
        match self.outbound.received(id) {
            Answered::OutOfTurn => Err(out_of_turn()),
            Answered::Fits(held) => Ok(Some(Input::Received { id, held, reply: Packet::PubRel(answer(id, true)) })),
            Answered::Unknown => Ok(Some(Input::Reply(Packet::PubRel(answer(id, false))))),
        }
    }

    fn receive_disconnect(&mut self, disconnect: &Disconnect, limits: &Limits) -> Result<Input<H>, Violation> {
        let asked = disconnect.properties.as_ref().and_then(|properties| properties.session_expiry_interval);
        if let Some(asked_s) = asked {
            // [MQTT-3.14.2-2]: what was 0 may not be raised at the end.
            if self.agreed.session_expiry_s == 0 && asked_s > 0 {
                return Err(Violation::protocol("a session expiry that was 0 at CONNECT"));
            }
            self.agreed.session_expiry_s = clamp_expiry(asked_s, limits);
        }
        Ok(Input::Disconnect { with_will: disconnect.reason != ReasonCode::Success })
    }

    /// The answer to a PUBLISH; none at QoS 0.
    #[must_use]
    pub fn publish_reply(
        &self,
        qos: Qos,
        packet_id: Option<u16>,
        reason: ReasonCode,
        why: Option<&str>,
    ) -> Option<Packet> {
        let ack = Ack { packet_id: packet_id?, reason, properties: self.reason_string(why) };
        Some(if qos == Qos::ExactlyOnce { Packet::PubRec(ack) } else { Packet::PubAck(ack) })
    }

    /// The last packet of a connection that the server closes; MQTT 3 has none.
    #[must_use]
    pub fn farewell(&self, reason: ReasonCode, why: Option<&str>) -> Option<Packet> {
        let properties = self.reason_string(why);
        self.version().is_v5().then_some(Packet::Disconnect(Disconnect { reason, properties }))
    }

    /// A reason string, where the client takes them. [MQTT-3.1.2-29]
    #[must_use]
    pub fn reason_string(&self, why: Option<&str>) -> Option<Box<Properties>> {
        let why = why.filter(|_| self.agreed.problem_information && self.version().is_v5())?;
        reason_string(why, self.agreed.packet_bytes_max)
    }

    /// Whether the client takes a packet of so many bytes.
    #[must_use]
    pub fn takes(&self, bytes: usize) -> bool {
        u32::try_from(bytes).is_ok_and(|bytes| bytes <= self.agreed.packet_bytes_max)
    }

    /// Whether the client takes another message of this QoS now. [MQTT-4.9.0-2] [MQTT-4.9.0-3]
    #[must_use]
    pub fn has_room(&self, qos: Qos) -> bool {
        qos == Qos::AtMostOnce || self.outbound.has_room(self.agreed.receive_maximum)
    }

    /// Writes a new message; to be asked only where [`Session::has_room`]. `held` is kept until it is acknowledged.
    pub fn deliver(&mut self, outgoing: &Outgoing<'_>, held: Option<Box<H>>, out: &mut BytesMut) -> Delivered {
        let mut delivery = self.delivery(outgoing);
        if outgoing.qos != Qos::AtMostOnce {
            delivery.packet_id = Some(self.outbound.new_id());
        }
        self.write(outgoing, &delivery, held, out)
    }

    /// The next message of an earlier connection, if the client takes another now: it is to be [redelivered](Self::redeliver)
    /// before anything new, or dropped. [MQTT-4.4.0-1]
    pub fn next_again(&mut self) -> Option<InFlight<H>> {
        if self.outbound.has_room(self.agreed.receive_maximum) { self.outbound.take_again() } else { None }
    }

    /// Puts what [`Session::next_again`] gave back before the others: it is not decided whether it may be sent.
    pub fn put_back(&mut self, one: InFlight<H>) {
        self.outbound.put_back(one);
    }

    /// Whether messages of an earlier connection are still to be sent again.
    #[must_use]
    pub fn has_again(&self) -> bool {
        self.outbound.has_again()
    }

    /// Writes a message of an earlier connection again, under its identifier: PUBLISH with DUP, or PUBREL.
    /// [MQTT-3.3.1-1] [MQTT-4.3.3-7]
    pub fn redeliver(&mut self, one: InFlight<H>, outgoing: Option<&Outgoing<'_>>, out: &mut BytesMut) -> Delivered {
        match outgoing {
            Some(outgoing) if one.stage != Stage::Complete => {
                let delivery = Delivery { packet_id: Some(one.id), dup: true, ..self.delivery(outgoing) };
                self.write(outgoing, &delivery, one.held, out)
            }
            _ => {
                let pubrel = Packet::PubRel(Ack::success(one.id));
                encode(&pubrel, self.version(), out);
                self.outbound.enter(InFlight { stage: Stage::Complete, held: None, ..one });
                Delivered::Written(None)
            }
        }
    }

    fn delivery<'m>(&self, outgoing: &Outgoing<'m>) -> Delivery<'m> {
        Delivery {
            retain: outgoing.retain,
            identifiers: outgoing.identifiers,
            waited_s: outgoing.waited_s,
            alias: if outgoing.may_alias { self.aliases_out.of_topic(outgoing.frame.topic()) } else { None },
            ..Delivery::of(outgoing.qos)
        }
    }

    fn write(
        &mut self,
        outgoing: &Outgoing<'_>,
        delivery: &Delivery<'_>,
        held: Option<Box<H>>,
        out: &mut BytesMut,
    ) -> Delivered {
        if self.agreed.packet_bytes_max < u32::MAX {
            let length = u32::try_from(outgoing.frame.length(self.version(), delivery)).unwrap_or(u32::MAX);
            if length > self.agreed.packet_bytes_max {
                return Delivered::TooLarge;
            }
        }
        outgoing.frame.write_to(out, self.version(), delivery);
        self.aliases_out.written(delivery.alias, outgoing.frame.topic());
        if let Some(id) = delivery.packet_id {
            let stage = if delivery.qos == Qos::ExactlyOnce { Stage::Receive } else { Stage::Acknowledge };
            self.outbound.enter(InFlight { id, stage, held });
        }
        Delivered::Written(delivery.packet_id)
    }

    /// Takes a message out that is in flight and was not written after all.
    pub fn take_one(&mut self, id: u16) -> Option<InFlight<H>> {
        self.outbound.take_one(id)
    }

    /// Takes back the messages in flight that others shall get instead, when the client leaves; with their identifiers.
    pub fn take_in_flight(&mut self, is_wanted: impl FnMut(Stage, &H) -> bool) -> Vec<(u16, H)> {
        self.outbound.take_if(is_wanted)
    }
}

fn out_of_turn() -> Violation {
    Violation::protocol("an acknowledgement that does not fit the message's QoS")
}

/// PUBREL or PUBCOMP; MQTT 3 cannot say that an identifier is unknown.
fn answer(packet_id: u16, known: bool) -> Ack {
    let reason = if known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
    Ack { packet_id, reason, properties: None }
}
