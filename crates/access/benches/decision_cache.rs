//! What asking costs on the message path, for a user of 200 statements: a yes that the session remembers, one that another
//! session of the user was given, and one that is decided in full; a refusal, and a delivery that is covered.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_access::{DecisionCache, SeenDecisions, TopicAction, TopicDecisions, TopicYes};
use sluice_model::{Action, InstanceId, Resource, UnixMs};
use sluice_policy::{Caller, Context, DecisionObserver, Denied, Seen};
use sluice_store::Store;
use sluice_testkit::{PolicyTable, account, caller, user};

const NOW: UnixMs = UnixMs(1_700_000_000_000);
const POLICIES: usize = 20;
const STATEMENTS_PER_POLICY: usize = 10;

/// Allows on 200 topics, the last of which is `site199`; half of them under a condition of address.
fn policies() -> Vec<String> {
    let statement = |place: usize| {
        let mut statement = serde_json::json!({
            "Effect": "Allow",
            "Action": ["mq:PUB", "mq:SUB"],
            "Resource": format!("acs:mq:*:*:topic/mqtt-cn-bench/site{place}"),
        });
        if place.is_multiple_of(2) {
            statement["Condition"] = serde_json::json!({ "NotIpAddress": { "acs:SourceIp": "203.0.113.0/24" } });
        }
        statement
    };
    let policy = |number: usize| {
        let places = number * STATEMENTS_PER_POLICY..(number + 1) * STATEMENTS_PER_POLICY;
        serde_json::json!({ "Version": "1", "Statement": places.map(statement).collect::<Vec<_>>() }).to_string()
    };
    (0..POLICIES).map(policy).collect()
}

struct Bench {
    decisions: TopicDecisions,
    caller: Caller,
    instance: InstanceId,
}

impl Bench {
    fn new() -> Self {
        let principal = user(account(1), 1);
        let table = PolicyTable::default();
        let texts = policies();
        table.set(principal, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        let decisions = TopicDecisions::new(table.authority());
        Self { decisions, caller: caller(principal), instance: "mqtt-cn-bench".parse().expect("a legal ID") }
    }

    fn ask(&self, session: &mut DecisionCache, topic: &Arc<str>) -> Result<(), Denied> {
        let (action, place) = (TopicAction::Receive, (account(1), &self.instance));
        session.check_topic(&self.decisions, &self.caller, action, place, topic, NOW).map(|yes| {
            let _ = black_box(yes);
        })
    }
}

fn topics(n: usize) -> Vec<Arc<str>> {
    (0..n).map(|n| format!("site199/device/{n:05}/temperature").into()).collect()
}

fn asking(c: &mut Criterion) {
    let bench = Bench::new();
    for many in [1, 64] {
        let (names, mut session) = (topics(many), DecisionCache::default());
        for name in &names {
            bench.ask(&mut session, name).expect("granted");
        }
        // A client names its topic anew in each packet: the same text, another allocation.
        let last: Arc<str> = names[many - 1].to_string().into();
        c.bench_function(&format!("the session's own yes, the last of {many}"), |b| {
            b.iter(|| bench.ask(&mut session, black_box(&last)));
        });
    }
    // More topics than a session remembers, in turn: each is found among what the sessions share.
    let (names, mut session) = (topics(1_000), DecisionCache::default());
    let mut turn = names.iter().cycle();
    c.bench_function("a shared yes", |b| b.iter(|| bench.ask(&mut session, turn.next().expect("a cycle has no end"))));
    // More topics than are shared: nearly all are decided.
    let (names, mut session) = (topics(200_000), DecisionCache::default());
    let mut turn = names.iter().cycle();
    c.bench_function("decided in full, 200 statements", |b| {
        b.iter(|| bench.ask(&mut session, turn.next().expect("a cycle has no end")));
    });
    let (forbidden, mut session): (Vec<Arc<str>>, _) =
        ((0..8).map(|n| format!("other/{n}").into()).collect(), DecisionCache::default());
    c.bench_function("the session's own refusal", |b| b.iter(|| bench.ask(&mut session, &forbidden[0])));
    let mut turn = forbidden.iter().cycle();
    c.bench_function("refused in full, 200 statements", |b| {
        b.iter(|| bench.ask(&mut session, turn.next().expect("a cycle has no end")));
    });
}

fn covered(c: &mut Criterion) {
    let bench = Bench::new();
    let authority = bench.decisions.authority();
    let (place, filter) = ((account(1), &bench.instance), "site199/#".parse().expect("a legal filter"));
    let cover = || authority.cover(&bench.caller, &Action::SUB, place, &filter, NOW);
    let covering = cover().expect("the last statement covers it");
    let topic = &topics(1)[0];
    c.bench_function("a covered delivery", |b| {
        b.iter(|| TopicYes::covered(authority, black_box(&covering), place, topic, NOW).is_some());
    });
    c.bench_function("covering a filter, 200 statements", |b| b.iter(|| cover().is_some()));
}

/// What counting adds to a fresh decision: one of 1,000 questions that were counted already, and new ones.
fn counted(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("db").display());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let seen = SeenDecisions::new(runtime.block_on(Store::open(&url)).expect("a store"));
    let (bench, context) = (Bench::new(), Context::at(NOW));
    let resources = |n| -> Vec<Resource> {
        topics(n).into_iter().map(|topic| Resource::Topic(account(1), bench.instance.clone(), topic)).collect()
    };
    let show = |resource: &Resource| {
        let actions = &[Action::PUB];
        let (caller, context) = (&bench.caller, &context);
        seen.decided(&Seen { caller, name: "a", actions, resource: black_box(resource), context, outcome: Ok(()) });
    };
    let many = resources(1_000);
    many.iter().for_each(show);
    let mut turn = many.iter().cycle();
    c.bench_function("counting a decision", |b| b.iter(|| show(turn.next().expect("a cycle has no end"))));
    let many = resources(400_000);
    let mut turn = many.iter().cycle();
    c.bench_function("counting a new decision, or finding no room", |b| {
        b.iter(|| show(turn.next().expect("a cycle has no end")));
    });
}

criterion_group!(benches, asking, covered, counted);
criterion_main!(benches);
