//! One user: how it signs in, its keys, what it may. Each part needs its own right and says so where it is missing.

use axum::{extract::Path, response::Response};
use sluice_actions::{
    ActionError, Code, Whom, call,
    ram::{
        AddUserToGroup, CreateAccessKey, CreateLoginProfile, DeleteAccessKey, DeleteLoginProfile, DeleteUser,
        DetachPolicyFromUser, GetLoginProfile, GetUser, GetUserMfaInfo, ListAccessKeys, ListGroups, ListGroupsForUser,
        ListPoliciesForGroup, ListPoliciesForUser, RemoveUserFromGroup, UnbindMfaDevice, UpdateAccessKey,
        UpdateLoginProfile, UpdateUser, UserReply,
    },
};
use sluice_model::RamEntity;

use super::{
    Form as Sent, all_groups, done, holder::HolderKind, if_listed, missing, missing_on, policies::attached, step, when,
};
use crate::{
    frame::{Frame, Place},
    parts::{Button, Cell, Choice, Facts, Field, Form, Kind, Note, Secret, Secrets, Sheet, Table},
    refusal::Shown,
    respond,
    session::{Asked, Posted, SignedIn, known},
};

const TABS: &[(&str, &str)] =
    &[("authentication", "Authentication"), ("groups", "Groups"), ("permissions", "Permissions")];

/// The page of a user.
pub(super) fn at(user: &str) -> String {
    format!("/console/ram/users/{user}")
}

/// Shows the user, or what is missing to see it.
pub(crate) async fn show(Path(user): Path<String>, who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, &user, asked.0.get("tab")).await.map(|sheet| sheet.done(done(asked.0.get("done"))));
    who.answer(Place::RamUsers, "User", sheet)
}

async fn sheet(who: &SignedIn, user: &str, tab: &str) -> Result<Sheet, ActionError> {
    let (context, frame) = (&who.context, who.frame(Place::RamUsers));
    let named = [("UserName", user)];
    let reply = call(context, known::<GetUser>(&named)?).await?.user;
    let tab = TABS.iter().find(|(key, _)| *key == tab).unwrap_or(&TABS[0]).0;
    let edit = Button::link("Edit", format!("{}/edit", at(user))).unless(missing::<UpdateUser>(context, &named));
    let delete = Button::run(&frame, "Delete", format!("{}/delete", at(user)), "DeleteUser", &[]).asks_first();
    let delete = delete.unless(missing::<DeleteUser>(context, &named));
    let page = Sheet::new(user).below("/console/ram/users", "Users").button(edit).button(delete);
    let page = page.part(about(reply)).tabs(&at(user), tab, TABS);
    match tab {
        "groups" => groups(who, &frame, user, page).await,
        "permissions" => permissions(who, &frame, user, page).await,
        _ => {
            let page = logon(who, &frame, user, page).await?;
            let page = second_factor(who, &frame, user, page).await?;
            keys(who, &frame, user, page).await
        }
    }
}

fn about(user: UserReply) -> Facts {
    let rows = vec![
        ("User ID", user.user_id),
        ("Display name", user.display_name),
        ("Email", user.email),
        ("Mobile phone", user.mobile_phone),
        ("Comments", user.comments),
        ("Created (UTC)", when(&user.create_date)),
        ("Last console logon (UTC)", when(&user.last_login_date.unwrap_or_default())),
    ];
    Facts { id: "about", head: "", rows, buttons: Vec::new() }
}

