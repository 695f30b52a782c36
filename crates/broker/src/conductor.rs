//! The one way of a message: permitted, routed, handed to each receiver.
//!
//! A PUBLISH and a SendMessage go through [`Broker::route`]; so will a will and a replayed message.

use std::sync::Arc;

use sluice_access::{TopicAction, TopicYes};
use sluice_codec::{Properties, PublishFrame, ReasonCode};
use sluice_model::{AccountId, Action, ClientId, InstanceId, Qos, Resource, TopicName, UnixMs};
use sluice_policy::Permit;
use sluice_router::{InstanceKey, Merged, TopicIndex};
use sluice_session::{Delivered, Incoming};
use smallvec::SmallVec;

use crate::{
    Broker, Client, Flow,
    link::{Link, SessionKey},
    message::Message,
    outbox::Waiting,
    refusal::{Shown, log_denied, log_refused},
};
use bytes::{Bytes, BytesMut};

/// Bytes that are gathered for one write before the socket is asked again.
const WRITE_BYTES_MAX: usize = 256 * 1024;

/// The publisher's yes, demanded and compared before routing.
pub(crate) enum Proof<'p> {
    /// `mq:PUB`, remembered or fresh.
    Topic(TopicYes<'p>),
    /// `mq:SendMessage`.
    Permit(&'p Permit),
}

impl Proof<'_> {
    fn covers(&self, account: AccountId, instance: &InstanceId, topic: &TopicName) -> bool {
        match self {
            Self::Topic(yes) => yes.covers(TopicAction::Publish, (account, instance), topic.as_str()),
            Self::Permit(permit) => {
                let resource = Resource::Topic(account, instance.clone(), topic.shared());
                permit.covers(&Action::SEND_MESSAGE, &resource)
            }
        }
    }
}

impl Broker {
    /// Hands a permitted message to whoever wants it.
    pub(crate) fn route(&self, proof: &Proof<'_>, key: &InstanceKey, index: &TopicIndex, message: Message) {
        if !proof.covers(key.account, &key.instance, message.frame.topic()) {
            tracing::error!(account = %key.account, instance = %key.instance, "a message came without the proof for its topic; it is dropped");
            return;
        }
        self.meters.accepted.increment(1);
        let message = Arc::new(message);
        if let Some(target) = message.frame.topic().p2p_target() {
            self.route_to_client(target, key, &message);
            return;
        }
        let direct = |subscriber, merged: &Merged| {
            let Some(link) = self.registry.by_id(subscriber) else { return };
            self.hand_over(
                &link,
                Waiting {
                    message: Arc::clone(&message),
                    qos: merged.qos.min(message.qos),
                    identifiers: SmallVec::from_slice(&merged.ids),
                    point_to_point: false,
                },
            );
        };
        // SUBSCRIBE refuses shared subscriptions, so that no group has a member.
        index.for_each_match(message.frame.topic(), message.publisher, direct, |_| {});
    }

    /// A message to one client by name: once, at the published QoS, without a subscription.
    fn route_to_client(&self, target: &str, key: &InstanceKey, message: &Arc<Message>) {
        let Ok(client) = target.parse::<ClientId>() else { return };
        let session = SessionKey { account: key.account, instance: key.instance.clone(), client };
        if let Some(link) = self.registry.by_key(&session) {
            let message = Arc::clone(message);
            let qos = message.qos;
            self.hand_over(&link, Waiting { message, qos, identifiers: SmallVec::new(), point_to_point: true });
        }
    }

    /// A receiver that cannot keep up loses QoS 0 messages; at QoS 1, where none may be lost in silence, it is closed.
    fn hand_over(&self, link: &Link, waiting: Waiting) {
        let qos = waiting.qos;
        if !link.push(waiting) {
            self.meters.dropped.increment(1);
            if qos != Qos::AtMostOnce {
                link.close(ReasonCode::QuotaExceeded);
            }
        }
    }
}

