//! The thread that cleans: gives the space of what is over back, the oldest segment first.
//!
//! What still counts in the segment is written again at the head: sessions whole, messages with those who wait now. The
//! segment is removed when that is synced, with all that said meanwhile that the rest is over. Under the lock only a slice
//! at a time, so that what is written is what is so, and nobody waits long.

use std::{borrow::Cow, io};

use parking_lot::MutexGuard;

use super::{
    LogFault, LogOptions, Need, QueueId, Record,
    decode::{Entry, MessageView},
    embedded::{Inner, Shared},
    encode,
    segment::{self, Found, Scan},
};

/// A slice: so many records at most.
const SLICE_RECORDS: usize = 256;
/// A slice: so many bytes, and what is over with the last record.
const SLICE_BYTES: usize = 1024 * 1024;
/// More segments than what they hold accounts for, by this: then the oldest are joined. Each start begins one.
const SPARE_SEGMENTS: u64 = 16;

/// The segment that is to be cleaned, if there is reason to.
pub(super) fn oldest_to_clean(inner: &Inner, options: &LogOptions) -> Option<u64> {
    let (oldest, _) = inner.segments.first_key_value()?;
    let is_over =
        inner.state.messages.live_in(*oldest).messages == 0 && inner.state.first_written_in(*oldest).is_none();
    let live = inner.state.messages.bytes() + inner.state.session_bytes;
    let bytes = inner.segment_bytes();
    let is_mostly_dead = bytes > 2 * live + options.segment_bytes;
    let is_scattered = inner.segments.len() as u64 > 2 * bytes / options.segment_bytes + SPARE_SEGMENTS;
    (is_over || is_mostly_dead || is_scattered).then_some(*oldest)
}

/// Cleans until the log is closed.
pub(super) fn run(shared: &Shared) {
    loop {
        let mut inner = shared.inner.lock();
        let oldest = loop {
            if is_at_end(shared, &inner) {
                return;
            }
            match oldest_to_clean(&inner, &shared.options) {
                Some(oldest) => break oldest,
                None => shared.dirt.wait(&mut inner),
            }
        };
        drop(inner);
        if let Err(why) = clean(shared, oldest) {
            tracing::error!(file = segment::name(oldest), %why, "a segment of the message log cannot be cleaned");
            // Not again before something else happened.
            let mut inner = shared.inner.lock();
            if !is_at_end(shared, &inner) {
                shared.dirt.wait(&mut inner);
            }
        }
    }
}

fn is_at_end(shared: &Shared, inner: &Inner) -> bool {
    inner.is_closing || shared.fault() == Some(LogFault::Broken) || shared.is_over()
}

/// Writes again what counts in a segment and removes it.
fn clean(shared: &Shared, number: u64) -> io::Result<()> {
    let has_messages = {
        let mut inner = shared.inner.lock();
        while let Some(queue) = inner.state.first_written_in(number) {
            let mut bytes = 0;
            let mut next = Some(queue);
            while let Some(queue) = next.filter(|_| bytes < SLICE_BYTES) {
                bytes += queue_again(shared, &mut inner, queue);
                next = inner.state.first_written_in(number);
            }
            if !let_others(shared, &mut inner) {
                return Ok(());
            }
        }
        inner.state.messages.live_in(number).messages > 0
    };
    if has_messages && !messages_again(shared, number)? {
        return Ok(());
    }
    // Also what says that the rest is over has to be on disk before the rest is gone.
    let position = shared.inner.lock().position;
    if shared.wait_for(position, Need::Synced) {
        remove(shared, number)?;
    }
    Ok(())
}

/// Writes a session or shared subscription again, and says how many bytes that were.
fn queue_again(shared: &Shared, inner: &mut Inner, queue: QueueId) -> usize {
    let mut framed = Vec::new();
    if let Some((record, state)) = inner.state.whole(queue) {
        segment::frame(&mut framed, shared.salt, |out| encode::whole_session(out, record, state));
    } else if let Some(it) = inner.state.share_of(queue) {
        let (instance, filter) = (Cow::Borrowed(&it.instance), Cow::Borrowed(&it.filter));
        let record = Record::Share { share: queue, account: it.account, instance, filter };
        segment::frame(&mut framed, shared.salt, |out| encode::record(out, &record));
    }
    let place = inner.batch.push(&mut inner.head, &inner.state, &framed);
    inner.state.moved(queue, place.segment);
    inner.take_position(Need::Later);
    framed.len()
}

/// Writes messages again that somebody waits for. `false` when the log ends.
fn messages_again(shared: &Shared, number: u64) -> io::Result<bool> {
    let name = segment::name(number);
    let mut bytes = Vec::new();
    shared.disk.read_whole(&name, &mut bytes)?;
    let salt = segment::read_header(&name, &bytes).map_err(io::Error::other)?;
    let salt = salt.ok_or_else(|| io::Error::other("the header cannot be read"))?;
    let mut scan = Scan::new(&bytes, salt);
    let mut views = std::iter::from_fn(|| scan.next()).filter_map(|(_, found)| match found {
        Found::Entry(Entry::Message(view), _) => Some(view),
        _ => None,
    });
    let mut framed = Vec::new();
    let mut slice = Vec::with_capacity(SLICE_RECORDS);
    loop {
        slice.clear();
        slice.extend(views.by_ref().take(SLICE_RECORDS));
        if slice.is_empty() {
            return Ok(true);
        }
        let mut inner = shared.inner.lock();
        let mut bytes = 0;
        for view in &slice {
            bytes += message_again(shared, &mut inner, number, view, &mut framed)?;
            if bytes >= SLICE_BYTES {
                bytes = 0;
                if !let_others(shared, &mut inner) {
                    return Ok(false);
                }
            }
        }
        if !let_others(shared, &mut inner) {
            return Ok(false);
        }
    }
}

fn message_again(
    shared: &Shared,
    inner: &mut Inner,
    number: u64,
    view: &MessageView<'_>,
    framed: &mut Vec<u8>,
) -> io::Result<usize> {
    let Inner { state, batch, head, .. } = inner;
    let is_here = |state: &super::state::State| state.messages.get(view.id).is_some_and(|it| it.segment() == number);
    if !is_here(state) {
        return Ok(0);
    }
    state.sift(view.id);
    if !is_here(state) {
        return Ok(0);
    }
    framed.clear();
    let messages = &state.messages;
    let waits = |queue| messages.get(view.id).is_some_and(|it| it.waits(queue));
    let mut written = Ok(());
    segment::frame(framed, shared.salt, |out| {
        written = view.rewrite(out, waits, messages.returned_of(view.id));
    });
    written.map_err(io::Error::other)?;
    let place = batch.push(head, state, framed);
    state.messages.moved(view.id, place);
    inner.take_position(Need::Later);
    Ok(framed.len())
}

/// Has a slice written, and lets others have the lock meanwhile. `false` when the log ends.
fn let_others(shared: &Shared, inner: &mut MutexGuard<'_, Inner>) -> bool {
    let position = inner.position;
    MutexGuard::unlocked_fair(inner, || shared.wait_for(position, Need::Written))
}

/// Removes a segment of which nothing counts. Not while all are copied.
fn remove(shared: &Shared, number: u64) -> io::Result<()> {
    let _removing = shared.removing.lock();
    shared.disk.remove(&segment::name(number))?;
    // Before the next is removed: a segment that came back without those behind it would bring back what is over.
    shared.disk.sync_dir()?;
    shared.inner.lock().segments.remove(&number);
    Ok(())
}
