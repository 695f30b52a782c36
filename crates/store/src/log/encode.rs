//! Records to bytes. The first byte says what it is; `decode.rs` is the way back and says the same.
//!
//! A message has in front what the log's own memory keeps of it, then its receivers, then the rest, so that cleaning can
//! write it again with other receivers without reading the rest.

use std::net::IpAddr;

use sluice_codec::PublishFrame;
use sluice_model::Principal;
use sluice_policy::Credential;

use super::{
    Cause, InFlightMessage, MessageId, QueueId, Receiver, Record, RecoveredSubscription, SessionRecord, StoredCaller,
    StoredMessage, StoredWill, Way, state::SessionState, wire::Write,
};

/// The first byte of a record. A number is never given to another.
pub(super) mod kind {
    pub(in super::super) const SESSION: u8 = 1;
    pub(in super::super) const LEFT: u8 = 2;
    pub(in super::super) const WILL_DONE: u8 = 3;
    pub(in super::super) const ENDED: u8 = 4;
    pub(in super::super) const SUBSCRIBED: u8 = 5;
    pub(in super::super) const UNSUBSCRIBED: u8 = 6;
    pub(in super::super) const SHARE: u8 = 7;
    pub(in super::super) const SHARE_ENDED: u8 = 8;
    pub(in super::super) const MESSAGE: u8 = 9;
    pub(in super::super) const IN_FLIGHT: u8 = 10;
    pub(in super::super) const RECEIVED: u8 = 11;
    pub(in super::super) const ACKNOWLEDGED: u8 = 12;
    pub(in super::super) const WITHDRAWN: u8 = 13;
    pub(in super::super) const DROPPED: u8 = 14;
    pub(in super::super) const REMEMBERED: u8 = 15;
    pub(in super::super) const RELEASED: u8 = 16;
    pub(in super::super) const INSTANCE_DELETED: u8 = 17;
    /// All of a session: what cleaning writes.
    pub(in super::super) const WHOLE_SESSION: u8 = 18;
    /// The highest numbers and the latest time: the first record of a segment.
    pub(in super::super) const NUMBERS: u8 = 19;
    /// How much of the segment was synced when this was written: the first record of a batch.
    pub(in super::super) const MARK: u8 = 20;
    /// [`WITHDRAWN`] with the message and its receiver, so that it can be read without what stood before it.
    pub(in super::super) const RETURNED: u8 = 21;
}

/// Of the flags of a message.
pub(super) mod message_flag {
    pub(in super::super) const RETAIN: u8 = 1 << 2;
    pub(in super::super) const BY_OPERATION: u8 = 1 << 3;
    pub(in super::super) const PUBLISHER_SESSION: u8 = 1 << 4;
    pub(in super::super) const EXACTLY_ONCE: u8 = 1 << 5;
    pub(in super::super) const WILL: u8 = 1 << 6;
}

/// Of the flags of a receiver.
pub(super) mod receiver_flag {
    pub(in super::super) const RETAIN: u8 = 1 << 2;
    pub(in super::super) const WAY_SHIFT: u8 = 3;
    pub(in super::super) const IDENTIFIERS: u8 = 1 << 5;
}

/// Writes a record's body.
pub(super) fn record(out: &mut Vec<u8>, record: &Record<'_>) {
    match record {
        Record::Session(it) => {
            out.push(kind::SESSION);
            session(out, it);
        }
        Record::Left { session, until, will_at } => {
            out.push(kind::LEFT);
            out.put_number(session.0);
            left(out, Some((*until, *will_at)));
        }
        Record::WillDone(it) => queue(out, kind::WILL_DONE, *it),
        Record::Ended(it) => queue(out, kind::ENDED, *it),
        Record::ShareEnded(it) => queue(out, kind::SHARE_ENDED, *it),
        Record::Subscribed { session, filter, qos, no_local, retain_as_published, identifier } => {
            out.push(kind::SUBSCRIBED);
            out.put_number(session.0);
            out.push(qos.bits() | u8::from(*no_local) << 2 | u8::from(*retain_as_published) << 3);
            option(out, *identifier);
            out.put_bytes(filter.as_str().as_bytes());
        }
        Record::Unsubscribed { session, filter } => {
            out.push(kind::UNSUBSCRIBED);
            out.put_number(session.0);
            out.put_bytes(filter.as_str().as_bytes());
        }
        Record::Share { share, account, instance, filter } => {
            out.push(kind::SHARE);
            out.put_number(share.0);
            out.put_number(account.get());
            out.put_bytes(instance.as_str().as_bytes());
            out.put_bytes(filter.as_str().as_bytes());
        }
        Record::Message(it) => message(out, it),
        Record::InFlight { session, id, message, receiver } => {
            packet(out, kind::IN_FLIGHT, *session, *id);
            in_flight_message(out, *message, receiver);
        }
        Record::Received { session, id } => packet(out, kind::RECEIVED, *session, *id),
        Record::Acknowledged { session, id } => packet(out, kind::ACKNOWLEDGED, *session, *id),
        Record::Withdrawn { session, id } => packet(out, kind::WITHDRAWN, *session, *id),
        Record::Remembered { session, id } => packet(out, kind::REMEMBERED, *session, *id),
        Record::Released { session, id } => packet(out, kind::RELEASED, *session, *id),
        Record::Dropped { queue: it, message } => {
            queue(out, kind::DROPPED, *it);
            out.put_number(message.0);
        }
        Record::InstanceDeleted { account, instance } => {
            out.push(kind::INSTANCE_DELETED);
            out.put_number(account.get());
            out.put_bytes(instance.as_str().as_bytes());
        }
    }
}

