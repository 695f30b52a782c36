//! Topic index per instance: who wants a message, and nothing else.
//!
//! Way through: `broker` keeps a [`TopicIndex`] for each instance, under its [`InstanceKey`], and calls
//! [`TopicIndex::subscribe`], [`TopicIndex::unsubscribe`] and, for every message, [`TopicIndex::for_each_subscriber`], or
//! [`TopicIndex::for_each_match`] where a topic may name a client.
//! A shared subscription is entered the same way; a match hands out its [`ShareGroup`], and `broker` chooses among its members.
//! Inside, filters without a wildcard live in a hash table and cost one lookup; the others live in a trie
//! (facts/broker-techniques.md, 6). What many want is kept finished by topic and dropped when a filter of that topic changes.
//!
//! Beside it, [`TopicTree`] holds topic names and finds those that a filter matches: retained messages are kept in one.
//!
//! Never here: delivery, deciding who may, sockets, packet identifiers.
//!
//! Invariants: the tenant is part of the index's key as a type ([`InstanceKey`]), so no filter reaches another account;
//! no subscription matches a point-to-point topic `{parent}/p2p/{clientId}` (DESIGN section 2, P2P); a node without
//! subscribers and children does not exist, so memory follows the subscriptions held.

mod exact;
mod index;
mod interest;
mod matches;
mod merge;
mod share;
mod subscribers;
mod topic_tree;
mod trie;

use sluice_model::{AccountId, InstanceId, Qos};

pub use index::{Subscribed, TopicIndex};
pub use merge::Merged;
pub use share::{Member, Rotation, ShareGroup};
pub use topic_tree::{Matching, STEPS_MAX, TopicTree};

/// Which index: the tenant and its instance.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct InstanceKey {
    /// The tenant.
    pub account: AccountId,
    /// Its instance.
    pub instance: InstanceId,
}

/// A subscriber: one connection's or stored session's number, chosen by `broker`, never used twice. Odd numbers are those
/// of sessions that outlive their connection, so that a match says by itself who must be stored for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SubscriberId(pub u64);

impl SubscriberId {
    /// The `place`th number, of a session that outlives its connection or not.
    #[must_use]
    pub fn new(place: u64, is_stored: bool) -> Self {
        Self(place << 1 | u64::from(is_stored))
    }

    /// The place of its number.
    #[must_use]
    pub fn place(self) -> u64 {
        self.0 >> 1
    }

    /// Whether the session outlives its connection.
    #[must_use]
    pub fn is_stored(self) -> bool {
        self.0 & 1 == 1
    }
}

/// What a subscription asked for. [MQTT-3.8.3.1]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubscriptionOptions {
    /// Granted QoS.
    pub qos: Qos,
    /// Do not send the client its own messages.
    pub no_local: bool,
    /// Keep the retain flag as published.
    pub retain_as_published: bool,
    /// Subscription identifier, 1 to 268,435,455; 0 counts as none. [MQTT-3.8.2.1.2]
    pub id: Option<u32>,
}
