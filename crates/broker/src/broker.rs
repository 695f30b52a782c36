//! The room's door.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ahash::AHashSet;
use bytes::Bytes;
use metrics::{Counter, Gauge, counter, gauge};
use sluice_access::{Access, TopicDecisions, Touched};
use sluice_codec::{PublishFrame, ReasonCode};
use sluice_model::{AccountId, Action, ClientId, InstanceId, Qos, Resource, TopicName, UnixMs};
use sluice_policy::{Authority, Permit};
use sluice_router::{InstanceKey, Router, SubscriberId};
use sluice_session::PACKET_BYTES_MAX;

use crate::{
    conductor::Proof,
    link::{Link, SessionKey},
    message::Message,
    registry::Registry,
};

/// Connections and subscriptions of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connected clients.
    pub connections: u64,
    /// Their subscriptions.
    pub subscriptions: u64,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFault {
    /// The parent topic does not exist, or the permit is for something else.
    #[error("the topic does not exist or is not permitted")]
    Refused,
    /// Larger than a packet may be.
    #[error("the message is too large")]
    TooLarge,
}

/// What is counted, over all tenants.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) accepted: Counter,
    pub(crate) delivered: Counter,
    pub(crate) held_back: Counter,
    pub(crate) dropped: Counter,
    pub(crate) refused: Counter,
    pub(crate) connections: Gauge,
}

/// Who is connected, and the way of every message.
pub struct Broker {
    pub(crate) access: Arc<Access>,
    pub(crate) authority: Authority,
    /// What the sessions of a principal share of its answers.
    pub(crate) decisions: TopicDecisions,
    pub(crate) router: Router,
    pub(crate) registry: Registry,
    pub(crate) meters: Meters,
    next_id: AtomicU64,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Broker")
    }
}

impl Broker {
    /// A broker without connections. To be made after the recorder of metrics.
    #[must_use]
    pub fn new(access: Arc<Access>, authority: Authority) -> Arc<Self> {
        let meters = Meters {
            accepted: counter!("sluice_messages_accepted_total"),
            delivered: counter!("sluice_messages_delivered_total"),
            held_back: counter!("sluice_messages_held_back_total"),
            dropped: counter!("sluice_messages_dropped_total"),
            refused: counter!("sluice_refusals_total"),
            connections: gauge!("sluice_connections"),
        };
        Arc::new(Self {
            access,
            decisions: TopicDecisions::new(authority.clone()),
            authority,
            router: Router::new(),
            registry: Registry::new(),
            meters,
            next_id: AtomicU64::new(1),
        })
    }

    /// A number that no connection ever had.
    pub(crate) fn next_id(&self) -> SubscriberId {
        SubscriberId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Publishes by the same conductor as a PUBLISH, at QoS 1. The permit is `mq:SendMessage` on this topic.
    ///
    /// # Errors
    /// [`SendFault`].
    pub fn send_message(
        &self,
        permit: &Permit,
        instance: &InstanceId,
        topic: TopicName,
        payload: Bytes,
        now: UnixMs,
    ) -> Result<(), SendFault> {
        let account = permit.account();
        let resource = Resource::Topic(account, instance.clone(), topic.shared());
        if !permit.covers(&Action::SEND_MESSAGE, &resource)
            || !self.access.topic_exists(account, instance, topic.parent())
        {
            return Err(SendFault::Refused);
        }
        if payload.len() + topic.as_str().len() + 16 > PACKET_BYTES_MAX {
            return Err(SendFault::TooLarge);
        }
        let key = InstanceKey { account, instance: instance.clone() };
        let frame = PublishFrame::new(topic, payload, None);
        let message = Message::new(frame, Qos::AtLeastOnce, now, None);
        self.route(&Proof::Permit(permit), &key, &self.router.instance(&key), message);
        Ok(())
    }

    /// Whether the client is connected to the permit's instance.
    #[must_use]
    pub fn is_online(&self, permit: &Permit, instance: &InstanceId, client: &ClientId) -> bool {
        self.linked(permit, instance, client).is_some()
    }

    /// Closes the client's connection (0x98); whether there was one.
    pub fn close_connection(&self, permit: &Permit, instance: &InstanceId, client: &ClientId) -> bool {
        let link = self.linked(permit, instance, client);
        if let Some(link) = &link {
            tracing::info!(account = %link.key.account, %instance, %client, by = %permit.principal(), "a connection is closed by an operation");
            link.close(ReasonCode::AdministrativeAction);
        }
        link.is_some()
    }

    /// Whoever is connected under this ID, if the permit is for its instance.
    fn linked(&self, permit: &Permit, instance: &InstanceId, client: &ClientId) -> Option<Arc<Link>> {
        if !matches!(permit.resource(), Resource::Instance(_, permitted) if permitted == instance) {
            return None;
        }
        let key = SessionKey { account: permit.account(), instance: instance.clone(), client: client.clone() };
        self.registry.by_key(&key)
    }

    /// Counts of the permit's account.
    #[must_use]
    pub fn counts(&self, permit: &Permit) -> Counts {
        self.counts_of(permit.account())
    }

    fn counts_of(&self, account: AccountId) -> Counts {
        let subscriptions = u64::try_from(self.router.subscription_count(account)).unwrap_or(u64::MAX);
        Counts { connections: self.registry.count(account), subscriptions }
    }

    /// Has everyone whom a change touched decide again. To be called after the change is in force.
    pub fn sweep(&self, touched: &Touched) {
        let principals: AHashSet<_> = touched.principals.iter().copied().collect();
        let of_instance = |link: &Link| {
            touched
                .instances
                .iter()
                .any(|(account, instance)| link.key.account == *account && link.key.instance == *instance)
        };
        let of_group = |link: &Link| {
            touched.groups.iter().any(|(account, instance, group)| {
                link.key.account == *account
                    && link.key.instance == *instance
                    && link.key.client.group_str() == group.as_str()
            })
        };
        self.registry.for_each(|link| {
            if principals.contains(&link.caller.principal())
                || touched.accounts.contains(&link.key.account)
                || of_instance(link)
                || of_group(link)
            {
                link.decide_again();
            }
        });
    }

    /// Has every connection tell its client that the server shuts down (0x8B) and close.
    pub fn drain(&self) {
        self.registry.for_each(|link| link.close(ReasonCode::ServerShuttingDown));
    }

    /// Connections of all accounts.
    #[must_use]
    pub fn connection_count(&self) -> u64 {
        let mut count = 0;
        self.registry.for_each(|_| count += 1);
        count
    }
}
