//! What a PUBLISH of 160 bytes costs: to decode, to encode alone, and to write to one more receiver.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use sluice_codec::{Delivery, Packet, Publish, PublishFrame, Version, decode, encode};
use sluice_model::{Qos, TopicName};

const MOST: usize = 1024 * 1024;

fn codec(c: &mut Criterion) {
    let topic: TopicName = "site/7/device/4711/temperature".parse().expect("a legal topic");
    let payload = Bytes::from(vec![7; 160]);
    for version in [Version::V3_1_1, Version::V5] {
        let publish = Packet::Publish(Publish {
            dup: false,
            qos: Qos::AtLeastOnce,
            retain: false,
            topic: Some(topic.clone()),
            packet_id: Some(1),
            properties: None,
            payload: payload.clone(),
        });
        let mut bytes = BytesMut::new();
        encode(&publish, version, &mut bytes);
        c.bench_function(&format!("decode PUBLISH {version:?}"), |b| {
            b.iter(|| decode(black_box(&bytes), version, MOST).expect("it is well-formed"));
        });
        let mut out = BytesMut::with_capacity(1024);
        c.bench_function(&format!("encode PUBLISH {version:?}"), |b| {
            b.iter(|| {
                out.clear();
                encode(black_box(&publish), version, &mut out);
            });
        });
        let frame = PublishFrame::new(topic.clone(), payload.clone(), None);
        let delivery = Delivery { packet_id: Some(1), ..Delivery::of(Qos::AtLeastOnce) };
        c.bench_function(&format!("write a frame to one receiver {version:?}"), |b| {
            b.iter(|| {
                out.clear();
                frame.write_to(&mut out, version, black_box(&delivery));
            });
        });
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
