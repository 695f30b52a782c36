//! One client's MQTT state machine: a packet or a delivery in, what to do or to write out.
//!
//! Owns: what CONNECT agreed ([`open`]), packet identifiers and the messages in flight in both directions, topic aliases
//! both ways, and what of the protocol an instance does not serve (refused with the protocol's own code).
//! Way in: [`check`] refuses a CONNECT before any session is looked at; [`Session::open`] answers one that was permitted, with
//! the [`SessionState`] of a stored session; [`Session::receive`] turns each packet into an [`Input`] for `broker`, which asks
//! the permissions and answers with the reply functions; [`Session::deliver`] and [`Session::redeliver`] write a message.
//! [`Session::take_state`] is what outlives the connection.
//! Never here: sockets, clocks, permissions, other clients.
//!
//! Invariant: a packet identifier is given to one message at a time, also across connections. Checked by this room's tests.

mod agreed;
mod aliases;
mod inbound;
mod input;
mod open;
mod outbound;
mod reason_string;
mod session;

pub use agreed::session_expiry_s;
pub use input::{Incoming, Input, Violation};
pub use open::{Opening, Refusal, check};
pub use outbound::{InFlight, Stage};
pub use reason_string::{REASON_STRING_BYTES_MAX, reason_string};
pub use session::{Delivered, Outgoing, Session, SessionState};
