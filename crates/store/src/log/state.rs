//! What the log keeps of itself in memory, so that it knows which records still count.
//!
//! Sessions and shared subscriptions with all that is needed to write them again; of a message only where it is and who
//! still waits. [`State::apply`] is the one place where a record has its meaning: for what is appended as for what is read
//! at the start.
//!
//! Cleaning takes segments away from the front, so that a record is read without what stood before it. That is harmless:
//! - A session whose last whole record is in a segment is written again, whole, before the segment goes. Until then, what
//!   reading finds of it is kept in a session without a record, for what it says of messages.
//! - A message is written again with those who wait at that time. What is in flight is with its session. When it is so no
//!   more and waits again, that is written with the receiver, which the message's record may not have.
//! - While reading, nothing that is over is let go before the end: a later record may name it.

use std::collections::{BTreeMap, BTreeSet};

use ahash::AHashMap;
use sluice_model::{AccountId, InstanceId, TopicFilter, UnixMs};

use super::{
    Cause, InFlightMessage, MessageId, QueueId, Receiver, Record, RecoveredShare, RecoveredSubscription, SessionRecord,
    StoredMessage, Way, decode::WholeSession,
};

mod messages;
mod tenants;

pub(super) use messages::Messages;
use tenants::Tenants;

/// Where a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Place {
    /// The segment's number.
    pub(super) segment: u64,
    /// Bytes of the record with its frame.
    pub(super) bytes: u32,
}

/// The front of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageHead<'a> {
    pub(super) id: MessageId,
    pub(super) account: AccountId,
    pub(super) instance: &'a str,
    pub(super) accepted: UnixMs,
    pub(super) cause: Option<Cause>,
}

/// The log in memory.
#[derive(Debug, Default)]
pub(super) struct State {
    sessions: AHashMap<QueueId, SessionState>,
    shares: AHashMap<QueueId, ShareState>,
    pub(super) messages: Messages,
    tenants: Tenants,
    /// Sessions and shared subscriptions by the segment of their last whole record.
    written_in: BTreeMap<u64, BTreeSet<QueueId>>,
    /// Bytes that whole records of sessions and shared subscriptions have, roughly.
    pub(super) session_bytes: u64,
    pub(super) last_queue: u64,
    pub(super) last_message: u64,
    pub(super) latest: Option<UnixMs>,
    next_turn: u64,
}

/// A session.
#[derive(Debug, Default)]
pub(super) struct SessionState {
    /// `None` while only what came after its last whole record was read.
    record: Option<SessionRecord>,
    /// The segment of its last whole record.
    segment: u64,
    pub(super) left: Option<(UnixMs, Option<UnixMs>)>,
    pub(super) subscriptions: BTreeMap<TopicFilter, RecoveredSubscription>,
    in_flight: AHashMap<u16, InFlight>,
    pub(super) remembered: BTreeSet<u16>,
    /// Of a whole record of it, roughly, of which so many are of its last record.
    bytes: u64,
    record_bytes: u64,
}

/// What an identifier is taken by.
#[derive(Debug)]
struct InFlight {
    /// In the order of these.
    turn: u64,
    message: Option<(MessageId, Receiver)>,
}

#[derive(Debug)]
struct ShareState {
    share: RecoveredShare,
    segment: u64,
    bytes: u64,
}

impl SessionState {
    /// Messages in flight in the order in which they were sent.
    pub(super) fn in_flight_in_order(&self) -> Vec<InFlightMessage> {
        let mut entries: Vec<_> = self.in_flight.iter().collect();
        entries.sort_unstable_by_key(|(_, entry)| entry.turn);
        entries.into_iter().map(|(id, entry)| InFlightMessage { id: *id, message: entry.message.clone() }).collect()
    }
}

/// Bytes of a subscription in a whole record, roughly.
fn subscription_bytes(filter: &TopicFilter) -> u64 {
    8 + filter.as_str().len() as u64
}

/// Bytes of a message in flight in a whole record, roughly.
fn in_flight_bytes(message: Option<&(MessageId, Receiver)>) -> u64 {
    16 + message.map_or(0, |(_, receiver)| 5 * receiver.identifiers.len() as u64)
}