async fn logon(who: &SignedIn, frame: &Frame, user: &str, page: Sheet) -> Result<Sheet, ActionError> {
    let (context, named) = (&who.context, [("UserName", user)]);
    let profile = match call(context, known::<GetLoginProfile>(&named)?).await {
        Ok(found) => Some(found.login_profile),
        Err(ActionError::Code(Code::NoLoginProfile)) => None,
        Err(error) => match Shown::<()>::of(Err(error))? {
            Shown::Refused(refusal) => return Ok(page.shut("Console logon", refusal)),
            Shown::Granted(()) => return Ok(page),
        },
    };
    let Some(profile) = profile else {
        let form = Form::new(frame, "enable-logon", at(user), "Enable console logon")
            .head("Console logon")
            .lead("This user cannot sign in to the console.")
            .hidden("do", "CreateLoginProfile")
            .field(password().needed())
            .field(reset("true"));
        // Any password will do for the question.
        let asked = [named[0], ("Password", "Any-Password-1")];
        return Ok(match missing::<CreateLoginProfile>(context, &asked) {
            None => page.part(form),
            Some(action) => page.part(shut_facts("logon", "Console logon", "disabled", &action)),
        });
    };
    let reset_now = if profile.password_reset_required { "yes" } else { "no" };
    let clear = Button::run(frame, "Clear", at(user), "DeleteLoginProfile", &[]).asks_first();
    let facts = Facts {
        id: "logon",
        head: "Console logon",
        rows: vec![
            ("State", "enabled".to_owned()),
            ("New password at next logon", reset_now.to_owned()),
            ("Since (UTC)", when(&profile.create_date)),
        ],
        buttons: vec![clear.unless(missing::<DeleteLoginProfile>(context, &named))],
    };
    let page = page.part(facts);
    if missing::<UpdateLoginProfile>(context, &named).is_some() {
        return Ok(page);
    }
    let form = Form::new(frame, "modify-logon", at(user), "Change console logon")
        .head("Modify console logon")
        .hidden("do", "UpdateLoginProfile")
        .field(password().hint("Leave it empty to keep the present one."))
        .field(reset(if profile.password_reset_required { "true" } else { "false" }));
    Ok(page.part(form))
}

/// The MFA device; its user binds one under "Security information".
async fn second_factor(who: &SignedIn, frame: &Frame, user: &str, page: Sheet) -> Result<Sheet, ActionError> {
    let (context, named) = (&who.context, [("UserName", user)]);
    let (rows, buttons) = match call(context, known::<GetUserMfaInfo>(&named)?).await {
        Ok(info) => {
            let unbind = Button::run(frame, "Unbind", at(user), "UnbindMFADevice", &[]).asks_first();
            let rows = vec![("State", "bound".to_owned()), ("Serial number", info.device.serial_number)];
            (rows, vec![unbind.unless(missing::<UnbindMfaDevice>(context, &named))])
        }
        Err(ActionError::Code(Code::NoUserMfaDevice)) => (vec![("State", "not bound".to_owned())], Vec::new()),
        Err(error) => match Shown::<()>::of(Err(error))? {
            Shown::Refused(refusal) => return Ok(page.shut("MFA device", refusal)),
            Shown::Granted(()) => return Ok(page),
        },
    };
    Ok(page.part(Facts { id: "mfa", head: "MFA device", rows, buttons }))
}

fn password() -> Field {
    Field::new("Password", "Password", Kind::Password).hint("It must comply with the account's password rule.")
}

fn reset(value: &str) -> Field {
    Field::new("PasswordResetRequired", "Ask for a new password at the next logon", Kind::Check).value(value)
}

fn shut_facts(id: &'static str, head: &'static str, state: &str, action: &str) -> Facts {
    let rows = vec![("State", state.to_owned()), ("To change it", format!("needs {action}"))];
    Facts { id, head, rows, buttons: Vec::new() }
}

