//! From the log back into memory: sessions with their queues, shared subscriptions, retained messages, wills. What is restored
//! is permitted anew: a session and its subscriptions here, a message when it is delivered, a will when it is published.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::Ordering},
};

use sluice_access::TopicAction;
use sluice_model::{AccountId, InstanceId, Qos, UnixMs};
use sluice_policy::Caller;
use sluice_router::{InstanceKey, SubscriberId, SubscriptionOptions};
use sluice_session::{InFlight, SessionState, Stage};
use sluice_store::log::{
    InFlightMessage, MessageId, Need, QueueId, Receiver, Record, Recovered, RecoveredMessage, RecoveredSession,
    RecoveredShare, StoredCaller,
};

use crate::{
    Broker,
    backlog::Held,
    leave::after,
    link::{Identity, Link},
    live_instance::LiveInstance,
    message::{Message, Origin, Waiting},
    outbox::Parked,
    will::PendingWill,
};

/// What is being restored.
#[derive(Default)]
struct Restoring {
    messages: HashMap<MessageId, Arc<Message>, ahash::RandomState>,
    queues: HashMap<QueueId, Vec<(Arc<Message>, Receiver)>, ahash::RandomState>,
    /// By the publisher, its session, and whether an operation sent it.
    origins: HashMap<(StoredCaller, Option<QueueId>, bool), Arc<Origin>, ahash::RandomState>,
}

impl Broker {
    /// Takes up what outlived the process before. To be called once, before anybody can connect.
    pub(crate) fn restore(&self, recovered: Recovered) {
        if let Some(latest) = recovered.latest {
            self.access.clock().go_on_from(latest);
        }
        let now = self.access.clock().now();
        let mut restoring = Restoring::default();
        for message in recovered.messages {
            self.restore_message(&mut restoring, message);
        }
        for share in &recovered.shares {
            if let Some(live) = self.live_instance(share.account, &share.instance) {
                live.shares.lock().insert(share.filter.clone(), share.share);
            }
        }
        let links: Vec<_> = recovered
            .sessions
            .into_iter()
            .filter_map(|session| self.restore_session(&mut restoring, session, now))
            .collect();
        for share in recovered.shares {
            self.restore_backlog(&mut restoring, share);
        }
        // A queue whose session or shared subscription is gone.
        for (queue, left) in restoring.queues {
            for (message, _) in left.iter().filter(|_| queue != QueueId::RETAINED) {
                self.drop_restored(queue, message);
            }
        }
        for link in &links {
            self.decide_for_parked(link, now);
        }
    }

    fn drop_restored(&self, queue: QueueId, message: &Message) {
        if let Some(stored) = &message.stored {
            self.journal.note(&Record::Dropped { queue, message: stored.id });
        }
    }

    /// The live side of an instance, if it is still there.
    fn live_instance(&self, account: AccountId, instance: &InstanceId) -> Option<Arc<LiveInstance>> {
        self.access.instance(account, instance)?;
        Some(self.instances.of(&InstanceKey { account, instance: instance.clone() }))
    }

    fn restore_message(&self, restoring: &mut Restoring, recovered: RecoveredMessage) {
        let stored = recovered.message;
        let Some(live) = self.live_instance(stored.account, &stored.instance) else {
            self.journal.forget(stored.id);
            return;
        };
        let kept = stored.publisher.as_ref();
        let by = (kept.clone(), stored.publisher_session, stored.is_sent_by_operation);
        let origin = restoring.origins.entry(by).or_insert_with(|| {
            let action = if stored.is_sent_by_operation { TopicAction::Send } else { TopicAction::Publish };
            let publisher = stored.publisher_session.map(|queue| SubscriberId(queue.0));
            Origin::new(self.caller_of_before(kept), action, publisher, None)
        });
        let frame = stored.frame.into_owned();
        let mut message = Message::new(frame, stored.qos, stored.retain, stored.accepted, Arc::clone(origin));
        let is_retained = |receiver: &Receiver| receiver.queue == QueueId::RETAINED;
        let is_queued = !stored.receivers.iter().all(is_retained);
        let place = self.journal.stored_before(&live, stored.id, message.bytes, is_queued);
        message.stored = Some(Box::new(place));
        let message = Arc::new(message);
        for receiver in stored.receivers.into_owned() {
            if is_retained(&receiver) {
                // In the order of their numbers: an older one of the topic was about to be replaced.
                if let Some(replaced) = live.retained.keep(&message) {
                    self.drop_restored(QueueId::RETAINED, &replaced);
                }
            } else {
                restoring.queues.entry(receiver.queue).or_default().push((Arc::clone(&message), receiver));
            }
        }
        restoring.messages.insert(stored.id, message);
    }

    fn caller_of_before(&self, kept: &StoredCaller) -> Caller {
        let StoredCaller { principal, credential, source_ip, secure_transport, mfa_present } = kept.clone();
        self.access.caller_of_before(principal, credential, source_ip, secure_transport, mfa_present)
    }

