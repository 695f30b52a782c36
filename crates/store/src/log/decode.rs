//! Bytes to records. Nothing that is read panics, or allocates more than the bytes that it was read from account for.
//!
//! A message is read in two depths: [`MessageView`] is what the log's own memory needs, [`message`] all of it.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use bytes::Bytes;
use sluice_codec::{PublishFrame, Version};
use sluice_model::{AccessKeyId, AccountId, ClientId, InstanceId, Principal, Qos, RoleId, TopicFilter, UnixMs, UserId};
use sluice_policy::{Credential, Document, Policy, RoleSession};

use super::{
    Cause, InFlightMessage, MessageId, QueueId, Receiver, Record, RecoveredSubscription, SessionRecord, StoredCaller,
    StoredMessage, StoredWill, Way,
    encode::{ROLE_SESSION, kind, message_flag, receiver_flag},
    wire::{Malformed, Reader, Write},
};

/// A record as it stands in a segment.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    Message(MessageView<'a>),
    Record(Box<Record<'static>>),
    Session(Box<WholeSession>),
    /// An identifier is free, and its message waits again.
    Returned {
        session: QueueId,
        id: u16,
        message: MessageId,
        receiver: Box<Receiver>,
    },
    Numbers {
        last_queue: u64,
        last_message: u64,
        latest: Option<UnixMs>,
    },
    Mark {
        synced_to: u64,
    },
}

/// All of a session.
#[derive(Debug)]
pub(super) struct WholeSession {
    pub(super) record: SessionRecord,
    pub(super) left: Option<(UnixMs, Option<UnixMs>)>,
    pub(super) subscriptions: Vec<RecoveredSubscription>,
    pub(super) in_flight: Vec<InFlightMessage>,
    pub(super) remembered: Vec<u16>,
}

/// What stands in front of a message, and where the rest is.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageView<'a> {
    pub(super) id: MessageId,
    flags: u8,
    pub(super) cause: Option<Cause>,
    pub(super) accepted: UnixMs,
    pub(super) account: AccountId,
    pub(super) instance: &'a str,
    receiver_count: usize,
    /// From the first receiver on.
    receivers: Reader<'a>,
}

/// One who is to get a message, as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiverView<'a> {
    pub(super) queue: u64,
    /// How it is delivered.
    pub(super) written: &'a [u8],
}

/// Reads a record's body.
pub(super) fn entry(body: &[u8]) -> Result<Entry<'_>, Malformed> {
    let mut reader = Reader::new(body);
    let entry = match reader.byte()? {
        // What follows its head is read when it is needed; the checksum says that it is as it was written.
        kind::MESSAGE => return Ok(Entry::Message(MessageView::read(body)?)),
        kind::WHOLE_SESSION => Entry::Session(Box::new(whole_session(&mut reader)?)),
        kind::NUMBERS => {
            let (last_queue, last_message) = (reader.number()?, reader.number()?);
            let has_latest = flag(&mut reader)?;
            let latest = UnixMs(reader.signed()?);
            Entry::Numbers { last_queue, last_message, latest: has_latest.then_some(latest) }
        }
        kind::RETURNED => {
            let (session, id) = packet(&mut reader)?;
            let (message, receiver) = in_flight_message(&mut reader)?;
            Entry::Returned { session, id, message, receiver: Box::new(receiver) }
        }
        kind::MARK => {
            let bytes = reader.take(8)?.try_into().map_err(|_| Malformed)?;
            Entry::Mark { synced_to: u64::from_le_bytes(bytes) }
        }
        kind => Entry::Record(Box::new(small(kind, &mut reader)?)),
    };
    reader.end()?;
    Ok(entry)
}

/// Reads a record's body whole.
#[cfg(test)]
pub(super) fn record(body: &[u8]) -> Result<Record<'static>, Malformed> {
    match entry(body)? {
        Entry::Message(view) => Ok(Record::Message(view.message(&mut Names::default())?)),
        Entry::Record(record) => Ok(*record),
        Entry::Session(_) | Entry::Returned { .. } | Entry::Numbers { .. } | Entry::Mark { .. } => Err(Malformed),
    }
}

