//! One policy document: text in, compiled statements out.

use crate::{Fault, FaultKind};

/// A valid policy document, with its text as given.
#[derive(Debug)]
pub struct Document {
    text: Box<str>,
}

impl Document {
    /// Parses a permission policy, as CreatePolicy takes it.
    ///
    /// # Errors
    /// Every fault found, each with its place.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        Self::unfinished(text)
    }

    /// Parses a role's trust policy.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_trust(text: &str) -> Result<Self, Vec<Fault>> {
        Self::unfinished(text)
    }

    /// Parses the policy of a role session.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_session(text: &str) -> Result<Self, Vec<Fault>> {
        Self::unfinished(text)
    }

    fn unfinished(text: &str) -> Result<Self, Vec<Fault>> {
        if serde_json::from_str::<serde_json::Value>(text).is_ok() {
            Ok(Self { text: text.into() })
        } else {
            Err(vec![Fault { pointer: String::new(), kind: FaultKind::Type("a JSON object") }])
        }
    }

    /// The text, byte for byte as given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Checks a permission policy; for `sluice policy check`.
///
/// # Errors
/// As [`Document::parse`].
pub fn check(text: &str) -> Result<(), Vec<Fault>> {
    Document::parse(text).map(|_| ())
}
