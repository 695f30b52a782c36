//! The receiver's side of a message: what waits is asked for again and written, as far as the client's window reaches.

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use bytes::BytesMut;
use sluice_access::{TopicAction, TopicYes};
use sluice_codec::RetainHandling;
use sluice_model::{Qos, TopicFilter, UnixMs};
use sluice_policy::{Covering, Denied, Reason};
use sluice_router::SubscriptionOptions;
use sluice_session::{Delivered, InFlight, Outgoing, Stage};
use sluice_store::log::{LogFault, MessageId, QueueId, Receiver, Record, Ticket, Way};
use smallvec::SmallVec;

use crate::{
    Broker, Client, Flow,
    held::HeldCopy,
    journal::queue,
    live_instance::LiveInstance,
    message::{Message, Waiting},
    retained::Slice,
};

/// Bytes that are gathered for one write before the socket is asked again.
const WRITE_BYTES_MAX: usize = 256 * 1024;

/// A message that waited longer is replayed: its publisher is asked for again, though nothing was changed: a right may have
/// ended by itself.
const REPLAY_MS: i64 = 50;

/// Retained messages that a new subscription is still to get.
#[derive(Debug)]
pub(crate) struct Replay {
    filter: TopicFilter,
    options: SubscriptionOptions,
    /// Where to go on.
    after: Option<Arc<str>>,
}

impl Replay {
    /// Whether it is of this filter: there is one a subscription, so that they are bounded as these are.
    pub(crate) fn is_of(&self, filter: &TopicFilter) -> bool {
        self.filter == *filter
    }

    /// Of a subscription that was entered; none where it asked for none, or is shared. [MQTT-3.3.1-9 to -11]
    pub(crate) fn of(
        filter: &TopicFilter,
        handling: RetainHandling,
        is_new: bool,
        options: SubscriptionOptions,
    ) -> Option<Self> {
        let is_wanted = match handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        (is_wanted && filter.share().is_none()).then(|| Self { filter: filter.clone(), options, after: None })
    }
}

