//! Bytes to MQTT 3.1, 3.1.1 and 5 packets and back.
//!
//! Owns: framing, every packet with every property of the three versions, reason codes, and [`PublishFrame`], a PUBLISH
//! kept once and written to each receiver.
//! Way in: [`decode_first`] reads a CONNECT, [`decode`] what follows, [`encode`] writes.
//! Never here: sockets, session rules, permissions.
//!
//! Strict: whatever the specification forbids is a [`DecodeError`] with the reason code to close with. Nothing that a peer
//! sends panics or is buffered beyond the limit that the caller gives. Checked by this room's tests, against its own
//! encoder, against another codec and by a fuzzer with corpora in `fuzz/`; on the wire by `tests/conformance`.
//!
//! Sources: MQTT 5.0 (OASIS, 2019), MQTT 3.1.1 (OASIS, 2014), MQTT V3.1 (IBM, 2010).

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod error;
mod frame;
mod packet;
mod properties;
mod property_table;
mod publish;
mod reason;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;
mod version;
mod wire;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::{ConnAck, ConnectReturnCode};
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use error::{DecodeError, Malformation};
pub use frame::{Delivery, OutgoingAlias, PublishFrame};
pub use packet::{Decoded, Packet, decode, decode_first, encode, packet_length};
pub use properties::Properties;
pub use publish::Publish;
pub use reason::ReasonCode;
pub use suback::SubAck;
pub use subscribe::{FilterOptions, RetainHandling, Subscribe};
pub use unsuback::UnsubAck;
pub use unsubscribe::Unsubscribe;
pub use version::Version;
