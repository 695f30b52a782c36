//! How a refusal is told: to the log, always the same way, and to whoever asks "why?" by its request ID.

use std::fmt::{self, Display, Write};

use sluice_access::Told;
use sluice_model::ClientId;
use sluice_policy::{Caller, Context, Denied};
use sluice_router::InstanceKey;

use crate::{Broker, link::Identity};

/// Most characters of a client's own text in a field of the log.
const CHARACTERS_MAX: usize = 256;

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

/// Text that a client had a hand in, for a line of the log: control characters escaped, the end of a long one left out.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        for (place, character) in text.chars().enumerate() {
            if place == CHARACTERS_MAX {
                return f.write_char('…');
            }
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_text_neither_begins_a_line_of_the_log_nor_floods_it() {
        assert_eq!(Shown("a\nWARN forged\u{1b}[2J").to_string(), "a\\nWARN forged\\u{1b}[2J");
        assert_eq!(Shown("ä".repeat(65_535)).to_string().chars().count(), CHARACTERS_MAX + 1);
    }
}
