//! What a page shows when it may not be opened.

use sluice_actions::{ActionError, Denial};

/// What is missing, and what to ask for.
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) principal: String,
    pub(crate) statement: String,
    /// A statement forbids it; an Allow alone does not help.
    pub(crate) explicit: bool,
}

impl Refusal {
    fn of(denial: &Denial) -> Self {
        Self {
            reason: denial.reason.clone(),
            action: denial.auth_action.clone(),
            resource: denial.auth_resource.clone(),
            principal: denial.auth_principal_display_name.clone(),
            statement: denial.statement_to_ask_for.as_deref().map(indented).unwrap_or_default(),
            explicit: denial.no_permission_type == "ExplicitDeny",
        }
    }
}

fn indented(document: &str) -> String {
    let value: Result<serde_json::Value, _> = serde_json::from_str(document);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| document.to_owned())
}

/// What was asked for, or why it is not shown.
pub(crate) enum Shown<T> {
    Granted(T),
    Refused(Refusal),
}

impl<T> Shown<T> {
    /// A refusal is shown; any other error is ours.
    pub(crate) fn of(outcome: Result<T, ActionError>) -> Result<Self, ActionError> {
        match outcome {
            Ok(granted) => Ok(Self::Granted(granted)),
            Err(error) => match error.denial() {
                Some(denial) => Ok(Self::Refused(Refusal::of(denial))),
                None => Err(error),
            },
        }
    }

    /// The status to answer with.
    pub(crate) fn status(&self) -> axum::http::StatusCode {
        match self {
            Self::Granted(_) => axum::http::StatusCode::OK,
            Self::Refused(_) => axum::http::StatusCode::FORBIDDEN,
        }
    }
}
