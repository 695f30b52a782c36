//! The cost of one decision, by Sluice's engine and by Cedar, on the same rules and the same requests in the same run.
//!
//! What can be said in both: a principal, an action, a resource by equality and hierarchy, and patterns. A topic is below its
//! levels, its instance and its account in both; `topic/I/area*/x` of a policy is `like` on the topic's name there. Policies
//! are compiled and requests built beforehand, for both. Every decision is made by both and compared before it is measured.
//!
//! Never here: anything that a release links. Prints one JSON line a measurement: `{"what", "statements", "median_ns",
//! "p99_ns", "decisions"}`.

mod cedar;
mod rules;
mod sluice;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use cedar::Cedar;
use rules::{Rule, requests, rules};
use sluice::Sluice;

/// As the server has it; for both.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Decisions measured one by one for each line.
const DECISIONS: usize = 100_000;
/// A renewal is too short for the clock: so many are timed at once.
const RENEWALS_AT_ONCE: usize = 1_000;

fn main() {
    for statements in [1, 20, 200] {
        let rules = rules(statements);
        measure(&rules, statements);
    }
    compile_cost();
}

fn measure(rules: &[Rule], statements: usize) {
    let requests = requests(statements);
    let (sluice, cedar) = (Sluice::new(rules, &requests), Cedar::new(rules, &requests));
    let granted = (0..requests.len()).filter(|&place| sluice.decide(place)).count();
    for place in 0..requests.len() {
        assert_eq!(sluice.decide(place), cedar.decide(place), "the two disagree on {:?}", requests[place]);
    }
    assert!(granted > requests.len() / 5 && granted < requests.len() * 4 / 5, "{granted} of {} granted", requests.len());
    // In turns, so that what disturbs the machine disturbs both.
    let (mut cold, mut other, mut authorized) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..10 {
        let places = || (0..DECISIONS / 10).map(|n| (n * 7 + round) % requests.len());
        cold.extend(places().map(|place| timed(|| sluice.decide(place))));
        other.extend(places().map(|place| timed(|| cedar.decide(place))));
        authorized.extend(places().map(|place| timed(|| sluice.authorize(place))));
    }
    report("Sluice, decide", statements, cold, 1);
    report("Sluice, Authority::authorize", statements, authorized, 1);
    report("Cedar, is_authorized", statements, other, 1);
    let renewals = (0..DECISIONS / 100).map(|n| timed(|| sluice.renew(n % requests.len(), RENEWALS_AT_ONCE)));
    report("Sluice, Authority::renew", statements, renewals.collect(), RENEWALS_AT_ONCE);
}

/// What reading a document of the longest length costs; Cedar's is of the same statements.
fn compile_cost() {
    let mut fitting = 1;
    while sluice::document(&rules(fitting + 1)).chars().count() <= 6_144 {
        fitting += 1;
    }
    let rules = rules(fitting);
    let (document, policies) = (sluice::document(&rules), cedar::document(&rules));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..500 {
        ours.push(timed(|| sluice::compile(&document)));
        theirs.push(timed(|| cedar::compile(&policies)));
    }
    report("Sluice, Document::parse", fitting, ours, 1);
    report("Cedar, PolicySet from text", fitting, theirs, 1);
}

fn timed<T>(mut work: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn report(what: &str, statements: usize, mut times: Vec<Duration>, at_once: usize) {
    times.sort_unstable();
    let of = |per_cent: usize| times[(times.len() - 1) * per_cent / 100].as_secs_f64() * 1e9 / at_once as f64;
    let line = serde_json::json!({
        "what": what,
        "statements": statements,
        "median_ns": of(50),
        "p99_ns": of(99),
        "decisions": times.len() * at_once,
    });
    println!("{line}");
}
