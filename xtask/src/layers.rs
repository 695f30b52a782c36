//! The rooms and their layers: a room imports only rooms of lower layers.

use cargo_metadata::{DependencyKind, Metadata};

use crate::Violation;

/// Rooms by layer. What has the same number never imports each other.
const LAYERS: [(&str, u8); 13] = [
    ("model", 0),
    ("codec", 1),
    ("policy", 1),
    ("session", 2),
    ("router", 2),
    ("store", 2),
    ("access", 3),
    ("broker", 4),
    ("actions", 5),
    ("mqtt", 6),
    ("openapi", 6),
    ("console", 6),
    ("server", 7),
];
/// Only tests import it.
const TESTKIT: &str = "testkit";

fn layer(room: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == room).map(|(_, layer)| *layer)
}

/// Every edge of the workspace that is not downwards.
pub(crate) fn check(metadata: &Metadata) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(room) = package.name.strip_prefix("sluice-") else { continue };
        for dependency in &package.dependencies {
            if let Some(target) = dependency.name.strip_prefix("sluice-") {
                let is_dev = dependency.kind == DependencyKind::Development;
                violations.extend(edge(room, target, is_dev));
            }
        }
    }
    violations
}

fn edge(room: &str, target: &str, is_dev: bool) -> Option<Violation> {
    let wrong = |why: &str| Some(Violation(format!("crates/{room}/Cargo.toml: imports `{target}`: {why}")));
    if target == TESTKIT {
        return if is_dev { None } else { wrong("only tests may; make it a dev-dependency") };
    }
    if is_dev || room == TESTKIT {
        return None;
    }
    match (layer(room), layer(target)) {
        (Some(upper), Some(lower)) if lower < upper => None,
        (Some(_), Some(_)) => wrong("it is not of a lower layer; move what is shared down"),
        _ => wrong("the room has no layer; give it one in xtask/src/layers.rs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_edges_downwards_pass() {
        assert_eq!(edge("broker", "router", false), None);
        assert_eq!(edge("store", "testkit", true), None);
        for (room, target) in
            [("router", "broker"), ("mqtt", "openapi"), ("codec", "policy"), ("store", "testkit"), ("new", "model")]
        {
            assert!(edge(room, target, false).is_some(), "{room} to {target}");
        }
    }
}
