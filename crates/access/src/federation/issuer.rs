//! The published keys of OIDC issuers: one fetch for all who wait, and what was fetched is kept for a while.
//!
//! Keys are believed for [`KEEP_MS`], and for [`STALE_MS`] where the issuer cannot be asked. Whoever's token names a kept key
//! waits for nothing once there are keys; whoever's does not waits for the one fetch that is under way. An issuer is asked once
//! in [`REFETCH_MS`], whatever is asked of us. Ages are by the steady time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ahash::AHashMap;
use parking_lot::Mutex;
use sluice_model::{AccountId, UnixMs};
use tokio::sync::{Semaphore, watch};

use super::{
    documents::{self, may_be_asked},
    oidc::Jwk,
};

/// How long both documents may take together.
const FETCH_WAIT: Duration = Duration::from_secs(5);
/// How long keys are believed without asking again, milliseconds.
const KEEP_MS: i64 = 10 * 60 * 1000;
/// How long keys are believed while the issuer does not answer, milliseconds.
const STALE_MS: i64 = 60 * 60 * 1000;
/// How often an issuer is asked at most, milliseconds.
const REFETCH_MS: i64 = 10 * 1000;
/// Issuers that are remembered.
const ISSUERS_MAX: usize = 1_000;
/// Fetches of all accounts, and of one, that run at once.
const FETCHES_MAX: usize = 128;
const ACCOUNT_FETCHES_MAX: usize = 8;
/// Callers that wait for one issuer.
const WAITING_MAX: usize = 256;

/// Whose provider, where its issuer is, and by what its host is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Issuer {
    pub(crate) account: AccountId,
    pub(crate) url: String,
    /// Lower-case hex of SHA-1 or SHA-256 of a certificate of its chain.
    pub(crate) fingerprints: Vec<String>,
}

type Keys = Arc<[Jwk]>;
/// What a fetch came to; `None` while it runs.
type Outcome = Option<Result<Keys, Arc<str>>>;

struct Known {
    /// The newest keys, and when they were asked for.
    keys: Option<(Keys, UnixMs)>,
    asked: UnixMs,
    used: UnixMs,
    fetch: Option<watch::Receiver<Outcome>>,
    waiting: Arc<Semaphore>,
}

impl Known {
    fn new(now: UnixMs) -> Self {
        let waiting = Arc::new(Semaphore::new(WAITING_MAX));
        Self { keys: None, asked: UnixMs(now.0.saturating_sub(REFETCH_MS)), used: now, fetch: None, waiting }
    }

    /// The keys, unless they are older than this.
    fn younger_than(&self, most_ms: i64, now: UnixMs) -> Option<&Keys> {
        self.keys.as_ref().filter(|(_, got)| now.0.saturating_sub(got.0) < most_ms).map(|(keys, _)| keys)
    }

    /// Whether a fetch runs; one whose task is gone does not.
    fn is_asked(&self) -> bool {
        self.fetch.as_ref().is_some_and(|fetch| fetch.has_changed().is_ok())
    }
}

/// The keys of all issuers that were asked.
#[derive(Clone, Default)]
pub(crate) struct Issuers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    known: Mutex<AHashMap<Issuer, Known>>,
    allows_local: AtomicBool,
}

/// What a caller does for keys.
enum Step {
    Have(Keys),
    /// Where the fetch fails, these may be kept from before.
    Wait(watch::Receiver<Outcome>, Arc<Semaphore>, Option<Keys>),
}

impl Issuers {
    /// Whether issuers of local addresses are asked, and those of plain `http`.
    pub(crate) fn allow_local(&self, allows: bool) {
        self.0.allows_local.store(allows, Ordering::Relaxed);
    }

    /// Whether an issuer's URL would be asked.
    pub(crate) fn asks(&self, url: &str) -> bool {
        may_be_asked(url, self.0.allows_local.load(Ordering::Relaxed))
    }

