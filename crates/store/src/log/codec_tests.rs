//! Every record comes back as it was; damaged bytes are refused.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use sluice_codec::{PublishFrame, Version};
use sluice_model::{AccountId, ClientId, InstanceId, Principal, Qos, RoleId, TopicFilter, UnixMs, UserId};
use sluice_policy::{Credential, Document, Policy, RoleSession};

use super::{
    Cause, MessageId, QueueId, Receiver, Record, SessionRecord, StoredCaller, StoredMessage, StoredWill, Way,
    decode::{self, Entry, Names},
    encode, segment,
    segment::{Found, Scan},
};

fn qos() -> impl Strategy<Value = Qos> {
    (0u8..3).prop_map(|bits| Qos::from_bits(bits).unwrap())
}

fn queue() -> impl Strategy<Value = QueueId> {
    prop_oneof![0u64..300, 0u64..1 << 62].prop_map(QueueId)
}

fn account() -> impl Strategy<Value = AccountId> {
    (AccountId::MIN..=AccountId::MAX).prop_map(|number| AccountId::new(number).unwrap())
}

fn instance() -> impl Strategy<Value = InstanceId> {
    "post-[a-z]{2}-[a-z0-9]{1,40}".prop_map(|text| text.parse().unwrap())
}

fn filter() -> impl Strategy<Value = TopicFilter> {
    "(\\$share/[a-z]{1,5}/)?[a-zé]{1,6}(/[a-z]{1,4}|/\\+){0,3}(/#)?".prop_map(|text| text.parse().unwrap())
}

fn client() -> impl Strategy<Value = ClientId> {
    prop_oneof![
        "GID_[a-z]{3,9}@@@[a-z0-9]{1,20}".prop_map(|text| text.parse().unwrap()),
        "[a-z é/+]{1,30}".prop_map(|text| ClientId::ungrouped(&text).unwrap()),
    ]
}

fn time() -> impl Strategy<Value = UnixMs> {
    prop_oneof![Just(UnixMs::NEVER), any::<i64>().prop_map(UnixMs), (0i64..2_000_000_000_000).prop_map(UnixMs)]
}

const SESSION_POLICY: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"mq:SUB","Resource":"*"}]}"#;

fn role_session() -> impl Strategy<Value = Credential> {
    ("STS\\.[A-Za-z0-9]{20}", "[a-z@._-]{2,64}", any::<bool>(), time()).prop_map(|(key, name, narrowed, expires)| {
        let policy = narrowed.then(|| Arc::new(Policy::of_session(Document::parse_session(SESSION_POLICY).unwrap())));
        let (key, name) = (key.parse().unwrap(), name.parse().unwrap());
        Credential::RoleSession(Arc::new(RoleSession { key, name, policy, expires, source_identity: None }))
    })
}

/// What makes one session another, which their equality leaves out.
fn session_parts(caller: &StoredCaller) -> Option<(String, UnixMs, Option<String>)> {
    let Credential::RoleSession(session) = &caller.credential else { return None };
    let policy = session.policy.as_ref().map(|policy| policy.document.text().to_owned());
    Some((session.name.to_string(), session.expires, policy))
}

fn caller() -> impl Strategy<Value = StoredCaller> {
    let principal = prop_oneof![
        account().prop_map(Principal::Account),
        (account(), UserId::MIN..=UserId::MAX).prop_map(|(a, number)| Principal::User(a, UserId::new(number).unwrap())),
        (account(), RoleId::MIN..=RoleId::MAX).prop_map(|(a, number)| Principal::Role(a, RoleId::new(number).unwrap())),
    ];
    let credential = prop_oneof![
        "[A-Za-z0-9._-]{8,30}".prop_map(|text| Credential::AccessKey(text.parse().unwrap())),
        "[a-z0-9]{0,64}".prop_map(|text| Credential::Console(text.into())),
        Just(Credential::Listener),
        role_session(),
    ];
    let parts = (principal, credential, option::of(any::<IpAddr>()), any::<bool>(), option::of(any::<bool>()));
    parts.prop_map(|(principal, credential, source_ip, secure_transport, mfa_present)| StoredCaller {
        principal,
        credential,
        source_ip,
        secure_transport,
        mfa_present,
    })
}

fn frame() -> impl Strategy<Value = PublishFrame> {
    let bytes = |most| vec(any::<u8>(), 0..most).prop_map(Bytes::from);
    ("[a-zé]{1,9}(/[a-z]{0,9}){0,4}", bytes(400), bytes(40), option::of(any::<u32>())).prop_map(
        |(topic, payload, properties, expiry)| PublishFrame::kept(topic.parse().unwrap(), payload, properties, expiry),
    )
}

