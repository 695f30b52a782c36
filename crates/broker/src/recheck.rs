//! Deciding again: after a change, at the end of a time-bound right, and before a grant that is no longer current is used.

use sluice_codec::ReasonCode;
use sluice_model::{Action, GroupId, Resource, TopicFilter, UnixMs};
use sluice_policy::{Caller, Context, Denied, Grant, Permit, Reason};

use crate::{Broker, Client, link::Identity, live_instance::LiveInstance, outbox::Bounds, refusal::Asked};

/// Coverings of a client: they are looked through at each delivery.
const COVERINGS_MAX: usize = 8;

/// Why a connection may not go on.
pub(crate) struct Ended {
    pub(crate) reason: ReasonCode,
    /// What was logged and kept; `None` when nobody can say at present.
    pub(crate) told: Option<String>,
}

/// Nobody can say at present whether it may go on. Logged once, by whoever found out.
const UNDECIDED: Ended = Ended { reason: ReasonCode::ServerBusy, told: None };

fn ended(told: String) -> Ended {
    Ended { reason: ReasonCode::NotAuthorized, told: Some(told) }
}

impl Client {
    /// Whether the connection may stay. Cost while nothing changed: three atomic loads.
    pub(crate) fn stay(&mut self, now: UnixMs) -> Result<(), ReasonCode> {
        if let Some(reason) = self.link.closing() {
            return Err(reason);
        }
        if self.link.must_decide_again()
            || !self.broker.authority.renew(&self.instance_grant, now)
            || now >= self.valid_until
        {
            return self.decide_again(now).map_err(|ended| ended.reason);
        }
        Ok(())
    }

    /// Asks for everything that this connection holds: the instance, the group, each subscription.
    pub(crate) fn decide_again(&mut self, now: UnixMs) -> Result<(), Ended> {
        let identity = &self.link.identity;
        match self.broker.ask_instance(&identity.caller, &identity.instance, now) {
            Ok(permit) => {
                self.instance_grant = permit.remember();
                self.origin = None;
                self.known_parent = None;
            }
            // What waits for the client goes on waiting.
            Err(denied) if denied.reason == Reason::Unavailable => return Err(UNDECIDED),
            Err(denied) => {
                self.broker.meters.refused.increment(1);
                return Err(ended(self.broker.refuse("connection", identity, &denied)));
            }
        }
        let Some(settings) = self.broker.settings_of(&identity.instance) else {
            let asked = Asked::instance(&identity.instance.key);
            let why = "the instance is gone";
            return Err(ended(self.broker.refuse_without_policy("connection", identity, asked, why)));
        };
        let bounds = Bounds::of(&settings.limits, identity.is_stored);
        self.link.with_outbox(|outbox| outbox.bound(bounds));
        self.settings = settings;
        if !self.broker.group_stands(identity) {
            let (asked, why) = (Asked::group(identity), "the group is gone");
            return Err(ended(self.broker.refuse_without_policy("connection", identity, asked, why)));
        }
        self.group_grant = None;
        self.coverings = Vec::new();
        self.valid_until = self.instance_grant.valid_until();
        for (filter, _) in self.link.identity.instance.index.filters_of(self.link.id) {
            match self.may_subscribe(&filter, now) {
                Ok(until) => {
                    self.valid_until = self.valid_until.min(until);
                    self.cover(&filter, now);
                }
                Err(refused) if refused.is_unavailable() => return Err(UNDECIDED),
                Err(refused) => {
                    self.broker.meters.refused.increment(1);
                    let _nobody_is_told = refused.tell("subscription", &self.broker, &self.link.identity, &filter);
                    self.take_subscription(&filter);
                    self.broker.journal.unsubscribed(self.link.id, &filter);
                }
            }
        }
        Ok(())
    }

    /// Remembers that every topic of a filter is allowed, where it is; only wildcards are worth it.
    pub(crate) fn cover(&mut self, filter: &TopicFilter, now: UnixMs) {
        let Identity { caller, instance, .. } = &self.link.identity;
        self.coverings.retain(|covering| covering.filter() != filter);
        if filter.has_wildcard() && self.coverings.len() < COVERINGS_MAX {
            let place = (instance.key.account, &instance.key.instance);
            self.coverings.extend(self.broker.authority.cover(caller, &Action::SUB, place, filter, now));
        }
    }

