//! RAM's names: users, groups, roles, keys, policies.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{
    NameError,
    error::{ascii_name, text_name},
};

/// A RAM user's name: 1 to 64 of `[A-Za-z0-9._-]`. Source: facts/ram.md section 2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct UserName(Arc<str>);

impl UserName {
    fn check(text: &str) -> Result<(), NameError> {
        ascii_name("UserName", text, 1, 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    }
}
text_name!(UserName);

/// A RAM user group's name: 1 to 64 of `[A-Za-z0-9._-]`. Source: facts/ram.md sections 2 and 8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct UserGroupName(Arc<str>);

impl UserGroupName {
    fn check(text: &str) -> Result<(), NameError> {
        ascii_name("GroupName", text, 1, 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    }
}
text_name!(UserGroupName);

/// A RAM user group's permanent ID: `g-` and 16 letters or digits; a renamed group keeps it. Source: facts/ram.md section 2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct UserGroupId(Arc<str>);

impl UserGroupId {
    fn check(text: &str) -> Result<(), NameError> {
        let what = "GroupId";
        ascii_name(what, text, 18, 18, |b| b.is_ascii_alphanumeric() || b == b'-')?;
        let rest = text.strip_prefix("g-").ok_or(NameError::Format { what })?;
        if rest.contains('-') { Err(NameError::Format { what }) } else { Ok(()) }
    }
}
text_name!(UserGroupId);

/// A role's name: 1 to 64 of `[A-Za-z0-9.-]`. One that is linked to a cloud service may have a suffix of these after one `_`.
/// Sources: facts/ram.md section 2; the vendor's SDK, CreateServiceLinkedRole.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// How names of roles that are linked to cloud services begin.
    const LINKED_PREFIX: &str = "AliyunServiceRoleFor";

    /// Whether it is of the form of roles that are linked to cloud services.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.0.starts_with(Self::LINKED_PREFIX)
    }

    fn check(text: &str) -> Result<(), NameError> {
        let (what, legal) = ("RoleName", |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        match text.split_once('_').filter(|_| text.len() <= 64 && text.starts_with(Self::LINKED_PREFIX)) {
            None => ascii_name(what, text, 1, 64, legal),
            Some((service, suffix)) => {
                ascii_name(what, service, 1, 64, legal)?;
                ascii_name(what, suffix, 1, 64, legal)
            }
        }
    }
}
text_name!(RoleName);

/// A virtual MFA device's name: 1 to 64 of `[A-Za-z0-9.-]`. Source: facts/ram.md section 2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MfaDeviceName(Arc<str>);

impl MfaDeviceName {
    fn check(text: &str) -> Result<(), NameError> {
        ascii_name("VirtualMFADeviceName", text, 1, 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
    }
}
text_name!(MfaDeviceName);

/// A role session's name: 2 to 64 of `[A-Za-z0-9.@_-]`. Source: facts/ram.md section 2, STS.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RoleSessionName(Arc<str>);

impl RoleSessionName {
    fn check(text: &str) -> Result<(), NameError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'@' | b'_' | b'-');
        ascii_name("RoleSessionName", text, 2, 64, legal)
    }
}
text_name!(RoleSessionName);

/// An identity provider's name: 1 to 128 of `[A-Za-z0-9._-]`, none of `._-` at an end. Source: the vendor's SDK of IMS 2019-08-15.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ProviderName(Arc<str>);

impl ProviderName {
    fn check(text: &str) -> Result<(), NameError> {
        let what = "ProviderName";
        ascii_name(what, text, 1, 128, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))?;
        let sign = |c: char| matches!(c, '.' | '_' | '-');
        if text.starts_with(sign) || text.ends_with(sign) { Err(NameError::Format { what }) } else { Ok(()) }
    }
}
text_name!(ProviderName);

/// An AccessKey's public half. Ours are `LTAI` and 20 letters or digits; what an operator sets on first start may be
/// any 8 to 128 of `[A-Za-z0-9._-]`, so that a test environment can keep the key it has.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AccessKeyId(Arc<str>);

impl AccessKeyId {
    fn check(text: &str) -> Result<(), NameError> {
        ascii_name("AccessKeyId", text, 8, 128, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    }
}
text_name!(AccessKeyId);

/// A policy's name: 1 to 128 of `[A-Za-z0-9-]`. Source: facts/ram.md section 2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PolicyName(Arc<str>);

impl PolicyName {
    fn check(text: &str) -> Result<(), NameError> {
        ascii_name("PolicyName", text, 1, 128, |b| b.is_ascii_alphanumeric() || b == b'-')
    }
}
text_name!(PolicyName);

/// A tag's key: 1 to 128 characters, without control characters. Source: facts/ram.md section 3.2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TagKey(Arc<str>);

impl TagKey {
    fn check(text: &str) -> Result<(), NameError> {
        tag_text("Key", text, 1, 128)
    }
}
text_name!(TagKey);

/// A tag's value: up to 256 characters, without control characters. Source: facts/ram.md section 3.2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TagValue(Arc<str>);

impl TagValue {
    fn check(text: &str) -> Result<(), NameError> {
        tag_text("Value", text, 0, 256)
    }
}
text_name!(TagValue);

fn tag_text(what: &'static str, text: &str, least: usize, most: usize) -> Result<(), NameError> {
    let characters = text.chars().count();
    if characters < least || characters > most {
        return Err(NameError::Length { what, least, most, unit: "characters" });
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::InvalidChars { what });
    }
    Ok(())
}

/// A tag of a policy or role.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Tag {
    /// Once an entity; compared with case.
    pub key: TagKey,
    /// May be empty.
    pub value: TagValue,
}

/// Whose policy it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PolicyType {
    /// Comes with the service; no account can change it.
    System,
    /// The account's own.
    Custom,
}

impl PolicyType {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::Custom => "Custom",
        }
    }
}

impl FromStr for PolicyType {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "System" => Ok(Self::System),
            "Custom" => Ok(Self::Custom),
            _ => Err(NameError::Format { what: "PolicyType" }),
        }
    }
}

/// A policy's version, `v1` and up; a number is never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PolicyVersion(pub u32);

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl FromStr for PolicyVersion {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = NameError::Format { what: "VersionId" };
        let digits = text.strip_prefix('v').ok_or(wrong)?;
        if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong);
        }
        digits.parse().map(Self).map_err(|_| wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_after_an_underscore_is_for_roles_of_services_alone() {
        let code = |text: &str| text.parse::<RoleName>().map(|name| name.is_linked());
        let (what, length) =
            ("RoleName", |least| NameError::Length { what: "RoleName", least, most: 64, unit: "characters" });
        assert_eq!(code("a.b-1"), Ok(false));
        assert_eq!(code("AliyunServiceRoleForX"), Ok(true));
        assert_eq!(code("AliyunServiceRoleForX_a.b-1"), Ok(true));
        for bad in [
            "a_b",
            "aliyunServiceRoleForX_a",
            "AliyunServiceRoleForX_a_b",
            "AliyunServiceRoleForX__a",
            "AliyunServiceRoleFor X_a",
        ] {
            assert_eq!(code(bad), Err(NameError::InvalidChars { what }), "{bad}");
        }
        assert_eq!(code("AliyunServiceRoleForX_"), Err(length(1)));
        assert_eq!(code(&format!("AliyunServiceRoleForX_{}", "a".repeat(42))), Ok(true));
        assert_eq!(code(&format!("AliyunServiceRoleForX_{}", "a".repeat(43))), Err(length(1)));
    }
}
