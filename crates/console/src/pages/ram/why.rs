//! Why a request was refused: what decided it, looked up by the ID that every refusal carries.

use axum::response::Response;
use sluice_actions::{
    ActionError, call, permitted,
    ram::{ExplainDecision, Explained, REASON_KEY},
};

use super::in_query;
use crate::{
    frame::Place,
    parts::{Button, Facts, Find, Sheet},
    session::{Asked, SignedIn, known},
};

const HERE: &str = "/console/ram/why";
const TITLE: &str = "Why was it refused?";

/// Shows the search, and what it found.
pub(crate) async fn show(who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, asked.0.get("q").trim()).await;
    who.answer(Place::RamWhy, TITLE, sheet)
}

async fn sheet(who: &SignedIn, request_id: &str) -> Result<Sheet, ActionError> {
    let context = &who.context;
    permitted(context, &ExplainDecision { refusal: None })?;
    let search = Find { to: HERE, text: request_id.to_owned(), label: "Request ID" };
    let sheet = Sheet::new(TITLE)
        .lead("Every refusal has a request ID: in the reply of an API call, in the reason of MQTT 5, in the log of the server.")
        .part(search);
    if request_id.is_empty() {
        return Ok(sheet);
    }
    let found = match known::<ExplainDecision>(&[("DeniedRequestId", request_id)]) {
        Ok(input) => call(context, input).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(explained) => Ok(sheet.part(facts(explained))),
        Err(error) if error.status() < 500 && error.denial().is_none() => Ok(sheet.wrong(&error)),
        Err(error) => Err(error),
    }
}

fn facts(mut found: Explained) -> Facts {
    let reason = found.context.remove(REASON_KEY);
    let reason = reason.as_ref().and_then(|values| values.get(0)?.as_str()).unwrap_or_default().to_owned();
    let at = jiff::Timestamp::from_millisecond(found.time).map(|at| at.to_string()).unwrap_or_default();
    let (decided, buttons) = if found.policy_type.is_empty() {
        ("no policy: the reason says what".to_owned(), Vec::new())
    } else if found.policy_name.is_empty() {
        ("no statement allows it".to_owned(), Vec::new())
    } else {
        let decided = format!("{} {}, {}", found.policy_name, found.policy_version, found.statement_pointer);
        let to = format!("/console/ram/policies?q={}", in_query(&found.policy_name));
        (decided, vec![Button::link("Find the policy", to)])
    };
    let context = found.context.iter().map(|(key, values)| format!("{key} = {values}"));
    let rows = vec![
        ("Decision", found.decision.to_owned()),
        ("Reason", reason),
        ("Decided by", decided),
        ("Among", found.policy_type),
        ("Principal", found.principal),
        ("Action", found.action),
        ("Resource", found.resource),
        ("Condition keys of the request", context.collect::<Vec<_>>().join(", ")),
        ("Condition keys that were missing", found.missing_context_keys.join(", ")),
        ("Time (UTC)", at),
    ];
    Facts { id: "explained", head: "What decided it", rows, buttons }
}
