//! Who is told what happened to a record.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Need, Ticket, Waiter};

/// Those who wait. At most one for each record that was taken and is not settled.
#[derive(Default)]
pub(super) struct Waiters {
    waiting: Mutex<Vec<(Ticket, Arc<dyn Waiter>)>>,
}

impl std::fmt::Debug for Waiters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiters").field("waiting", &self.waiting.lock().len()).finish()
    }
}

impl Waiters {
    /// Adds one, unless `is_over` says that there is nothing to wait for: then it is told now. Whoever makes something
    /// over tells the waiters afterwards, so that none is missed.
    pub(super) fn add(&self, ticket: Ticket, waiter: Arc<dyn Waiter>, is_over: impl Fn(Ticket) -> bool) {
        {
            let mut waiting = self.waiting.lock();
            if !is_over(ticket) {
                waiting.push((ticket, waiter));
                return;
            }
        }
        waiter.settled();
    }

    /// Tells those whose tickets are settled by records up to `written` and up to `synced`.
    pub(super) fn tell(&self, written: u64, synced: u64) {
        let told: Vec<_> = {
            let mut waiting = self.waiting.lock();
            let is_settled = |ticket: &Ticket| {
                ticket.position <= if ticket.need == Need::Synced { synced } else { written.max(synced) }
            };
            waiting.extract_if(.., |(ticket, _)| is_settled(ticket)).collect()
        };
        for (_, waiter) in told {
            waiter.settled();
        }
    }

    /// Tells all.
    pub(super) fn tell_all(&self) {
        let told = std::mem::take(&mut *self.waiting.lock());
        for (_, waiter) in told {
            waiter.settled();
        }
    }
}