/// Bytes of an identifier that is remembered in a whole record, at most.
const REMEMBERED_BYTES: u64 = 3;

impl State {
    /// Before the first record is read: nothing that is over is let go until [`State::settle`].
    pub(super) fn reading() -> Self {
        Self { messages: Messages::reading(), ..Self::default() }
    }

    /// Whether a record has any effect: those of a session that is unknown have none.
    pub(super) fn concerns(&self, record: &Record<'_>) -> bool {
        subject(record).is_none_or(|session| self.sessions.contains_key(&session))
    }

    /// What a record makes so.
    pub(super) fn apply(&mut self, record: &Record<'_>, place: Place) {
        match record {
            Record::Session(record) => self.session(record.clone().into_owned(), place),
            Record::Share { share, account, instance, filter } => {
                let (instance, filter) = (instance.clone().into_owned(), filter.clone().into_owned());
                self.share(RecoveredShare { share: *share, account: *account, instance, filter }, place);
            }
            Record::Message(it) => {
                let StoredMessage { id, account, accepted, cause, .. } = *it;
                let head = MessageHead { id, account, instance: it.instance.as_str(), accepted, cause };
                self.message(&head, it.receivers.iter().map(|receiver| receiver.queue.0), place);
            }
            Record::Ended(session) => self.ended(*session),
            Record::ShareEnded(share) => self.share_ended(*share),
            Record::Dropped { queue, message } => {
                self.number(*queue, *message);
                self.messages.done(*message, *queue);
            }
            Record::InstanceDeleted { account, instance } => self.instance_deleted(*account, instance),
            Record::InFlight { session, id, message, receiver } => {
                self.number(receiver.queue, *message);
                self.in_flight(*session, *id, Some((*message, receiver.clone().into_owned())));
            }
            Record::Received { session, id } => self.received(*session, *id),
            Record::Acknowledged { session, id } => {
                if let Some((message, _)) = self.free(*session, *id) {
                    self.messages.landed(message);
                }
            }
            Record::Withdrawn { session, id } => {
                let freed = self.free(*session, *id);
                self.withdrawn(freed);
            }
            _ => self.of_session(record),
        }
    }

    /// What concerns nothing but a session's own settings.
    fn of_session(&mut self, record: &Record<'_>) {
        let Some(session) = subject(record) else { return };
        let it = self.touched(session);
        let before = it.bytes;
        match record {
            Record::Left { until, will_at, .. } => it.left = Some((*until, *will_at)),
            Record::WillDone(_) => it.will_done(),
            Record::Subscribed { filter, qos, no_local, retain_as_published, identifier, .. } => {
                let filter = filter.clone().into_owned();
                let (qos, no_local, retain_as_published) = (*qos, *no_local, *retain_as_published);
                let identifier = *identifier;
                let subscription =
                    RecoveredSubscription { filter: filter.clone(), qos, no_local, retain_as_published, identifier };
                it.bytes += subscription_bytes(&filter);
                if let Some(old) = it.subscriptions.insert(filter, subscription) {
                    it.bytes -= subscription_bytes(&old.filter);
                }
            }
            Record::Unsubscribed { filter, .. } => {
                if let Some(old) = it.subscriptions.remove(&**filter) {
                    it.bytes -= subscription_bytes(&old.filter);
                }
            }
            Record::Remembered { id, .. } => it.remember(*id),
            Record::Released { id, .. } => it.forget(*id),
            _ => {}
        }
        let after = it.bytes;
        self.session_bytes = self.session_bytes + after - before;
    }

    /// A message. What is known of it already is replaced.
    pub(super) fn message(&mut self, head: &MessageHead<'_>, queues: impl Iterator<Item = u64>, place: Place) {
        let tenant = self.tenants.number(head.account, head.instance);
        self.time(head.accepted);
        self.last_message = self.last_message.max(head.id.0);
        let last_queue = &mut self.last_queue;
        let queues = queues.inspect(|queue| *last_queue = (*last_queue).max(*queue)).collect();
        self.messages.insert(head.id, tenant, queues, place);
        match head.cause {
            Some(Cause::ExactlyOnce { session, id }) if self.is_known(session) => {
                self.of_session(&Record::Remembered { session, id });
            }
            Some(Cause::Will(session)) if self.is_known(session) => self.of_session(&Record::WillDone(session)),
            _ => {}
        }
    }