    /// `mq:SUB` on the client's group. The open listener knows no groups.
    pub(crate) fn may_use_group(&mut self, now: UnixMs) -> Result<(), Box<Denied>> {
        if self.group_grant.as_ref().is_some_and(|grant| self.broker.authority.renew(grant, now)) {
            return Ok(());
        }
        let identity = &self.link.identity;
        self.group_grant = self.broker.ask_group(identity, now)?.map(|permit| permit.remember());
        Ok(())
    }

    /// Everything that a subscription needs; until when the yes holds.
    pub(crate) fn may_subscribe(&mut self, filter: &TopicFilter, now: UnixMs) -> Result<UnixMs, NotSubscribed> {
        self.may_use_group(now).map_err(NotSubscribed::Denied)?;
        let until = self.broker.ask_filter(&self.link.identity, filter, now)?;
        let group = self.group_grant.as_ref().map_or(UnixMs::NEVER, Grant::valid_until);
        Ok(until.min(group))
    }
}

impl Broker {
    /// `mq:MqttInstanceAccess`.
    pub(crate) fn ask_instance(
        &self,
        caller: &Caller,
        live: &LiveInstance,
        now: UnixMs,
    ) -> Result<Permit, Box<Denied>> {
        let resource = Resource::Instance(live.key.account, live.key.instance.clone());
        self.authority.authorize(caller, &Action::INSTANCE_ACCESS, &resource, &Context::at(now)).map_err(Box::new)
    }

    /// Whether the group of a client is still there; a client of the open listener has none.
    pub(crate) fn group_stands(&self, identity: &Identity) -> bool {
        let key = &identity.instance.key;
        let stands = |group: GroupId| self.access.group_exists(key.account, &key.instance, &group);
        identity.client.group().is_none_or(stands)
    }

    /// `mq:SUB` on the group of a client, if it has one.
    pub(crate) fn ask_group(&self, identity: &Identity, now: UnixMs) -> Result<Option<Permit>, Box<Denied>> {
        let key = &identity.instance.key;
        let Some(group) = identity.client.group() else { return Ok(None) };
        let resource = Resource::Group(key.account, key.instance.clone(), group);
        let asked = self.authority.authorize(&identity.caller, &Action::SUB, &resource, &Context::at(now));
        asked.map(Some).map_err(Box::new)
    }

    /// `mq:SUB` on a filter, whose parent topic exists; until when the yes holds.
    pub(crate) fn ask_filter(
        &self,
        identity: &Identity,
        filter: &TopicFilter,
        now: UnixMs,
    ) -> Result<UnixMs, NotSubscribed> {
        let key = &identity.instance.key;
        // The open listener needs no parent topics.
        let needs_parent = identity.client.has_group() && !matches!(filter.parent(), "+" | "#");
        if needs_parent && !self.access.topic_exists(key.account, &key.instance, filter.parent()) {
            return Err(NotSubscribed::NoTopic);
        }
        let resource = Resource::Topic(key.account, key.instance.clone(), filter.plain().into());
        let asked = self.authority.authorize(&identity.caller, &Action::SUB, &resource, &Context::at(now));
        asked.map(|permit| permit.valid_until()).map_err(|denied| NotSubscribed::Denied(Box::new(denied)))
    }
}

/// Why a subscription may not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSubscribed {
    /// The parent topic was not created.
    #[error("the parent topic does not exist")]
    NoTopic,
    /// No right on the topic or the group.
    #[error(transparent)]
    Denied(Box<Denied>),
}

impl NotSubscribed {
    /// Whether nobody can say at present.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Denied(denied) if denied.reason == Reason::Unavailable)
    }

    /// Logs and keeps it, and gives the sentence for the client.
    pub(crate) fn tell(
        &self,
        what: &'static str,
        broker: &Broker,
        identity: &Identity,
        filter: &TopicFilter,
    ) -> String {
        match self {
            Self::NoTopic => {
                let asked = Asked::subscribe(&identity.instance.key, filter.plain());
                broker.refuse_without_policy(what, identity, asked, self)
            }
            Self::Denied(denied) => broker.refuse(what, identity, denied),
        }
    }
}
