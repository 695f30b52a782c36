//! What an account demands of passwords and of sign-in to the console. Source: facts/ram.md section 2.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use ipnet::IpNet;

use crate::NameError;

/// What passwords of RAM users must be, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordPolicy {
    /// Fewest characters, 8 to 32.
    pub characters_min: u32,
    /// Whether a lower-case letter is needed.
    pub lower_case: bool,
    /// Whether an upper-case letter is needed.
    pub upper_case: bool,
    /// Whether a digit is needed.
    pub numbers: bool,
    /// Whether a character is needed that is neither letter nor digit.
    pub symbols: bool,
    /// Whether an expired password lets nobody in, where else it must be changed first.
    pub hard_expiry: bool,
    /// Days after which a password expires, 0 to 1,095; 0 is never.
    pub age_days_max: u32,
    /// How many passwords back none may be used again, 0 to 24.
    pub reuse_prevention: u32,
    /// Wrong passwords in a row that lock a sign-in for an hour, 0 to 32; 0 leaves it to the server.
    pub login_attempts_max: u32,
}

impl PasswordPolicy {
    /// Most characters of any password.
    pub const CHARACTERS_MAX: usize = 32;
    /// Most passwords that are remembered.
    pub const REUSE_PREVENTION_MAX: u32 = 24;

    /// Whether a new password is as it must be. Characters count, not bytes.
    #[must_use]
    pub fn allows(&self, password: &str) -> bool {
        let least = usize::try_from(self.characters_min).unwrap_or(usize::MAX);
        let has = |demanded: bool, class: fn(char) -> bool| !demanded || password.chars().any(class);
        (least..=Self::CHARACTERS_MAX).contains(&password.chars().count())
            && has(self.lower_case, char::is_lowercase)
            && has(self.upper_case, char::is_uppercase)
            && has(self.numbers, |c| c.is_ascii_digit())
            && has(self.symbols, |c| !c.is_alphanumeric())
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            characters_min: 8,
            lower_case: false,
            upper_case: false,
            numbers: false,
            symbols: false,
            hard_expiry: false,
            age_days_max: 0,
            reuse_prevention: 0,
            login_attempts_max: 0,
        }
    }
}

impl fmt::Display for PasswordPolicy {
    /// `8 to 32 characters, with a lower-case letter and a digit`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} characters", self.characters_min, Self::CHARACTERS_MAX)?;
        let classes = [
            (self.lower_case, "a lower-case letter"),
            (self.upper_case, "an upper-case letter"),
            (self.numbers, "a digit"),
            (self.symbols, "a symbol"),
        ];
        let demanded: Vec<&str> = classes.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        match demanded.split_last() {
            None => Ok(()),
            Some((last, [])) => write!(f, ", with {last}"),
            Some((last, others)) => write!(f, ", with {} and {last}", others.join(", ")),
        }
    }
}

/// Addresses from which RAM users may sign in to the console: none listed is anywhere.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NetworkMasks {
    text: Arc<str>,
    masks: Arc<[IpNet]>,
}

impl NetworkMasks {
    /// Most masks.
    pub const MASKS_MAX: usize = 40;
    /// Most characters of all together.
    pub const CHARACTERS_MAX: usize = 512;

    /// As they were given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an address is inside, or none is listed.
    #[must_use]
    pub fn admit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.masks.is_empty() || self.masks.iter().any(|mask| mask.contains(&address))
    }
}

impl FromStr for NetworkMasks {
    type Err = NameError;

    /// Addresses or networks, `10.0.0.0/8;192.0.2.1`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let what = "LoginNetworkMasks";
        if text.len() > Self::CHARACTERS_MAX {
            return Err(NameError::Length { what, least: 0, most: Self::CHARACTERS_MAX, unit: "characters" });
        }
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        let mask = |part: &str| part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
        let masks: Vec<IpNet> = parts.map(mask).collect::<Result<_, _>>().map_err(|_| NameError::Format { what })?;
        if masks.len() > Self::MASKS_MAX {
            return Err(NameError::Length { what, least: 0, most: Self::MASKS_MAX, unit: "masks" });
        }
        Ok(Self { text: text.into(), masks: masks.into() })
    }
}

/// What RAM users may do for themselves, and how they sign in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecurityPreference {
    /// Whether a machine may be remembered for 7 days, so that no code is asked there.
    pub save_mfa_ticket: bool,
    /// Whether users may change their own password.
    pub users_change_password: bool,
    /// Whether users may manage their own AccessKeys.
    pub users_manage_access_keys: bool,
    /// Whether users may manage their own MFA device.
    pub users_manage_mfa_devices: bool,
    /// Whether users may manage their own public keys; kept, there are none here.
    pub users_manage_public_keys: bool,
    /// Hours that a console session lasts, 1 to 24.
    pub session_hours: u32,
    /// From where users sign in.
    pub masks: NetworkMasks,
}

impl Default for SecurityPreference {
    fn default() -> Self {
        Self {
            save_mfa_ticket: false,
            users_change_password: true,
            users_manage_access_keys: false,
            users_manage_mfa_devices: true,
            users_manage_public_keys: false,
            session_hours: 6,
            masks: NetworkMasks::default(),
        }
    }
}

/// Both, of one account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SignInSettings {
    /// Of passwords.
    pub password: PasswordPolicy,
    /// Of sign-in and self-service.
    pub preference: SecurityPreference,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_the_length_and_the_classes_that_are_demanded() {
        let plain = PasswordPolicy::default();
        assert!(plain.allows("12345678") && plain.allows(&"x".repeat(32)) && plain.allows("ééééüüüü"));
        assert!(!plain.allows("1234567") && !plain.allows(&"x".repeat(33)));
        let strict = PasswordPolicy {
            characters_min: 10,
            lower_case: true,
            upper_case: true,
            numbers: true,
            symbols: true,
            ..plain
        };
        assert!(strict.allows("aB3$efghij"));
        for weak in ["aB3$efghi", "AB3$EFGHIJ", "ab3$efghij", "aBc$efghij", "aB3defghij"] {
            assert!(!strict.allows(weak), "{weak}");
        }
        assert_eq!(plain.to_string(), "8 to 32 characters");
        assert_eq!(
            strict.to_string(),
            "10 to 32 characters, with a lower-case letter, an upper-case letter, a digit and a symbol"
        );
    }

    #[test]
    fn masks_admit_what_is_inside_and_none_admits_all() {
        let masks: NetworkMasks = "10.0.0.0/8; 192.0.2.1;2001:db8::/32;".parse().unwrap();
        for inside in ["10.1.2.3", "192.0.2.1", "::ffff:10.1.2.3", "2001:db8::1"] {
            assert!(masks.admit(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.1.2.3", "192.0.2.2", "2001:db9::1"] {
            assert!(!masks.admit(outside.parse().unwrap()), "{outside}");
        }
        assert!("".parse::<NetworkMasks>().unwrap().admit("192.0.2.9".parse().unwrap()));
        for bad in ["10.0.0.0/33", "somewhere", "10.0.0.0,10.0.0.1", &"10.0.0.1;".repeat(41), &" ".repeat(513)] {
            assert!(bad.parse::<NetworkMasks>().is_err(), "{bad}");
        }
        assert!("10.0.0.1;".repeat(40).parse::<NetworkMasks>().is_ok());
    }
}
