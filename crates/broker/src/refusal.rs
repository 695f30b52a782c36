//! How a refusal is told: to the log, always the same way.

use std::fmt::{self, Display, Write};

use sluice_model::ClientId;
use sluice_policy::{Caller, Denied};
use sluice_router::InstanceKey;

use crate::link::Identity;

/// Most characters of a client's own text in a field of the log.
const CHARACTERS_MAX: usize = 256;

/// Logs who was refused what, on which resource, and what decided.
pub(crate) fn log_denied(what: &'static str, identity: &Identity, denied: &Denied) {
    log_denied_at(what, &identity.instance.key, &identity.client, &identity.caller, denied);
}

/// As [`log_denied`], before there is a session.
pub(crate) fn log_denied_at(
    what: &'static str,
    key: &InstanceKey,
    client: &ClientId,
    caller: &Caller,
    denied: &Denied,
) {
    tracing::warn!(
        target: "sluice::denied", what, account = %denied.account, principal = %denied.principal,
        action = %denied.action, resource = %Shown(&denied.resource), instance = %key.instance, client = %Shown(client),
        peer = caller.source_ip().map(tracing::field::display), reason = %Shown(denied), "refused"
    );
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
