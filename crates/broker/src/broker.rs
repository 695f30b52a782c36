//! The room's door.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use metrics::{Counter, Gauge, counter, gauge};
use sluice_access::{Access, TopicAction, TopicDecisions};
use sluice_codec::PublishFrame;
use sluice_model::{AccountId, Action, InstanceId, Qos, Resource, TopicName, UnixMs};
use sluice_policy::{Authority, Caller, Permit};
use sluice_router::{InstanceKey, SubscriberId};
use sluice_store::log::{Log, LogFault, Recovered};

use crate::{
    agenda::Agenda,
    conductor::Proof,
    journal::{Journal, need_of},
    live_instance::LiveInstances,
    message::{Message, Origin},
    registry::Registry,
    tidy::Tidying,
    wake::Wakes,
};

/// Connections and subscriptions of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connected clients.
    pub connections: u64,
    /// Subscriptions of connected and stored sessions.
    pub subscriptions: u64,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFault {
    /// The parent topic does not exist, or the permit is for something else.
    #[error("the topic does not exist or is not permitted")]
    Refused,
    /// Larger than a packet or a payload may be.
    #[error("the message is too large")]
    TooLarge,
    /// The topic is longer or deeper than the instance takes.
    #[error("the topic is too long or has too many levels")]
    Topic,
    /// More messages in this second than the instance may have.
    #[error("the instance has as many messages in this second as it may")]
    TooMany,
    /// It has to be stored, and cannot be.
    #[error(transparent)]
    NotStored(#[from] LogFault),
}

/// What is counted, over all tenants.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) accepted: Counter,
    pub(crate) delivered: Counter,
    pub(crate) held_back: Counter,
    pub(crate) dropped: Counter,
    pub(crate) evicted: Counter,
    pub(crate) given_up: Counter,
    pub(crate) expired: Counter,
    pub(crate) not_stored: Counter,
    pub(crate) refused: Counter,
    pub(crate) connections: Gauge,
}

impl Meters {
    fn new() -> Self {
        Self {
            accepted: counter!("sluice_messages_accepted_total"),
            delivered: counter!("sluice_messages_delivered_total"),
            held_back: counter!("sluice_messages_held_back_total"),
            dropped: counter!("sluice_messages_dropped_total"),
            evicted: counter!("sluice_messages_evicted_total"),
            given_up: counter!("sluice_messages_given_up_total"),
            expired: counter!("sluice_messages_expired_total"),
            not_stored: counter!("sluice_messages_not_stored_total"),
            refused: counter!("sluice_refusals_total"),
            connections: gauge!("sluice_connections"),
        }
    }
}

/// Who is connected, and the way of every message.
pub struct Broker {
    pub(crate) access: Arc<Access>,
    pub(crate) authority: Authority,
    /// What the sessions of a principal share of its answers.
    pub(crate) decisions: TopicDecisions,
    pub(crate) instances: LiveInstances,
    pub(crate) registry: Registry,
    pub(crate) agenda: Agenda,
    pub(crate) journal: Journal,
    pub(crate) tidying: Tidying,
    pub(crate) meters: Meters,
    next_id: AtomicU64,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Broker")
    }
}

impl Broker {
    /// A broker without connections, and with what outlived the process before. To be made after the recorder of metrics;
    /// [`Broker::keep_time`] must run beside it.
    #[must_use]
    pub fn new(access: Arc<Access>, authority: Authority, log: Arc<dyn Log>, recovered: Recovered) -> Arc<Self> {
        let last = SubscriberId(recovered.last_queue).place();
        let broker = Arc::new(Self {
            access,
            decisions: TopicDecisions::new(authority.clone()),
            authority,
            instances: LiveInstances::default(),
            registry: Registry::new(),
            agenda: Agenda::default(),
            tidying: Tidying::default(),
            journal: Journal::new(log, recovered.last_message),
            meters: Meters::new(),
            next_id: AtomicU64::new(last + 1),
        });
        broker.restore(recovered);
        broker
    }

    /// A number that no session ever had, for one that outlives its connection or does not.
    pub(crate) fn next_id(&self, is_stored: bool) -> SubscriberId {
        SubscriberId::new(self.next_id.fetch_add(1, Ordering::Relaxed), is_stored)
    }

    /// Publishes by the same conductor as a PUBLISH, at QoS 1; returns when the message is as safe as the instance promises.
    /// The permit is the caller's `mq:SendMessage` on this topic.
    ///
    /// # Errors
    /// [`SendFault`].
    pub async fn send_message(
        &self,
        (permit, caller): (&Permit, &Caller),
        instance: &InstanceId,
        topic: TopicName,
        payload: Bytes,
        now: UnixMs,
    ) -> Result<(), SendFault> {
        let account = permit.account();
        let resource = Resource::Topic(account, instance.clone(), topic.shared());
        if !permit.covers(&Action::SEND_MESSAGE, &resource)
            || permit.principal() != caller.principal()
            || !self.access.topic_exists(account, instance, topic.parent())
        {
            return Err(SendFault::Refused);
        }
        let Some(settings) = self.access.instance(account, instance) else { return Err(SendFault::Refused) };
        if !settings.limits.admits_topic(&topic) {
            return Err(SendFault::Topic);
        }
        let most = |most: u32| usize::try_from(most).unwrap_or(usize::MAX);
        if payload.len() > most(settings.limits.payload_bytes_max)
            || payload.len() + topic.as_str().len() + 16 > most(settings.limits.packet_bytes_max)
        {
            return Err(SendFault::TooLarge);
        }
        let live = self.instances.of(&InstanceKey { account, instance: instance.clone() });
        let origin = Origin::new(caller.clone(), TopicAction::Send, None, Some(permit.remember()));
        let frame = PublishFrame::new(topic, payload, None);
        let message = Message::new(frame, Qos::AtLeastOnce, false, self.steady(now), origin);
        self.within(&live, &settings.limits, &message, now).map_err(|_over| SendFault::TooMany)?;
        live.count_operation(permit.principal(), message.qos, message.bytes);
        self.meters.accepted.increment(1);
        let need = need_of(settings.durability);
        let ticket = self.route(&Proof::Permit(permit), &live, message, (None, need), &mut Wakes::default())?;
        if let Some(ticket) = ticket {
            self.journal.settled(ticket).await?;
        }
        Ok(())
    }

    /// Counts of the permit's account.
    #[must_use]
    pub fn counts(&self, permit: &Permit) -> Counts {
        self.counts_of(permit.account())
    }

    fn counts_of(&self, account: AccountId) -> Counts {
        let mut counts = Counts::default();
        for live in self.instances.all().iter().filter(|live| live.key.account == account) {
            counts.connections += u64::from(live.connections.load(Ordering::Relaxed));
            counts.subscriptions += u64::try_from(live.index.subscription_count()).unwrap_or(u64::MAX);
        }
        counts
    }

    /// Connections of all accounts.
    #[must_use]
    pub fn connection_count(&self) -> u64 {
        self.instances.all().iter().map(|live| u64::from(live.connections.load(Ordering::Acquire))).sum()
    }
}
