//! What is written: one record an event. Each says what is so from now on, so that reading a record again, or reading a log
//! whose beginning is gone, changes nothing that later records say.

use std::{borrow::Cow, net::IpAddr};

use sluice_codec::{PublishFrame, Version};
use sluice_model::{AccountId, ClientId, InstanceId, Principal, Qos, TopicFilter, UnixMs};
use sluice_policy::Credential;

use crate::log::{MessageId, QueueId};

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'r> {
    /// A session began or went on: all that is known of it but its subscriptions and messages, which stay as they were.
    Session(Cow<'r, SessionRecord>),
    /// Its client left.
    Left {
        /// Whose.
        session: QueueId,
        /// When it ends; [`UnixMs::NEVER`] without end.
        until: UnixMs,
        /// When its will is to be published; `None` when it is not.
        will_at: Option<UnixMs>,
    },
    /// Its will is not to be published any more.
    WillDone(QueueId),
    /// It ended, with all that waited for it.
    Ended(QueueId),
    /// It holds a filter, with these options from now on.
    Subscribed {
        /// Who.
        session: QueueId,
        /// `$share/…` included.
        filter: Cow<'r, TopicFilter>,
        /// As granted.
        qos: Qos,
        /// Not what it published itself.
        no_local: bool,
        /// The retain flag as published.
        retain_as_published: bool,
        /// The subscription's identifier.
        identifier: Option<u32>,
    },
    /// It does not hold a filter any more.
    Unsubscribed {
        /// Who.
        session: QueueId,
        /// Which.
        filter: Cow<'r, TopicFilter>,
    },
    /// A shared subscription with members whose sessions are stored has a queue of its own.
    Share {
        /// Its number.
        share: QueueId,
        /// The tenant's account.
        account: AccountId,
        /// The tenant's instance.
        instance: Cow<'r, InstanceId>,
        /// `$share/…` included.
        filter: Cow<'r, TopicFilter>,
    },
    /// It has none any more.
    ShareEnded(QueueId),
    /// A message, with all who are to get it.
    Message(StoredMessage<'r>),
    /// A message has a packet identifier of a session. Whatever had it before has not any more.
    InFlight {
        /// Whose identifier.
        session: QueueId,
        /// The identifier.
        id: u16,
        /// Which message.
        message: MessageId,
        /// How it is delivered. Its queue is the session, or the shared subscription from which it came.
        receiver: Cow<'r, Receiver>,
    },
    /// PUBREC came: the message is with the client; the identifier waits for PUBCOMP.
    Received {
        /// Whose identifier.
        session: QueueId,
        /// The identifier.
        id: u16,
    },
    /// PUBACK or PUBCOMP came: the message in flight is over, for its queue too.
    Acknowledged {
        /// Whose identifier.
        session: QueueId,
        /// The identifier.
        id: u16,
    },
    /// The identifier is free; the message waits on in its queue, for another member.
    Withdrawn {
        /// Whose identifier.
        session: QueueId,
        /// The identifier.
        id: u16,
    },
    /// A message does not wait in a queue any more: it expired, was denied, made room, was replaced as retained.
    Dropped {
        /// Which queue.
        queue: QueueId,
        /// Which message.
        message: MessageId,
    },
    /// A QoS 2 message of the session was taken under this identifier.
    Remembered {
        /// Whose identifier.
        session: QueueId,
        /// The identifier.
        id: u16,
    },
    /// PUBREL came: the identifier may be used again.
    Released {
        /// Whose identifier.
        session: QueueId,
        /// The identifier.
        id: u16,
    },
    /// An instance was deleted, with all its sessions, shared subscriptions and messages.
    InstanceDeleted {
        /// The tenant's account.
        account: AccountId,
        /// Which.
        instance: Cow<'r, InstanceId>,
    },
}

/// Who a session or message is of, and over what it came: what [`sluice_policy::Caller`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredCaller {
    /// The account or the user.
    pub principal: Principal,
    /// By what it proved itself.
    pub credential: Credential,
    /// The client's address.
    pub source_ip: Option<IpAddr>,
    /// Over TLS.
    pub secure_transport: bool,
    /// With a second factor.
    pub mfa_present: Option<bool>,
}

