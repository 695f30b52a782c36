//! Names and secrets that nobody can guess, from the operating system's generator.

use rand::RngExt;
use secrecy::SecretString;
use sluice_model::{AccessKeyId, AccountId, ClientId, InstanceId, RoleId, UserGroupId, UserId};

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE36: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

fn text(alphabet: &[u8], length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
}

/// `LTAI` and 20 letters or digits. Source: facts/ram.md section 2.
#[must_use]
pub fn access_key_id() -> AccessKeyId {
    format!("LTAI{}", text(ALPHANUMERIC, 20)).parse().expect("the form is legal")
}

/// 30 letters or digits: 178 bits.
#[must_use]
pub fn access_key_secret() -> SecretString {
    text(ALPHANUMERIC, 30).into()
}

/// The public half of a temporary key: `STS.` and 20 letters or digits. Source: facts/ram.md section 2, STS.
#[must_use]
pub fn session_key_id() -> AccessKeyId {
    format!("STS.{}", text(ALPHANUMERIC, 20)).parse().expect("the form is legal")
}

/// The secret half: 44 letters or digits.
#[must_use]
pub fn session_secret() -> SecretString {
    text(ALPHANUMERIC, 44).into()
}

/// A password of 20 letters and digits.
#[must_use]
pub fn password() -> SecretString {
    text(ALPHANUMERIC, 20).into()
}

/// 16 digits.
#[must_use]
pub fn account_id() -> AccountId {
    let number = rand::rng().random_range(AccountId::MIN..=AccountId::MAX);
    AccountId::new(number).expect("drawn from the range")
}

/// 18 digits that begin with 2.
#[must_use]
pub fn user_id() -> UserId {
    let number = rand::rng().random_range(UserId::MIN..=UserId::MAX);
    UserId::new(number).expect("drawn from the range")
}

/// 18 digits that begin with 3.
#[must_use]
pub fn role_id() -> RoleId {
    let number = rand::rng().random_range(RoleId::MIN..=RoleId::MAX);
    RoleId::new(number).expect("drawn from the range")
}

/// `g-` and 16 letters or digits.
#[must_use]
pub fn user_group_id() -> UserGroupId {
    format!("g-{}", text(ALPHANUMERIC, 16)).parse().expect("the form is legal")
}

/// The client ID of a client that names itself none: `auto-` and 22 letters or digits. [MQTT-3.1.3-7]
#[must_use]
pub fn client_id() -> ClientId {
    ClientId::ungrouped(&format!("auto-{}", text(ALPHANUMERIC, 22))).expect("the form is legal")
}

/// `mqtt-cn-` and 11 of `[a-z0-9]`.
#[must_use]
pub fn instance_id() -> InstanceId {
    format!("mqtt-cn-{}", text(BASE36, 11)).parse().expect("the form is legal")
}

/// 32 random bytes as hex: a console session's token or a CSRF token.
#[must_use]
pub fn token() -> String {
    hex::encode(rand::rng().random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn generated_names_have_the_published_forms() {
        let id = access_key_id();
        assert_eq!((id.as_str().len(), &id.as_str()[..4]), (24, "LTAI"));
        assert_eq!(access_key_secret().expose_secret().len(), 30);
        assert_eq!(account_id().to_string().len(), 16);
        assert_eq!(user_id().to_string().len(), 18);
        assert_ne!(token(), token());
    }
}
