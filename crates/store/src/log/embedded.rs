//! The log in a folder of this machine.
//!
//! An append encodes outside of the lock, then copies into the batch and into the log's memory. One thread writes: it takes
//! the whole batch, writes it, syncs once if anybody needs that, tells who waits; meanwhile the next batch forms. Another
//! thread [cleans](super::cleaner).

use std::{
    cell::RefCell,
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    thread,
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    Disk, Log, LogFault, LogFigures, MessageId, Need, Record, Recovered, Ticket, Waiter,
    batch::{Batch, Head},
    cleaner, encode,
    recover::{self, Opened},
    segment,
    state::State,
    waiters::Waiters,
    writer,
};

/// How the log behaves.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Bytes of a segment. A larger record has a segment of its own.
    pub segment_bytes: u64,
    /// With fewer free bytes in the folder, records with a need are refused: the rest is for the database, and for cleaning.
    pub reserve_bytes: u64,
    /// Bytes that wait to be written; with more, records with a need are refused. Of records without one, twice as many.
    pub buffer_bytes_max: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self { segment_bytes: 64 * MIB, reserve_bytes: 32 * MIB, buffer_bytes_max: 64 * 1024 * 1024 }
    }
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogOpenError {
    /// Of the operator: a later version wrote it.
    #[error(
        "the message log file `{file}` has format {found}, and this version of Sluice knows formats up to {known}; \
         please start the version that wrote it, or a later one"
    )]
    TooNew {
        /// The first such file.
        file: String,
        /// Its format.
        found: u32,
        /// The latest that this version knows.
        known: u32,
    },
    /// The folder's.
    #[error("the message log cannot be opened: {0}")]
    Disk(#[from] io::Error),
}

/// The log in a folder.
#[derive(Debug)]
pub struct EmbeddedLog {
    pub(super) shared: Arc<Shared>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

/// What the threads and the callers have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: LogOptions,
    pub(super) salt: u64,
    pub(super) inner: Mutex<Inner>,
    /// For the writer: there is something to do.
    pub(super) work: Condvar,
    /// For the cleaner: there may be something to do.
    pub(super) dirt: Condvar,
    /// For whoever waits without a ticket: the writer did something.
    pub(super) progress: Condvar,
    /// The position up to which records are written, and synced.
    pub(super) written: AtomicU64,
    pub(super) synced: AtomicU64,
    pub(super) syncs: AtomicU64,
    fault: AtomicU8,
    /// The writer does nothing any more.
    pub(super) is_over: AtomicBool,
    pub(super) waiters: Waiters,
    /// Held while a segment is removed, and while all are copied.
    pub(super) removing: Mutex<()>,
    damaged: u64,
}

/// What the lock is for.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: State,
    pub(super) batch: Batch,
    pub(super) head: Head,
    pub(super) position: u64,
    /// Bytes of each segment but the head's.
    pub(super) segments: BTreeMap<u64, u64>,
    pub(super) writer: Sleep,
    pub(super) is_closing: bool,
    records: u64,
    bytes: u64,
}

/// What the writer does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sleep {
    /// Looks at the batch before it sleeps.
    Awake,
    /// Until something has to be done soon; wakes by itself when it has to be done later.
    ForNow,
    /// Until something has to be done at all.
    Deeply,
}

thread_local! {
    /// Where a record is encoded before the lock is taken.
    static ENCODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}
/// A buffer for encoding that is larger than this is not kept.
const ENCODED_BYTES_MAX: usize = 1024 * 1024;

impl EmbeddedLog {
    /// Refuses a log in which a later version has written. Changes nothing.
    ///
    /// # Errors
    /// [`LogOpenError::TooNew`], [`LogOpenError::Disk`].
    pub fn check_format(disk: &dyn Disk) -> Result<(), LogOpenError> {
        recover::check_format(disk)
    }

