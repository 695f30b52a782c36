//! Usage of every principal: read from the live side, counted for calls, added up by the hour in the store.
//!
//! The way through: `operation` counts each call that succeeded, [`Usage::write`] asks the broker for its totals, has the
//! [`ledger`] turn them into what is new since the last time, and adds that to the store. `server` calls it each minute and at
//! the end; QueryMqttUsage calls it before it reads, so that its figures are those of the moment.
//!
//! Never here: clocks. The caller says what time it is.
//!
//! Source: DESIGN section 2, Usage; facts/apsaramq-for-mqtt.md section 7.

mod billing;
mod ledger;

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::Mutex;
use sluice_broker::Broker;
use sluice_model::{InstanceId, Principal, UnixMs};
use sluice_policy::SystemTask;
use sluice_store::{Store, StoreError};

pub(crate) use billing::billed;
use ledger::Ledger;
pub(crate) use ledger::hour_of;

/// For how long usage is kept.
const KEPT_MS: i64 = 400 * 24 * 3_600_000;

/// Calls by who made them and which instance they named.
type Calls = HashMap<(Principal, Option<InstanceId>), u64>;

/// Counts, and writes what was counted. One for all doors.
pub struct Usage {
    store: Store,
    broker: Arc<Broker>,
    calls: Mutex<Calls>,
    /// Held while what is new is written, so that two writers never take the same for new.
    ledger: tokio::sync::Mutex<Ledger>,
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Usage")
    }
}

impl Usage {
    /// Counts from `now` on.
    #[must_use]
    pub fn new(store: Store, broker: Arc<Broker>, now: UnixMs) -> Arc<Self> {
        Arc::new(Self { store, broker, calls: Mutex::default(), ledger: tokio::sync::Mutex::new(Ledger::new(now)) })
    }

    /// Counts a call that succeeded. Bounded by the principals and instances that there are: only who was let through is
    /// counted, and only an instance that was there.
    pub(crate) fn count_call(&self, principal: Principal, instance: Option<InstanceId>) {
        *self.calls.lock().entry((principal, instance)).or_default() += 1;
    }

    /// Writes what is new. What cannot be written is kept and written the next time.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost or counted twice.
    pub async fn write(self: &Arc<Self>, now: UnixMs) -> Result<(), StoreError> {
        let usage = Arc::clone(self);
        // On its own task: whoever asked may go away in the middle, which must not leave it open whether it was written.
        let written = tokio::spawn(async move { usage.write_turn(now).await }).await;
        written.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
    }

    async fn write_turn(&self, now: UnixMs) -> Result<(), StoreError> {
        let mut ledger = self.ledger.lock().await;
        let calls = std::mem::take(&mut *self.calls.lock());
        ledger.observe(&self.broker.usage(), calls, now);
        let (counts, peaks) = ledger.unwritten();
        self.store.add_usage(SystemTask::Usage, &counts, &peaks).await?;
        ledger.written();
        Ok(())
    }

    /// Forgets what is older than 400 days.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_old(&self, now: UnixMs) -> Result<(), StoreError> {
        self.store.forget_usage(SystemTask::Usage, hour_of(UnixMs(now.0.saturating_sub(KEPT_MS)))).await.map(drop)
    }
}
