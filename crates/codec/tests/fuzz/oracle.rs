//! What this decoder and `rmqtt-codec` make of the same packets. Where one accepts and the other refuses, one of them is wrong: here is
//! the list of what it lets through, with the clause that forbids it. What it refuses, this decoder refuses.

use std::collections::BTreeSet;

use bytes::BytesMut;
use rmqtt_codec::{v3, v5};
use sluice_codec::{DecodeError, Malformation, Version, decode};
use tokio_util::codec::Decoder as _;

/// The limit of a packet, bytes, of both.
const PACKET_BYTES_MAX: usize = 1024 * 1024;

/// What the oracle lets through.
const LET_THROUGH: [(Malformation, &str); 14] = [
    (Malformation::AcknowledgeFlags, "[MQTT-3.2.2-6] a session is present for a refused client"),
    (Malformation::AuthenticationData, "3.1.2.11.10: data without a method"),
    (Malformation::DupAtQos0, "[MQTT-3.3.1-2]"),
    (Malformation::NoLocalShared, "[MQTT-3.8.3-4]"),
    (Malformation::PayloadFormat, "3.3.2.3.2: a text payload that is none; a server may check it"),
    (Malformation::PropertyValue, "2.2.2.2: a flag that is neither 0 nor 1, a maximum of 0"),
    (Malformation::ReasonCode, "3.2.2.3 of 3.1.1, and 2.4: codes that do not exist or belong to another packet"),
    (Malformation::SubscriptionOptions, "[MQTT-3.8.3-4] of 3.1.1, [MQTT-3.8.3-5]: reserved bits"),
    (Malformation::Text, "[MQTT-1.5.4-2]: U+0000"),
    (Malformation::TopicFilter, "[MQTT-4.7.1-1], [MQTT-4.7.1-2]: wildcards within a level"),
    (Malformation::TopicName, "[MQTT-3.3.2-2], [MQTT-4.7.3-1]: wildcards, or no topic and no alias"),
    (Malformation::TrailingBytes, "2.1.4: bytes after the last field"),
    (Malformation::Truncated, "3.9.3 of 3.1.1: a SUBACK without codes"),
    (Malformation::VariableByteInteger, "[MQTT-1.5.5-1]: longer than it needs to be"),
];

/// What the oracle makes of the first packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Accepts,
    Waits,
    Refuses,
}

fn verdict(bytes: &[u8], version: Version) -> Verdict {
    let mut buffer = BytesMut::from(bytes);
    let most = u32::try_from(PACKET_BYTES_MAX).unwrap();
    let accepted = if version.is_v5() {
        v5::Codec::new(most, most).decode(&mut buffer).map(|found| found.is_some()).ok()
    } else {
        v3::Codec::new(most).decode(&mut buffer).map(|found| found.is_some()).ok()
    };
    match accepted {
        Some(true) => Verdict::Accepts,
        Some(false) => Verdict::Waits,
        None => Verdict::Refuses,
    }
}

/// Compares both on one input, and notes what the oracle lets through.
pub(crate) fn compare(bytes: &[u8], seen: &mut BTreeSet<String>) {
    for version in [Version::V3_1_1, Version::V5] {
        let theirs = verdict(bytes, version);
        let ours = decode(bytes, version, PACKET_BYTES_MAX);
        match (ours, theirs) {
            (Ok(_), Verdict::Refuses) => panic!("the oracle refuses what is accepted here, {version:?}"),
            // It looks at a packet when all of it is there; nothing is promised about what it waits for.
            (Ok(Some(_)), Verdict::Waits) => panic!("the oracle waits for more of what is whole here, {version:?}"),
            (Err(DecodeError::Malformed(what) | DecodeError::Protocol(what)), Verdict::Accepts) => {
                assert!(
                    LET_THROUGH.iter().any(|(known, _)| *known == what),
                    "{what:?} is not on the list, {version:?}"
                );
                seen.insert(format!("{what:?}"));
            }
            (Err(other), Verdict::Accepts) => panic!("{other} is not on the list, {version:?}"),
            _ => {}
        }
    }
}

/// Every difference of the list must be one: what the oracle learns to refuse is taken off it.
pub(crate) fn check(seen: &BTreeSet<String>) {
    let listed: BTreeSet<String> = LET_THROUGH.iter().map(|(what, _)| format!("{what:?}")).collect();
    let gone: Vec<_> = listed.difference(seen).collect();
    assert!(gone.is_empty(), "the oracle no longer lets these through: {gone:?}");
}
