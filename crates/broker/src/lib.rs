//! The live side: who is connected, who gets a message, and what a revocation does to both.
//!
//! Owns: the sessions, connected and stored; the conductor (accept, route, deliver, replay); wills, retained messages, shared
//! subscriptions; quotas and usage; and the sweep after a change.
//! Way in: a door calls [`Broker::connect`] and then drives the [`Client`]: [`Client::handle`] for each packet,
//! [`Client::woken`] when [`Client::wait`] returns; dropping it ends the connection. [`Broker::keep_time`] runs beside it.
//! `actions` calls [`Broker::send_message`] and its siblings.
//! Never here: sockets, HTTP, SQL.
//!
//! Every question is asked by the one whose right it is, on its own task, through its own decision cache: the publisher
//! before routing, each receiver before delivery, on the concrete topic. A remembered yes costs an atomic load. A change
//! bumps the epoch of whom it touches, marks their connections and wakes them; each decides again by itself, and for
//! clients that are away the sweep decides. A message that has waited is asked for again on behalf of its publisher.
//!
//! Invariants: the tenant is part of every key; a message is written to a receiver only with that receiver's
//! [`TopicYes`](sluice_access::TopicYes); routing demands the publisher's. Locks: an outbox's may be held when a table's is
//! taken, never the other way round.

mod admission;
mod agenda;
mod arrival;
mod backlog;
mod broker;
mod client;
mod conductor;
mod delivery;
mod held;
mod journal;
mod leave;
mod link;
mod live_instance;
mod message;
mod outbox;
mod quota;
mod recheck;
mod refusal;
mod registry;
mod restore;
mod retained;
mod shared;
mod stock;
mod storing;
mod subscriptions;
mod sweep;
mod takeover;
mod throttle;
mod tidy;
mod usage;
mod views;
mod wake;
mod will;

pub use arrival::{Arrival, Door, OpenDoor};
pub use broker::{Broker, Counts, SendFault};
pub use client::{Client, Flow};
pub use stock::StockFigures;
pub use usage::{UsageRow, UsageTotals};
pub use views::{SessionView, SubscriptionView};
