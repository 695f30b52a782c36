//! Tests of the index.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use sluice_model::Qos;
use smallvec::SmallVec;

use super::*;

mod cached;

fn filter(text: &str) -> TopicFilter {
    text.parse().unwrap()
}

fn topic(text: &str) -> TopicName {
    text.parse().unwrap()
}

fn options(qos: Qos) -> SubscriptionOptions {
    SubscriptionOptions { qos, no_local: false, retain_as_published: false, id: None }
}

fn plain() -> SubscriptionOptions {
    options(Qos::AtLeastOnce)
}

fn matches(index: &TopicIndex, name: &str, publisher: Option<SubscriberId>) -> Vec<(u64, Merged)> {
    let mut found = Vec::new();
    index.for_each_match(&topic(name), publisher, |s, merged| found.push((s.0, merged.clone())), |_| {});
    found
}

fn subscribers(index: &TopicIndex, name: &str) -> Vec<u64> {
    matches(index, name, None).into_iter().map(|(subscriber, _)| subscriber).collect()
}

const A: SubscriberId = SubscriberId(1);
const B: SubscriberId = SubscriberId(2);

#[test]
fn exact_and_wildcard_filters_find_their_topics() {
    let index = TopicIndex::default();
    for (n, text) in (1..).zip(["a/b", "a/+", "a/#", "#", "+/+", "/a", "a/+/c", "+", "/#", "$SYS/#", "+/b/#"]) {
        index.subscribe(SubscriberId(n), &filter(text), plain());
    }
    assert_eq!(subscribers(&index, "a/b"), [1, 2, 3, 4, 5, 11]);
    assert_eq!(subscribers(&index, "a"), [3, 4, 8]);
    assert_eq!(subscribers(&index, "/a"), [4, 5, 6, 9]);
    assert_eq!(subscribers(&index, "a//c"), [3, 4, 7]);
    assert_eq!(subscribers(&index, "$SYS"), [10]);
    assert_eq!(subscribers(&index, "$SYS/x"), [10]);
    assert_eq!(subscribers(&index, "a/b/c/d"), [3, 4, 11]);
}

#[test]
fn dollar_topics_are_not_matched_by_leading_wildcards_mqtt_4_7_2_1() {
    let index = TopicIndex::default();
    for text in ["#", "+/x", "+/#"] {
        index.subscribe(A, &filter(text), plain());
    }
    index.subscribe(B, &filter("$a/+"), plain());
    assert_eq!(subscribers(&index, "$a/x"), [2]);
}

#[test]
fn no_subscription_matches_a_point_to_point_topic() {
    let index = TopicIndex::default();
    for text in ["#", "p/#", "p/p2p/#", "p/p2p/+", "p/p2p/GID_x@@@1", "+/p2p/GID_x@@@1"] {
        index.subscribe(A, &filter(text), plain());
    }
    assert_eq!(subscribers(&index, "p/p2p/GID_x@@@1"), []);
    assert_eq!(subscribers(&index, "p/p2p/GID_x@@@1/more"), [1]);
    assert_eq!(subscribers(&index, "p/p2p"), [1]);
}

#[test]
fn overlapping_subscriptions_give_one_match_with_all_identifiers_mqtt_3_3_4_4() {
    let index = TopicIndex::default();
    let with =
        |qos, id, retain_as_published| SubscriptionOptions { qos, no_local: false, retain_as_published, id: Some(id) };
    index.subscribe(A, &filter("a/b"), with(Qos::AtMostOnce, 7, false));
    index.subscribe(A, &filter("a/+"), with(Qos::AtLeastOnce, 3, false));
    index.subscribe(A, &filter("#"), with(Qos::AtMostOnce, 7, true));
    index.subscribe(B, &filter("a/#"), options(Qos::AtMostOnce));
    let found = matches(&index, "a/b", None);
    assert_eq!(found.len(), 2);
    let merged = Merged { qos: Qos::AtLeastOnce, retain_as_published: true, ids: SmallVec::from_slice(&[3, 7]) };
    assert_eq!(found[0], (1, merged));
    assert_eq!(found[1].1, Merged { qos: Qos::AtMostOnce, retain_as_published: false, ids: SmallVec::new() });
}

