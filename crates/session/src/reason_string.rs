//! Reason strings. Source: MQTT 5.0 section 4.13.

use sluice_codec::Properties;

/// Longest reason string, bytes: a refusal may quote a topic of 65,535.
pub const REASON_STRING_BYTES_MAX: usize = 1_024;
/// What PUBACK, CONNACK or DISCONNECT have besides the reason string at most, bytes.
const AROUND_REASON_STRING_BYTES: usize = 16;

/// A reason string for a client that takes packets of `packet_bytes_max`; none where it would not fit.
/// [MQTT-3.2.2-19] [MQTT-3.4.2-2] [MQTT-3.14.2-3]
#[must_use]
pub fn reason_string(why: &str, packet_bytes_max: u32) -> Option<Box<Properties>> {
    let why = &why[..why.floor_char_boundary(REASON_STRING_BYTES_MAX)];
    let most = usize::try_from(packet_bytes_max).unwrap_or(usize::MAX);
    (why.len() + AROUND_REASON_STRING_BYTES <= most)
        .then(|| Box::new(Properties { reason_string: Some(why.into()), ..Properties::default() }))
}