impl Client {
    /// Takes a PUBLISH: parent topic, permission, route, reply.
    pub(crate) fn publish(&mut self, incoming: Incoming, now: UnixMs, out: &mut BytesMut) -> Flow {
        let Incoming { topic, qos, packet_id, properties, payload } = incoming;
        match self.accept(topic, qos, (properties, payload), now) {
            Ok(()) => self.write(self.session.publish_reply(packet_id, ReasonCode::Success, None), out),
            Err(why) => {
                if self.closes_when_denied() {
                    return self.close(ReasonCode::NotAuthorized, Some(&why), out);
                }
                self.write(self.session.publish_reply(packet_id, ReasonCode::NotAuthorized, Some(&why)), out)
            }
        }
    }

    fn accept(
        &mut self,
        topic: TopicName,
        qos: Qos,
        (properties, payload): (Option<Box<Properties>>, Bytes),
        now: UnixMs,
    ) -> Result<(), String> {
        let Self { broker, link, cache, index, instance_key, .. } = self;
        let place = (instance_key.account, &instance_key.instance);
        if !broker.access.topic_exists(place.0, place.1, topic.parent()) {
            broker.meters.refused.increment(1);
            let why = format!("the parent topic of `{}` does not exist", Shown(topic.as_str()));
            log_refused("PUBLISH", &link.key, &link.caller, &why);
            return Err(why);
        }
        let text = topic.shared();
        let asked = cache.check_topic(&broker.authority, &link.caller, TopicAction::Publish, place, &text, now);
        match asked {
            Ok(yes) => {
                let frame = PublishFrame::new(topic, payload, properties);
                let message = Message::new(frame, qos, now, Some(link.id));
                broker.route(&Proof::Topic(yes), instance_key, index, message);
                Ok(())
            }
            Err(denied) => {
                broker.meters.refused.increment(1);
                log_denied("PUBLISH", &link.key, &link.caller, &denied);
                Err(denied.to_string())
            }
        }
    }

    /// Writes what waits, as far as the client's window and one write reach.
    pub(crate) fn deliver_waiting(&mut self, now: UnixMs, out: &mut BytesMut) -> Flow {
        loop {
            if out.len() >= WRITE_BYTES_MAX {
                // Come back after the write.
                self.link.wake();
                return Flow::Continue;
            }
            if let Err(reason) = self.stay(now) {
                return self.close(reason, None, out);
            }
            let Some(waiting) = self.link.pop() else { return Flow::Continue };
            if waiting.message.is_expired(now) || !self.may_receive(&waiting, now) {
                continue;
            }
            let waited_s = waiting.message.waited_s(now);
            match self.session.deliver(&waiting.message.frame, waiting.qos, &waiting.identifiers, waited_s, out) {
                Delivered::Written => self.broker.meters.delivered.increment(1),
                Delivered::TooLarge => self.broker.meters.dropped.increment(1),
                Delivered::WindowFull => {
                    self.link.put_back(waiting);
                    return Flow::Continue;
                }
            }
        }
    }

    /// Asks the receiver's right, on the concrete topic and on its group; point to point on the parent topic.
    fn may_receive(&mut self, waiting: &Waiting, now: UnixMs) -> bool {
        let name = waiting.message.frame.topic();
        let topic = if waiting.point_to_point { name.parent().into() } else { name.shared() };
        let allowed = self.may_use_group(now).and_then(|()| {
            let Self { broker, link, cache, instance_key, .. } = self;
            let place = (instance_key.account, &instance_key.instance);
            let yes = cache.check_topic(&broker.authority, &link.caller, TopicAction::Receive, place, &topic, now)?;
            debug_assert!(yes.covers(TopicAction::Receive, place, &topic));
            Ok(())
        });
        match allowed {
            Ok(()) => true,
            Err(denied) => {
                self.broker.meters.held_back.increment(1);
                // Once for each run of messages on a topic: a wildcard over a forbidden branch would flood the log.
                if self.last_held_back.as_ref() != Some(&topic) {
                    log_denied("delivery", &self.link.key, &self.link.caller, &denied);
                    self.last_held_back = Some(topic);
                }
                false
            }
        }
    }
}
