//! One policy: its document in force, its versions, and who has it.

use axum::{extract::Path, response::Response};
use sluice_actions::{
    ActionError, Whom, call,
    ram::{
        CreatePolicyVersion, DeletePolicy, DeletePolicyVersion, GetPolicy, GetPolicyVersion, ListEntitiesForPolicy,
        ListPolicyVersions, SetDefaultPolicyVersion,
    },
};

use super::{Form as Sent, done, grants, missing, policies::at, step, step_for_good, when};
use crate::{
    frame::{Frame, Place},
    parts::{Button, Cell, Code, Facts, Sheet, Table},
    refusal::Shown,
    respond,
    session::{Asked, Posted, SignedIn, known},
};

const TABS: &[(&str, &str)] = &[("document", "Document"), ("versions", "Versions"), ("references", "References")];

/// A document that is valid, to ask whether a right to save one is there.
const NOTHING: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"mq:PUB","Resource":"*"}]}"#;

/// Which policy.
type Which = Path<(String, String)>;

/// Shows the policy, or what is missing to see it.
pub(crate) async fn show(Path((kind, name)): Which, who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, (&kind, &name), asked.0.get("tab"), asked.0.get("version")).await;
    let sheet = sheet.map(|sheet| sheet.done(done(asked.0.get("done"))));
    who.answer(Place::RamPolicies, "Policy", sheet)
}

async fn sheet(who: &SignedIn, (kind, name): (&str, &str), tab: &str, version: &str) -> Result<Sheet, ActionError> {
    let (context, frame) = (&who.context, who.frame(Place::RamPolicies));
    let named = [("PolicyType", kind), ("PolicyName", name)];
    let found = call(context, known::<GetPolicy>(&named)?).await?;
    let policy = found.policy;
    let tab = TABS.iter().find(|(key, _)| *key == tab).unwrap_or(&TABS[0]).0;
    let mut page = Sheet::new(name).below("/console/ram/policies", "Policies");
    if kind == "Custom" {
        let cannot_edit = missing::<CreatePolicyVersion>(context, &[named[1], ("PolicyDocument", NOTHING)]);
        let edit = Button::link("New version", format!("{}/new-version", at(kind, name))).unless(cannot_edit);
        let delete = Button::run(&frame, "Delete", at(kind, name), "DeletePolicy", &[("CascadingDelete", "true")]);
        page = page.button(edit).button(delete.asks_first().unless(missing::<DeletePolicy>(context, &named[1..])));
    }
    let rows = vec![
        ("Type", policy.policy_type.to_owned()),
        ("Note", policy.description),
        ("In force", policy.default_version.clone()),
        ("Grants", policy.attachment_count.unwrap_or_default().to_string()),
        ("Created (UTC)", when(&policy.create_date)),
        ("Changed (UTC)", when(&policy.update_date.unwrap_or_default())),
    ];
    let page = page.part(Facts { id: "about", head: "", rows, buttons: Vec::new() }).tabs(&at(kind, name), tab, TABS);
    match tab {
        "versions" => versions(who, &frame, (kind, name), page, version).await,
        "references" => references(who, (kind, name), page).await,
        _ => {
            let text = found.default_policy_version.policy_document.unwrap_or_default();
            let head = format!("{}, in force", policy.default_version);
            Ok(page.part(Code { id: "document", head, text: pretty(&text) }))
        }
    }
}

/// A document as it is read: indented where it is one line of JSON, else as its author wrote it.
pub(super) fn pretty(text: &str) -> String {
    if text.contains('\n') {
        return text.to_owned();
    }
    let value: Result<serde_json::Value, _> = serde_json::from_str(text);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| text.to_owned())
}

