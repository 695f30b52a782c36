//! How a refusal is told: to the log, always the same way.

use std::fmt::{self, Display, Write};

use sluice_policy::{Caller, Denied};

use crate::link::SessionKey;

/// Most characters of a client's own text in a field of the log.
const CHARACTERS_MAX: usize = 256;

/// Logs who was refused what, on which resource, and what decided.
pub(crate) fn log_denied(what: &'static str, key: &SessionKey, caller: &Caller, denied: &Denied) {
    tracing::warn!(
        target: "sluice::denied", what, account = %denied.account, principal = %denied.principal,
        action = %denied.action, resource = %Shown(&denied.resource), instance = %key.instance, client = %key.client,
        peer = caller.source_ip().map(tracing::field::display), reason = %denied, "refused"
    );
}

/// Logs a refusal that no policy decided: something named is not there, or not served.
pub(crate) fn log_refused(what: &'static str, key: &SessionKey, caller: &Caller, reason: impl Display) {
    tracing::warn!(
        target: "sluice::denied", what, account = %key.account, principal = %caller.principal(),
        instance = %key.instance, client = %key.client, peer = caller.source_ip().map(tracing::field::display),
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