impl Client {
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
            if self.held.is_full() {
                // Come back when the log has some of it.
                return Flow::Continue;
            }
            if self.is_throttled(now) {
                return Flow::Continue;
            }
            let delivered = self.turn.delivered;
            if self.session.has_again() {
                let Some(one) = self.session.next_again() else { return Flow::Continue };
                if let Err(fault) = self.send_again(one, now, out) {
                    return self.close_for(fault, out);
                }
                self.has_gone(self.turn.delivered > delivered);
                continue;
            }
            if self.taken.is_empty() && !self.take_more(now) {
                return Flow::Continue;
            }
            let Some(next) = self.taken.front() else { continue };
            if !self.session.has_room(next.qos) {
                return Flow::Continue;
            }
            let Some(waiting) = self.taken.pop_front() else { continue };
            if let Err(fault) = self.send(waiting, now, out) {
                return self.close_for(fault, out);
            }
            self.has_gone(self.turn.delivered > delivered);
        }
    }

    /// Takes what others pushed, or the next retained messages; whether there is anything.
    fn take_more(&mut self, now: UnixMs) -> bool {
        let Self { link, taken, .. } = self;
        link.with_outbox(|outbox| outbox.take(taken));
        if !taken.is_empty() {
            return true;
        }
        if self.broker.drain_backlogs_of(&self.link) {
            // Some of it may be for this client, which is woken then; what else it waits for comes after.
            if !self.replays.is_empty() {
                self.link.wake();
            }
            return false;
        }
        // Nothing waits: the memory goes back.
        self.taken = VecDeque::new();
        if !self.held.is_empty() {
            // The SUBACK goes first.
            return false;
        }
        let Some(replay) = self.replays.last_mut() else { return false };
        let live = &self.link.identity.instance;
        let steady = self.broker.steady(now);
        let Slice { messages, expired, resume_after } =
            live.retained.next(&replay.filter, replay.after.as_deref(), steady);
        expired.iter().for_each(|message| self.broker.forget_retained(live, message));
        let SubscriptionOptions { qos, id, no_local, .. } = replay.options;
        let own = Some(self.link.id);
        replay.after = resume_after;
        if replay.after.is_none() {
            self.replays.pop();
        }
        if messages.is_empty() {
            // A slice may match nothing and yet not be the last; others have their turn first.
            if !self.replays.is_empty() {
                self.link.wake();
            }
            return false;
        }
        let wanted = messages.into_iter().filter(|message| !(no_local && message.origin.publisher == own));
        self.taken.extend(wanted.map(|message| Waiting {
            qos: qos.min(message.qos),
            message,
            identifiers: id.into_iter().collect(),
            share: None,
            way: Way::Retained,
            retain: true,
            refused_by: Vec::new(),
        }));
        true
    }

    fn send(&mut self, waiting: Waiting, now: UnixMs, out: &mut BytesMut) -> Result<(), LogFault> {
        let steady = self.broker.steady(now);
        if self.is_over(&waiting, steady) {
            self.let_go(&waiting);
            return Ok(());
        }
        if !self.may_receive(&waiting, now) {
            if self.is_undecided {
                // The connection is about to be closed; until then it waits where it was.
                self.taken.push_front(waiting);
            } else if waiting.share.is_some() {
                let live = Arc::clone(&self.link.identity.instance);
                self.broker.pass_on(&live, waiting, self.link.id, &mut self.turn.wakes);
            } else {
                self.let_go(&waiting);
            }
            return Ok(());
        }
        if waiting.message.stored.is_none() && !self.held.has_messages() {
            let (qos, bytes) = (waiting.qos, waiting.message.bytes);
            let delivered = self.write_message(waiting, steady, true, out);
            self.count(delivered, qos, bytes);
            return Ok(());
        }
        self.send_stored(waiting, steady, out)
    }

    /// Writes a copy that is in the log, or that leaves behind one that is not yet.
    fn send_stored(&mut self, waiting: Waiting, steady: UnixMs, out: &mut BytesMut) -> Result<(), LogFault> {
        let (message, qos, way) = (Arc::clone(&waiting.message), waiting.qos, waiting.way);
        let place = self.link.identity.instance.place_of(&waiting, self.link.id);
        let receiver = place.map(|(queue, _)| receiver(queue, &waiting));
        let is_apart = self.is_apart(&message, qos);
        let mut apart = BytesMut::new();
        let delivered = self.write_message(waiting, steady, !is_apart, if is_apart { &mut apart } else { &mut *out });
        let mut noted = None;
        if let (Some(place), Some(receiver)) = (place, receiver) {
            noted = self.note_delivered(delivered, place, receiver)?;
        }
        if let (true, Delivered::Written(id)) = (is_apart, delivered) {
            let copy = HeldCopy { waiting: Waiting::again(&message, qos, way), id, is_again: false };
            self.put_apart(copy, noted, apart, out);
        }
        self.count(delivered, qos, message.bytes);
        Ok(())
    }

    /// Whether a copy may have to wait: one at QoS 2 of a stored message for the log, and any behind one that waits, so that
    /// messages leave in order. Copies at QoS 0 and 1 wait for nothing else. DESIGN section 2, Acknowledgement.
    fn is_apart(&self, message: &Message, qos: Qos) -> bool {
        (qos == Qos::ExactlyOnce && message.stored.is_some()) || self.held.has_messages()
    }

    /// Writes a copy that was encoded apart, once it may leave.
    fn put_apart(&mut self, copy: HeldCopy, noted: Option<Ticket>, apart: BytesMut, out: &mut BytesMut) {
        let (qos, ticket) = (copy.waiting.qos, copy.waiting.message.stored.as_ref().map(|stored| stored.ticket));
        match noted.or(ticket) {
            Some(ticket) if qos == Qos::ExactlyOnce => self.put_when(ticket, apart, Some(Box::new(copy)), out),
            _ => self.put_behind(apart, Box::new(copy), out),
        }
    }

    /// Writes into the log what became of a stored message.
    fn note_delivered(
        &self,
        delivered: Delivered,
        (queue, message): (QueueId, MessageId),
        receiver: Receiver,
    ) -> Result<Option<Ticket>, LogFault> {
        let journal = &self.broker.journal;
        match delivered {
            Delivered::Written(Some(id)) if self.link.id.is_stored() => self.note_in_flight(id, message, receiver),
            // In flight to a member whose session is not stored: whatever it does not acknowledge goes to another.
            Delivered::Written(Some(_)) => Ok(None),
            Delivered::Written(None) | Delivered::TooLarge => {
                journal.note(&Record::Dropped { queue, message });
                Ok(None)
            }
        }
    }

    /// A stored message has an identifier of a stored session.
    fn note_in_flight(&self, id: u16, message: MessageId, receiver: Receiver) -> Result<Option<Ticket>, LogFault> {
        let is_promised = receiver.qos == Qos::ExactlyOnce;
        let record = |session| Record::InFlight { session, id, message, receiver: Cow::Owned(receiver) };
        if is_promised {
            return self.promise(record);
        }
        self.broker.journal.note(&record(queue(self.link.id)));
        Ok(None)
    }

    /// Whether nobody is to have a message any more: it has expired, waited longer than the instance keeps it, or made room.
    fn is_over(&self, waiting: &Waiting, steady: UnixMs) -> bool {
        let message = &waiting.message;
        message.is_expired(steady)
            || waiting.is_given_up()
            || (waiting.way != Way::Retained && message.has_waited_too_long(&self.settings.limits, steady))
    }

    /// A message is not delivered, and waits no longer.
    fn let_go(&self, waiting: &Waiting) {
        self.broker.journal.dropped(&self.link.identity.instance, waiting, self.link.id);
    }

    fn write_message(&mut self, waiting: Waiting, steady: UnixMs, may_alias: bool, out: &mut BytesMut) -> Delivered {
        let qos = waiting.qos;
        let is_kept = qos != Qos::AtMostOnce && (self.session.expiry_s() > 0 || waiting.share.is_some());
        if is_kept {
            let message = Arc::clone(&waiting.message);
            let identifiers: SmallVec<[u32; 2]> = waiting.identifiers.clone();
            let outgoing = Outgoing { may_alias, ..outgoing(&message, qos, waiting.retain, &identifiers, steady) };
            self.session.deliver(&outgoing, Some(Box::new(waiting)), out)
        } else {
            let outgoing = outgoing(&waiting.message, qos, waiting.retain, &waiting.identifiers, steady);
            self.session.deliver(&Outgoing { may_alias, ..outgoing }, None, out)
        }
    }

    fn count(&mut self, delivered: Delivered, qos: Qos, bytes: usize) {
        match delivered {
            Delivered::Written(_) => {
                self.turn.delivered += 1;
                self.link.tally.message_out(qos, bytes);
            }
            Delivered::TooLarge => self.broker.meters.dropped.increment(1),
        }
    }

    /// Sends a message of an earlier connection again, if both may still; what a client has already is completed in any case.
    fn send_again(&mut self, one: InFlight<Waiting>, now: UnixMs, out: &mut BytesMut) -> Result<(), LogFault> {
        let id = one.id;
        if one.stage == Stage::Complete {
            return self.complete(id, out);
        }
        // Nothing was kept: the session began as one that ends with its connection.
        let Some(held) = &one.held else { return Ok(()) };
        // It does not expire any more: the client may have it. [MQTT-4.3.3-7]
        if !self.may_receive(held, now) {
            if self.is_undecided {
                self.session.put_back(one);
                return Ok(());
            }
            return self.give_up(one.stage, id, out);
        }
        let stage = one.stage;
        let (message, qos, way, retain) = (Arc::clone(&held.message), held.qos, held.way, held.retain);
        let identifiers: SmallVec<[u32; 2]> = held.identifiers.clone();
        let is_apart = self.is_apart(&message, qos);
        let outgoing =
            Outgoing { may_alias: !is_apart, ..outgoing(&message, qos, retain, &identifiers, self.broker.steady(now)) };
        let mut apart = BytesMut::new();
        let delivered = self.session.redeliver(one, Some(&outgoing), if is_apart { &mut apart } else { &mut *out });
        if delivered == Delivered::TooLarge {
            self.give_up(stage, id, out)?;
        } else if is_apart {
            // Its identifier may have been given on a connection that broke before the log had it. It is not noted again:
            // that would put it behind those in flight that are not.
            let copy = HeldCopy { waiting: Waiting::again(&message, qos, way), id: Some(id), is_again: true };
            self.put_apart(copy, self.resumed, apart, out);
        }
        self.count(delivered, qos, message.bytes);
        Ok(())
    }

    /// Ends a message of an earlier connection that is not sent again. At QoS 2 the client may have received it: then its
    /// identifier would stand for this one, and a later message under it be thrown away as known. [MQTT-4.3.3-10]
    pub(crate) fn give_up(&mut self, stage: Stage, id: u16, out: &mut BytesMut) -> Result<(), LogFault> {
        if stage == Stage::Receive {
            return self.complete(id, out);
        }
        self.broker.journal.acknowledged(self.link.id, id);
        Ok(())
    }

    /// Writes PUBREL once the log knows that the message is with the client; its identifier waits for PUBCOMP.
    fn complete(&mut self, id: u16, out: &mut BytesMut) -> Result<(), LogFault> {
        let ticket = self.promise(|session| Record::Received { session, id })?;
        let mut apart = BytesMut::new();
        let _written = self.session.redeliver(InFlight { id, stage: Stage::Complete, held: None }, None, &mut apart);
        match ticket {
            Some(ticket) => self.put_when(ticket, apart, None, out),
            None => out.extend_from_slice(&apart),
        }
        Ok(())
    }

    /// Asks the receiver's right, on the concrete topic and on its group, point to point on the parent topic; of what has
    /// waited, the publisher's right of today too. A no says in `is_undecided` whether nobody can say at present.
    pub(crate) fn may_receive(&mut self, waiting: &Waiting, now: UnixMs) -> bool {
        let name = waiting.message.frame.topic();
        let topic = if waiting.way == Way::PointToPoint { name.parent().into() } else { name.shared() };
        let allowed = self.may_use_group(now).and_then(|()| self.may_hear(waiting.way, &topic, now));
        self.is_undecided = false;
        match allowed {
            Ok(()) => self.may_still_come(waiting, now),
            Err(denied) if denied.reason == Reason::Unavailable => {
                self.is_undecided = true;
                false
            }
            Err(denied) => {
                self.hold_back(&topic, &denied);
                false
            }
        }
    }

    fn may_hear(&mut self, way: Way, topic: &Arc<str>, now: UnixMs) -> Result<(), Box<Denied>> {
        let Self { broker, link, cache, coverings, .. } = self;
        let key = &link.identity.instance.key;
        let place = (key.account, &key.instance);
        let covers = |covering: &&Covering| covering.filter().matches(topic);
        let covering = if way == Way::PointToPoint { None } else { coverings.iter().find(covers) };
        let covered = covering.and_then(|one| TopicYes::covered(&broker.authority, one, place, topic, now));
        let yes = match covered {
            Some(yes) => yes,
            None => {
                let caller = &link.identity.caller;
                cache.check_topic(&broker.decisions, caller, TopicAction::Receive, place, topic, now)?
            }
        };
        debug_assert!(yes.covers(TopicAction::Receive, place, topic));
        Ok(())
    }

    fn hold_back(&mut self, topic: &Arc<str>, denied: &Denied) {
        self.broker.meters.held_back.increment(1);
        // Once for each run of messages on a topic: a wildcard over a forbidden branch would flood the log.
        if self.last_held_back.as_ref() != Some(topic) {
            let _nobody_is_told = self.broker.refuse("delivery", &self.link.identity, denied);
            self.last_held_back = Some(Arc::clone(topic));
        }
    }

    /// Whether the publisher of a message that has waited may still publish it. Attacks 5 and 7.
    fn may_still_come(&mut self, waiting: &Waiting, now: UnixMs) -> bool {
        let message = &waiting.message;
        let is_fresh = message.age_ms(self.broker.steady(now)) < REPLAY_MS && waiting.way != Way::Retained;
        if is_fresh && self.broker.is_current(message, now) {
            return true;
        }
        match self.broker.publisher_may(&self.link.identity.instance, &waiting.message, now) {
            Ok(()) => true,
            Err(denied) if denied.reason == Reason::Unavailable => {
                self.is_undecided = true;
                false
            }
            Err(denied) => {
                self.broker.meters.held_back.increment(1);
                // The publisher's refusal, at the receiver's session.
                let (identity, caller) = (&self.link.identity, &message.origin.caller);
                let _nobody_is_told =
                    self.broker.refuse_at("replay", &identity.instance.key, &identity.client, caller, &denied);
                if waiting.way == Way::Retained {
                    // What its publisher may not say any more is not said to anybody.
                    self.broker.forget_retained(&self.link.identity.instance, &waiting.message);
                }
                false
            }
        }
    }
}

