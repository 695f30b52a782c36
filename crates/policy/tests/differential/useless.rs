//! No warning is wrong: what is said to change nothing can be taken away.

use serde_json::{Value, json};
use sluice_policy::{Catalogue, WarningKind, warnings};

use crate::{
    case::{compile, engine},
    dice::Dice,
    generate::{self, Focus},
    properties::narrower,
    reference::{At, Attached},
    seeds,
};

/// A document whose statements are often made from one another: wider, narrower, the same, the contrary.
fn statements(dice: &mut Dice, focus: &Focus) -> Vec<Value> {
    let mut all = vec![generate::statement(dice, At::Account, focus)];
    for _ in 0..=dice.below(4) {
        let mut next = all[dice.below(all.len())].clone();
        let fresh = generate::statement(dice, At::Account, focus);
        for name in ["Effect", "Resource", "Condition"] {
            if dice.percent(35) {
                let members = next.as_object_mut().expect("an object");
                members.shift_remove(name);
                members.extend(fresh.get(name).map(|value| (name.to_owned(), value.clone())));
            }
        }
        if dice.percent(35) {
            let members = next.as_object_mut().expect("an object");
            members.retain(|name, _| !name.ends_with("Action"));
            members.extend(
                fresh.as_object().expect("an object").clone().into_iter().filter(|(name, _)| name.ends_with("Action")),
            );
        }
        match dice.below(10) {
            0..3 => next["Condition"] = two_conditions(dice),
            3..6 => vary_values(dice, &mut next),
            6 => negate_actions(&mut next),
            7 => {
                let text = strings(&next["Resource"])[0].clone();
                next["Resource"] = narrower(dice, &text).unwrap_or(text).into();
            }
            // A name of a topic that reads like an old form, and the old form.
            8 => next["Resource"] = dice.of(&["acs:mq:*:*:*%abc", "acs:mq:*:*:topic/post-cn-a1/post-cn-a1%abc"]).into(),
            _ => {}
        }
        all.push(next);
    }
    all
}

fn strings(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    value.as_array().map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect())
}

/// One value more or less for each condition.
fn vary_values(dice: &mut Dice, statement: &mut Value) {
    let operators = statement.get_mut("Condition").and_then(Value::as_object_mut).into_iter().flatten();
    for (operator, keys) in operators {
        for (_, values) in keys.as_object_mut().into_iter().flatten() {
            let mut list = strings(values);
            if list.len() > 1 && dice.percent(50) {
                list.remove(dice.below(list.len()));
            } else {
                list.push(generate::operand(dice, operator));
            }
            *values = list.into();
        }
    }
}

/// `Action` becomes `NotAction`, of two names of which one is often that of another statement.
fn negate_actions(statement: &mut Value) {
    let members = statement.as_object_mut().expect("an object");
    let mut actions = members
        .shift_remove("Action")
        .or_else(|| members.shift_remove("NotAction"))
        .map_or(Vec::new(), |value| strings(&value));
    if actions.len() > 1 {
        actions.pop();
    } else {
        actions.push("ram:GetUser".to_owned());
    }
    members.insert("NotAction".to_owned(), actions.into());
}

/// Two operators on one key, which exclude each other now and then.
fn two_conditions(dice: &mut Dice) -> Value {
    let (key, operators, values): (_, &[&str], &[&str]) = match dice.below(6) {
        0 => (
            "acs:CurrentTime",
            &["DateLessThan", "DateGreaterThan", "DateEquals", "DateNotEquals", "DateLessThanEquals"],
            &["2026-01-01T00:00:00.250Z", "2026-01-01T00:00:00.251Z", "2025-12-31T23:59:59Z"],
        ),
        1 => (
            "acs:SourceIp",
            &["IpAddress", "NotIpAddress"],
            &["192.0.2.7", "192.0.2.0/24", "::/0", "0.0.0.0/0", "2001:db8::/33"],
        ),
        2 => (
            "acs:PrincipalARN",
            &["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"],
            &["acs:ram::1234567890123456:user/alice", "acs:ram::*", "x"],
        ),
        3 => ("acs:MFAPresent", &["Bool", "StringEquals", "StringNotEquals"], &["true", "false"]),
        4 => (
            "mq:k",
            &["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericGreaterThan"],
            &["1", "1.0", "10"],
        ),
        _ => (
            "mq:k",
            &[
                "StringEquals",
                "StringNotEquals",
                "StringLike",
                "StringNotLike",
                "StringEqualsIgnoreCase",
                "StringNotEqualsIgnoreCase",
            ],
            &["a", "A", "ab", "10"],
        ),
    };
    let mut conditions = json!({});
    for spelled in [key.to_owned(), key.to_ascii_lowercase()] {
        let listed: Vec<&str> = (0..=dice.below(2)).map(|_| dice.of(values)).collect();
        conditions[dice.of(operators)][&spelled] = json!(listed);
    }
    conditions
}

fn attached(statements: &[Value]) -> Vec<Attached> {
    let document = json!({ "Version": "1", "Statement": statements });
    if statements.is_empty() { Vec::new() } else { vec![Attached { at: At::Account, name: "p".into(), document }] }
}

#[test]
fn what_is_told_to_change_nothing_changes_nothing() {
    let (_, seeds) = seeds(2);
    let mut told = std::collections::BTreeMap::new();
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let focus = Focus::new(&mut dice);
        let statements = statements(&mut dice, &focus);
        let text = attached(&statements)[0].document.to_string();
        let mut useless = Vec::new();
        for warning in warnings(&text, &Catalogue::default(), None) {
            let place = warning.pointer.split('/').nth(2).and_then(|place| place.parse::<usize>().ok());
            useless.push(place.expect("a statement's pointer"));
            *told.entry(warning.kind.code()).or_insert(0) += 1;
            assert!(
                !matches!(warning.kind, WarningKind::Shadowed { by, .. } | WarningKind::Forbidden { by } if Some(by) == place)
            );
        }
        let without = |gone: &[usize]| {
            let kept = statements.iter().enumerate().filter(|(place, _)| !gone.contains(place));
            compile(&attached(&kept.map(|(_, statement)| statement.clone()).collect::<Vec<_>>()))
        };
        // One at a time, and all together.
        let less: Vec<_> = useless.iter().map(|&gone| vec![gone]).chain([useless.clone()]).collect();
        let (whole, less): (_, Vec<_>) = (without(&[]), less.into_iter().map(|gone| (without(&gone), gone)).collect());
        for _ in 0..20 {
            let ask = generate::ask(&mut dice, &focus);
            let before = engine(&whole, &ask);
            for (policies, gone) in &less {
                let after = engine(policies, &ask);
                assert!(
                    before.effect == after.effect,
                    "SLUICE_POLICY_SEED={seed}\nwithout {gone:?} of {text}\n{ask:#?}\n{before:?}\n{after:?}"
                );
            }
        }
    }
    for kind in ["NeverApplies", "Shadowed", "Forbidden"] {
        assert!(told.get(kind).is_some_and(|&times| times > 20), "{kind} is hardly ever told: {told:?}");
    }
}
