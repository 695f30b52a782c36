//! User center: the services that this person may open.

use askama::Template;
use axum::{http::StatusCode, response::Response};

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
    let frame = signed_in.frame(Place::UserCenter);
    let opens = !frame.is_shut(Place::MqttOverview) || !frame.is_shut(Place::MqttInstances);
    let (may_open, shut) = if opens { (vec![MQTT], vec![]) } else { (vec![], vec![MQTT]) };
    respond::page(StatusCode::OK, &UserCenter { frame, may_open, shut })
}
