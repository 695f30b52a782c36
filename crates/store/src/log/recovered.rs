//! What a log says at its end.

use sluice_model::{AccountId, InstanceId, TopicFilter, UnixMs};

use crate::log::{MessageId, QueueId, Receiver, SessionRecord, StoredMessage};

/// Everything that outlived the process before.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Sessions, by number.
    pub sessions: Vec<RecoveredSession>,
    /// Shared subscriptions, by number.
    pub shares: Vec<RecoveredShare>,
    /// Messages that somebody waits for or that are in flight, by number: the order of every queue.
    pub messages: Vec<RecoveredMessage>,
    /// The highest number of a session or shared subscription that was ever given.
    pub last_queue: u64,
    /// The highest number of a message that was ever given.
    pub last_message: u64,
    /// The latest time in a record; `None` in an empty log.
    pub latest: Option<UnixMs>,
}

/// A session.
#[derive(Debug)]
pub struct RecoveredSession {
    /// All but the rest.
    pub record: SessionRecord,
    /// When it ends and when its will is due, if its client had left; `None` where it was connected.
    pub left: Option<(UnixMs, Option<UnixMs>)>,
    /// Its subscriptions.
    pub subscriptions: Vec<RecoveredSubscription>,
    /// Messages in flight to the client, in the order in which they were sent.
    pub in_flight: Vec<InFlightMessage>,
    /// Identifiers of QoS 2 messages of the client that it has not released.
    pub remembered: Vec<u16>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredSubscription {
    /// `$share/…` included.
    pub filter: TopicFilter,
    /// As granted.
    pub qos: sluice_model::Qos,
    /// Not what it published itself.
    pub no_local: bool,
    /// The retain flag as published.
    pub retain_as_published: bool,
    /// The subscription's identifier.
    pub identifier: Option<u32>,
}

/// A message in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlightMessage {
    /// Its packet identifier.
    pub id: u16,
    /// Which, and how; `None` where PUBREC came and PUBCOMP is awaited.
    pub message: Option<(MessageId, Receiver)>,
}

/// A shared subscription.
#[derive(Debug)]
pub struct RecoveredShare {
    /// Its number.
    pub share: QueueId,
    /// The tenant's account.
    pub account: AccountId,
    /// The tenant's instance.
    pub instance: InstanceId,
    /// `$share/…` included.
    pub filter: TopicFilter,
}

/// A message. Its receivers are those that still wait; those that have it in flight are named by their sessions as well.
#[derive(Debug)]
pub struct RecoveredMessage {
    /// The message, without a cause.
    pub message: StoredMessage<'static>,
}
