//! The reference itself, held against the decisions collected from the vendor's documentation.

use serde_json::Value;

use crate::reference::{Arn, At, Attached, Held, Question, evaluate};

#[test]
fn the_reference_decides_every_collected_vector_as_documented() {
    let file: Value = serde_json::from_str(include_str!("../../../../contract/ram-policy.json")).expect("JSON");
    let mut decided = 0;
    for vector in file["vectors"].as_array().expect("a list") {
        let (expect, request) = (&vector["expect"], &vector["request"]);
        let text = |name: &str| request[name].as_str().expect("a string").to_owned();
        let principal = |name: &str| request["principal"][name].as_str().expect("a string").to_owned();
        if expect["decision"].is_null() {
            continue;
        }
        decided += 1;
        let assumes = text("action").eq_ignore_ascii_case("sts:AssumeRole");
        let (effect, at) = if text("account") != principal("account") && !assumes {
            ("ImplicitDeny", "AccountLevelIdentityBasedPolicy")
        } else if principal("type") == "Account" && !assumes {
            ("Allow", "AccountLevelIdentityBasedPolicy")
        } else {
            let arn = Arn { text: text("resource"), any_region: false, current: false, deny_only: false };
            let (account, principal) = (principal("account"), principal("arn"));
            let (actions, keys) = (vec![text("action")], keys(&request["conditions"]));
            let question = Question { actions, arns: vec![arn], account, principal, keys };
            let answer = evaluate(&policies(&vector["policies"]), &question);
            (answer.effect, answer.at)
        };
        assert_eq!(expect["decision"], effect, "{}", vector["id"]);
        if let Some(by) = expect["decided_by"].as_str() {
            assert_eq!(by, at, "{}", vector["id"]);
        }
    }
    assert_eq!(decided, 149);
}

fn policies(list: &Value) -> Vec<Attached> {
    let attached = |policy: &Value| Attached {
        at: match policy["scope"].as_str().expect("a scope") {
            "account" => At::Account,
            "resource_group" => At::ResourceGroup,
            "session" => At::Session,
            "control" => At::Control,
            "trust" => At::Trust,
            other => panic!("no scope: {other}"),
        },
        name: policy["name"].to_string(),
        document: policy["document"].clone(),
    };
    list.as_array().expect("a list").iter().map(attached).collect()
}

fn keys(conditions: &Value) -> Vec<(String, Held)> {
    let values = |value: &Value| match value {
        Value::Array(list) => list.iter().map(|value| value.as_str().expect("a string").to_owned()).collect(),
        other => vec![other.as_str().expect("a string").to_owned()],
    };
    let members = conditions.as_object().into_iter().flatten();
    members.map(|(key, value)| (key.to_lowercase(), Held::Texts(values(value)))).collect()
}