/// Writes that an identifier is free and its message waits again.
pub(super) fn returned(out: &mut Vec<u8>, session: QueueId, id: u16, message: MessageId, receiver: &Receiver) {
    packet(out, kind::RETURNED, session, id);
    in_flight_message(out, message, receiver);
}

/// Writes all of a session.
pub(super) fn whole_session(out: &mut Vec<u8>, record: &SessionRecord, state: &SessionState) {
    out.push(kind::WHOLE_SESSION);
    session(out, record);
    left(out, state.left);
    out.put_number(state.subscriptions.len() as u64);
    for subscription in state.subscriptions.values() {
        let RecoveredSubscription { filter, qos, no_local, retain_as_published, identifier } = subscription;
        out.push(qos.bits() | u8::from(*no_local) << 2 | u8::from(*retain_as_published) << 3);
        option(out, *identifier);
        out.put_bytes(filter.as_str().as_bytes());
    }
    let in_flight = state.in_flight_in_order();
    out.put_number(in_flight.len() as u64);
    for InFlightMessage { id, message } in in_flight {
        out.put_number(u64::from(id));
        out.push(u8::from(message.is_some()));
        if let Some((message, receiver)) = message {
            in_flight_message(out, message, &receiver);
        }
    }
    out.put_number(state.remembered.len() as u64);
    for id in &state.remembered {
        out.put_number(u64::from(*id));
    }
}

/// Writes the highest numbers and the latest time.
pub(super) fn numbers(out: &mut Vec<u8>, last_queue: u64, last_message: u64, latest: Option<i64>) {
    out.push(kind::NUMBERS);
    out.put_number(last_queue);
    out.put_number(last_message);
    out.push(u8::from(latest.is_some()));
    out.put_signed(latest.unwrap_or(0));
}

/// Writes up to where the segment is synced. Of the same length whatever the number, so that it can be written over.
pub(super) fn mark(out: &mut Vec<u8>, synced_to: u64) {
    out.push(kind::MARK);
    out.extend_from_slice(&synced_to.to_le_bytes());
}

fn queue(out: &mut Vec<u8>, kind: u8, queue: QueueId) {
    out.push(kind);
    out.put_number(queue.0);
}

fn packet(out: &mut Vec<u8>, kind: u8, session: QueueId, id: u16) {
    queue(out, kind, session);
    out.put_number(u64::from(id));
}

fn in_flight_message(out: &mut Vec<u8>, message: MessageId, it: &Receiver) {
    out.put_number(message.0);
    out.put_number(it.queue.0);
    receiver(out, it);
}

/// 0 is none; else one more than the number.
fn option(out: &mut Vec<u8>, number: Option<u32>) {
    out.put_number(number.map_or(0, |number| u64::from(number) + 1));
}

fn left(out: &mut Vec<u8>, left: Option<(sluice_model::UnixMs, Option<sluice_model::UnixMs>)>) {
    let Some((until, will_at)) = left else { return out.push(0) };
    out.push(1 + u8::from(will_at.is_some()));
    out.put_signed(until.0);
    if let Some(will_at) = will_at {
        out.put_signed(will_at.0);
    }
}

fn session(out: &mut Vec<u8>, it: &SessionRecord) {
    out.put_number(it.session.0);
    out.put_number(it.account.get());
    out.put_bytes(it.instance.as_str().as_bytes());
    out.put_bytes(it.client.as_str().as_bytes());
    caller(out, &it.owner);
    out.push(it.version.level());
    out.put_signed(it.connected.0);
    out.put_number(u64::from(it.expiry_s));
    out.push(u8::from(it.will.is_some()));
    if let Some(StoredWill { frame: it, qos, retain, delay_s }) = &it.will {
        out.push(qos.bits() | u8::from(*retain) << 2);
        out.put_number(u64::from(*delay_s));
        frame(out, it);
    }
}

