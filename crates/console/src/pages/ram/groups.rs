//! The groups of users; needs `ram:ListGroups`.

use axum::response::Response;
use sluice_actions::{ActionError, permitted_on, ram::CreateGroup};
use sluice_model::RamEntity;

use super::{all_groups, done, fits, in_query, when};
use crate::{
    frame::Place,
    parts::{Button, Cell, Pages, Search, Sheet, Table},
    session::{Asked, SignedIn},
};

/// The page of a group.
pub(super) fn at(group: &str) -> String {
    format!("/console/ram/groups/{group}")
}

/// Shows the list, or what is missing to see it.
pub(crate) async fn show(who: SignedIn, asked: Asked) -> Response {
    let sheet = sheet(&who, &asked).await;
    who.answer(Place::RamGroups, "Groups", sheet)
}

async fn sheet(who: &SignedIn, asked: &Asked) -> Result<Sheet, ActionError> {
    let search = asked.0.get("q").to_owned();
    let mut groups = all_groups(&who.context).await?;
    groups.retain(|group| fits(&search, &[&group.group_name, &group.comments]));
    let base = format!("/console/ram/groups?q={}&", in_query(&search));
    let (groups, pages) = Pages::cut(groups, asked.page(), ("group", "groups"), base);
    let rows = groups.into_iter().map(|group| {
        let name = Cell::link(at(&group.group_name), group.group_name);
        vec![name, Cell::text(group.comments), Cell::text(when(&group.create_date))]
    });
    let nothing = if search.is_empty() { "There is no group yet." } else { "No group fits the search." };
    let table = Table::new("groups", &["Group", "Comments", "Created (UTC)"], rows.collect(), nothing)
        .search(Search { to: "/console/ram/groups", text: search, label: "Name, comments", only: None })
        .pages(pages);
    let shut = permitted_on::<CreateGroup>(&who.context, RamEntity::Group("*".into())).err();
    let create = Button::link("Create group", "/console/ram/create-group").main();
    Ok(Sheet::new("Groups")
        .lead("A policy of a group holds for each of its members.")
        .button(create.unless(shut.map(|_| "ram:CreateGroup".to_owned())))
        .done(done(asked.0.get("done")))
        .part(table))
}
