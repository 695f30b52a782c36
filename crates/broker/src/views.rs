//! What operations see of sessions, and do to them. Each demands a permit for the instance.

use std::{net::IpAddr, sync::Arc};

use sluice_access::Clock;
use sluice_codec::ReasonCode;
use sluice_model::{ClientId, InstanceId, Principal, Qos, Resource, TopicFilter, UnixMs};
use sluice_policy::Permit;
use sluice_router::InstanceKey;
use sluice_store::log::{LogFault, Need};

use crate::{Broker, StockFigures, link::Link, live_instance::LiveInstance};

/// A session as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its client.
    pub client: ClientId,
    /// Whether the client is connected.
    pub online: bool,
    /// Its owner.
    pub principal: Principal,
    /// How the owner proved itself at the last CONNECT: `Signature`, `Open`.
    pub mode: &'static str,
    /// 3, 4 or 5.
    pub protocol_version: u8,
    /// From where it last connected.
    pub source_ip: Option<IpAddr>,
    /// When it last connected.
    pub connected: UnixMs,
    /// Its subscriptions.
    pub subscriptions: usize,
    /// Messages that wait for it. What a connection has taken and not written yet is not counted.
    pub queued: usize,
    /// Messages that it has not acknowledged; known while it is away.
    pub in_flight: usize,
    /// When the session ends, if its client stays away; by the wall clock.
    pub expires: Option<UnixMs>,
}

/// A subscription as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// Whose.
    pub client: ClientId,
    /// `$share/…` included.
    pub filter: TopicFilter,
    /// As granted.
    pub qos: Qos,
    /// Whether the owner may hold it now.
    pub allowed: bool,
}

impl Broker {
    /// Whether the client is connected to the permit's instance.
    #[must_use]
    pub fn is_online(&self, permit: &Permit, instance: &InstanceId, client: &ClientId) -> bool {
        self.session(permit, instance, client).is_some_and(|link| link.is_here())
    }

    /// Closes the client's connection (0x98); whether there was one.
    pub fn close_connection(&self, permit: &Permit, instance: &InstanceId, client: &ClientId) -> bool {
        let Some(link) = self.session(permit, instance, client).filter(|link| link.is_here()) else { return false };
        tracing::info!(account = %permit.account(), %instance, %client, by = %permit.principal(), "a connection is closed by an operation");
        link.close(ReasonCode::AdministrativeAction);
        true
    }

    /// Closes the client's connection (0x98) and ends its session; returns once that outlives a restart. Whether there was one.
    ///
    /// # Errors
    /// [`LogFault`]: the session is ended, but may be back after a restart.
    pub async fn delete_session(
        &self,
        permit: &Permit,
        instance: &InstanceId,
        client: &ClientId,
        now: UnixMs,
    ) -> Result<bool, LogFault> {
        let mut ended = None;
        // Again when the session went on under another link meanwhile.
        while let Some(link) = self.session(permit, instance, client) {
            tracing::info!(account = %permit.account(), %instance, %client, by = %permit.principal(), "a session is ended by an operation");
            link.close_and_end(ReasonCode::AdministrativeAction);
            if link.is_here() || self.end_parked(&link, now) {
                ended = Some(link.id);
                break;
            }
        }
        let Some(ended) = ended else { return Ok(false) };
        if let Some(ticket) = self.journal.ended(ended, Need::Synced)? {
            self.journal.settled(ticket).await?;
        }
        Ok(true)
    }

    /// What the permit's instance has stored.
    #[must_use]
    pub fn stock(&self, permit: &Permit, instance: &InstanceId) -> StockFigures {
        self.permitted(permit, instance).map_or_else(StockFigures::default, |live| live.stock.figures())
    }

    /// All sessions of the permit's instance, connected and stored, in no order.
    #[must_use]
    pub fn sessions(&self, permit: &Permit, instance: &InstanceId) -> Vec<SessionView> {
        let mut views = Vec::new();
        if let Some(live) = self.permitted(permit, instance) {
            let clock = self.access.clock();
            live.sessions.for_each(|link| views.push(view(&live, &link, clock)));
        }
        views
    }

    /// All subscriptions of the permit's instance, in no order. Cost: a decision each.
    #[must_use]
    pub fn subscriptions(&self, permit: &Permit, instance: &InstanceId, now: UnixMs) -> Vec<SubscriptionView> {
        let mut views = Vec::new();
        let Some(live) = self.permitted(permit, instance) else { return views };
        live.sessions.for_each(|link| {
            let identity = &link.identity;
            let may_use_group = self.ask_group(identity, now).is_ok();
            for (filter, options) in live.index.filters_of(link.id) {
                let allowed = may_use_group && self.ask_filter(identity, &filter, now).is_ok();
                views.push(SubscriptionView { client: identity.client.clone(), filter, qos: options.qos, allowed });
            }
        });
        views
    }

    /// The live side of an instance, if the permit is for it.
    fn permitted(&self, permit: &Permit, instance: &InstanceId) -> Option<Arc<LiveInstance>> {
        if !matches!(permit.resource(), Resource::Instance(_, permitted) if permitted == instance) {
            return None;
        }
        self.instances.get(&InstanceKey { account: permit.account(), instance: instance.clone() })
    }

    fn session(&self, permit: &Permit, instance: &InstanceId, client: &ClientId) -> Option<Arc<Link>> {
        self.permitted(permit, instance)?.sessions.get(client)
    }
}

fn view(live: &LiveInstance, link: &Link, clock: &Clock) -> SessionView {
    let identity = &link.identity;
    let (queued, in_flight, expires) = link.with_outbox(|outbox| {
        let queued = outbox.len();
        let parked = outbox.parked();
        let expires = parked.as_ref().map(|parked| parked.until).filter(|until| *until != UnixMs::NEVER);
        (queued, parked.map_or(0, |parked| parked.state.in_flight()), expires)
    });
    SessionView {
        client: identity.client.clone(),
        online: link.is_here(),
        principal: identity.caller.principal(),
        mode: identity.caller.credential().mode(),
        protocol_version: identity.version.level(),
        source_ip: identity.caller.source_ip(),
        connected: identity.connected,
        subscriptions: live.index.count_of(link.id),
        queued,
        in_flight,
        expires: expires.map(|until| clock.shown(until)),
    }
}
