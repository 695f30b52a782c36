//! Sign-in, on `/console/` for whoever is not signed in, and its end.

use askama::Template;
use axum::{
    extract::{Form, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sluice_access::{Peer, SignInError, random};
use sluice_actions::Services;

use crate::{
    cookies, respond,
    session::{AnySession, From},
};

/// One answer for every cause.
const WRONG: &str = "The logon name or the password is wrong.";

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

/// The page, with a form tied to the browser's cookie.
pub(crate) fn page(headers: &HeaderMap, peer: Peer, failed: bool) -> Response {
    // A cookie that is there is kept, so that two pages side by side both work.
    let known = cookies::read(headers, cookies::FORM).filter(|token| token.len() == 64);
    let csrf = known.map_or_else(random::token, str::to_owned);
    let template = SignInPage { csrf: csrf.clone(), wrong: failed.then_some(WRONG) };
    let mut response = respond::page(StatusCode::OK, &template);
    cookies::set(response.headers_mut(), cookies::FORM, &csrf, peer.secure);
    response
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
    let now = services.access.clock().now();
    match services.access.sign_in(&form.logon_name, form.password, peer, now).await {
        Ok(signed_in) => {
            let to = if signed_in.must_change_password { "/console/password" } else { "/console/" };
            let mut response = respond::see_other(to);
            cookies::set(response.headers_mut(), cookies::SESSION, signed_in.token.expose_secret(), peer.secure);
            cookies::clear(response.headers_mut(), cookies::FORM, peer.secure);
            response
        }
        Err(SignInError::Refused) => page(&headers, peer, true),
        Err(SignInError::Store(error)) => respond::failed(&error),
    }
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
    if let Err(error) = services.access.sign_out(&session.token).await {
        return respond::failed(&error);
    }
    let mut response = respond::see_other("/console/");
    cookies::clear(response.headers_mut(), cookies::SESSION, session.peer.secure);
    response
}
