//! What an observer is shown, and for how long an answer is remembered under one.
#![allow(dead_code, reason = "the support is shared by several test binaries")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use sluice_model::Action;
use sluice_policy::{
    Authority, Context, DecisionObserver, OBSERVED_MS_MAX, OBSERVED_MS_MIN, PolicySource, Seen, Standing,
};
use support::{NOW, World, caller, statement, topic};

/// Who asked for what, and whether it was allowed.
#[derive(Default)]
struct Shown(Mutex<Vec<(String, String, bool)>>);

impl DecisionObserver for Shown {
    fn decided(&self, seen: &Seen<'_>) {
        let line = (seen.name.to_owned(), seen.actions[0].to_string(), seen.outcome.is_ok());
        self.0.lock().expect("no test thread panics here").push(line);
    }
}

fn observed(world: &Arc<World>) -> (Authority, Arc<Shown>) {
    let shown = Arc::new(Shown::default());
    let source = Arc::clone(world) as Arc<dyn PolicySource>;
    (Authority::observed(source, Arc::clone(&shown) as Arc<dyn DecisionObserver>), shown)
}

#[test]
fn each_decision_is_shown_once_and_a_question_that_nobody_acts_on_is_not() {
    let world = World::governed(&[statement("Allow", "mq:PUB", "*")]);
    let (authority, shown) = observed(&world);
    let ask = |action: &Action, context: &Context| authority.authorize(&caller(), action, &topic("a"), context);
    let grant = ask(&Action::PUB, &Context::at(NOW)).unwrap().remember();
    assert!(authority.renew(&grant, NOW));
    ask(&Action::SUB, &Context::at(NOW)).unwrap_err();
    drop(ask(&Action::PUB, &Context::only_asking_at(NOW)));
    world.set(None);
    ask(&Action::PUB, &Context::at(NOW)).unwrap_err();
    let line = |name: &str, action: &str, is_allowed| (name.to_owned(), action.to_owned(), is_allowed);
    let expected = [line("alice", "mq:PUB", true), line("alice", "mq:SUB", false), line("", "mq:PUB", false)];
    assert_eq!(*shown.0.lock().unwrap(), expected);
}

#[test]
fn what_was_decided_in_one_second_is_decided_again_over_a_quarter_of_an_hour() {
    const MINUTE_MS: i64 = 60_000;
    let world = World::owner();
    let (authority, _shown) = observed(&world);
    let mut minutes = [0; 15];
    for _ in 0..10_000 {
        let permit = authority.authorize(&caller(), &Action::PUB, &topic("a"), &Context::at(NOW)).unwrap();
        let after = permit.valid_until().0 - NOW.0;
        assert!((OBSERVED_MS_MIN..OBSERVED_MS_MAX).contains(&after), "{after}");
        minutes[usize::try_from((after - OBSERVED_MS_MIN) / MINUTE_MS).unwrap()] += 1;
    }
    assert!(minutes.iter().all(|count| (600..=734).contains(count)), "{minutes:?}");
}

#[test]
fn a_refusal_and_what_ends_earlier_are_not_remembered_for_longer() {
    let world = World::governed(&[]);
    let (authority, _shown) = observed(&world);
    let denied = authority.authorize(&caller(), &Action::PUB, &topic("a"), &Context::at(NOW)).unwrap_err();
    let at = |ms: i64| sluice_model::UnixMs(NOW.0 + ms);
    assert!(
        authority.still_denies(&denied, at(OBSERVED_MS_MIN - 1))
            && !authority.still_denies(&denied, at(OBSERVED_MS_MAX))
    );
    world.set(Some((Standing::Owner, "root", at(1_000))));
    let permit = authority.authorize(&caller(), &Action::PUB, &topic("a"), &Context::at(NOW)).unwrap();
    assert_eq!(permit.valid_until(), at(1_000));
}