    /// Opens a folder, or begins one, and gives what it holds. The work of a second for a million messages: not for an
    /// async task.
    ///
    /// # Errors
    /// [`LogOpenError`]. Damage is none: it is told to the operator by `tracing::error` with file, place and length, counted
    /// ([`LogFigures::damaged`]), and skipped.
    pub fn open(disk: Arc<dyn Disk>, options: LogOptions) -> Result<(Arc<Self>, Recovered), LogOpenError> {
        let Opened { state, segments, next_segment, recovered, damaged } = recover::open(&*disk)?;
        let salt = RandomState::new().build_hasher().finish();
        let mut inner = Inner {
            state,
            batch: Batch::default(),
            head: Head::before(next_segment, options.segment_bytes, salt),
            position: 0,
            segments,
            writer: Sleep::Awake,
            is_closing: false,
            records: 0,
            bytes: 0,
        };
        inner.batch.begin_segment(&mut inner.head, &inner.state);
        metrics::counter!("sluice_log_damaged_records_total").increment(damaged);
        let shared = Arc::new(Shared {
            disk,
            options,
            salt,
            inner: Mutex::new(inner),
            work: Condvar::new(),
            dirt: Condvar::new(),
            progress: Condvar::new(),
            written: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            fault: AtomicU8::new(0),
            is_over: AtomicBool::new(false),
            waiters: Waiters::default(),
            removing: Mutex::new(()),
            damaged,
        });
        // An operator's alarm needs the good value too.
        shared.set_fault(None);
        let log = Arc::new(Self { shared: Arc::clone(&shared), threads: Mutex::new(Vec::new()) });
        let of_writer = Arc::clone(&shared);
        let writing = thread::Builder::new().name("log-writer".into()).spawn(move || writer::run(&of_writer))?;
        log.threads.lock().push(writing);
        let cleaning = thread::Builder::new().name("log-cleaner".into()).spawn(move || cleaner::run(&shared))?;
        log.threads.lock().push(cleaning);
        Ok((log, recovered))
    }
}

impl Shared {
    /// Why records are refused, if they are.
    pub(super) fn fault(&self) -> Option<LogFault> {
        match self.fault.load(Ordering::Acquire) {
            0 => None,
            1 => Some(LogFault::Full),
            2 => Some(LogFault::ReadOnly),
            _ => Some(LogFault::Broken),
        }
    }

    /// Refuses records from now on, or takes them again. `Broken` stays.
    pub(super) fn set_fault(&self, fault: Option<LogFault>) {
        let code = match fault {
            None => 0,
            Some(LogFault::Full) => 1,
            Some(LogFault::ReadOnly) => 2,
            Some(LogFault::Broken) => 3,
        };
        if self.fault.load(Ordering::Acquire) != 3 {
            self.fault.store(code, Ordering::Release);
            metrics::gauge!("sluice_log_fault").set(f64::from(code));
        }
    }

    /// Whether nothing will happen to a ticket any more, because it has or because it never will.
    fn is_done_with(&self, ticket: Ticket) -> bool {
        self.is_settled(ticket) || self.fault() == Some(LogFault::Broken) || self.is_over()
    }

    pub(super) fn is_settled(&self, ticket: Ticket) -> bool {
        let reached = match ticket.need {
            Need::Later => return true,
            Need::Written => self.written.load(Ordering::Acquire),
            Need::Synced => self.synced.load(Ordering::Acquire),
        };
        ticket.position <= reached
    }

    /// Adds an encoded record, and says what it makes so.
    fn add(&self, framed: &[u8], record: &Record<'_>, need: Need) -> Result<Ticket, LogFault> {
        let mut inner = self.inner.lock();
        if inner.is_closing {
            return Err(LogFault::Broken);
        }
        let bytes_max = self.options.buffer_bytes_max * if need == Need::Later { 2 } else { 1 };
        // Not with the record: one that is larger than the buffer would never be taken.
        if inner.batch.bytes() > bytes_max {
            return Err(LogFault::Full);
        }
        if !inner.state.concerns(record) {
            return Ok(Ticket { position: inner.position, need });
        }
        let it = &mut *inner;
        let place = match it.returned(record, self.salt) {
            Some(framed) => it.batch.push(&mut it.head, &it.state, &framed),
            None => it.batch.push(&mut it.head, &it.state, framed),
        };
        it.state.apply(record, place);
        it.records += 1;
        it.bytes += u64::from(place.bytes);
        let position = it.take_position(need);
        self.unlock_and_wake(inner, need);
        Ok(Ticket { position, need })
    }

