//! The time, as the one thing that hands it out.

use std::{fmt, sync::Arc};

use sluice_model::UnixMs;

/// Gives the present; made by `server` from the system's clock and by tests from their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixMs + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> UnixMs + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present, Unix milliseconds.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
