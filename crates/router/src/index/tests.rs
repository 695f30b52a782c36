//! Tests of the index.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::*;

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
    index.for_each_match(&topic(name), publisher, |subscriber, merged| found.push((subscriber.0, merged.clone())));
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
        index.subscribe(SubscriberId(n), &filter(text), plain()).unwrap();
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
        index.subscribe(A, &filter(text), plain()).unwrap();
    }
    index.subscribe(B, &filter("$a/+"), plain()).unwrap();
    assert_eq!(subscribers(&index, "$a/x"), [2]);
}

#[test]
fn no_subscription_matches_a_point_to_point_topic() {
    let index = TopicIndex::default();
    for text in ["#", "p/#", "p/p2p/#", "p/p2p/+", "p/p2p/GID_x@@@1", "+/p2p/GID_x@@@1"] {
        index.subscribe(A, &filter(text), plain()).unwrap();
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
    index.subscribe(A, &filter("a/b"), with(Qos::AtMostOnce, 7, false)).unwrap();
    index.subscribe(A, &filter("a/+"), with(Qos::AtLeastOnce, 3, false)).unwrap();
    index.subscribe(A, &filter("#"), with(Qos::AtMostOnce, 7, true)).unwrap();
    index.subscribe(B, &filter("a/#"), options(Qos::AtMostOnce)).unwrap();
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
    index.subscribe(A, &filter("a"), no_local).unwrap();
    index.subscribe(B, &filter("a"), no_local).unwrap();
    assert_eq!(matches(&index, "a", Some(A)).len(), 1);
    // Another subscription of the publisher without the option still wants it, under its own options alone.
    index.subscribe(A, &filter("+"), SubscriptionOptions { id: Some(2), ..options(Qos::AtMostOnce) }).unwrap();
    let found = matches(&index, "a", Some(A));
    assert_eq!((found[0].1.qos, found[0].1.ids.as_slice()), (Qos::AtMostOnce, &[2][..]));
}

#[test]
fn a_second_subscription_to_a_filter_replaces_the_first_mqtt_3_8_4_3() {
    let index = TopicIndex::default();
    for text in ["a/b", "a/#"] {
        assert_eq!(index.subscribe(A, &filter(text), options(Qos::AtMostOnce)), Ok(Subscribed::New));
        assert_eq!(index.subscribe(A, &filter(text), options(Qos::ExactlyOnce)), Ok(Subscribed::Replaced));
    }
    assert_eq!(index.count_of(A), 2);
    assert_eq!(index.filters_of(A).iter().map(|(_, o)| o.qos).max(), Some(Qos::ExactlyOnce));
    assert_eq!(index.filters_of(A).iter().map(|(_, o)| o.qos).min(), Some(Qos::ExactlyOnce));
}

#[test]
fn shared_subscriptions_are_refused_and_nothing_is_entered() {
    let index = TopicIndex::default();
    assert_eq!(index.subscribe(A, &filter("$share/g/a/b"), plain()), Err(RouterError::SharedNotServed));
    assert!(!index.unsubscribe(A, &filter("$share/g/a/b")));
    assert_eq!((index.subscription_count(), subscribers(&index, "a/b")), (0, Vec::new()));
}

#[test]
fn empty_nodes_are_dropped() {
    let index = TopicIndex::default();
    let all = ["a/b/c", "a/+/c", "a/+/d/#", "a/+", "#", "+/x/+/y"];
    for text in all {
        index.subscribe(A, &filter(text), plain()).unwrap();
        index.subscribe(B, &filter(text), plain()).unwrap();
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
    index.subscribe(A, &filter("#"), plain()).unwrap();
    index.subscribe(B, &filter("a/#"), plain()).unwrap();
    assert_eq!(index.remove_all(B), 1);
    assert_eq!(subscribers(&index, "a/a"), [1]);
}

#[test]
fn a_node_with_many_children_finds_each_of_them() {
    let index = TopicIndex::default();
    for n in 0..100 {
        index.subscribe(SubscriberId(n), &filter(&format!("dev/{n}/+")), plain()).unwrap();
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
    index.subscribe(A, &filter(&deep), plain()).unwrap();
    assert_eq!(subscribers(&index, &deep.replace('+', "x")), [1]);
    assert_eq!(index.remove_all(A), 1);
}

#[test]
fn a_callback_may_change_the_index() {
    let index = TopicIndex::default();
    index.subscribe(A, &filter("a"), plain()).unwrap();
    index.for_each_match(&topic("a"), None, |subscriber, _| {
        assert_eq!(index.remove_all(subscriber), 1);
    });
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
            let replaced = index.subscribe(SubscriberId(s), &filter(&text), o) == Ok(Subscribed::Replaced);
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
        if name.p2p_target().is_some() || own || !filter(text).matches(name.as_str()) {
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
        assert_eq!(index.subscription_count(), naive.len());
        for levels in names {
            let Ok(name) = levels.join("/").replace('+', "c").parse::<TopicName>() else { continue };
            assert_eq!(matches(&index, name.as_str(), Some(A)), naive_match(&naive, &name, A.0), "{name}");
        }
        for subscriber in 0..4 {
            index.remove_all(SubscriberId(subscriber));
        }
        let tables = index.tables.read();
        assert_eq!((tables.exact.len(), tables.wildcard.len(), tables.held.len(), tables.count), (0, 0, 0, 0));
    }
}
