//! What records mean, said as plainly as can be: no segments, no cleaning, no shortcuts.

use std::collections::{BTreeMap, BTreeSet};

use sluice_store::log::{
    Cause, InFlightMessage, MessageId, QueueId, Receiver, Record, Recovered, RecoveredSubscription, SessionRecord,
    StoredMessage, Way,
};

/// All that is so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    pub(crate) sessions: BTreeMap<QueueId, Session>,
    pub(crate) shares: BTreeMap<QueueId, String>,
    share_tenants: BTreeMap<QueueId, String>,
    pub(crate) messages: BTreeMap<MessageId, StoredMessage<'static>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) record: SessionRecord,
    pub(crate) left: Option<(sluice_model::UnixMs, Option<sluice_model::UnixMs>)>,
    pub(crate) subscriptions: BTreeMap<String, RecoveredSubscription>,
    pub(crate) in_flight: Vec<InFlightMessage>,
    pub(crate) remembered: BTreeSet<u16>,
}

fn tenant(account: sluice_model::AccountId, instance: &sluice_model::InstanceId) -> String {
    format!("{account} {instance}")
}

impl Reference {
    pub(crate) fn apply(&mut self, record: &Record<'static>) {
        match record {
            Record::Session(it) => self.session(it.clone().into_owned()),
            Record::Ended(session) => drop(self.sessions.remove(session)),
            Record::Share { share, account, instance, filter } => {
                self.shares.insert(*share, filter.to_string());
                self.share_tenants.insert(*share, tenant(*account, instance));
            }
            Record::ShareEnded(share) => drop(self.shares.remove(share)),
            Record::Message(it) => self.message(it),
            Record::Dropped { queue, message } => self.no_longer_waits(*message, *queue),
            Record::InstanceDeleted { account, instance } => {
                let gone = tenant(*account, instance);
                self.sessions.retain(|_, it| tenant(it.record.account, &it.record.instance) != gone);
                let tenants = &self.share_tenants;
                self.shares.retain(|share, _| tenants[share] != gone);
                self.messages.retain(|_, it| tenant(it.account, &it.instance) != gone);
            }
            Record::InFlight { session, id, message, receiver } => {
                let Some(it) = self.sessions.get_mut(session) else { return };
                it.in_flight.retain(|entry| entry.id != *id);
                it.in_flight
                    .push(InFlightMessage { id: *id, message: Some((*message, receiver.clone().into_owned())) });
                if receiver.way != Way::Retained {
                    self.no_longer_waits(*message, receiver.queue);
                }
            }
            Record::Withdrawn { session, id } => {
                let Some(it) = self.sessions.get_mut(session) else { return };
                let entry = it.in_flight.iter().find(|entry| entry.id == *id).cloned();
                it.in_flight.retain(|entry| entry.id != *id);
                if let Some((message, receiver)) = entry.and_then(|entry| entry.message) {
                    self.waits_again(message, receiver);
                }
            }
            other => self.of_session(other),
        }
    }

    fn of_session(&mut self, record: &Record<'static>) {
        match record {
            Record::Left { session, until, will_at } => self.with(*session, |it| it.left = Some((*until, *will_at))),
            Record::WillDone(session) => self.with(*session, Session::will_done),
            Record::Subscribed { session, filter, qos, no_local, retain_as_published, identifier } => {
                let subscription = RecoveredSubscription {
                    filter: filter.clone().into_owned(),
                    qos: *qos,
                    no_local: *no_local,
                    retain_as_published: *retain_as_published,
                    identifier: *identifier,
                };
                self.with(*session, |it| drop(it.subscriptions.insert(filter.to_string(), subscription)));
            }
            Record::Unsubscribed { session, filter } => {
                self.with(*session, |it| drop(it.subscriptions.remove(filter.as_str())));
            }
            Record::Received { session, id } => {
                self.with(*session, |it| match it.in_flight.iter_mut().find(|entry| entry.id == *id) {
                    Some(entry) => entry.message = None,
                    None => it.in_flight.push(InFlightMessage { id: *id, message: None }),
                });
            }
            Record::Acknowledged { session, id } => {
                self.with(*session, |it| it.in_flight.retain(|entry| entry.id != *id));
            }
            Record::Remembered { session, id } => self.with(*session, |it| it.remembered.extend([*id])),
            Record::Released { session, id } => self.with(*session, |it| it.remembered.retain(|other| other != id)),
            other => panic!("{other:?} is none of a session's own"),
        }
    }

    fn with(&mut self, session: QueueId, change: impl FnOnce(&mut Session)) {
        if let Some(it) = self.sessions.get_mut(&session) {
            change(it);
        }
    }

