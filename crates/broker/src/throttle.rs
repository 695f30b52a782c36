//! The original's pace after a reconnect: of many messages that waited, so many at once and the next a few seconds later.
//! What comes meanwhile stays in order behind them. Source: facts/apsaramq-for-mqtt.md section 4, Offline delivery.

use std::time::Duration;

use sluice_model::UnixMs;

use crate::Client;

/// From the beginning of one batch to that of the next.
const BATCH_EVERY_MS: i64 = 5_000;

/// How far the messages that waited for a client have gone out.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// That are still to go.
    behind: usize,
    /// Of the batch that is going out.
    left: u32,
    /// When the next batch begins, in steady time.
    next: UnixMs,
}

impl Throttle {
    /// For a client that is back, with what waited; `batch` of 0 is without a pace. Boxed, because few have one.
    pub(crate) fn of(batch: u32, waited: usize, steady: UnixMs) -> Option<Box<Self>> {
        let is_many = batch > 0 && waited > usize::try_from(batch).unwrap_or(usize::MAX);
        is_many.then(|| Box::new(Self { behind: waited, left: batch, next: after(steady) }))
    }

    /// Whether the next message must wait; a batch begins when its time has come.
    fn holds(&mut self, batch: u32, steady: UnixMs) -> bool {
        if self.left == 0 && steady >= self.next {
            (self.left, self.next) = (batch, after(steady));
        }
        self.left == 0
    }

    /// One has gone, written to the client or not; whether it was the last.
    fn went(&mut self, is_written: bool) -> bool {
        self.behind = self.behind.saturating_sub(1);
        self.left -= u32::from(is_written && self.left > 0);
        self.behind == 0
    }
}

fn after(steady: UnixMs) -> UnixMs {
    UnixMs(steady.0.saturating_add(BATCH_EVERY_MS))
}

impl Client {
    /// Whether what waits must wait longer.
    pub(crate) fn is_throttled(&mut self, now: UnixMs) -> bool {
        let batch = self.settings.limits.offline_batch_messages;
        if batch == 0 {
            self.throttle = None;
        }
        let Some(throttle) = &mut self.throttle else { return false };
        throttle.holds(batch, self.broker.steady(now))
    }

    /// A message that waited has gone, written to the client or not.
    pub(crate) fn has_gone(&mut self, is_written: bool) {
        if self.throttle.as_mut().is_some_and(|throttle| throttle.went(is_written)) {
            self.throttle = None;
        }
    }

    /// For how long, from now, what waits has to wait longer.
    pub(crate) fn next_batch_in(&self) -> Option<Duration> {
        let throttle = self.throttle.as_ref().filter(|throttle| throttle.left == 0)?;
        let left = throttle.next.0.saturating_sub(self.broker.steady(self.now()).0);
        Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_batch_goes_at_once_and_what_was_dropped_is_not_counted_in_it() {
        assert!(Throttle::of(3, 3, UnixMs(0)).is_none() && Throttle::of(0, 1_000, UnixMs(0)).is_none());
        let mut throttle = Throttle::of(3, 8, UnixMs(0)).unwrap();
        for is_written in [true, false, true, true] {
            assert!(!throttle.holds(3, UnixMs(10)));
            assert!(!throttle.went(is_written));
        }
        assert!(throttle.holds(3, UnixMs(4_999)));
        // The next batch is counted from its own beginning.
        for now in [7_000, 7_000, 11_999] {
            assert!(!throttle.holds(3, UnixMs(now)));
            assert!(!throttle.went(true));
        }
        assert!(throttle.holds(3, UnixMs(11_999)));
        assert!(!throttle.holds(3, UnixMs(12_000)));
        assert!(throttle.went(true), "what comes after the last that waited goes at once");
    }
}
