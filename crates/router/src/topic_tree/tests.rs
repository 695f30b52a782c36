//! Tests of the topic tree.

use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::*;

fn filter(text: &str) -> TopicFilter {
    text.parse().unwrap()
}

fn tree<'n>(names: impl IntoIterator<Item = &'n str>) -> TopicTree<usize> {
    let mut tree = TopicTree::default();
    for name in names {
        tree.insert(name.into(), name.len());
    }
    tree
}

/// All that matches, in slices of `most`.
fn all(tree: &TopicTree<usize>, text: &str, most: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut after: Option<Arc<str>> = None;
    loop {
        let part = tree.matching(&filter(text), after.as_deref(), most);
        assert!(part.found.len() <= most);
        names.extend(part.found.iter().map(|(name, value)| {
            assert_eq!(*value, name.len());
            name.to_string()
        }));
        match part.resume_after {
            Some(resume) => {
                assert!(after.is_none_or(|before| before < resume), "each call gets on");
                after = Some(resume);
            }
            None => return names,
        }
    }
}

/// Names that one walk to the end looks at.
fn steps(tree: &TopicTree<usize>, text: &str) -> usize {
    (1..).find(|&most| tree.walk(&filter(text), None, most, |_, _| true).is_none()).unwrap()
}

#[test]
fn values_are_kept_replaced_and_taken_away() {
    let mut tree = tree(["a/b", "a"]);
    assert_eq!((tree.len(), tree.get("a/b"), tree.get("b")), (2, Some(&3), None));
    assert_eq!(tree.insert("a".into(), 7), Some(1));
    assert_eq!((tree.remove("a"), tree.remove("a"), tree.len()), (Some(7), None, 1));
    assert!(!tree.is_empty() && TopicTree::<u8>::default().is_empty());
}

#[test]
fn levels_that_sort_before_the_separator_are_not_lost() {
    let tree = tree(["a", "a-b", "a-b/c", "a/b", "a/b-c/d", "a/b/d", "a/b0/d", "a0"]);
    assert_eq!(all(&tree, "a/#", 10), ["a", "a/b", "a/b-c/d", "a/b/d", "a/b0/d"]);
    assert_eq!(all(&tree, "a/+/d", 10), ["a/b-c/d", "a/b/d", "a/b0/d"]);
    assert_eq!(all(&tree, "+", 10), ["a", "a-b", "a0"]);
    assert_eq!(all(&tree, "a/b", 10), ["a/b"]);
}

#[test]
fn dollar_topics_are_not_matched_by_leading_wildcards_mqtt_4_7_2_1() {
    let tree = tree(["!", "$SYS", "$SYS/a", "$a", "%", "a"]);
    assert_eq!(all(&tree, "#", 10), ["!", "%", "a"]);
    assert_eq!(all(&tree, "+/#", 1), ["!", "%", "a"]);
    assert_eq!(all(&tree, "$SYS/#", 1), ["$SYS", "$SYS/a"]);
}

#[test]
fn a_walk_looks_at_matches_and_distinct_beginnings_only() {
    let names: Vec<String> = (0..20)
        .flat_map(|site| (0..100).map(move |n| (site, n)))
        .flat_map(|(site, n)| [format!("s{site}/dev{n}/temperature"), format!("s{site}/dev{n}/up/time")])
        .collect();
    let tree = tree(names.iter().map(String::as_str));
    assert_eq!(tree.len(), 4_000);
    // One branch: two names before it, its matches, and the name behind it.
    assert!(steps(&tree, "s7/dev7/#") <= 2 + 2 + 1);
    assert!(steps(&tree, "s7/dev7/temperature") <= 2 + 1 + 1);
    // One name of each site: a look before and behind it.
    assert_eq!(all(&tree, "+/dev50/temperature", 100).len(), 20);
    assert!(steps(&tree, "+/dev50/temperature") <= 4 * 20 + 1);
    // 100 beginnings of one site.
    assert_eq!(all(&tree, "s3/+/up/time", 7).len(), 100);
    assert!(steps(&tree, "s3/+/up/time") <= 3 * 100 + 3);
    // Nothing, though every level but the last is there.
    assert!(steps(&tree, "+/dev50/nothing") <= 4 * 20 + 1);
    assert!(steps(&tree, "nothing/#") <= 2);
    assert!(steps(&tree, "+") <= 2 * 20 + 1);
}

#[test]
fn a_call_is_bounded_in_steps_and_the_next_goes_on() {
    let names: Vec<String> = (0..3 * STEPS_MAX).map(|n| format!("a/{n}/b")).collect();
    let mut tree = tree(names.iter().map(String::as_str));
    tree.insert("z/last/c".into(), 8);
    let first = tree.matching(&filter("+/+/c"), None, 10);
    assert!(first.found.is_empty() && first.resume_after.is_some());
    assert_eq!(all(&tree, "+/+/c", 10), ["z/last/c"]);
    assert!(tree.matching(&filter("#"), None, usize::MAX).found.len() <= STEPS_MAX);
    assert_eq!(all(&tree, "#", 1_000).len(), 3 * STEPS_MAX + 1);
}

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just(""), Just("$x"), Just("a-"), Just("a0"), Just("ä"), Just("+")]
}

fn levels() -> impl Strategy<Value = String> {
    proptest::collection::vec(level(), 1..5).prop_map(|levels| levels.join("/"))
}

proptest::proptest! {
    #[test]
    fn the_tree_agrees_with_matching_every_name(
        names in proptest::collection::btree_set(levels(), 0..60),
        (text, hash) in (levels(), any::<bool>()),
        most in 1..8usize,
    ) {
        let text = if hash || text.is_empty() { format!("{text}/#") } else { text };
        let names: std::collections::BTreeSet<String> =
            names.into_iter().map(|name| name.replace('+', "c")).filter(|name| !name.is_empty()).collect();
        let tree = tree(names.iter().map(String::as_str));
        let filter = filter(&text);
        let expected: Vec<String> = names.into_iter().filter(|name| filter.matches(name)).collect();
        assert_eq!(all(&tree, &text, most), expected);
    }
}
