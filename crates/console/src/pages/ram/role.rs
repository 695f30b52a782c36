//! One role: whom it trusts, and what it may.

use axum::{extract::Path, response::Response};
use sluice_actions::{
    ActionError, Whom, call,
    ram::{DeleteRole, DetachPolicyFromRole, GetRole, ListPoliciesForRole, UpdateRole},
};

use super::{
    Form as Sent, Step, done, holder::HolderKind, missing, policies::attached, policy::pretty, roles::at, run, step,
    when,
};
use crate::{
    frame::Place,
    parts::{Button, Code, Facts, Sheet},
    refusal::Shown,
    respond,
    session::{Asked, Posted, SignedIn, known},
};

const TABS: &[(&str, &str)] = &[("trust", "Trust policy"), ("permissions", "Permissions")];

/// Shows the role, or what is missing to see it.
pub(crate) async fn show(Path(role): Path<String>, who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, &role, asked.0.get("tab")).await.map(|sheet| sheet.done(done(asked.0.get("done"))));
    who.answer(Place::RamRoles, "Role", sheet)
}

async fn sheet(who: &SignedIn, role: &str, tab: &str) -> Result<Sheet, ActionError> {
    let (context, frame) = (&who.context, who.frame(Place::RamRoles));
    let named = [("RoleName", role)];
    let found = call(context, known::<GetRole>(&named)?).await?.role;
    let tab = TABS.iter().find(|(key, _)| *key == tab).unwrap_or(&TABS[0]).0;
    let edit = Button::link("Edit", format!("{}/edit", at(role))).unless(missing::<UpdateRole>(context, &named));
    let delete = Button::run(&frame, "Delete", at(role), "DeleteRole", &[]).asks_first();
    let longest = found.max_session_duration.map(|seconds| format!("{seconds} seconds")).unwrap_or_default();
    let rows = vec![
        ("Role ID", found.role_id),
        ("ARN", found.arn),
        ("Note", found.description),
        ("Longest session", longest),
        ("Created (UTC)", when(&found.create_date)),
        ("Changed (UTC)", when(&found.update_date.unwrap_or_default())),
    ];
    let page = Sheet::new(role)
        .below("/console/ram/roles", "Roles")
        .button(edit)
        .button(delete.unless(missing::<DeleteRole>(context, &named)))
        .part(Facts { id: "about", head: "", rows, buttons: Vec::new() })
        .tabs(&at(role), tab, TABS);
    if tab == "trust" {
        let text = pretty(&found.assume_role_policy_document.unwrap_or_default());
        return Ok(page.part(Code { id: "trust", head: "Who may assume it".to_owned(), text }));
    }
    let policies = match Shown::of(call(context, known::<ListPoliciesForRole>(&named)?).await)? {
        Shown::Granted(reply) => reply.policies.policy,
        Shown::Refused(refusal) => return Ok(page.shut("Policies", refusal)),
    };
    let nothing = "No policy is attached to this role: its sessions may do nothing.";
    Ok(page.part(attached(context, &frame, (HolderKind::Role, role), policies, nothing)))
}

/// Runs one of the page's operations.
pub(crate) async fn submit(Path(role): Path<String>, posted: Posted) -> Response {
    let named = [("RoleName", role.as_str())];
    let Ok(name) = role.parse() else { return respond::not_found() };
    let whom = [Whom::Role(name)];
    let mut back = format!("{}?tab=permissions", at(&role));
    let outcome = match posted.wanted() {
        "DetachPolicyFromRole" => step::<DetachPolicyFromRole>(&posted, &named, &whom).await,
        "DeleteRole" => {
            if posted.is_confirmed() {
                "/console/ram/roles?".clone_into(&mut back);
            }
            delete(&posted, &role, &whom).await
        }
        _ => return respond::bad_form(),
    };
    let action = at(&role);
    let form = Sent { posted: &posted, place: Place::RamRoles, title: &role, action: &action, back: &back };
    match form.end(outcome) {
        Ok(response) => response,
        Err(error) => {
            let again = sheet(&posted.who, &role, "permissions").await.map(|sheet| sheet.wrong(&error));
            posted.who.answer(Place::RamRoles, &role, again)
        }
    }
}

/// Detaches a role's policies before it goes, each by its own operation, once all the rights are there.
async fn delete(posted: &Posted, role: &str, whom: &[Whom]) -> Result<Step, ActionError> {
    let (context, named) = (&posted.who.context, ("RoleName", role));
    if posted.is_confirmed() {
        run::<DeleteRole>(context, &[named], false).await?;
        let policies = call(context, known::<ListPoliciesForRole>(&[named])?).await?.policies.policy;
        for really in [false, true] {
            for policy in &policies {
                let given = [named, ("PolicyType", policy.policy_type), ("PolicyName", policy.policy_name.as_str())];
                run::<DetachPolicyFromRole>(context, &given, really).await?;
            }
        }
    }
    step::<DeleteRole>(posted, &[named], whom).await
}
