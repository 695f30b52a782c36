//! What a remembered yes costs on the message path: one session, one topic asked again; and among as many as it holds.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_access::{DecisionCache, TopicAction};
use sluice_model::{InstanceId, UnixMs};
use sluice_testkit::{PolicyTable, account, caller, user};

const GRANT: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"mq:PUB","Resource":"acs:mq:*:*:topic/mqtt-cn-bench/site"}]}"#;
const NOW: UnixMs = UnixMs(1_700_000_000_000);

fn cached(c: &mut Criterion) {
    let account = account(1);
    let principal = user(account, 1);
    let table = PolicyTable::default();
    table.set(principal, &[GRANT]);
    let (authority, caller) = (table.authority(), caller(principal));
    let instance: InstanceId = "mqtt-cn-bench".parse().expect("a legal ID");
    for topics in [1, 64] {
        let names: Vec<Arc<str>> = (0..topics).map(|n| format!("site/7/device/{n:04}/temperature").into()).collect();
        let mut cache = DecisionCache::default();
        let mut ask = |topic: &Arc<str>| {
            let asked = cache.check_topic(&authority, &caller, TopicAction::Publish, (account, &instance), topic, NOW);
            assert!(asked.is_ok());
        };
        names.iter().for_each(&mut ask);
        // A client names its topic anew in each packet: the same text, another allocation.
        let last: Arc<str> = names[topics - 1].to_string().into();
        c.bench_function(&format!("a remembered yes, the last of {topics}"), |b| b.iter(|| ask(black_box(&last))));
    }
}

criterion_group!(benches, cached);
criterion_main!(benches);