    /// All of a session: what was known of it is replaced.
    pub(super) fn whole_session(&mut self, whole: WholeSession, place: Place) {
        let WholeSession { record, left, subscriptions, in_flight, remembered } = whole;
        let session = record.session;
        self.ended(session);
        self.session(record, place);
        for entry in in_flight {
            self.in_flight(session, entry.id, entry.message);
        }
        let it = self.touched(session);
        it.left = left;
        let before = it.bytes;
        for id in remembered {
            it.remember(id);
        }
        for subscription in subscriptions {
            it.bytes += subscription_bytes(&subscription.filter);
            it.subscriptions.insert(subscription.filter.clone(), subscription);
        }
        // The place is of all that together.
        let parts = it.bytes - it.record_bytes;
        it.record_bytes = u64::from(place.bytes).saturating_sub(parts);
        it.bytes = parts + it.record_bytes;
        let after = it.bytes;
        self.session_bytes = self.session_bytes + after - before;
    }

    /// The highest numbers that were given in segments before.
    pub(super) fn numbers(&mut self, last_queue: u64, last_message: u64, latest: Option<UnixMs>) {
        self.last_queue = self.last_queue.max(last_queue);
        self.last_message = self.last_message.max(last_message);
        self.latest = self.latest.max(latest);
    }

    /// The first of the sessions and shared subscriptions whose last whole record is in a segment.
    pub(super) fn first_written_in(&self, segment: u64) -> Option<QueueId> {
        self.written_in.get(&segment)?.first().copied()
    }

    /// A session, where its record is known.
    pub(super) fn whole(&self, session: QueueId) -> Option<(&SessionRecord, &SessionState)> {
        let it = self.sessions.get(&session)?;
        Some((it.record.as_ref()?, it))
    }

    /// A shared subscription.
    pub(super) fn share_of(&self, share: QueueId) -> Option<&RecoveredShare> {
        self.shares.get(&share).map(|it| &it.share)
    }

    /// The session or shared subscription was written again, whole, in another segment.
    pub(super) fn moved(&mut self, queue: QueueId, segment: u64) {
        let (sessions, shares) = (&mut self.sessions, &mut self.shares);
        let of_session = sessions.get_mut(&queue).map(|it| &mut it.segment);
        if let Some(before) = of_session.or_else(|| shares.get_mut(&queue).map(|it| &mut it.segment)) {
            let before = std::mem::replace(before, segment);
            self.not_written_in(before, queue);
            self.written_in.entry(segment).or_default().insert(queue);
        }
    }

    fn not_written_in(&mut self, segment: u64, queue: QueueId) {
        if let Some(queues) = self.written_in.get_mut(&segment) {
            queues.remove(&queue);
            if queues.is_empty() {
                self.written_in.remove(&segment);
            }
        }
    }

    /// Of those who wait for a message, only those remain whose queues are still there.
    pub(super) fn sift(&mut self, message: MessageId) {
        let (sessions, shares) = (&self.sessions, &self.shares);
        self.messages.sift(message, |queue| is_queue(sessions, shares, QueueId(queue)));
    }

    /// After the last record was read: lets go of what is over and of what nothing whole is known.
    pub(super) fn settle(&mut self) {
        let unknown: Vec<_> =
            self.sessions.iter().filter(|(_, it)| it.record.is_none()).map(|(session, _)| *session).collect();
        for session in unknown {
            // Only damage leaves a message of a shared subscription with a session that is not there: another member has it.
            for InFlightMessage { id, .. } in self.sessions[&session].in_flight_in_order() {
                let freed = self.free(session, id);
                self.withdrawn(freed);
            }
            self.ended(session);
        }
        let (sessions, shares) = (&self.sessions, &self.shares);
        self.messages.settle(|queue| is_queue(sessions, shares, QueueId(queue)));
        let messages = &self.messages;
        for it in self.sessions.values_mut() {
            it.in_flight.retain(|_, entry| match &entry.message {
                Some((message, _)) => messages.is_written(*message),
                None => true,
            });
        }
    }

