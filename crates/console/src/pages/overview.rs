//! Overview of ApsaraMQ for MQTT; needs `mq:MqttMetaData`.

use askama::Template;
use axum::response::Response;
use sluice_actions::{
    call,
    onsmqtt::{GetMqttMetaData, MetaData},
};

use crate::{
    frame::{Frame, Place},
    refusal::Shown,
    respond,
    session::SignedIn,
};

/// What is counted, and how many.
type Figures = Vec<(&'static str, String)>;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    shown: Shown<Figures>,
}

fn figures(data: &MetaData) -> Figures {
    vec![
        ("Instances", data.instance_count.to_string()),
        ("Topics", data.topic_count.to_string()),
        ("Groups", data.group_count.to_string()),
        ("Connections", data.connection_count.to_string()),
        ("Subscriptions", data.subscription_count.to_string()),
    ]
}

/// Shows the figures, or what is missing to see them.
pub(crate) async fn show(signed_in: SignedIn) -> Response {
    let outcome = call(&signed_in.context, GetMqttMetaData).await.map(|data| figures(&data));
    match Shown::of(outcome) {
        Ok(shown) => {
            let frame = signed_in.frame(Place::MqttOverview);
            respond::page(shown.status(), &Overview { frame, shown })
        }
        Err(error) => respond::failed(&error),
    }
}