    /// The keys of an issuer; asked anew when `is_enough` says that the kept ones are not, and it was not asked just now.
    /// `now` is the steady time.
    pub(crate) async fn keys(
        &self,
        issuer: &Issuer,
        now: UnixMs,
        is_enough: impl Fn(&[Jwk]) -> bool,
    ) -> Result<Keys, String> {
        let (mut fetch, waiting, before) = match self.step(issuer, now, is_enough)? {
            Step::Have(keys) => return Ok(keys),
            Step::Wait(fetch, waiting, before) => (fetch, waiting, before),
        };
        let Ok(_place) = waiting.try_acquire() else {
            return before.ok_or_else(|| "as many wait for it as may".to_owned());
        };
        let outcome = match fetch.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        match outcome {
            Some(Ok(keys)) => Ok(keys),
            Some(Err(why)) => before.ok_or_else(|| why.to_string()),
            None => before.ok_or_else(|| "asking it ended early".to_owned()),
        }
    }

    fn step(&self, issuer: &Issuer, now: UnixMs, is_enough: impl Fn(&[Jwk]) -> bool) -> Result<Step, String> {
        let mut all = self.0.known.lock();
        let all = &mut *all;
        if let Some(known) = all.get_mut(issuer) {
            known.used = now;
            if let Some(keys) = known.younger_than(KEEP_MS, now).filter(|keys| is_enough(keys)) {
                return Ok(Step::Have(Arc::clone(keys)));
            }
        }
        let is_due =
            all.get(issuer).is_none_or(|known| !known.is_asked() && now.0.saturating_sub(known.asked.0) >= REFETCH_MS);
        if is_due && has_room_to_ask(all, issuer.account) {
            make_room(all, issuer);
            let known = all.entry(issuer.clone()).or_insert_with(|| Known::new(now));
            known.asked = now;
            known.fetch = Some(self.start(issuer.clone(), now));
        }
        let Some(known) = all.get(issuer) else { return Err("too many issuers are asked at once".to_owned()) };
        let kept = known.younger_than(STALE_MS, now).cloned();
        if let Some(keys) = kept.as_ref().filter(|keys| is_enough(keys)) {
            return Ok(Step::Have(Arc::clone(keys)));
        }
        match (&known.fetch, kept) {
            (Some(fetch), kept) if known.is_asked() => Ok(Step::Wait(fetch.clone(), Arc::clone(&known.waiting), kept)),
            (_, Some(keys)) => Ok(Step::Have(keys)),
            (_, None) => Err("it was asked a moment ago, without success".to_owned()),
        }
    }

    /// Asks on a task of its own: whoever waits first may go away.
    fn start(&self, issuer: Issuer, now: UnixMs) -> watch::Receiver<Outcome> {
        let (tell, told) = watch::channel(None);
        let inner = Arc::clone(&self.0);
        let allows_local = inner.allows_local.load(Ordering::Relaxed);
        tokio::spawn(async move {
            let fetched = tokio::time::timeout(FETCH_WAIT, documents::fetch(&issuer, allows_local)).await;
            let fetched = fetched.unwrap_or_else(|_| Err("it does not answer in time".to_owned()));
            let outcome: Result<Keys, Arc<str>> = fetched.map(Keys::from).map_err(|why| {
                tracing::warn!(account = %issuer.account, issuer = issuer.url, why, "an identity provider's keys cannot be read");
                why.into()
            });
            if let Some(known) = inner.known.lock().get_mut(&issuer) {
                known.fetch = None;
                if let Ok(keys) = &outcome {
                    known.keys = Some((Arc::clone(keys), now));
                }
            }
            // Nobody may wait any more.
            tell.send_replace(Some(outcome));
        });
        told
    }
}

/// Whether one more fetch may run for an account: one tenant's issuers that never answer do not shut those of others.
fn has_room_to_ask(all: &AHashMap<Issuer, Known>, account: AccountId) -> bool {
    let (mut of_all, mut of_account) = (0, 0);
    for (issuer, _) in all.iter().filter(|(_, known)| known.is_asked()) {
        of_all += 1;
        of_account += usize::from(issuer.account == account);
    }
    of_all < FETCHES_MAX && of_account < ACCOUNT_FETCHES_MAX
}

/// Forgets the issuer that was used the longest ago, where a new one would be one too many.
fn make_room(all: &mut AHashMap<Issuer, Known>, new: &Issuer) {
    if all.len() < ISSUERS_MAX || all.contains_key(new) {
        return;
    }
    let idle = all.iter().filter(|(_, known)| !known.is_asked());
    let oldest = idle.min_by_key(|(_, known)| known.used.0).map(|(issuer, _)| issuer.clone());
    if let Some(oldest) = oldest {
        all.remove(&oldest);
    }
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;