/// A session, without its subscriptions and messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its number.
    pub session: QueueId,
    /// The tenant's account.
    pub account: AccountId,
    /// The tenant's instance.
    pub instance: InstanceId,
    /// Its client.
    pub client: ClientId,
    /// Its owner, as of the last CONNECT.
    pub owner: StoredCaller,
    /// As of the last CONNECT.
    pub version: Version,
    /// Of the last CONNECT.
    pub connected: UnixMs,
    /// Seconds that it outlives its connection; `u32::MAX` is without end.
    pub expiry_s: u32,
    /// Of the connection that is here, or whose end is not long past.
    pub will: Option<StoredWill>,
}

/// A will that is not published yet.
#[derive(Clone, Debug)]
pub struct StoredWill {
    /// The message.
    pub frame: PublishFrame,
    /// As asked.
    pub qos: Qos,
    /// As asked.
    pub retain: bool,
    /// Seconds after the connection's end.
    pub delay_s: u32,
}

impl PartialEq for StoredWill {
    fn eq(&self, other: &Self) -> bool {
        self.frame.has_same_content(&other.frame)
            && (self.qos, self.retain, self.delay_s) == (other.qos, other.retain, other.delay_s)
    }
}
impl Eq for StoredWill {}

/// A message.
#[derive(Clone, Debug)]
pub struct StoredMessage<'r> {
    /// Its number.
    pub id: MessageId,
    /// The tenant's account.
    pub account: AccountId,
    /// The tenant's instance.
    pub instance: Cow<'r, InstanceId>,
    /// Topic, payload, properties.
    pub frame: Cow<'r, PublishFrame>,
    /// As published.
    pub qos: Qos,
    /// As published.
    pub retain: bool,
    /// When it was accepted.
    pub accepted: UnixMs,
    /// Its publisher, over what it came.
    pub publisher: Cow<'r, StoredCaller>,
    /// Whether the publisher's right was `mq:SendMessage`; else `mq:PUB`.
    pub is_sent_by_operation: bool,
    /// The session that published it.
    pub publisher_session: Option<QueueId>,
    /// What else became so with it, at once.
    pub cause: Option<Cause>,
    /// Who is to get it; [`QueueId::RETAINED`] where it is its topic's retained message. Sorted by queue.
    pub receivers: Cow<'r, [Receiver]>,
}

impl PartialEq for StoredMessage<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.frame.has_same_content(&other.frame)
            && (self.id, self.account, &self.instance) == (other.id, other.account, &other.instance)
            && (self.qos, self.retain, self.accepted) == (other.qos, other.retain, other.accepted)
            && (&self.publisher, self.is_sent_by_operation) == (&other.publisher, other.is_sent_by_operation)
            && (self.publisher_session, self.cause) == (other.publisher_session, other.cause)
            && self.receivers == other.receivers
    }
}
impl Eq for StoredMessage<'_> {}

/// What a message came from, where that is over with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A QoS 2 PUBLISH of a stored session: its identifier is remembered.
    ExactlyOnce {
        /// Whose identifier.
        session: QueueId,
        /// The identifier.
        id: u16,
    },
    /// The will of a stored session: it is done.
    Will(QueueId),
}

/// One who is to get a message, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// A session or a shared subscription.
    pub queue: QueueId,
    /// The lower of published and granted.
    pub qos: Qos,
    /// The retain flag to be written.
    pub retain: bool,
    /// How it came to it.
    pub way: Way,
    /// Of the subscriptions that matched.
    pub identifiers: Vec<u32>,
}

/// How a message came to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a subscription.
    Subscribed,
    /// By the client's name.
    PointToPoint,
    /// Kept, and sent because of a new subscription.
    Retained,
}
