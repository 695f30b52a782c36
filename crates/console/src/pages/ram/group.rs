//! One group: its members and its policies.

use axum::{extract::Path, response::Response};
use sluice_actions::{
    ActionContext, ActionError, Whom, call,
    ram::{
        AddUserToGroup, DeleteGroup, DetachPolicyFromGroup, GetGroup, ListPoliciesForGroup, ListUsers,
        ListUsersForGroup, MemberReply, RemoveUserFromGroup, UpdateGroup,
    },
};
use sluice_model::RamEntity;

use super::{
    Form as Sent, LARGEST, all, all_users, done, groups::at, holder::HolderKind, if_listed, missing, missing_on,
    policies::attached, step, when,
};
use crate::{
    frame::{Frame, Place},
    parts::{Button, Cell, Choice, Facts, Field, Form, Kind, Note, Sheet, Table},
    refusal::Shown,
    respond,
    session::{Asked, Posted, SignedIn, known},
};

const TABS: &[(&str, &str)] = &[("members", "Members"), ("permissions", "Permissions")];

/// Shows the group, or what is missing to see it.
pub(crate) async fn show(Path(group): Path<String>, who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, &group, asked.0.get("tab")).await.map(|sheet| sheet.done(done(asked.0.get("done"))));
    who.answer(Place::RamGroups, "Group", sheet)
}

async fn sheet(who: &SignedIn, group: &str, tab: &str) -> Result<Sheet, ActionError> {
    let (context, frame) = (&who.context, who.frame(Place::RamGroups));
    let named = [("GroupName", group)];
    let found = call(context, known::<GetGroup>(&named)?).await?.group;
    let tab = TABS.iter().find(|(key, _)| *key == tab).unwrap_or(&TABS[0]).0;
    let edit = Button::link("Edit", format!("{}/edit", at(group))).unless(missing::<UpdateGroup>(context, &named));
    let delete = Button::run(&frame, "Delete", at(group), "DeleteGroup", &[]).asks_first();
    let rows = vec![
        ("Comments", found.comments),
        ("Created (UTC)", when(&found.create_date)),
        ("Changed (UTC)", when(&found.update_date.unwrap_or_default())),
    ];
    let page = Sheet::new(group)
        .below("/console/ram/groups", "Groups")
        .button(edit)
        .button(delete.unless(missing::<DeleteGroup>(context, &named)))
        .part(Facts { id: "about", head: "", rows, buttons: Vec::new() })
        .tabs(&at(group), tab, TABS);
    if tab == "permissions" {
        let policies = match Shown::of(call(context, known::<ListPoliciesForGroup>(&named)?).await)? {
            Shown::Granted(reply) => reply.policies.policy,
            Shown::Refused(refusal) => return Ok(page.shut("Policies", refusal)),
        };
        let nothing = "No policy is attached to this group.";
        return Ok(page.part(attached(context, &frame, (HolderKind::Group, group), policies, nothing)));
    }
    members(who, &frame, group, page).await
}

/// The members of a group.
pub(super) async fn members_of(context: &ActionContext, group: &str) -> Result<Vec<MemberReply>, ActionError> {
    all::<ListUsersForGroup, _>(context, &[("GroupName", group), LARGEST], |page| (page.users.user, page.next.marker))
        .await
}

