//! Makes a failing group of policies as small as it can be and still fail.

use serde_json::Value;

use crate::reference::Attached;

/// Takes away policies, statements, conditions and list entries, one at a time, for as long as `fails` holds.
pub(crate) fn shrink(mut policies: Vec<Attached>, fails: impl Fn(&[Attached]) -> bool) -> Vec<Attached> {
    while let Some(smaller) = smaller(&policies).into_iter().find(|smaller| fails(smaller)) {
        policies = smaller;
    }
    policies
}

fn smaller(policies: &[Attached]) -> Vec<Vec<Attached>> {
    let mut all = Vec::new();
    for place in 0..policies.len() {
        let without = policies.iter().enumerate().filter(|(n, _)| *n != place).map(|(_, policy)| policy.clone());
        all.push(without.collect());
        for document in smaller_value(&policies[place].document) {
            let mut changed = policies.to_vec();
            changed[place].document = document;
            all.push(changed);
        }
    }
    all
}

/// The value with one entry of one list less, or without a `Condition` or one of its members.
fn smaller_value(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Array(list) => {
            for place in 0..list.len() {
                if list.len() > 1 {
                    let mut less = list.clone();
                    less.remove(place);
                    all.push(less.into());
                }
                all.extend(smaller_value(&list[place]).into_iter().map(|entry| {
                    let mut changed = list.clone();
                    changed[place] = entry;
                    changed.into()
                }));
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                // The members of `Condition` and of its operators; an operator without keys is refused.
                let removable = name == "Condition" || name.contains(':') || is_operator(name);
                if removable && !(name.contains(':') && members.len() == 1) {
                    let mut less = members.clone();
                    less.shift_remove(name);
                    all.push(Value::Object(less));
                }
                all.extend(smaller_value(member).into_iter().map(|member| {
                    let mut changed = members.clone();
                    changed[name] = member;
                    Value::Object(changed)
                }));
            }
        }
        _ => {}
    }
    all
}

fn is_operator(name: &str) -> bool {
    ["String", "Numeric", "Date", "Bool", "Ip", "NotIp"].iter().any(|start| name.starts_with(start))
}
