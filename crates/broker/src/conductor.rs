//! The one way of a message: permitted, routed, handed to each receiver.
//!
//! A PUBLISH, a SendMessage, a will and a replayed message go through [`Broker::route`] and the receivers' own tasks.

use std::{cell::RefCell, sync::Arc};

use bytes::BytesMut;
use sluice_access::{TopicAction, TopicYes};
use sluice_codec::{PublishFrame, ReasonCode};
use sluice_model::{AccountId, ClientId, InstanceId, Qos, Resource, TopicName, UnixMs};
use sluice_policy::{Caller, Credential, Grant, Permit, Reason};
use sluice_router::SubscriberId;
use sluice_session::Incoming;
use smallvec::SmallVec;

use crate::{
    Broker, Client, Flow,
    link::{Identity, Link},
    live_instance::LiveInstance,
    message::{Message, Origin, Waiting, Way},
    outbox::Pushed,
    quota::OverQuota,
    refusal::{Shown, log_denied, log_refused},
    wake::Wakes,
};

/// Messages of one read after which receivers are woken, though more are to come.
const WAKE_AFTER: u32 = 256;
/// How often a message follows a session that goes from one connection to the next.
const MOVES_MAX: usize = 4;

/// The publisher's yes, demanded and compared before routing.
pub(crate) enum Proof<'p> {
    /// `mq:PUB`, remembered or fresh.
    Topic(TopicYes<'p>),
    /// `mq:SendMessage`, or `mq:PUB` of a will.
    Permit(&'p Permit),
}

impl Proof<'_> {
    fn covers(&self, account: AccountId, instance: &InstanceId, topic: &TopicName, action: TopicAction) -> bool {
        match self {
            Self::Topic(yes) => yes.covers(TopicAction::Publish, (account, instance), topic.as_str()),
            Self::Permit(permit) => {
                permit.covers(action.action(), &Resource::Topic(account, instance.clone(), topic.shared()))
            }
        }
    }
}

/// Why a PUBLISH is not taken.
enum NotTaken {
    /// No right, or no such parent topic.
    Denied(String),
    /// A limit of the instance.
    OverQuota(OverQuota),
}

impl Broker {
    /// Whether a caller may publish under this parent topic at all: it exists, or the open listener needs none. What begins
    /// with `$` is the server's. [MQTT-4.7.2-1]
    pub(crate) fn may_name(&self, caller: &Caller, live: &LiveInstance, topic: &str) -> bool {
        if *caller.credential() == Credential::Listener {
            return !topic.starts_with('$');
        }
        let parent = topic.split('/').next().unwrap_or_default();
        self.access.topic_exists(live.key.account, &live.key.instance, parent)
    }

    /// Hands a permitted message to whoever wants it.
    pub(crate) fn route(&self, proof: &Proof<'_>, live: &LiveInstance, message: Message, wakes: &mut Wakes) {
        let (key, topic) = (&live.key, message.frame.topic());
        if !proof.covers(key.account, &key.instance, topic, message.origin.action) {
            tracing::error!(account = %key.account, instance = %key.instance, "a message came without the proof for its topic; it is dropped");
            return;
        }
        let message = Arc::new(message);
        let topic = message.frame.topic();
        // The open listener knows no point to point. DESIGN section 1.
        let has_names = *message.origin.caller.credential() != Credential::Listener;
        if let Some(target) = topic.p2p_target().filter(|_| has_names) {
            self.route_to_client(target, live, &message, wakes);
            return;
        }
        if message.retain {
            live.retained.keep(&message);
        }
        // Both callbacks hand over, one after the other.
        let wakes = RefCell::new(wakes);
        live.index.for_each_subscriber(
            topic,
            message.origin.publisher,
            |subscriber, merged| {
                let waiting = Waiting {
                    message: Arc::clone(&message),
                    identifiers: SmallVec::from_slice(&merged.ids),
                    share: None,
                    qos: merged.qos.min(message.qos),
                    way: Way::Subscribed,
                    retain: message.retain && merged.retain_as_published,
                    refused_by: Vec::new(),
                };
                self.hand_over(subscriber, waiting, &mut wakes.borrow_mut());
            },
            |group| self.hand_to_share(live, group, &message, &mut wakes.borrow_mut()),
        );
    }

    /// A message to one client by name: once, at the published QoS, without a subscription.
    fn route_to_client(&self, target: &str, live: &LiveInstance, message: &Arc<Message>, wakes: &mut Wakes) {
        let Ok(client) = target.parse::<ClientId>() else { return };
        let Some(link) = live.sessions.get(&client) else { return };
        if !self.may_be_named(&link, message) {
            self.meters.held_back.increment(1);
            return;
        }
        let waiting = Waiting {
            message: Arc::clone(message),
            identifiers: SmallVec::new(),
            share: None,
            qos: message.qos,
            way: Way::PointToPoint,
            retain: false,
            refused_by: Vec::new(),
        };
        self.hand_over(link.id, waiting, wakes);
    }

    /// Whether a client has the rights of a message to its name; asked before it takes room in the client's queue, and again
    /// at delivery. Of a client that is away with a key that is gone nothing can be asked: then it waits until the client is back.
    fn may_be_named(&self, link: &Link, message: &Message) -> bool {
        let Identity { caller, instance, .. } = &link.identity;
        let (place, now) = ((instance.key.account, &instance.key.instance), self.access.clock().now());
        let parent = message.frame.topic().parent().into();
        let topic = self.decisions.check(caller, TopicAction::Receive, place, &parent, now);
        // A connected one looks at its queue at once, and asks for its group then.
        let group = if link.is_here() { Ok(()) } else { self.ask_group(&link.identity, now).map(|_permit| ()) };
        match topic.and(group) {
            Ok(()) => true,
            Err(denied) => denied.reason == Reason::NoPrincipal && !link.is_here(),
        }
    }

