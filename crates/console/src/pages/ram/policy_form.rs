//! Writes a policy, or a new version of one. A document can be started from a scenario or from another policy; what the checker says
//! of it is shown while it is written, and again when it is sent.

use axum::{extract::Path, response::Response};
use sluice_actions::{
    ActionError, Verdict, Whom, call, check_document, permitted, permitted_on,
    ram::{CreatePolicy, CreatePolicyVersion, GetPolicy, ListPolicies},
};
use sluice_model::{PolicyType, RamEntity};

use super::{Form as Sent, all_policies, if_listed, policies::at, policy::pretty, scenarios, step};
use crate::{
    frame::Place,
    parts::{Choice, Field, Form, ImportForm, Kind, Link, Note, Sheet},
    respond,
    session::{Asked, Posted, SignedIn, known},
};

const CREATE: &str = "/console/ram/create-policy";

fn document(text: &str) -> Field {
    Field::new("PolicyDocument", "Policy document", Kind::Document("Permission"))
        .needed()
        .value(text)
        .hint("JSON, at most 6,144 characters. A topic is named acs:mq:*:*:topic/INSTANCE/TOPIC.")
}

fn create_form(who: &SignedIn, text: &str) -> Form {
    Form::new(&who.frame(Place::RamPolicies), "policy", CREATE, "Create policy")
        .back("/console/ram/policies")
        .field(Field::text("PolicyName", "Name").needed().hint("Letters, digits, hyphens; at most 128."))
        .field(Field::new("Description", "Note", Kind::Area))
        .field(document(text))
}

/// Where to start from, as links: they work without a script.
fn starts(to: &str) -> Note {
    let link =
        |one: &scenarios::Scenario| Link::new(format!("{to}?from={}", one.key), format!("{}: {}", one.name, one.about));
    Note {
        id: "scenarios",
        head: "Start from a scenario",
        text: "Each fills the document in; put your own names in place of those in capitals.".to_owned(),
        links: scenarios::SCENARIOS.iter().map(link).collect(),
    }
}

/// The text to start with: a scenario's, another policy's, or the smallest.
async fn start(who: &SignedIn, asked: &Asked) -> Result<String, ActionError> {
    if let Some((kind, name)) = asked.0.get("policy").split_once('/') {
        let input = known::<GetPolicy>(&[("PolicyType", kind), ("PolicyName", name)])?;
        let text = call(&who.context, input).await?.default_policy_version.policy_document;
        return Ok(pretty(&text.unwrap_or_default()));
    }
    let chosen = scenarios::find(asked.0.get("from")).unwrap_or(&scenarios::SCENARIOS[0]);
    Ok(chosen.document.to_owned())
}

/// A form that fills the editor with another policy's document.
async fn import(who: &SignedIn, to: &str) -> Option<ImportForm> {
    let policies = if_listed::<ListPolicies, _>(&who.context, all_policies(&who.context)).await.ok()??;
    let choices = policies.into_iter().map(|policy| {
        let value = format!("{}/{}", policy.policy_type, policy.policy_name);
        Choice::new(value, format!("{} ({})", policy.policy_name, policy.policy_type), "")
    });
    Some(ImportForm { to: to.to_owned(), choices: choices.collect() })
}

/// Shows the form to whoever may create policies.
pub(crate) async fn show(who: SignedIn, asked: Asked) -> Response {
    let outcome = match permitted_on::<CreatePolicy>(&who.context, RamEntity::Policy("*".into())) {
        Ok(()) => start(&who, &asked).await,
        Err(error) => Err(error),
    };
    let outcome = match outcome {
        Ok(text) => Ok(around(&who, create_form(&who, &text)).await),
        Err(error) => Err(error),
    };
    who.answer(Place::RamPolicies, "Create policy", outcome)
}

async fn around(who: &SignedIn, form: Form) -> Sheet {
    let sheet = Sheet::new("Create policy").below("/console/ram/policies", "Policies").part(starts(CREATE));
    let sheet = match import(who, CREATE).await {
        Some(import) => sheet.part(import),
        None => sheet,
    };
    sheet.part(form)
}

