//! The page between a right password and the session: the code of the user's MFA device.

use askama::Template;
use axum::{
    extract::{Form, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sluice_access::{MFA_TICKET_MS, Peer, SignInError, Visit};
use sluice_actions::Services;

use crate::{
    cookies,
    pages::sign_in::{self, enter, form_token},
    respond,
    session::From,
};

/// One answer for every cause.
const WRONG: &str = "The code is wrong or was used already.";

#[derive(Template)]
#[template(path = "mfa_code.html")]
struct CodePage {
    csrf: String,
    may_remember: bool,
    wrong: Option<&'static str>,
}

/// What the form sends. Not `Debug`: it holds a code.
#[derive(Deserialize)]
pub(crate) struct CodeForm {
    csrf: String,
    code: String,
    #[serde(default)]
    remember: String,
}

/// The page while a sign-in waits for its code; else the first step of a sign-in.
async fn page(services: &Services, headers: &HeaderMap, peer: Peer, failed: bool) -> Response {
    let Some(half) = cookies::read(headers, cookies::HALF) else { return sign_in::page(headers, peer, false) };
    let may_remember = match services.access.waits_for_code(half, services.access.clock().now()).await {
        Ok(Some(may_remember)) => may_remember,
        Ok(None) => return sign_in::page(headers, peer, false),
        Err(error) => return respond::failed(&error),
    };
    let csrf = form_token(headers);
    let template = CodePage { csrf: csrf.clone(), may_remember, wrong: failed.then_some(WRONG) };
    let mut response = respond::page(StatusCode::OK, &template);
    cookies::set(response.headers_mut(), cookies::FORM, &csrf, peer.secure);
    response
}

/// Asks for the code.
pub(crate) async fn show(State(services): State<Services>, From(peer): From, headers: HeaderMap) -> Response {
    page(&services, &headers, peer, false).await
}

/// Goes on with the sign-in: 303, or the same page with the same words for every cause.
pub(crate) async fn submit(
    State(services): State<Services>,
    From(peer): From,
    headers: HeaderMap,
    form: Result<Form<CodeForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return respond::bad_form() };
    let expected = cookies::read(&headers, cookies::FORM).unwrap_or_default();
    if !cookies::matches(&form.csrf, expected) {
        return respond::wrong_csrf();
    }
    let half = cookies::read(&headers, cookies::HALF).unwrap_or_default();
    let (now, user_agent) = (services.access.clock().now(), sign_in::user_agent(&headers));
    let visit = Visit { peer, user_agent: &user_agent, now };
    let remember = !form.remember.is_empty();
    match services.access.sign_in_with_code(half, form.code.trim(), remember, &visit).await {
        Ok(signed_in) => {
            let mut response = respond::see_other("/console/");
            enter(response.headers_mut(), &signed_in.session, peer);
            if let Some(ticket) = signed_in.ticket {
                let (headers, seconds) = (response.headers_mut(), MFA_TICKET_MS / 1000);
                cookies::keep(headers, cookies::TICKET, ticket.expose_secret(), peer.secure, seconds);
            }
            response
        }
        Err(SignInError::Refused) => page(&services, &headers, peer, true).await,
        Err(SignInError::Busy) => respond::busy(),
        Err(SignInError::Over) => sign_in::page(&headers, peer, false),
        Err(SignInError::Store(error)) => respond::failed(&error),
    }
}
