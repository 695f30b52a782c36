//! What is due later: sessions that end and wills that wait for their delay.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use sluice_model::UnixMs;
use sluice_router::SubscriberId;
use tokio::sync::Notify;

use crate::{Broker, outbox::Parked};

/// The longest sleep: a clock that jumps is noticed within this time.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Sessions to be looked at, by the instant in steady time. An entry that is no longer due does nothing.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    due: Mutex<BTreeSet<(UnixMs, SubscriberId)>>,
    earlier: Notify,
}

impl Agenda {
    /// Has the session looked at, at `at`; [`UnixMs::NEVER`] is never.
    pub(crate) fn enter(&self, at: UnixMs, session: SubscriberId) {
        if at == UnixMs::NEVER {
            return;
        }
        let mut due = self.due.lock();
        due.insert((at, session));
        if due.first().is_some_and(|first| *first == (at, session)) {
            self.earlier.notify_one();
        }
    }

    /// Takes out what was entered for a session that is not parked any more.
    pub(crate) fn forget(&self, parked: &Parked, session: SubscriberId) {
        let mut due = self.due.lock();
        due.remove(&(parked.until, session));
        if let Some(will) = &parked.will {
            due.remove(&(will.at, session));
        }
    }

    fn next(&self) -> Option<UnixMs> {
        self.due.lock().first().map(|first| first.0)
    }

    fn take_due(&self, steady: UnixMs) -> Option<SubscriberId> {
        let mut due = self.due.lock();
        due.first().filter(|first| first.0 <= steady)?;
        due.pop_first().map(|first| first.1)
    }
}

impl Broker {
    /// The present without the wall clock's jumps: what sessions, messages and wills live by. Rights are asked at `now`.
    pub(crate) fn steady(&self, now: UnixMs) -> UnixMs {
        self.access.clock().steady(now)
    }

    /// Ends sessions and publishes delayed wills when their time comes, and has everybody decide again after the wall clock
    /// jumped. To be run as long as the broker is.
    pub async fn keep_time(self: Arc<Self>) {
        loop {
            let now = self.access.clock().now();
            self.do_what_is_due(now);
            self.tidy(now);
            let wait = self.agenda.next().map_or(SLEEP_MAX, |at| {
                Duration::from_millis(u64::try_from(at.0.saturating_sub(self.steady(now).0)).unwrap_or(0))
                    .min(SLEEP_MAX)
            });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.agenda.earlier.notified() => {}
                () = self.access.clock().jumped() => {
                    let touched = self.access.decide_anew().await;
                    self.sweep(&touched);
                }
            }
        }
    }

    /// Looks at every session whose time has come.
    fn do_what_is_due(&self, now: UnixMs) {
        let steady = self.steady(now);
        while let Some(session) = self.agenda.take_due(steady) {
            if let Some(link) = self.registry.get(session) {
                self.look_at_parked(&link, now);
            }
        }
    }
}
