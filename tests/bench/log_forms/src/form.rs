//! What a form of the log has to do here: one message for one queue, its way to the client, its end, and reading it all again.

use std::path::Path;

use bytes::Bytes;

/// A message that waits, found at opening.
pub struct Found {
    pub id: u64,
    pub queue: u64,
    /// What its payload has beside it is the form's own.
    pub bytes: usize,
}

/// A form of the log. Positions count records.
pub trait Form: Sized + Send + Sync {
    /// Opens a folder for queues of these numbers; what waits in it, in the order of ids.
    fn open(folder: &Path, queues: std::ops::RangeInclusive<u64>) -> (Self, Vec<Found>);

    /// Adds a message that is acknowledged when it is synced; its position.
    fn message(&self, id: u64, queue: u64, payload: &Bytes) -> u64;

    /// Notes that a message went to the client of its queue. Nobody waits for it.
    fn in_flight(&self, queue: u64, packet: u16, id: u64) -> u64;

    /// Notes that the client has it. Nobody waits for it.
    fn acknowledged(&self, queue: u64, packet: u16, id: u64) -> u64;

    /// Whether the records up to a position are synced.
    fn is_settled(&self, position: u64) -> bool;

    /// Waits until they are.
    fn wait(&self, position: u64);

    /// Syncs so far.
    fn syncs(&self) -> u64;

    /// Writes and syncs what waits.
    fn close(self);
}
