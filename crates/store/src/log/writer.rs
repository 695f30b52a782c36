//! The thread that writes: group commit.
//!
//! Whoever needs a sync gets it with all that came meanwhile. Nobody is waited for: with nothing to do the first record is
//! written at once. What needs nothing goes with the next batch or after 100 ms.

use std::{
    io,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use super::{
    LogFault, Need,
    batch::{Batch, Part},
    cleaner,
    disk::{DiskFile, write_all_at},
    embedded::{Inner, Shared, Sleep},
    segment::{self, HEADER_BYTES},
};
use metrics::{counter, gauge};

/// How long what needs nothing waits to be written, and what is written to be synced.
const LATER: Duration = Duration::from_millis(100);
/// How long after a failed write it is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How often the free space is looked at while there is enough.
const SPACE: Duration = Duration::from_millis(50);

/// Zeros that are written ahead of the records, so that a sync has no length of the file to write as well. Measured on ext4,
/// a batch of 250 bytes, 4 KB, 40 KB, each with its fdatasync, means: without 167, 240, 265 us; 64 KiB ahead 128, 118, 229;
/// 256 KiB 115, 120, 147; 1 MiB 125, 118, 158. Written by the writer itself: the sync that follows pays for them, which is in
/// these means.
const AHEAD_BYTES: usize = 256 * 1024;
static ZEROS: [u8; AHEAD_BYTES] = [0; AHEAD_BYTES];

/// What went wrong.
#[derive(Debug)]
enum Failure {
    /// Nothing is lost: it can be tried again.
    Write(io::Error),
    /// What the disk holds is not known.
    Sync(io::Error),
}

/// The segment that is written.
#[derive(Debug)]
struct Current {
    number: u64,
    file: Box<dyn DiskFile>,
    written_to: u64,
    synced_to: u64,
    /// Where the zeros end.
    ahead_to: u64,
}

impl Current {
    /// Writes zeros behind records up to `end`, where these go beyond the zeros that are there. Not where the disk has no
    /// room for zeros.
    fn go_ahead(&mut self, end: u64, segment_bytes: u64) {
        let zeros = segment_bytes.saturating_sub(end).min(AHEAD_BYTES as u64);
        if end <= self.ahead_to || zeros == 0 {
            return;
        }
        match write_all_at(&mut *self.file, end, &ZEROS[..zeros as usize]) {
            Ok(()) => self.ahead_to = end + zeros,
            Err(why) => {
                tracing::debug!(%why, "no room ahead of the message log");
                self.cut();
            }
        }
    }

    /// Gives back what is behind the records. Where that fails there are zeros, or what is written over next.
    fn cut(&mut self) {
        if let Err(why) = self.file.set_len(self.written_to) {
            tracing::debug!(%why, "the message log could not cut back what it wrote");
        }
        self.ahead_to = self.written_to;
    }
}

#[derive(Debug)]
struct Writer<'s> {
    shared: &'s Shared,
    current: Option<Current>,
    /// Since when something is written and not synced.
    owes_sync: Option<Instant>,
    /// When a mark is due that says that all is synced: after 100 ms without records.
    mark_due: Option<Instant>,
    space_looked_at: Option<Instant>,
}

/// Writes until the log is closed or broken.
pub(super) fn run(shared: &Shared) {
    let _end = End(shared);
    let mut writer = Writer { shared, current: None, owes_sync: None, mark_due: None, space_looked_at: None };
    if let Err(why) = writer.write_all() {
        tracing::error!(%why, "the message log is broken; nothing is acknowledged until the server starts again");
        shared.set_fault(Some(LogFault::Broken));
    }
}

/// Tells all who wait that nothing happens any more, also when the thread panics.
struct End<'s>(&'s Shared);
impl Drop for End<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.set_fault(Some(LogFault::Broken));
        }
        self.0.is_over.store(true, Ordering::Release);
        self.0.waiters.tell_all();
        let _inner = self.0.inner.lock();
        self.0.progress.notify_all();
        self.0.dirt.notify_all();
    }
}

