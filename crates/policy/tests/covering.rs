//! What may be delivered without a decision: a filter all of whose topics are allowed.
#![allow(dead_code, reason = "the support is shared by several test binaries")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use proptest::{
    prelude::{Just, ProptestConfig, Strategy, prop, prop_oneof, proptest},
    test_runner::TestRunner,
};
use serde_json::{Value, json};
use sluice_model::{Action, InstanceId, TopicFilter, UnixMs};
use sluice_policy::{Authority, Context, Covering, PolicySet, Standing};

use support::{INSTANCE, NOW, World, account, caller, other_account, policy, statement, topic};

fn id() -> InstanceId {
    INSTANCE.parse().unwrap()
}

fn cover(authority: &Authority, filter: &str, now: UnixMs) -> Option<Covering> {
    let filter: TopicFilter = filter.parse().unwrap();
    authority.cover(&caller(), &Action::SUB, (account(), &id()), &filter, now)
}

fn covered(rules: &[String], filter: &str) -> bool {
    cover(&World::governed(rules).authority(), filter, NOW).is_some()
}

fn sub(effect: &str, rest: &str) -> String {
    statement(effect, "mq:SUB", &format!("acs:mq:*:*:{}", rest.replace("{I}", INSTANCE)))
}

fn with(mut rule: Value, condition: &Value) -> String {
    rule["Condition"] = condition.clone();
    rule.to_string()
}

#[test]
fn an_allow_on_the_literal_prefix_covers_the_filter() {
    for (allowed, filter, expected) in [
        ("topic/{I}/a_1", "a_1/#", true),
        ("topic/{I}/a_1", "a_1/+/x", true),
        ("topic/{I}/a_1", "a_1/b", true),
        ("topic/{I}/a_1", "$share/g/a_1/b/#", true),
        ("topic/{I}/a_1/b", "a_1/b/+", true),
        ("topic/{I}/a_1/b", "a_1/+", false),
        ("topic/{I}/a_1", "+/x", false),
        ("topic/{I}/a_1", "#", false),
        ("topic/{I}/*", "#", true),
        ("topic/*", "+/x", true),
        ("*", "+/x/#", true),
        ("topic/{I}/*/x", "+/x", false),
        ("topic/{I}/?*", "#", false),
        // `a_1/#` matches `a_1` itself, which this does not grant; `a_1/+` does not match it.
        ("topic/{I}/a_1/*", "a_1/#", false),
        ("topic/{I}/a_1/*", "a_1/+", true),
        ("a_1", "a_1/#", true),
        ("{I}%a_1", "a_1/+/x", true),
        ("{I}%*", "#", false),
        ("topic/post-cn-another/*", "a_1/#", false),
        ("groupId/{I}/*", "a_1/#", false),
    ] {
        assert_eq!(covered(&[sub("Allow", allowed)], filter), expected, "{allowed} {filter}");
    }
    assert!(!covered(&[statement("Allow", "mq:PUB", "*")], "a_1/#"));
    assert!(covered(&[statement("Allow", "mq:*", "*")], "#"));
}

#[test]
fn a_deny_that_could_reach_a_topic_of_the_filter_leaves_it_uncovered() {
    let all = sub("Allow", "*");
    for (denied, filter, expected) in [
        ("topic/{I}/a_1/secret", "a_1/#", false),
        ("topic/{I}/a_1/secret", "a_1/public/#", true),
        ("topic/{I}/a_1/secret", "b_1/#", true),
        ("topic/{I}/a_1/secret", "#", false),
        ("topic/{I}/a_1/secret", "a_1/public", true),
        ("topic/{I}/a_1", "a_1/b/+", false),
        ("topic/{I}/*/secret", "b_1/#", false),
        ("topic/{I}/*/secret", "b_1/public", true),
        ("topic/{I}/???/x", "b_1/+", false),
        ("topic/{I}/????/x", "b_1/+", false), // `?` takes a `/` too: `b_1//x`.
        ("topic/{I}/??/x", "b_1/+", true),
        ("a_1", "a_1/#", false),
        ("a_1", "b_1/#", true),
        ("a_1", "+/x", false),
        ("{I}%a_1", "a_1/+", false),
        ("{I}%a_1", "#", false),
        ("topic/post-cn-another/*", "#", true),
    ] {
        assert_eq!(covered(&[all.clone(), sub("Deny", denied)], filter), expected, "{denied} {filter}");
    }
    assert!(!covered(&[all.clone(), statement("Deny", "mq:*", "acs:mq:*secret")], "a_1/#"));
    assert!(covered(&[all.clone(), statement("Deny", "mq:PUB", "*")], "a_1/#"));
    let not_publish = json!({ "Effect": "Deny", "NotAction": "mq:PUB", "Resource": "*" }).to_string();
    assert!(!covered(&[all, not_publish], "a_1/#"));
}

