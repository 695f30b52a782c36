//! The live side: who is connected, who gets a message, and what a revocation does to both.
//!
//! Owns: the registry of connections, the conductor (accept, route, deliver), and the sweep after a change.
//! Way in: a door calls [`Broker::connect`] and then drives the [`Client`]: [`Client::handle`] for each packet,
//! [`Client::woken`] when [`Client::wait`] returns. `actions` calls [`Broker::send_message`] and its siblings.
//! Never here: sockets, HTTP, SQL.
//!
//! Every question is asked by the one whose right it is, on its own task, through its own decision cache: the publisher
//! before routing, each receiver before delivery, on the concrete topic. A remembered yes costs an atomic load. A change
//! bumps the epoch of whom it touches, marks their connections and wakes them; each decides again by itself.
//!
//! Invariants: the tenant is part of every key; a message is written to a receiver only with that receiver's
//! [`TopicYes`](sluice_access::TopicYes); routing demands the publisher's.

mod admission;
mod arrival;
mod broker;
mod client;
mod conductor;
mod link;
mod message;
mod outbox;
mod recheck;
mod refusal;
mod registry;
mod subscriptions;
mod usage;
mod views;

pub use arrival::{Arrival, Door, OpenDoor};
pub use broker::{Broker, Counts, SendFault};
pub use client::{Client, Flow};
pub use usage::{UsageRow, UsageTotals};
pub use views::{SessionView, SubscriptionView};
