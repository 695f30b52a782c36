//! A log that settles when a test says so, and fails when it says so.

use std::sync::Arc;

use parking_lot::Mutex;
use sluice_store::log::{Log, LogFault, LogFigures, MessageId, Need, Record, Ticket, Waiter};

/// Settles at once until it is told to hold.
#[derive(Clone, Default)]
pub struct SlowLog(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    position: u64,
    /// What is settled while it holds.
    held_at: Option<u64>,
    fault: Option<LogFault>,
    waiters: Vec<(Ticket, Arc<dyn Waiter>)>,
}

impl std::fmt::Debug for SlowLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlowLog")
    }
}

impl SlowLog {
    /// Settles nothing that comes from now on.
    pub fn hold(&self) {
        let mut state = self.0.lock();
        state.held_at = Some(state.position);
    }

    /// Settles everything.
    pub fn settle(&self) {
        self.0.lock().held_at = None;
        self.tell();
    }

    /// Refuses records, or takes them again.
    pub fn fails(&self, fault: Option<LogFault>) {
        self.0.lock().fault = fault;
        self.tell();
    }

    /// Whether somebody waits for it.
    pub fn is_waited_for(&self) -> bool {
        !self.0.lock().waiters.is_empty()
    }

    fn tell(&self) {
        // Told without the lock: who is told may ask.
        let waiters = std::mem::take(&mut self.0.lock().waiters);
        for (ticket, waiter) in waiters {
            if self.is_done_with(ticket) {
                waiter.settled();
            } else {
                self.0.lock().waiters.push((ticket, waiter));
            }
        }
    }

    fn is_done_with(&self, ticket: Ticket) -> bool {
        self.is_settled(ticket) || self.fault() == Some(LogFault::Broken)
    }
}

impl Log for SlowLog {
    fn append(&self, _record: &Record<'_>, need: Need) -> Result<Ticket, LogFault> {
        let mut state = self.0.lock();
        match state.fault {
            Some(LogFault::Broken) => return Err(LogFault::Broken),
            Some(fault) if need > Need::Later => return Err(fault),
            _ => {}
        }
        state.position += 1;
        Ok(Ticket { position: state.position, need })
    }

    fn is_settled(&self, ticket: Ticket) -> bool {
        ticket.need == Need::Later || self.0.lock().held_at.is_none_or(|settled| ticket.position <= settled)
    }

    fn notify(&self, ticket: Ticket, waiter: Arc<dyn Waiter>) {
        if self.is_done_with(ticket) {
            waiter.settled();
        } else {
            self.0.lock().waiters.push((ticket, waiter));
        }
    }

    fn forget(&self, _message: MessageId) {}

    fn fault(&self) -> Option<LogFault> {
        self.0.lock().fault
    }

    fn figures(&self) -> LogFigures {
        LogFigures::default()
    }

    fn close(&self) {}
}
