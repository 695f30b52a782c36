//! What the checker says of a document while it is written, for the editor.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use sluice_actions::check_document;

use crate::{respond, session::Posted};

/// Answers `[{severity, line, column, message}]`; places from 1, columns in characters.
pub(crate) async fn submit(posted: Posted) -> Response {
    let (kind, text) = (posted.fields.get("Kind"), posted.fields.get("Document").replace("\r\n", "\n"));
    match check_document(&posted.who.context, kind, &text).await {
        Ok(verdicts) => respond::secured(Json(verdicts).into_response()),
        Err(error) => respond::secured(respond::status_of(&error).into_response()),
    }
}
