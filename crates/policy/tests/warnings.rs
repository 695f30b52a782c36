//! What is legal and useless, told with its place.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use sluice_policy::{Catalogue, Existing, NamedThing, check, system_policies, warnings};

/// An account of one of each.
struct One;

impl Existing for One {
    fn account(&self) -> &str {
        "1234567890123456"
    }

    fn exists(&self, thing: NamedThing<'_>) -> Option<bool> {
        Some(match thing {
            NamedThing::Instance(id) => id == "post-cn-1",
            NamedThing::Topic(id, name) => (id, name) == ("post-cn-1", "plant"),
            NamedThing::Group(id, name) => (id, name) == ("post-cn-1", "GID_a"),
            NamedThing::Anywhere(name) => ["post-cn-1", "plant", "GID_a"].contains(&name),
            NamedThing::User(name) => name == "alice",
            NamedThing::Policy(name) => name == "mine",
            NamedThing::UserGroup(_) => false,
            NamedThing::Role(_) => return None,
        })
    }
}

fn catalogue() -> Catalogue {
    Catalogue::new(["mq:PUB", "mq:SUB", "mq:CreateMqttTopic", "mq:Ons*", "ram:CreateUser", "ram:GetUser"])
}

fn told(statements: &[Value]) -> Vec<String> {
    let text = json!({ "Version": "1", "Statement": statements }).to_string();
    check(&text).unwrap();
    let sentence = |warning: sluice_policy::Warning| format!("{} {} {warning}", warning.pointer, warning.kind.code());
    warnings(&text, &catalogue(), Some(&One)).into_iter().map(sentence).collect()
}

fn rule(effect: &str, action: &str, resource: &str) -> Value {
    json!({ "Effect": effect, "Action": action, "Resource": resource })
}