async fn members(who: &SignedIn, frame: &Frame, group: &str, page: Sheet) -> Result<Sheet, ActionError> {
    let context = &who.context;
    let members = match Shown::of(members_of(context, group).await)? {
        Shown::Granted(members) => members,
        Shown::Refused(refusal) => return Ok(page.shut("Members", refusal)),
    };
    let names: Vec<String> = members.iter().map(|member| member.user_name.clone()).collect();
    let rows = members.into_iter().map(|member| {
        let sends = [("UserName", member.user_name.as_str())];
        let shut = missing::<RemoveUserFromGroup>(context, &[sends[0], ("GroupName", group)]);
        let leave = Button::run(frame, "Take out", at(group), "RemoveUserFromGroup", &sends).asks_first().unless(shut);
        let to = super::user::at(&member.user_name);
        vec![
            Cell::Link { to, text: member.user_name.clone(), about: member.display_name },
            Cell::text(when(&member.join_date)),
            Cell::Buttons(vec![leave]),
        ]
    });
    let table = Table::new("members", &["User", "Since (UTC)", ""], rows.collect(), "Nobody is in this group.");
    let page = page.part(table.head("Members"));
    let form = Form::new(frame, "add-member", at(group), "Add").head("Add a member").hidden("do", "AddUserToGroup");
    // Who may not list users names one.
    let others: Vec<_> = match if_listed::<ListUsers, _>(context, all_users(context)).await? {
        Some(users) => users.into_iter().filter(|user| !names.contains(&user.user_name)).collect(),
        None => {
            let shut = missing_on::<AddUserToGroup>(context, RamEntity::Group(group.into()));
            return Ok(page.part(form.field(Field::text("UserName", "User").needed()).unless(shut)));
        }
    };
    if others.is_empty() {
        let text = "There is no other user to add.".to_owned();
        return Ok(page.part(Note { id: "add-member", head: "Add a member", text, links: Vec::new() }));
    }
    let adds = |user: &str| missing::<AddUserToGroup>(context, &[("UserName", user), ("GroupName", group)]);
    let shut = adds(&others[0].user_name).filter(|_| others.iter().all(|one| adds(&one.user_name).is_some()));
    let choices = others.into_iter().map(|user| Choice::new(user.user_name.clone(), user.user_name, ""));
    let field = Field::new("UserName", "User", Kind::Select(choices.collect())).needed();
    Ok(page.part(form.field(field).unless(shut)))
}

/// Runs one of the page's operations.
pub(crate) async fn submit(Path(group): Path<String>, posted: Posted) -> Response {
    let named = [("GroupName", group.as_str())];
    let Ok(name) = group.parse() else { return respond::not_found() };
    let whom = [Whom::Group(name)];
    let (mut tab, mut back) = ("members", String::new());
    let outcome = match posted.wanted() {
        "AddUserToGroup" => step::<AddUserToGroup>(&posted, &named, &[]).await,
        "RemoveUserFromGroup" => {
            let member: Vec<Whom> = posted.fields.get("UserName").parse().map(Whom::User).into_iter().collect();
            step::<RemoveUserFromGroup>(&posted, &named, &member).await
        }
        "DetachPolicyFromGroup" => {
            tab = "permissions";
            step::<DetachPolicyFromGroup>(&posted, &named, &whom).await
        }
        "DeleteGroup" => {
            if posted.is_confirmed() {
                "/console/ram/groups?".clone_into(&mut back);
            }
            delete(&posted, &group, &whom).await
        }
        _ => return respond::bad_form(),
    };
    if back.is_empty() {
        back = format!("{}?tab={tab}", at(&group));
    }
    let action = at(&group);
    let form = Sent { posted: &posted, place: Place::RamGroups, title: &group, action: &action, back: &back };
    match form.end(outcome) {
        Ok(response) => response,
        Err(error) => {
            let again = sheet(&posted.who, &group, tab).await.map(|sheet| sheet.wrong(&error));
            posted.who.answer(Place::RamGroups, &group, again)
        }
    }
}

/// Takes members and policies out of a group before it goes, each by its own operation, once all their rights are there.
async fn delete(posted: &Posted, group: &str, whom: &[Whom]) -> Result<super::Step, ActionError> {
    let (context, named) = (&posted.who.context, ("GroupName", group));
    if posted.is_confirmed() {
        let members = members_of(context, group).await?;
        let policies = call(context, known::<ListPoliciesForGroup>(&[named])?).await?.policies.policy;
        for really in [false, true] {
            for member in &members {
                super::run::<RemoveUserFromGroup>(context, &[named, ("UserName", &member.user_name)], really).await?;
            }
            for policy in &policies {
                let given = [named, ("PolicyType", policy.policy_type), ("PolicyName", policy.policy_name.as_str())];
                super::run::<DetachPolicyFromGroup>(context, &given, really).await?;
            }
            if !really {
                super::run::<DeleteGroup>(context, &[named], false).await?;
            }
        }
    }
    step::<DeleteGroup>(posted, &[named], whom).await
}
