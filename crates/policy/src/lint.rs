//! Warnings: what a document may say and what does nothing.
//!
//! A warning is never wrong rather than never missing: what cannot be shown to be useless is passed over in silence. So a
//! statement is told to have no effect only when taking it away changes no decision whatsoever (a property of the tests), an
//! action only when its product is known and the name is written out, and a resource only when it names one thing that is
//! not there and nothing in its statement could make it.

mod nowhere;
mod rule;
mod shadow;
mod unsatisfiable;

use std::fmt;

use crate::{
    Catalogue, Document, DocumentKind, Existing,
    lint::rule::Rule,
    place::{Place, Spots},
};

/// One warning about a valid document. Displays as its sentence; the place is apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// JSON pointer (RFC 6901) to what is useless.
    pub pointer: String,
    /// Line there, from 1.
    pub line: usize,
    /// Column there, in characters, from 1.
    pub column: usize,
    /// What is useless about it.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

/// What can be useless in a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WarningKind {
    /// A statement whose conditions exclude each other.
    NeverApplies {
        /// `Allow` or `Deny`.
        effect: &'static str,
        /// The condition key.
        key: String,
    },
    /// A statement whose `NotAction` leaves no action.
    NoActionLeft {
        /// `Allow` or `Deny`.
        effect: &'static str,
    },
    /// Another statement of the same effect says all of it.
    Shadowed {
        /// `Allow` or `Deny`.
        effect: &'static str,
        /// The other statement's place.
        by: usize,
    },
    /// An Allow all of which a Deny forbids.
    Forbidden {
        /// The Deny's place.
        by: usize,
    },
    /// An action that a known product does not have.
    UnknownAction {
        /// As written.
        action: String,
        /// The product.
        product: String,
    },
    /// A resource that names something that is not there.
    NothingThere {
        /// As written.
        resource: String,
        /// What is not there: `instance`, `topic`, `group`, `user`, `user group`, `role`, `policy`, `name`.
        what: &'static str,
    },
}

impl WarningKind {
    /// A word for the kind, for a program.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeverApplies { .. } | Self::NoActionLeft { .. } => "NeverApplies",
            Self::Shadowed { .. } => "Shadowed",
            Self::Forbidden { .. } => "Forbidden",
            Self::UnknownAction { .. } => "UnknownAction",
            Self::NothingThere { .. } => "NothingThere",
        }
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverApplies { effect, key } => {
                write!(f, "this {effect} never applies: its conditions on `{key}` exclude each other")
            }
            Self::NoActionLeft { effect } => {
                write!(f, "this {effect} never applies: its `NotAction` leaves no action")
            }
            Self::Shadowed { effect, by } => {
                write!(f, "this {effect} changes nothing: the {effect} at /Statement/{by} says all of it")
            }
            Self::Forbidden { by } => {
                write!(f, "this Allow changes nothing: the Deny at /Statement/{by} forbids all of it")
            }
            Self::UnknownAction { action, product } => write!(f, "`{product}` has no action `{action}` that is known"),
            Self::NothingThere { resource, what } => {
                write!(f, "`{resource}` matches nothing that exists now: there is no such {what}")
            }
        }
    }
}

/// The warnings about a permission policy, or the policy of a role session, in the order of the text; none about a
/// document with faults, which [`crate::check`] tells. `existing` is left out where nothing is known.
///
/// Cost: the product of the statements' lengths at most, some milliseconds for a document of 6,144 characters.
#[must_use]
pub fn warnings(text: &str, catalogue: &Catalogue, existing: Option<&dyn Existing>) -> Vec<Warning> {
    if Document::parse_kind(DocumentKind::Permission, text).is_err() {
        return Vec::new();
    }
    let rules = rule::read(text);
    let mut found = Vec::new();
    let never: Vec<bool> = rules.iter().map(|rule| found_never(rule, &mut found)).collect();
    shadow::find(&rules, &never, &mut found);
    for rule in &rules {
        for action in &rule.actions {
            if let Some(product) = catalogue.misses(&action.text) {
                let kind = WarningKind::UnknownAction { action: action.text.clone(), product };
                found.push((action.pointer.clone(), kind));
            }
        }
        if let Some(existing) = existing {
            nowhere::find(rule, catalogue, existing, &mut found);
        }
    }
    let spots = Spots::of(text);
    let place = |(pointer, kind): (String, WarningKind)| {
        let Place { line, column } = spots.value(&pointer);
        Warning { pointer, line, column, kind }
    };
    let mut warnings: Vec<Warning> = found.into_iter().map(place).collect();
    warnings.sort_by_key(|warning| (warning.line, warning.column));
    warnings
}

type Found = Vec<(String, WarningKind)>;

/// Whether the statement never applies, and the warning.
fn found_never(rule: &Rule, found: &mut Found) -> bool {
    let effect = rule.effect();
    if rule.not && rule.actions.iter().any(|action| action.lower().bytes().all(|byte| byte == b'*')) {
        found.push((rule.pointer.clone() + "/NotAction", WarningKind::NoActionLeft { effect }));
    } else if let Some(key) = unsatisfiable::key_of(&rule.clauses) {
        found.push((rule.pointer.clone() + "/Condition", WarningKind::NeverApplies { effect, key }));
    } else {
        return false;
    }
    true
}
