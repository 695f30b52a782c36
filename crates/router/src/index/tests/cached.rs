//! A kept match is never an old one.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// So many want each topic that its match is worth keeping.
const CROWD: std::ops::Range<u64> = 100..120;
/// Computed, computed and kept, found.
const LOOKS: usize = 3;

fn crowded() -> (TopicIndex, Naive) {
    let (index, mut naive) = (TopicIndex::default(), Naive::new());
    for n in CROWD {
        for text in ["#", "$x/#"] {
            apply(&index, &mut naive, Step::Subscribe(n, text.to_owned(), 1, n == 100, 0));
        }
    }
    (index, naive)
}

fn names() -> impl Strategy<Value = Vec<TopicName>> {
    let name = proptest::collection::vec(level(), 1..4).prop_map(|levels| levels.join("/").replace('+', "c"));
    proptest::collection::vec(name, 1..6).prop_map(|names| names.iter().filter_map(|name| name.parse().ok()).collect())
}

proptest::proptest! {
    #[test]
    fn every_change_is_seen_by_the_next_match(
        steps in proptest::collection::vec(step(), 0..30),
        names in names(),
    ) {
        let (index, mut naive) = crowded();
        for step in steps {
            for name in names.iter().cycle().take(names.len() * LOOKS) {
                assert_agrees(&index, &naive, name);
            }
            apply(&index, &mut naive, step);
        }
        for name in names.iter().cycle().take(names.len() * LOOKS) {
            assert_agrees(&index, &naive, name);
        }
        index.matches.held();
    }
}

fn kept(index: &TopicIndex, name: &str) -> bool {
    index.matches.get(name).is_some()
}

#[test]
fn a_change_drops_the_matches_that_its_filter_touches_and_no_other() {
    let (index, _) = crowded();
    for (text, dropped) in
        [("a/b", &["a/b"][..]), ("a/+", &["a/b", "a/c"]), ("+/b", &["a/b", "b/b"]), ("b/#", &["b/b"]), ("c", &[])]
    {
        let all = ["a/b", "a/c", "b/b"];
        let fill = || (0..LOOKS).for_each(|_| all.iter().for_each(|name| drop(matches(&index, name, None))));
        let check =
            || all.iter().for_each(|name| assert_eq!(kept(&index, name), !dropped.contains(name), "{text} {name}"));
        fill();
        index.subscribe(A, &filter(text), plain());
        check();
        fill();
        assert!(all.iter().all(|name| kept(&index, name)));
        assert!(index.unsubscribe(A, &filter(text)));
        check();
        fill();
        let shared = filter(&format!("$share/g/{text}"));
        index.subscribe(A, &shared, plain());
        check();
        fill();
        // A group that is there already takes members without a new match.
        index.subscribe(B, &shared, plain());
        assert!(all.iter().all(|name| kept(&index, name)));
        index.remove_all(A);
        assert!(all.iter().all(|name| kept(&index, name)));
        index.remove_all(B);
        check();
    }
}

#[test]
fn a_publisher_with_no_local_is_left_out_of_a_kept_match() {
    let (index, _) = crowded();
    let everyone: Vec<u64> = CROWD.collect();
    for _ in 0..LOOKS {
        assert_eq!(subscribers(&index, "a"), everyone);
        let found = matches(&index, "a", Some(SubscriberId(100)));
        assert!(found.iter().map(|(s, _)| *s).eq(101..120));
        assert_eq!(matches(&index, "a", Some(SubscriberId(101))).len(), everyone.len());
    }
    assert!(kept(&index, "a"));
}

#[test]
fn what_is_kept_is_bounded() {
    let (index, _) = crowded();
    for n in 0..10_000 {
        (0..LOOKS).for_each(|_| drop(matches(&index, &format!("t/{n}"), None)));
    }
    let (topics, hits) = index.matches.held();
    assert!((1_000..=4_096).contains(&topics) && hits <= 131_072, "{topics} {hits}");
    for n in 1_000..21_000 {
        index.subscribe(SubscriberId(n), &filter("#"), plain());
    }
    (0..LOOKS).for_each(|_| assert_eq!(matches(&index, "a", None).len(), 20_020));
    assert!(!kept(&index, "a"), "a match that would drive out all others is not kept");
    assert_eq!(index.matches.held().0, 0);
}

#[test]
fn few_hits_of_an_exact_filter_are_computed_again() {
    let index = TopicIndex::default();
    index.subscribe(A, &filter("a/b"), plain());
    index.subscribe(A, &filter("a/c"), plain());
    index.subscribe(B, &filter("+/c"), plain());
    for _ in 0..LOOKS {
        assert_eq!((subscribers(&index, "a/b"), subscribers(&index, "a/c")), (vec![1], vec![1, 2]));
    }
    assert!(!kept(&index, "a/b") && kept(&index, "a/c"));
}

/// Changes one subscriber, which nobody else changes, and looks after each change whether a match knows of it.
fn change_and_look(index: &TopicIndex, me: u64, rounds: usize) {
    let filters = ["a/b", "a/+", "+/b", "a/#", "+/+", "a/c", "$share/g/a/b"];
    for round in 0..rounds {
        let text = filters[(round * 5 + usize::try_from(me).unwrap()) % filters.len()];
        let finds = || {
            let member = |found: &[u64]| found.contains(&me);
            ["a/b", "a/c", "b/b"].map(|name| {
                member(&subscribers(index, name)) || groups(index, name).iter().any(|(_, members)| member(members))
            })
        };
        index.subscribe(SubscriberId(me), &filter(text), plain());
        assert_eq!(finds(), ["a/b", "a/c", "b/b"].map(|name| filter(text).matches(name)), "{text}");
        if round % 2 == 0 {
            assert!(index.unsubscribe(SubscriberId(me), &filter(text)));
        } else {
            assert_eq!(index.remove_all(SubscriberId(me)), 1);
        }
        assert_eq!(finds(), [false; 3], "{text}");
    }
}

#[test]
fn threads_that_change_and_match_see_no_old_match() {
    let (index, naive) = crowded();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let changers: Vec<_> = (1..4)
            .map(|me| {
                scope.spawn({
                    let index = &index;
                    move || change_and_look(index, me, 700)
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for name in ["a/b", "a/c", "b/b"] {
                        assert!(matches(&index, name, None).len() >= 20);
                    }
                }
            });
        }
        let ends: Vec<_> = changers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        assert!(ends.iter().all(Result::is_ok));
    });
    for name in ["a/b", "a/c", "b/b"].iter().cycle().take(9) {
        assert_agrees(&index, &naive, &topic(name));
    }
    index.matches.held();
}