/// The further credential that is a role session's.
pub(super) const ROLE_SESSION: u8 = 0;

fn caller(out: &mut Vec<u8>, it: &StoredCaller) {
    let credential = match &it.credential {
        Credential::AccessKey(_) => 0,
        Credential::Console(_) => 1,
        Credential::Listener => 2,
        // Whatever else there is says so in a byte of its own.
        Credential::RoleSession(_) => 3,
    };
    let ip = match it.source_ip {
        None => 0,
        Some(IpAddr::V4(_)) => 1,
        Some(IpAddr::V6(_)) => 2,
    };
    let mfa = it.mfa_present.map_or(0, |present| 1 + u8::from(present));
    let is_numbered = !matches!(it.principal, Principal::Account(_));
    out.push(u8::from(is_numbered) | credential << 1 | ip << 3 | u8::from(it.secure_transport) << 5 | mfa << 6);
    out.put_number(it.principal.account().get());
    match it.principal {
        Principal::Account(_) => {}
        Principal::User(_, user) => out.put_number(user.get()),
        Principal::Role(_, role) => out.put_number(role.get()),
    }
    match &it.credential {
        Credential::AccessKey(key) => out.put_bytes(key.as_str().as_bytes()),
        Credential::Console(digest) => out.put_bytes(digest.as_bytes()),
        Credential::Listener => {}
        Credential::RoleSession(session) => {
            out.push(ROLE_SESSION);
            out.put_bytes(session.key.as_str().as_bytes());
            out.put_bytes(session.name.as_str().as_bytes());
            out.put_signed(session.expires.0);
            out.put_bytes(session.policy.as_ref().map_or("", |policy| policy.document.text()).as_bytes());
        }
    }
    match it.source_ip {
        None => {}
        Some(IpAddr::V4(address)) => out.extend_from_slice(&address.octets()),
        Some(IpAddr::V6(address)) => out.extend_from_slice(&address.octets()),
    }
}

fn frame(out: &mut Vec<u8>, it: &PublishFrame) {
    option(out, it.expiry());
    out.put_bytes(it.topic().as_str().as_bytes());
    out.put_bytes(it.properties());
    out.put_bytes(it.payload());
}

fn message(out: &mut Vec<u8>, it: &StoredMessage<'_>) {
    out.push(kind::MESSAGE);
    out.put_number(it.id.0);
    let mut flags = it.qos.bits();
    for (is_set, flag) in [
        (it.retain, message_flag::RETAIN),
        (it.is_sent_by_operation, message_flag::BY_OPERATION),
        (it.publisher_session.is_some(), message_flag::PUBLISHER_SESSION),
        (matches!(it.cause, Some(Cause::ExactlyOnce { .. })), message_flag::EXACTLY_ONCE),
        (matches!(it.cause, Some(Cause::Will(_))), message_flag::WILL),
    ] {
        flags |= if is_set { flag } else { 0 };
    }
    out.push(flags);
    match it.cause {
        None => {}
        Some(Cause::ExactlyOnce { session, id }) => {
            out.put_number(session.0);
            out.put_number(u64::from(id));
        }
        Some(Cause::Will(session)) => out.put_number(session.0),
    }
    out.put_signed(it.accepted.0);
    out.put_number(it.account.get());
    out.put_bytes(it.instance.as_str().as_bytes());
    out.put_number(it.receivers.len() as u64);
    let mut before = 0;
    for it in &*it.receivers {
        out.put_number(it.queue.0.wrapping_sub(before));
        before = it.queue.0;
        receiver(out, it);
    }
    if let Some(session) = it.publisher_session {
        out.put_number(session.0);
    }
    caller(out, &it.publisher);
    frame(out, &it.frame);
}

/// How it is delivered; the queue is written by the caller.
pub(super) fn receiver(out: &mut Vec<u8>, it: &Receiver) {
    let way = match it.way {
        Way::Subscribed => 0,
        Way::PointToPoint => 1,
        Way::Retained => 2,
    };
    let identifiers = if it.identifiers.is_empty() { 0 } else { receiver_flag::IDENTIFIERS };
    let retain = if it.retain { receiver_flag::RETAIN } else { 0 };
    out.push(it.qos.bits() | retain | way << receiver_flag::WAY_SHIFT | identifiers);
    if !it.identifiers.is_empty() {
        out.put_number(it.identifiers.len() as u64);
        for identifier in &it.identifiers {
            out.put_number(u64::from(*identifier));
        }
    }
}
