//! What operations see of sessions, and do to them. Each demands a permit for the instance.

use std::{net::IpAddr, sync::Arc};

use sluice_model::{Action, ClientId, InstanceId, Principal, Qos, Resource, TopicFilter, UnixMs};
use sluice_policy::{Context, Permit};

use crate::{Broker, link::Link};

/// A session as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its client.
    pub client: ClientId,
    /// Whether the client is connected.
    pub online: bool,
    /// Its owner.
    pub principal: Principal,
    /// How the owner proved itself.
    pub mode: &'static str,
    /// 3, 4 or 5.
    pub protocol_version: u8,
    /// From where it last connected.
    pub source_ip: Option<IpAddr>,
    /// When it last connected.
    pub connected: UnixMs,
    /// Its subscriptions.
    pub subscriptions: usize,
    /// Messages that wait for it.
    pub queued: usize,
    /// Messages that it has not acknowledged.
    pub in_flight: usize,
    /// When the session ends, if its client stays away.
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
    /// All sessions of the permit's instance, in no order.
    #[must_use]
    pub fn sessions(&self, permit: &Permit, instance: &InstanceId) -> Vec<SessionView> {
        let view = |link: Arc<Link>| SessionView {
            client: link.key.client.clone(),
            online: true,
            principal: link.caller.principal(),
            mode: "Signature",
            protocol_version: link.version.level(),
            source_ip: link.caller.source_ip(),
            connected: link.connected,
            subscriptions: self.router.instance(&link.key.instance_key()).count_of(link.id),
            queued: 0,
            in_flight: 0,
            expires: None,
        };
        self.links(permit, instance).into_iter().map(view).collect()
    }

    /// All subscriptions of the permit's instance, in no order. Cost: a decision each.
    #[must_use]
    pub fn subscriptions(&self, permit: &Permit, instance: &InstanceId, now: UnixMs) -> Vec<SubscriptionView> {
        let mut views = Vec::new();
        for link in self.links(permit, instance) {
            for (filter, options) in self.router.instance(&link.key.instance_key()).filters_of(link.id) {
                let resource = Resource::Topic(link.key.account, instance.clone(), filter.plain().into());
                let allowed =
                    self.authority.authorize(&link.caller, &Action::SUB, &resource, &Context::at(now)).is_ok();
                views.push(SubscriptionView { client: link.key.client.clone(), filter, qos: options.qos, allowed });
            }
        }
        views
    }

    /// Closes the client's connection (0x98) and ends its session; whether there was one.
    pub fn delete_session(&self, permit: &Permit, instance: &InstanceId, client: &ClientId, _now: UnixMs) -> bool {
        self.close_connection(permit, instance, client)
    }

    fn links(&self, permit: &Permit, instance: &InstanceId) -> Vec<Arc<Link>> {
        let mut links = Vec::new();
        if matches!(permit.resource(), Resource::Instance(_, permitted) if permitted == instance) {
            let is_there = |link: &Link| link.key.account == permit.account() && link.key.instance == *instance;
            self.registry.for_each(|link| {
                if is_there(link) {
                    links.push(Arc::clone(link));
                }
            });
        }
        links
    }
}
