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
    ActionContext, ActionError, Services, Whom, call, permitted,
    ram::{
        AccessKeyReply, BindMfaDevice, ChangePassword, CreateAccessKey, DeleteAccessKey, DeleteVirtualMfaDevice,
        GetUserMfaInfo, KeyOwner, ListAccessKeys, SerialNumber, UnbindMfaDevice, UpdateAccessKey,
    },
    reach,
};
use sluice_model::{Principal, UserName};

use crate::{
    cookies,
    frame::{Frame, Place},
    pages::ram::{if_permitted, missing, words},
    parts::{Button, Question, Sheet},
    refusal::Shown,
    respond,
    session::AnySession,
};

const HERE: &str = "/console/security";
const TITLE: &str = "Security information";

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
    buttons: Vec<Button>,
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
    /// Yes to the question.
    #[serde(default)]
    confirmed: String,
}

/// The answer to what may not be done: the statement that is missing, or what is wrong.
pub(crate) async fn refused(console: &ConsoleCaller, context: &ActionContext, error: ActionError) -> Response {
    match Shown::of(Err(error)) {
        Ok(shown) => {
            let frame = frame(console, context, true);
            respond::page(shown.status(), &RefusedPage { frame, shown })
        }
        Err(error) if is_ours(&error) => respond::failed(&error),
        Err(error) => respond::problem(&error.message()),
    }
}

/// Whether the server failed, not the caller.
fn is_ours(error: &ActionError) -> bool {
    error.status() >= 500
}

fn frame(console: &ConsoleCaller, context: &ActionContext, is_deed: bool) -> Frame {
    Frame::of(console, context, Place::Security, is_deed)
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
    match if_permitted(context, GetUserMfaInfo { name: name.clone() }).await {
        Ok(None) => Ok(Device::Hidden),
        Ok(Some(info)) => {
            let may_unbind = permitted(context, &UnbindMfaDevice { name }).is_ok();
            Ok(Device::Bound { serial: info.device.serial_number, may_unbind })
        }
        Err(error) if error.code() == "EntityNotExist.User.MFADevice" => {
            let serial = SerialNumber::new(account, own_device_name(user));
            let may_bind = permitted(context, &BindMfaDevice { name, serial, codes: Default::default() }).is_ok();
            Ok(Device::None { may_bind })
        }
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

/// A key with what can be done with it. What ends connections asks first.
fn key(context: &ActionContext, frame: &Frame, key: AccessKeyReply) -> Key {
    let active = key.status == "Active";
    let sends = [("key", key.access_key_id.as_str())];
    let (label, what) = if active { ("Deactivate", "disable-key") } else { ("Activate", "enable-key") };
    let change = Button::run(frame, label, HERE, what, &sends);
    let change = if active { change.asks_first() } else { change };
    let delete = Button::run(frame, "Delete", HERE, "delete-key", &sends).asks_first();
    let named = [("UserAccessKeyId", key.access_key_id.as_str()), ("Status", "Active")];
    let buttons = vec![
        change.unless(missing::<UpdateAccessKey>(context, &named)),
        delete.unless(missing::<DeleteAccessKey>(context, &named)),
    ];
    Key { active, created: key.create_date, buttons, id: key.access_key_id }
}

async fn page(session: &AnySession, context: &ActionContext, outcome: Outcome) -> Response {
    let console = &session.console;
    let owner = || KeyOwner::Caller;
    let keys = match if_permitted(context, ListAccessKeys { owner: owner() }).await {
        Ok(list) => list.map(|list| list.access_keys.access_key),
        Err(error) => return respond::failed(&error),
    };
    let frame = frame(console, context, false);
    let keys: Option<Vec<Key>> = keys.map(|keys| keys.into_iter().map(|one| key(context, &frame, one)).collect());
    let device = match device(console, context).await {
        Ok(device) => device,
        Err(error) => return respond::failed(&error),
    };
    let nothing = || SecretString::from("");
    let may_create = permitted(context, &CreateAccessKey { owner: owner() }).is_ok();
    let status = if outcome.wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = SecurityPage {
        frame,
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

/// What is asked before a form is done: whom it touches. `None` where nothing is asked.
async fn question(
    context: &ActionContext,
    console: &ConsoleCaller,
    form: &SecurityForm,
) -> Result<Option<Question>, ActionError> {
    let (owner, user) = (KeyOwner::Caller, name(console));
    // The account itself is none of those whose connections are counted.
    let whom: Vec<Whom> = user.clone().map(Whom::User).into_iter().collect();
    let key = || form.key.parse().map_err(|_| ActionError::Missing("UserAccessKeyId"));
    let (operation, reach) = match form.what.as_str() {
        "unbind" => {
            let name = user.clone().ok_or(ActionError::Missing("UserName"))?;
            ("UnbindMFADevice", reach(context, &UnbindMfaDevice { name }, &whom).await?)
        }
        "disable-key" => {
            let input = UpdateAccessKey { owner, key: key()?, active: false };
            ("UpdateAccessKey", reach(context, &input, &whom).await?)
        }
        "delete-key" => ("DeleteAccessKey", reach(context, &DeleteAccessKey { owner, key: key()? }, &whom).await?),
        _ => return Ok(None),
    };
    let (head, yes) = words::question(operation);
    let about = match (form.what.as_str(), form.key.as_str()) {
        ("unbind", _) => "From then on the password alone opens this console.".to_owned(),
        (_, key) => format!("AccessKey {key}. Whatever uses it stops working."),
    };
    Ok(Some(Question {
        csrf: console.csrf.clone(),
        action: HERE.to_owned(),
        head: head.to_owned(),
        reach: user.map(|_| reach),
        lines: vec![about],
        hidden: vec![("do".to_owned(), form.what.clone()), ("key".to_owned(), form.key.clone())],
        yes,
        back: HERE.to_owned(),
    }))
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
    if form.confirmed != "yes" {
        match question(&context, &session.console, &form).await {
            Ok(None) => {}
            Ok(Some(question)) => {
                let frame = frame(&session.console, &context, true);
                return respond::sheet(frame, TITLE, Ok(Sheet::new(TITLE).part(question)));
            }
            Err(error) if error.denial().is_some() || is_ours(&error) => {
                return refused(&session.console, &context, error).await;
            }
            Err(error) => {
                return page(&session, &context, Outcome { wrong: Some(error.message()), ..Outcome::default() }).await;
            }
        }
    }
    match run(&context, &session.console, &form).await {
        Ok(Outcome { done: Some(done), .. }) => respond::see_other(&format!("/console/security?done={done}")),
        Ok(outcome) => page(&session, &context, outcome).await,
        Err(error) if error.denial().is_some() || is_ours(&error) => refused(&session.console, &context, error).await,
        Err(error) => page(&session, &context, Outcome { wrong: Some(error.message()), ..Outcome::default() }).await,
    }
}
