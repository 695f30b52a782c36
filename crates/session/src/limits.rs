//! Limits of an instance with `Extended` compatibility. DESIGN section 2, MQTT.

use sluice_model::level_count;

/// Largest packet, bytes with its fixed header.
pub const PACKET_BYTES_MAX: usize = 1024 * 1024;
/// Most levels of a topic or filter.
pub const LEVELS_MAX: usize = 128;
/// Subscriptions of a client.
pub const SUBSCRIPTIONS_MAX: usize = 1_000;
/// Aliases that a client may name.
pub const TOPIC_ALIAS_MAXIMUM: u16 = 30;
/// QoS 1 messages that a client may have unacknowledged, and the most that it is sent unacknowledged.
pub const RECEIVE_MAXIMUM: u16 = 100;

/// Whether a topic or filter has more levels than [`LEVELS_MAX`].
#[must_use]
pub fn too_many_levels(topic: &str) -> bool {
    level_count(topic) > LEVELS_MAX
}
