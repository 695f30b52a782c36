//! The server's memory over the run.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::bench::{process, traffic::BenchError};

/// How often it is read.
const STEP: Duration = Duration::from_secs(1);
/// What the caches and allocator may take to fill; at most a third of the run.
const WARM_UP: Duration = Duration::from_secs(60);
/// A tenth of the run after the warm-up and the last tenth are compared.
const PARTS: usize = 10;

/// Largest resident memory after the warm-up and at the end, KiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    pub(super) early_kib: u64,
    pub(super) late_kib: u64,
}

impl Growth {
    pub(super) fn is_over(self, percent: u32) -> bool {
        self.late_kib * 100 > self.early_kib * (100 + u64::from(percent))
    }
}

/// Reads until `until`.
pub(super) async fn watch(pid: u32, whole: Duration, until: Instant) -> Result<Growth, BenchError> {
    let warm = Instant::now() + WARM_UP.min(whole / 3);
    let mut ticks = interval(STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut samples = Vec::new();
    while Instant::now() < until {
        ticks.tick().await;
        let usage = process::usage(pid).map_err(|fault| BenchError::Process { pid, fault })?;
        if Instant::now() >= warm {
            samples.push(usage.rss_kib);
        }
    }
    Ok(compare(&samples))
}

fn compare(samples: &[u64]) -> Growth {
    let part = (samples.len() / PARTS).max(1).min(samples.len());
    let largest = |of: &[u64]| of.iter().copied().max().unwrap_or_default();
    Growth { early_kib: largest(&samples[..part]), late_kib: largest(&samples[samples.len() - part..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_last_tenth_are_compared() {
        let samples: Vec<u64> = (1000..1100).collect();
        let growth = compare(&samples);
        assert_eq!((growth.early_kib, growth.late_kib), (1009, 1099));
        assert!(growth.is_over(8) && !growth.is_over(9));
        assert!(!compare(&[]).is_over(0));
    }
}
