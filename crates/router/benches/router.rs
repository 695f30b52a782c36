//! What a match costs: an exact topic, and a topic among 10,000 wildcard filters.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_model::{Qos, TopicFilter, TopicName};
use sluice_router::{SubscriberId, SubscriptionOptions, TopicIndex};

const FILTERS: u64 = 10_000;
const OPTIONS: SubscriptionOptions =
    SubscriptionOptions { qos: Qos::AtLeastOnce, no_local: false, retain_as_published: false, id: None };

fn index_of(filters: impl Iterator<Item = String>) -> TopicIndex {
    let index = TopicIndex::default();
    for (n, text) in (0..).zip(filters) {
        let filter: TopicFilter = text.parse().expect("the benchmark writes legal filters");
        index.subscribe(SubscriberId(n), &filter, OPTIONS);
    }
    index
}

fn count(index: &TopicIndex, topic: &TopicName) -> usize {
    let mut found = 0;
    index.for_each_match(black_box(topic), None, |_, _| found += 1, |_| {});
    found
}

fn routing(c: &mut Criterion) {
    let topic: TopicName = "site/7/device/4711/temperature".parse().expect("a legal topic");

    let exact = index_of((0..FILTERS).map(|n| format!("site/7/device/{n}/temperature")));
    assert_eq!(count(&exact, &topic), 1);
    c.bench_function("match/exact_of_10k", |b| b.iter(|| count(&exact, &topic)));

    let wildcard = index_of((0..FILTERS).map(|n| format!("site/+/device/{n}/#")));
    assert_eq!(count(&wildcard, &topic), 1);
    c.bench_function("match/wildcard_of_10k", |b| b.iter(|| count(&wildcard, &topic)));

    let absent: TopicName = "nobody/wants/this".parse().expect("a legal topic");
    assert_eq!(count(&wildcard, &absent), 0);
    c.bench_function("match/nobody_of_10k_wildcards", |b| b.iter(|| count(&wildcard, &absent)));

    let fan_out = index_of((0..1_000).map(|_| "site/7/#".to_owned()));
    assert_eq!(count(&fan_out, &topic), 1_000);
    c.bench_function("match/fan_out_1k", |b| b.iter(|| count(&fan_out, &topic)));
}

criterion_group!(benches, routing);
criterion_main!(benches);