    /// Wakes the writer, if it sleeps and there is reason to.
    pub(super) fn unlock_and_wake(&self, mut inner: MutexGuard<'_, Inner>, need: Need) {
        let wakes = match inner.writer {
            Sleep::Awake => false,
            Sleep::ForNow => need > Need::Later,
            Sleep::Deeply => true,
        };
        if wakes {
            inner.writer = Sleep::Awake;
        }
        drop(inner);
        if wakes {
            self.work.notify_one();
        }
    }

    /// Has the writer do what is needed of what is there.
    pub(super) fn ask_for(&self, inner: &mut Inner, need: Need) {
        inner.batch.need = inner.batch.need.max(need);
        if inner.writer != Sleep::Awake {
            inner.writer = Sleep::Awake;
            self.work.notify_one();
        }
    }

    /// Whether the writer does nothing any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Waits until records up to a position are written or synced, as `need` says; `false` when they never will be.
    pub(super) fn wait_for(&self, position: u64, need: Need) -> bool {
        let ticket = Ticket { position, need };
        let mut inner = self.inner.lock();
        while !self.is_settled(ticket) {
            if self.is_done_with(ticket) {
                return false;
            }
            // Not only before the first wait: the batch may have been taken for less.
            self.ask_for(&mut inner, need);
            self.progress.wait(&mut inner);
        }
        true
    }
}

impl Inner {
    /// What is written of an identifier that is withdrawn, where its message waits again. Only the log's own memory knows it.
    fn returned(&self, record: &Record<'_>, salt: u64) -> Option<Vec<u8>> {
        let Record::Withdrawn { session, id } = record else { return None };
        let (message, receiver) = self.state.to_wait_again(*session, *id)?;
        let mut framed = Vec::new();
        segment::frame(&mut framed, salt, |out| encode::returned(out, *session, *id, message, receiver));
        Some(framed)
    }

    /// The position of the record that was pushed.
    pub(super) fn take_position(&mut self, need: Need) -> u64 {
        self.position += 1;
        self.batch.end = self.position;
        self.batch.need = self.batch.need.max(need);
        self.batch.has_written |= need == Need::Written;
        self.position
    }

    /// Bytes of all segments.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.segments.values().sum::<u64>() + self.head.offset
    }
}

impl Log for EmbeddedLog {
    fn append(&self, record: &Record<'_>, need: Need) -> Result<Ticket, LogFault> {
        match self.shared.fault() {
            Some(LogFault::Broken) => return Err(LogFault::Broken),
            Some(fault) if need > Need::Later => return Err(fault),
            _ => {}
        }
        ENCODED.with_borrow_mut(|framed| {
            framed.clear();
            segment::frame(framed, self.shared.salt, |out| encode::record(out, record));
            let taken = self.shared.add(framed, record, need);
            if framed.capacity() > ENCODED_BYTES_MAX {
                *framed = Vec::new();
            }
            taken
        })
    }

    fn is_settled(&self, ticket: Ticket) -> bool {
        self.shared.is_settled(ticket)
    }

    fn notify(&self, ticket: Ticket, waiter: Arc<dyn Waiter>) {
        self.shared.waiters.add(ticket, waiter, |ticket| self.shared.is_done_with(ticket));
    }

    fn forget(&self, message: MessageId) {
        let mut inner = self.shared.inner.lock();
        inner.state.messages.forget(message);
        if cleaner::oldest_to_clean(&inner, &self.shared.options).is_some() {
            self.shared.dirt.notify_one();
        }
    }

    fn fault(&self) -> Option<LogFault> {
        self.shared.fault()
    }

    fn figures(&self) -> LogFigures {
        let inner = self.shared.inner.lock();
        LogFigures {
            records: inner.records,
            syncs: self.shared.syncs.load(Ordering::Relaxed),
            appended_bytes: inner.bytes,
            segment_bytes: inner.segment_bytes(),
            messages: inner.state.messages.count(),
            live_bytes: inner.state.messages.bytes(),
            damaged: self.shared.damaged,
        }
    }

    fn close(&self) {
        self.shared.inner.lock().is_closing = true;
        self.shared.work.notify_one();
        self.shared.dirt.notify_one();
        self.shared.progress.notify_all();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A waiter may be the last who has the log; the writer tells it.
            let is_this = thread.thread().id() == thread::current().id();
            if !is_this && thread.join().is_err() {
                tracing::error!("a thread of the message log panicked");
            }
        }
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.close();
    }
}
