//! What is wrong with what was typed, said at the field that it was typed into: its label is there, the parameter's name would tell
//! nobody anything.

use sluice_actions::{ActionError, Code, Fault};

/// The parameters that an error without a name of its own is about.
fn names(error: &ActionError) -> &'static [&'static str] {
    match error {
        ActionError::MalformedPolicyDocument(_) => {
            &["PolicyDocument", "NewAssumeRolePolicyDocument", "AssumeRolePolicyDocument"]
        }
        ActionError::Code(Code::UserExists) => &["NewUserName", "UserName"],
        ActionError::Code(Code::UserGroupExists) => &["NewGroupName", "GroupName"],
        ActionError::Code(Code::RoleExists) => &["RoleName"],
        ActionError::Code(Code::PolicyExists) => &["PolicyName"],
        _ => &[],
    }
}

/// Whether an error is about a parameter.
pub(crate) fn is_about(error: &ActionError, parameter: &str) -> bool {
    match error {
        ActionError::Missing(name) | ActionError::Invalid { name, .. } | ActionError::NotServed(name) => {
            *name == parameter
        }
        other => names(other).contains(&parameter),
    }
}

/// The sentence at the field.
pub(crate) fn at_field(error: &ActionError) -> String {
    let said = match error {
        ActionError::Missing(_) => "This is needed.",
        ActionError::NotServed(_) => "This is not served.",
        ActionError::Invalid { fault, .. } => match fault {
            Fault::Value => "This cannot be taken.",
            Fault::Length => "This is too short or too long.",
            Fault::InvalidChars => "This has characters that it may not have.",
            Fault::Format => "This does not have the right format.",
            Fault::Range => "This is out of its range.",
            Fault::TooWeak => "This does not comply with the account's password rule.",
            Fault::ReusePrevention => "This was in use already.",
            Fault::Incorrect => "This is not the password in use.",
            Fault::Expired => "This has expired; an administrator must set another password.",
        },
        other => return other.message(),
    };
    said.to_owned()
}

/// The sentence where there is no field: the parameter's name as words, then what is wrong with it.
pub(crate) fn in_words(error: &ActionError) -> String {
    match error {
        ActionError::Missing(name) | ActionError::Invalid { name, .. } | ActionError::NotServed(name) => {
            format!("{}: {}", spaced(name), at_field(error))
        }
        other => other.message(),
    }
}

/// `GroupName` as `Group name`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for (at, letter) in name.char_indices() {
        let begins = at > 0 && letter.is_ascii_uppercase();
        words.extend(begins.then_some(' '));
        words.push(if begins { letter.to_ascii_lowercase() } else { letter });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sentence_at_a_field_names_its_parameter() {
        let faults = [Fault::Value, Fault::Length, Fault::InvalidChars, Fault::Format, Fault::Range, Fault::TooWeak];
        for fault in faults {
            let error = ActionError::Invalid { name: "NewEmail", fault };
            assert!(is_about(&error, "NewEmail") && !at_field(&error).contains("NewEmail"));
        }
        assert!(is_about(&ActionError::Code(Code::UserExists), "UserName"));
        assert_eq!(in_words(&ActionError::Missing("GroupName")), "Group name: This is needed.");
        assert!(!is_about(&ActionError::Code(Code::NoUser), "UserName"));
    }
}