#[test]
fn a_deny_elsewhere_leaves_only_names_with_a_colon_to_be_decided() {
    let rules = [sub("Allow", "*"), sub("Deny", "topic/{I}/a_1/secret")];
    let authority = World::governed(&rules).authority();
    let covering = cover(&authority, "a_1/public/#", NOW).unwrap();
    assert!(authority.still_covers(&covering, "a_1/public/x", NOW));
    // A Deny is matched as one text too, and reaches this name.
    let hostile = format!("a_1/public/:topic/{INSTANCE}/a_1/secret");
    assert!(!authority.still_covers(&covering, &hostile, NOW));
    assert!(authority.authorize(&caller(), &Action::SUB, &topic(&hostile), &Context::at(NOW)).is_err());
    let free = cover(&World::governed(&rules[..1]).authority(), "a_1/#", NOW).unwrap();
    assert!(authority.still_covers(&covering, "a_1/public/x", NOW) && free.filter().as_str() == "a_1/#");
}

#[test]
fn a_condition_counts_when_its_answer_lasts_as_long_as_the_connection() {
    let inside = json!({ "IpAddress": { "acs:SourceIp": "192.0.2.0/24" } });
    let outside = json!({ "NotIpAddress": { "acs:SourceIp": "192.0.2.0/24" } });
    let secure = json!({ "Bool": { "acs:SecureTransport": "true" } });
    let alice = json!({ "StringLike": { "acs:PrincipalARN": "*:user/alice" } });
    let early = json!({ "DateLessThan": { "acs:CurrentTime": "2030-01-01T00:00:00Z" } });
    let unknown = json!({ "StringNotEquals": { "acs:absent": "x" } });
    let allow = json!({ "Effect": "Allow", "Action": "mq:SUB", "Resource": "*" });
    let deny = json!({ "Effect": "Deny", "Action": "mq:SUB", "Resource": "*" });
    for (condition, when_allowed, when_denied) in [
        (&inside, true, false),
        (&outside, false, true),
        (&secure, false, true),
        (&alice, true, false),
        (&early, false, false),
        (&unknown, false, false),
    ] {
        assert_eq!(covered(&[with(allow.clone(), condition)], "a_1/#"), when_allowed, "{condition}");
        let rules = [allow.to_string(), with(deny.clone(), condition)];
        assert_eq!(covered(&rules, "a_1/#"), when_denied, "{condition}");
    }
    // A Deny that the address alone silences stays silent, whatever the time.
    let both = json!({ "NotIpAddress": { "acs:SourceIp": "192.0.2.0/24" }, "DateGreaterThan": { "acs:CurrentTime": "2020-01-01T00:00:00Z" } });
    assert!(covered(&[allow.to_string(), with(deny, &both)], "a_1/#"));
}

#[test]
fn a_covering_dies_with_its_epoch_and_stays_inside_its_account() {
    let world = World::governed(&[sub("Allow", "*")]);
    let authority = world.authority();
    let covering = cover(&authority, "a_1/#", NOW).unwrap();
    assert!(authority.still_covers(&covering, "a_1/x", NOW) && covering.covers(&Action::SUB, (account(), &id())));
    assert!(!covering.covers(&Action::PUB, (account(), &id())));
    assert!(!covering.covers(&Action::SUB, (other_account(), &id())));
    world.attach(&[sub("Allow", "*")]);
    assert!(!authority.still_covers(&covering, "a_1/x", NOW));
    let filter: TopicFilter = "a_1/#".parse().unwrap();
    assert!(authority.cover(&caller(), &Action::SUB, (other_account(), &id()), &filter, NOW).is_none());
    let owner = World::owner().authority();
    assert!(cover(&owner, "#", NOW).is_some());
    assert!(owner.cover(&caller(), &Action::SUB, (other_account(), &id()), &filter, NOW).is_none());
}

