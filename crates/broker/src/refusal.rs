//! How a refusal is told: to the log, always the same way, and to whoever asks "why?" by its request ID.

use std::fmt::Display;

use sluice_access::Told;
use sluice_model::{Action, ClientId, Resource, UnixMs};
use sluice_policy::{Caller, Context, Denied, Shown};
use sluice_router::InstanceKey;
use sluice_session::REASON_STRING_BYTES_MAX;

use crate::{Broker, Client, link::Identity, quota::OverQuota};

/// What a request ID adds to a sentence, bytes.
const REQUEST_BYTES: usize = " (request 00000000-0000-0000-0000-000000000000)".len();

/// What was asked where no policy decided, on what: as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    action: Action,
    resource: String,
}

impl Asked {
    /// The instance itself.
    pub(crate) fn instance(key: &InstanceKey) -> Self {
        Self::of(Action::INSTANCE_ACCESS, &Resource::Instance(key.account, key.instance.clone()))
    }

    /// The client's group; the instance for a client that has none.
    pub(crate) fn group(identity: &Identity) -> Self {
        let key = &identity.instance.key;
        match identity.client.group() {
            Some(group) => Self::of(Action::SUB, &Resource::Group(key.account, key.instance.clone(), group)),
            None => Self::instance(key),
        }
    }

    /// To publish to a topic.
    pub(crate) fn publish(key: &InstanceKey, topic: &str) -> Self {
        Self::of(Action::PUB, &Resource::Topic(key.account, key.instance.clone(), topic.into()))
    }

    /// To subscribe to a filter, without `$share/{name}/`.
    pub(crate) fn subscribe(key: &InstanceKey, filter: &str) -> Self {
        Self::of(Action::SUB, &Resource::Topic(key.account, key.instance.clone(), filter.into()))
    }

    /// An instance as a client wrote it, in the client's own account, whether it is there or another's.
    pub(crate) fn named_instance(caller: &Caller, name: &str) -> Self {
        let resource = format!("acs:mq:*:{}:instance/{}", caller.principal().account(), Shown(name));
        Self { action: Action::INSTANCE_ACCESS, resource }
    }

    fn of(action: Action, resource: &Resource) -> Self {
        Self { action, resource: resource.to_string() }
    }
}

/// What a connected client may ask as often as it likes, and is refused without a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// A limit of the instance.
    Quota(OverQuota),
    /// A shared subscription is not served.
    Shared,
    /// A filter is too long or too deep.
    FilterForm,
    /// QoS 2 is not served for a stored session.
    StoredQos2,
}

impl Met {
    const KINDS: usize = 8;

    fn kind(self) -> usize {
        match self {
            Self::Quota(OverQuota::Connections) => 0,
            Self::Quota(OverQuota::Connects) => 1,
            Self::Quota(OverQuota::Messages) => 2,
            Self::Quota(OverQuota::Retained) => 3,
            Self::Quota(OverQuota::Subscriptions) => 4,
            Self::Shared => 5,
            Self::FilterForm => 6,
            Self::StoredQos2 => 7,
        }
    }
}

/// Of what a client was told in a second, one sentence a kind, so that a client that meets several by turns is logged no
/// more than one that meets each alone.
#[derive(Debug, Default)]
pub(crate) struct ToldLimits {
    second: i64,
    sentences: [Option<String>; Met::KINDS],
}

impl ToldLimits {
    /// Where the sentence is of what was met in this second, or is to be put.
    fn at(&mut self, met: Met, second: i64) -> &mut Option<String> {
        if self.second != second {
            *self = Self { second, ..Self::default() };
        }
        &mut self.sentences[met.kind()]
    }
}

impl Broker {
    /// Logs who was refused what, on which resource, and what decided, and keeps it for the answer to "why?". Gives the
    /// sentence for the client, with the request ID under which it is kept; without one when more is refused than is kept.
    pub(crate) fn refuse(&self, what: &'static str, identity: &Identity, denied: &Denied) -> String {
        self.refuse_at(what, &identity.instance.key, &identity.client, &identity.caller, denied)
    }

    /// As [`Broker::refuse`], before there is a session.
    pub(crate) fn refuse_at(
        &self,
        what: &'static str,
        key: &InstanceKey,
        client: &ClientId,
        caller: &Caller,
        denied: &Denied,
    ) -> String {
        let context = Context::at(self.access.clock().now());
        let told = Told::of(caller, denied, &context);
        let request_id = told.and_then(|told| self.access.refusals().tell(told));
        tracing::warn!(
            target: "sluice::denied", what, account = %denied.account, principal = %denied.principal,
            action = %denied.action, resource = %Shown(&denied.resource), instance = %key.instance, client = %Shown(client),
            peer = caller.source_ip().map(tracing::field::display), request_id = request_id.as_deref(),
            reason = %Shown(denied), "refused"
        );
        sentence(denied.to_string(), request_id)
    }

