//! What besides the caller a condition may read.

use std::sync::Arc;

use sluice_model::UnixMs;

/// The time of a request and its extra condition keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// When the request arrived; `acs:CurrentTime`.
    pub now: UnixMs,
    /// Further condition keys, each in lower case, with their values. Usually empty, which allocates nothing. A key that
    /// [`crate::Caller`] or `now` answers is never read from here.
    pub keys: Vec<(Arc<str>, Vec<Arc<str>>)>,
    /// Whether somebody wants to do it. Not so where a page only asks which of its links would open: then the decision is
    /// not shown to the [`crate::DecisionObserver`].
    pub in_earnest: bool,
}

impl Context {
    /// A request at `now` without further keys.
    #[must_use]
    pub fn at(now: UnixMs) -> Self {
        Self { now, keys: Vec::new(), in_earnest: true }
    }

    /// A question at `now` that nobody acts on.
    #[must_use]
    pub fn only_asking_at(now: UnixMs) -> Self {
        Self { in_earnest: false, ..Self::at(now) }
    }

    /// The same request with one more condition key.
    #[must_use]
    pub fn with(mut self, key: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|&value| value.into()).collect();
        self.keys.push((key.to_ascii_lowercase().into(), values));
        self
    }
}
