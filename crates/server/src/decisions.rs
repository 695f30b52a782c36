//! Writes what was decided, for the answer to "why?": refusals each second, what was seen each minute, all of it at the end; and
//! forgets the old.

use std::{sync::Arc, time::Duration};

use sluice_access::Access;
use tokio::{sync::oneshot, task::JoinHandle};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE_S: u32 = 60;
/// How often the old is forgotten, minutes.
const FORGET_EVERY_MINUTES: u32 = 60;

/// The task that writes.
pub(crate) struct DecisionsWriter {
    access: Arc<Access>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl DecisionsWriter {
    pub(crate) fn start(access: Arc<Access>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(each_second(Arc::clone(&access), stopped));
        Self { access, stop, task }
    }

    /// Ends the task, never in the middle of a write, and writes what is left. To be called when nothing is decided any more.
    pub(crate) async fn finish(self) {
        // The task is gone already only if it panicked, which its join tells.
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the writer of decisions ended early");
        }
        write_refusals(&self.access).await;
        write_seen(&self.access).await;
    }
}

async fn each_second(access: Arc<Access>, mut stopped: oneshot::Receiver<()>) {
    let (mut seconds, mut minutes) = (0, 0);
    loop {
        tokio::select! {
            () = tokio::time::sleep(SECOND) => {}
            _ = &mut stopped => return,
        }
        write_refusals(&access).await;
        seconds += 1;
        if seconds < MINUTE_S {
            continue;
        }
        seconds = 0;
        write_seen(&access).await;
        if let Err(error) = access.refusals().trim().await {
            tracing::error!(%error, "refusals beyond their number cannot be forgotten; it is tried again in a minute");
        }
        if minutes % FORGET_EVERY_MINUTES == 0 {
            forget_old(&access).await;
        }
        minutes += 1;
    }
}

async fn write_refusals(access: &Access) {
    if let Err(error) = access.refusals().write().await {
        tracing::error!(%error, "refusals cannot be written; they are kept and tried again");
    }
}

async fn write_seen(access: &Access) {
    if let Err(error) = access.seen().write().await {
        tracing::error!(%error, "seen decisions cannot be written; they are kept and tried again");
    }
}

async fn forget_old(access: &Access) {
    let now = access.clock().now();
    if let Err(error) = access.seen().forget_old(now).await {
        tracing::error!(%error, "old seen decisions cannot be forgotten; it is tried again in an hour");
    }
    if let Err(error) = access.refusals().forget_old(now).await {
        tracing::error!(%error, "old refusals cannot be forgotten; it is tried again in an hour");
    }
}
