//! Wakes one task: a mark that is set until it is seen, and whom to tell; and the wake-ups that one turn owes.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures_util::task::AtomicWaker;

use crate::link::Link;

/// Receivers that got their first waiting message and are to be woken once everything that one read brought is handed
/// over: each finds the whole batch, and writes it in one call (facts/broker-techniques.md, 5). Dropping it wakes them.
#[derive(Debug, Default)]
pub(crate) struct Wakes(Vec<Arc<Link>>);

impl Wakes {
    /// Room that is kept from one turn to the next.
    const KEPT_MAX: usize = 16;

    pub(crate) fn owe(&mut self, link: Arc<Link>) {
        self.0.push(link);
    }

    /// Wakes all.
    pub(crate) fn pay(&mut self) {
        for link in self.0.drain(..) {
            link.wake();
        }
        if self.0.capacity() > Self::KEPT_MAX {
            self.0 = Vec::new();
        }
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.pay();
    }
}

/// One task waits, any may wake it. A wake-up while nobody waits is kept, once. Lighter than a queue of waiters: waiting
/// costs two atomic operations and no lock.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    is_set: AtomicBool,
    waiter: AtomicWaker,
}

impl Wake {
    /// Has the task that waits, or will wait next, go on.
    pub(crate) fn wake(&self) {
        if !self.is_set.swap(true, Ordering::AcqRel) {
            self.waiter.wake();
        }
    }

    /// Returns when somebody woke. Cancel safe: what was not seen is kept.
    pub(crate) async fn wait(&self) {
        poll_fn(|context| {
            if self.take() {
                return Poll::Ready(());
            }
            self.waiter.register(context.waker());
            // Somebody may have woken between the look and the registration.
            if self.take() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn take(&self) -> bool {
        // A plain load first, since mostly nothing is there.
        self.is_set.load(Ordering::Acquire) && self.is_set.swap(false, Ordering::AcqRel)
    }
}