async fn keys(who: &SignedIn, frame: &Frame, user: &str, page: Sheet) -> Result<Sheet, ActionError> {
    let (context, named) = (&who.context, [("UserName", user)]);
    let keys = match Shown::of(call(context, known::<ListAccessKeys>(&named)?).await)? {
        Shown::Granted(reply) => reply.access_keys.access_key,
        Shown::Refused(refusal) => return Ok(page.shut("AccessKeys", refusal)),
    };
    let may_change = missing::<UpdateAccessKey>(
        context,
        &[("UserName", user), ("UserAccessKeyId", "LTAIAAAAAAAAAAAAAAAAAAAA"), ("Status", "Active")],
    );
    let may_delete =
        missing::<DeleteAccessKey>(context, &[("UserName", user), ("UserAccessKeyId", "LTAIAAAAAAAAAAAAAAAAAAAA")]);
    let rows = keys.into_iter().map(|key| {
        let on = key.status == "Active";
        let id = ("UserAccessKeyId", key.access_key_id.as_str());
        let (label, status) = if on { ("Deactivate", "Inactive") } else { ("Activate", "Active") };
        let change = Button::run(frame, label, at(user), "UpdateAccessKey", &[id, ("Status", status)]);
        let change = if on { change.asks_first() } else { change };
        let delete = Button::run(frame, "Delete", at(user), "DeleteAccessKey", &[id]).asks_first();
        let buttons = vec![change.unless(may_change.clone()), delete.unless(may_delete.clone())];
        vec![
            Cell::code(key.access_key_id.clone()),
            Cell::state(key.status, on),
            Cell::text(when(&key.create_date)),
            Cell::Buttons(buttons),
        ]
    });
    let create = Button::run(frame, "Create AccessKey", at(user), "CreateAccessKey", &[]);
    let nothing = "No AccessKey: this user can neither connect by MQTT nor call the API.";
    let table = Table::new("keys", &["AccessKey ID", "State", "Created (UTC)", ""], rows.collect(), nothing)
        .head("AccessKeys")
        .button(create.unless(missing::<CreateAccessKey>(context, &named)));
    Ok(page.part(table))
}

async fn permissions(who: &SignedIn, frame: &Frame, user: &str, page: Sheet) -> Result<Sheet, ActionError> {
    let (context, named) = (&who.context, [("UserName", user)]);
    let policies = match Shown::of(call(context, known::<ListPoliciesForUser>(&named)?).await)? {
        Shown::Granted(reply) => reply.policies.policy,
        Shown::Refused(refusal) => return Ok(page.shut("Own policies", refusal)),
    };
    let nothing = "No policy is attached to this user itself.";
    let page = page.part(attached(context, frame, (HolderKind::User, user), policies, nothing));
    let groups = match Shown::of(call(context, known::<ListGroupsForUser>(&named)?).await)? {
        Shown::Granted(reply) => reply.groups.group,
        Shown::Refused(refusal) => return Ok(page.shut("Inherited policies", refusal)),
    };
    let (mut rows, mut page) = (Vec::new(), page);
    for group in groups {
        let listed = call(context, known::<ListPoliciesForGroup>(&[("GroupName", &group.group_name)])?).await;
        let policies = match Shown::of(listed)? {
            Shown::Granted(reply) => reply.policies.policy,
            Shown::Refused(refusal) => {
                page = page.shut("Inherited policies", refusal);
                continue;
            }
        };
        rows.extend(policies.into_iter().map(|policy| {
            vec![
                super::policies::link(policy.policy_type, &policy.policy_name, &policy.description),
                Cell::text(policy.policy_type),
                Cell::link(super::groups::at(&group.group_name), group.group_name.clone()),
                Cell::text(when(&group.join_date)),
            ]
        }));
    }
    let columns = ["Policy", "Type", "Through the group", "Member since (UTC)"];
    let nothing = "No group of this user has a policy.";
    Ok(page.part(Table::new("inherited-policies", &columns, rows, nothing).head("Inherited policies")))
}

