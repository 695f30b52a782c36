//! Changes a user; needs `ram:UpdateUser`, and `ram:GetUser` to show what is there.

use axum::{extract::Path, response::Response};
use sluice_actions::{
    ActionError, call, permitted,
    ram::{GetUser, UpdateUser},
};

use super::{Form as Sent, Step, user::at};
use crate::{
    frame::Place,
    parts::{Field, Form, Kind, Sheet},
    session::{Posted, SignedIn, known},
};

async fn form(who: &SignedIn, user: &str) -> Result<Form, ActionError> {
    let named = [("UserName", user)];
    permitted(&who.context, &known::<UpdateUser>(&named)?)?;
    let now = call(&who.context, known::<GetUser>(&named)?).await?.user;
    let frame = who.frame(Place::RamUsers);
    Ok(Form::new(&frame, "edit", format!("{}/edit", at(user)), "Save")
        .back(at(user))
        .field(
            Field::text("NewUserName", "Logon name").needed().value(now.user_name).hint(
                "Letters, digits, dots, underscores, hyphens; at most 64. Keys and policies stay when it changes.",
            ),
        )
        .field(
            Field::text("NewDisplayName", "Display name")
                .value(now.display_name)
                .hint("Letters, digits, blanks, and @ . _ -; at most 128."),
        )
        .field(Field::text("NewEmail", "Email").value(now.email))
        .field(Field::text("NewMobilePhone", "Mobile phone").value(now.mobile_phone).hint("As in 86-18600008888."))
        .field(Field::new("NewComments", "Comments", Kind::Area).value(now.comments)))
}

fn around(user: &str, form: Form) -> Sheet {
    Sheet::new(format!("Edit {user}")).below("/console/ram/users", "Users").below(&at(user), user).part(form)
}

/// Shows the form.
pub(crate) async fn show(Path(user): Path<String>, who: SignedIn) -> Response {
    let sheet = form(&who, &user).await.map(|form| around(&user, form));
    who.answer(Place::RamUsers, "Edit user", sheet)
}

/// Changes the user, or shows the form again with what is wrong.
pub(crate) async fn submit(Path(user): Path<String>, posted: Posted) -> Response {
    let changed = match posted.fields.read::<UpdateUser>(&[("UserName", &user)]) {
        Ok(input) => call(&posted.who.context, input).await,
        Err(error) => Err(error),
    };
    let (name, outcome) = match changed {
        Ok(reply) => (reply.user.user_name, Ok(Step::Done("UpdateUser"))),
        Err(error) => (user.clone(), Err(error)),
    };
    let (action, back) = (at(&user), format!("{}?tab=authentication", at(&name)));
    let sent = Sent { posted: &posted, place: Place::RamUsers, title: &user, action: &action, back: &back };
    match sent.end(outcome) {
        Ok(response) => response,
        Err(error) => {
            let again = form(&posted.who, &user).await.map(|form| around(&user, form.sent(&posted.fields, &error)));
            let again = again.map(|sheet| Sheet { status: crate::respond::status_of(&error), ..sheet });
            posted.who.answer(Place::RamUsers, "Edit user", again)
        }
    }
}
