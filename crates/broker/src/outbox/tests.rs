use std::sync::Arc;

use sluice_access::TopicAction;
use sluice_codec::{Properties, PublishFrame};
use sluice_model::{AccountId, Action, Compatibility, Edition, Principal, Resource, Service};
use sluice_policy::Context;
use smallvec::SmallVec;

use super::*;
use sluice_store::log::Way;

use crate::message::{Message, Origin};

const MESSAGES_MAX: u32 = 1_000;
const BYTES_MAX: u64 = 1024 * 1024;

fn outbox(is_stored: bool) -> Outbox {
    let extended = Limits::of(Edition::Professional, Compatibility::Extended);
    let limits = Limits { queue_messages_max: MESSAGES_MAX, queue_bytes_max: BYTES_MAX, ..extended };
    Outbox::new(Bounds::of(&limits, is_stored), VecDeque::new())
}

/// A message on `home/a`.
pub(crate) fn message(qos: Qos, payload: &str, correlation_bytes: usize) -> Arc<Message> {
    let properties = Properties { correlation_data: Some(vec![0; correlation_bytes].into()), ..Properties::default() };
    let payload = payload.to_owned().into_bytes().into();
    let frame = PublishFrame::new("home/a".parse().unwrap(), payload, Some(Box::new(properties)));
    let account: AccountId = "1234567890123456".parse().unwrap();
    let caller = sluice_testkit::caller(Principal::Account(account));
    let resource = Resource::Service(account, Service::Mq);
    let asked = sluice_testkit::allow_all().authorize(&caller, &Action::PUB, &resource, &Context::at(UnixMs(0)));
    let grant = asked.unwrap().remember();
    let origin = Origin::new(caller, TopicAction::Publish, None, Some(grant));
    Arc::new(Message::new(frame, qos, false, UnixMs(0), origin))
}

fn waiting(qos: Qos, payload: &str, correlation_bytes: usize) -> Waiting {
    let message = message(qos, payload, correlation_bytes);
    Waiting {
        message,
        identifiers: SmallVec::new(),
        share: None,
        qos,
        way: Way::Subscribed,
        retain: false,
        refused_by: Vec::new(),
    }
}

/// What becomes of a message for a session that is not gone.
fn push(outbox: &mut Outbox, next: Waiting) -> Pushed {
    outbox.push(next).unwrap()
}

fn payloads(outbox: &mut Outbox) -> Vec<String> {
    let mut all = VecDeque::new();
    outbox.take(&mut all);
    all.iter().map(|waiting| String::from_utf8(waiting.message.frame.payload().to_vec()).unwrap()).collect()
}

fn parked() -> Box<Parked> {
    Box::new(Parked { state: SessionState::default(), will: None, until: UnixMs::NEVER })
}

#[test]
fn a_session_that_ends_with_its_connection_is_full_at_its_bounds() {
    let mut outbox = outbox(false);
    assert_eq!(push(&mut outbox, waiting(Qos::AtLeastOnce, "first", 0)), Pushed::First);
    for _ in 1..MESSAGES_MAX {
        assert_eq!(push(&mut outbox, waiting(Qos::AtLeastOnce, "", 0)), Pushed::Behind);
    }
    assert_eq!(push(&mut outbox, waiting(Qos::AtLeastOnce, "", 0)), Pushed::Full);
    assert_eq!(payloads(&mut outbox).len(), 1_000);
    assert_eq!(push(&mut outbox, waiting(Qos::AtLeastOnce, "", 0)), Pushed::First);
}

#[test]
fn qos_0_gives_up_first() {
    let mut outbox = outbox(false);
    for _ in 0..MESSAGES_MAX / 2 {
        assert_ne!(push(&mut outbox, waiting(Qos::AtMostOnce, "", 0)), Pushed::NotKept);
    }
    assert_eq!(push(&mut outbox, waiting(Qos::AtMostOnce, "", 0)), Pushed::NotKept);
    assert_eq!(push(&mut outbox, waiting(Qos::ExactlyOnce, "", 0)), Pushed::Behind);
}

#[test]
fn properties_count_as_bytes_that_wait() {
    let mut outbox = outbox(false);
    let one = size(&waiting(Qos::AtLeastOnce, "", 60_000));
    let fit = (0..).take_while(|_| push(&mut outbox, waiting(Qos::AtLeastOnce, "", 60_000)) != Pushed::Full).count();
    assert_eq!(u64::try_from(fit).unwrap(), BYTES_MAX / one);
    assert_eq!(payloads(&mut outbox).len(), fit);
    assert_eq!((outbox.bytes, outbox.waiting.capacity()), (0, 0));
}

#[test]
fn a_stored_session_loses_its_oldest_for_the_newest_and_counts_it() {
    let mut outbox = outbox(true);
    outbox.park(parked(), VecDeque::new());
    for n in 0..MESSAGES_MAX + 3 {
        assert_eq!(push(&mut outbox, waiting(Qos::AtLeastOnce, &n.to_string(), 0)), Pushed::Stored);
    }
    assert_eq!((outbox.take_evicted().len(), outbox.take_evicted().len()), (3, 0));
    assert_eq!(payloads(&mut outbox)[0], "3");
}

#[test]
fn a_client_that_is_away_gets_what_it_had_not_been_sent_and_then_what_came_but_nothing_at_qos_0() {
    let mut outbox = outbox(true);
    push(&mut outbox, waiting(Qos::AtLeastOnce, "second", 0));
    push(&mut outbox, waiting(Qos::AtMostOnce, "never", 0));
    let taken = VecDeque::from([waiting(Qos::AtLeastOnce, "first", 0), waiting(Qos::AtMostOnce, "never", 0)]);
    outbox.park(parked(), taken);
    assert_eq!(push(&mut outbox, waiting(Qos::AtMostOnce, "never", 0)), Pushed::NotKept);
    assert_eq!(push(&mut outbox, waiting(Qos::ExactlyOnce, "third", 0)), Pushed::Stored);
    assert_eq!(payloads(&mut outbox), ["first", "second", "third"]);
}

#[test]
fn a_session_is_handed_over_once_and_only_when_its_connection_left() {
    let mut outbox = outbox(true);
    let Handover::Wait(mut told) = outbox.hand_over() else { panic!("its connection is here") };
    assert!(told.try_recv().is_err());
    push(&mut outbox, waiting(Qos::AtLeastOnce, "kept", 0));
    outbox.park(parked(), VecDeque::new());
    assert!(told.try_recv().is_ok());
    let Handover::Parked(_, kept) = outbox.hand_over() else { panic!("it is away") };
    assert_eq!(kept.len(), 1);
    assert!(matches!(outbox.hand_over(), Handover::Gone));
    assert!(outbox.push(waiting(Qos::AtLeastOnce, "", 0)).is_err());
}
