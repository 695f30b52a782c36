//! Passwords: argon2id, at most two at work at once, never on a connection's path.
//!
//! Whoever has one hashed is let in first ([`Passwords::admit`], [`Passwords::admit_stranger`]), which bounds how many wait; an
//! [`Admitted`] alone hashes and verifies. Its turns come in the lane of its account or network (`fair_turns`), so that however
//! many one account has at work, another's sign-in waits for one of them.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use ahash::AHashMap;
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use sluice_model::{AccountId, Principal};

use crate::{
    fair_room::FairRoom,
    fair_turns::{Lane, Turns},
};

/// Hashes at work at once: each takes 19 MiB and a core for some 30 ms.
const AT_ONCE_MAX: usize = 2;
/// Who may be admitted at once of all accounts: half of it is one account's at the most, a third one user's.
const KNOWN_MAX: usize = 128;
/// Strangers who may be admitted at once: half of it from one network, so that its last one waits about a second.
const STRANGERS_MAX: usize = 128;

/// Admits who has passwords hashed and verified. Cloned cheaply; the clones share the limits.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    turns: Arc<Turns>,
    rooms: Mutex<Rooms>,
    /// A hash of nothing, verified when there is no user, so that the time taken tells nothing.
    nobody: Box<str>,
}

#[derive(Debug)]
struct Rooms {
    accounts: FairRoom<AccountId>,
    /// How many of its account's places each has.
    users: AHashMap<Principal, usize>,
    networks: FairRoom<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Operator,
    Known(Principal),
    Stranger(IpAddr),
}

/// A place among those who may have passwords hashed. To be held until the answer: one that is let in gets all the hashes that
/// it takes.
#[derive(Debug)]
pub struct Admitted {
    shared: Arc<Shared>,
    who: Who,
}

impl Default for Passwords {
    fn default() -> Self {
        let rooms = Rooms {
            accounts: FairRoom::new(KNOWN_MAX),
            users: AHashMap::default(),
            networks: FairRoom::new(STRANGERS_MAX),
        };
        let nobody = hash_now(&crate::random::password()).into();
        Self(Arc::new(Shared { turns: Turns::new(AT_ONCE_MAX), rooms: Mutex::new(rooms), nobody }))
    }
}

fn hash_now(password: &SecretString) -> String {
    Argon2::default()
        .hash_password(password.expose_secret().as_bytes())
        .expect("the default parameters are legal and the salt comes from the system")
        .to_string()
}

/// What one subscriber owns whole: an IPv4 address, or an IPv6 network of 64 bits.
fn network_of(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
        addr => addr,
    }
}

impl Rooms {
    fn take(&mut self, who: Who) -> bool {
        match who {
            Who::Operator => true,
            Who::Stranger(network) => self.networks.take(network),
            Who::Known(principal) => {
                let account = principal.account();
                let held = self.users.get(&principal).copied().unwrap_or_default();
                // The same rule again: less than what is left to its account.
                let is_let_in = held < self.accounts.left_to(account) && self.accounts.take(account);
                if is_let_in {
                    self.users.insert(principal, held + 1);
                }
                is_let_in
            }
        }
    }

    fn leave(&mut self, who: Who) {
        match who {
            Who::Operator => {}
            Who::Stranger(network) => self.networks.leave(network),
            Who::Known(principal) => {
                self.accounts.leave(principal.account());
                if let Some(held) = self.users.get_mut(&principal) {
                    *held -= 1;
                    if *held == 0 {
                        self.users.remove(&principal);
                    }
                }
            }
        }
    }
}

impl Passwords {
    fn admitted(&self, who: Who) -> Option<Admitted> {
        self.0.rooms.lock().take(who).then(|| Admitted { shared: Arc::clone(&self.0), who })
    }

    /// A place for whoever has proved who it is; `None` while it has, or its account has, as many as it may.
    #[must_use]
    pub fn admit(&self, principal: Principal) -> Option<Admitted> {
        self.admitted(Who::Known(principal))
    }

    /// A place for whoever is not known yet, by where it comes from; `None` while as many wait from there as may.
    #[must_use]
    pub fn admit_stranger(&self, addr: IpAddr) -> Option<Admitted> {
        self.admitted(Who::Stranger(network_of(addr)))
    }

    /// The argon2id hash, in PHC form, for operators' commands, which come one at a time. For whoever comes through a door,
    /// [`Admitted::hash`].
    ///
    /// # Panics
    /// When the runtime is shutting down.
    pub async fn hash(&self, password: SecretString) -> String {
        Admitted { shared: Arc::clone(&self.0), who: Who::Operator }.hash(password).await
    }
}

