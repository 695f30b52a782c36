//! What an account's security preference lets its users do for themselves, as a policy like any other: the authority reads it
//! with the user's own, and a Deny of theirs is stronger.
//!
//! It is made here for each user, on resources of the user's own name, and is attached to nobody: no list shows it.
//! Source: facts/ram.md section 2, Security preference.

use std::sync::Arc;

use sluice_model::{AccountId, PolicyType, SecurityPreference, UserId};
use sluice_policy::{Document, Policy};

/// Its name where a refusal or an explanation shows it.
const NAME: &str = "SelfService";

/// The policy of one user; `None` where nothing is granted.
pub(crate) fn policy(account: AccountId, user: (UserId, &str), preference: &SecurityPreference) -> Option<Arc<Policy>> {
    let text = document(account, user, preference)?;
    // Names have none of the characters that mean something in JSON or in a pattern.
    let document = Document::parse(&text).expect("a test parses it with everything granted");
    Some(Arc::new(Policy {
        name: NAME.into(),
        policy_type: PolicyType::System,
        version: Policy::UNATTACHED,
        document: Arc::new(document),
    }))
}

/// Whether this is what [`policy`] makes.
pub(crate) fn is_one(policy: &Policy) -> bool {
    policy.policy_type == PolicyType::System && &*policy.name == NAME && policy.version == Policy::UNATTACHED
}

/// Whether users may do the same by both.
pub(crate) fn grants_the_same(one: &SecurityPreference, other: &SecurityPreference) -> bool {
    let granted = |preference: &SecurityPreference| {
        let SecurityPreference { users_change_password, users_manage_access_keys, users_manage_mfa_devices, .. } =
            preference;
        [*users_change_password, *users_manage_access_keys, *users_manage_mfa_devices]
    };
    granted(one) == granted(other)
}

fn document(account: AccountId, (id, name): (UserId, &str), preference: &SecurityPreference) -> Option<String> {
    let user = format!(r#""acs:ram:*:{account}:user/{name}""#);
    // A name of digits alone may be another user's ID, and the device of that name is that user's.
    let devices = if name.bytes().all(|b| b.is_ascii_digit()) {
        format!(r#""acs:ram:*:{account}:mfa/{id}""#)
    } else {
        format!(r#"["acs:ram:*:{account}:mfa/{id}","acs:ram:*:{account}:mfa/{name}"]"#)
    };
    let allow = |actions: &[&str], resource: &str, condition: &str| {
        let actions: Vec<String> = actions.iter().map(|action| format!(r#""ram:{action}""#)).collect();
        format!(r#"{{"Effect":"Allow","Action":[{}],"Resource":{resource}{condition}}}"#, actions.join(","))
    };
    let mut statements = Vec::new();
    if preference.users_change_password {
        statements.push(allow(&["ChangePassword"], &user, ""));
    }
    if preference.users_manage_access_keys {
        let actions =
            ["CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "ListAccessKeys", "GetAccessKeyLastUsed"];
        statements.push(allow(&actions, &user, ""));
    }
    if preference.users_manage_mfa_devices {
        statements.push(allow(&["GetUserMFAInfo", "BindMFADevice"], &user, ""));
        statements.push(allow(&["CreateVirtualMFADevice", "DeleteVirtualMFADevice"], &devices, ""));
        // Neither a stolen AccessKey nor a password alone takes the second factor away.
        let with_mfa = r#","Condition":{"Bool":{"acs:MFAPresent":"true"}}"#;
        statements.push(allow(&["UnbindMFADevice"], &user, with_mfa));
    }
    if statements.is_empty() {
        return None;
    }
    Some(format!(r#"{{"Version":"1","Statement":[{}]}}"#, statements.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preference_makes_a_document_that_parses_and_none_makes_none() {
        let (account, user) = (AccountId::new(AccountId::MIN).unwrap(), UserId::new(UserId::MIN).unwrap());
        for bits in 0..8 {
            let is = |bit: u8| bits & bit != 0;
            let preference = SecurityPreference {
                users_change_password: is(1),
                users_manage_access_keys: is(2),
                users_manage_mfa_devices: is(4),
                ..SecurityPreference::default()
            };
            let made = policy(account, (user, "a.b_c-d"), &preference);
            assert_eq!(made.is_some(), bits != 0, "{bits}");
        }
    }

    #[test]
    fn a_name_that_may_be_anothers_number_grants_no_device() {
        let (account, user) = (AccountId::new(AccountId::MIN).unwrap(), UserId::new(UserId::MIN).unwrap());
        let preference = SecurityPreference { users_manage_mfa_devices: true, ..SecurityPreference::default() };
        let other = UserId::new(UserId::MIN + 1).unwrap().to_string();
        for (name, is_granted) in [(other.as_str(), false), ("alice", true)] {
            let text = document(account, (user, name), &preference).unwrap();
            assert_eq!(text.contains(&format!("mfa/{name}\"")), is_granted, "{name}");
            assert!(text.contains(&format!("mfa/{user}\"")), "{name}");
        }
    }
}
