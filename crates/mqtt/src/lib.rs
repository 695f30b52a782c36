//! Door 1: listeners, framing, and one task a connection that reads, hands packets to `broker` and writes what it is handed.
//!
//! Way in: [`serve`] takes a bound TCP listener; [`websocket`] is the route for MQTT over WebSocket.
//! Never here: management operations, rules of MQTT sessions, permissions.
//!
//! An idle connection holds no buffer: reading begins when the socket is readable, and a buffer lives until what was read
//! is handled and what is to be written is written.

mod connection;
mod listener;
mod transport;
mod websocket;

pub use listener::serve;
pub use websocket::websocket;
