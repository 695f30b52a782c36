//! What must hold for all policies.
#![allow(dead_code, reason = "the support is shared by several test binaries")]

mod support;

use proptest::prelude::{Just, Strategy, prop, prop_oneof, proptest};
use serde_json::{Value, json};

use support::{INSTANCE, allows, topic};

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["*", "mq:*", "mq:PUB", "MQ:pub", "mq:?UB", "mq:SUB", "ram:*", "mq:S*"])
}

fn resource() -> impl Strategy<Value = String> {
    let rest = prop::sample::select(vec![
        "*",
        "topic/{I}/a_1",
        "topic/{I}/a_1/b",
        "topic/{I}/*",
        "topic/{I}/a_1/*/c",
        "{I}%a_1",
        "a_1",
        "*/c",
        "topic/{I}/?_1",
        "instance/{I}",
        "*b*",
        "x:y",
    ]);
    prop_oneof![
        Just("*".to_owned()),
        Just("acs:mq:*a_1".to_owned()),
        (prop::sample::select(vec!["*", "cn-hangzhou"]), rest)
            .prop_map(|(region, rest)| format!("acs:mq:{region}:*:{}", rest.replace("{I}", INSTANCE))),
    ]
}

fn condition() -> impl Strategy<Value = Option<Value>> {
    prop::option::of(prop::sample::select(vec![
        json!({ "IpAddress": { "acs:SourceIp": "192.0.2.0/24" } }),
        json!({ "NotIpAddress": { "acs:SourceIp": "192.0.2.0/24" } }),
        json!({ "StringEquals": { "acs:absent": "x" } }),
        json!({ "StringNotEquals": { "acs:absent": "x" } }),
        json!({ "DateLessThan": { "acs:CurrentTime": "2026-06-01T00:00:00Z" } }),
    ]))
}

fn statement(effect: &'static str) -> impl Strategy<Value = Value> {
    (action(), prop::bool::weighted(0.2), resource(), condition()).prop_map(
        move |(action, not, resource, condition)| {
            let name = if not { "NotAction" } else { "Action" };
            let mut statement = json!({ "Effect": effect, name: action, "Resource": resource });
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        },
    )
}

fn statements() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(prop_oneof![3 => statement("Allow"), 1 => statement("Deny")], 0..6)
}

fn path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a_1", "a_1/b", "a_1/b/c", "b_1/x:y", "a_1/#", "c/c", "x:y:a_1", "I%a_1/c"])
}

fn asked() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["mq:PUB", "mq:SUB", "mq:SendMessage"])
}

fn decide(statements: &[Value], action: &str, path: &str) -> bool {
    let texts: Vec<String> = statements.iter().map(ToString::to_string).collect();
    allows(&texts, action, &topic(path))
}

/// Every string as a list of one.
fn as_lists(statement: &Value) -> Value {
    let list = |value: &Value| json!([value]);
    let mut listed = statement.clone();
    for name in ["Action", "NotAction", "Resource"] {
        if let Some(value) = statement.get(name) {
            listed[name] = list(value);
        }
    }
    let operators = listed.get_mut("Condition").and_then(Value::as_object_mut).into_iter().flatten();
    for (_, keys) in operators {
        for (_, value) in keys.as_object_mut().into_iter().flatten() {
            *value = list(value);
        }
    }
    listed
}

proptest! {
    #[test]
    fn adding_a_deny_never_grants(mut rules in statements(), deny in statement("Deny"), action in asked(), path in path()) {
        let before = decide(&rules, action, path);
        rules.push(deny);
        assert!(before || !decide(&rules, action, path));
    }

    #[test]
    fn adding_an_allow_never_takes_away(mut rules in statements(), allow in statement("Allow"), action in asked(), path in path()) {
        let before = decide(&rules, action, path);
        rules.push(allow);
        assert!(!before || decide(&rules, action, path));
    }

    #[test]
    fn the_order_of_policies_and_statements_does_not_matter(rules in statements(), action in asked(), path in path()) {
        let mut turned = rules.clone();
        turned.reverse();
        let one_policy = rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let expected = decide(&rules, action, path);
        assert_eq!(decide(&turned, action, path), expected);
        if !rules.is_empty() {
            assert_eq!(allows(&[one_policy], action, &topic(path)), expected);
        }
    }

    #[test]
    fn a_string_means_the_list_of_it(rules in statements(), action in asked(), path in path()) {
        let listed: Vec<Value> = rules.iter().map(as_lists).collect();
        assert_eq!(decide(&listed, action, path), decide(&rules, action, path));
    }

    #[test]
    fn what_is_granted_on_a_level_is_granted_below_it(allow in statement("Allow"), action in asked(), path in path()) {
        let rules = [allow];
        assert!(!decide(&rules, action, path) || decide(&rules, action, &format!("{path}/deeper")));
    }

    #[test]
    fn what_an_allow_reaches_the_same_deny_reaches(allow in statement("Allow"), action in asked(), path in path()) {
        let mut deny = allow.clone();
        deny["Effect"] = json!("Deny");
        let all = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        assert!(!decide(&[allow], action, path) || !decide(&[all, deny], action, path));
    }
}
