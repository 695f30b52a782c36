//! SUBSCRIBE and UNSUBSCRIBE.

use std::borrow::Cow;

use bytes::BytesMut;
use sluice_codec::{FilterOptions, Packet, ReasonCode, SubAck, Subscribe, UnsubAck, Unsubscribe};
use sluice_model::{Qos, TopicFilter, UnixMs};
use sluice_router::{Subscribed, SubscriptionOptions};
use sluice_store::log::{LogFault, Record, Ticket};

use crate::{
    Client, Flow,
    delivery::Replay,
    held::reason_of,
    journal::queue,
    quota::OverQuota,
    recheck::NotSubscribed,
    refusal::{Asked, Met, log_refused},
};

/// One filter's answer when it is not entered.
struct Refused {
    reason: ReasonCode,
    why: String,
    /// A missing right: what `DenyAction` speaks of.
    is_denied: bool,
}

fn refuse<T>(reason: ReasonCode, why: String) -> Result<T, Refused> {
    Err(Refused { reason, why, is_denied: false })
}

impl Client {
    /// Asks for each filter, then enters those that may be. A missing right closes the connection, if the instance says
    /// so, before any filter of the packet is entered.
    pub(crate) fn subscribe(&mut self, packet: Subscribe, now: UnixMs, out: &mut BytesMut) -> Flow {
        let identifier = packet.identifier();
        let most = usize::try_from(self.settings.limits.client_subscriptions_max).unwrap_or(usize::MAX);
        let mut answers = Vec::with_capacity(packet.filters.len().min(most));
        for (place, (filter, options)) in packet.filters.iter().enumerate() {
            // One packet has room for hundreds of thousands: what cannot be entered is not asked either.
            let answer = if place < most { self.ask(filter, *options, now) } else { self.over_quota(filter, now) };
            if let Err(Refused { reason: ReasonCode::ServerBusy, why, .. }) = &answer {
                return self.close(ReasonCode::ServerBusy, Some(why), out);
            }
            if let Err(Refused { is_denied: true, why, .. }) = &answer
                && self.closes_when_denied()
            {
                return self.close(ReasonCode::NotAuthorized, Some(why), out);
            }
            answers.push(answer);
        }
        let mut reasons = Vec::with_capacity(answers.len());
        let (mut first_why, mut last_ticket) = (None, None);
        for ((filter, options), answer) in packet.filters.iter().zip(answers) {
            reasons.push(match answer.and_then(|until| self.enter(filter, *options, identifier, (until, now))) {
                Ok((granted, ticket)) => {
                    last_ticket = ticket.or(last_ticket);
                    granted
                }
                Err(Refused { reason, why, .. }) => {
                    first_why.get_or_insert(why);
                    reason
                }
            });
        }
        let properties = self.session.reason_string(first_why.as_deref());
        let suback = SubAck { packet_id: packet.packet_id, properties, reasons };
        if self.write_when(last_ticket, Some(Packet::SubAck(suback)), out) == Flow::Close {
            return Flow::Close;
        }
        // Retained messages follow.
        self.deliver_waiting(now, out)
    }

    fn ask(&mut self, filter: &TopicFilter, options: FilterOptions, now: UnixMs) -> Result<UnixMs, Refused> {
        let limits = &self.settings.limits;
        if filter.share().is_some() && !limits.serves_shared {
            let why = "shared subscriptions are not served";
            return self.not_served(filter, (Met::Shared, ReasonCode::SharedSubscriptionsNotSupported, why), now);
        }
        if !limits.admits_filter(filter) {
            let why = "the filter is too long or has too many levels";
            return self.not_served(filter, (Met::FilterForm, ReasonCode::TopicFilterInvalid, why), now);
        }
        if options.qos == Qos::ExactlyOnce && self.link.identity.is_stored && !limits.serves_stored_qos2 {
            let why = "QoS 2 is not served for a stored session";
            return self.not_served(filter, (Met::StoredQos2, ReasonCode::ImplementationSpecificError, why), now);
        }
        let identity = &self.link.identity;
        if identity.client.has_group() && filter.names_another_p2p(&identity.client) {
            let why = "the filter names another client's point-to-point topic";
            self.broker.meters.refused.increment(1);
            let asked = Asked::subscribe(&identity.instance.key, filter.plain());
            let why = self.broker.refuse_without_policy("SUBSCRIBE", identity, asked, why);
            return Err(Refused { reason: ReasonCode::NotAuthorized, why, is_denied: true });
        }
        self.may_subscribe(filter, now).map_err(|not: NotSubscribed| {
            if not.is_unavailable() {
                return Refused { reason: ReasonCode::ServerBusy, why: not.to_string(), is_denied: true };
            }
            self.broker.meters.refused.increment(1);
            let why = not.tell("SUBSCRIBE", &self.broker, &self.link.identity, filter);
            Refused { reason: ReasonCode::NotAuthorized, why, is_denied: true }
        })
    }