    /// Sessions, by number.
    pub(super) fn sessions(&self) -> Vec<(&SessionRecord, &SessionState)> {
        let mut all: Vec<_> = self.sessions.values().filter_map(|it| Some((it.record.as_ref()?, it))).collect();
        all.sort_unstable_by_key(|(record, _)| record.session);
        all
    }

    /// Shared subscriptions, by number.
    pub(super) fn shares(&self) -> Vec<&RecoveredShare> {
        let mut all: Vec<_> = self.shares.values().map(|it| &it.share).collect();
        all.sort_unstable_by_key(|it| it.share);
        all
    }

    fn session(&mut self, record: SessionRecord, place: Place) {
        let session = record.session;
        self.last_queue = self.last_queue.max(session.0);
        // `connected` is the wall clock's, which may jump: not a time to go on from.
        let it = self.touched(session);
        it.left = None;
        let is_first = it.record.replace(record).is_none();
        let record_bytes = std::mem::replace(&mut it.record_bytes, u64::from(place.bytes));
        it.bytes = it.bytes + it.record_bytes - record_bytes;
        self.session_bytes = self.session_bytes + u64::from(place.bytes) - record_bytes;
        if is_first {
            self.touched(session).segment = place.segment;
            self.written_in.entry(place.segment).or_default().insert(session);
        }
    }

    fn share(&mut self, share: RecoveredShare, place: Place) {
        self.last_queue = self.last_queue.max(share.share.0);
        self.share_ended(share.share);
        self.written_in.entry(place.segment).or_default().insert(share.share);
        self.session_bytes += u64::from(place.bytes);
        let (segment, bytes) = (place.segment, u64::from(place.bytes));
        self.shares.insert(share.share, ShareState { share, segment, bytes });
    }

    fn share_ended(&mut self, share: QueueId) {
        if let Some(it) = self.shares.remove(&share) {
            self.session_bytes -= it.bytes;
            self.not_written_in(it.segment, share);
        }
    }

    fn ended(&mut self, session: QueueId) {
        let Some(it) = self.sessions.remove(&session) else { return };
        self.session_bytes -= it.bytes;
        self.not_written_in(it.segment, session);
        for (message, _) in it.in_flight.into_values().filter_map(|entry| entry.message) {
            self.messages.landed(message);
        }
    }

    fn instance_deleted(&mut self, account: AccountId, instance: &InstanceId) {
        let is_of = |of: AccountId, its: &InstanceId| of == account && its == instance;
        let sessions = self
            .sessions
            .iter()
            .filter(|(_, it)| it.record.as_ref().is_some_and(|record| is_of(record.account, &record.instance)));
        for session in sessions.map(|(session, _)| *session).collect::<Vec<_>>() {
            self.ended(session);
        }
        let shares = self.shares.iter().filter(|(_, it)| is_of(it.share.account, &it.share.instance));
        for share in shares.map(|(share, _)| *share).collect::<Vec<_>>() {
            self.share_ended(share);
        }
        let tenant = self.tenants.number(account, instance.as_str());
        self.messages.remove_of(tenant);
    }

    fn in_flight(&mut self, session: QueueId, id: u16, message: Option<(MessageId, Receiver)>) {
        let before = self.free(session, id);
        if let Some((message, receiver)) = &message {
            // What was kept and is sent because of a new subscription did not wait in the queue.
            self.messages.took_off(*message, (receiver.way != Way::Retained).then_some(receiver.queue));
        }
        // Only now: it may be the same message.
        if let Some((message, _)) = before {
            self.messages.landed(message);
        }
        self.next_turn += 1;
        let turn = self.next_turn;
        let it = self.touched(session);
        let bytes = in_flight_bytes(message.as_ref());
        it.bytes += bytes;
        it.in_flight.insert(id, InFlight { turn, message });
        self.session_bytes += bytes;
    }