fn small(kind: u8, reader: &mut Reader<'_>) -> Result<Record<'static>, Malformed> {
    Ok(match kind {
        kind::SESSION => Record::Session(Cow::Owned(session(reader)?)),
        kind::LEFT => {
            let session = queue(reader)?;
            let (until, will_at) = left(reader)?.ok_or(Malformed)?;
            Record::Left { session, until, will_at }
        }
        kind::WILL_DONE => Record::WillDone(queue(reader)?),
        kind::ENDED => Record::Ended(queue(reader)?),
        kind::SHARE_ENDED => Record::ShareEnded(queue(reader)?),
        kind::SUBSCRIBED => {
            let session = queue(reader)?;
            let RecoveredSubscription { filter, qos, no_local, retain_as_published, identifier } =
                subscription(reader)?;
            let filter = Cow::Owned(filter);
            Record::Subscribed { session, filter, qos, no_local, retain_as_published, identifier }
        }
        kind::UNSUBSCRIBED => Record::Unsubscribed { session: queue(reader)?, filter: Cow::Owned(reader.name()?) },
        kind::SHARE => Record::Share {
            share: queue(reader)?,
            account: account(reader)?,
            instance: Cow::Owned(reader.name()?),
            filter: Cow::Owned(reader.name::<TopicFilter>()?),
        },
        kind::IN_FLIGHT => {
            let (session, id) = packet(reader)?;
            let (message, receiver) = in_flight_message(reader)?;
            Record::InFlight { session, id, message, receiver: Cow::Owned(receiver) }
        }
        kind::DROPPED => Record::Dropped { queue: queue(reader)?, message: MessageId(reader.number()?) },
        kind::INSTANCE_DELETED => {
            Record::InstanceDeleted { account: account(reader)?, instance: Cow::Owned(reader.name()?) }
        }
        kind => {
            let (session, id) = packet(reader)?;
            match kind {
                kind::RECEIVED => Record::Received { session, id },
                kind::ACKNOWLEDGED => Record::Acknowledged { session, id },
                kind::WITHDRAWN => Record::Withdrawn { session, id },
                kind::REMEMBERED => Record::Remembered { session, id },
                kind::RELEASED => Record::Released { session, id },
                _ => return Err(Malformed),
            }
        }
    })
}

impl<'a> MessageView<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        reader.byte()?;
        let id = MessageId(reader.number()?);
        let flags = reader.byte()?;
        let cause = match flags & (message_flag::EXACTLY_ONCE | message_flag::WILL) {
            0 => None,
            message_flag::EXACTLY_ONCE => {
                let (session, id) = packet(&mut reader)?;
                Some(Cause::ExactlyOnce { session, id })
            }
            message_flag::WILL => Some(Cause::Will(queue(&mut reader)?)),
            _ => return Err(Malformed),
        };
        let accepted = UnixMs(reader.signed()?);
        let account = account(&mut reader)?;
        let instance = reader.text()?;
        // A receiver has two bytes or more.
        let receiver_count = reader.count(2)?;
        Ok(Self { id, flags, cause, accepted, account, instance, receiver_count, receivers: reader })
    }

    /// Its receivers, in order.
    pub(super) fn receivers(&self) -> impl Iterator<Item = Result<ReceiverView<'a>, Malformed>> + use<'a> {
        let mut reader = self.receivers;
        let mut before = 0;
        (0..self.receiver_count).map(move |_| receiver_view(&mut reader, &mut before))
    }

    /// Writes its body again, without a cause and with other receivers: those of its own that `waits` says still wait, and
    /// `returned`, which are none of its own.
    pub(super) fn rewrite(
        &self,
        out: &mut Vec<u8>,
        mut waits: impl FnMut(u64) -> bool,
        returned: &[Receiver],
    ) -> Result<(), Malformed> {
        let mut kept: Vec<(u64, Cow<'_, [u8]>)> = Vec::with_capacity(self.receiver_count + returned.len());
        let (mut reader, mut before) = (self.receivers, 0);
        for _ in 0..self.receiver_count {
            let view = receiver_view(&mut reader, &mut before)?;
            if waits(view.queue) {
                kept.push((view.queue, Cow::Borrowed(view.written)));
            }
        }
        for receiver in returned {
            let mut written = Vec::new();
            super::encode::receiver(&mut written, receiver);
            kept.push((receiver.queue.0, Cow::Owned(written)));
        }
        kept.sort_by_key(|(queue, _)| *queue);
        out.push(kind::MESSAGE);
        out.put_number(self.id.0);
        out.push(self.flags & !(message_flag::EXACTLY_ONCE | message_flag::WILL));
        out.put_signed(self.accepted.0);
        out.put_number(self.account.get());
        out.put_bytes(self.instance.as_bytes());
        out.put_number(kept.len() as u64);
        let mut before = 0;
        for (queue, written) in kept {
            out.put_number(queue.wrapping_sub(before));
            before = queue;
            out.extend_from_slice(&written);
        }
        out.extend_from_slice(reader.rest());
        Ok(())
    }

    /// All of it.
    pub(super) fn message(&self, names: &mut Names) -> Result<StoredMessage<'static>, Malformed> {
        let (mut reader, mut before) = (self.receivers, 0);
        let mut receivers = Vec::with_capacity(self.receiver_count.min(reader.rest().len() / size_of::<Receiver>()));
        for _ in 0..self.receiver_count {
            let view = receiver_view(&mut reader, &mut before)?;
            receivers.push(receiver(&mut Reader::new(view.written), QueueId(view.queue))?);
        }
        let has_session = self.flags & message_flag::PUBLISHER_SESSION != 0;
        let publisher_session = if has_session { Some(queue(&mut reader)?) } else { None };
        let publisher = caller(&mut reader, names)?;
        let frame = frame(&mut reader)?;
        reader.end()?;
        Ok(StoredMessage {
            id: self.id,
            account: self.account,
            instance: Cow::Owned(names.instance(self.instance)?),
            frame: Cow::Owned(frame),
            qos: qos(self.flags)?,
            retain: self.flags & message_flag::RETAIN != 0,
            accepted: self.accepted,
            publisher: Cow::Owned(publisher),
            is_sent_by_operation: self.flags & message_flag::BY_OPERATION != 0,
            publisher_session,
            cause: self.cause,
            receivers: Cow::Owned(receivers),
        })
    }
}

