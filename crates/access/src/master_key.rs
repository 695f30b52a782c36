//! Secrets at rest: AES-256-GCM under the operator's master key.
//!
//! A sealed text is the mark of its key, `v2.` and 8 hex digits and a dot, and the base64 of nonce (12 bytes), ciphertext and
//! tag. Texts from before keys had marks begin with `v1.` and are tried under each key held. The name of what a text belongs to
//! is authenticated with it, so that a row's secret moved to another row does not open.
//!
//! While the key is changed, two are held: the one of before opens what is not sealed anew yet. `rotation.rs` has the order.

use std::sync::Arc;

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 12;
/// What texts without a mark begin with.
const UNMARKED: &str = "v1.";
/// Bytes of a key's digest that are its mark.
const MARK_BYTES: usize = 4;

/// Why a master key or a sealed secret was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// Not 32 bytes as 64 hex digits, or more than two of them.
    #[error("the master key must be 64 hex digits, or two of these while it is changed, each on a line")]
    KeyForm,
    /// Does not open: another master key, another row, or a flipped bit.
    #[error("a stored secret does not open under this master key")]
    DoesNotOpen,
}

struct Key {
    cipher: Aes256Gcm,
    mark: String,
}

impl Key {
    fn from_hex(text: &str) -> Result<Arc<Self>, SealError> {
        let bytes = Zeroizing::new(hex::decode(text).map_err(|_| SealError::KeyForm)?);
        let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| SealError::KeyForm)?;
        // Of 256 random bits nothing can be guessed from four bytes of a digest.
        let digest = Sha256::new_with_prefix("sluice master key").chain_update(&*bytes).finalize();
        Ok(Arc::new(Self { cipher, mark: format!("v2.{}.", hex::encode(&digest[..MARK_BYTES])) }))
    }

    fn open(&self, of: &str, text: &str) -> Result<SecretString, SealError> {
        let bytes = STANDARD.decode(text).map_err(|_| SealError::DoesNotOpen)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(SealError::DoesNotOpen)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| SealError::DoesNotOpen)?;
        let payload = Payload { msg: ciphertext, aad: of.as_bytes() };
        let opened = self.cipher.decrypt(&nonce.into(), payload).map_err(|_| SealError::DoesNotOpen)?;
        let text = String::from_utf8(opened).map_err(|_| SealError::DoesNotOpen)?;
        Ok(text.into())
    }
}

