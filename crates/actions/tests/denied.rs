//! Every operation of the registry is refused without its right, by a Deny of its own action, and not for lack of a right
//! when everything is allowed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use sluice_actions::{ActionError, OPERATIONS, Operation};
use support::{ALLOW_ALL, World};

fn is_denied(outcome: &Result<(), ActionError>, kind: &str) -> bool {
    outcome.as_ref().err().and_then(ActionError::denial).is_some_and(|denial| denial.no_permission_type == kind)
}

/// The operations that every caller may, for itself alone.
fn asks_nothing(operation: &Operation) -> bool {
    operation.row.actions.is_empty()
}

#[tokio::test]
async fn without_any_policy_every_operation_is_refused() {
    let world = World::new().await;
    for operation in OPERATIONS.iter().filter(|operation| !asks_nothing(operation)) {
        let outcome = world.run(operation, &[]).await;
        assert!(is_denied(&outcome, "ImplicitDeny"), "{}: {outcome:?}", operation.row.name);
    }
}

#[tokio::test]
async fn a_deny_of_its_own_action_refuses_each_operation_whatever_else_is_allowed() {
    let world = World::new().await;
    for operation in OPERATIONS.iter().filter(|operation| !asks_nothing(operation)) {
        for action in operation.row.actions {
            let deny =
                format!(r#"{{"Version":"1","Statement":[{{"Effect":"Deny","Action":"{action}","Resource":"*"}}]}}"#);
            let outcome = world.run(operation, &[ALLOW_ALL, &deny]).await;
            assert!(is_denied(&outcome, "ExplicitDeny"), "{} by {action}: {outcome:?}", operation.row.name);
        }
    }
}

#[tokio::test]
async fn with_everything_allowed_no_operation_is_refused_by_a_policy() {
    let world = World::new().await;
    for operation in OPERATIONS {
        let outcome = world.run(operation, &[ALLOW_ALL]).await;
        assert!(!is_denied(&outcome, "ExplicitDeny"), "{}: {outcome:?}", operation.row.name);
        // The parent topic of SendMessage does not exist, which reads like a missing right.
        let is_hidden = operation.row.name == "SendMessage";
        assert!(is_hidden || !is_denied(&outcome, "ImplicitDeny"), "{}: {outcome:?}", operation.row.name);
        assert!(!matches!(outcome, Err(ActionError::Internal)), "{}", operation.row.name);
    }
}

#[tokio::test]
async fn what_every_caller_may_is_listed_here() {
    let free: Vec<&str> = OPERATIONS.iter().filter(|o| asks_nothing(o)).map(|o| o.row.name).collect();
    // Whom an identity provider vouches for is asked of the role's trust policy, in the operation.
    assert_eq!(free, ["AssumeRoleWithOIDC", "AssumeRoleWithSAML", "GetCallerIdentity"]);
}