async fn groups(who: &SignedIn, frame: &Frame, user: &str, page: Sheet) -> Result<Sheet, ActionError> {
    let (context, named) = (&who.context, [("UserName", user)]);
    let groups = match Shown::of(call(context, known::<ListGroupsForUser>(&named)?).await)? {
        Shown::Granted(reply) => reply.groups.group,
        Shown::Refused(refusal) => return Ok(page.shut("Groups", refusal)),
    };
    let names: Vec<String> = groups.iter().map(|group| group.group_name.clone()).collect();
    let rows = groups.into_iter().map(|group| {
        let sends = [("GroupName", group.group_name.as_str())];
        let shut = missing::<RemoveUserFromGroup>(context, &[named[0], sends[0]]);
        let leave = Button::run(frame, "Leave", at(user), "RemoveUserFromGroup", &sends).asks_first().unless(shut);
        let to = super::groups::at(&group.group_name);
        let name = Cell::Link { to, text: group.group_name.clone(), about: group.comments };
        vec![name, Cell::text(when(&group.join_date)), Cell::Buttons(vec![leave])]
    });
    let table = Table::new("groups", &["Group", "Member since (UTC)", ""], rows.collect(), "In no group.");
    let page = page.part(table.head("Groups"));
    let form = Form::new(frame, "join", at(user), "Join").head("Join a group").hidden("do", "AddUserToGroup");
    // Who may not list groups names one.
    let others: Vec<_> = match if_listed::<ListGroups, _>(context, all_groups(context)).await? {
        Some(all) => all.into_iter().filter(|group| !names.contains(&group.group_name)).collect(),
        None => {
            let shut = missing_on::<AddUserToGroup>(context, RamEntity::User(user.into()));
            return Ok(page.part(form.field(Field::text("GroupName", "Group").needed()).unless(shut)));
        }
    };
    if others.is_empty() {
        let text = "There is no other group to join.".to_owned();
        return Ok(page.part(Note { id: "join", head: "Join a group", text, links: Vec::new() }));
    }
    let joins = |group: &str| missing::<AddUserToGroup>(context, &[named[0], ("GroupName", group)]);
    let shut = joins(&others[0].group_name).filter(|_| others.iter().all(|one| joins(&one.group_name).is_some()));
    let choices = others.into_iter().map(|group| Choice::new(group.group_name.clone(), group.group_name, ""));
    let field = Field::new("GroupName", "Group", Kind::Select(choices.collect())).needed();
    Ok(page.part(form.field(field).unless(shut)))
}

/// Runs one of the page's operations.
pub(crate) async fn submit(Path(user): Path<String>, posted: Posted) -> Response {
    let named = [("UserName", user.as_str())];
    let Ok(name) = user.parse() else { return respond::not_found() };
    let whom = [Whom::User(name)];
    let is_off = posted.fields.get("Status") == "Inactive";
    let mut tab = "authentication";
    let outcome = match posted.wanted() {
        "CreateLoginProfile" => step::<CreateLoginProfile>(&posted, &named, &[]).await,
        "UpdateLoginProfile" => step::<UpdateLoginProfile>(&posted, &named, &[]).await,
        "DeleteLoginProfile" => step::<DeleteLoginProfile>(&posted, &named, &whom).await,
        "UnbindMFADevice" => step::<UnbindMfaDevice>(&posted, &named, &whom).await,
        "CreateAccessKey" => return new_key(&posted, &user).await,
        "UpdateAccessKey" => step::<UpdateAccessKey>(&posted, &named, if is_off { &whom } else { &[] }).await,
        "DeleteAccessKey" => step::<DeleteAccessKey>(&posted, &named, &whom).await,
        "AddUserToGroup" => {
            tab = "groups";
            step::<AddUserToGroup>(&posted, &named, &[]).await
        }
        "RemoveUserFromGroup" => {
            tab = "groups";
            step::<RemoveUserFromGroup>(&posted, &named, &whom).await
        }
        "DetachPolicyFromUser" => {
            tab = "permissions";
            step::<DetachPolicyFromUser>(&posted, &named, &whom).await
        }
        _ => return respond::bad_form(),
    };
    let (action, back) = (at(&user), format!("{}?tab={tab}", at(&user)));
    let form = Sent { posted: &posted, place: Place::RamUsers, title: &user, action: &action, back: &back };
    match form.end(outcome) {
        Ok(response) => response,
        Err(error) => {
            let again = sheet(&posted.who, &user, tab).await.map(|sheet| sheet.wrong(&error));
            posted.who.answer(Place::RamUsers, &user, again)
        }
    }
}

/// Makes a key and shows its secret, once.
async fn new_key(posted: &Posted, user: &str) -> Response {
    let made = match posted.fields.read::<CreateAccessKey>(&[("UserName", user)]) {
        Ok(input) => call(&posted.who.context, input).await,
        Err(error) => Err(error),
    };
    let sheet = made.map(|made| {
        let key = made.access_key;
        let rows = vec![("AccessKeyId", key.access_key_id), ("AccessKeySecret", key.access_key_secret)];
        let secrets =
            Secrets { csrf: posted.who.console.csrf.clone(), all: vec![Secret { whose: user.to_owned(), rows }] };
        Sheet::new("New AccessKey").below("/console/ram/users", "Users").below(&at(user), user).part(secrets)
    });
    posted.who.answer(Place::RamUsers, user, sheet)
}
