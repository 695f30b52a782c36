//! What must hold for all policies, whoever evaluates them.

use serde_json::{Value, json};

use crate::{
    case::{Ask, compile, engine},
    dice::Dice,
    generate::{self, Focus},
    reference::{At, Attached},
    seeds,
};

/// Tries a changed group of policies beside the group it was made from. `holds` is told both effects, as granted or not.
fn compare(
    change: impl Fn(&mut Dice, &Focus, &[Attached], &mut Ask) -> Option<Vec<Attached>>,
    holds: impl Fn(bool, bool) -> bool,
) {
    let (_, seeds) = seeds(8);
    let mut told = [0, 0];
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let focus = Focus::new(&mut dice);
        let policies = generate::policies(&mut dice, &focus);
        for _ in 0..10 {
            let mut ask = generate::ask(&mut dice, &focus);
            let before = engine(&compile(&policies), &ask);
            let Some(changed) = change(&mut dice, &focus, &policies, &mut ask) else { continue };
            let after = engine(&compile(&changed), &ask);
            let (was, is) = (before.effect == "Allow", after.effect == "Allow");
            assert!(
                holds(was, is),
                "SLUICE_POLICY_SEED={seed}\n{policies:#?}\n{changed:#?}\n{ask:#?}\n{before:?}\n{after:?}"
            );
            told[usize::from(was || is)] += 1;
        }
    }
    assert!(told[1] * 50 > told[0], "what is compared is hardly ever granted: {told:?}");
}

fn with_statement(policies: &[Attached], dice: &mut Dice, focus: &Focus, effect: &str) -> Option<Vec<Attached>> {
    let mut changed = policies.to_vec();
    let place = if changed.is_empty() { return None } else { dice.below(changed.len()) };
    let mut statement = generate::statement(dice, changed[place].at, focus);
    statement["Effect"] = effect.into();
    let list = changed[place].document["Statement"].as_array_mut().expect("a list");
    let at = dice.below(list.len() + 1);
    list.insert(at, statement);
    Some(changed)
}

#[test]
fn adding_a_deny_never_grants() {
    compare(|dice, focus, policies, _| with_statement(policies, dice, focus, "Deny"), |was, is| was || !is);
}

#[test]
fn adding_an_allow_never_takes_an_allow_away() {
    compare(|dice, focus, policies, _| with_statement(policies, dice, focus, "Allow"), |was, is| !was || is);
}

fn shuffle<T>(dice: &mut Dice, list: &mut [T]) {
    for place in (1..list.len()).rev() {
        list.swap(place, dice.below(place + 1));
    }
}

#[test]
fn the_order_of_statements_and_of_policies_never_matters() {
    let change = |dice: &mut Dice, _: &Focus, policies: &[Attached], _: &mut Ask| {
        let mut changed = policies.to_vec();
        shuffle(dice, &mut changed);
        for policy in &mut changed {
            shuffle(dice, policy.document["Statement"].as_array_mut().expect("a list"));
        }
        Some(changed)
    };
    compare(change, |was, is| was == is);
}

/// Every string of a statement that may be a list as a list of one.
fn as_lists(statement: &mut Value) {
    let list = |value: &mut Value| {
        if value.is_string() {
            *value = json!([value]);
        }
    };
    for (name, value) in statement.as_object_mut().expect("an object") {
        match name.as_str() {
            "Action" | "NotAction" | "Resource" => list(value),
            "Condition" => {
                let operators = value.as_object_mut().into_iter().flatten();
                operators.for_each(|(_, keys)| {
                    keys.as_object_mut().into_iter().flatten().for_each(|(_, value)| list(value))
                });
            }
            "Principal" => value.as_object_mut().into_iter().flatten().for_each(|(_, value)| list(value)),
            _ => {}
        }
    }
}

#[test]
fn a_string_means_the_list_of_it() {
    let change = |_: &mut Dice, _: &Focus, policies: &[Attached], _: &mut Ask| {
        let mut changed = policies.to_vec();
        for policy in &mut changed {
            policy.document["Statement"].as_array_mut().into_iter().flatten().for_each(as_lists);
        }
        Some(changed)
    };
    compare(change, |was, is| was == is);
}

#[test]
fn the_case_of_an_action_never_matters() {
    let turned = |text: &str| {
        text.chars()
            .map(|char| if char.is_lowercase() { char.to_ascii_uppercase() } else { char.to_ascii_lowercase() })
            .collect::<String>()
    };
    let change = |dice: &mut Dice, _: &Focus, policies: &[Attached], ask: &mut Ask| {
        let mut changed = policies.to_vec();
        for statement in
            changed.iter_mut().flat_map(|policy| policy.document["Statement"].as_array_mut().expect("a list"))
        {
            for name in ["Action", "NotAction"] {
                match statement.get_mut(name) {
                    Some(Value::Array(list)) => {
                        list.iter_mut().for_each(|value| *value = turned(value.as_str().unwrap_or_default()).into())
                    }
                    Some(value) => *value = turned(value.as_str().unwrap_or_default()).into(),
                    None => {}
                }
            }
        }
        if dice.percent(50) {
            ask.actions.iter_mut().for_each(|action| *action = turned(action));
        }
        Some(changed)
    };
    compare(change, |was, is| was == is);
}

/// The pattern with one of its wildcards written out, of five parts as before and in the form that it had.
pub(crate) fn narrower(dice: &mut Dice, pattern: &str) -> Option<String> {
    let wildcards: Vec<usize> = pattern.match_indices(['*', '?']).map(|(at, _)| at).collect();
    if wildcards.is_empty() || pattern.split(':').count() < 5 {
        return None;
    }
    let at = wildcards[dice.below(wildcards.len())];
    let written = match &pattern[at..=at] {
        "?" => dice.of(&["a", "b", "_"]),
        _ => dice.of(&["", "a", "abc", "mq", "plant", "?", "*a", "a*"]),
    };
    Some(format!("{}{written}{}", &pattern[..at], &pattern[at + 1..]))
}

#[test]
fn a_narrower_resource_never_grants_more() {
    let change = |dice: &mut Dice, _: &Focus, policies: &[Attached], _: &mut Ask| {
        let mut changed = policies.to_vec();
        let mut narrowed = false;
        for policy in changed.iter_mut().filter(|policy| policy.at != At::Trust) {
            let statements = policy.document["Statement"].as_array_mut().into_iter().flatten();
            for statement in statements.filter(|statement| statement["Effect"] == "Allow") {
                let resources = match &mut statement["Resource"] {
                    Value::Array(list) => list.iter_mut().collect::<Vec<_>>(),
                    value => vec![value],
                };
                for resource in resources {
                    if let Some(text) = narrower(dice, resource.as_str().unwrap_or_default()) {
                        *resource = text.into();
                        narrowed = true;
                    }
                }
            }
        }
        narrowed.then_some(changed)
    };
    compare(change, |was, is| was || !is);
}