fn will() -> impl Strategy<Value = StoredWill> {
    let parts = (frame(), qos(), any::<bool>(), any::<u32>());
    parts.prop_map(|(frame, qos, retain, delay_s)| StoredWill { frame, qos, retain, delay_s })
}

fn receiver() -> impl Strategy<Value = Receiver> {
    let way = prop_oneof![Just(Way::Subscribed), Just(Way::PointToPoint), Just(Way::Retained)];
    let parts = (queue(), qos(), any::<bool>(), way, vec(any::<u32>(), 0..4));
    parts.prop_map(|(queue, qos, retain, way, identifiers)| Receiver { queue, qos, retain, way, identifiers })
}

fn receivers() -> impl Strategy<Value = Vec<Receiver>> {
    vec(receiver(), 0..12).prop_map(|mut receivers| {
        receivers.sort_by_key(|receiver| receiver.queue);
        receivers.dedup_by_key(|receiver| receiver.queue);
        receivers
    })
}

fn session() -> impl Strategy<Value = SessionRecord> {
    let version = prop_oneof![Just(Version::V3_1), Just(Version::V3_1_1), Just(Version::V5)];
    let names = (queue(), account(), instance(), client());
    let parts = (names, caller(), version, time(), any::<u32>(), option::of(will()));
    parts.prop_map(|((session, account, instance, client), owner, version, connected, expiry_s, will)| SessionRecord {
        session,
        account,
        instance,
        client,
        owner,
        version,
        connected,
        expiry_s,
        will,
    })
}

fn message() -> impl Strategy<Value = StoredMessage<'static>> {
    let cause = prop_oneof![
        Just(None),
        (queue(), any::<u16>()).prop_map(|(session, id)| Some(Cause::ExactlyOnce { session, id })),
        queue().prop_map(|session| Some(Cause::Will(session))),
    ];
    let head = (any::<u64>(), account(), instance(), time(), cause);
    let rest = (frame(), qos(), any::<bool>(), caller(), any::<bool>(), option::of(queue()), receivers());
    (head, rest).prop_map(|((id, account, instance, accepted, cause), rest)| {
        let (frame, qos, retain, publisher, is_sent_by_operation, publisher_session, receivers) = rest;
        StoredMessage {
            id: MessageId(id),
            account,
            instance: Cow::Owned(instance),
            frame: Cow::Owned(frame),
            qos,
            retain,
            accepted,
            publisher: Cow::Owned(publisher),
            is_sent_by_operation,
            publisher_session,
            cause,
            receivers: Cow::Owned(receivers),
        }
    })
}

fn record() -> impl Strategy<Value = Record<'static>> {
    let packet = || (queue(), any::<u16>());
    let of_sessions = prop_oneof![
        session().prop_map(|it| Record::Session(Cow::Owned(it))),
        (queue(), time(), option::of(time())).prop_map(|(session, until, will_at)| Record::Left {
            session,
            until,
            will_at
        }),
        queue().prop_map(Record::WillDone),
        queue().prop_map(Record::Ended),
        queue().prop_map(Record::ShareEnded),
        (queue(), filter(), qos(), any::<bool>(), any::<bool>(), option::of(any::<u32>())).prop_map(
            |(session, filter, qos, no_local, retain_as_published, identifier)| Record::Subscribed {
                session,
                filter: Cow::Owned(filter),
                qos,
                no_local,
                retain_as_published,
                identifier,
            }
        ),
        (queue(), filter()).prop_map(|(session, filter)| Record::Unsubscribed { session, filter: Cow::Owned(filter) }),
        (queue(), account(), instance(), filter()).prop_map(|(share, account, instance, filter)| Record::Share {
            share,
            account,
            instance: Cow::Owned(instance),
            filter: Cow::Owned(filter)
        }),
    ];
    let of_messages = prop_oneof![
        message().prop_map(Record::Message),
        (packet(), any::<u64>(), receiver()).prop_map(|((session, id), message, receiver)| Record::InFlight {
            session,
            id,
            message: MessageId(message),
            receiver: Cow::Owned(receiver)
        }),
        packet().prop_map(|(session, id)| Record::Received { session, id }),
        packet().prop_map(|(session, id)| Record::Acknowledged { session, id }),
        packet().prop_map(|(session, id)| Record::Withdrawn { session, id }),
        packet().prop_map(|(session, id)| Record::Remembered { session, id }),
        packet().prop_map(|(session, id)| Record::Released { session, id }),
        (queue(), any::<u64>()).prop_map(|(queue, message)| Record::Dropped { queue, message: MessageId(message) }),
        (account(), instance())
            .prop_map(|(account, instance)| Record::InstanceDeleted { account, instance: Cow::Owned(instance) }),
    ];
    prop_oneof![of_sessions, of_messages]
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::record(&mut bytes, record);
    bytes
}

