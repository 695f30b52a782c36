//! The message log as the broker has it.

use std::{borrow::Cow, ops::RangeInclusive, path::Path, sync::Arc, thread};

use bytes::Bytes;
use sluice_codec::{PublishFrame, Version};
use sluice_model::{AccountId, InstanceId, Principal, Qos, UnixMs};
use sluice_policy::Credential;
use sluice_store::log::{
    EmbeddedLog, Log, LogFault, LogOptions, MessageId, Need, QueueId, RealDisk, Receiver, Record, SessionRecord,
    StoredCaller, StoredMessage, Ticket, Waiter, Way,
};

use crate::form::{Form, Found};

/// The log, open, and what all messages have in common.
pub struct Own {
    log: Arc<EmbeddedLog>,
    account: AccountId,
    instance: InstanceId,
    caller: StoredCaller,
}

impl Form for Own {
    fn open(folder: &Path, queues: RangeInclusive<u64>) -> (Self, Vec<Found>) {
        let disk = Arc::new(RealDisk::new(folder).expect("a folder"));
        let (log, recovered) = EmbeddedLog::open(disk, LogOptions::default()).expect("a log");
        let account = AccountId::new(1_234_567_890_123_456).expect("sixteen digits");
        let caller = StoredCaller {
            principal: Principal::Account(account),
            credential: Credential::AccessKey("LTAI0123456789abcdefghij".parse().expect("a key's name")),
            source_ip: Some([127, 0, 0, 1].into()),
            secure_transport: false,
            mfa_present: None,
        };
        let own = Self { log, account, instance: "mqtt-cn-bench".parse().expect("an instance's name"), caller };
        if recovered.sessions.is_empty() {
            for queue in queues {
                own.append(&own.session(queue), Need::Later);
            }
        }
        let found = recovered.messages.into_iter().map(|found| Found {
            id: found.message.id.0,
            queue: found.message.receivers[0].queue.0,
            bytes: found.message.frame.payload().len(),
        });
        (own, found.collect())
    }

    fn message(&self, id: u64, queue: u64, payload: &Bytes) -> u64 {
        let topic = "bench/sensors/0123".parse().expect("a topic");
        let receiver = receiver(queue);
        let message = StoredMessage {
            id: MessageId(id),
            account: self.account,
            instance: Cow::Borrowed(&self.instance),
            frame: Cow::Owned(PublishFrame::kept(topic, payload.clone(), Bytes::new(), None)),
            qos: Qos::AtLeastOnce,
            retain: false,
            accepted: UnixMs(1_700_000_000_000),
            publisher: Cow::Borrowed(&self.caller),
            is_sent_by_operation: false,
            publisher_session: None,
            cause: None,
            receivers: Cow::Borrowed(std::slice::from_ref(&receiver)),
        };
        self.append(&Record::Message(message), Need::Synced)
    }

    fn in_flight(&self, queue: u64, packet: u16, id: u64) -> u64 {
        let receiver = receiver(queue);
        let record = Record::InFlight {
            session: QueueId(queue),
            id: packet,
            message: MessageId(id),
            receiver: Cow::Borrowed(&receiver),
        };
        self.append(&record, Need::Later)
    }

    fn acknowledged(&self, queue: u64, packet: u16, id: u64) -> u64 {
        let position = self.append(&Record::Acknowledged { session: QueueId(queue), id: packet }, Need::Later);
        self.log.forget(MessageId(id));
        position
    }

    fn is_settled(&self, position: u64) -> bool {
        self.log.is_settled(Ticket { position, need: Need::Synced })
    }

    fn wait(&self, position: u64) {
        let ticket = Ticket { position, need: Need::Synced };
        if !self.log.is_settled(ticket) {
            self.log.notify(ticket, Arc::new(Unparks(thread::current())));
        }
        while !self.log.is_settled(ticket) {
            assert_eq!(self.log.fault(), None, "a sound disk");
            thread::park();
        }
    }

    fn syncs(&self) -> u64 {
        self.log.figures().syncs
    }

    fn close(self) {
        self.log.close();
    }
}

impl Own {
    fn session(&self, queue: u64) -> Record<'static> {
        Record::Session(Cow::Owned(SessionRecord {
            session: QueueId(queue),
            account: self.account,
            instance: self.instance.clone(),
            client: format!("GID_bench@@@{queue}").parse().expect("a client's name"),
            owner: self.caller.clone(),
            version: Version::V5,
            connected: UnixMs(1_700_000_000_000),
            expiry_s: u32::MAX,
            will: None,
        }))
    }

    /// Appends, and waits where too much waits to be written already.
    fn append(&self, record: &Record<'_>, need: Need) -> u64 {
        loop {
            match self.log.append(record, need) {
                Ok(ticket) => return ticket.position,
                Err(LogFault::Full) => thread::sleep(std::time::Duration::from_millis(1)),
                Err(fault) => panic!("{fault}"),
            }
        }
    }
}

struct Unparks(thread::Thread);

impl Waiter for Unparks {
    fn settled(&self) {
        self.0.unpark();
    }
}

fn receiver(queue: u64) -> Receiver {
    Receiver {
        queue: QueueId(queue),
        qos: Qos::AtLeastOnce,
        retain: false,
        way: Way::Subscribed,
        identifiers: Vec::new(),
    }
}
