//! Overview of RAM: where RAM users sign in, and how many of each there are. What may not be counted says what is missing.

use axum::response::Response;
use sluice_actions::{ActionContext, ActionError, ram::PolicyReply};

use super::{all_groups, all_policies, all_roles, all_users};
use crate::{
    frame::Place,
    parts::{Facts, Link, Note, Sheet},
    refusal::Shown,
    session::SignedIn,
};

/// Shows it; the refusal of the first list, to whom every list is refused.
pub(crate) async fn show(who: SignedIn) -> Response {
    let sheet = sheet(&who).await;
    who.answer(Place::RamOverview, "Overview of RAM", sheet)
}

async fn sheet(who: &SignedIn) -> Result<Sheet, ActionError> {
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    for (label, count) in counts(&who.context).await {
        match count {
            Ok(count) => rows.push((label, count.to_string())),
            Err(error) => refused.push((label, error)),
        }
    }
    if rows.is_empty() {
        if let Some((_, error)) = refused.into_iter().next() {
            return Err(error);
        }
        return Err(ActionError::Internal);
    }
    let (alias, frame) = (&who.console.account_alias, who.frame(Place::RamOverview));
    let links = [
        (Place::RamUsers, Link::new("/console/ram/users", "Users")),
        (Place::RamPolicies, Link::new("/console/ram/policies", "Policies")),
    ];
    let logon = Note {
        id: "logon-name",
        head: "Logon of RAM users",
        text: format!("RAM users of this account sign in at /console/ of this server as name@{alias}."),
        links: links.into_iter().filter(|(place, _)| !frame.is_shut(*place)).map(|(_, link)| link).collect(),
    };
    let mut sheet = Sheet::new("Overview of RAM")
        .lead("Who may sign in and connect in this account, and what they may do.")
        .part(logon)
        .part(Facts { id: "counts", head: "", rows, buttons: Vec::new() });
    for (label, error) in refused {
        if let Shown::Refused(refusal) = Shown::<()>::of(Err(error))? {
            sheet = sheet.shut(label, refusal);
        }
    }
    Ok(sheet)
}

async fn counts(context: &ActionContext) -> [(&'static str, Result<usize, ActionError>); 5] {
    let users = all_users(context).await.map(|users| users.len());
    let policies = all_policies(context).await;
    let of = |wanted: &str| {
        let count = |all: &Vec<PolicyReply>| all.iter().filter(|one| one.policy_type == wanted).count();
        policies.as_ref().map(count).map_err(Clone::clone)
    };
    let roles = all_roles(context).await.map(|roles| roles.len());
    let groups = all_groups(context).await.map(|groups| groups.len());
    [
        ("Users", users),
        ("Groups", groups),
        ("Roles", roles),
        ("Own policies", of("Custom")),
        ("System policies", of("System")),
    ]
}