    fn received(&mut self, session: QueueId, id: u16) {
        let it = self.touched(session);
        match it.in_flight.get_mut(&id) {
            None => self.in_flight(session, id, None),
            Some(entry) => {
                let before = in_flight_bytes(entry.message.as_ref());
                if let Some((message, _)) = entry.message.take() {
                    let less = before - in_flight_bytes(None);
                    it.bytes -= less;
                    self.session_bytes -= less;
                    self.messages.landed(message);
                }
            }
        }
    }

    /// Frees an identifier and gives the message that had it, which is still counted as in flight.
    fn free(&mut self, session: QueueId, id: u16) -> Option<(MessageId, Receiver)> {
        let it = self.sessions.get_mut(&session)?;
        let entry = it.in_flight.remove(&id)?;
        let bytes = in_flight_bytes(entry.message.as_ref());
        it.bytes -= bytes;
        self.session_bytes -= bytes;
        entry.message
    }

    /// The message that waits again when an identifier is withdrawn, with its receiver.
    pub(super) fn to_wait_again(&self, session: QueueId, id: u16) -> Option<(MessageId, &Receiver)> {
        let (message, receiver) = self.sessions.get(&session)?.in_flight.get(&id)?.message.as_ref()?;
        (receiver.way != Way::Retained).then_some((*message, receiver))
    }

    /// An identifier is free, and its message waits again.
    pub(super) fn waits_again(&mut self, session: QueueId, id: u16, message: MessageId, receiver: Receiver) {
        let freed = self.free(session, id);
        self.number(receiver.queue, message);
        self.messages.returned(message, receiver);
        if let Some((message, _)) = freed {
            self.messages.landed(message);
        }
    }

    /// A message whose identifier is free waits again.
    fn withdrawn(&mut self, freed: Option<(MessageId, Receiver)>) {
        let Some((message, receiver)) = freed else { return };
        if receiver.way != Way::Retained {
            self.messages.returned(message, receiver);
        }
        self.messages.landed(message);
    }

    fn is_known(&self, session: QueueId) -> bool {
        self.messages.is_reading() || self.sessions.contains_key(&session)
    }

    fn touched(&mut self, session: QueueId) -> &mut SessionState {
        self.last_queue = self.last_queue.max(session.0);
        self.sessions.entry(session).or_default()
    }

    fn number(&mut self, queue: QueueId, message: MessageId) {
        self.last_queue = self.last_queue.max(queue.0);
        self.last_message = self.last_message.max(message.0);
    }

    fn time(&mut self, time: UnixMs) {
        self.latest = self.latest.max(Some(time));
    }
}

impl SessionState {
    fn remember(&mut self, id: u16) {
        if self.remembered.insert(id) {
            self.bytes += REMEMBERED_BYTES;
        }
    }

    fn forget(&mut self, id: u16) {
        if self.remembered.remove(&id) {
            self.bytes -= REMEMBERED_BYTES;
        }
    }

    fn will_done(&mut self) {
        if let Some(record) = &mut self.record {
            record.will = None;
        }
        if let Some((_, will_at)) = &mut self.left {
            *will_at = None;
        }
    }
}

/// Whether somebody may still take messages of a queue.
fn is_queue(
    sessions: &AHashMap<QueueId, SessionState>,
    shares: &AHashMap<QueueId, ShareState>,
    queue: QueueId,
) -> bool {
    queue == QueueId::RETAINED || sessions.contains_key(&queue) || shares.contains_key(&queue)
}

/// The session that a record is about, where it must be known for the record to have an effect.
fn subject(record: &Record<'_>) -> Option<QueueId> {
    match record {
        Record::Left { session, .. }
        | Record::Subscribed { session, .. }
        | Record::Unsubscribed { session, .. }
        | Record::InFlight { session, .. }
        | Record::Received { session, .. }
        | Record::Acknowledged { session, .. }
        | Record::Withdrawn { session, .. }
        | Record::Remembered { session, .. }
        | Record::Released { session, .. } => Some(*session),
        Record::WillDone(session) | Record::Ended(session) => Some(*session),
        Record::Session(_)
        | Record::Share { .. }
        | Record::ShareEnded(_)
        | Record::Message(_)
        | Record::Dropped { .. }
        | Record::InstanceDeleted { .. } => None,
    }
}