#[test]
fn a_login_that_ends_by_itself_ends_its_coverings() {
    let world = World::governed(&[]);
    let end = UnixMs(NOW.0 + 1_000);
    let set = PolicySet { account: vec![policy("p", &sub("Allow", "*"))], ..PolicySet::default() };
    world.set(Some((Standing::Governed(set), "alice", end)));
    let authority = world.authority();
    let covering = cover(&authority, "a_1/#", NOW).unwrap();
    assert!(
        authority.still_covers(&covering, "a_1", UnixMs(end.0 - 1)) && !authority.still_covers(&covering, "a_1", end)
    );
    assert!(cover(&authority, "a_1/#", end).is_none());
    world.set(None);
    assert!(cover(&authority, "a_1/#", NOW).is_none());
}

fn action() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({ "Action": "*" }),
        json!({ "Action": "mq:SUB" }),
        json!({ "Action": "mq:S*" }),
        json!({ "Action": ["mq:PUB", "MQ:sub"] }),
        json!({ "Action": "mq:PUB" }),
        json!({ "NotAction": "mq:PUB" }),
        json!({ "NotAction": ["mq:S?B", "ram:*"] }),
    ])
}

fn resource() -> impl Strategy<Value = String> {
    let level = || prop::sample::select(vec!["a_1", "a_?", "b", "c", "*", "?", "a*", "*c", "", "x:y"]);
    let path = prop::collection::vec(level(), 1..4).prop_map(|levels| levels.join("/"));
    let rest = prop_oneof![
        8 => path.prop_map(|path| format!("topic/{{I}}/{path}")),
        1 => Just("topic/*".to_owned()),
        2 => prop::sample::select(vec!["*", "a_1", "{I}%a_1", "{I}%*", "b_1", "*/c", "*b*", "???", "instance/{I}", "*%c", "topic/{I}/I%a_1", "x:y"])
            .prop_map(str::to_owned),
    ];
    prop_oneof![
        2 => Just("*".to_owned()),
        1 => prop::sample::select(vec!["acs:mq:*a_1", "acs:mq:*c", "acs:mq:*", "acs:*", "acs:mq:cn-*"]).prop_map(str::to_owned),
        12 => (prop::sample::select(vec!["*", "cn-hangzhou"]), prop::sample::select(vec!["*", "1234567890123456", "1*", "9876543210987654"]), rest)
            .prop_map(|(region, account, rest)| format!("acs:mq:{region}:{account}:{rest}").replace("{I}", INSTANCE)),
    ]
}

fn condition() -> impl Strategy<Value = Option<Value>> {
    let some = prop::sample::select(vec![
        json!({ "IpAddress": { "acs:SourceIp": "192.0.2.0/24" } }),
        json!({ "NotIpAddress": { "acs:SourceIp": "192.0.2.0/24" } }),
        json!({ "Bool": { "acs:SecureTransport": "false" } }),
        json!({ "Bool": { "acs:MFAPresent": "true" } }),
        json!({ "StringEquals": { "acs:absent": "x" } }),
        json!({ "StringNotEquals": { "acs:absent": "x" } }),
        json!({ "DateLessThan": { "acs:CurrentTime": "2026-06-01T00:00:00Z" } }),
        json!({ "DateGreaterThan": { "acs:CurrentTime": "2026-06-01T00:00:00Z" }, "IpAddress": { "acs:SourceIp": "192.0.2.7" } }),
    ]);
    prop_oneof![3 => Just(None), 1 => some.prop_map(Some)]
}

