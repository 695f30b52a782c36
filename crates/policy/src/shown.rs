//! Text that a client had a hand in, in a sentence or in a line of the log.

use std::fmt::{self, Display, Write};

/// Most characters of it that are shown.
const CHARACTERS_MAX: usize = 256;

/// Shows it with control characters escaped and the end of a long one left out: a topic's name, say, is the client's own text.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T>(pub T);

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
