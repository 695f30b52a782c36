//! The users of the account; needs `ram:ListUsers`.

use axum::response::Response;
use sluice_actions::ActionError;

use super::{all_users, done, fits, in_query, user_new, when};
use crate::{
    frame::Place,
    parts::{Button, Cell, Pages, Search, Sheet, Table},
    session::{Asked, SignedIn},
};

/// Shows the list, or what is missing to see it.
pub(crate) async fn show(who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, &asked).await;
    who.answer(Place::RamUsers, "Users", sheet)
}

async fn sheet(who: &SignedIn, asked: &Asked) -> Result<Sheet, ActionError> {
    let search = asked.0.get("q").to_owned();
    let mut users = all_users(&who.context).await?;
    users.retain(|user| fits(&search, &[&user.user_name, &user.display_name, &user.user_id, &user.comments]));
    let base = format!("/console/ram/users?q={}&", in_query(&search));
    let (users, pages) = Pages::cut(users, asked.page(), ("user", "users"), base);
    let rows = users.into_iter().map(|user| {
        let to = format!("/console/ram/users/{}", user.user_name);
        let name = Cell::Link { to, text: user.user_name, about: user.display_name };
        vec![name, Cell::code(user.user_id), Cell::text(user.comments), Cell::text(when(&user.create_date))]
    });
    let nothing = if search.is_empty() { "There is no user yet." } else { "No user fits the search." };
    let table = Table::new("users", &["User", "User ID", "Comments", "Created (UTC)"], rows.collect(), nothing)
        .search(Search { to: "/console/ram/users", text: search, label: "Name, display name, ID", only: None })
        .pages(pages);
    let shut = user_new::may(&who.context).err();
    let shut = shut.and_then(|error| error.denial().map(|denial| denial.auth_action.clone()));
    let create = Button::link("Create users", "/console/ram/create-user").main();
    Ok(Sheet::new("Users")
        .lead("People and programs of this account. A user may do nothing until a policy allows it.")
        .button(create.unless(shut))
        .done(done(asked.0.get("done")))
        .part(table))
}