    /// Hands a message to a session, wherever it goes meanwhile.
    fn hand_over(&self, session: SubscriberId, mut waiting: Waiting, wakes: &mut Wakes) {
        let qos = waiting.qos;
        for _ in 0..MOVES_MAX {
            let Some(link) = self.registry.get(session) else { return };
            match link.push(waiting) {
                Ok((pushed, evicted)) => {
                    self.count_evicted(&link, evicted);
                    return self.pushed(link, pushed, qos, wakes);
                }
                Err(moved) => waiting = moved,
            }
        }
    }

    /// A receiver that cannot keep up loses QoS 0 messages; at QoS 1 and 2, where none may be lost in silence, one that has
    /// no stored session is closed.
    fn pushed(&self, link: Arc<Link>, pushed: Pushed, qos: Qos, wakes: &mut Wakes) {
        match pushed {
            Pushed::First => wakes.owe(link),
            Pushed::Behind => {}
            Pushed::Stored => link.tally.stored(),
            Pushed::NotKept if qos == Qos::AtMostOnce && !link.is_here() => {}
            Pushed::NotKept => self.meters.dropped.increment(1),
            Pushed::Full => {
                self.meters.dropped.increment(1);
                link.close(ReasonCode::QuotaExceeded);
            }
        }
    }

    /// Counts what made room in a stored session's queue, and says so once it begins.
    pub(crate) fn count_evicted(&self, link: &Link, evicted: u32) {
        if evicted > 0 {
            self.meters.evicted.increment(u64::from(evicted));
            tracing::debug!(account = %link.identity.instance.key.account, client = %link.identity.client, evicted, "a stored session is full; its oldest messages made room");
        }
    }
}

impl Client {
    /// Takes a PUBLISH: parent topic, permission, quota, route, reply.
    pub(crate) fn publish(&mut self, incoming: Incoming, now: UnixMs, out: &mut BytesMut) -> Flow {
        let (qos, packet_id) = (incoming.qos, incoming.packet_id);
        match self.accept(incoming, now) {
            Ok(()) => self.write(self.session.publish_reply(qos, packet_id, ReasonCode::Success, None), out),
            Err(NotTaken::Denied(why)) => {
                if self.closes_when_denied() {
                    return self.close(ReasonCode::NotAuthorized, Some(&why), out);
                }
                self.write(self.session.publish_reply(qos, packet_id, ReasonCode::NotAuthorized, Some(&why)), out)
            }
            Err(NotTaken::OverQuota(over)) => {
                log_refused("PUBLISH", &self.link.identity, over);
                let why = over.to_string();
                // MQTT 3 cannot refuse a message, and must not acknowledge what is dropped.
                if packet_id.is_some() && !self.session.version().is_v5() {
                    return self.close(over.reason(), Some(&why), out);
                }
                self.write(self.session.publish_reply(qos, packet_id, over.reason(), Some(&why)), out)
            }
        }
    }

    fn accept(&mut self, incoming: Incoming, now: UnixMs) -> Result<(), NotTaken> {
        let Incoming { topic, qos, retain, packet_id, properties, payload } = incoming;
        let Self { broker, link, cache, origin, session, settings, instance_grant, known_parent, turn, .. } = self;
        let identity = &link.identity;
        let live = &*identity.instance;
        let parent = topic.parent();
        if known_parent.as_deref() == Some(parent) {
            // Looked up before; whatever takes it away has this connection decide again.
        } else if broker.may_name(&identity.caller, live, topic.as_str()) {
            *known_parent = Some(parent.into());
        } else {
            broker.meters.refused.increment(1);
            let why = format!("the parent topic of `{}` does not exist", Shown(topic.as_str()));
            log_refused("PUBLISH", identity, &why);
            return Err(NotTaken::Denied(why));
        }
        let place = (live.key.account, &live.key.instance);
        let text = topic.shared();
        let yes = cache
            .check_topic(&broker.decisions, &identity.caller, TopicAction::Publish, place, &text, now)
            .map_err(|denied| {
                broker.meters.refused.increment(1);
                log_denied("PUBLISH", identity, &denied);
                NotTaken::Denied(denied.to_string())
            })?;
        let origin = origin.get_or_insert_with(|| Origin::of_client(link, instance_grant));
        let frame = PublishFrame::new(topic, payload, properties);
        let message = Message::new(frame, qos, retain, broker.steady(now), Arc::clone(origin));
        broker.within(live, &settings.limits, &message, now).map_err(NotTaken::OverQuota)?;
        if let (Qos::ExactlyOnce, Some(id)) = (qos, packet_id) {
            // Remembered before it is routed, and only if it is. DESIGN section 2, QoS 2; attack 10.
            session.remember(id);
        }
        link.tally.message_in(qos, message.bytes);
        turn.accepted += 1;
        if turn.accepted.is_multiple_of(WAKE_AFTER) {
            turn.wakes.pay();
        }
        broker.route(&Proof::Topic(yes), live, message, &mut turn.wakes);
        Ok(())
    }
}

impl Origin {
    /// A client, by its right to publish.
    fn of_client(link: &Link, grant: &Grant) -> Arc<Self> {
        let caller = link.identity.caller.clone();
        Arc::new(Self { caller, action: TopicAction::Publish, publisher: Some(link.id), grant: grant.clone() })
    }
}
