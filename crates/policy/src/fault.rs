//! What is wrong with a document, and where.

use std::fmt;

/// One fault of a document. Displays as its reason; the place is apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// JSON pointer (RFC 6901) to the faulty value; empty for the document as a whole.
    pub pointer: String,
    /// What is wrong.
    pub kind: FaultKind,
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
    #[error("not valid JSON at line {line}, column {column}: {what}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The parser's words.
        what: String,
    },
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
