//! What is wrong with a document, and where.

use std::{collections::HashMap, fmt};

use crate::place::{Place, Spots};

/// One fault of a document. Displays as its reason; the place is apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// JSON pointer (RFC 6901) to the faulty value; empty for the document as a whole.
    pub pointer: String,
    /// Line of the faulty value, or of its name where the name is the fault; from 1.
    pub line: usize,
    /// Column there, in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault whose place is still to be found: [`locate`].
    pub(crate) fn new(pointer: &str, kind: FaultKind) -> Self {
        let Place { line, column } = Place::START;
        Self { pointer: pointer.to_owned(), line, column, kind }
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        (self.line, self.column) = (place.line, place.column);
        self
    }
}

/// Gives each fault of a text that is JSON its place, and the faults the order of the text. What is said below a member that is given twice is left out: the
/// pointer does not tell which of the two is meant, and the member itself is told as a fault.
pub(crate) fn locate(text: &str, faults: Vec<Fault>) -> Vec<Fault> {
    let spots = Spots::of(text);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let place = |fault: Fault| {
        let found = spots.get(&fault.pointer);
        let offset = match (&fault.kind, found) {
            (FaultKind::Duplicate(_), _) => {
                let told = seen.entry(fault.pointer.clone()).or_insert(0);
                *told += 1;
                // Both are in the order of the text.
                found.iter().filter(|spot| spot.again).nth(*told - 1).map_or(0, |spot| spot.name)
            }
            (FaultKind::Unknown(_) | FaultKind::Operator(_), [spot]) => spot.name,
            (_, [spot]) => spot.value,
            _ => return None,
        };
        Some(fault.at(Place::of(text, offset)))
    };
    let mut located: Vec<Fault> = faults.into_iter().filter_map(place).collect();
    located.sort_by_key(|fault| (fault.line, fault.column));
    located
}

/// Most characters of [`describe`]'s answer.
const DESCRIPTION_CHARACTERS_MAX: usize = 2_000;
/// Most characters of one fault in it: a fault quotes the document.
const REASON_CHARACTERS_MAX: usize = 300;

/// Whether a document was not read because it is too long, which has a code of its own everywhere.
#[must_use]
pub fn is_too_long(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| matches!(fault.kind, FaultKind::Length { .. }))
}

/// All faults in one message, for a reply: ``/Statement/0/Effect (line 3, column 14): must be "Allow" or "Deny"; …``. At most
/// 2,000 characters; what does not fit is counted at the end.
#[must_use]
pub fn describe(faults: &[Fault]) -> String {
    let mut message = String::new();
    for (told, fault) in faults.iter().enumerate() {
        let pointer = if fault.pointer.is_empty() { "/" } else { &fault.pointer };
        let Fault { line, column, .. } = fault;
        let place = cut(pointer, REASON_CHARACTERS_MAX);
        let part =
            format!("{place} (line {line}, column {column}): {}", cut(&fault.to_string(), REASON_CHARACTERS_MAX));
        let separator = if told == 0 { "" } else { "; " };
        let rest = faults.len() - told;
        let room = DESCRIPTION_CHARACTERS_MAX - format!("; and {rest} more").len();
        if message.chars().count() + separator.len() + part.chars().count() > room {
            return format!("{message}; and {rest} more");
        }
        message.push_str(separator);
        message.push_str(&part);
    }
    message
}

/// The beginning of a text, with a mark where it was cut.
fn cut(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Fault {}

/// What can be wrong with a document. Always its author's fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FaultKind {
    /// Empty, or over the limit.
    #[error("the document has {have} characters; 1 to {most} are allowed")]
    Length {
        /// Characters given.
        have: usize,
        /// Most allowed.
        most: usize,
    },
    /// Not JSON.
    #[error("not valid JSON: {0}")]
    Json(String),
    /// A member is given twice.
    #[error("the member `{0}` is given twice")]
    Duplicate(String),
    /// A required member is absent.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member that the language does not have.
    #[error("`{0}` is not an element of this kind of policy")]
    Unknown(String),
    /// Two members that exclude each other.
    #[error("`{0}` and `{1}` exclude each other")]
    Both(&'static str, &'static str),
    /// Another JSON type is needed.
    #[error("must be {0}")]
    Type(&'static str),
    /// A list without a value.
    #[error("must not be empty")]
    Empty,
    /// A value out of a closed set.
    #[error("must be {0}")]
    Value(&'static str),
    /// No `service:Operation`.
    #[error("`{0}` is not an action: it must be `*` or `service:Operation`")]
    Action(String),
    /// No ARN pattern.
    #[error("`{0}` is not a resource: it must be `*` or begin with `acs:`")]
    Resource(String),
    /// An operator that the language does not have.
    #[error("`{0}` is not a condition operator")]
    Operator(String),
    /// An operand that its operator cannot read.
    #[error("`{value}` is not {expected}")]
    Operand {
        /// As given.
        value: String,
        /// What is needed.
        expected: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_bounded_and_counts_what_it_leaves_out() {
        let fault = |n: usize| Fault::new(&format!("/Statement/{n}"), FaultKind::Action("x".repeat(6_000)));
        let many: Vec<Fault> = (0..500).map(fault).collect();
        let message = describe(&many);
        assert!(message.chars().count() <= DESCRIPTION_CHARACTERS_MAX, "{}", message.len());
        assert!(message.ends_with("; and 495 more"), "{message}");
        assert_eq!(describe(&[Fault::new("", FaultKind::Empty)]), "/ (line 1, column 1): must not be empty");
        assert_eq!(describe(&[]), "");
    }
}