async fn versions(
    who: &SignedIn,
    frame: &Frame,
    (kind, name): (&str, &str),
    page: Sheet,
    seen: &str,
) -> Result<Sheet, ActionError> {
    let (context, named) = (&who.context, [("PolicyType", kind), ("PolicyName", name)]);
    let versions = match Shown::of(call(context, known::<ListPolicyVersions>(&named)?).await)? {
        Shown::Granted(reply) => reply.policy_versions.policy_version,
        Shown::Refused(refusal) => return Ok(page.shut("Versions", refusal)),
    };
    let rows = versions.into_iter().map(|version| {
        let id = ("VersionId", version.version_id.as_str());
        let view = format!("{}?tab=versions&version={}", at(kind, name), version.version_id);
        let mut buttons = vec![Button::link("View", view)];
        if !version.is_default_version {
            let given = [named[1], id];
            let uses = Button::run(frame, "Use this version", at(kind, name), "SetDefaultPolicyVersion", &[id]);
            let delete = Button::run(frame, "Delete", at(kind, name), "DeletePolicyVersion", &[id]);
            buttons.push(uses.asks_first().unless(missing::<SetDefaultPolicyVersion>(context, &given)));
            buttons.push(delete.asks_first().unless(missing::<DeletePolicyVersion>(context, &given)));
        }
        let state = if version.is_default_version { "In force" } else { "Not in force" };
        vec![
            Cell::code(version.version_id.clone()),
            Cell::state(state, version.is_default_version),
            Cell::text(when(&version.create_date)),
            Cell::Buttons(buttons),
        ]
    });
    let columns = ["Version", "State", "Created (UTC)", ""];
    let page = page.part(Table::new("versions", &columns, rows.collect(), "There is no version."));
    if seen.is_empty() {
        return Ok(page);
    }
    let input = known::<GetPolicyVersion>(&[named[0], named[1], ("VersionId", seen)])?;
    match Shown::of(call(context, input).await)? {
        Shown::Granted(reply) => {
            let text = reply.policy_version.policy_document.unwrap_or_default();
            Ok(page.part(Code { id: "version", head: reply.policy_version.version_id, text: pretty(&text) }))
        }
        Shown::Refused(refusal) => Ok(page.shut("Version", refusal)),
    }
}

async fn references(who: &SignedIn, (kind, name): (&str, &str), page: Sheet) -> Result<Sheet, ActionError> {
    let input = known::<ListEntitiesForPolicy>(&[("PolicyType", kind), ("PolicyName", name)])?;
    let entities = match Shown::of(call(&who.context, input).await)? {
        Shown::Granted(entities) => entities,
        Shown::Refused(refusal) => return Ok(page.shut("References", refusal)),
    };
    let rows = super::holder::holders(entities).into_iter().map(|holder| {
        vec![
            Cell::link(holder.page(), holder.name.clone()),
            Cell::text(holder.kind.word()),
            Cell::text(when(&holder.since)),
        ]
    });
    let table =
        Table::new("references", &["Principal", "Kind", "Since (UTC)"], rows.collect(), "It is attached to nobody.");
    let grant = Button::link("Grant", format!("/console/ram/grant?policy={kind}/{name}")).main();
    let shut = grants::cannot_grant(&who.context, Some((kind, name))).await?;
    Ok(page.part(table.head("Attached to").button(grant.unless(shut))))
}

/// Runs one of the page's operations.
pub(crate) async fn submit(Path((kind, name)): Which, posted: Posted) -> Response {
    let named = [("PolicyName", name.as_str())];
    let Ok(policy) = name.parse() else { return respond::not_found() };
    let whom = [Whom::Policy(policy)];
    let (action, mut back) = (at(&kind, &name), format!("{}?tab=versions", at(&kind, &name)));
    let outcome = match posted.wanted() {
        "SetDefaultPolicyVersion" => step::<SetDefaultPolicyVersion>(&posted, &named, &whom).await,
        "DeletePolicyVersion" => step_for_good::<DeletePolicyVersion>(&posted, &named).await,
        "DeletePolicy" => {
            if posted.is_confirmed() {
                "/console/ram/policies?".clone_into(&mut back);
            }
            step::<DeletePolicy>(&posted, &named, &whom).await
        }
        _ => return respond::bad_form(),
    };
    let form = Sent { posted: &posted, place: Place::RamPolicies, title: &name, action: &action, back: &back };
    match form.end(outcome) {
        Ok(response) => response,
        Err(error) => {
            let again = sheet(&posted.who, (&kind, &name), "versions", "").await.map(|sheet| sheet.wrong(&error));
            posted.who.answer(Place::RamPolicies, &name, again)
        }
    }
}
