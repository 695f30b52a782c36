//! The policies of the account and of the system; needs `ram:ListPolicies`.

use axum::response::Response;
use sluice_actions::{
    ActionContext, ActionError, permitted_on,
    ram::{AttachedPolicy, CreatePolicy},
};
use sluice_model::RamEntity;

use super::{all_policies, done, fits, grants, holder::HolderKind, in_query, when};
use crate::{
    frame::{Frame, Place},
    parts::{Button, Cell, Only, Pages, Search, Sheet, Table},
    session::{Asked, SignedIn},
};

/// A cell that leads to a policy.
pub(super) fn link(policy_type: &str, name: &str, about: &str) -> Cell {
    Cell::Link { to: at(policy_type, name), text: name.to_owned(), about: about.to_owned() }
}

/// The page of a policy.
pub(super) fn at(policy_type: &str, name: &str) -> String {
    format!("/console/ram/policies/{policy_type}/{name}")
}

/// The policies of one principal itself, with a button to detach each and one to attach more.
pub(super) fn attached(
    context: &ActionContext,
    frame: &Frame,
    (kind, name): (HolderKind, &str),
    policies: Vec<AttachedPolicy>,
    nothing: &str,
) -> Table {
    let rows = policies.into_iter().map(|policy| {
        let sends = [("PolicyType", policy.policy_type), ("PolicyName", policy.policy_name.as_str())];
        let given = [(kind.parameter(), name), sends[0], sends[1]];
        let to = format!("/console/ram/{}s/{name}", kind.key());
        let detach = Button::run(frame, "Detach", to, kind.detaching(), &sends).asks_first();
        vec![
            link(policy.policy_type, &policy.policy_name, &policy.description),
            Cell::text(policy.policy_type),
            Cell::code(policy.default_version),
            Cell::text(when(&policy.attach_date)),
            Cell::Buttons(vec![detach.unless(kind.cannot_detach(context, &given))]),
        ]
    });
    let columns = ["Policy", "Type", "In force", "Since (UTC)", ""];
    let grant = Button::link("Add permissions", format!("/console/ram/grant?{}={name}", kind.key())).main();
    let shut = grants::cannot_open(context).or_else(|| kind.cannot_attach(context, name));
    Table::new("own-policies", &columns, rows.collect(), nothing).head("Own policies").button(grant.unless(shut))
}

/// Shows the list, or what is missing to see it.
pub(crate) async fn show(who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, &asked).await;
    who.answer(Place::RamPolicies, "Policies", sheet)
}

async fn sheet(who: &SignedIn, asked: &Asked) -> Result<Sheet, ActionError> {
    let (search, only) = (asked.0.get("q").to_owned(), asked.0.get("type").to_owned());
    let mut policies = all_policies(&who.context).await?;
    policies.retain(|policy| {
        (only.is_empty() || policy.policy_type == only) && fits(&search, &[&policy.policy_name, &policy.description])
    });
    let base = format!("/console/ram/policies?q={}&type={}&", in_query(&search), in_query(&only));
    let (policies, pages) = Pages::cut(policies, asked.page(), ("policy", "policies"), base);
    let rows = policies.into_iter().map(|policy| {
        vec![
            link(policy.policy_type, &policy.policy_name, &policy.description),
            Cell::text(policy.policy_type),
            Cell::code(policy.default_version),
            Cell::text(policy.attachment_count.unwrap_or_default().to_string()),
            Cell::text(when(&policy.update_date.unwrap_or_default())),
        ]
    });
    let types = vec![("", "All types"), ("Custom", "Custom"), ("System", "System")];
    let table = Table::new(
        "policies",
        &["Policy", "Type", "In force", "Grants", "Changed (UTC)"],
        rows.collect(),
        "No policy fits the search.",
    )
    .search(Search {
        to: "/console/ram/policies",
        text: search,
        label: "Name, note",
        only: Some(Only { name: "type", chosen: only, choices: types }),
    })
    .pages(pages);
    let shut = permitted_on::<CreatePolicy>(&who.context, RamEntity::Policy("*".into())).err();
    let create = Button::link("Create policy", "/console/ram/create-policy").main();
    Ok(Sheet::new("Policies")
        .lead("What may be done on what. A policy has no effect until it is attached.")
        .button(create.unless(shut.map(|_| "ram:CreatePolicy".to_owned())))
        .done(done(asked.0.get("done")))
        .part(table))
}
