//! Request nonces: each may be used once per AccessKey while its timestamp is still acceptable.
//!
//! Two generations of 31 minutes: a nonce is remembered for 31 to 62 minutes (15 minutes of clock skew either way and a
//! margin; openapi/wire.md section 4). In memory: a restart forgets.

use ahash::AHashSet;
use parking_lot::Mutex;
use sluice_model::{AccessKeyId, UnixMs};

const GENERATION_MS: i64 = 31 * 60 * 1000;
/// Nonces remembered in one generation, all keys together: about 200 MB at the most.
const PER_GENERATION_MAX: usize = 1_000_000;
/// Longest nonce that the vendor's SDKs send is 64 characters.
pub(crate) const NONCE_BYTES_MAX: usize = 128;

/// What became of a nonce.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NonceUse {
    /// First use; remembered.
    Fresh,
    /// Used before.
    Repeated,
    /// There is no room to remember more.
    Full,
}

#[derive(Debug, Default)]
struct Generations {
    began: Option<UnixMs>,
    current: AHashSet<(AccessKeyId, Box<str>)>,
    previous: AHashSet<(AccessKeyId, Box<str>)>,
}

/// The nonces seen. Asked only after the signature was verified.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<Generations>);

impl Nonces {
    pub(crate) fn use_once(&self, key: &AccessKeyId, nonce: &str, now: UnixMs) -> NonceUse {
        let mut generations = self.0.lock();
        let began = *generations.began.get_or_insert(now);
        if now.0.saturating_sub(began.0) >= GENERATION_MS {
            generations.previous = std::mem::take(&mut generations.current);
            generations.began = Some(now);
        }
        let entry = (key.clone(), Box::from(nonce));
        if generations.previous.contains(&entry) || generations.current.contains(&entry) {
            return NonceUse::Repeated;
        }
        if generations.current.len() >= PER_GENERATION_MAX {
            return NonceUse::Full;
        }
        generations.current.insert(entry);
        NonceUse::Fresh
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
        let start = UnixMs(1_000);
        assert_eq!(nonces.use_once(&one, "n", start), NonceUse::Fresh);
        assert_eq!(nonces.use_once(&one, "n", start), NonceUse::Repeated);
        assert_eq!(nonces.use_once(&two, "n", start), NonceUse::Fresh);
        assert_eq!(nonces.use_once(&one, "n", start.plus_ms(GENERATION_MS)), NonceUse::Repeated);
        assert_eq!(nonces.use_once(&one, "m", start.plus_ms(2 * GENERATION_MS)), NonceUse::Fresh);
        assert_eq!(nonces.use_once(&one, "n", start.plus_ms(3 * GENERATION_MS)), NonceUse::Fresh);
    }
}