impl Admitted {
    fn lane(&self) -> Lane {
        match self.who {
            Who::Operator => Lane::Operator,
            Who::Known(principal) => Lane::Account(principal.account()),
            Who::Stranger(network) => Lane::Network(network),
        }
    }

    /// Does it when the turn comes, and holds the turn until it is done.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let turn = self.shared.turns.take(self.lane()).await;
        let work = move || {
            let done = work();
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(work).await.expect("hashing and verifying do not panic")
    }

    /// The argon2id hash, in PHC form.
    ///
    /// # Panics
    /// When the runtime is shutting down.
    pub async fn hash(&self, password: SecretString) -> String {
        self.work(move || hash_now(&password)).await
    }

    /// Whether the password has this hash. With `None` the same work is done and the answer is no.
    ///
    /// # Panics
    /// When the runtime is shutting down.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> bool {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.shared.nobody.to_string());
        let verify = move || {
            PasswordHash::new(&hash).is_ok_and(|parsed| {
                Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed).is_ok()
            })
        };
        self.work(verify).await && known
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.shared.rooms.lock().leave(self.who);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn user(account: u64, n: u64) -> Principal {
        let account = AccountId::new(AccountId::MIN + account).unwrap();
        Principal::User(account, sluice_model::UserId::new(sluice_model::UserId::MIN + n).unwrap())
    }

    fn all<T>(admit: impl Fn() -> Option<T>) -> Vec<T> {
        std::iter::from_fn(admit).collect()
    }

    #[tokio::test]
    async fn so_many_strangers_wait_and_no_more_and_no_network_keeps_another_out() {
        let passwords = Passwords::default();
        let from = |text: &str| passwords.admit_stranger(text.parse().unwrap());
        let mut waiting = all(|| from("192.0.2.1"));
        assert_eq!(waiting.len(), STRANGERS_MAX / 2);
        assert!(from("::ffff:192.0.2.1").is_none() && from("192.0.2.2").is_some());
        let others = all(|| from("2001:db8::1"));
        assert!(from("2001:db8::2:0:0:1").is_none() && from("2001:db8:0:1::1").is_some());
        drop(others);
        waiting.pop();
        assert!(from("192.0.2.1").is_some());
    }

    #[tokio::test]
    async fn no_account_and_no_user_keeps_another_out() {
        let passwords = Passwords::default();
        let of_one = all(|| passwords.admit(user(1, 1)));
        assert!((KNOWN_MAX / 4..=KNOWN_MAX / 3 + 1).contains(&of_one.len()), "{}", of_one.len());
        let of_two = all(|| passwords.admit(user(1, 2)));
        assert!(!of_two.is_empty() && of_one.len() + of_two.len() < KNOWN_MAX / 2);
        assert!(all(|| passwords.admit(user(2, 3))).len() >= KNOWN_MAX / 8);
        // Strangers have a room of their own.
        assert!(passwords.admit_stranger("192.0.2.1".parse().unwrap()).is_some());
        drop((of_one, of_two));
        assert_eq!(all(|| passwords.admit(user(1, 1))).len(), KNOWN_MAX / 3 + 1);
        let rooms = passwords.0.rooms.lock();
        assert!(rooms.users.is_empty() && rooms.accounts.left_to(user(1, 1).account()) == KNOWN_MAX);
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_and_nobody_never_does() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".into()).await;
        assert!(hash.starts_with("$argon2id$"));
        let admitted = passwords.admit(user(1, 1)).unwrap();
        assert!(admitted.verify("correct horse".into(), Some(hash.clone())).await);
        assert!(!admitted.verify("wrong horse".into(), Some(hash)).await);
        assert!(!admitted.verify("correct horse".into(), None).await);
        assert!(!admitted.verify("x".into(), Some("damaged".into())).await);
    }

    #[tokio::test]
    async fn a_sign_in_waits_for_few_turns_of_an_account_that_hashes_without_end() {
        let passwords = Passwords::default();
        let admitted = all(|| passwords.admit(user(1, 1)));
        let mut hashing: Vec<_> = admitted.iter().map(|one| Box::pin(one.hash("x".into()))).collect();
        let mut context = Context::from_waker(Waker::noop());
        for hash in &mut hashing {
            assert!(hash.as_mut().poll(&mut context).is_pending());
        }
        let stranger = passwords.admit_stranger("192.0.2.1".parse().unwrap()).unwrap();
        assert!(!stranger.verify("x".into(), None).await);
        let served = hashing.iter_mut().filter_map(|hash| match hash.as_mut().poll(&mut context) {
            Poll::Ready(hash) => Some(hash),
            Poll::Pending => None,
        });
        assert!(served.count() <= 2 * AT_ONCE_MAX);
    }
}