#[test]
fn no_local_subscriptions_skip_only_their_own_publisher_mqtt_3_8_3_3() {
    let index = TopicIndex::default();
    let no_local = SubscriptionOptions { no_local: true, id: Some(1), ..plain() };
    index.subscribe(A, &filter("a"), no_local);
    index.subscribe(B, &filter("a"), no_local);
    assert_eq!(matches(&index, "a", Some(A)).len(), 1);
    // Another subscription of the publisher without the option still wants it, under its own options alone.
    index.subscribe(A, &filter("+"), SubscriptionOptions { id: Some(2), ..options(Qos::AtMostOnce) });
    let found = matches(&index, "a", Some(A));
    assert_eq!((found[0].1.qos, found[0].1.ids.as_slice()), (Qos::AtMostOnce, &[2][..]));
}

#[test]
fn a_second_subscription_to_a_filter_replaces_the_first_mqtt_3_8_4_3() {
    let index = TopicIndex::default();
    for text in ["a/b", "a/#"] {
        assert_eq!(index.subscribe(A, &filter(text), options(Qos::AtMostOnce)), Subscribed::New);
        assert_eq!(index.subscribe(A, &filter(text), options(Qos::ExactlyOnce)), Subscribed::Replaced);
    }
    assert_eq!(index.count_of(A), 2);
    assert_eq!(index.filters_of(A).iter().map(|(_, o)| o.qos).max(), Some(Qos::ExactlyOnce));
    assert_eq!(index.filters_of(A).iter().map(|(_, o)| o.qos).min(), Some(Qos::ExactlyOnce));
}

/// The groups that a topic finds, as filter and members, in the order of their filters.
fn groups(index: &TopicIndex, name: &str) -> Vec<(String, Vec<u64>)> {
    let mut found = Vec::new();
    let members = |group: &ShareGroup| group.members().iter().map(|(s, _)| s.0).collect();
    index.for_each_match(
        &topic(name),
        None,
        |_, _| {},
        |group| found.push((group.filter().to_string(), members(group))),
    );
    found.sort();
    found
}

#[test]
fn a_group_is_a_share_name_and_a_filter() {
    let index = TopicIndex::default();
    for text in ["$share/g/a/b", "$share/h/a/b", "$share/g/a/+", "$share/g/c"] {
        assert_eq!(index.subscribe(A, &filter(text), plain()), Subscribed::New);
    }
    index.subscribe(B, &filter("$share/g/a/+"), plain());
    let expected = [
        ("$share/g/a/+".to_owned(), vec![1, 2]),
        ("$share/g/a/b".to_owned(), vec![1]),
        ("$share/h/a/b".to_owned(), vec![1]),
    ];
    assert_eq!(groups(&index, "a/b"), expected);
    assert_eq!(subscribers(&index, "a/b"), []);
    assert_eq!(groups(&index, "p/p2p/GID_x@@@1"), []);
    let mut shares: Vec<_> = index.shares_of(A).iter().map(|group| group.filter().to_string()).collect();
    shares.sort();
    assert_eq!(shares, ["$share/g/a/+", "$share/g/a/b", "$share/g/c", "$share/h/a/b"]);
    assert_eq!((index.count_of(A), index.count_of(B), index.subscription_count()), (4, 1, 5));
}

#[test]
fn a_member_that_is_subscribed_besides_gets_both() {
    let index = TopicIndex::default();
    for text in ["a/b", "a/#"] {
        let with = |id| SubscriptionOptions { id: Some(id), ..plain() };
        let shared = filter(&format!("$share/g/{text}"));
        // A group may come first or later; the subscriber's own filter stays what it wrote.
        index.subscribe(A, &shared, with(1));
        index.subscribe(A, &filter(text), with(2));
        index.subscribe(B, &filter(text), with(3));
        assert_eq!(subscribers(&index, "a/b"), [1, 2]);
        assert_eq!(groups(&index, "a/b"), [(shared.to_string(), vec![1])]);
        let group = index.share(&shared).unwrap();
        assert_eq!(group.members()[0].1.id, Some(1));
        assert_eq!(index.filters_of(A), [(shared.clone(), with(1)), (filter(text), with(2))]);
        assert_eq!(index.filters_of(B), [(filter(text), with(3))]);
        assert!(index.unsubscribe(A, &filter(text)));
        assert!(!index.unsubscribe(A, &filter(text)));
        assert_eq!(index.filters_of(A), [(shared.clone(), with(1))]);
        assert_eq!((index.remove_all(A), index.remove_all(B)), (1, 1));
    }
}