    fn enter(
        &mut self,
        filter: &TopicFilter,
        options: FilterOptions,
        id: Option<u32>,
        (until, now): (UnixMs, UnixMs),
    ) -> Result<(ReasonCode, Option<Ticket>), Refused> {
        let index = &self.link.identity.instance.index;
        let limits = &self.settings.limits;
        let most = |most: u32| usize::try_from(most).unwrap_or(usize::MAX);
        let is_full = index.count_of(self.link.id) >= most(limits.client_subscriptions_max)
            || (limits.subscriptions_max < u32::MAX && index.subscription_count() >= most(limits.subscriptions_max));
        // A filter that is held already is replaced and takes no room. [MQTT-3.8.4-3]
        if is_full && !index.holds(self.link.id, filter) {
            return self.over_quota(filter, now);
        }
        let FilterOptions { qos, no_local, retain_as_published, retain_handling } = options;
        let options = SubscriptionOptions { qos, no_local, retain_as_published, id };
        let entered = index.subscribe(self.link.id, filter, options);
        let ticket = match self.keep_subscription(filter, options) {
            Ok(ticket) => ticket,
            Err(fault) => {
                if entered == Subscribed::New {
                    index.unsubscribe(self.link.id, filter);
                }
                log_refused("SUBSCRIBE", &self.link.identity, fault);
                return refuse(reason_of(fault), fault.to_string());
            }
        };
        self.valid_until = self.valid_until.min(until);
        self.cover(filter, now);
        if entered == Subscribed::Replaced {
            self.replays.retain(|replay| !replay.is_of(filter));
        }
        self.replays.extend(Replay::of(filter, retain_handling, entered == Subscribed::New, options));
        if filter.share().is_some() {
            self.broker.drain_backlog(&self.link.identity.instance, filter);
        }
        let granted = match qos {
            Qos::AtMostOnce => ReasonCode::Success,
            Qos::AtLeastOnce => ReasonCode::GrantedQos1,
            Qos::ExactlyOnce => ReasonCode::GrantedQos2,
        };
        Ok((granted, ticket))
    }

    /// Writes a stored session's subscription into the log.
    fn keep_subscription(
        &self,
        filter: &TopicFilter,
        options: SubscriptionOptions,
    ) -> Result<Option<Ticket>, LogFault> {
        if !self.link.id.is_stored() {
            return Ok(None);
        }
        let Self { broker, link, .. } = self;
        if filter.share().is_some() {
            broker.keep_share(&link.identity.instance, filter, self.need())?;
        }
        let record = Record::Subscribed {
            session: queue(link.id),
            filter: Cow::Borrowed(filter),
            qos: options.qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            identifier: options.id,
        };
        broker.journal.may(&record, self.need()).map(Some)
    }

    fn over_quota<T>(&mut self, filter: &TopicFilter, now: UnixMs) -> Result<T, Refused> {
        let over = OverQuota::Subscriptions.counted();
        let met = ("SUBSCRIBE", Met::Quota(over));
        let why = self.refuse_over_limit(met, |key| Asked::subscribe(key, filter.plain()), over, now);
        refuse(over.reason(), why)
    }

    fn not_served<T>(
        &mut self,
        filter: &TopicFilter,
        (met, reason, why): (Met, ReasonCode, &'static str),
        now: UnixMs,
    ) -> Result<T, Refused> {
        refuse(
            reason,
            self.refuse_over_limit(("SUBSCRIBE", met), |key| Asked::subscribe(key, filter.plain()), why, now),
        )
    }

    /// Takes filters away; needs no right.
    pub(crate) fn unsubscribe(&mut self, packet: &Unsubscribe, out: &mut BytesMut) -> Flow {
        let mut last_ticket = None;
        let mut reasons = Vec::new();
        for filter in &packet.filters {
            if !self.take_subscription(filter) {
                reasons.push(ReasonCode::NoSubscriptionExisted);
                continue;
            }
            match self.promise(|session| Record::Unsubscribed { session, filter: Cow::Owned(filter.clone()) }) {
                Ok(ticket) => last_ticket = ticket.or(last_ticket),
                Err(fault) => return self.close_for(fault, out),
            }
            reasons.push(ReasonCode::Success);
        }
        let unsuback = UnsubAck { packet_id: packet.packet_id, properties: None, reasons };
        self.write_when(last_ticket, Some(Packet::UnsubAck(unsuback)), out)
    }

    /// Takes one filter away; whether it was there.
    pub(crate) fn take_subscription(&mut self, filter: &TopicFilter) -> bool {
        if !self.link.identity.instance.index.holds(self.link.id, filter) {
            // One packet may name hundreds of thousands.
            return false;
        }
        self.coverings.retain(|covering| covering.filter() != filter);
        self.replays.retain(|replay| !replay.is_of(filter));
        let live = &self.link.identity.instance;
        let was_there = live.index.unsubscribe(self.link.id, filter);
        if filter.share().is_some() {
            self.broker.forget_backlog(live, filter);
        }
        was_there
    }
}
