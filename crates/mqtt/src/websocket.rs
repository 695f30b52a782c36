//! MQTT over WebSocket. Source: MQTT 5.0 section 6.

use std::sync::Arc;

use axum::{
    extract::ws::WebSocketUpgrade,
    response::{IntoResponse, Response},
};
use sluice_access::Peer;
use sluice_broker::{Arrival, Broker};

use crate::connection;

/// Largest frame and message, bytes: what any instance takes as a packet.
const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// The sub-protocols, the preferred first. [MQTT-6.0.0-3]
const PROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// Answers an upgrade; the connection is served by a task of its own.
pub fn websocket(upgrade: WebSocketUpgrade, broker: Arc<Broker>, peer: Peer) -> Response {
    upgrade
        .protocols(PROTOCOLS)
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(move |socket| connection::run(socket, broker, Arrival::signed(peer)))
        .into_response()
}
