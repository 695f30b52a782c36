//! Who owns and who acts: accounts, users, principals.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{NameError, error::ascii_name, error::text_name};

/// A tenant: 16 decimal digits, the first not zero. Part of every key as a type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(u64);

impl AccountId {
    /// Smallest ID.
    pub const MIN: u64 = 1_000_000_000_000_000;
    /// Largest ID.
    pub const MAX: u64 = 9_999_999_999_999_999;

    /// From a number of 16 digits.
    ///
    /// # Errors
    /// [`NameError::Format`] for any other number.
    pub fn new(number: u64) -> Result<Self, NameError> {
        if (Self::MIN..=Self::MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(NameError::Format { what: "AccountId" })
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({})", self.0)
    }
}
impl FromStr for AccountId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NameError::Format { what: "AccountId" });
        }
        Self::new(text.parse().map_err(|_| NameError::Format { what: "AccountId" })?)
    }
}

/// A user's permanent number: 18 decimal digits; a renamed user keeps it, a new user of an old name has another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct UserId(u64);

impl UserId {
    /// Smallest ID.
    pub const MIN: u64 = 200_000_000_000_000_000;
    /// Largest ID.
    pub const MAX: u64 = 299_999_999_999_999_999;

    /// From a number of 18 digits that begins with 2.
    ///
    /// # Errors
    /// [`NameError::Format`] for any other number.
    pub fn new(number: u64) -> Result<Self, NameError> {
        if (Self::MIN..=Self::MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(NameError::Format { what: "UserId" })
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A role's permanent number: 18 decimal digits that begin with 3, so that no user has it; a new role of an old name has
/// another, so that what was given out for the old one is void.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RoleId(u64);

impl RoleId {
    /// Smallest ID.
    pub const MIN: u64 = 300_000_000_000_000_000;
    /// Largest ID.
    pub const MAX: u64 = 399_999_999_999_999_999;

    /// From a number of 18 digits that begins with 3.
    ///
    /// # Errors
    /// [`NameError::Format`] for any other number.
    pub fn new(number: u64) -> Result<Self, NameError> {
        if (Self::MIN..=Self::MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(NameError::Format { what: "RoleId" })
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RoleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who acts: the account itself, one of its RAM users or whoever assumed one of its roles. Two words, `Copy`, and the key of
/// caches and epochs. All sessions of a role are one principal: what may differ between them is in the credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Principal {
    /// The account holder.
    Account(AccountId),
    /// A RAM user of the account.
    User(AccountId, UserId),
    /// A role of the account, in one of its sessions.
    Role(AccountId, RoleId),
}

impl Principal {
    /// The tenant.
    #[must_use]
    pub fn account(self) -> AccountId {
        match self {
            Self::Account(account) | Self::User(account, _) | Self::Role(account, _) => account,
        }
    }

    /// Its ARN, as `acs:PrincipalARN` has it: `acs:ram::{account}:root`, `…:user/{name}` or `…:role/{name}`.
    #[must_use]
    pub fn arn(self, name: &str) -> String {
        match self {
            Self::Account(account) => format!("acs:ram::{account}:root"),
            Self::User(account, _) => format!("acs:ram::{account}:user/{name}"),
            Self::Role(account, _) => format!("acs:ram::{account}:role/{name}"),
        }
    }

    /// The same with its ID for a name: it is never used again, so that it names one that is gone.
    #[must_use]
    pub fn arn_by_id(self) -> String {
        match self {
            Self::Account(_) => self.arn(""),
            Self::User(_, user) => self.arn(&user.to_string()),
            Self::Role(_, role) => self.arn(&role.to_string()),
        }
    }
}

impl fmt::Display for Principal {
    /// `1234567890123456`, `1234567890123456:user/204738291000000001` or `…:role/…`; for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::User(account, user) => write!(f, "{account}:user/{user}"),
            Self::Role(account, role) => write!(f, "{account}:role/{role}"),
        }
    }
}

/// An account's alias: 3 to 63 of `[a-z0-9-]`, no hyphen at an end, none doubled. Source: facts/ram.md section 2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AccountAlias(Arc<str>);

impl AccountAlias {
    fn check(text: &str) -> Result<(), NameError> {
        let what = "AccountAlias";
        ascii_name(what, text, 3, 63, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')?;
        // An alias of 16 digits would read as another account's ID at sign-in.
        let reads_as_id = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit());
        if text.starts_with('-') || text.ends_with('-') || text.contains("--") || reads_as_id {
            return Err(NameError::Format { what });
        }
        Ok(())
    }

    /// What stands for the alias of an account that has none: its ID. No other account can take it, and it reads back as what
    /// it is by [`AccountAlias::is_set`].
    #[must_use]
    pub fn unset(account: AccountId) -> Self {
        Self(account.to_string().into())
    }

    /// Whether it is an alias that somebody chose, not the account's ID in place of one.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.parse::<AccountId>().is_err()
    }
}
text_name!(AccountAlias);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_id_has_sixteen_digits() {
        assert!("1234567890123456".parse::<AccountId>().is_ok());
        for bad in
            ["", "123456789012345", "12345678901234567", "0234567890123456", "123456789012345x", "+234567890123456"]
        {
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn alias_refuses_hyphens_at_ends_and_account_numbers() {
        assert!("my-team".parse::<AccountAlias>().is_ok_and(|alias| alias.is_set()));
        let unset = AccountAlias::unset(AccountId::new(AccountId::MIN).unwrap());
        assert!(!unset.is_set() && unset.as_str() == "1000000000000000");
        for bad in ["ab", "-ab", "ab-", "a--b", "Abc", "a_b", "1234567890123456"] {
            assert!(bad.parse::<AccountAlias>().is_err(), "{bad}");
        }
    }
}
