//! Records and waiting, for all tests of the log.

use std::{
    borrow::Cow,
    sync::{Arc, mpsc},
};

use sluice_codec::PublishFrame;
use sluice_model::{Principal, Qos, UnixMs};
use sluice_policy::Credential;
use sluice_store::log::{
    Cause, EmbeddedLog, Log, MessageId, QueueId, Receiver, Record, SessionRecord, StoredCaller, StoredMessage, Ticket,
    Waiter, Way,
};

/// Tells a channel.
struct Told(mpsc::Sender<()>);
impl Waiter for Told {
    fn settled(&self) {
        let _nobody_listens = self.0.send(());
    }
}

/// Waits until the ticket is settled, or never will be.
pub(crate) fn told(log: &EmbeddedLog, ticket: Ticket) {
    let (sender, told) = mpsc::channel();
    log.notify(ticket, Arc::new(Told(sender)));
    told.recv().expect("it is told");
}

pub(crate) fn wait(log: &EmbeddedLog, ticket: Ticket) {
    told(log, ticket);
    assert!(log.is_settled(ticket));
}

pub(crate) fn caller() -> StoredCaller {
    StoredCaller {
        principal: Principal::Account(sluice_testkit::account(1)),
        credential: Credential::Listener,
        source_ip: None,
        secure_transport: false,
        mfa_present: None,
    }
}

pub(crate) fn session(number: u64) -> Record<'static> {
    Record::Session(Cow::Owned(SessionRecord {
        session: QueueId(number),
        account: sluice_testkit::account(1),
        instance: "post-cn-abc".parse().expect("a name"),
        client: "GID_Test@@@1".parse().expect("a name"),
        owner: caller(),
        version: sluice_codec::Version::V5,
        connected: UnixMs(1000),
        expiry_s: 60,
        will: None,
    }))
}

pub(crate) fn receiver(queue: u64) -> Receiver {
    Receiver { queue: QueueId(queue), qos: Qos::AtLeastOnce, retain: false, way: Way::Subscribed, identifiers: vec![] }
}

pub(crate) fn message(number: u64, queues: &[u64], cause: Option<Cause>) -> Record<'static> {
    let payload = vec![7; 100].into();
    Record::Message(StoredMessage {
        id: MessageId(number),
        account: sluice_testkit::account(1),
        instance: Cow::Owned("post-cn-abc".parse().expect("a name")),
        frame: Cow::Owned(PublishFrame::kept("a/b".parse().expect("a name"), payload, bytes::Bytes::new(), None)),
        qos: Qos::AtLeastOnce,
        retain: false,
        accepted: UnixMs(2000),
        publisher: Cow::Owned(caller()),
        is_sent_by_operation: false,
        publisher_session: None,
        cause,
        receivers: Cow::Owned(queues.iter().map(|queue| receiver(*queue)).collect()),
    })
}

pub(crate) fn in_flight(session: u64, id: u16, message: u64) -> Record<'static> {
    let (session, message) = (QueueId(session), MessageId(message));
    Record::InFlight { session, id, message, receiver: Cow::Owned(receiver(session.0)) }
}