    fn session(&mut self, record: SessionRecord) {
        match self.sessions.get_mut(&record.session) {
            Some(it) => {
                it.left = None;
                it.record = record;
            }
            None => {
                let session = record.session;
                let (subscriptions, in_flight, remembered) = Default::default();
                self.sessions.insert(session, Session { record, left: None, subscriptions, in_flight, remembered });
            }
        }
    }

    fn message(&mut self, it: &StoredMessage<'static>) {
        self.messages.insert(it.id, StoredMessage { cause: None, ..it.clone() });
        match it.cause {
            None => {}
            Some(Cause::ExactlyOnce { session, id }) => self.with(session, |it| it.remembered.extend([id])),
            Some(Cause::Will(session)) => self.with(session, Session::will_done),
        }
    }

    fn no_longer_waits(&mut self, message: MessageId, queue: QueueId) {
        if let Some(it) = self.messages.get_mut(&message) {
            it.receivers.to_mut().retain(|receiver| receiver.queue != queue);
        }
    }

    fn waits_again(&mut self, message: MessageId, receiver: Receiver) {
        let Some(it) = self.messages.get_mut(&message).filter(|_| receiver.way != Way::Retained) else { return };
        let receivers = it.receivers.to_mut();
        if receivers.iter().all(|other| other.queue != receiver.queue) {
            receivers.push(receiver);
            receivers.sort_by_key(|receiver| receiver.queue);
        }
    }

    /// Whose a session or shared subscription is.
    pub(crate) fn instance_of(&self, queue: QueueId) -> Option<&str> {
        let of_session = self.sessions.get(&queue).map(|it| it.record.instance.as_str());
        of_session.or_else(|| self.share_tenants.get(&queue)?.split(' ').nth(1))
    }

    pub(crate) fn is_queue(&self, queue: QueueId) -> bool {
        queue == QueueId::RETAINED || self.sessions.contains_key(&queue) || self.shares.contains_key(&queue)
    }

    /// Messages that somebody waits for, with those.
    pub(crate) fn live(&self) -> BTreeMap<MessageId, StoredMessage<'static>> {
        let in_flight: BTreeSet<_> = self
            .sessions
            .values()
            .flat_map(|it| it.in_flight.iter().filter_map(|entry| Some(entry.message.as_ref()?.0)))
            .collect();
        let mut live = self.messages.clone();
        live.retain(|id, it| {
            it.receivers.to_mut().retain(|receiver| self.is_queue(receiver.queue));
            !it.receivers.is_empty() || in_flight.contains(id)
        });
        live
    }

    /// All that is so, as text to compare: one line a thing.
    pub(crate) fn lines(&self) -> Vec<String> {
        let live = self.live();
        let mut lines: Vec<_> = live.values().map(message_line).collect();
        lines.extend(self.shares.iter().map(|(share, filter)| format!("{share:?} {filter}")));
        for it in self.sessions.values() {
            let mut in_flight = it.in_flight.clone();
            in_flight.retain(|entry| entry.message.as_ref().is_none_or(|(message, _)| live.contains_key(message)));
            let subscriptions: Vec<_> = it.subscriptions.values().collect();
            let remembered: Vec<_> = it.remembered.iter().collect();
            lines.push(format!("{:?} {:?} {subscriptions:?} {in_flight:?} {remembered:?}", it.record, it.left));
        }
        lines
    }
}

impl Session {
    fn will_done(&mut self) {
        self.record.will = None;
        if let Some((_, will_at)) = &mut self.left {
            *will_at = None;
        }
    }
}

/// Short, so that a difference can be read: the whole content is in it as a checksum.
fn message_line(it: &StoredMessage<'static>) -> String {
    let whole = crc32fast::hash(format!("{it:?}").as_bytes());
    let receivers: Vec<_> = it.receivers.iter().map(|to| (to.queue.0, to.way)).collect();
    format!("message {} {receivers:?} {whole:08x}", it.id.0)
}

/// What was recovered, as the same text.
pub(crate) fn lines(recovered: &Recovered) -> Vec<String> {
    let mut lines: Vec<_> = recovered.messages.iter().map(|it| message_line(&it.message)).collect();
    lines.extend(recovered.shares.iter().map(|it| format!("{:?} {}", it.share, it.filter)));
    for it in &recovered.sessions {
        let mut subscriptions: Vec<_> = it.subscriptions.iter().collect();
        subscriptions.sort_by_key(|it| it.filter.as_str().to_owned());
        let mut remembered = it.remembered.clone();
        remembered.sort_unstable();
        lines.push(format!("{:?} {:?} {subscriptions:?} {:?} {remembered:?}", it.record, it.left, it.in_flight));
    }
    lines
}
