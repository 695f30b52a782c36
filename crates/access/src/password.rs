//! Passwords: argon2id, at most two at work at once, never on a connection's path.

use std::sync::Arc;

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hashes at work at once: each takes 19 MiB and a core for some 30 ms.
const AT_ONCE_MAX: usize = 2;

/// Strangers who may wait for theirs: with them the last one waits about a second.
const STRANGERS_MAX: usize = 64;

/// Hashes and verifies. Cloned cheaply; the clones share the limit.
#[derive(Clone, Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    /// A hash of nothing, verified when there is no user, so that the time taken tells nothing.
    nobody: Arc<str>,
}

impl Default for Passwords {
    fn default() -> Self {
        let nobody = hash_now(&crate::random::password());
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            nobody: nobody.into(),
        }
    }
}

fn hash_now(password: &SecretString) -> String {
    Argon2::default()
        .hash_password(password.expose_secret().as_bytes())
        .expect("the default parameters are legal and the salt comes from the system")
        .to_string()
}

impl Passwords {
    /// A place among those who are not known yet and whose password is to be verified; `None` when so many wait that whoever
    /// is known would wait for long too. To be held until the answer.
    #[must_use]
    pub fn admit_stranger(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.strangers).try_acquire_owned().ok()
    }

    /// The argon2id hash, in PHC form.
    ///
    /// # Panics
    /// When the runtime is shutting down.
    pub async fn hash(&self, password: SecretString) -> String {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(move || hash_now(&password)).await.expect("hashing does not panic")
    }

    /// Whether the password has this hash. With `None` the same work is done and the answer is no.
    ///
    /// # Panics
    /// When the runtime is shutting down.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> bool {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.to_string());
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        let matches = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&hash).is_ok_and(|parsed| {
                Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed).is_ok()
            })
        })
        .await
        .expect("verifying does not panic");
        known && matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_strangers_wait_and_no_more() {
        let passwords = Passwords::default();
        let mut waiting: Vec<_> = (0..STRANGERS_MAX).map(|_| passwords.admit_stranger().unwrap()).collect();
        assert!(passwords.admit_stranger().is_none());
        waiting.pop();
        assert!(passwords.admit_stranger().is_some());
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_and_nobody_never_does() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".into()).await;
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await);
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await);
        assert!(!passwords.verify("correct horse".into(), None).await);
        assert!(!passwords.verify("x".into(), Some("damaged".into())).await);
    }
}
