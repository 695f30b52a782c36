//! The page that binds an MFA device: because sign-in demands one, or because its user wants one.
//!
//! Demanded, it asks no right, as a password that must be changed; wanted, it goes through CreateVirtualMFADevice and
//! BindMFADevice like any caller.

use askama::Template;
use axum::{
    extract::{Form, State, rejection::FormRejection},
    http::StatusCode,
    response::Response,
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sluice_access::{BindError, Enrolment, own_device_name};
use sluice_actions::{
    ActionContext, Services, call,
    ram::{BindMfaDevice, CreateVirtualMfaDevice, SerialNumber},
};
use sluice_model::{AccountId, Principal, UserId};

use crate::{cookies, pages::security, respond, session::AnySession};

const WRONG: &str =
    "The codes are not two of this device that follow each other. Wait for the next code and try again.";

#[derive(Template)]
#[template(path = "mfa_bind.html")]
struct BindPage<'a> {
    user: &'a str,
    csrf: &'a str,
    demanded: bool,
    seed: &'a str,
    qr_code_png: &'a str,
    wrong: Option<&'a str>,
}

/// What the form sends. Not `Debug`: it holds codes.
#[derive(Deserialize)]
pub(crate) struct BindForm {
    csrf: String,
    code1: String,
    code2: String,
}

/// The account and the user; the account itself has no device.
fn user_of(session: &AnySession) -> Option<(AccountId, UserId)> {
    match session.console.caller.principal() {
        Principal::User(account, user) => Some((account, user)),
        Principal::Account(_) | Principal::Role(..) => None,
    }
}

/// The device that is to be bound; made when there is none, as it is demanded or on the user's own right.
async fn enrolment(services: &Services, session: &AnySession, user: UserId) -> Result<Enrolment, Response> {
    let (access, demanded) = (&services.access, session.console.must_bind_mfa);
    let now = access.clock().now();
    match access.own_enrolment(&session.console, demanded, now).await {
        Ok(Some(enrolment)) => Ok(enrolment),
        Err(error) => Err(not_made(services, session, &error).await),
        Ok(None) => {
            let context = session.context(services);
            let make = CreateVirtualMfaDevice { name: own_device_name(user) };
            if let Err(error) = call(&context, make).await {
                return Err(security::refused(&session.console, &context, error).await);
            }
            match access.own_enrolment(&session.console, false, now).await {
                Ok(Some(enrolment)) => Ok(enrolment),
                Ok(None) => Err(respond::see_other("/console/security")),
                Err(error) => Err(not_made(services, session, &error).await),
            }
        }
    }
}

async fn not_made(services: &Services, session: &AnySession, error: &BindError) -> Response {
    match error {
        BindError::Taken if session.console.must_bind_mfa => begin_again(services, session).await,
        BindError::Taken => respond::see_other("/console/security"),
        other => respond::failed(other),
    }
}

/// A device was bound meanwhile, in another window or by an administrator: this session has not shown its code, so it ends
/// and the next sign-in asks for it.
async fn begin_again(services: &Services, session: &AnySession) -> Response {
    match services.access.sign_out(&session.token, &session.console).await {
        Ok(()) => respond::see_other("/console/"),
        Err(error) => respond::failed(&error),
    }
}

async fn page(services: &Services, session: &AnySession, wrong: Option<&str>) -> Response {
    let Some((_, user)) = user_of(session) else { return respond::see_other("/console/security") };
    let enrolment = match enrolment(services, session, user).await {
        Ok(enrolment) => enrolment,
        Err(response) => return response,
    };
    let console = &session.console;
    let page = BindPage {
        user: &console.name,
        csrf: &console.csrf,
        demanded: console.must_bind_mfa,
        seed: enrolment.seed.expose_secret(),
        qr_code_png: enrolment.qr_code_png.expose_secret(),
        wrong,
    };
    respond::page(StatusCode::OK, &page)
}

/// Shows the device to enter into the app.
pub(crate) async fn show(State(services): State<Services>, session: AnySession) -> Response {
    if session.console.must_change_password {
        return respond::see_other("/console/password");
    }
    page(&services, &session, None).await
}

/// Why it was not bound.
enum NotBound {
    WrongCodes,
    Other(Response),
}

async fn bind_as_wanted(
    services: &Services,
    session: &AnySession,
    context: &ActionContext,
    (account, user): (AccountId, UserId),
    codes: [String; 2],
) -> Result<(), NotBound> {
    let access = &services.access;
    match access.own_enrolment(&session.console, false, access.clock().now()).await {
        Ok(Some(_)) => {}
        // The page shows another seed by now: these are codes of nothing that waits in this session.
        Ok(None) => return Err(NotBound::WrongCodes),
        Err(BindError::Taken) => return Err(NotBound::Other(respond::see_other("/console/security"))),
        Err(error) => return Err(NotBound::Other(respond::failed(&error))),
    }
    let Ok(name) = session.console.name.parse() else { return Err(NotBound::Other(respond::not_found())) };
    let bind = BindMfaDevice { name, serial: SerialNumber::new(account, own_device_name(user)), codes };
    match call(context, bind).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == "CheckAuthenticationCodeFail" => Err(NotBound::WrongCodes),
        Err(error) => Err(NotBound::Other(security::refused(&session.console, context, error).await)),
    }
}

/// Binds it with two codes.
pub(crate) async fn submit(
    State(services): State<Services>,
    session: AnySession,
    form: Result<Form<BindForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return respond::bad_form() };
    if !cookies::matches(&form.csrf, &session.console.csrf) {
        return respond::wrong_csrf();
    }
    if session.console.must_change_password {
        return respond::see_other("/console/password");
    }
    let Some(user) = user_of(&session) else { return respond::see_other("/console/security") };
    let codes = [form.code1.trim().to_owned(), form.code2.trim().to_owned()];
    let bound = if session.console.must_bind_mfa {
        let (now, codes) = (services.access.clock().now(), [codes[0].as_str(), codes[1].as_str()]);
        match services.access.bind_as_demanded(&session.console, session.peer, codes, now).await {
            Ok(()) => Ok(()),
            Err(BindError::WrongCodes) => Err(NotBound::WrongCodes),
            Err(BindError::Taken) => Err(NotBound::Other(begin_again(&services, &session).await)),
            Err(error) => Err(NotBound::Other(respond::failed(&error))),
        }
    } else {
        bind_as_wanted(&services, &session, &session.context(&services), user, codes).await
    };
    match bound {
        Ok(()) => match services.access.note_mfa_bound(&session.token).await {
            Ok(()) => respond::see_other("/console/security?done=bound"),
            Err(error) => respond::failed(&error),
        },
        Err(NotBound::WrongCodes) => page(&services, &session, Some(WRONG)).await,
        Err(NotBound::Other(response)) => response,
    }
}
