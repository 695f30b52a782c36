//! What the pages say of an operation: after it was done, and before it is done. By the operation's name, so that an address can
//! carry the name and never a text.

/// What was done.
pub(crate) fn done(operation: &str) -> Option<&'static str> {
    WORDS.iter().find(|words| words.0 == operation).map(|words| words.1)
}

/// The question, and the button that answers yes.
pub(crate) fn question(operation: &str) -> (&'static str, &'static str) {
    WORDS.iter().find(|words| words.0 == operation).map_or(("Go on?", "Go on"), |words| (words.2, words.3))
}

/// Operation, done, question, yes.
type Words = (&'static str, &'static str, &'static str, &'static str);

const WORDS: &[Words] = &[
    ("CreateUser", "The user is created.", "", ""),
    ("UpdateUser", "The user is changed.", "", ""),
    ("DeleteUser", "The user is deleted.", "Delete this user?", "Aware of the risk, delete"),
    ("CreateLoginProfile", "Console logon is enabled.", "", ""),
    ("UpdateLoginProfile", "Console logon is changed.", "", ""),
    ("DeleteLoginProfile", "Console logon is cleared.", "Clear console logon?", "Clear"),
    ("UnbindMFADevice", "The MFA device is unbound.", "Unbind the MFA device?", "Unbind"),
    ("UpdateAccessKey", "The AccessKey is changed.", "Deactivate this AccessKey?", "Deactivate"),
    ("DeleteAccessKey", "The AccessKey is deleted.", "Delete this AccessKey?", "Delete"),
    ("AttachPolicyToUser", "The policy is attached.", "Attach a policy that forbids?", "Attach"),
    ("DetachPolicyFromUser", "The policy is detached.", "Detach this policy?", "Detach"),
    ("AttachPolicyToGroup", "The policy is attached.", "Attach a policy that forbids?", "Attach"),
    ("DetachPolicyFromGroup", "The policy is detached.", "Detach this policy?", "Detach"),
    ("AttachPolicyToRole", "The policy is attached.", "Attach a policy that forbids?", "Attach"),
    ("DetachPolicyFromRole", "The policy is detached.", "Detach this policy?", "Detach"),
    ("CreateGroup", "The group is created.", "", ""),
    ("UpdateGroup", "The group is changed.", "", ""),
    ("DeleteGroup", "The group is deleted.", "Delete this group?", "Aware of the risk, delete"),
    ("AddUserToGroup", "The user is in the group.", "", ""),
    ("RemoveUserFromGroup", "The user is out of the group.", "Take the user out of the group?", "Take out"),
    ("CreateRole", "The role is created.", "", ""),
    ("UpdateRole", "The role is changed.", "Change the role?", "Save"),
    ("DeleteRole", "The role is deleted.", "Delete this role?", "Aware of the risk, delete"),
    ("CreatePolicy", "The policy is created.", "", ""),
    ("CreatePolicyVersion", "The version is created.", "Put a new version in force?", "Save and put in force"),
    ("SetDefaultPolicyVersion", "The version is in force.", "Put this version in force?", "Use this version"),
    ("DeletePolicyVersion", "The version is deleted.", "Delete this version?", "Delete"),
    ("DeletePolicy", "The policy is deleted.", "Delete this policy with all its versions?", "Delete"),
];
