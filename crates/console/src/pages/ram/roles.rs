//! The roles of the account; needs `ram:ListRoles`.

use axum::response::Response;
use sluice_actions::{ActionError, permitted_on, ram::CreateRole};
use sluice_model::RamEntity;

use super::{all_roles, done, fits, in_query, when};
use crate::{
    frame::Place,
    parts::{Button, Cell, Pages, Search, Sheet, Table},
    session::{Asked, SignedIn},
};

/// The page of a role.
pub(super) fn at(role: &str) -> String {
    format!("/console/ram/roles/{role}")
}

/// Shows the list, or what is missing to see it.
pub(crate) async fn show(who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, &asked).await;
    who.answer(Place::RamRoles, "Roles", sheet)
}

async fn sheet(who: &SignedIn, asked: &Asked) -> Result<Sheet, ActionError> {
    let search = asked.0.get("q").to_owned();
    let mut roles = all_roles(&who.context).await?;
    roles.retain(|role| fits(&search, &[&role.role_name, &role.description]));
    let base = format!("/console/ram/roles?q={}&", in_query(&search));
    let (roles, pages) = Pages::cut(roles, asked.page(), ("role", "roles"), base);
    let rows = roles.into_iter().map(|role| {
        let to = at(&role.role_name);
        let name = Cell::Link { to, text: role.role_name, about: role.description };
        vec![name, Cell::code(role.arn), Cell::text(when(&role.create_date))]
    });
    let nothing = if search.is_empty() { "There is no role yet." } else { "No role fits the search." };
    let table = Table::new("roles", &["Role", "ARN", "Created (UTC)"], rows.collect(), nothing)
        .search(Search { to: "/console/ram/roles", text: search, label: "Name, note", only: None })
        .pages(pages);
    let shut = permitted_on::<CreateRole>(&who.context, RamEntity::Role("*".into())).err();
    let create = Button::link("Create role", "/console/ram/create-role").main();
    Ok(Sheet::new("Roles")
        .lead("What others may become for a while, with rights of its own. A role has no password and no key.")
        .button(create.unless(shut.map(|_| "ram:CreateRole".to_owned())))
        .done(done(asked.0.get("done")))
        .part(table))
}
