//! Time, as a value that is passed in.

/// Unix time in milliseconds. Rooms take it as an argument; only `server` reads a clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// Later than any instant that a policy can name.
    pub const NEVER: Self = Self(i64::MAX);

    /// This instant and `ms` milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}
