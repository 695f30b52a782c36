//! No warning is wrong: what is said to change nothing can be taken away.

use serde_json::{Value, json};
use sluice_policy::{Catalogue, WarningKind, warnings};

use crate::{
    case::{compile, engine},
    dice::Dice,
    generate::{self, Focus},
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
        if dice.percent(30) {
            next["Condition"] = two_conditions(dice);
        }
        all.push(next);
    }
    all
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
