//! Request nonces: each may be used once per AccessKey while its timestamp is still acceptable.
//!
//! Two generations of 31 minutes: a nonce is remembered for 31 to 62 minutes (15 minutes of clock skew either way and a
//! margin; openapi/wire.md section 4). In memory: a restart forgets. No account uses up the room of another.

use std::mem;

use ahash::AHashSet;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use sluice_model::{AccessKeyId, AccountId, UnixMs};

use crate::fair_room::FairRoom;

const GENERATION_MS: i64 = 31 * 60 * 1000;
/// Nonces remembered in one generation, all accounts together. One account alone is let in with half of them: 2,000,000 in 31
/// minutes are 1,075 signed calls a second; each further one that is as busy still gets a fair part. An entry is 16 bytes, 17
/// to 39 with its place in the table, which grows with what comes: a full generation takes some 80 MB, two at the most are kept.
const PER_GENERATION_MAX: usize = 4_000_000;
/// Tables of a generation: none grows past 65,536 places when it is full, so that nobody waits for the copying of a large one.
const TABLES: usize = 72;
/// Longest nonce that the vendor's SDKs send is 64 characters.
pub(crate) const NONCE_BYTES_MAX: usize = 128;

/// What became of a nonce.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NonceUse {
    /// First use; remembered.
    Fresh,
    /// Used before.
    Repeated,
    /// The account has used up its part of the room.
    Full,
}

/// What is kept of a nonce under its key: half of a SHA-256, so that no two are ever taken for one another.
fn digest(key: &AccessKeyId, nonce: &str) -> u128 {
    let mut hash = Sha256::new();
    hash.update(key.as_str());
    // In no key's name.
    hash.update([0]);
    hash.update(nonce);
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    u128::from_le_bytes(half)
}

#[derive(Debug)]
struct Generation {
    tables: Box<[AHashSet<u128>]>,
    room: FairRoom<AccountId>,
}

impl Generation {
    fn new(most: usize) -> Self {
        Self { tables: (0..TABLES).map(|_| AHashSet::default()).collect(), room: FairRoom::new(most) }
    }

    fn table(entry: u128) -> usize {
        usize::try_from(entry % TABLES as u128).unwrap_or_default()
    }

    fn contains(&self, entry: u128) -> bool {
        self.tables[Self::table(entry)].contains(&entry)
    }
}

#[derive(Debug)]
struct Generations {
    most: usize,
    began: Option<UnixMs>,
    current: Generation,
    previous: Generation,
}

/// The nonces seen. Asked only after the signature was verified.
#[derive(Debug)]
pub(crate) struct Nonces(Mutex<Generations>);

impl Default for Nonces {
    fn default() -> Self {
        Self::with_room(PER_GENERATION_MAX)
    }
}

impl Nonces {
    fn with_room(most: usize) -> Self {
        let (current, previous) = (Generation::new(most), Generation::new(most));
        Self(Mutex::new(Generations { most, began: None, current, previous }))
    }

    /// Cost: one SHA-256 of some 100 bytes, and three look-ups under a lock, however many are remembered.
    pub(crate) fn use_once(&self, account: AccountId, key: &AccessKeyId, nonce: &str, now: UnixMs) -> NonceUse {
        let entry = digest(key, nonce);
        let mut generations = self.0.lock();
        let began = *generations.began.get_or_insert(now);
        let mut over = None;
        if now.0.saturating_sub(began.0) >= GENERATION_MS {
            let next = Generation::new(generations.most);
            let current = mem::replace(&mut generations.current, next);
            over = Some(mem::replace(&mut generations.previous, current));
            generations.began = Some(now);
        }
        let used = if generations.previous.contains(entry) || generations.current.contains(entry) {
            NonceUse::Repeated
        } else if generations.current.room.take(account) {
            generations.current.tables[Generation::table(entry)].insert(entry);
            NonceUse::Fresh
        } else {
            NonceUse::Full
        };
        // Its memory goes when nobody waits for it.
        drop(generations);
        drop(over);
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_once_per_key_for_at_least_31_minutes() {
        let nonces = Nonces::default();
        let (one, two): (AccessKeyId, AccessKeyId) =
            ("LTAIkeynumber1".parse().unwrap(), "LTAIkeynumber2".parse().unwrap());
        let (start, account) = (UnixMs(1_000), AccountId::new(AccountId::MIN).unwrap());
        assert_eq!(nonces.use_once(account, &one, "n", start), NonceUse::Fresh);
        assert_eq!(nonces.use_once(account, &one, "n", start), NonceUse::Repeated);
        assert_eq!(nonces.use_once(account, &two, "n", start), NonceUse::Fresh);
        assert_eq!(nonces.use_once(account, &one, "n", start.plus_ms(GENERATION_MS)), NonceUse::Repeated);
        assert_eq!(nonces.use_once(account, &one, "m", start.plus_ms(2 * GENERATION_MS)), NonceUse::Fresh);
        assert_eq!(nonces.use_once(account, &one, "n", start.plus_ms(3 * GENERATION_MS)), NonceUse::Fresh);
    }

    #[test]
    fn no_account_uses_up_what_another_needs() {
        let nonces = Nonces::with_room(1_000);
        let key: AccessKeyId = "LTAIkeynumber1".parse().unwrap();
        let account = |n| AccountId::new(AccountId::MIN + n).unwrap();
        let fresh = |n, prefix, now| {
            let used = |i| nonces.use_once(account(n), &key, &format!("{prefix}{n}-{i}"), now);
            (0..1_000).filter(|i| used(*i) == NonceUse::Fresh).count()
        };
        let (start, later) = (UnixMs(1_000), UnixMs(1_000 + GENERATION_MS));
        assert_eq!(fresh(0, "a", start), 500);
        assert_eq!(fresh(1, "a", start), 250);
        assert_eq!(nonces.use_once(account(0), &key, "one-more", start), NonceUse::Full);
        assert_eq!(nonces.use_once(account(0), &key, "a0-0", start), NonceUse::Repeated);
        // Counted anew with each generation; what was seen is remembered all the same.
        assert_eq!(nonces.use_once(account(0), &key, "a0-0", later), NonceUse::Repeated);
        assert_eq!(fresh(0, "b", later), 500);
    }

    #[test]
    fn one_account_alone_may_sign_a_thousand_calls_a_second() {
        let room = FairRoom::<AccountId>::new(PER_GENERATION_MAX);
        let seconds = usize::try_from(GENERATION_MS / 1_000).unwrap();
        assert!(room.left_to(AccountId::new(AccountId::MIN).unwrap()) / 2 / seconds >= 1_000);
    }
}