#[test]
fn a_group_ends_with_its_last_member() {
    let index = TopicIndex::default();
    let shared = filter("$share/g/a/#");
    assert!(index.share(&shared).is_none());
    index.subscribe(A, &shared, plain());
    assert_eq!(index.subscribe(A, &shared, options(Qos::AtMostOnce)), Subscribed::Replaced);
    index.subscribe(B, &shared, plain());
    let held = index.share(&shared).unwrap();
    assert_eq!(held.members()[0], (A, options(Qos::AtMostOnce)));
    assert_eq!(index.remove_all(A), 1);
    assert!(index.unsubscribe(B, &shared));
    assert!(!index.unsubscribe(B, &shared));
    assert!(index.share(&shared).is_none() && held.members().is_empty());
    index.subscribe(B, &shared, plain());
    assert!(held.members().is_empty(), "a group formed anew is another one");
    assert_eq!(index.share(&shared).unwrap().members().len(), 1);
    assert!(index.share(&filter("a/#")).is_none());
}

#[test]
fn empty_nodes_are_dropped() {
    let index = TopicIndex::default();
    let all = ["a/b/c", "a/+/c", "a/+/d/#", "a/+", "#", "+/x/+/y"];
    for text in all {
        index.subscribe(A, &filter(text), plain());
        index.subscribe(B, &filter(text), plain());
    }
    assert_eq!(index.remove_all(A), all.len());
    assert_eq!(index.remove_all(A), 0);
    assert!(!index.unsubscribe(A, &filter("a/+")));
    assert!(index.unsubscribe(B, &filter("a/+/d/#")));
    assert_eq!(index.tables.read().wildcard.len(), 7);
    for text in all {
        assert_eq!(index.unsubscribe(B, &filter(text)), text != "a/+/d/#", "{text}");
    }
    let tables = index.tables.read();
    assert_eq!((tables.exact.len(), tables.wildcard.len(), tables.held.len(), tables.count), (0, 0, 0, 0));
}

#[test]
fn the_filter_of_everything_outlives_the_last_other_filter() {
    let index = TopicIndex::default();
    index.subscribe(A, &filter("#"), plain());
    index.subscribe(B, &filter("a/#"), plain());
    assert_eq!(index.remove_all(B), 1);
    assert_eq!(subscribers(&index, "a/a"), [1]);
}

#[test]
fn a_node_with_many_children_finds_each_of_them() {
    let index = TopicIndex::default();
    for n in 0..100 {
        index.subscribe(SubscriberId(n), &filter(&format!("dev/{n}/+")), plain());
    }
    for n in 0..100 {
        assert_eq!(subscribers(&index, &format!("dev/{n}/x")), [n]);
    }
    for n in 0..97 {
        index.remove_all(SubscriberId(n));
    }
    assert_eq!(subscribers(&index, "dev/98/x"), [98]);
    assert_eq!(index.tables.read().wildcard.len(), 1 + 2 * 3);
}

#[test]
fn a_filter_of_very_many_levels_costs_no_stack() {
    let index = TopicIndex::default();
    let deep = format!("{}+", "a/".repeat(30_000));
    index.subscribe(A, &filter(&deep), plain());
    assert_eq!(subscribers(&index, &deep.replace('+', "x")), [1]);
    assert_eq!(index.remove_all(A), 1);
}

#[test]
fn a_callback_may_change_the_index() {
    let index = TopicIndex::default();
    index.subscribe(A, &filter("a"), plain());
    let remove = |subscriber, _: &Merged| assert_eq!(index.remove_all(subscriber), 1);
    index.for_each_match(&topic("a"), None, remove, |_| {});
    assert_eq!(index.subscription_count(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Subscribe(u64, String, u8, bool, u32),
    Unsubscribe(u64, String),
    RemoveAll(u64),
}

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just(""), Just("$x"), Just("p2p"), Just("+")]
}

fn filter_text() -> impl Strategy<Value = String> {
    let share = prop_oneof![4 => Just(""), 1 => Just("$share/g/"), 1 => Just("$share/h/")];
    (share, plain_filter_text()).prop_map(|(share, plain)| format!("{share}{plain}"))
}

fn plain_filter_text() -> impl Strategy<Value = String> {
    (proptest::collection::vec(level(), 1..4), any::<bool>())
        .prop_map(|(levels, hash)| {
            let text = levels.join("/");
            if hash { format!("{text}/#") } else { text }
        })
        .prop_map(|text| if text.is_empty() { "#".to_owned() } else { text })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4u64, filter_text(), 0..3u8, any::<bool>(), 0..3u32)
            .prop_map(|(s, f, q, l, i)| Step::Subscribe(s, f, q, l, i)),
        2 => (0..4u64, filter_text()).prop_map(|(s, f)| Step::Unsubscribe(s, f)),
        1 => (0..4u64).prop_map(Step::RemoveAll),
    ]
}