fn conditioned(conditions: &Value) -> Vec<String> {
    told(&[json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": conditions })])
}

#[test]
fn conditions_that_exclude_each_other_are_told() {
    let arn = "acs:ram::1234567890123456:user/a";
    for conditions in [
        json!({ "DateLessThan": { "acs:CurrentTime": "2026-01-01T00:00:00Z" }, "DateGreaterThan": { "acs:CurrentTime": "2026-02-01T00:00:00Z" } }),
        json!({ "DateLessThan": { "acs:CurrentTime": "2026-01-01T08:00:00+08:00" }, "DateGreaterThanEquals": { "ACS:currenttime": ["2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"] } }),
        json!({ "IpAddress": { "acs:SourceIp": "10.1.0.0/16" }, "NotIpAddress": { "acs:SourceIp": ["192.0.2.1", "10.0.0.0/8"] } }),
        json!({ "IpAddress": { "acs:SourceIp": "10.1.0.0/16", "acs:sourceip": ["10.2.0.0/16", "2001:db8::/32"] } }),
        json!({ "NotIpAddress": { "acs:SourceIp": ["10.0.0.0/9", "10.128.0.0/9"] }, "IpAddress": { "acs:SourceIp": "10.0.0.0/8" } }),
        json!({ "StringEquals": { "acs:PrincipalARN": arn, "acs:PrincipalArn": ["x", "y"] } }),
        json!({ "StringEquals": { "acs:PrincipalARN": arn }, "StringNotLike": { "acs:PrincipalArn": "acs:ram::*" } }),
        json!({ "StringEquals": { "mq:key": ["a", "b"] }, "StringNotEquals": { "mq:key": ["a", "b", "c"] } }),
        json!({ "StringLike": { "mq:key": "a?c*" }, "StringNotLike": { "mq:key": "a*" } }),
        json!({ "NumericEquals": { "mq:key": "1.0" }, "NumericNotEquals": { "mq:key": "1" } }),
        json!({ "StringEqualsIgnoreCase": { "mq:key": "A" }, "StringNotEqualsIgnoreCase": { "mq:key": "a" } }),
        json!({ "Bool": { "acs:SecureTransport": "true", "acs:securetransport": "false" } }),
        json!({ "StringEquals": { "acs:MFAPresent": "yes" } }),
    ] {
        let found = conditioned(&conditions);
        assert_eq!(found.len(), 1, "{conditions}: {found:?}");
        assert!(found[0].starts_with("/Statement/0/Condition NeverApplies this Deny never applies"), "{found:?}");
    }
}

#[test]
fn conditions_that_some_request_meets_are_not() {
    for conditions in [
        json!({ "DateLessThan": { "acs:CurrentTime": "2026-02-01T00:00:00Z" }, "DateGreaterThan": { "acs:CurrentTime": "2026-01-01T00:00:00Z" } }),
        // One of each list is enough.
        json!({ "DateLessThan": { "acs:CurrentTime": ["2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"] }, "DateGreaterThan": { "acs:CurrentTime": "2026-02-01T00:00:00Z" } }),
        json!({ "IpAddress": { "acs:SourceIp": "10.0.0.0/8" }, "NotIpAddress": { "acs:SourceIp": "10.1.0.0/16" } }),
        // A request without an address.
        json!({ "NotIpAddress": { "acs:SourceIp": ["0.0.0.0/0", "::/0"] } }),
        // A key of which a request may have several values.
        json!({ "StringEquals": { "mq:key": "a", "mq:KEY": "b" } }),
        json!({ "NumericLessThan": { "mq:key": "1" }, "NumericGreaterThan": { "mq:key": "2" } }),
        json!({ "Bool": { "mq:key": "true", "mq:Key": "false" } }),
        json!({ "StringEquals": { "mq:key": ["a", "b"] }, "StringNotEquals": { "mq:key": "a" } }),
        json!({ "StringEqualsIgnoreCase": { "mq:key": "A" }, "StringNotEquals": { "mq:key": "a" } }),
        json!({ "Bool": { "acs:MFAPresent": ["true", "false"] } }),
        json!({ "StringNotEquals": { "acs:MFAPresent": ["true", "false"] } }),
    ] {
        assert_eq!(conditioned(&conditions), Vec::<String>::new(), "{conditions}");
    }
}

#[test]
fn a_statement_that_another_one_says_all_of_is_told() {
    let tree = "acs:mq:*:*:topic/post-cn-1/*";
    let line = "acs:mq:*:*:topic/post-cn-1/plant/line";
    assert_eq!(
        told(&[rule("Allow", "mq:PUB", line), rule("Allow", "MQ:*", tree)]),
        ["/Statement/0 Shadowed this Allow changes nothing: the Allow at /Statement/1 says all of it"]
    );
    assert_eq!(
        told(&[rule("Deny", "mq:*", tree), rule("Allow", "mq:SUB", line)]),
        ["/Statement/1 Forbidden this Allow changes nothing: the Deny at /Statement/0 forbids all of it"]
    );
    // Of two that say the same the later one is told, and the chain ends in one that stays.
    let same = told(&[rule("Deny", "mq:PUB", line), rule("Deny", "mq:PUB", line), rule("Deny", "mq:PUB", tree)]);
    assert_eq!(same.len(), 2);
    assert!(same.iter().all(|told| told.ends_with("the Deny at /Statement/2 says all of it")), "{same:?}");
    let address = |effect: &str, nets: &[&str]| json!({ "Effect": effect, "Action": "mq:PUB", "Resource": line, "Condition": { "IpAddress": { "acs:SourceIp": nets } } });
    assert_eq!(told(&[address("Allow", &["10.0.0.1"]), address("Allow", &["10.0.0.2", "10.0.0.1"])]).len(), 1);
    let not = |action: &str| json!({ "Effect": "Allow", "NotAction": action, "Resource": "*" });
    assert!(told(&[not("ram:*"), not("ram:GetUser")])[0].starts_with("/Statement/0 Shadowed"));
    let elsewhere = |nets: &[&str]| {
        let mut rule = rule("Deny", "mq:PUB", line);
        rule["Condition"] = json!({ "NotIpAddress": { "acs:SourceIp": nets } });
        rule
    };
    assert!(
        told(&[elsewhere(&["10.0.0.1"]), elsewhere(&["10.0.0.1", "10.0.0.2"])])[0].starts_with("/Statement/1 Shadowed")
    );
    assert_eq!(told(&[not("ram:*"), rule("Allow", "mq:PUB", line)]).len(), 1);
    assert!(told(&[not("*")])[0].starts_with("/Statement/0/NotAction NeverApplies"));
}

#[test]
fn a_statement_that_says_something_of_its_own_is_not() {
    let line = "acs:mq:*:*:topic/post-cn-1/plant/line";
    let nothing: &[&str] = &[];
    let conditioned = json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": { "Bool": { "acs:SecureTransport": "false" } } });
    for statements in [
        vec![rule("Allow", "*", "*"), rule("Deny", "mq:PUB", line)],
        vec![rule("Allow", "mq:PUB", line), conditioned.clone()],
        vec![
            rule("Allow", "mq:?UB", line),
            rule("Allow", "mq:PUB", line),
            rule("Allow", "mq:SUB", "acs:mq:*:*:topic/post-cn-1/plant/other"),
        ][1..]
            .to_vec(),
        // The old form reaches the parent topic alone, and no name in the middle of a topic's.
        vec![
            rule("Allow", "mq:PUB", "acs:mq:*:*:*%plant"),
            rule("Allow", "mq:PUB", "acs:mq:*:*:topic/post-cn-1/plant"),
        ],
        vec![
            rule("Allow", "mq:PUB", "acs:mq:*:*:*%plant"),
            rule("Allow", "mq:PUB", "acs:mq:*:*:topic/post-cn-1/plant/x%plant"),
        ],
        vec![rule("Allow", "mq:PUB", "acs:mq:*:*:*/x"), rule("Allow", "mq:PUB", "acs:mq:*:*:*%*")],
        vec![json!({ "Effect": "Allow", "NotAction": "ram:*", "Resource": "*" }), rule("Allow", "ram:GetUser", "*")],
    ] {
        assert_eq!(told(&statements), nothing, "{statements:?}");
    }
}

#[test]
fn an_action_that_a_known_product_does_not_have_is_told() {
    assert_eq!(
        told(&[
            json!({ "Effect": "Allow", "Action": ["mq:pub", "mq:PUBB", "oss:X", "mq:Pubb*", "mq:OnsTopicX"], "Resource": "*" })
        ]),
        ["/Statement/0/Action/1 UnknownAction `mq` has no action `mq:PUBB` that is known"]
    );
}

#[test]
fn a_resource_that_names_nothing_is_told() {
    let missing = |action: &str, resource: &str| told(&[rule("Allow", action, resource)]);
    for (resource, what) in [
        ("acs:mq:*:*:topic/post-cn-2/plant", "instance"),
        ("acs:mq:*:*:topic/post-cn-2/*", "instance"),
        ("acs:mq:*:*:topic/post-cn-1/plan", "topic"),
        ("acs:mq:cn-x:1234567890123456:topic/post-cn-1/plan/*", "topic"),
        ("acs:mq:*:*:groupId/post-cn-1/GID_b", "group"),
        ("acs:mq:*:*:instance/post-cn-2", "instance"),
        ("acs:mq:*:*:post-cn-1%GID_b", "name"),
        ("acs:mq:*:*:GID_b", "name"),
        ("acs:ram:*:*:user/bob", "user"),
        ("acs:ram:*:*:group/g", "user group"),
        ("acs:ram:*:*:policy/yours", "policy"),
        ("acs:ram:*:system:policy/mine", "policy"),
    ] {
        let found = missing("mq:SUB", resource);
        assert_eq!(found.len(), 1, "{resource}");
        let sentence = format!("`{resource}` matches nothing that exists now: there is no such {what}");
        assert_eq!(found[0], format!("/Statement/0/Resource NothingThere {sentence}"));
    }
    for resource in [
        "*",
        "acs:mq:*:*:*",
        "acs:mq:*:*:topic/post-cn-1/plant/any/level",
        "acs:mq:*:*:topic/post-cn-1/p*",
        "acs:mq:*:*:*/post-cn-2/*",
        "acs:mq:*:*:rule/post-cn-2/r",
        "acs:mq:*:*:plant",
        "acs:mq:*:*:post-cn-1%plant",
        "acs:oss:*:*:x/y",
        "acs:ram:*:*:user/al*",
        "acs:ram::*:user/alice",
        "acs:ram:*:*:role/untold",
        "acs:ram:*:9999999999999999:user/bob",
        "acs:ram:*:system:policy/AdministratorAccess",
        "acs:ram:*:*:policy/mine",
        "acs:mq:short",
    ] {
        assert_eq!(missing("mq:SUB", resource), Vec::<String>::new(), "{resource}");
    }
    // What is to be made is not there yet.
    assert_eq!(missing("mq:Create*", "acs:mq:*:*:topic/post-cn-1/plan"), Vec::<String>::new());
    assert_eq!(missing("mq:*", "acs:mq:*:*:topic/post-cn-1/plan").len(), 1);
}

#[test]
fn a_warning_has_its_line_and_column() {
    let text = "{\"Version\":\"1\",\"Statement\":[\n  {\"Effect\":\"Allow\",\"Action\":[\"mq:PUB\",\n    \"mq:中\"],\"Resource\":\"*\"}]}";
    let faulty = text.replace("中", "X");
    let found = warnings(&faulty, &catalogue(), None);
    assert_eq!((found[0].line, found[0].column, found.len()), (3, 5, 1));
    // A document with faults has no warnings.
    assert!(warnings(text, &catalogue(), None).is_empty());
}

#[test]
fn no_system_policy_is_warned_of() {
    for policy in system_policies() {
        let found = warnings(policy.document_text, &Catalogue::default(), Some(&One));
        assert!(found.is_empty(), "{}: {found:?}", policy.name);
    }
}

#[test]
fn the_longest_documents_are_read_quickly() {
    let hostile = format!("acs:mq:*:*:{}", "*a".repeat(1_400));
    let statements = json!([rule("Allow", "mq:PUB", &hostile), rule("Allow", "mq:PUB", &(hostile.clone() + "b"))]);
    let text = json!({ "Version": "1", "Statement": statements }).to_string();
    check(&text).unwrap();
    assert!(warnings(&text, &catalogue(), Some(&One)).is_empty());
    // One key, spelt in as many ways as fit.
    let spelt = |n: usize| {
        let letter = |(place, char): (usize, char)| if n >> place & 1 == 1 { char.to_ascii_uppercase() } else { char };
        "acs:currenttime"
            .chars()
            .rev()
            .enumerate()
            .map(letter)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<String>()
    };
    let times: serde_json::Map<_, _> = (0..130).map(|n| (spelt(n), json!("2026-01-01T00:00:00Z"))).collect();
    let conditions = json!({ "DateLessThan": times });
    let statement = json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": conditions });
    let text = json!({ "Version": "1", "Statement": [statement] }).to_string();
    check(&text).unwrap();
    assert!(warnings(&text, &catalogue(), Some(&One)).is_empty());
}