fn rule(effect: &'static str) -> impl Strategy<Value = String> {
    (action(), prop::collection::vec(resource(), 1..3), condition()).prop_map(move |(mut rule, resource, condition)| {
        rule["Effect"] = effect.into();
        rule["Resource"] = json!(resource);
        if let Some(condition) = condition {
            rule["Condition"] = condition;
        }
        rule.to_string()
    })
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof![2 => rule("Allow"), 1 => rule("Deny")], 0..4)
}

/// Policies of every scope; most have those of the account alone.
fn policies() -> impl Strategy<Value = PolicySet> {
    let some = |weight: u32| prop_oneof![4 => Just(Vec::new()), weight => rules()];
    (rules(), some(1), some(1), some(2)).prop_map(|(account, control, session, group)| {
        let list = |rules: Vec<String>| rules.iter().map(|rule| policy("p", rule)).collect::<Vec<_>>();
        let session = (!session.is_empty()).then(|| policy("p", &session.join(",")));
        PolicySet { control: list(control), session, account: list(account), resource_group: list(group) }
    })
}

/// A filter and topics that it matches.
fn filter_and_topics() -> impl Strategy<Value = (String, Vec<String>)> {
    let level = || {
        prop::sample::select(vec![
            "a_1",
            "b",
            "c",
            "",
            "x:y",
            "a_2",
            "post-cn-09k1noy0001%a_1",
            ":a_1",
            "x:topic/post-cn-09k1noy0001/b",
        ])
    };
    let of_filter = prop_oneof![3 => level().prop_map(str::to_owned), 1 => Just("+".to_owned())];
    (prop::collection::vec(of_filter, 0..4), prop::bool::ANY).prop_flat_map(move |(mut levels, all_below)| {
        if all_below || levels.is_empty() {
            levels.push("#".to_owned());
        }
        let filter = levels.join("/");
        let fill = move |(one, below): (Vec<&str>, Vec<&str>)| {
            let mut topic: Vec<&str> = Vec::new();
            for (place, have) in levels.iter().enumerate() {
                match have.as_str() {
                    "+" => topic.push(one[place]),
                    "#" => topic.extend(&below),
                    literal => topic.push(literal),
                }
            }
            topic.join("/")
        };
        let topic = (prop::collection::vec(level(), 5), prop::collection::vec(level(), 0..4)).prop_map(fill);
        (Just(filter), prop::collection::vec(topic, 12))
    })
}

fn years_later() -> impl Strategy<Value = UnixMs> {
    (0..3_i64).prop_map(|halves| UnixMs(NOW.0 + halves * 200 * 24 * 3_600_000))
}

fn authority_over(set: PolicySet) -> Authority {
    let world = World::governed(&[]);
    world.set(Some((Standing::Governed(set), "alice", UnixMs::NEVER)));
    Arc::clone(&world).authority()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]
    #[test]
    fn no_topic_of_a_covered_filter_is_refused(
        set in policies(),
        (filter, topics) in filter_and_topics(),
        asked_at in years_later(),
        delivered_at in years_later(),
    ) {
        let authority = authority_over(set);
        let covering = if filter.is_empty() { None } else { cover(&authority, &filter, asked_at) };
        let Some(covering) = covering else { return Ok(()) };
        let parsed: TopicFilter = filter.parse().unwrap();
        for name in topics.iter().filter(|name| !name.is_empty() && parsed.matches(name)) {
            if !authority.still_covers(&covering, name, delivered_at) {
                continue;
            }
            let decided = authority.authorize(&caller(), &Action::SUB, &topic(name), &Context::at(delivered_at));
            assert!(decided.is_ok(), "{filter} is covered, {name} is not: {}", decided.unwrap_err());
        }
    }
}

#[test]
fn the_property_above_sees_covered_and_uncovered_filters() {
    let mut runner = TestRunner::deterministic();
    let mut seen = [0, 0];
    let cases = (policies(), filter_and_topics());
    for _ in 0..1_000 {
        let (set, (filter, _)) = prop::strategy::ValueTree::current(&cases.new_tree(&mut runner).unwrap());
        seen[usize::from(!filter.is_empty() && cover(&authority_over(set), &filter, NOW).is_some())] += 1;
    }
    assert!(seen[0] > 100 && seen[1] > 100, "{seen:?}");
}