    /// What no member has acknowledged waits for whichever comes first. [MQTT-4.8.2-4]
    fn restore_backlog(&self, restoring: &mut Restoring, recovered: RecoveredShare) {
        let RecoveredShare { share, account, instance, filter } = recovered;
        let Some(live) = self.live_instance(account, &instance) else { return };
        let limits = self.limits_of(&live);
        let mut waiting = restoring.queues.remove(&share).unwrap_or_default();
        waiting.sort_by_key(|(message, _)| message.stored.as_ref().map(|stored| stored.id));
        for (message, _) in waiting {
            let held = Held { message, refused_by: Vec::new() };
            for dropped in live.with_backlogs(|backlogs| backlogs.push(&filter, held, &limits)) {
                self.drop_restored(share, &dropped.message);
            }
        }
        self.forget_backlog(&live, &filter);
    }

    fn restore_session(
        &self,
        restoring: &mut Restoring,
        recovered: RecoveredSession,
        now: UnixMs,
    ) -> Option<Arc<Link>> {
        let RecoveredSession { record, left, subscriptions, in_flight, remembered } = recovered;
        let id = SubscriberId(record.session.0);
        let Some(live) = self.live_instance(record.account, &record.instance) else {
            let _taken = self.journal.ended(id, Need::Later);
            return None;
        };
        let identity = Identity {
            client: record.client,
            instance: Arc::clone(&live),
            caller: self.caller_of_before(&record.owner),
            is_stored: true,
            version: record.version,
            connected: record.connected,
        };
        let delay_s = record.will.as_ref().map_or(0, |will| will.delay_s);
        let (until, will_at) = left.unwrap_or_else(|| {
            // Its connection ended with the process: its time runs from now.
            let steady = self.steady(now);
            let until = if record.expiry_s == u32::MAX { UnixMs::NEVER } else { after(steady, record.expiry_s) };
            let will_at = record.will.is_some().then(|| after(steady, delay_s));
            self.journal.left(id, until, will_at);
            (until, will_at)
        });
        let will = record.will.zip(will_at).map(|(will, at)| PendingWill::of_before(will, at));
        for one in subscriptions {
            let options = SubscriptionOptions {
                qos: one.qos,
                no_local: one.no_local,
                retain_as_published: one.retain_as_published,
                id: one.identifier,
            };
            live.index.subscribe(id, &one.filter, options);
        }
        let (state, waiting) = restore_queue(restoring, (&live, record.session), in_flight, remembered);
        if let Some(will) = &will {
            self.agenda.enter(will.at, id);
        }
        self.agenda.enter(until, id);
        let parked = Box::new(Parked { state, will, until });
        let link = Arc::new(Link::away(id, identity, &self.limits_of(&live), parked, waiting));
        if live.enter(&link, None).is_err() {
            tracing::error!(account = %live.key.account, instance = %live.key.instance, client = %link.identity.client, "the log holds two sessions of one client; the older one stays");
            live.index.remove_all(id);
            let _taken = self.journal.ended(id, Need::Later);
            return None;
        }
        self.registry.enter(&link);
        live.stored_sessions.fetch_add(1, Ordering::AcqRel);
        Some(link)
    }
}

/// What a session has in flight, and what waits for it.
fn restore_queue(
    restoring: &mut Restoring,
    (live, session): (&LiveInstance, QueueId),
    in_flight: Vec<InFlightMessage>,
    remembered: Vec<u16>,
) -> (SessionState<Waiting>, VecDeque<Waiting>) {
    let queue = restoring.queues.remove(&session).unwrap_or_default();
    let waiting = queue.into_iter().map(|(message, receiver)| Waiting::new(message, None, &receiver)).collect();
    let mut again = Vec::with_capacity(in_flight.len());
    for InFlightMessage { id, message } in in_flight {
        let Some((message, receiver)) = message else {
            again.push(InFlight { id, stage: Stage::Complete, held: None });
            continue;
        };
        let Some(message) = restoring.messages.get(&message).cloned() else {
            if receiver.qos == Qos::ExactlyOnce {
                // The client may have it: the exchange is completed, and its identifier free after that.
                again.push(InFlight { id, stage: Stage::Complete, held: None });
            }
            continue;
        };
        let is_shared = receiver.queue != session;
        if is_shared && receiver.qos != Qos::ExactlyOnce {
            restoring.queues.entry(receiver.queue).or_default().push((message, receiver));
            continue;
        }
        let stage = if receiver.qos == Qos::ExactlyOnce { Stage::Receive } else { Stage::Acknowledge };
        let share = if is_shared {
            live.share_filter(receiver.queue).and_then(|filter| live.index.share(&filter))
        } else {
            None
        };
        again.push(InFlight { id, stage, held: Some(Box::new(Waiting::new(message, share, &receiver))) });
    }
    (SessionState::kept(again, remembered), waiting)
}
