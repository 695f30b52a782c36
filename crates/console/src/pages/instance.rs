//! One instance: what it is, what its acknowledgements promise, what it keeps for clients that are away; needs
//! `mq:GetMqttInstance`, and `mq:UpdateMqttInstance` to change it.

use askama::Template;
use axum::{
    extract::{Form, Path, Query, rejection::FormRejection, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use sluice_actions::{
    Act, ActionContext, ActionError, Params, call,
    onsmqtt::{GetMqttInstance, InstanceDetail, UpdateMqttInstance},
    permitted,
};

use crate::{
    cookies,
    frame::{Frame, Place},
    pages::instances::minute,
    refusal::{Refusal, Shown},
    respond,
    session::SignedIn,
};

#[derive(Template)]
#[template(path = "instance.html")]
struct InstancePage {
    frame: Frame,
    shown: Shown<Details>,
}

/// What the page shows of an instance.
struct Details {
    instance: String,
    name: String,
    facts: Vec<(&'static str, String)>,
    settings: Settings,
    limits: Vec<(&'static str, String)>,
    may_change: Result<(), Refusal>,
    wrong: Option<String>,
    saved: bool,
}

/// The settings that the form changes, as they are or as they were typed.
#[derive(Deserialize)]
struct Settings {
    durability: String,
    retention_s: String,
    messages_max: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct SettingsForm {
    csrf: String,
    #[serde(flatten)]
    settings: Settings,
}

/// Whether a change was just made.
#[derive(Deserialize)]
pub(crate) struct Asked {
    saved: Option<String>,
}

impl Settings {
    fn of(detail: &InstanceDetail) -> Self {
        Self {
            durability: detail.summary.durability.to_owned(),
            retention_s: detail.limits.offline_retention_s.to_string(),
            messages_max: detail.limits.offline_messages_max.to_string(),
        }
    }

    /// As the operation's parameters, so that the console and the API hold a value to the same rule.
    fn into_change(self, instance: &str) -> Result<UpdateMqttInstance, ActionError> {
        UpdateMqttInstance::read(&params([
            ("InstanceId", instance.to_owned()),
            ("Durability", self.durability),
            ("OfflineRetentionSeconds", self.retention_s),
            ("OfflineMessagesMax", self.messages_max),
        ]))
    }
}

fn params<const N: usize>(given: [(&str, String); N]) -> Params {
    let mut params = Params::default();
    for (name, value) in given {
        params.insert(name.to_owned(), value);
    }
    params
}

impl Details {
    fn of(detail: InstanceDetail, may_change: Result<(), Refusal>, wrong: Option<String>, saved: bool) -> Self {
        let settings = Settings::of(&detail);
        let summary = detail.summary;
        let mut facts = vec![
            ("Status", summary.status.to_owned()),
            ("Edition", summary.edition.to_owned()),
            ("Compatibility", summary.compatibility.to_owned()),
            ("When denied", summary.deny_action.to_owned()),
            ("Created (UTC)", minute(summary.create_time)),
        ];
        let stored = detail.stored;
        facts.push(("Kept now", format!("{} messages, {} bytes", stored.messages, stored.bytes)));
        facts.push((
            "Since the start",
            format!("{} made room for newer ones, {} waited too long", stored.given_up, stored.expired),
        ));
        facts.extend(detail.endpoints.into_iter().map(|endpoint| (endpoint.protocol, endpoint.address)));
        let limits = detail.limits.named().into_iter().map(|(name, limit)| (name, limit_in_words(limit))).collect();
        Self {
            instance: summary.instance_id,
            name: summary.instance_name,
            facts,
            settings,
            limits,
            may_change,
            wrong,
            saved,
        }
    }
}

fn limit_in_words(limit: i64) -> String {
    if limit < 0 { "none".to_owned() } else { limit.to_string() }
}

/// Reads the instance for the page; a name that none can have is no page.
async fn page(signed_in: SignedIn, instance: &str, (wrong, saved): (Option<String>, bool)) -> Response {
    let Ok(get) = GetMqttInstance::read(&params([("InstanceId", instance.to_owned())])) else {
        return respond::not_found();
    };
    let context = &signed_in.context;
    let outcome = match call(context, get).await {
        Ok(reply) => may_change(context, instance).map(|may| Details::of(reply.instance, may, wrong, saved)),
        Err(error) => Err(error),
    };
    match Shown::of(outcome) {
        Ok(shown) => {
            let status = match &shown {
                Shown::Granted(details) if details.wrong.is_some() => StatusCode::BAD_REQUEST,
                other => other.status(),
            };
            respond::page(status, &InstancePage { frame: signed_in.frame(Place::MqttInstances), shown })
        }
        Err(error) => respond::failed(&error),
    }
}

/// Whether this person may change it, or what is missing.
fn may_change(context: &ActionContext, instance: &str) -> Result<Result<(), Refusal>, ActionError> {
    let nothing = UpdateMqttInstance::read(&params([("InstanceId", instance.to_owned())]))?;
    match Shown::of(permitted(context, &nothing))? {
        Shown::Granted(()) => Ok(Ok(())),
        Shown::Refused(refusal) => Ok(Err(refusal)),
    }
}

/// Shows the instance, or what is missing to see it.
pub(crate) async fn show(
    Path(instance): Path<String>,
    signed_in: SignedIn,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let saved = asked.is_ok_and(|Query(asked)| asked.saved.is_some());
    page(signed_in, &instance, (None, saved)).await
}

/// Changes the settings; they hold from the answer on.
pub(crate) async fn submit(
    Path(instance): Path<String>,
    signed_in: SignedIn,
    form: Result<Form<SettingsForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return respond::bad_form() };
    if !cookies::matches(&form.csrf, &signed_in.console.csrf) {
        return respond::wrong_csrf();
    }
    let outcome = match form.settings.into_change(&instance) {
        Ok(change) => call(&signed_in.context, change).await.map(drop),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => respond::see_other(&format!("/console/mqtt/instances/{instance}?saved=yes")),
        // What is missing is said by the page itself, where the form would be.
        Err(error) if error.denial().is_some() => page(signed_in, &instance, (None, false)).await,
        Err(ActionError::Internal) => respond::failed(&"an instance's settings could not be changed"),
        Err(error) => page(signed_in, &instance, (Some(error.message()), false)).await,
    }
}
