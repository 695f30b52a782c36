//! User center: the services that this person may open.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use sluice_actions::{
    NumberedPage, call,
    onsmqtt::{GetMqttMetaData, ListMqttInstance},
    permitted,
};

use crate::{
    frame::{Frame, Place},
    respond,
    session::SignedIn,
};

/// A service of the console.
struct Service {
    href: &'static str,
    name: &'static str,
    about: &'static str,
}

const MQTT: Service = Service {
    href: "/console/mqtt",
    name: "ApsaraMQ for MQTT",
    about: "Instances, topics, groups and their messages.",
};

#[derive(Template)]
#[template(path = "user_center.html")]
struct UserCenter {
    frame: Frame,
    may_open: Vec<Service>,
    shut: Vec<Service>,
}

/// Shows the user center.
pub(crate) async fn show(signed_in: SignedIn) -> Response {
    let SignedIn { console, context } = signed_in;
    let list = ListMqttInstance { page: NumberedPage::default() };
    let opens = permitted(&context, &GetMqttMetaData).is_ok() || call(&context, list).await.is_ok();
    let (may_open, shut) = if opens { (vec![MQTT], vec![]) } else { (vec![], vec![MQTT]) };
    let frame = Frame::of(&console, &context, Place::UserCenter);
    respond::page(StatusCode::OK, &UserCenter { frame, may_open, shut })
}