/// Names that many messages have in common: the last ones are kept, so that a million messages do not hold a million copies.
#[derive(Debug, Default)]
pub(super) struct Names {
    instance: Option<InstanceId>,
    key: Option<AccessKeyId>,
    role_session: Option<Arc<RoleSession>>,
}

impl Names {
    fn instance(&mut self, text: &str) -> Result<InstanceId, Malformed> {
        last(&mut self.instance, text)
    }
}

fn last<T: AsRef<str> + std::str::FromStr + Clone>(kept: &mut Option<T>, text: &str) -> Result<T, Malformed> {
    match kept {
        Some(name) if name.as_ref() == text => Ok(name.clone()),
        _ => Ok(kept.insert(text.parse().map_err(|_| Malformed)?).clone()),
    }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed),
    }
}

fn queue(reader: &mut Reader<'_>) -> Result<QueueId, Malformed> {
    Ok(QueueId(reader.number()?))
}

fn account(reader: &mut Reader<'_>) -> Result<AccountId, Malformed> {
    AccountId::new(reader.number()?).map_err(|_| Malformed)
}

fn packet(reader: &mut Reader<'_>) -> Result<(QueueId, u16), Malformed> {
    Ok((queue(reader)?, reader.narrow()?))
}

fn qos(flags: u8) -> Result<Qos, Malformed> {
    Qos::from_bits(flags & 0b11).ok_or(Malformed)
}

fn option(reader: &mut Reader<'_>) -> Result<Option<u32>, Malformed> {
    match reader.number()? {
        0 => Ok(None),
        more => u32::try_from(more - 1).map(Some).map_err(|_| Malformed),
    }
}

fn left(reader: &mut Reader<'_>) -> Result<Option<(UnixMs, Option<UnixMs>)>, Malformed> {
    let with_will = match reader.byte()? {
        0 => return Ok(None),
        1 => false,
        2 => true,
        _ => return Err(Malformed),
    };
    let until = UnixMs(reader.signed()?);
    Ok(Some((until, if with_will { Some(UnixMs(reader.signed()?)) } else { None })))
}

fn in_flight_message(reader: &mut Reader<'_>) -> Result<(MessageId, Receiver), Malformed> {
    let (message, queue) = (MessageId(reader.number()?), queue(reader)?);
    Ok((message, receiver(reader, queue)?))
}

fn subscription(reader: &mut Reader<'_>) -> Result<RecoveredSubscription, Malformed> {
    let flags = reader.byte()?;
    let identifier = option(reader)?;
    Ok(RecoveredSubscription {
        filter: reader.name()?,
        qos: qos(flags)?,
        no_local: flags & 1 << 2 != 0,
        retain_as_published: flags & 1 << 3 != 0,
        identifier,
    })
}

fn whole_session(reader: &mut Reader<'_>) -> Result<WholeSession, Malformed> {
    let record = session(reader)?;
    let left = left(reader)?;
    let (mut subscriptions, mut in_flight, mut remembered) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..reader.count(3)? {
        subscriptions.push(subscription(reader)?);
    }
    for _ in 0..reader.count(2)? {
        let id = reader.narrow()?;
        let message = if flag(reader)? { Some(in_flight_message(reader)?) } else { None };
        in_flight.push(InFlightMessage { id, message });
    }
    for _ in 0..reader.count(1)? {
        remembered.push(reader.narrow()?);
    }
    Ok(WholeSession { record, left, subscriptions, in_flight, remembered })
}

fn session(reader: &mut Reader<'_>) -> Result<SessionRecord, Malformed> {
    Ok(SessionRecord {
        session: queue(reader)?,
        account: account(reader)?,
        instance: reader.name()?,
        client: client(reader.text()?)?,
        owner: caller(reader, &mut Names::default())?,
        version: match reader.byte()? {
            3 => Version::V3_1,
            4 => Version::V3_1_1,
            5 => Version::V5,
            _ => return Err(Malformed),
        },
        connected: UnixMs(reader.signed()?),
        expiry_s: reader.narrow()?,
        will: if flag(reader)? { Some(will(reader)?) } else { None },
    })
}

