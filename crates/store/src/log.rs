//! The log of messages and sessions: what is acknowledged is in it, on disk.
//!
//! A message that a stored session wants, or that is retained, is appended once with its receivers; what happens to it
//! afterwards (in flight, acknowledged, dropped) and to the sessions are small records behind it. Read from its beginning,
//! the log gives the state of before the end: [`Recovered`].
//!
//! Way in: [`Log::append`] gives a [`Ticket`]; whatever promises something to a client waits until the ticket is settled
//! ([`Log::is_settled`], [`Log::notify`]). Forms: [`EmbeddedLog`], a folder of this machine; [`MemoryLog`], which keeps nothing.
//! Never here: who may, MQTT rules, clocks.

use std::{fmt, sync::Arc};

mod batch;
mod cleaner;
#[cfg(test)]
mod codec_tests;
mod copy;
mod decode;
mod disk;
mod embedded;
mod encode;
mod memory;
mod record;
mod recover;
mod recovered;
mod segment;
mod state;
mod waiters;
mod wire;
mod writer;

pub use copy::CopiedSegment;
pub use disk::{Disk, DiskFile, RealDisk};
pub use embedded::{EmbeddedLog, LogOpenError, LogOptions};
pub use memory::MemoryLog;
pub use record::{Cause, Receiver, Record, SessionRecord, StoredCaller, StoredMessage, StoredWill, Way};
pub use recovered::{
    InFlightMessage, Recovered, RecoveredMessage, RecoveredSession, RecoveredShare, RecoveredSubscription,
};
pub use segment::FORMAT_VERSION;

/// Something that waits for messages: a session, or a shared subscription of an instance. Never given twice in a folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QueueId(pub u64);

impl QueueId {
    /// Wants a message because it is its topic's retained one.
    pub const RETAINED: Self = Self(0);
}

/// A stored message. Never given twice in a folder; a queue holds its messages in the order of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(pub u64);

/// What must have happened to a record before somebody is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Need {
    /// Nothing: it goes with the next batch, within 100 ms. Losing it repeats work and breaks no promise. Never refused
    /// because the disk is full.
    Later,
    /// Written: it survives the end of the process. Synced within 100 ms. `Durability=Relaxed`.
    Written,
    /// Synced: it survives the end of the machine. `Durability=Sync`.
    Synced,
}

/// What an append has to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// Records up to here, counted since the log was opened.
    pub position: u64,
    /// What must have happened to them.
    pub need: Need,
}

/// Why the log does not take a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogFault {
    /// No space, or too much that waits to be written. It goes away by itself.
    #[error("the disk of the message log is full")]
    Full,
    /// The folder cannot be written. It goes away by itself.
    #[error("the folder of the message log cannot be written")]
    ReadOnly,
    /// A sync failed, and what the disk holds is not known: nothing is promised any more until the server starts again.
    #[error("the message log could not be synced; nothing is acknowledged until the server starts again")]
    Broken,
}

/// Is told once that what it waits for has happened, or never will.
pub trait Waiter: Send + Sync {
    /// The ticket is settled, or the log is [broken](LogFault::Broken).
    fn settled(&self);
}

/// What a log did since it was opened, and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogFigures {
    /// Records appended.
    pub records: u64,
    /// Syncs of the disk.
    pub syncs: u64,
    /// Bytes appended.
    pub appended_bytes: u64,
    /// Bytes of all segments.
    pub segment_bytes: u64,
    /// Messages that somebody waits for.
    pub messages: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Damaged records that were found and skipped at opening.
    pub damaged: u64,
}

/// A log of messages and sessions.
pub trait Log: Send + Sync + fmt::Debug + 'static {
    /// Adds a record behind all earlier ones. Cheap: it is written by another thread.
    ///
    /// # Errors
    /// [`LogFault`]: nothing was added.
    fn append(&self, record: &Record<'_>, need: Need) -> Result<Ticket, LogFault>;

    /// Whether what the ticket waits for has happened.
    fn is_settled(&self, ticket: Ticket) -> bool;

    /// Has `waiter` told when the ticket is settled; at once where it is.
    fn notify(&self, ticket: Ticket, waiter: Arc<dyn Waiter>);

    /// Nobody waits for the message any more: its space may be used again. Writes nothing.
    fn forget(&self, message: MessageId);

    /// Why records with a need are refused now, if they are.
    fn fault(&self) -> Option<LogFault>;

    /// What it did and holds.
    fn figures(&self) -> LogFigures;

    /// Writes and syncs what was appended; nothing is taken afterwards.
    fn close(&self);
}
