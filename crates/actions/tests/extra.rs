//! Sluice's own operations are in the registry as `contract/extra.json` has them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use sluice_actions::{Need, OPERATIONS, find};

fn operations() -> Vec<Value> {
    let contract: Value = serde_json::from_str(include_str!("../../../contract/extra.json")).unwrap();
    contract["operations"].as_array().unwrap().clone()
}

#[test]
fn every_operation_has_its_row_with_its_action_and_parameters() {
    for operation in operations() {
        let name = operation["op"].as_str().unwrap();
        let version = if operation["product"] == "RAM" { "2015-05-01" } else { "2020-04-20" };
        let row = find(version, name).unwrap_or_else(|| panic!("{name} is not served")).row;
        let actions: Vec<&str> = row.actions.iter().map(|action| action.as_str()).collect();
        assert_eq!(actions, [operation["action"].as_str().unwrap()], "{name}");
        let listed: Vec<(&str, Need)> = operation["params"]
            .as_array()
            .unwrap()
            .iter()
            .map(|param| {
                let need = if param["required"] == true { Need::Required } else { Need::Optional };
                (param["name"].as_str().unwrap(), need)
            })
            .collect();
        let served: Vec<(&str, Need)> =
            row.parameters.iter().map(|parameter| (parameter.name, parameter.need)).collect();
        assert_eq!(served, listed, "{name}");
    }
}

#[test]
fn no_operation_of_ours_is_served_beyond_the_contract() {
    let names: Vec<String> =
        operations().iter().map(|operation| operation["op"].as_str().unwrap().to_owned()).collect();
    for operation in OPERATIONS.iter().filter(|operation| operation.row.name.contains("Mqtt")) {
        assert!(names.iter().any(|name| name == operation.row.name), "{} is not in the contract", operation.row.name);
    }
}
