//! How a refusal is told: to the log, always the same way.

use std::fmt::Display;

use sluice_policy::Denied;

use crate::link::SessionKey;

/// Logs who was refused what, on which resource, and what decided.
pub(crate) fn log_denied(what: &'static str, key: &SessionKey, denied: &Denied) {
    tracing::warn!(
        target: "sluice::denied", what, account = %denied.account, principal = %denied.principal,
        action = %denied.action, resource = %denied.resource, instance = %key.instance, client = %key.client,
        reason = %denied, "refused"
    );
}

/// Logs a refusal that no policy decided: something named is not there, or not served.
pub(crate) fn log_refused(what: &'static str, key: &SessionKey, reason: impl Display) {
    tracing::warn!(
        target: "sluice::denied", what, account = %key.account, instance = %key.instance, client = %key.client,
        %reason, "refused"
    );
}
