//! What the checker says of a document, for whoever writes one: its faults, else what of it is useless.

use serde::Serialize;
use sluice_policy::{Document, DocumentKind};

use crate::{ActionContext, ActionError, policy_warnings};

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

/// What is wrong with a document, or useless in it. `Trust` is a trust policy, anything else a permission policy.
///
/// # Errors
/// As [`policy_warnings`].
pub async fn check_document(context: &ActionContext, kind: &str, text: &str) -> Result<Vec<Verdict>, ActionError> {
    let kind = if kind == "Trust" { DocumentKind::Trust } else { DocumentKind::Permission };
    if let Err(faults) = Document::parse_kind(kind, text) {
        let verdict = |fault: sluice_policy::Fault| Verdict {
            severity: "error",
            line: fault.line,
            column: fault.column,
            message: fault.to_string(),
        };
        return Ok(faults.into_iter().map(verdict).collect());
    }
    if kind == DocumentKind::Trust {
        return Ok(Vec::new());
    }
    let verdict = |warning: sluice_policy::Warning| Verdict {
        severity: "warning",
        line: warning.line,
        column: warning.column,
        message: warning.to_string(),
    };
    Ok(policy_warnings(context, text).await?.into_iter().map(verdict).collect())
}