/// Reads all there is in a body, as far as it goes.
fn read_whole(body: &[u8]) {
    if let Ok(Entry::Message(view)) = decode::entry(body) {
        let _receivers = view.receivers().filter(Result::is_ok).count();
        let _message = view.message(&mut Names::default());
        let _rewritten = view.rewrite(&mut Vec::new(), |_| true, &[]);
    }
}

/// Whose record it is, for what the equality of callers leaves out.
fn owner<'a>(record: &'a Record<'_>) -> Option<&'a StoredCaller> {
    match record {
        Record::Session(session) => Some(&session.owner),
        Record::Message(message) => Some(&message.publisher),
        _ => None,
    }
}

proptest! {
    #[test]
    fn every_record_comes_back_as_it_was(record in record()) {
        let bytes = encoded(&record);
        let read = decode::record(&bytes).unwrap();
        prop_assert_eq!(owner(&read).map(session_parts), owner(&record).map(session_parts));
        prop_assert_eq!(read, record);
    }

    #[test]
    fn a_record_that_lost_its_end_is_refused(record in record(), cut in any::<prop::sample::Index>()) {
        let mut bytes = encoded(&record);
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(decode::record(&bytes).is_err());
    }

    #[test]
    fn random_and_damaged_bytes_are_read_without_a_panic(
        record in record(), at in any::<prop::sample::Index>(), byte: u8, random in vec(any::<u8>(), 0..200)
    ) {
        read_whole(&random);
        let mut bytes = encoded(&record);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_whole(&bytes);
        for kind in 0..32 {
            bytes[0] = kind;
            read_whole(&bytes);
        }
    }

    #[test]
    fn a_message_is_written_again_with_those_who_wait(message in message(), returned in receiver()) {
        let returned = [Receiver { queue: QueueId(1 << 62 | 1), ..returned }];
        let body = encoded(&Record::Message(message.clone()));
        let Ok(Entry::Message(view)) = decode::entry(&body) else { panic!("no message") };
        let mut again = Vec::new();
        view.rewrite(&mut again, |queue| queue % 2 == 0, &returned).unwrap();
        let waiting = message.receivers.iter().filter(|receiver| receiver.queue.0 % 2 == 0);
        let receivers = waiting.cloned().chain(returned.iter().cloned()).collect();
        let expected = StoredMessage { cause: None, receivers: Cow::Owned(receivers), ..message };
        prop_assert_eq!(decode::record(&again).unwrap(), Record::Message(expected));
    }

    #[test]
    fn a_damaged_segment_loses_what_was_hit_and_nothing_else(
        records in vec(record(), 1..12), at in any::<prop::sample::Index>(), bit in 0u8..8, salt: u64
    ) {
        let mut bytes = segment::header(1, salt).to_vec();
        let mut ends = vec![bytes.len()];
        for record in &records {
            segment::frame(&mut bytes, salt, |out| encode::record(out, record));
            ends.push(bytes.len());
        }
        let hit = 64 + at.index(bytes.len() - 64);
        bytes[hit] ^= 1 << bit;
        let mut scan = Scan::new(&bytes, salt);
        let found: Vec<_> = std::iter::from_fn(|| scan.next()).collect();
        let damaged: Vec<_> = found.iter().filter(|(_, it)| matches!(it, Found::Damage(_))).collect();
        let index = ends.iter().rposition(|end| *end <= hit).unwrap();
        prop_assert_eq!(damaged.len(), 1);
        prop_assert_eq!(damaged[0].0, ends[index]);
        let Found::Damage(length) = damaged[0].1 else { panic!("no damage") };
        // Where the frame of the last record is hit, nobody can tell the zeros at its end from those written ahead.
        let not_told = bytes.get(ends[index] + length..ends[index + 1]).unwrap();
        prop_assert!(not_told.is_empty() || index + 1 == records.len() && not_told.iter().all(|byte| *byte == 0));
        prop_assert_eq!(found.len(), records.len());
    }
}

#[test]
fn a_length_that_is_not_there_allocates_nothing() {
    // A message with 2^60 receivers, a session with a text of 2^60 bytes.
    let mut body = vec![encode::kind::MESSAGE, 1, 0, 0];
    let mut more = vec![encode::kind::SESSION, 1];
    for out in [&mut body, &mut more] {
        super::wire::Write::put_number(out, AccountId::MIN);
    }
    super::wire::Write::put_bytes(&mut body, b"post-cn-a");
    super::wire::Write::put_number(&mut body, 1 << 60);
    super::wire::Write::put_number(&mut more, 1 << 60);
    assert!(decode::entry(&body).is_err() && decode::entry(&more).is_err());
}
