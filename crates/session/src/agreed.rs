//! What CONNECT and CONNACK agreed, for as long as the connection lives.

use sluice_codec::{Connect, Properties, Version};
use sluice_model::Limits;

/// Of one connection. Small: an idle client holds it.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) version: Version,
    /// The server's, where it caps the client's. [MQTT-3.2.2-21]
    pub(crate) keep_alive_s: u16,
    /// Messages that the client takes unacknowledged, never over ours.
    pub(crate) receive_maximum: u16,
    /// QoS 2 messages that the client may have unacknowledged; MQTT 3 knows no bound but the identifiers.
    pub(crate) receive_maximum_in: u16,
    /// The client's maximum packet size, bytes.
    pub(crate) packet_bytes_max: u32,
    /// Whether the client takes reason strings.
    pub(crate) problem_information: bool,
    /// How long the session outlives the connection, seconds; `u32::MAX` is without end.
    pub(crate) session_expiry_s: u32,
    /// Aliases that the client may name.
    pub(crate) topic_alias_maximum_in: u16,
}

impl Agreed {
    pub(crate) fn of(connect: &Connect, limits: &Limits) -> Self {
        let properties = connect.properties.as_deref();
        let asked = |get: fn(&Properties) -> Option<u32>| properties.and_then(get);
        let receive_maximum = asked(|p| p.receive_maximum.map(u32::from)).and_then(|most| u16::try_from(most).ok());
        let is_v5 = connect.version.is_v5();
        Self {
            version: connect.version,
            keep_alive_s: keep_alive(connect, limits),
            receive_maximum: receive_maximum.unwrap_or(u16::MAX).min(limits.receive_maximum),
            receive_maximum_in: if is_v5 { limits.receive_maximum } else { u16::MAX },
            packet_bytes_max: asked(|p| p.maximum_packet_size).unwrap_or(u32::MAX),
            problem_information: properties.and_then(|p| p.request_problem_information).unwrap_or(true),
            session_expiry_s: session_expiry_s(connect, limits),
            topic_alias_maximum_in: limits.topic_alias_maximum,
        }
    }
}

/// The keep-alive in force, seconds; 0 is off. Only MQTT 5 can be told another than it asked for.
fn keep_alive(connect: &Connect, limits: &Limits) -> u16 {
    match (connect.version.is_v5(), limits.keep_alive_s_max) {
        (true, most @ 1..) if connect.keep_alive == 0 || connect.keep_alive > most => most,
        _ => connect.keep_alive,
    }
}

/// Seconds that the session outlives its connection. MQTT 3 keeps a session without end, or not at all. [MQTT-3.1.2-4]
#[must_use]
pub fn session_expiry_s(connect: &Connect, limits: &Limits) -> u32 {
    if !connect.version.is_v5() {
        return if connect.clean { 0 } else { limits.session_expiry_s_max };
    }
    let asked = connect.properties.as_ref().and_then(|properties| properties.session_expiry_interval).unwrap_or(0);
    clamp_expiry(asked, limits)
}

/// A session expiry as the instance grants it.
pub(crate) fn clamp_expiry(asked_s: u32, limits: &Limits) -> u32 {
    if asked_s == 0 { 0 } else { asked_s.max(limits.session_expiry_s_min).min(limits.session_expiry_s_max) }
}