    /// As [`Broker::refuse`], for what no policy decided: something named is not there or not served, is another's, or is more
    /// than the instance may have.
    pub(crate) fn refuse_without_policy(
        &self,
        what: &'static str,
        identity: &Identity,
        asked: Asked,
        reason: impl Display,
    ) -> String {
        self.refuse_without_policy_at(what, &identity.client, &identity.caller, asked, reason)
    }

    /// As [`Broker::refuse_without_policy`], before there is a session.
    pub(crate) fn refuse_without_policy_at(
        &self,
        what: &'static str,
        client: &ClientId,
        caller: &Caller,
        Asked { action, resource }: Asked,
        reason: impl Display,
    ) -> String {
        let (principal, reason) = (caller.principal(), reason.to_string());
        let context = Context::at(self.access.clock().now());
        let who = (caller, self.access.name_of(principal).unwrap_or_default());
        let shown = Shown(&resource).to_string();
        let told = Told::without_policy(who, action.as_str(), resource, Shown(&reason).to_string(), &context);
        let request_id = self.access.refusals().tell(told);
        tracing::warn!(
            target: "sluice::denied", what, account = %principal.account(), %principal, %action, resource = shown,
            client = %Shown(client), peer = caller.source_ip().map(tracing::field::display),
            request_id = request_id.as_deref(), reason = %Shown(&reason), "refused"
        );
        sentence(reason, request_id)
    }
}

impl Client {
    /// As [`Broker::refuse_without_policy`], for what a client meets as often as it likes: in the same second it is told the
    /// same again, under the same request ID.
    pub(crate) fn refuse_over_limit(
        &mut self,
        (what, met): (&'static str, Met),
        asked: impl FnOnce(&InstanceKey) -> Asked,
        reason: impl Display,
        now: UnixMs,
    ) -> String {
        let (broker, identity) = (&self.broker, &self.link.identity);
        let told = self.told_limits.get_or_insert_default().at(met, now.0.div_euclid(1_000));
        let tell = || broker.refuse_without_policy(what, identity, asked(&identity.instance.key), reason);
        told.get_or_insert_with(tell).clone()
    }
}

/// What a client is told, so that a reason string has room for all of its request ID.
fn sentence(mut reason: String, request_id: Option<String>) -> String {
    let Some(request_id) = request_id else { return reason };
    let most = REASON_STRING_BYTES_MAX - REQUEST_BYTES;
    if reason.len() > most {
        reason.truncate(reason.floor_char_boundary(most - '…'.len_utf8()));
        reason.push('…');
    }
    format!("{reason} (request {request_id})")
}

/// Logs that the log of messages cannot take what was asked: a fault of ours, which says nothing of anybody's rights.
pub(crate) fn log_refused(what: &'static str, identity: &Identity, reason: impl Display) {
    let Identity { instance, client, caller, .. } = identity;
    tracing::warn!(
        target: "sluice::denied", what, account = %instance.key.account, principal = %caller.principal(),
        instance = %instance.key.instance, client = %Shown(client), peer = caller.source_ip().map(tracing::field::display),
        reason = %Shown(reason), "refused"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_limit_has_a_place_of_its_own_for_a_second() {
        use OverQuota::{Connections, Connects, Messages, Retained, Subscriptions};
        let quotas = [Connections, Connects, Messages, Retained, Subscriptions].map(Met::Quota);
        let all: Vec<Met> = quotas.into_iter().chain([Met::Shared, Met::FilterForm, Met::StoredQos2]).collect();
        let mut told = ToldLimits::default();
        for met in &all {
            assert_eq!(told.at(*met, 7).replace(format!("{met:?}")), None);
        }
        for met in &all {
            assert_eq!(*told.at(*met, 7), Some(format!("{met:?}")));
        }
        assert_eq!(*told.at(Met::Shared, 8), None);
        assert_eq!(*told.at(Met::FilterForm, 8), None);
    }

    #[test]
    fn a_sentence_has_room_for_its_request_id_in_a_reason_string() {
        let id = "6433284F-FBBD-505E-81E1-795938961B32";
        let told = sentence("𝄞".repeat(257), Some(id.to_owned()));
        assert!(told.len() <= REASON_STRING_BYTES_MAX && told.ends_with(&format!("… (request {id})")), "{told}");
        assert_eq!(sentence("no".to_owned(), Some(id.to_owned())), format!("no (request {id})"));
        assert_eq!(sentence("no".to_owned(), None), "no");
    }
}
