//! Follows what other processes write into a database that they share with this one, and refuses everything while it cannot.
//!
//! Each half second, and when a notice comes, the changes of others are read and put in force like our own: read back, epochs
//! bumped, swept. Whoever has not been able to read for [`READ_AGE_MAX`] does not know any more what was revoked: from then
//! on every question answers no, remembered yeses included, and connections are closed; what waits for them stays. The
//! first reading that succeeds ends that, once everything that it found is in force.
//!
//! On SQLite nobody else writes and nothing of this runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sluice_store::{Listener, News, SharedChanges};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{Access, Clock};

/// How old the last reading may be.
const READ_AGE_MAX: Duration = Duration::from_secs(2);
/// How often is read without a notice: so that a change is in force within a second.
const READ_EVERY: Duration = Duration::from_millis(500);
/// How soon a reading that failed is tried again.
const READ_AGAIN: Duration = Duration::from_millis(200);
/// How long one reading may take.
const READ_WAIT: Duration = Duration::from_millis(1_800);
/// How often the age is looked at: a process that stood still finds out within this time.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How soon it is tried again to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// When the last reading began that is in force, in steady milliseconds: a machine that slept has not read meanwhile.
#[derive(Debug)]
pub(crate) struct LastRead {
    clock: Clock,
    began_ms: AtomicI64,
}

impl LastRead {
    fn now_ms(&self) -> i64 {
        self.clock.steady(self.clock.now()).0
    }

    pub(crate) fn is_too_old(&self) -> bool {
        let age_ms = self.now_ms().saturating_sub(self.began_ms.load(Ordering::Acquire));
        age_ms > i64::try_from(READ_AGE_MAX.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Access {
    /// Follows the changes of others for as long as it runs. To be begun right after [`Access::open`], whose store gave
    /// `changes` before.
    pub async fn follow(self: Arc<Self>, mut changes: SharedChanges) {
        let last = Arc::new(LastRead { clock: self.clock.clone(), began_ms: AtomicI64::new(0) });
        last.began_ms.store(last.now_ms(), Ordering::Release);
        self.directory.is_known_as_of(Arc::clone(&last));
        let told = Arc::new(Notify::new());
        let mut beside = JoinSet::new();
        beside.spawn(listen(changes.listener(), Arc::clone(&told)));
        beside.spawn(guard(Arc::clone(&self), Arc::clone(&last)));
        let mut is_failing = false;
        loop {
            let began_ms = last.now_ms();
            let wait = match self.follow_once(&mut changes).await {
                Ok(()) => {
                    last.began_ms.store(began_ms, Ordering::Release);
                    if self.is_cut_off() {
                        let touched = self.connect().await;
                        tracing::info!("the database is read again; everything is decided anew");
                        self.sweep(&touched);
                    }
                    is_failing = false;
                    READ_EVERY
                }
                Err(why) => {
                    if !is_failing {
                        tracing::warn!(why, "what others write cannot be read");
                    }
                    is_failing = true;
                    READ_AGAIN
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = told.notified(), if !is_failing => {}
            }
        }
    }

    /// Reads, and puts in force what was read.
    async fn follow_once(self: &Arc<Self>, changes: &mut SharedChanges) -> Result<(), String> {
        let read = timeout(READ_WAIT, changes.read()).await.map_err(|_| "it did not answer in time".to_owned())?;
        let News { changes: news, is_gap } = read.map_err(|error| error.to_string())?;
        if is_gap {
            tracing::warn!("the changes of others do not reach back; everything is read again");
            let touched = self.reload().await.map_err(|error| {
                // What was read is forgotten with it, so that nothing may be answered meanwhile.
                let touched = self.cut_off();
                self.sweep(&touched);
                changes.forget();
                error.to_string()
            })?;
            self.sweep(&touched);
        } else if !news.is_empty() {
            tracing::debug!(changes = news.len(), "others have written");
            let touched = self.refresh_all(&news).await;
            self.sweep(&touched);
        }
        if let Err(error) = timeout(READ_WAIT, changes.prune()).await.unwrap_or(Ok(())) {
            tracing::debug!(%error, "old changes are still there");
        }
        Ok(())
    }
}

/// Cuts off when the last reading is too old.
async fn guard(access: Arc<Access>, last: Arc<LastRead>) {
    loop {
        if last.is_too_old() && !access.is_cut_off() {
            tracing::error!("the database has not been read for two seconds; everything is refused until it is");
            let touched = access.cut_off();
            access.sweep(&touched);
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn listen(mut listener: Listener, told: Arc<Notify>) {
    loop {
        match listener.heard().await {
            Ok(()) => told.notify_one(),
            Err(error) => {
                tracing::debug!(%error, "no notices are heard; what others write is read each half second");
                sleep(LISTEN_AGAIN).await;
            }
        }
    }
}
