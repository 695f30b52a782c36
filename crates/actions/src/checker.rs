//! What the checker says of a document, for whoever writes one: its faults, else what of it is useless.
//!
//! Nothing of the account is told here: what exists is left out of the question, so that no right is needed to ask it.

use std::sync::LazyLock;

use serde::Serialize;
use sluice_model::Action;
use sluice_policy::{Catalogue, Document, DocumentKind, warnings};

use crate::{ActionContext, OPERATIONS};

/// One thing that the checker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In a sentence.
    pub message: String,
}

/// Every action that is asked anywhere: the registry's, and those of the message path.
static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let path = [&Action::PUB, &Action::SUB, &Action::INSTANCE_ACCESS];
    let rows = OPERATIONS.iter().flat_map(|operation| operation.row.actions);
    Catalogue::new(path.into_iter().chain(rows).map(Action::as_str))
});

/// What is wrong with a document, or useless in it. `Trust` is a trust policy, anything else a permission policy.
#[must_use]
pub fn check_document(_context: &ActionContext, kind: &str, text: &str) -> Vec<Verdict> {
    let kind = if kind == "Trust" { DocumentKind::Trust } else { DocumentKind::Permission };
    if let Err(faults) = Document::parse_kind(kind, text) {
        let verdict = |fault: sluice_policy::Fault| Verdict {
            severity: "error",
            line: fault.line,
            column: fault.column,
            message: fault.to_string(),
        };
        return faults.into_iter().map(verdict).collect();
    }
    if kind == DocumentKind::Trust {
        return Vec::new();
    }
    let verdict = |warning: sluice_policy::Warning| Verdict {
        severity: "warning",
        line: warning.line,
        column: warning.column,
        message: warning.to_string(),
    };
    warnings(text, &CATALOGUE, None).into_iter().map(verdict).collect()
}
