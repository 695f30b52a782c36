//! What the system policies grant, beyond that they are documents.
#![allow(dead_code, reason = "the support is shared by several test binaries")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use sluice_model::{RamEntity, Resource};
use sluice_policy::system_policies;
use support::{account, allows, topic};

fn statements(name: &str) -> Vec<String> {
    let policy = system_policies().iter().find(|policy| policy.name == name).unwrap();
    let document: serde_json::Value = serde_json::from_str(policy.document_text).unwrap();
    document["Statement"].as_array().unwrap().iter().map(ToString::to_string).collect()
}

/// facts/ram.md section 4; the vendor's page on PowerUserAccess, v2.
#[test]
fn a_power_user_has_the_roles_of_services_and_nothing_else_of_ram_to_manage() {
    let all = statements("PowerUserAccess");
    assert_eq!(all.len(), 3);
    let role = Resource::Ram(account(), RamEntity::Role("*".into()));
    for action in
        ["CreateServiceLinkedRole", "DeleteServiceLinkedRole", "GetServiceLinkedRoleDeletionStatus", "ListRoles"]
    {
        assert!(allows(&all, &format!("ram:{action}"), &role), "{action}");
    }
    for action in
        ["CreateRole", "DeleteRole", "GetRole", "AttachPolicyToRole", "CreateUser", "ListUsers", "CreatePolicy"]
    {
        assert!(!allows(&all, &format!("ram:{action}"), &role), "{action}");
    }
    assert!(allows(&all, "mq:PUB", &topic("a")) && allows(&all, "sts:AssumeRole", &role));
}
