//! What a write changed of what rooms above keep in memory: their word for it, and the text of it in the table `changes`.
//!
//! Where several processes share a database, each write says with what it commits whom it touches, so that the others read
//! that again and nothing else. A write that says nothing would leave them with what was: so [`Write::commit`] takes it.
//!
//! [`Write::commit`]: crate::write::Write::commit

use std::fmt;

use sluice_model::{AccountId, GroupId, InstanceId, PolicyName, Principal, RoleId, UserGroupId, UserId};

/// What was written to the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// A user, role or the account: its row, keys, sign-in, groups or attachments.
    Principal(Principal),
    /// A user group: its members, or what is attached to it.
    UserGroup(AccountId, UserGroupId),
    /// A custom policy's version in force or its existence.
    Policy(AccountId, PolicyName),
    /// A whole account, created or changed.
    Account(AccountId),
    /// What an account lets its users do for themselves, and how they sign in.
    Preference(AccountId),
    /// From where an account's AccessKeys may be used that have no list of their own.
    AccountKeyPolicy(AccountId),
    /// An instance, created, changed or deleted.
    Instance(AccountId, InstanceId),
    /// A parent topic, created or deleted.
    Topic(AccountId, InstanceId),
    /// A group, created or deleted.
    Group(AccountId, InstanceId, GroupId),
}

impl Change {
    /// The tenant whose change it is.
    #[must_use]
    pub fn account(&self) -> AccountId {
        match self {
            Self::Principal(principal) => principal.account(),
            Self::UserGroup(account, _)
            | Self::Policy(account, _)
            | Self::Account(account)
            | Self::Preference(account)
            | Self::AccountKeyPolicy(account)
            | Self::Instance(account, _)
            | Self::Topic(account, _)
            | Self::Group(account, ..) => *account,
        }
    }

    /// The change in words, without its account. No name has a space in it.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Principal(Principal::Account(_)) => "owner".to_owned(),
            Self::Principal(Principal::User(_, user)) => format!("user {user}"),
            Self::Principal(Principal::Role(_, role)) => format!("role {role}"),
            Self::UserGroup(_, group) => format!("user-group {group}"),
            Self::Policy(_, name) => format!("policy {name}"),
            Self::Account(_) => "account".to_owned(),
            Self::Preference(_) => "preference".to_owned(),
            Self::AccountKeyPolicy(_) => "account-key-policy".to_owned(),
            Self::Instance(_, instance) => format!("instance {instance}"),
            Self::Topic(_, instance) => format!("topic {instance}"),
            Self::Group(_, instance, group) => format!("group {instance} {group}"),
        }
    }

    /// What the words say. Those that this program does not know are a newer one's: then the whole account is read again.
    pub(crate) fn of_words(account: AccountId, words: &str) -> Self {
        let mut parts = words.split(' ');
        let known = match (parts.next().unwrap_or_default(), parts.next(), parts.next(), parts.next()) {
            ("owner", None, ..) => Some(Self::Principal(Principal::Account(account))),
            ("preference", None, ..) => Some(Self::Preference(account)),
            ("account-key-policy", None, ..) => Some(Self::AccountKeyPolicy(account)),
            ("user", Some(user), None, _) => {
                let user = user.parse().ok().and_then(|number| UserId::new(number).ok());
                user.map(|user| Self::Principal(Principal::User(account, user)))
            }
            ("role", Some(role), None, _) => {
                let role = role.parse().ok().and_then(|number| RoleId::new(number).ok());
                role.map(|role| Self::Principal(Principal::Role(account, role)))
            }
            ("user-group", Some(group), None, _) => group.parse().ok().map(|group| Self::UserGroup(account, group)),
            ("policy", Some(name), None, _) => name.parse().ok().map(|name| Self::Policy(account, name)),
            ("instance", Some(instance), None, _) => instance.parse().ok().map(|one| Self::Instance(account, one)),
            ("topic", Some(instance), None, _) => instance.parse().ok().map(|one| Self::Topic(account, one)),
            ("group", Some(instance), Some(group), None) => match (instance.parse(), group.parse()) {
                (Ok(instance), Ok(group)) => Some(Self::Group(account, instance, group)),
                _ => None,
            },
            _ => None,
        };
        known.unwrap_or(Self::Account(account))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of account {}", self.words(), self.account())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_read_as_it_was_written() {
        let account = AccountId::new(1_234_567_890_123_456).unwrap();
        let instance: InstanceId = "mqtt-cn-a".parse().unwrap();
        for change in [
            Change::Principal(Principal::Account(account)),
            Change::Principal(Principal::User(account, UserId::new(UserId::MIN).unwrap())),
            Change::Principal(Principal::Role(account, RoleId::new(RoleId::MIN).unwrap())),
            Change::UserGroup(account, "g-0123456789abcdef".parse().unwrap()),
            Change::Policy(account, "my-policy".parse().unwrap()),
            Change::Account(account),
            Change::Preference(account),
            Change::AccountKeyPolicy(account),
            Change::Instance(account, instance.clone()),
            Change::Topic(account, instance.clone()),
            Change::Group(account, instance, "GID_alpha".parse().unwrap()),
        ] {
            assert_eq!(Change::of_words(account, &change.words()), change);
        }
    }

    #[test]
    fn what_a_newer_program_changed_has_the_whole_account_read() {
        let account = AccountId::new(1_234_567_890_123_456).unwrap();
        for words in ["", "moon", "user", "user x", "policy a b", "group mqtt-cn-a", "account of many words"] {
            assert_eq!(Change::of_words(account, words), Change::Account(account), "{words}");
        }
    }
}
