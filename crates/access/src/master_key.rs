//! Secrets at rest: AES-256-GCM under the operator's master key.
//!
//! A sealed text is `v1.` and the base64 of nonce (12 bytes), ciphertext and tag. The name of what it belongs to is
//! authenticated with it, so that a row's secret moved to another row does not open.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 12;
const FORM: &str = "v1.";

/// Why a master key or a sealed secret was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// Not 32 bytes as 64 hex digits.
    #[error("the master key must be 64 hex digits")]
    KeyForm,
    /// Does not open: another master key, another row, or a flipped bit.
    #[error("a stored secret does not open under this master key")]
    DoesNotOpen,
}

/// The key that seals AccessKey secrets. Its `Debug` shows nothing.
pub struct MasterKey(Aes256Gcm);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    /// From 64 hex digits; blanks around them are ignored.
    ///
    /// # Errors
    /// [`SealError::KeyForm`].
    pub fn from_hex(text: &SecretString) -> Result<Self, SealError> {
        let bytes = Zeroizing::new(hex::decode(text.expose_secret().trim()).map_err(|_| SealError::KeyForm)?);
        Aes256Gcm::new_from_slice(&bytes).map(Self).map_err(|_| SealError::KeyForm)
    }

    /// A new key as 64 hex digits.
    #[must_use]
    pub fn generate_hex() -> SecretString {
        hex::encode(*Zeroizing::new(rand::rng().random::<[u8; 32]>())).into()
    }

    /// Seals `secret` for the row named `of`.
    ///
    /// # Panics
    /// Never: AES-GCM fails only on texts of 64 GiB.
    #[must_use]
    pub fn seal(&self, of: &str, secret: &SecretString) -> String {
        let nonce: [u8; NONCE_BYTES] = rand::rng().random();
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: of.as_bytes() };
        let sealed = self.0.encrypt(&nonce.into(), payload).expect("a secret is shorter than 64 GiB");
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        format!("{FORM}{}", STANDARD.encode(bytes))
    }

    /// Opens what [`seal`](Self::seal) made for the same row.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`].
    pub fn open(&self, of: &str, sealed: &str) -> Result<SecretString, SealError> {
        let text = sealed.strip_prefix(FORM).ok_or(SealError::DoesNotOpen)?;
        let bytes = STANDARD.decode(text).map_err(|_| SealError::DoesNotOpen)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(SealError::DoesNotOpen)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| SealError::DoesNotOpen)?;
        let payload = Payload { msg: ciphertext, aad: of.as_bytes() };
        let opened = self.0.decrypt(&nonce.into(), payload).map_err(|_| SealError::DoesNotOpen)?;
        let text = String::from_utf8(opened).map_err(|_| SealError::DoesNotOpen)?;
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_own_row_and_key_alone() {
        let key = MasterKey::from_hex(&MasterKey::generate_hex()).unwrap();
        let sealed = key.seal("LTAI1", &"secret".into());
        assert_eq!(key.open("LTAI1", &sealed).unwrap().expose_secret(), "secret");
        assert!(!sealed.contains("secret"));
        assert!(key.open("LTAI2", &sealed).is_err());
        let other = MasterKey::from_hex(&MasterKey::generate_hex()).unwrap();
        assert!(other.open("LTAI1", &sealed).is_err());
        assert!(key.open("LTAI1", "v1.AAAA").is_err());
        assert!(MasterKey::from_hex(&"abc".into()).is_err());
    }
}