/// The key that seals secrets, and while it is changed the one of before or the one to come. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct MasterKey {
    /// Seals and opens.
    in_use: Arc<Key>,
    /// Opens only.
    other: Option<Arc<Key>>,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    /// From 64 hex digits; blanks around them are ignored. A second key, on a line of its own, opens only.
    ///
    /// # Errors
    /// [`SealError::KeyForm`].
    pub fn from_hex(text: &SecretString) -> Result<Self, SealError> {
        let mut keys = text.expose_secret().split_whitespace().map(Key::from_hex);
        let in_use = keys.next().ok_or(SealError::KeyForm)??;
        let other = keys.next().transpose()?;
        if keys.next().is_some() { Err(SealError::KeyForm) } else { Ok(Self { in_use, other }) }
    }

    /// A new key as 64 hex digits.
    #[must_use]
    pub fn generate_hex() -> SecretString {
        hex::encode(*Zeroizing::new(rand::rng().random::<[u8; 32]>())).into()
    }

    /// What texts sealed from now on begin with; it tells nothing of the key.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.in_use.mark
    }

    /// The same keys, with the one of this mark in use; `None` when it is not held.
    #[must_use]
    pub fn using(&self, mark: &str) -> Option<Self> {
        if self.in_use.mark == mark {
            return Some(self.clone());
        }
        let other = self.other.as_ref().filter(|other| other.mark == mark)?;
        Some(Self { in_use: Arc::clone(other), other: Some(Arc::clone(&self.in_use)) })
    }

    /// The key in use alone: what the other one sealed does not open any more.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { in_use: Arc::clone(&self.in_use), other: None }
    }

    /// Seals `secret` for the row named `of`.
    ///
    /// # Panics
    /// Never: AES-GCM fails only on texts of 64 GiB.
    #[must_use]
    pub fn seal(&self, of: &str, secret: &SecretString) -> String {
        let nonce: [u8; NONCE_BYTES] = rand::rng().random();
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: of.as_bytes() };
        let sealed = self.in_use.cipher.encrypt(&nonce.into(), payload).expect("a secret is shorter than 64 GiB");
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        format!("{}{}", self.in_use.mark, STANDARD.encode(bytes))
    }

    /// Opens what [`seal`](Self::seal) made for the same row under a key that is held.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`].
    pub fn open(&self, of: &str, sealed: &str) -> Result<SecretString, SealError> {
        let mut held = [Some(&self.in_use), self.other.as_ref()].into_iter().flatten();
        if let Some(text) = sealed.strip_prefix(UNMARKED) {
            return held.find_map(|key| key.open(of, text).ok()).ok_or(SealError::DoesNotOpen);
        }
        let marked = held.find_map(|key| Some((key, sealed.strip_prefix(key.mark.as_str())?)));
        let (key, text) = marked.ok_or(SealError::DoesNotOpen)?;
        key.open(of, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> SecretString {
        MasterKey::generate_hex()
    }

    fn both(first: &SecretString, second: &SecretString) -> MasterKey {
        let text = format!("{}\n{}\n", first.expose_secret(), second.expose_secret());
        MasterKey::from_hex(&text.into()).unwrap()
    }

    #[test]
    fn a_secret_opens_for_its_own_row_and_key_alone() {
        let key = MasterKey::from_hex(&fresh()).unwrap();
        let sealed = key.seal("LTAI1", &"secret".into());
        assert_eq!(key.open("LTAI1", &sealed).unwrap().expose_secret(), "secret");
        assert!(!sealed.contains("secret"));
        assert!(key.open("LTAI2", &sealed).is_err());
        let other = MasterKey::from_hex(&fresh()).unwrap();
        assert!(other.open("LTAI1", &sealed).is_err());
        for damaged in ["v1.AAAA", "v2.AAAA", "", key.mark()] {
            assert!(key.open("LTAI1", damaged).is_err(), "{damaged}");
        }
        for wrong in ["abc", "", " \n"] {
            assert!(MasterKey::from_hex(&wrong.into()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_two_keys_one_seals_and_both_open() {
        let (new, old) = (fresh(), fresh());
        let [new_alone, old_alone] = [&new, &old].map(|key| MasterKey::from_hex(key).unwrap());
        let held = both(&new, &old);
        let of_before = old_alone.seal("row", &"secret".into());
        assert_eq!(held.open("row", &of_before).unwrap().expose_secret(), "secret");
        let sealed = held.seal("row", &"secret".into());
        assert!(sealed.starts_with(new_alone.mark()) && old_alone.open("row", &sealed).is_err());
        let back = held.using(old_alone.mark()).unwrap();
        assert!(back.seal("row", &"secret".into()).starts_with(old_alone.mark()) && back.open("row", &sealed).is_ok());
        assert!(held.alone().open("row", &of_before).is_err());
        assert!(new_alone.using(old_alone.mark()).is_none());
        let third = format!("{0} {0} {0}", new.expose_secret());
        assert_eq!(MasterKey::from_hex(&third.into()).unwrap_err(), SealError::KeyForm);
    }

    #[test]
    fn texts_from_before_marks_open_under_any_key_that_is_held() {
        let (new, old) = (fresh(), fresh());
        let old_alone = MasterKey::from_hex(&old).unwrap();
        let sealed = old_alone.seal("row", &"secret".into()).replace(old_alone.mark(), UNMARKED);
        for key in [&old_alone, &both(&new, &old), &both(&old, &new)] {
            assert_eq!(key.open("row", &sealed).unwrap().expose_secret(), "secret");
        }
        assert!(MasterKey::from_hex(&new).unwrap().open("row", &sealed).is_err());
    }
}
