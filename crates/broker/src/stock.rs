//! What an instance has stored for sessions, and which of it made room for newer messages.
//! Source: facts/apsaramq-for-mqtt.md section 4, Offline store: the oldest of an instance are dropped first.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use sluice_store::log::MessageId;

/// The stored messages of one instance.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    /// Those that wait in queues and have not been given up.
    queued: Mutex<BTreeSet<MessageId>>,
    /// Queued ones below this number were given up.
    given_up_below: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    given_up: AtomicU64,
    expired: AtomicU64,
}

/// How much an instance has stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockFigures {
    /// Messages that wait for somebody or are retained, each counted once.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that made room for newer ones since the start, because the instance had as many as it may.
    pub given_up: u64,
    /// Messages that waited longer than they may since the start, once for each queue.
    pub expired: u64,
}

impl Stock {
    pub(crate) fn add(&self, id: MessageId, bytes: usize, is_queued: bool) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
        if is_queued {
            self.queued.lock().insert(id);
        }
    }

    pub(crate) fn remove(&self, id: MessageId, bytes: usize, is_queued: bool) {
        self.messages.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
        if is_queued {
            self.queued.lock().remove(&id);
        }
    }

    /// Gives up the oldest, so that no more than `most` wait; how many.
    pub(crate) fn bound(&self, most: u32) -> u64 {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut queued = self.queued.lock();
        let mut given_up = 0;
        while queued.len() > most {
            let Some(MessageId(oldest)) = queued.pop_first() else { break };
            self.given_up_below.store(oldest + 1, Ordering::Release);
            given_up += 1;
        }
        self.given_up.fetch_add(given_up, Ordering::Relaxed);
        given_up
    }

    /// Whether a queued message was given up.
    pub(crate) fn has_given_up(&self, id: MessageId) -> bool {
        id.0 < self.given_up_below.load(Ordering::Acquire)
    }

    /// One more waited longer than it may.
    pub(crate) fn count_expired(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self) -> StockFigures {
        StockFigures {
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            given_up: self.given_up.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_retained_ones_do_not_count() {
        let stock = Stock::default();
        stock.add(MessageId(1), 10, false);
        (2..=5).for_each(|id| stock.add(MessageId(id), 10, true));
        assert_eq!(stock.bound(3), 1);
        assert!(stock.has_given_up(MessageId(2)) && !stock.has_given_up(MessageId(3)));
        stock.remove(MessageId(2), 10, true);
        stock.remove(MessageId(4), 10, true);
        assert_eq!(stock.bound(2), 0);
        assert_eq!(stock.bound(0), 2);
        assert!(stock.has_given_up(MessageId(5)));
        let StockFigures { messages, bytes, given_up, .. } = stock.figures();
        assert_eq!((messages, bytes, given_up), (3, 30, 3));
    }
}
