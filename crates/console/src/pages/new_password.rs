//! The page that changes a password which must be changed, and does just that.

use askama::Template;
use axum::{
    extract::{Form, State, rejection::FormRejection},
    http::StatusCode,
    response::Response,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sluice_access::ChangePasswordError;
use sluice_actions::Services;

use crate::{cookies, respond, session::AnySession};

#[derive(Template)]
#[template(path = "new_password.html")]
struct NewPasswordPage<'a> {
    user: &'a str,
    csrf: &'a str,
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

fn page(session: &AnySession, wrong: Option<&str>) -> Response {
    let console = &session.console;
    respond::page(StatusCode::OK, &NewPasswordPage { user: &console.name, csrf: &console.csrf, wrong })
}

/// Shows the form to whoever must change the password; anybody else has no business here.
pub(crate) async fn show(session: AnySession) -> Response {
    if session.console.must_change_password { page(&session, None) } else { respond::see_other("/console/") }
}

/// Changes the password; all other sessions of the user end.
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
        return page(&session, Some("The two new passwords differ."));
    }
    let now = services.access.clock().now();
    let changed = services.access.change_own_password(&session.token, form.old_password, form.new_password, now).await;
    let wrong = match changed {
        Ok(signed_in) => {
            let mut response = respond::see_other("/console/");
            let token = signed_in.token.expose_secret();
            cookies::set(response.headers_mut(), cookies::SESSION, token, session.peer.secure);
            return response;
        }
        Err(ChangePasswordError::WrongPassword) => "The present password is wrong.",
        Err(ChangePasswordError::TooWeak) => "The new password must have 8 to 32 characters.",
        Err(ChangePasswordError::Same) => "The new password is the present one.",
        Err(ChangePasswordError::Account) => "The account's own password is not changed here.",
        Err(ChangePasswordError::NoSession) => return respond::see_other("/console/"),
        Err(ChangePasswordError::Store(error)) => return respond::failed(&error),
    };
    page(&session, Some(wrong))
}
