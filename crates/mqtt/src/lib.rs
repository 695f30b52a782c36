//! Door 1: listeners, framing, and one task a connection that reads, hands packets to `broker` and writes what it is handed.
//!
//! Way in: an [`Intake`] takes connections in (limits, PROXY header, TLS) for every listener of the process; [`MqttListener`]
//! serves MQTT on one of them; [`websocket`] is the route for MQTT over WebSocket.
//! Never here: management operations, rules of MQTT sessions, permissions.
//!
//! An idle connection holds no buffer: reading begins when the socket is readable, and a buffer lives until what was read
//! is handled and what is to be written is written.

mod buffers;
mod connection;
mod gate;
mod intake;
mod listener;
mod proxy_protocol;
mod tls;
mod tls_transport;
mod transport;
mod websocket;

pub use gate::{ConnectionLimits, Refusal};
pub use intake::{HalfOpenGuard, Intake, Stream, TakenIn, bind};
pub use listener::{MqttListener, serve};
pub use proxy_protocol::TrustedProxies;
pub use tls::{CertificateError, Certificates, Inner, Stamp};
pub use websocket::websocket;