type Naive = BTreeMap<(u64, String), SubscriptionOptions>;

fn apply(index: &TopicIndex, naive: &mut Naive, step: Step) {
    match step {
        Step::Subscribe(s, text, qos, no_local, id) => {
            let o = SubscriptionOptions {
                qos: Qos::from_bits(qos).unwrap(),
                no_local,
                retain_as_published: id == 2,
                id: (id > 0).then_some(id),
            };
            let replaced = index.subscribe(SubscriberId(s), &filter(&text), o) == Subscribed::Replaced;
            assert_eq!(replaced, naive.insert((s, text), o).is_some());
        }
        Step::Unsubscribe(s, text) => {
            assert_eq!(index.unsubscribe(SubscriberId(s), &filter(&text)), naive.remove(&(s, text)).is_some());
        }
        Step::RemoveAll(s) => {
            let before = naive.len();
            naive.retain(|(held, _), _| *held != s);
            assert_eq!(index.remove_all(SubscriberId(s)), before - naive.len());
        }
    }
}

fn naive_match(naive: &Naive, name: &TopicName, publisher: u64) -> Vec<(u64, Merged)> {
    let mut found: BTreeMap<u64, Merged> = BTreeMap::new();
    for ((subscriber, text), o) in naive {
        let own = *subscriber == publisher && o.no_local;
        if name.p2p_target().is_some() || own || text.starts_with("$share/") || !filter(text).matches(name.as_str()) {
            continue;
        }
        let merged = found.entry(*subscriber).or_insert_with(|| Merged {
            qos: Qos::AtMostOnce,
            retain_as_published: false,
            ids: SmallVec::new(),
        });
        merged.qos = merged.qos.max(o.qos);
        merged.retain_as_published |= o.retain_as_published;
        merged.ids.extend(o.id.filter(|id| !merged.ids.contains(id)));
        merged.ids.sort_unstable();
    }
    found.into_iter().collect()
}

fn naive_groups(naive: &Naive, name: &TopicName) -> Vec<(String, Vec<u64>)> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (subscriber, text) in naive.keys() {
        if text.starts_with("$share/") && name.p2p_target().is_none() && filter(text).matches(name.as_str()) {
            found.entry(text.clone()).or_default().push(*subscriber);
        }
    }
    found.into_iter().collect()
}

/// Whether the index says of `name` and of each subscriber what the model says.
fn assert_agrees(index: &TopicIndex, naive: &Naive, name: &TopicName) {
    assert_eq!(matches(index, name.as_str(), Some(A)), naive_match(naive, name, A.0), "{name}");
    assert_eq!(groups(index, name.as_str()), naive_groups(naive, name), "{name}");
}

fn assert_holds(index: &TopicIndex, naive: &Naive) {
    assert_eq!(index.subscription_count(), naive.len());
    for s in 0..4 {
        let mut held: Vec<_> =
            index.filters_of(SubscriberId(s)).into_iter().map(|(f, o)| ((s, f.to_string()), o)).collect();
        held.sort_by(|a, b| a.0.cmp(&b.0));
        let expected: Vec<_> = naive.iter().filter(|((of, _), _)| *of == s).map(|(key, o)| (key.clone(), *o)).collect();
        assert_eq!(index.count_of(SubscriberId(s)), expected.len());
        let shares = expected.iter().filter(|((_, text), _)| text.starts_with("$share/")).count();
        assert_eq!(index.shares_of(SubscriberId(s)).len(), shares);
        assert_eq!(held, expected);
    }
}

proptest::proptest! {
    #[test]
    fn the_index_agrees_with_matching_every_filter(
        steps in proptest::collection::vec(step(), 0..60),
        names in proptest::collection::vec(proptest::collection::vec(level(), 1..5), 1..10),
    ) {
        let index = TopicIndex::default();
        let mut naive = Naive::new();
        for step in steps {
            apply(&index, &mut naive, step);
        }
        assert_holds(&index, &naive);
        for levels in names {
            let Ok(name) = levels.join("/").replace('+', "c").parse::<TopicName>() else { continue };
            assert_agrees(&index, &naive, &name);
        }
        for subscriber in 0..4 {
            index.remove_all(SubscriberId(subscriber));
        }
        let tables = index.tables.read();
        assert_eq!((tables.exact.len(), tables.wildcard.len(), tables.held.len(), tables.count), (0, 0, 0, 0));
    }
}
