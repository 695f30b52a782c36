//! The instances that this person may see; needs `mq:ListMqttInstance` on one at least.

use askama::Template;
use axum::{
    extract::{Query, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use sluice_actions::{
    NumberedPage, call,
    onsmqtt::{InstancePage, ListMqttInstance},
};

use crate::{
    frame::{Frame, Place},
    refusal::Shown,
    respond,
    session::SignedIn,
};

#[derive(Template)]
#[template(path = "instances.html")]
struct Instances {
    frame: Frame,
    shown: Shown<List>,
}

/// One row.
struct Row {
    instance: String,
    name: String,
    edition: &'static str,
    compatibility: &'static str,
    deny_action: &'static str,
    durability: &'static str,
    status: &'static str,
    created: String,
}

/// One page of rows.
struct List {
    rows: Vec<Row>,
    total: usize,
    page: NumberedPage,
}

impl List {
    fn of(page: NumberedPage, reply: InstancePage) -> Self {
        let rows = reply.instances.into_iter().map(|instance| Row {
            instance: instance.instance_id,
            name: instance.instance_name,
            edition: instance.edition,
            compatibility: instance.compatibility,
            deny_action: instance.deny_action,
            durability: instance.durability,
            status: instance.status,
            created: minute(instance.create_time),
        });
        Self { rows: rows.collect(), total: reply.total_count, page }
    }

    fn previous(&self) -> Option<u32> {
        self.page.number.checked_sub(1).filter(|page| *page > 0)
    }

    fn next(&self) -> Option<u32> {
        let shown = u64::from(self.page.number) * u64::from(self.page.size);
        (shown < u64::try_from(self.total).unwrap_or(u64::MAX)).then(|| self.page.number + 1)
    }
}

/// `2026-01-31 12:34`, UTC.
pub(crate) fn minute(unix_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

/// Which page.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    page: Option<u32>,
}

/// Shows the list, or what is missing to see it.
pub(crate) async fn show(signed_in: SignedIn, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let number = wanted.ok().and_then(|Query(wanted)| wanted.page).unwrap_or(1).max(1);
    let page = NumberedPage { number, ..NumberedPage::default() };
    let outcome = call(&signed_in.context, ListMqttInstance { page }).await.map(|reply| List::of(page, reply));
    match Shown::of(outcome) {
        Ok(shown) => {
            let frame = signed_in.frame(Place::MqttInstances);
            respond::page(shown.status(), &Instances { frame, shown })
        }
        Err(error) => respond::failed(&error),
    }
}
