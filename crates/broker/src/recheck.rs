//! Deciding again: after a change, at the end of a time-bound right, and before a grant that is no longer current is used.

use sluice_codec::ReasonCode;
use sluice_model::{Action, GroupId, Resource, TopicFilter, UnixMs};
use sluice_policy::{Context, Denied, Grant};

use crate::{
    Client,
    link::Link,
    refusal::{log_denied, log_refused},
};

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
            return self.decide_again(now);
        }
        Ok(())
    }

    /// Asks for everything that this connection holds: the instance, the group, each subscription.
    pub(crate) fn decide_again(&mut self, now: UnixMs) -> Result<(), ReasonCode> {
        let (account, instance) = (self.instance_key.account, self.instance_key.instance.clone());
        let resource = Resource::Instance(account, instance.clone());
        let asked =
            self.broker.authority.authorize(&self.link.caller, &Action::INSTANCE_ACCESS, &resource, &Context::at(now));
        match asked {
            Ok(permit) => self.instance_grant = permit.remember(),
            Err(denied) => {
                self.broker.meters.refused.increment(1);
                log_denied("connection", &self.link.key, &self.link.caller, &denied);
                return Err(ReasonCode::NotAuthorized);
            }
        }
        let Some(settings) = self.broker.access.instance(account, &instance) else {
            log_refused("connection", &self.link.key, &self.link.caller, "the instance is gone");
            return Err(ReasonCode::NotAuthorized);
        };
        self.settings = settings;
        let group = self.link.key.client.group();
        if group.is_some_and(|group| !self.broker.access.group_exists(account, &instance, &group)) {
            log_refused("connection", &self.link.key, &self.link.caller, "the group is gone");
            return Err(ReasonCode::NotAuthorized);
        }
        self.group_grant = None;
        self.valid_until = self.instance_grant.valid_until();
        for (filter, _) in self.index.filters_of(self.link.id) {
            match self.may_subscribe(&filter, now) {
                Ok(until) => self.valid_until = self.valid_until.min(until),
                Err(refused) => {
                    self.broker.meters.refused.increment(1);
                    refused.log("subscription", &self.link);
                    self.index.unsubscribe(self.link.id, &filter);
                }
            }
        }
        Ok(())
    }

    /// `mq:SUB` on the client's group.
    pub(crate) fn may_use_group(&mut self, now: UnixMs) -> Result<(), Box<Denied>> {
        if self.group_grant.as_ref().is_some_and(|grant| self.broker.authority.renew(grant, now)) {
            return Ok(());
        }
        // The open listener knows no groups.
        let Some(group) = self.link.key.client.group() else { return Ok(()) };
        self.group_grant = Some(self.ask_group(group, now)?);
        Ok(())
    }

    fn ask_group(&self, group: GroupId, now: UnixMs) -> Result<Grant, Box<Denied>> {
        let key = &self.link.key;
        let resource = Resource::Group(key.account, key.instance.clone(), group);
        let permit = self.broker.authority.authorize(&self.link.caller, &Action::SUB, &resource, &Context::at(now));
        Ok(permit?.remember())
    }

    /// Everything that a subscription needs; until when the yes holds.
    pub(crate) fn may_subscribe(&mut self, filter: &TopicFilter, now: UnixMs) -> Result<UnixMs, NotSubscribed> {
        let (account, instance) = (self.instance_key.account, self.instance_key.instance.clone());
        let is_wildcard = matches!(filter.parent(), "+" | "#");
        if !is_wildcard && !self.broker.access.topic_exists(account, &instance, filter.parent()) {
            return Err(NotSubscribed::NoTopic);
        }
        self.may_use_group(now).map_err(NotSubscribed::Denied)?;
        let resource = Resource::Topic(account, instance, filter.plain().into());
        let permit = self
            .broker
            .authority
            .authorize(&self.link.caller, &Action::SUB, &resource, &Context::at(now))
            .map_err(|denied| NotSubscribed::Denied(Box::new(denied)))?;
        let group = self.group_grant.as_ref().map_or(UnixMs::NEVER, Grant::valid_until);
        Ok(permit.valid_until().min(group))
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
    pub(crate) fn log(&self, what: &'static str, link: &Link) {
        match self {
            Self::NoTopic => log_refused(what, &link.key, &link.caller, self),
            Self::Denied(denied) => log_denied(what, &link.key, &link.caller, denied),
        }
    }
}
