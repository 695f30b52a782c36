//! Sign-in, on `/console/` for whoever is not signed in, and its end.

use askama::Template;
use axum::{
    extract::{Form, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sluice_access::{Peer, SignInError, SignedIn, Visit, random};
use sluice_actions::Services;

use crate::{
    cookies, respond,
    session::{AnySession, From},
};

/// One answer for every cause.
const WRONG: &str = "The logon name or the password is wrong.";
/// Longest text of a browser about itself that goes to the log.
const USER_AGENT_CHARACTERS_MAX: usize = 256;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    csrf: String,
    wrong: Option<&'static str>,
}

/// What the form sends. Not `Debug`: it holds a password.
#[derive(Deserialize)]
pub(crate) struct SignInForm {
    csrf: String,
    logon_name: String,
    password: SecretString,
}

/// The token of a form that is shown before there is a session. A cookie that is there is kept, so that two pages side by
/// side both work.
pub(crate) fn form_token(headers: &HeaderMap) -> String {
    let known = cookies::read(headers, cookies::FORM).filter(|token| token.len() == 64);
    known.map_or_else(random::token, str::to_owned)
}

/// The page, with a form tied to the browser's cookie.
pub(crate) fn page(headers: &HeaderMap, peer: Peer, failed: bool) -> Response {
    let csrf = form_token(headers);
    let template = SignInPage { csrf: csrf.clone(), wrong: failed.then_some(WRONG) };
    let mut response = respond::page(StatusCode::OK, &template);
    cookies::set(response.headers_mut(), cookies::FORM, &csrf, peer.secure);
    response
}

/// The browser's name for itself, cut where it is too long.
pub(crate) fn user_agent(headers: &HeaderMap) -> String {
    let text = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().take(USER_AGENT_CHARACTERS_MAX).collect()
}

/// Signs in: 303, or the same page with the same words for every cause.
pub(crate) async fn submit(
    State(services): State<Services>,
    From(peer): From,
    headers: HeaderMap,
    form: Result<Form<SignInForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return respond::bad_form() };
    let expected = cookies::read(&headers, cookies::FORM).unwrap_or_default();
    if !cookies::matches(&form.csrf, expected) {
        return respond::wrong_csrf();
    }
    let (now, user_agent) = (services.access.clock().now(), user_agent(&headers));
    let visit = Visit { peer, user_agent: &user_agent, now };
    let ticket = cookies::read(&headers, cookies::TICKET);
    match services.access.sign_in(&form.logon_name, form.password, ticket, &visit).await {
        Ok(SignedIn::Session(token)) => {
            let mut response = respond::see_other("/console/");
            enter(response.headers_mut(), &token, peer);
            response
        }
        Ok(SignedIn::NeedsCode(token)) => {
            let mut response = respond::see_other("/console/mfa");
            cookies::set(response.headers_mut(), cookies::HALF, token.expose_secret(), peer.secure);
            response
        }
        Err(SignInError::Refused | SignInError::Over) => page(&headers, peer, true),
        Err(SignInError::Busy) => respond::busy(),
        Err(SignInError::Store(error)) => respond::failed(&error),
    }
}

/// Gives the browser a session, and takes what led to it.
pub(crate) fn enter(headers: &mut HeaderMap, token: &SecretString, peer: Peer) {
    cookies::set(headers, cookies::SESSION, token.expose_secret(), peer.secure);
    cookies::clear(headers, cookies::FORM, peer.secure);
    cookies::clear(headers, cookies::HALF, peer.secure);
}

/// What a form without other fields sends.
#[derive(Deserialize)]
pub(crate) struct TokenForm {
    csrf: String,
}

/// Ends the session.
pub(crate) async fn sign_out(
    State(services): State<Services>,
    session: AnySession,
    form: Result<Form<TokenForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return respond::bad_form() };
    if !cookies::matches(&form.csrf, &session.console.csrf) {
        return respond::wrong_csrf();
    }
    if let Err(error) = services.access.sign_out(&session.token, &session.console).await {
        return respond::failed(&error);
    }
    let mut response = respond::see_other("/console/");
    cookies::clear(response.headers_mut(), cookies::SESSION, session.peer.secure);
    response
}
