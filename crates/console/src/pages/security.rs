//! Security information: one's own password, MFA device and AccessKeys, as far as the security preference or a policy lets one.

use askama::Template;
use axum::{
    extract::{Form, Query, State, rejection::FormRejection, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use secrecy::SecretString;
use serde::Deserialize;
use sluice_access::{ConsoleCaller, own_device_name};
use sluice_actions::{
    ActionContext, ActionError, Services, call, permitted,
    ram::{
        BindMfaDevice, ChangePassword, CreateAccessKey, DeleteAccessKey, DeleteVirtualMfaDevice, GetUserMfaInfo,
        KeyOwner, ListAccessKeys, SerialNumber, UnbindMfaDevice, UpdateAccessKey,
    },
};
use sluice_model::{Principal, UserName};

use crate::{
    cookies,
    frame::{Frame, Place},
    refusal::Shown,
    respond,
    session::AnySession,
};

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    frame: Frame,
    done: Option<&'static str>,
    wrong: Option<String>,
    is_user: bool,
    may_change_password: bool,
    device: Device,
    keys: Option<Vec<Key>>,
    may_create_key: bool,
    new_key: Option<(String, String)>,
}

/// What may be said of the user's device.
enum Device {
    Bound { serial: String, may_unbind: bool },
    None { may_bind: bool },
    Hidden,
}

/// A key as the page shows it.
struct Key {
    id: String,
    active: bool,
    created: String,
}

/// A refusal on a page of its own.
#[derive(Template)]
#[template(path = "security_refused.html")]
struct RefusedPage {
    frame: Frame,
    shown: Shown<()>,
}

/// What was just done.
#[derive(Deserialize)]
pub(crate) struct Asked {
    done: Option<String>,
}

/// What a form of the page sends.
#[derive(Deserialize)]
pub(crate) struct SecurityForm {
    csrf: String,
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    key: String,
}

/// The answer to what may not be done: the statement that is missing, or what is wrong.
pub(crate) async fn refused(console: &ConsoleCaller, context: &ActionContext, error: ActionError) -> Response {
    match Shown::of(Err(error)) {
        Ok(shown) => respond::page(shown.status(), &RefusedPage { frame: frame(console, context), shown }),
        Err(error) if is_ours(&error) => respond::failed(&error),
        Err(error) => respond::problem(&error.message()),
    }
}

/// Whether the server failed, not the caller.
fn is_ours(error: &ActionError) -> bool {
    error.status() >= 500
}

fn frame(console: &ConsoleCaller, context: &ActionContext) -> Frame {
    Frame::of(console, context, Place::Security)
}

fn name(console: &ConsoleCaller) -> Option<UserName> {
    match console.caller.principal() {
        Principal::User(..) => console.name.parse().ok(),
        Principal::Account(_) | Principal::Role(..) => None,
    }
}

async fn device(console: &ConsoleCaller, context: &ActionContext) -> Result<Device, ActionError> {
    let (Some(name), Principal::User(account, user)) = (name(console), console.caller.principal()) else {
        return Ok(Device::Hidden);
    };
    match call(context, GetUserMfaInfo { name: name.clone() }).await {
        Ok(info) => {
            let may_unbind = permitted(context, &UnbindMfaDevice { name }).is_ok();
            Ok(Device::Bound { serial: info.device.serial_number, may_unbind })
        }
        Err(error) if error.code() == "EntityNotExist.User.MFADevice" => {
            let serial = SerialNumber::new(account, own_device_name(user));
            let may_bind = permitted(context, &BindMfaDevice { name, serial, codes: Default::default() }).is_ok();
            Ok(Device::None { may_bind })
        }
        Err(error) if error.denial().is_some() => Ok(Device::Hidden),
        Err(error) => Err(error),
    }
}

/// What was done, and what of it is to be shown once.
#[derive(Default)]
struct Outcome {
    done: Option<&'static str>,
    wrong: Option<String>,
    new_key: Option<(String, String)>,
}

async fn page(session: &AnySession, context: &ActionContext, outcome: Outcome) -> Response {
    let console = &session.console;
    let owner = || KeyOwner::Caller;
    let keys = match call(context, ListAccessKeys { owner: owner() }).await {
        Ok(list) => Some(list.access_keys.access_key),
        Err(error) if error.denial().is_some() => None,
        Err(error) => return respond::failed(&error),
    };
    let key = |key: sluice_actions::ram::AccessKeyReply| Key {
        id: key.access_key_id,
        active: key.status == "Active",
        created: key.create_date,
    };
    let keys: Option<Vec<Key>> = keys.map(|keys| keys.into_iter().map(key).collect());
    let device = match device(console, context).await {
        Ok(device) => device,
        Err(error) => return respond::failed(&error),
    };
    let nothing = || SecretString::from("");
    let may_create = permitted(context, &CreateAccessKey { owner: owner() }).is_ok();
    let status = if outcome.wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = SecurityPage {
        frame: frame(console, context),
        done: outcome.done,
        wrong: outcome.wrong,
        is_user: name(console).is_some(),
        may_change_password: permitted(context, &ChangePassword { old: nothing(), new: nothing() }).is_ok(),
        device,
        may_create_key: may_create && keys.as_ref().is_none_or(|keys| keys.len() < 2),
        keys,
        new_key: outcome.new_key,
    };
    respond::page(status, &page)
}

/// Leads to what is demanded first.
fn demanded(session: &AnySession) -> Option<Response> {
    match (session.console.must_change_password, session.console.must_bind_mfa) {
        (true, _) => Some(respond::see_other("/console/password")),
        (false, true) => Some(respond::see_other("/console/mfa/bind")),
        (false, false) => None,
    }
}

/// Shows the page.
pub(crate) async fn show(
    State(services): State<Services>,
    session: AnySession,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    if let Some(first) = demanded(&session) {
        return first;
    }
    let done = asked.ok().and_then(|Query(asked)| asked.done).and_then(|done| match done.as_str() {
        "password" => Some("The password is changed. Other sessions have ended."),
        "bound" => Some("The MFA device is bound. From now on its code is asked at sign-in."),
        "unbound" => Some("The MFA device is unbound."),
        "key" => Some("The AccessKey is changed."),
        _ => None,
    });
    let context = session.context(&services);
    page(&session, &context, Outcome { done, ..Outcome::default() }).await
}

/// Does what a form of the page asks for.
async fn run(context: &ActionContext, console: &ConsoleCaller, form: &SecurityForm) -> Result<Outcome, ActionError> {
    let owner = KeyOwner::Caller;
    let key = || form.key.parse().map_err(|_| ActionError::Missing("UserAccessKeyId"));
    match form.what.as_str() {
        "unbind" => {
            let name = name(console).ok_or(ActionError::Missing("UserName"))?;
            call(context, UnbindMfaDevice { name }).await?;
            // A device that the console made is of no use any more; where it may not go, it stays.
            if let Principal::User(account, user) = console.caller.principal() {
                let serial = SerialNumber::new(account, own_device_name(user));
                let delete = DeleteVirtualMfaDevice { serial };
                if permitted(context, &delete).is_ok() {
                    // Of another name, it is not there; that is no failure.
                    match call(context, delete).await {
                        Err(error) if is_ours(&error) => return Err(error),
                        Ok(_) | Err(_) => {}
                    }
                }
            }
            Ok(Outcome { done: Some("unbound"), ..Outcome::default() })
        }
        "create-key" => {
            let made = call(context, CreateAccessKey { owner }).await?.access_key;
            Ok(Outcome { new_key: Some((made.access_key_id, made.access_key_secret)), ..Outcome::default() })
        }
        "enable-key" | "disable-key" => {
            call(context, UpdateAccessKey { owner, key: key()?, active: form.what == "enable-key" }).await?;
            Ok(Outcome { done: Some("key"), ..Outcome::default() })
        }
        "delete-key" => {
            call(context, DeleteAccessKey { owner, key: key()? }).await?;
            Ok(Outcome { done: Some("key"), ..Outcome::default() })
        }
        _ => Err(ActionError::Missing("do")),
    }
}

/// One of the page's forms.
pub(crate) async fn submit(
    State(services): State<Services>,
    session: AnySession,
    form: Result<Form<SecurityForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return respond::bad_form() };
    if !cookies::matches(&form.csrf, &session.console.csrf) {
        return respond::wrong_csrf();
    }
    if let Some(first) = demanded(&session) {
        return first;
    }
    let context = session.context(&services);
    match run(&context, &session.console, &form).await {
        Ok(Outcome { done: Some(done), .. }) => respond::see_other(&format!("/console/security?done={done}")),
        Ok(outcome) => page(&session, &context, outcome).await,
        Err(error) if error.denial().is_some() || is_ours(&error) => refused(&session.console, &context, error).await,
        Err(error) => page(&session, &context, Outcome { wrong: Some(error.message()), ..Outcome::default() }).await,
    }
}
