//! Records as a broker could write them, in any order that one could.

use std::borrow::Cow;

use sluice_codec::{PublishFrame, Version};
use sluice_model::{Qos, UnixMs};
use sluice_store::log::{Cause, MessageId, QueueId, Receiver, Record, SessionRecord, StoredMessage, StoredWill, Way};
use sluice_testkit::Random;

use crate::{reference::Reference, support::caller};

const SESSIONS_MAX: usize = 6;
const SHARES_MAX: usize = 3;
const IDS: u64 = 6;

/// Makes records. Numbers of sessions and messages are never given twice.
#[derive(Debug)]
pub(crate) struct AnyRecord {
    pub(crate) random: Random,
    last_queue: u64,
    last_message: u64,
    now: i64,
}

fn pick<'t, T>(random: &mut Random, from: &'t [T]) -> Option<&'t T> {
    if from.is_empty() { None } else { from.get(random.below(from.len() as u64) as usize) }
}

impl AnyRecord {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), last_queue: 0, last_message: 0, now: 1_000_000 }
    }

    /// The next record where this is so.
    pub(crate) fn next(&mut self, so: &Reference) -> Record<'static> {
        self.now += 1;
        loop {
            let of = match self.random.below(100) {
                0..4 => self.begins(so),
                4..6 => self.share(so),
                6..36 => Some(self.message(so)),
                36..58 => self.in_flight(so),
                58..76 => self.answer(so),
                76..88 => self.dropped(so),
                88..98 => self.of_session(so),
                _ => self.ends(so),
            };
            if let Some(record) = of {
                return record;
            }
        }
    }

    fn session_of(&mut self, so: &Reference) -> Option<QueueId> {
        let sessions: Vec<_> = so.sessions.keys().copied().collect();
        // Now and then one that is not there: it ended, or it is none.
        if self.random.once_in(30) {
            Some(QueueId(1 + self.random.below(self.last_queue + 3)))
        } else {
            pick(&mut self.random, &sessions).copied()
        }
    }

    fn instance(&mut self) -> sluice_model::InstanceId {
        if self.random.once_in(4) { "post-cn-b" } else { "post-cn-a" }.parse().unwrap()
    }

    fn qos(&mut self) -> Qos {
        Qos::from_bits(self.random.below(3) as u8).unwrap()
    }

    fn frame(&mut self) -> PublishFrame {
        let payload: Vec<u8> = (0..self.random.below(200)).map(|byte| byte as u8).collect();
        let topic = format!("topic/{}", self.random.below(5));
        PublishFrame::kept(topic.parse().unwrap(), payload.into(), bytes::Bytes::new(), Some(60))
    }

    fn begins(&mut self, so: &Reference) -> Option<Record<'static>> {
        let sessions: Vec<_> = so.sessions.values().map(|it| it.record.clone()).collect();
        let again = pick(&mut self.random, &sessions).cloned();
        let connected = UnixMs(self.now);
        let will = self.random.once_in(2).then(|| StoredWill {
            frame: self.frame(),
            qos: Qos::AtLeastOnce,
            retain: false,
            delay_s: 3,
        });
        if let Some(record) = again.filter(|_| sessions.len() >= SESSIONS_MAX || self.random.once_in(2)) {
            return Some(Record::Session(Cow::Owned(SessionRecord { connected, will, ..record })));
        }
        self.last_queue += 1;
        let session = QueueId(self.last_queue);
        Some(Record::Session(Cow::Owned(SessionRecord {
            session,
            account: sluice_testkit::account(1),
            instance: self.instance(),
            client: format!("GID_Test@@@{}", session.0).parse().unwrap(),
            owner: caller(),
            version: Version::V5,
            connected,
            expiry_s: 100,
            will,
        })))
    }

    fn share(&mut self, so: &Reference) -> Option<Record<'static>> {
        if so.shares.len() >= SHARES_MAX {
            let share = *so.shares.keys().next()?;
            return Some(Record::ShareEnded(share));
        }
        self.last_queue += 1;
        let (share, instance) = (QueueId(self.last_queue), Cow::Owned(self.instance()));
        let filter = Cow::Owned(format!("$share/g{}/topic/#", share.0).parse().unwrap());
        Some(Record::Share { share, account: sluice_testkit::account(1), instance, filter })
    }

    fn message(&mut self, so: &Reference) -> Record<'static> {
        self.last_message += 1;
        let mut receivers = Vec::new();
        let instance = self.instance();
        let is_of = |queue: QueueId| so.instance_of(queue).is_none_or(|of| of == instance.as_str());
        for queue in [QueueId::RETAINED].iter().chain(so.sessions.keys()).chain(so.shares.keys()) {
            let is_wanted = self.random.once_in(if *queue == QueueId::RETAINED { 8 } else { 3 });
            if is_wanted && is_of(*queue) {
                let identifiers = if self.random.once_in(3) { vec![self.random.number() as u32] } else { vec![] };
                let way = if *queue == QueueId::RETAINED { Way::Retained } else { Way::Subscribed };
                receivers.push(Receiver { queue: *queue, qos: self.qos(), retain: false, way, identifiers });
            }
        }
        receivers.sort_by_key(|receiver| receiver.queue);
        let publisher = so.sessions.keys().copied().find(|session| is_of(*session));
        let cause = match (self.random.below(12), publisher) {
            (0, Some(session)) => Some(Cause::ExactlyOnce { session, id: self.id() }),
            (1, Some(session)) => Some(Cause::Will(session)),
            _ => None,
        };
        Record::Message(StoredMessage {
            id: MessageId(self.last_message),
            account: sluice_testkit::account(1),
            instance: Cow::Owned(instance),
            frame: Cow::Owned(self.frame()),
            qos: self.qos(),
            retain: receivers.first().is_some_and(|receiver| receiver.queue == QueueId::RETAINED),
            accepted: UnixMs(self.now),
            publisher: Cow::Owned(caller()),
            is_sent_by_operation: self.random.once_in(5),
            publisher_session: publisher,
            cause,
            receivers: Cow::Owned(receivers),
        })
    }

    fn id(&mut self) -> u16 {
        1 + self.random.below(IDS) as u16
    }

    /// Sends a message that waits in a session's or a shared subscription's queue, or one that is retained.
    fn in_flight(&mut self, so: &Reference) -> Option<Record<'static>> {
        let sessions: Vec<_> = so.sessions.keys().copied().collect();
        let session = *pick(&mut self.random, &sessions)?;
        let waiting: Vec<_> = so
            .live()
            .into_values()
            .filter(|it| so.instance_of(session) == Some(it.instance.as_str()))
            .flat_map(|it| it.receivers.iter().map(|to| (it.id, to.clone())).collect::<Vec<_>>())
            .filter(|(_, to)| to.queue == session || to.queue == QueueId::RETAINED || so.shares.contains_key(&to.queue))
            .collect();
        let (message, mut receiver) = pick(&mut self.random, &waiting)?.clone();
        if receiver.queue == QueueId::RETAINED {
            receiver.queue = session;
        }
        Some(Record::InFlight { session, id: self.id(), message, receiver: Cow::Owned(receiver) })
    }

    fn answer(&mut self, so: &Reference) -> Option<Record<'static>> {
        let session = self.session_of(so)?;
        let ids: Vec<_> = so.sessions.get(&session).into_iter().flat_map(|it| &it.in_flight).map(|it| it.id).collect();
        let id = if self.random.once_in(20) { self.id() } else { *pick(&mut self.random, &ids)? };
        Some(match self.random.below(8) {
            0 => Record::Received { session, id },
            1..4 => Record::Withdrawn { session, id },
            _ => Record::Acknowledged { session, id },
        })
    }

    fn dropped(&mut self, so: &Reference) -> Option<Record<'static>> {
        let live: Vec<_> = so.live().into_values().collect();
        let it = pick(&mut self.random, &live)?;
        let queue = pick(&mut self.random, &it.receivers)?.queue;
        Some(Record::Dropped { queue, message: it.id })
    }

    fn of_session(&mut self, so: &Reference) -> Option<Record<'static>> {
        let session = self.session_of(so)?;
        let filter = Cow::Owned(format!("topic/{}", self.random.below(4)).parse().unwrap());
        Some(match self.random.below(6) {
            0 => Record::Left {
                session,
                until: UnixMs(self.now + 5000),
                will_at: self.random.once_in(2).then_some(UnixMs(self.now)),
            },
            1 => Record::WillDone(session),
            2 => Record::Subscribed {
                session,
                filter,
                qos: self.qos(),
                no_local: self.random.once_in(2),
                retain_as_published: self.random.once_in(2),
                identifier: self.random.once_in(2).then_some(7),
            },
            3 => Record::Unsubscribed { session, filter },
            4 => Record::Remembered { session, id: self.id() },
            _ => Record::Released { session, id: self.id() },
        })
    }

    fn ends(&mut self, so: &Reference) -> Option<Record<'static>> {
        if self.random.once_in(20) {
            let (account, instance) = (sluice_testkit::account(1), Cow::Owned(self.instance()));
            return Some(Record::InstanceDeleted { account, instance });
        }
        Some(Record::Ended(self.session_of(so)?))
    }
}
