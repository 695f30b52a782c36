//! How a refusal is told: to the log, always the same way, and to whoever asks "why?" by its request ID.

use std::fmt::Display;

use sluice_access::Told;
use sluice_model::ClientId;
use sluice_policy::{Caller, Context, Denied, Shown};
use sluice_router::InstanceKey;

use crate::{Broker, link::Identity};

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
        match request_id {
            Some(request_id) => format!("{denied} (request {request_id})"),
            None => denied.to_string(),
        }
    }
}

/// Logs a refusal that no policy decided: something named is not there, not served, or more than the instance may have.
pub(crate) fn log_refused(what: &'static str, identity: &Identity, reason: impl Display) {
    let Identity { instance, client, caller, .. } = identity;
    tracing::warn!(
        target: "sluice::denied", what, account = %instance.key.account, principal = %caller.principal(),
        instance = %instance.key.instance, client = %Shown(client), peer = caller.source_ip().map(tracing::field::display),
        reason = %Shown(reason), "refused"
    );
}
