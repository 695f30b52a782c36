//! The page that changes a password: because it must be changed, or because its user wants to.
//!
//! A password that must be changed asks no right; another goes through ChangePassword like any caller's.

use askama::Template;
use axum::{
    extract::{Form, State, rejection::FormRejection},
    http::StatusCode,
    response::Response,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sluice_access::ChangePasswordError;
use sluice_actions::{ActionError, Services, call, ram::ChangePassword};

use crate::{cookies, pages::security, respond, session::AnySession};

#[derive(Template)]
#[template(path = "new_password.html")]
struct NewPasswordPage<'a> {
    user: &'a str,
    csrf: &'a str,
    demanded: bool,
    policy: String,
    wrong: Option<&'a str>,
}

/// What the form sends. Not `Debug`: it holds passwords.
#[derive(Deserialize)]
pub(crate) struct NewPasswordForm {
    csrf: String,
    old_password: SecretString,
    new_password: SecretString,
    new_password_again: SecretString,
}

async fn page(services: &Services, session: &AnySession, wrong: Option<&str>) -> Response {
    let console = &session.console;
    let policy = match services.access.password_policy(console.caller.principal().account()).await {
        Ok(policy) => policy.to_string(),
        Err(error) => return respond::failed(&error),
    };
    let demanded = console.must_change_password;
    respond::page(
        StatusCode::OK,
        &NewPasswordPage { user: &console.name, csrf: &console.csrf, demanded, policy, wrong },
    )
}

/// Shows the form.
pub(crate) async fn show(State(services): State<Services>, session: AnySession) -> Response {
    if session.console.must_bind_mfa && !session.console.must_change_password {
        return respond::see_other("/console/mfa/bind");
    }
    page(&services, &session, None).await
}

/// Why it was not changed.
enum NotChanged {
    Told(String),
    Other(Response),
}

async fn change_as_demanded(
    services: &Services,
    session: &AnySession,
    (old, new): (SecretString, SecretString),
) -> Result<SecretString, NotChanged> {
    let now = services.access.clock().now();
    let changed = services.access.change_password_as_demanded(&session.token, old, new, now).await;
    changed.map_err(|error| match error {
        ChangePasswordError::WrongPassword => NotChanged::Told("The present password is wrong.".to_owned()),
        ChangePasswordError::Expired => {
            NotChanged::Told("The present password has expired: an administrator must set another.".to_owned())
        }
        ChangePasswordError::TooWeak(policy) => NotChanged::Told(format!("The new password must have {policy}.")),
        ChangePasswordError::Reused => NotChanged::Told("The new password was in use already.".to_owned()),
        ChangePasswordError::Account | ChangePasswordError::NoSession => {
            NotChanged::Other(respond::see_other("/console/"))
        }
        ChangePasswordError::Busy => NotChanged::Other(respond::busy()),
        ChangePasswordError::Store(error) => NotChanged::Other(respond::failed(&error)),
    })
}

async fn change_as_wanted(
    services: &Services,
    session: &AnySession,
    (old, new): (SecretString, SecretString),
) -> Result<SecretString, NotChanged> {
    let context = session.context(services);
    match call(&context, ChangePassword { old, new }).await {
        Ok(_) => services
            .access
            .renew_session(&session.token)
            .await
            .map_err(|error| NotChanged::Other(respond::failed(&error))),
        Err(error @ ActionError::Invalid { .. }) => Err(NotChanged::Told(error.message())),
        Err(error) => Err(NotChanged::Other(security::refused(&session.console, &context, error).await)),
    }
}

/// Changes the password; all other sessions of the user end, and this one goes on under another token.
pub(crate) async fn submit(
    State(services): State<Services>,
    session: AnySession,
    form: Result<Form<NewPasswordForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return respond::bad_form() };
    if !cookies::matches(&form.csrf, &session.console.csrf) {
        return respond::wrong_csrf();
    }
    if form.new_password.expose_secret() != form.new_password_again.expose_secret() {
        return page(&services, &session, Some("The two new passwords differ.")).await;
    }
    let passwords = (form.old_password, form.new_password);
    let demanded = session.console.must_change_password;
    if !demanded && session.console.must_bind_mfa {
        return respond::see_other("/console/mfa/bind");
    }
    let changed = if demanded {
        change_as_demanded(&services, &session, passwords).await
    } else {
        change_as_wanted(&services, &session, passwords).await
    };
    match changed {
        Ok(token) => {
            let to = if demanded { "/console/" } else { "/console/security?done=password" };
            let mut response = respond::see_other(to);
            let headers = response.headers_mut();
            cookies::set(headers, cookies::SESSION, token.expose_secret(), session.peer.secure);
            cookies::clear(headers, cookies::TICKET, session.peer.secure);
            response
        }
        Err(NotChanged::Told(wrong)) => page(&services, &session, Some(&wrong)).await,
        Err(NotChanged::Other(response)) => response,
    }
}
