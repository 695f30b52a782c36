//! MQTT over WebSocket. Source: MQTT 5.0 section 6.

use std::sync::Arc;

use axum::{
    extract::ws::WebSocketUpgrade,
    response::{IntoResponse, Response},
};
use sluice_broker::{Arrival, Broker};

use crate::{HalfOpenGuard, connection};

/// Largest frame and message, bytes: what any instance takes as a packet.
const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// The sub-protocols, the preferred first. [MQTT-6.0.0-3]
const PROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// Answers an upgrade; the connection is served by a task of its own.
pub fn websocket(
    upgrade: WebSocketUpgrade,
    broker: Arc<Broker>,
    arrival: Arrival,
    half_open: HalfOpenGuard,
) -> Response {
    upgrade
        .protocols(PROTOCOLS)
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(move |socket| connection::run(socket, broker, arrival, half_open))
        .into_response()
}
