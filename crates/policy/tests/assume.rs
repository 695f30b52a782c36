//! Who may assume a role, and what it learns of another account's roles.
#![allow(dead_code, reason = "the support is shared by several test binaries")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{collections::HashMap, sync::Arc};

use sluice_model::{AccountId, PolicyType, PolicyVersion, Principal, RoleId};
use sluice_policy::{
    AssumableRole, Authority, Context, Credential, Denied, Document, InForce, NotAssumed, Policy, PolicySource, Reason,
};
use support::{NOW, World, account, caller, other_account, statement};

/// A world with roles.
struct Roles {
    world: Arc<World>,
    roles: HashMap<(AccountId, String), Arc<AssumableRole>>,
}

impl PolicySource for Roles {
    fn in_force(&self, principal: Principal, credential: &Credential) -> Option<Arc<InForce>> {
        self.world.in_force(principal, credential)
    }

    fn role(&self, account: AccountId, name: &str) -> Option<Arc<AssumableRole>> {
        self.roles.get(&(account, name.to_owned())).cloned()
    }
}

fn role(of: AccountId, name: &str, effects: &[&str]) -> Arc<AssumableRole> {
    let statements: Vec<_> = effects
        .iter()
        .map(|effect| {
            let whom = serde_json::json!({ "RAM": [format!("acs:ram::{}:root", account())] });
            serde_json::json!({ "Effect": effect, "Action": "sts:AssumeRole", "Principal": whom })
        })
        .collect();
    let text = serde_json::json!({ "Version": "1", "Statement": statements }).to_string();
    let trust = Policy {
        name: name.into(),
        policy_type: PolicyType::Custom,
        version: PolicyVersion(1),
        document: Arc::new(Document::parse_trust(&text).unwrap()),
    };
    Arc::new(AssumableRole {
        principal: Principal::Role(of, RoleId::new(RoleId::MIN).unwrap()),
        name: name.into(),
        trust: Arc::new(trust),
        session_s_max: 3600,
    })
}

/// What a caller with these policies hears of a role of an account.
fn refusal(statements: &[String], of: AccountId, name: &str) -> Denied {
    let (ours, theirs) = (account(), other_account());
    let roles = [(ours, "denying", "Deny"), (theirs, "denying", "Deny"), (theirs, "trusting", "Allow")]
        .map(|(of, name, effect)| ((of, name.to_owned()), role(of, name, &[effect])));
    let source = Roles { world: World::governed(statements), roles: HashMap::from(roles) };
    let outcome = Authority::new(Arc::new(source)).assume_role(&caller(), (of, name), &Context::at(NOW));
    match outcome {
        Err(NotAssumed::Denied(denied)) => *denied,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn whoever_its_own_side_does_not_let_hears_the_same_of_every_role_of_another_account() {
    let assume = |effect| statement(effect, "sts:AssumeRole", "*");
    let own_sides = [
        vec![],
        vec![statement("Allow", "ram:*", "*")],
        vec![statement("Allow", "sts:AssumeRole", &format!("acs:ram:*:{}:role/*", account()))],
        vec![assume("Allow"), assume("Deny")],
    ];
    for own_side in own_sides {
        let absent = refusal(&own_side, other_account(), "absent");
        assert_ne!(absent.reason, Reason::AccountWall, "{own_side:?}");
        for name in ["denying", "trusting"] {
            let there = refusal(&own_side, other_account(), name);
            assert_eq!(there.reason, absent.reason, "{own_side:?} {name}");
            assert_eq!(there.to_string().replace(name, "absent"), absent.to_string());
        }
    }
}

#[test]
fn whoever_its_own_side_lets_hears_the_same_of_a_role_that_does_not_trust_it_and_of_none() {
    let own_side = [statement("Allow", "sts:AssumeRole", "*")];
    for name in ["absent", "denying"] {
        assert_eq!(refusal(&own_side, other_account(), name).reason, Reason::AccountWall, "{name}");
    }
}

#[test]
fn in_its_own_account_a_deny_of_the_trust_policy_decides_over_silence() {
    let Reason::Explicit(statement) = refusal(&[], account(), "denying").reason else { panic!("not by a statement") };
    assert_eq!(&*statement.policy, "denying");
}
