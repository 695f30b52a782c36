//! The registry against `contract/operations.json`, the tables of the vendor's operations: nothing missing, nothing more.
//!
//! What a later step brings is in `contract/not-yet.json`, and only there. Sluice's own operations are held by `extra.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluice_actions::{Need, OPERATIONS, Operation, find};

/// What the vendor asks for and Sluice does not: (operation, parameter, why).
const NEEDS_LESS: &[(&str, &str, &str)] = &[];

/// What is no parameter of the vendor's and is refused here rather than ignored: (operation, parameter, why).
const REFUSED_BESIDES: &[(&str, &str, &str)] =
    &[("ChangePassword", "UserName", "whoever gives it means somebody else's password")];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The vendor's operations by product and name.
fn tables() -> BTreeMap<String, Value> {
    let tables = json(include_str!("../../../contract/operations.json"));
    let operations = tables["operations"].as_array().unwrap();
    operations.iter().map(|one| (format!("{} {}", text(&one["product"]), text(&one["op"])), one.clone())).collect()
}

/// The lines of all steps that are to come.
fn not_yet(of: &str) -> BTreeSet<String> {
    let list = json(include_str!("../../../contract/not-yet.json"));
    let steps = list["steps"].as_object().unwrap();
    steps.values().flat_map(|step| step[of].as_array().unwrap()).map(|line| text(line).to_owned()).collect()
}

fn key(operation: &Operation) -> String {
    format!("{:?} {}", operation.row.product, operation.row.name)
}

/// Sluice's own operations.
fn ours() -> BTreeSet<String> {
    let extra = json(include_str!("../../../contract/extra.json"));
    extra["operations"].as_array().unwrap().iter().map(|operation| text(&operation["op"]).to_owned()).collect()
}

#[test]
fn every_operation_of_the_tables_is_served_or_listed_as_not_yet_and_never_both() {
    let not_yet = not_yet("operations");
    for (name, operation) in tables() {
        let served = find(text(&operation["version"]), text(&operation["op"])).is_some();
        assert!(served || not_yet.contains(&name), "{name} is neither served nor in not-yet.json");
        assert!(!(served && not_yet.contains(&name)), "{name} is served; take it from not-yet.json");
    }
    let known: BTreeSet<String> = tables().into_keys().collect();
    assert!(not_yet.is_subset(&known), "not in the tables: {:?}", not_yet.difference(&known));
}

#[test]
fn nothing_is_served_under_a_product_of_the_tables_beyond_them_and_our_own() {
    let (tables, ours) = (tables(), ours());
    let products: BTreeSet<&str> = tables.values().map(|one| text(&one["product"])).collect();
    for operation in OPERATIONS {
        let of_tables = products.contains(format!("{:?}", operation.row.product).as_str());
        let known = tables.contains_key(&key(operation)) || ours.contains(operation.row.name);
        assert!(!of_tables || known, "{} is in no table", key(operation));
    }
}

fn besides(operation: &Operation, name: &str) -> bool {
    REFUSED_BESIDES.iter().any(|(of, parameter, _)| *of == operation.row.name && *parameter == name)
}

#[test]
fn every_row_has_the_parameters_of_its_table() {
    let tables = tables();
    for operation in OPERATIONS {
        let Some(table) = tables.get(&key(operation)) else { continue };
        let params = table["params"].as_array().unwrap();
        let listed: BTreeSet<&str> = params.iter().map(|one| text(&one["name"])).collect();
        let mut served: BTreeSet<&str> = operation.row.parameters.iter().map(|one| one.name).collect();
        assert_eq!(served.len(), operation.row.parameters.len(), "{} has a parameter twice", key(operation));
        served.retain(|name| !besides(operation, name));
        assert_eq!(served, listed, "{}", key(operation));
        // The tables mark too few as required, never too many.
        for param in params.iter().filter(|param| param["required"] == true) {
            let name = text(&param["name"]);
            let need = operation.row.parameters.iter().find(|one| one.name == name).unwrap().need;
            let excused = NEEDS_LESS.iter().any(|(of, less, _)| *of == operation.row.name && *less == name);
            assert!(need == Need::Required || excused, "{} has to ask for {name}", key(operation));
        }
    }
}

#[test]
fn a_parameter_is_refused_as_not_served_exactly_while_it_is_listed_as_not_yet() {
    let refused: BTreeSet<String> = OPERATIONS
        .iter()
        .flat_map(|operation| {
            let not_served = operation.row.parameters.iter().filter(|one| one.need == Need::NotServed);
            let not_served = not_served.filter(|one| !besides(operation, one.name));
            not_served.map(|one| format!("{} {}", key(operation), one.name))
        })
        .collect();
    assert_eq!(refused, not_yet("parameters"));
}
