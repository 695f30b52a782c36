//! Writes usage, and when each AccessKey was used, each minute and at the end; forgets old usage each day.

use std::{sync::Arc, time::Duration};

use sluice_access::Access;
use sluice_actions::Usage;
use sluice_model::UnixMs;
use tokio::{sync::oneshot, task::JoinHandle};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// The task that writes.
pub(crate) struct Writer {
    usage: Arc<Usage>,
    access: Arc<Access>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Writer {
    pub(crate) fn start(usage: Arc<Usage>, access: Arc<Access>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(each_minute(Arc::clone(&usage), Arc::clone(&access), stopped));
        Self { usage, access, stop, task }
    }

    /// Ends the task, never in the middle of a write, and writes what is left. To be called when nothing is counted any more.
    pub(crate) async fn finish(self) {
        // The task is gone already only if it panicked, which its join tells.
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the usage writer ended early");
        }
        write(&self.usage, &self.access).await;
    }
}

async fn each_minute(usage: Arc<Usage>, access: Arc<Access>, mut stopped: oneshot::Receiver<()>) {
    let mut swept_day = None;
    loop {
        // At the minute's end by the clock, so that an hour's last minute is written with its hour.
        let wait = tokio::time::sleep(until_next_minute(access.clock().now()));
        tokio::select! {
            () = wait => {}
            _ = &mut stopped => return,
        }
        write(&usage, &access).await;
        let now = access.clock().now();
        let day = now.0.div_euclid(DAY_MS);
        if swept_day != Some(day) {
            match usage.forget_old(now).await {
                Ok(()) => swept_day = Some(day),
                Err(error) => tracing::error!(%error, "old usage cannot be forgotten; it is tried again in a minute"),
            }
        }
    }
}

async fn write(usage: &Arc<Usage>, access: &Access) {
    if let Err(error) = usage.write(access.clock().now()).await {
        tracing::error!(%error, "usage cannot be written; it is kept and tried again");
    }
    if let Err(error) = access.write_key_uses().await {
        tracing::error!(%error, "the last uses of keys cannot be written; they are kept and tried again");
    }
}

fn until_next_minute(now: UnixMs) -> Duration {
    let left = MINUTE_MS - now.0.rem_euclid(MINUTE_MS);
    Duration::from_millis(u64::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_wakes_at_the_minutes_end() {
        assert_eq!(until_next_minute(UnixMs(0)), Duration::from_secs(60));
        assert_eq!(until_next_minute(UnixMs(59_999)), Duration::from_millis(1));
        assert_eq!(until_next_minute(UnixMs(60_000)), Duration::from_secs(60));
    }
}
