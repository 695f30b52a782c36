//! Answers: pages with their headers, redirects, problems.

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use sluice_access::StoreError;
use sluice_actions::ActionError;

use crate::{
    frame::Frame,
    parts::{Framed, RefusedPage, Sheet},
    refusal::Shown,
};

/// Nothing but our own files, no script or style in a page's text, no framing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
     img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page of one sentence and a way back.
#[derive(Template)]
#[template(path = "problem.html")]
struct Problem<'a> {
    head: &'a str,
    told: &'a str,
}

/// A page with its status.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => secured((status, Html(html)).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            secured((StatusCode::INTERNAL_SERVER_ERROR, "The page could not be shown.\n").into_response())
        }
    }
}

/// A sheet in its frame, or what stands in its place.
pub(crate) fn sheet(frame: Frame, title: &str, outcome: Result<Sheet, ActionError>) -> Response {
    let error = match outcome {
        Ok(sheet) => return page(sheet.status, &Framed { frame, sheet }),
        Err(error) => error,
    };
    match Shown::<Sheet>::of(Err(error.clone())) {
        Ok(Shown::Refused(refusal)) => {
            page(StatusCode::FORBIDDEN, &RefusedPage { frame, title: title.to_owned(), refusal })
        }
        _ if error == ActionError::Internal => failed(&error),
        _ => page_of_error(frame, title, &error),
    }
}

/// The status of an operation's answer.
pub(crate) fn status_of(error: &ActionError) -> StatusCode {
    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST)
}

fn page_of_error(frame: Frame, title: &str, error: &ActionError) -> Response {
    let sheet = Sheet::new(title).wrong(error);
    page(sheet.status, &Framed { frame, sheet })
}

/// Leads to another page after a form.
pub(crate) fn see_other(to: &str) -> Response {
    secured(Redirect::to(to).into_response())
}

/// Puts the headers on that every answer has.
pub(crate) fn secured(mut response: Response) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// There is nothing to say.
pub(crate) fn nothing() -> Response {
    secured(StatusCode::NO_CONTENT.into_response())
}

/// There is no such page.
pub(crate) fn not_found() -> Response {
    page(StatusCode::NOT_FOUND, &Problem { head: "No such page", told: "There is nothing at this address." })
}

/// What was asked for cannot be done; the text says why.
pub(crate) fn problem(told: &str) -> Response {
    page(StatusCode::BAD_REQUEST, &Problem { head: "That cannot be done", told })
}

/// The form could not be read.
pub(crate) fn bad_form() -> Response {
    let told = "What the browser sent could not be read, or was too much.";
    page(StatusCode::BAD_REQUEST, &Problem { head: "The form could not be read", told })
}

/// The form's token is not the one that was given out.
pub(crate) fn wrong_csrf() -> Response {
    let told = "The form did not come from a page that you opened here just now. Open the page again and repeat it.";
    page(StatusCode::FORBIDDEN, &Problem { head: "Not accepted", told })
}

/// Why a page could not be made.
pub(crate) trait Cause: std::fmt::Display {
    /// Whether the same may well succeed a little later.
    fn is_passing(&self) -> bool {
        false
    }
}

impl Cause for sluice_access::BindError {
    fn is_passing(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_passing())
    }
}
impl Cause for &str {}
impl Cause for StoreError {
    fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
impl Cause for ActionError {
    fn is_passing(&self) -> bool {
        self.status() == StatusCode::SERVICE_UNAVAILABLE.as_u16()
    }
}

/// Too many sign in, or change a password, at once.
pub(crate) fn busy() -> Response {
    tracing::warn!("so many sign in or change a password at once that one is not taken");
    let told = "Too many sign in or change a password at this moment. Try again in a few seconds.";
    page(StatusCode::SERVICE_UNAVAILABLE, &Problem { head: "Not available now", told })
}

/// The database cannot be reached.
fn unavailable(error: &dyn std::fmt::Display) -> Response {
    tracing::warn!(%error, "a page is not served now");
    let told = "The service cannot reach its database now. Nothing is lost; open the page again in a moment.";
    page(StatusCode::SERVICE_UNAVAILABLE, &Problem { head: "Not available now", told })
}

/// Ours; the cause is in the log.
pub(crate) fn failed(error: &impl Cause) -> Response {
    if error.is_passing() {
        return unavailable(error);
    }
    tracing::error!(%error, "a page failed");
    let told = "Something failed on the server. Its log says what.";
    page(StatusCode::INTERNAL_SERVER_ERROR, &Problem { head: "That did not work", told })
}
