//! The limits of an instance, in one table: what its compatibility serves, narrowed by what its edition buys.
//!
//! Sources: DESIGN section 2, MQTT; facts/apsaramq-for-mqtt.md sections 4 and 7. An unlimited number is `u32::MAX` or
//! `u64::MAX`: nothing is capped until an edition or the original's gaps say so.

use crate::{Compatibility, Edition};

/// What an instance and its clients may have at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connected clients of the instance.
    pub connections_max: u32,
    /// CONNECTs of the instance in one second.
    pub connects_per_s_max: u32,
    /// Messages published to the instance in one second, operations included.
    pub messages_per_s_max: u32,
    /// Subscriptions of all clients of the instance.
    pub subscriptions_max: u32,
    /// Parent topics of the instance.
    pub parent_topics_max: u32,
    /// Groups of the instance.
    pub groups_max: u32,
    /// Retained messages of the instance.
    pub retained_messages_max: u32,
    /// Bytes of the retained messages of the instance.
    pub retained_bytes_max: u64,
    /// Subscriptions of a client.
    pub client_subscriptions_max: u32,
    /// QoS 1 and 2 messages that a client may have unacknowledged, and the most that it is sent unacknowledged.
    pub receive_maximum: u16,
    /// Topic aliases, each way.
    pub topic_alias_maximum: u16,
    /// Messages that wait for a session.
    pub queue_messages_max: u32,
    /// Bytes of the messages that wait for a session.
    pub queue_bytes_max: u64,
    /// Longest keep-alive of MQTT 5, seconds; a longer one, and none, are set to it. 0: as asked.
    pub keep_alive_s_max: u16,
    /// Shortest session expiry that is not 0, seconds; a shorter one is raised to it.
    pub session_expiry_s_min: u32,
    /// Longest session expiry, seconds; `u32::MAX` is without end.
    pub session_expiry_s_max: u32,
    /// A packet with its fixed header, bytes.
    pub packet_bytes_max: u32,
    /// The application's bytes of a message.
    pub payload_bytes_max: u32,
    /// A topic name, bytes.
    pub topic_bytes_max: u16,
    /// Levels of a topic name or filter.
    pub topic_levels_max: u16,
    /// Whether retained messages are served.
    pub serves_retained: bool,
    /// Whether wills are served.
    pub serves_wills: bool,
    /// Whether shared subscriptions are served.
    pub serves_shared: bool,
    /// Whether a stored session may subscribe at QoS 2.
    pub serves_stored_qos2: bool,
}

/// Sluice's own limits. DESIGN section 2: roomy, with no cap on rates and connections.
const EXTENDED: Limits = Limits {
    connections_max: u32::MAX,
    connects_per_s_max: u32::MAX,
    messages_per_s_max: u32::MAX,
    subscriptions_max: u32::MAX,
    parent_topics_max: 10_000,
    groups_max: 10_000,
    retained_messages_max: 1_000_000,
    retained_bytes_max: 1024 * 1024 * 1024,
    client_subscriptions_max: 1_000,
    receive_maximum: 100,
    topic_alias_maximum: 30,
    queue_messages_max: 100_000,
    queue_bytes_max: 64 * 1024 * 1024,
    keep_alive_s_max: 0,
    session_expiry_s_min: 0,
    session_expiry_s_max: u32::MAX,
    packet_bytes_max: 1024 * 1024,
    payload_bytes_max: 1024 * 1024,
    topic_bytes_max: u16::MAX,
    topic_levels_max: 128,
    serves_retained: true,
    serves_wills: true,
    serves_shared: true,
    serves_stored_qos2: true,
};

impl Limits {
    /// The limits of an instance of this edition and compatibility.
    #[must_use]
    pub const fn of(_edition: Edition, _compatibility: Compatibility) -> Self {
        EXTENDED
    }
}
