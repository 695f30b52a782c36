//! A log that keeps nothing: for measuring, and for tests of what does not outlive a process.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::log::{Log, LogFault, LogFigures, MessageId, Need, Record, Ticket, Waiter};

/// Settles everything at once and remembers none of it.
#[derive(Debug, Default)]
pub struct MemoryLog {
    records: AtomicU64,
}

impl Log for MemoryLog {
    fn append(&self, _record: &Record<'_>, need: Need) -> Result<Ticket, LogFault> {
        Ok(Ticket { position: self.records.fetch_add(1, Ordering::Relaxed) + 1, need })
    }

    fn is_settled(&self, _ticket: Ticket) -> bool {
        true
    }

    fn notify(&self, _ticket: Ticket, waiter: Arc<dyn Waiter>) {
        waiter.settled();
    }

    fn forget(&self, _message: MessageId) {}

    fn fault(&self) -> Option<LogFault> {
        None
    }

    fn figures(&self) -> LogFigures {
        LogFigures { records: self.records.load(Ordering::Relaxed), ..LogFigures::default() }
    }

    fn close(&self) {}
}
