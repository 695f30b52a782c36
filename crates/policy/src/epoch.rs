//! The age of a decision: which state of the policies it read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A number and the cell that it was read from. Whoever changes what a principal may do bumps the cell; every decision
/// that carries the old number is then void.
#[derive(Clone, Debug)]
pub struct Epoch {
    cell: Arc<AtomicU64>,
    seen: u64,
}

impl Epoch {
    /// The epoch `seen` of `cell`.
    #[must_use]
    pub fn new(cell: Arc<AtomicU64>, seen: u64) -> Self {
        Self { cell, seen }
    }

    /// Whether nothing has changed since. Cost: one atomic load.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.cell.load(Ordering::Acquire) == self.seen
    }

    /// The number seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

impl PartialEq for Epoch {
    /// The same cell and number.
    fn eq(&self, other: &Self) -> bool {
        self.seen == other.seen && Arc::ptr_eq(&self.cell, &other.cell)
    }
}
impl Eq for Epoch {}
