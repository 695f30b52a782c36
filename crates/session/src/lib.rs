//! One client's MQTT state machine: a packet or a delivery in, what to do or to write out.
//!
//! Owns: what CONNECT agreed, packet identifiers, the windows of both directions, inbound topic aliases, and what of the
//! protocol is not served ([`Session::open`] and [`Session::receive`] refuse it with the protocol's own code).
//! Way in: [`Session::open`] answers a CONNECT; [`Session::receive`] turns each packet into an [`Input`] for `broker`, which
//! asks the permissions and answers with the reply functions; [`Session::deliver`] writes a message or says why not.
//! Never here: sockets, clocks, permissions, other clients.

mod aliases;
mod input;
mod limits;
mod open;
mod session;
mod window;

pub use input::{Incoming, Input, Violation};
pub use limits::{
    PACKET_BYTES_MAX, REASON_STRING_BYTES_MAX, RECEIVE_MAXIMUM, SUBSCRIPTIONS_MAX, TOPIC_ALIAS_MAXIMUM, reason_string,
    too_many_levels,
};
pub use open::Refusal;
pub use session::{Delivered, Session};
