//! Creates and changes groups; needs `ram:CreateGroup`, `ram:UpdateGroup`.

use axum::{extract::Path, response::Response};
use sluice_actions::{
    ActionError, call, permitted, permitted_on,
    ram::{CreateGroup, GetGroup, UpdateGroup},
};
use sluice_model::RamEntity;

use super::{Form as Sent, Step, groups::at, step};
use crate::{
    frame::Place,
    parts::{Field, Form, Kind, Sheet},
    respond,
    session::{Posted, SignedIn, known},
};

const CREATE: &str = "/console/ram/create-group";
const NAME_HINT: &str = "Letters, digits, dots, underscores, hyphens; at most 64.";

fn new_form(who: &SignedIn) -> Form {
    Form::new(&who.frame(Place::RamGroups), "create-group", CREATE, "Create")
        .back("/console/ram/groups")
        .field(Field::text("GroupName", "Name").needed().hint(NAME_HINT))
        .field(Field::new("Comments", "Comments", Kind::Area))
}

fn new_sheet(form: Form) -> Sheet {
    Sheet::new("Create group").below("/console/ram/groups", "Groups").part(form)
}

/// Shows the form to whoever may create groups.
pub(crate) async fn show_new(who: SignedIn) -> Response {
    let may = permitted_on::<CreateGroup>(&who.context, RamEntity::Group("*".into()));
    who.answer(Place::RamGroups, "Create group", may.map(|()| new_sheet(new_form(&who))))
}

/// Creates the group, or shows the form again with what is wrong.
pub(crate) async fn submit_new(posted: Posted) -> Response {
    let name = posted.fields.get("GroupName").to_owned();
    let back = format!("{}?tab=members", at(&name));
    let sent = Sent { posted: &posted, place: Place::RamGroups, title: &name, action: CREATE, back: &back };
    sent.end(step::<CreateGroup>(&posted, &[], &[]).await).unwrap_or_else(|error| {
        let sheet = new_sheet(new_form(&posted.who).sent(&posted.fields, &error));
        let sheet = Sheet { status: respond::status_of(&error), ..sheet };
        posted.who.answer(Place::RamGroups, "Create group", Ok(sheet))
    })
}

async fn form(who: &SignedIn, group: &str) -> Result<Form, ActionError> {
    let named = [("GroupName", group)];
    permitted(&who.context, &known::<UpdateGroup>(&named)?)?;
    let now = call(&who.context, known::<GetGroup>(&named)?).await?.group;
    Ok(Form::new(&who.frame(Place::RamGroups), "edit", format!("{}/edit", at(group)), "Save")
        .back(at(group))
        .field(Field::text("NewGroupName", "Name").needed().value(now.group_name).hint(NAME_HINT))
        .field(Field::new("NewComments", "Comments", Kind::Area).value(now.comments)))
}

fn around(group: &str, form: Form) -> Sheet {
    Sheet::new(format!("Edit {group}")).below("/console/ram/groups", "Groups").below(&at(group), group).part(form)
}

/// Shows the form.
pub(crate) async fn show(Path(group): Path<String>, who: SignedIn) -> Response {
    let sheet = form(&who, &group).await.map(|form| around(&group, form));
    who.answer(Place::RamGroups, "Edit group", sheet)
}

/// Changes the group, or shows the form again with what is wrong.
pub(crate) async fn submit(Path(group): Path<String>, posted: Posted) -> Response {
    let changed = match posted.fields.read::<UpdateGroup>(&[("GroupName", &group)]) {
        Ok(input) => call(&posted.who.context, input).await,
        Err(error) => Err(error),
    };
    let (name, outcome) = match changed {
        Ok(reply) => (reply.group.group_name, Ok(Step::Done("UpdateGroup"))),
        Err(error) => (group.clone(), Err(error)),
    };
    let (action, back) = (at(&group), format!("{}?tab=members", at(&name)));
    let sent = Sent { posted: &posted, place: Place::RamGroups, title: &group, action: &action, back: &back };
    match sent.end(outcome) {
        Ok(response) => response,
        Err(error) => {
            let again = form(&posted.who, &group).await.map(|form| around(&group, form.sent(&posted.fields, &error)));
            let again = again.map(|sheet| Sheet { status: respond::status_of(&error), ..sheet });
            posted.who.answer(Place::RamGroups, "Edit group", again)
        }
    }
}
