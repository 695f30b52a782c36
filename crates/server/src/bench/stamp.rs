//! The payload of a message of the load: when it was due, who sent it and its number; and the PUBLISH around it, encoded
//! once and filled in for each message.

use bytes::{BufMut, Bytes, BytesMut};
use sluice_codec::{Packet, Publish, Version, encode};
use sluice_model::{Qos, TopicName};

/// Bytes of an encoded stamp.
const STAMP_BYTES: usize = 16;

/// What a payload begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Nanoseconds since the run began.
    pub(crate) due_ns: u64,
    /// The publisher's number.
    pub(crate) publisher: u32,
    /// The message's number, from 0.
    pub(crate) number: u32,
}

impl Stamp {
    fn bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..8].copy_from_slice(&self.due_ns.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.publisher.to_be_bytes());
        bytes[12..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// The stamp of a payload; `None` when it is too short to be of this load.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let (due, rest) = payload.split_first_chunk()?;
        let (publisher, rest) = rest.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        Some(Self {
            due_ns: u64::from_be_bytes(*due),
            publisher: u32::from_be_bytes(*publisher),
            number: u32::from_be_bytes(*number),
        })
    }
}

/// A PUBLISH with room for packet identifier and stamp.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Bytes,
    packet_id_at: usize,
    stamp_at: usize,
    qos: Qos,
}

impl Template {
    /// Encodes it. `payload_bytes` is at least the stamp's 16.
    pub(crate) fn new(topic: TopicName, qos: Qos, payload_bytes: usize, version: Version) -> Self {
        let payload = Bytes::from(vec![b'.'; payload_bytes]);
        let packet_id = (qos != Qos::AtMostOnce).then_some(1);
        let publish =
            Publish { dup: false, qos, retain: false, topic: Some(topic), packet_id, properties: None, payload };
        let mut bytes = BytesMut::new();
        encode(&Packet::Publish(publish), version, &mut bytes);
        let stamp_at = bytes.len() - payload_bytes;
        // Between the two, MQTT 5 has the length of the properties, which is one byte of 0.
        let packet_id_at = stamp_at - 2 - usize::from(version.is_v5());
        Self { bytes: bytes.freeze(), packet_id_at, stamp_at, qos }
    }

    /// Writes one message.
    pub(crate) fn write(&self, packet_id: u16, stamp: Stamp, out: &mut BytesMut) {
        let start = out.len();
        out.put_slice(&self.bytes);
        if self.qos != Qos::AtMostOnce {
            out[start + self.packet_id_at..][..2].copy_from_slice(&packet_id.to_be_bytes());
        }
        out[start + self.stamp_at..][..STAMP_BYTES].copy_from_slice(&stamp.bytes());
    }
}

#[cfg(test)]
mod tests {
    use sluice_codec::decode;

    use super::*;

    #[test]
    fn a_filled_template_is_a_publish_with_its_stamp_in_each_version_and_qos() {
        let stamp = Stamp { due_ns: 1 << 40, publisher: 7, number: 70_000 };
        for version in [Version::V3_1_1, Version::V5] {
            for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
                let template = Template::new("bench/x".parse().unwrap(), qos, 200, version);
                let mut out = BytesMut::new();
                template.write(515, stamp, &mut out);
                let decoded = decode(&out, version, 1000).unwrap().unwrap();
                assert_eq!(decoded.length, out.len());
                let Packet::Publish(publish) = decoded.packet else { panic!("no PUBLISH") };
                assert_eq!(publish.packet_id, (qos != Qos::AtMostOnce).then_some(515));
                assert_eq!(publish.payload.len(), 200);
                assert_eq!(Stamp::read(&publish.payload), Some(stamp));
            }
        }
        assert_eq!(Stamp::read(b"short"), None);
    }
}