/// What the checker says of a document that was sent.
async fn verdicts(posted: &Posted) -> Result<Vec<Verdict>, ActionError> {
    let text = posted.fields.get("PolicyDocument").replace("\r\n", "\n");
    check_document(&posted.who.context, "Permission", &text).await
}

/// Creates the policy, or shows the form again with what is wrong.
pub(crate) async fn submit(posted: Posted) -> Response {
    let name = posted.fields.get("PolicyName").to_owned();
    let back = format!("{}?tab=document", at(PolicyType::Custom.as_str(), &name));
    let form = Sent { posted: &posted, place: Place::RamPolicies, title: &name, action: CREATE, back: &back };
    match form.end(step::<CreatePolicy>(&posted, &[], &[]).await) {
        Ok(response) => response,
        Err(error) => {
            let form = create_form(&posted.who, "").sent(&posted.fields, &error);
            let sheet = match verdicts(&posted).await {
                Ok(said) => Ok(around(&posted.who, form.said(said)).await),
                Err(error) => Err(error),
            };
            let sheet = sheet.map(|sheet| Sheet { status: respond::status_of(&error), ..sheet });
            posted.who.answer(Place::RamPolicies, "Create policy", sheet)
        }
    }
}

fn version_form(who: &SignedIn, name: &str, text: &str) -> Form {
    let to = format!("{}/new-version", at("Custom", name));
    Form::new(&who.frame(Place::RamPolicies), "policy", to, "Save")
        .back(at("Custom", name))
        .asks_first()
        .lead("A policy keeps five versions; the oldest that is not in force makes room for a sixth.")
        .hidden("RotateStrategy", "DeleteOldestNonDefaultVersionWhenLimitExceeded")
        .field(document(text))
        .field(Field::new("SetAsDefault", "Put it in force at once", Kind::Check).value("true"))
}

fn version_sheet(name: &str, form: Form) -> Sheet {
    let title = format!("New version of {name}");
    Sheet::new(title).below("/console/ram/policies", "Policies").below(&at("Custom", name), name).part(form)
}

/// Shows the form with the document in force.
pub(crate) async fn show_version(Path(name): Path<String>, who: SignedIn) -> Response {
    let outcome = version_page(&who, &name).await;
    who.answer(Place::RamPolicies, "New version", outcome)
}

async fn version_page(who: &SignedIn, name: &str) -> Result<Sheet, ActionError> {
    let given = [("PolicyName", name), ("PolicyDocument", scenarios::SCENARIOS[0].document)];
    permitted(&who.context, &known::<CreatePolicyVersion>(&given)?)?;
    let input = known::<GetPolicy>(&[("PolicyType", "Custom"), ("PolicyName", name)])?;
    let text = call(&who.context, input).await?.default_policy_version.policy_document.unwrap_or_default();
    Ok(version_sheet(name, version_form(who, name, &pretty(&text))))
}

/// Saves the version; where it is put in force, whom it touches is said first.
pub(crate) async fn submit_version(Path(name): Path<String>, posted: Posted) -> Response {
    let Ok(policy) = name.parse() else { return respond::not_found() };
    let whom = [Whom::Policy(policy)];
    let at_once = posted.fields.get("SetAsDefault") == "true";
    let whom: &[Whom] = if at_once { &whom } else { &[] };
    let outcome = step::<CreatePolicyVersion>(&posted, &[("PolicyName", &name)], whom).await;
    let action = format!("{}/new-version", at("Custom", &name));
    let back = format!("{}?tab=versions", at("Custom", &name));
    let form = Sent { posted: &posted, place: Place::RamPolicies, title: &name, action: &action, back: &back };
    match form.end(outcome) {
        Ok(response) => response,
        Err(error) => {
            let form = version_form(&posted.who, &name, "").sent(&posted.fields, &error);
            let sheet = verdicts(&posted).await.map(|said| version_sheet(&name, form.said(said)));
            let sheet = sheet.map(|sheet| Sheet { status: respond::status_of(&error), ..sheet });
            posted.who.answer(Place::RamPolicies, "New version", sheet)
        }
    }
}