fn client(text: &str) -> Result<ClientId, Malformed> {
    let has_group = text.contains(ClientId::SEPARATOR);
    if has_group { text.parse() } else { ClientId::ungrouped(text) }.map_err(|_| Malformed)
}

fn will(reader: &mut Reader<'_>) -> Result<StoredWill, Malformed> {
    let flags = reader.byte()?;
    let delay_s = reader.narrow()?;
    Ok(StoredWill { frame: frame(reader)?, qos: qos(flags)?, retain: flags & 1 << 2 != 0, delay_s })
}

fn caller(reader: &mut Reader<'_>, names: &mut Names) -> Result<StoredCaller, Malformed> {
    let flags = reader.byte()?;
    let account = account(reader)?;
    let number = if flags & 1 == 0 { None } else { Some(reader.number()?) };
    let principal = match number.map(|number| (UserId::new(number), RoleId::new(number))) {
        None => Principal::Account(account),
        Some((Ok(user), _)) => Principal::User(account, user),
        Some((_, Ok(role))) => Principal::Role(account, role),
        Some(_) => return Err(Malformed),
    };
    let credential = match flags >> 1 & 0b11 {
        0 => Credential::AccessKey(last(&mut names.key, reader.text()?)?),
        1 => Credential::Console(reader.text()?.into()),
        2 => Credential::Listener,
        3 if reader.byte()? == ROLE_SESSION => Credential::RoleSession(role_session(reader, names)?),
        _ => return Err(Malformed),
    };
    let source_ip = match flags >> 3 & 0b11 {
        0 => None,
        1 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(reader.take(4)?).map_err(|_| Malformed)?))),
        2 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(reader.take(16)?).map_err(|_| Malformed)?))),
        _ => return Err(Malformed),
    };
    let mfa_present = match flags >> 6 {
        0 => None,
        1 => Some(false),
        2 => Some(true),
        _ => return Err(Malformed),
    };
    Ok(StoredCaller { principal, credential, source_ip, secure_transport: flags & 1 << 5 != 0, mfa_present })
}

/// Many records are of one session: its policy is compiled once as long as they follow each other.
fn role_session(reader: &mut Reader<'_>, names: &mut Names) -> Result<Arc<RoleSession>, Malformed> {
    let key: AccessKeyId = reader.text()?.parse().map_err(|_| Malformed)?;
    let name = reader.text()?.parse().map_err(|_| Malformed)?;
    let expires = UnixMs(reader.signed()?);
    let document = reader.text()?;
    if let Some(last) = names.role_session.as_ref().filter(|last| last.key == key) {
        return Ok(Arc::clone(last));
    }
    let policy = match document {
        "" => None,
        text => Some(Policy::of_session(Document::parse_session(text).map_err(|_| Malformed)?)),
    };
    let session = Arc::new(RoleSession { key, name, policy: policy.map(Arc::new), expires, source_identity: None });
    names.role_session = Some(Arc::clone(&session));
    Ok(session)
}

fn frame(reader: &mut Reader<'_>) -> Result<PublishFrame, Malformed> {
    let expiry = option(reader)?;
    let topic = reader.name()?;
    // Copied, so that a small message does not keep a whole segment in memory.
    let properties = Bytes::copy_from_slice(reader.bytes()?);
    let payload = Bytes::copy_from_slice(reader.bytes()?);
    Ok(PublishFrame::kept(topic, payload, properties, expiry))
}

fn receiver_view<'a>(reader: &mut Reader<'a>, before: &mut u64) -> Result<ReceiverView<'a>, Malformed> {
    *before = before.wrapping_add(reader.number()?);
    let from = reader.rest();
    let flags = reader.byte()?;
    if flags & receiver_flag::IDENTIFIERS != 0 {
        for _ in 0..reader.count(1)? {
            reader.number()?;
        }
    }
    Ok(ReceiverView { queue: *before, written: &from[..from.len() - reader.rest().len()] })
}

fn receiver(reader: &mut Reader<'_>, queue: QueueId) -> Result<Receiver, Malformed> {
    let flags = reader.byte()?;
    let way = match flags >> receiver_flag::WAY_SHIFT & 0b11 {
        0 => Way::Subscribed,
        1 => Way::PointToPoint,
        2 => Way::Retained,
        _ => return Err(Malformed),
    };
    let mut identifiers = Vec::new();
    if flags & receiver_flag::IDENTIFIERS != 0 {
        for _ in 0..reader.count(1)? {
            identifiers.push(reader.narrow()?);
        }
    }
    Ok(Receiver { queue, qos: qos(flags)?, retain: flags & receiver_flag::RETAIN != 0, way, identifiers })
}