impl Broker {
    /// Asks for the publisher of a message that has waited, by the action with which it came.
    fn publisher_may(&self, live: &LiveInstance, message: &Message, now: UnixMs) -> Result<(), Box<Denied>> {
        let origin = &message.origin;
        let topic = message.frame.topic().shared();
        self.decisions.check(&origin.caller, origin.action, (live.key.account, &live.key.instance), &topic, now)?;
        // Topic rights do nothing without the instance right; while the yes of then holds, that holds too.
        if self.is_current(message, now) {
            return Ok(());
        }
        self.ask_instance(&origin.caller, live, now).map(|_permit| ())
    }

    /// Whether nothing of its publisher's rights has changed since a message was accepted.
    fn is_current(&self, message: &Message, now: UnixMs) -> bool {
        message.origin.grant.as_ref().is_some_and(|grant| self.authority.renew(grant, now))
    }
}

/// A receiver as the log knows it.
fn receiver(queue: QueueId, waiting: &Waiting) -> Receiver {
    let Waiting { qos, retain, way, ref identifiers, .. } = *waiting;
    Receiver { queue, qos, retain, way, identifiers: identifiers.to_vec() }
}

fn outgoing<'m>(message: &'m Message, qos: Qos, retain: bool, identifiers: &'m [u32], steady: UnixMs) -> Outgoing<'m> {
    Outgoing { frame: &message.frame, qos, retain, identifiers, waited_s: message.waited_s(steady), may_alias: true }
}