impl Writer<'_> {
    fn write_all(&mut self) -> io::Result<()> {
        while let Some(batch) = self.next_batch() {
            self.commit(batch)?;
        }
        // Says that nothing of the end is torn, whatever is found there later.
        let mut last = Batch::default();
        last.push_mark(&mut self.shared.inner.lock().head);
        match self.write(&mut last) {
            Ok(()) => {
                if let Some(current) = &mut self.current {
                    current.cut();
                }
                self.sync()
            }
            Err(Failure::Sync(why)) => Err(why),
            Err(Failure::Write(why)) => {
                tracing::debug!(%why, "the message log ends without a mark; nothing is missing");
                Ok(())
            }
        }
    }

    /// Waits for what is to be written; `None` when the log is closed and all is done.
    fn next_batch(&mut self) -> Option<Batch> {
        tell_figures(self.shared);
        let mut inner = self.shared.inner.lock();
        self.shared.progress.notify_all();
        if cleaner::oldest_to_clean(&inner, &self.shared.options).is_some() {
            self.shared.dirt.notify_one();
        }
        loop {
            let due = self.due(&inner);
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                break;
            }
            if inner.is_closing && inner.batch.is_empty() {
                return None;
            }
            match due {
                Some(due) => {
                    inner.writer = Sleep::ForNow;
                    self.shared.work.wait_until(&mut inner, due);
                }
                None => {
                    inner.writer = Sleep::Deeply;
                    self.shared.work.wait(&mut inner);
                }
            }
            inner.writer = Sleep::Awake;
        }
        if !inner.batch.is_empty() {
            self.mark_due = None;
        } else if self.mark_due.take_if(|due| *due <= Instant::now()).is_some() {
            let it = &mut *inner;
            it.batch.push_mark(&mut it.head);
        }
        let end = inner.position;
        let mut batch = std::mem::take(&mut inner.batch);
        batch.end = end;
        if inner.is_closing {
            batch.need = Need::Synced;
        }
        Some(batch)
    }

    /// When something has to be done; `None` when there is nothing to do.
    fn due(&self, inner: &Inner) -> Option<Instant> {
        let now = Instant::now();
        if (inner.is_closing && (!inner.batch.is_empty() || self.owes_sync.is_some()))
            || (inner.batch.need > Need::Later)
        {
            return Some(now);
        }
        let of_batch = inner.batch.since.map(|since| since + LATER);
        let of_sync = self.owes_sync.map(|since| since + LATER);
        let of_fault = self.shared.fault().and(self.space_looked_at).map(|at| at + RETRY);
        [of_batch, of_sync, of_fault, self.mark_due].into_iter().flatten().min()
    }

    /// Writes a batch, however often it has to be tried, and tells what happened.
    ///
    /// # Errors
    /// The log is broken.
    fn commit(&mut self, mut batch: Batch) -> Result<(), io::Error> {
        let has_records = batch.end > self.shared.written.load(Ordering::Relaxed);
        let mut is_last_try = false;
        loop {
            match self.write(&mut batch) {
                Ok(()) => break,
                Err(Failure::Sync(why)) => return Err(why),
                Err(Failure::Write(why)) if is_last_try => return Err(why),
                Err(Failure::Write(why)) => {
                    self.failed(&why);
                    is_last_try = self.wait_to_retry();
                }
            }
        }
        self.look_at_space();
        self.shared.written.store(batch.end, Ordering::Release);
        if has_records {
            self.owes_sync.get_or_insert_with(Instant::now);
        }
        let is_due = self.owes_sync.is_some_and(|since| since.elapsed() >= LATER) || batch.need == Need::Later;
        if self.owes_sync.is_some() && (batch.need == Need::Synced || is_due) {
            if batch.has_written {
                // They do not wait for the sync that others need.
                self.shared.waiters.tell(batch.end, self.shared.synced.load(Ordering::Relaxed));
            }
            self.sync()?;
            self.shared.synced.store(batch.end, Ordering::Release);
            self.mark_due = Some(Instant::now() + LATER);
        }
        let synced = self.shared.synced.load(Ordering::Relaxed);
        self.shared.waiters.tell(batch.end, synced);
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        while let Some(part) = batch.parts.first_mut() {
            if self.current.as_ref().is_none_or(|current| current.number != part.segment) {
                self.begin(part.segment)?;
            }
            let current = self.current.as_mut().expect("begun above");
            part.fill_in_mark(current.synced_to, self.shared.salt);
            current.go_ahead(part.end(), self.shared.options.segment_bytes);
            if let Err(why) = write_all_at(&mut *current.file, part.offset, &part.bytes) {
                // What was written of it is of no use, and its space may be the database's last.
                current.cut();
                return Err(Failure::Write(why));
            }
            current.written_to = part.end();
            counter!("sluice_log_appended_bytes_total").increment(part.bytes.len() as u64);
            let Part { bytes, .. } = batch.parts.remove(0);
            self.shared.inner.lock().head.give_back(bytes);
        }
        Ok(())
    }

    /// Ends the segment that is written and begins another. All of one is on disk before there is anything of the next.
    fn begin(&mut self, number: u64) -> Result<(), Failure> {
        if let Some(current) = &mut self.current {
            current.cut();
            if current.synced_to < current.written_to {
                current.file.sync_data().map_err(Failure::Sync)?;
                current.synced_to = current.written_to;
                self.shared.syncs.fetch_add(1, Ordering::Relaxed);
                counter!("sluice_log_syncs_total").increment(1);
            }
            let mut inner = self.shared.inner.lock();
            inner.segments.insert(current.number, current.written_to);
        }
        self.current = None;
        let name = segment::name(number);
        let disk = &*self.shared.disk;
        let mut file = match disk.create(&name) {
            // Of an attempt that failed.
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove(&name).and_then(|()| disk.create(&name)).map_err(Failure::Write)?
            }
            other => other.map_err(Failure::Write)?,
        };
        let header = segment::header(number, self.shared.salt);
        write_all_at(&mut *file, 0, &header).map_err(Failure::Write)?;
        file.sync_data().map_err(Failure::Sync)?;
        disk.sync_dir().map_err(Failure::Sync)?;
        let (written_to, synced_to) = (HEADER_BYTES, HEADER_BYTES);
        self.current = Some(Current { number, file, written_to, synced_to, ahead_to: HEADER_BYTES });
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(current) = &mut self.current {
            current.file.sync_data()?;
            current.synced_to = current.written_to;
        }
        self.owes_sync = None;
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        counter!("sluice_log_syncs_total").increment(1);
        Ok(())
    }

    /// A write failed: records with a need are refused until one succeeds.
    fn failed(&mut self, why: &io::Error) {
        let fault = match why.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => LogFault::Full,
            _ => LogFault::ReadOnly,
        };
        if self.shared.fault() != Some(fault) {
            tracing::error!(%why, "the message log cannot be written; it is tried again, and until then nothing is acknowledged");
            self.shared.set_fault(Some(fault));
        }
        self.space_looked_at = Some(Instant::now());
    }

    /// Until it is time to try again, or the log is closed: then `true`.
    fn wait_to_retry(&self) -> bool {
        let mut inner = self.shared.inner.lock();
        let due = Instant::now() + RETRY;
        while !inner.is_closing && !self.shared.work.wait_until(&mut inner, due).timed_out() {}
        inner.is_closing
    }

    /// After a write that succeeded: refuses records when the space ends, and takes them again.
    fn look_at_space(&mut self) {
        let fault = self.shared.fault();
        let now = Instant::now();
        if fault.is_none() && self.space_looked_at.is_some_and(|at| now < at + SPACE) {
            return;
        }
        self.space_looked_at = Some(now);
        let is_low = match self.shared.disk.free_bytes() {
            Ok(free) => free < self.shared.options.reserve_bytes,
            Err(why) => {
                tracing::warn!(%why, "the free space of the message log's folder cannot be read");
                false
            }
        };
        let found = is_low.then_some(LogFault::Full);
        if found != fault {
            match found {
                Some(_) => tracing::error!(
                    "the disk of the message log is nearly full; nothing is acknowledged until there is space"
                ),
                None => tracing::info!("the message log can be written again"),
            }
            self.shared.set_fault(found);
        }
    }
}

fn tell_figures(shared: &Shared) {
    let (segment_bytes, live_bytes, messages) = {
        let inner = shared.inner.lock();
        (inner.segment_bytes(), inner.state.messages.bytes(), inner.state.messages.count())
    };
    gauge!("sluice_log_segment_bytes").set(segment_bytes as f64);
    gauge!("sluice_log_live_bytes").set(live_bytes as f64);
    gauge!("sluice_log_messages").set(messages as f64);
}
