//! The one way of a message: permitted, routed, handed to each receiver.
//!
//! A PUBLISH, a SendMessage, a will and a replayed message go through [`Broker::route`] and the receivers' own tasks.

use std::{cell::RefCell, sync::Arc};

use bytes::BytesMut;
use sluice_access::{TopicAction, TopicYes};
use sluice_codec::{PublishFrame, ReasonCode};
use sluice_model::{AccountId, ClientId, InstanceId, Qos, Resource, TopicName, UnixMs};
use sluice_policy::{Caller, Credential, Grant, Permit, Reason, Shown};
use sluice_router::{Merged, SubscriberId};
use sluice_session::Incoming;
use sluice_store::log::{Cause, LogFault, Need, QueueId, Receiver, Record, Ticket, Way};
use smallvec::SmallVec;

use crate::{
    Broker, Client, Flow,
    held::reason_of,
    journal::{need_of, queue},
    link::{Identity, Link},
    live_instance::LiveInstance,
    message::{Message, Origin, Waiting},
    outbox::Pushed,
    quota::OverQuota,
    refusal::{Asked, Met, log_refused},
    storing::Wanted,
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
    /// A limit of the instance, met with a message to this topic.
    OverQuota(OverQuota, Arc<str>),
    /// Nobody can say at present whether it may be.
    Unavailable(String),
    /// It has to be stored, and cannot be.
    Log(LogFault),
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

    /// Hands a permitted message to whoever wants it. What is to outlive the process is stored first; the ticket says when
    /// it may be acknowledged, none that nothing was stored.
    ///
    /// # Errors
    /// [`LogFault`]: it has to be stored and cannot be; nobody has it.
    pub(crate) fn route(
        &self,
        proof: &Proof<'_>,
        live: &LiveInstance,
        message: Message,
        storing: (Option<Cause>, Need),
        wakes: &mut Wakes,
    ) -> Result<Option<Ticket>, LogFault> {
        let (key, topic) = (&live.key, message.frame.topic());
        if !proof.covers(key.account, &key.instance, topic, message.origin.action) {
            tracing::error!(account = %key.account, instance = %key.instance, "a message came without the proof for its topic; it is dropped");
            return Ok(None);
        }
        // The open listener knows no point to point. DESIGN section 1.
        let has_names = *message.origin.caller.credential() != Credential::Listener;
        if let Some(target) = topic.p2p_target().filter(|_| has_names) {
            let target = target.parse::<ClientId>().ok().and_then(|client| live.sessions.get(&client));
            return self.route_to_client(target.as_deref(), live, message, storing, wakes);
        }
        if live.may_store(&message) {
            let wanted = live.match_all(&message);
            return self.store_and_hand_over(live, message, &wanted, storing, wakes);
        }
        let ticket = self.remember(storing)?;
        let message = Arc::new(message);
        // Both callbacks hand over, one after the other.
        let wakes = RefCell::new(wakes);
        live.index.for_each_subscriber(
            message.frame.topic(),
            message.origin.publisher,
            |subscriber, merged| self.hand_over(subscriber, direct(&message, merged), &mut wakes.borrow_mut()),
            |group| self.hand_to_share(live, group, &message, &mut wakes.borrow_mut()),
        );
        Ok(ticket)
    }

    /// Stores a message for those who are to get it after a restart too, then hands it to everybody.
    fn store_and_hand_over(
        &self,
        live: &LiveInstance,
        mut message: Message,
        wanted: &Wanted,
        storing: (Option<Cause>, Need),
        wakes: &mut Wakes,
    ) -> Result<Option<Ticket>, LogFault> {
        let receivers = live.stored_receivers(&message, wanted);
        let mut ticket = self.store(live, &mut message, &receivers, storing)?;
        let message = Arc::new(message);
        if message.retain
            && let Some(replaced) = live.retained.keep(&message).as_ref().and_then(|old| old.stored.as_ref())
        {
            let dropped = Record::Dropped { queue: QueueId::RETAINED, message: replaced.id };
            if message.stored.is_some() {
                self.journal.note(&dropped);
            } else {
                // Nothing else says that the topic has no message any more.
                ticket = Some(self.journal.must(&dropped, storing.1)?);
            }
        }
        for (subscriber, merged) in &wanted.direct {
            self.hand_over(*subscriber, direct(&message, merged), wakes);
        }
        for group in &wanted.shared {
            self.hand_to_share(live, group, &message, wakes);
        }
        Ok(ticket)
    }

    fn store(
        &self,
        live: &LiveInstance,
        message: &mut Message,
        receivers: &[Receiver],
        storing: (Option<Cause>, Need),
    ) -> Result<Option<Ticket>, LogFault> {
        if receivers.is_empty() {
            return self.remember(storing);
        }
        let stored = self.journal.store(live, message, receivers, storing)?;
        let ticket = stored.ticket;
        message.stored = Some(Box::new(stored));
        self.meters.given_up.increment(live.stock.bound(self.limits_of(live).offline_messages_max));
        Ok(Some(ticket))
    }

    /// What a message that nobody stores came from is over all the same.
    fn remember(&self, (cause, need): (Option<Cause>, Need)) -> Result<Option<Ticket>, LogFault> {
        match cause {
            None => Ok(None),
            Some(Cause::ExactlyOnce { session, id }) => {
                self.journal.may(&Record::Remembered { session, id }, need).map(Some)
            }
            Some(Cause::Will(session)) => {
                self.journal.note(&Record::WillDone(session));
                Ok(None)
            }
        }
    }

    /// A message to one client by name: once, at the published QoS, without a subscription.
    fn route_to_client(
        &self,
        target: Option<&Link>,
        live: &LiveInstance,
        mut message: Message,
        storing: (Option<Cause>, Need),
        wakes: &mut Wakes,
    ) -> Result<Option<Ticket>, LogFault> {
        let Some(link) = target else { return self.remember(storing) };
        if !self.may_be_named(link, &message) {
            self.meters.held_back.increment(1);
            return self.remember(storing);
        }
        let receiver = Receiver {
            queue: queue(link.id),
            qos: message.qos,
            retain: false,
            way: Way::PointToPoint,
            identifiers: Vec::new(),
        };
        let is_stored = link.id.is_stored() && message.qos != Qos::AtMostOnce;
        let stored_for = if is_stored { std::slice::from_ref(&receiver) } else { &[] };
        let ticket = self.store(live, &mut message, stored_for, storing)?;
        self.hand_over(link.id, Waiting::new(Arc::new(message), None, &receiver), wakes);
        Ok(ticket)
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
            Err(denied) if denied.reason == Reason::Unavailable => true,
            Err(denied) => denied.reason.is_of_credential() && !link.is_here(),
        }
    }

    /// Hands a message to a session, wherever it goes meanwhile.
    fn hand_over(&self, session: SubscriberId, mut waiting: Waiting, wakes: &mut Wakes) {
        let qos = waiting.qos;
        for _ in 0..MOVES_MAX {
            let Some(link) = self.registry.get(session) else { return };
            let place = link.identity.instance.place_of(&waiting, session);
            match link.push(waiting) {
                Ok((pushed, evicted)) => {
                    self.count_evicted(&link, &evicted);
                    if let (Pushed::NotKept | Pushed::Full, Some((queue, message))) = (pushed, place) {
                        self.journal.note(&Record::Dropped { queue, message });
                    }
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
    pub(crate) fn count_evicted(&self, link: &Link, evicted: &[Waiting]) {
        if !evicted.is_empty() {
            let live = &link.identity.instance;
            evicted.iter().for_each(|waiting| self.journal.dropped(live, waiting, link.id));
            self.meters.evicted.increment(u64::try_from(evicted.len()).unwrap_or(u64::MAX));
            tracing::debug!(account = %live.key.account, client = %link.identity.client, evicted = evicted.len(), "a stored session is full; its oldest messages made room");
        }
    }
}

impl Client {
    /// Takes a PUBLISH: parent topic, permission, quota, route, reply.
    pub(crate) fn publish(&mut self, incoming: Incoming, now: UnixMs, out: &mut BytesMut) -> Flow {
        let (qos, packet_id) = (incoming.qos, incoming.packet_id);
        let (reason, why) = match self.accept(incoming, now) {
            Ok(ticket) => {
                let reply = self.session.publish_reply(qos, packet_id, ReasonCode::Success, None);
                return self.write_when(ticket, reply, out);
            }
            Err(NotTaken::Denied(why)) => {
                if self.closes_when_denied() {
                    return self.close(ReasonCode::NotAuthorized, Some(&why), out);
                }
                let reply = self.session.publish_reply(qos, packet_id, ReasonCode::NotAuthorized, Some(&why));
                return self.write_when(None, reply, out);
            }
            Err(NotTaken::Unavailable(why)) => return self.close(ReasonCode::ServerBusy, Some(&why), out),
            Err(NotTaken::OverQuota(over, topic)) => {
                let met = ("PUBLISH", Met::Quota(over));
                (over.reason(), self.refuse_over_limit(met, |key| Asked::publish(key, &topic), over, now))
            }
            Err(NotTaken::Log(fault)) => {
                self.broker.meters.not_stored.increment(1);
                log_refused("PUBLISH", &self.link.identity, fault);
                (reason_of(fault), fault.to_string())
            }
        };
        // MQTT 3 cannot refuse a message, and must not acknowledge what is dropped.
        if packet_id.is_some() && !self.session.version().is_v5() {
            return self.close(reason, Some(&why), out);
        }
        self.write_when(None, self.session.publish_reply(qos, packet_id, reason, Some(&why)), out)
    }

    fn accept(&mut self, incoming: Incoming, now: UnixMs) -> Result<Option<Ticket>, NotTaken> {
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
            let asked = Asked::publish(&live.key, topic.as_str());
            return Err(NotTaken::Denied(broker.refuse_without_policy("PUBLISH", identity, asked, why)));
        }
        let place = (live.key.account, &live.key.instance);
        let text = topic.shared();
        let yes = cache
            .check_topic(&broker.decisions, &identity.caller, TopicAction::Publish, place, &text, now)
            .map_err(|denied| {
                if denied.reason == Reason::Unavailable {
                    return NotTaken::Unavailable(denied.to_string());
                }
                broker.meters.refused.increment(1);
                NotTaken::Denied(broker.refuse("PUBLISH", identity, &denied))
            })?;
        let origin = origin.get_or_insert_with(|| Origin::of_client(link, instance_grant));
        let frame = PublishFrame::new(topic, payload, properties);
        let message = Message::new(frame, qos, retain, broker.steady(now), Arc::clone(origin));
        broker
            .within(live, &settings.limits, &message, now)
            .map_err(|over| NotTaken::OverQuota(over, Arc::clone(&text)))?;
        let exactly_once = packet_id.filter(|_| qos == Qos::ExactlyOnce);
        // With the message, the log remembers its identifier. DESIGN section 2, QoS 2.
        let cause =
            exactly_once.filter(|_| link.id.is_stored()).map(|id| Cause::ExactlyOnce { session: queue(link.id), id });
        let bytes = message.bytes;
        let storing = (cause, need_of(settings.durability));
        let ticket =
            broker.route(&Proof::Topic(yes), live, message, storing, &mut turn.wakes).map_err(NotTaken::Log)?;
        if let Some(id) = exactly_once {
            // Only what was routed is remembered. Attack 10.
            session.remember(id);
        }
        link.tally.message_in(qos, bytes);
        turn.accepted += 1;
        if turn.accepted.is_multiple_of(WAKE_AFTER) {
            turn.wakes.pay();
        }
        Ok(ticket)
    }
}

/// A message for a subscriber, as its subscriptions ask.
fn direct(message: &Arc<Message>, merged: &Merged) -> Waiting {
    Waiting {
        message: Arc::clone(message),
        identifiers: SmallVec::from_slice(&merged.ids),
        share: None,
        qos: merged.qos.min(message.qos),
        way: Way::Subscribed,
        retain: message.retain && merged.retain_as_published,
        refused_by: Vec::new(),
    }
}

impl Origin {
    /// A client, by its right to publish.
    fn of_client(link: &Link, grant: &Grant) -> Arc<Self> {
        Self::new(link.identity.caller.clone(), TopicAction::Publish, Some(link.id), Some(grant.clone()))
    }
}
