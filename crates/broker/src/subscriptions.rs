//! SUBSCRIBE and UNSUBSCRIBE.

use bytes::BytesMut;
use sluice_codec::{FilterOptions, Packet, ReasonCode, SubAck, Subscribe, UnsubAck, Unsubscribe};
use sluice_model::{Qos, TopicFilter, UnixMs};
use sluice_router::SubscriptionOptions;
use sluice_session::{SUBSCRIPTIONS_MAX, too_many_levels};

use crate::{Client, Flow, recheck::NotSubscribed, refusal::log_refused};

/// One filter's answer when it is not entered.
struct Refused {
    reason: ReasonCode,
    /// A missing right: what `DenyAction` speaks of.
    denied: Option<String>,
}

fn refuse<T>(reason: ReasonCode) -> Result<T, Refused> {
    Err(Refused { reason, denied: None })
}

impl Client {
    /// Asks for each filter, then enters those that may be. A missing right closes the connection, if the instance says
    /// so, before any filter of the packet is entered.
    pub(crate) fn subscribe(&mut self, packet: Subscribe, now: UnixMs, out: &mut BytesMut) -> Flow {
        let identifier = packet.identifier();
        let mut answers = Vec::with_capacity(packet.filters.len());
        for (place, (filter, _)) in packet.filters.iter().enumerate() {
            // One packet has room for hundreds of thousands: what cannot be entered is not asked either.
            let has_room = place < SUBSCRIPTIONS_MAX;
            let answer = if has_room { self.ask(filter, now) } else { refuse(ReasonCode::QuotaExceeded) };
            if let Err(Refused { denied: Some(why), .. }) = &answer
                && self.closes_when_denied()
            {
                return self.close(ReasonCode::NotAuthorized, Some(why), out);
            }
            answers.push(answer);
        }
        let mut reasons = Vec::with_capacity(answers.len());
        for ((filter, options), answer) in packet.filters.iter().zip(answers) {
            reasons.push(match answer {
                Ok(until) => self.enter(filter, *options, identifier, until),
                Err(refused) => refused.reason,
            });
        }
        let suback = SubAck { packet_id: packet.packet_id, properties: None, reasons };
        self.write(Some(Packet::SubAck(suback)), out)
    }

    fn ask(&mut self, filter: &TopicFilter, now: UnixMs) -> Result<UnixMs, Refused> {
        if filter.share().is_some() {
            return refuse(ReasonCode::SharedSubscriptionsNotSupported);
        }
        if too_many_levels(filter.as_str()) {
            return refuse(ReasonCode::TopicFilterInvalid);
        }
        if filter.names_another_p2p(&self.link.key.client) {
            let why = "the filter names another client's point-to-point topic";
            self.broker.meters.refused.increment(1);
            log_refused("SUBSCRIBE", &self.link.key, &self.link.caller, why);
            return Err(Refused { reason: ReasonCode::NotAuthorized, denied: Some(why.to_owned()) });
        }
        self.may_subscribe(filter, now).map_err(|not: NotSubscribed| {
            self.broker.meters.refused.increment(1);
            not.log("SUBSCRIBE", &self.link);
            Refused { reason: ReasonCode::NotAuthorized, denied: Some(not.to_string()) }
        })
    }

    fn enter(&mut self, filter: &TopicFilter, options: FilterOptions, id: Option<u32>, until: UnixMs) -> ReasonCode {
        // A filter that is held already is replaced and takes no room. [MQTT-3.8.4-3]
        let is_held = || self.index.filters_of(self.link.id).iter().any(|(held, _)| held == filter);
        if self.index.count_of(self.link.id) >= SUBSCRIPTIONS_MAX && !is_held() {
            return ReasonCode::QuotaExceeded;
        }
        let qos = options.qos.min(Qos::AtLeastOnce);
        let options = SubscriptionOptions {
            qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            id,
        };
        self.index.subscribe(self.link.id, filter, options);
        self.valid_until = self.valid_until.min(until);
        if qos == Qos::AtMostOnce { ReasonCode::Success } else { ReasonCode::GrantedQos1 }
    }

    /// Takes filters away; needs no right.
    pub(crate) fn unsubscribe(&mut self, packet: &Unsubscribe, out: &mut BytesMut) -> Flow {
        let take = |filter| {
            let was_there = self.index.unsubscribe(self.link.id, filter);
            if was_there { ReasonCode::Success } else { ReasonCode::NoSubscriptionExisted }
        };
        let reasons = packet.filters.iter().map(take).collect();
        let unsuback = UnsubAck { packet_id: packet.packet_id, properties: None, reasons };
        self.write(Some(Packet::UnsubAck(unsuback)), out)
    }
}
