//! What was appended and is not written yet: bytes with their places in the segments.

use std::time::Instant;

use super::{
    Need, encode,
    segment::{self, HEADER_BYTES},
    state::{Place, State},
};

/// Bytes of one segment, to be written together.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    /// Whether it begins with a mark, whose number is filled in when it is written.
    has_mark: bool,
}

impl Part {
    /// Says in the part's mark that its segment is synced up to here.
    pub(super) fn fill_in_mark(&mut self, synced_to: u64, salt: u64) {
        if self.has_mark {
            let mut mark = Vec::new();
            let bytes = segment::frame(&mut mark, salt, |out| encode::mark(out, synced_to));
            self.bytes[..bytes].copy_from_slice(&mark);
        }
    }

    /// Where the segment ends with it.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// What the writer takes in one go.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) parts: Vec<Part>,
    pub(super) need: Need,
    /// Whether somebody waits for it to be written, and no more.
    pub(super) has_written: bool,
    /// When its first record came.
    pub(super) since: Option<Instant>,
    /// The position of its last record.
    pub(super) end: u64,
    bytes: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { parts: Vec::new(), need: Need::Later, has_written: false, since: None, end: 0, bytes: 0 }
    }
}

/// Where the next record goes.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) segment: u64,
    pub(super) offset: u64,
    segment_bytes_max: u64,
    salt: u64,
    /// An emptied buffer, to be used again.
    spare: Vec<u8>,
}

/// A buffer that is larger than this is not kept.
const SPARE_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Head {
    /// In front of the first segment of a start.
    pub(super) fn before(first_segment: u64, segment_bytes_max: u64, salt: u64) -> Self {
        Self { segment: first_segment - 1, offset: u64::MAX, segment_bytes_max, salt, spare: Vec::new() }
    }

    /// Takes a written buffer back.
    pub(super) fn give_back(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= SPARE_BYTES_MAX && bytes.capacity() > self.spare.capacity() {
            bytes.clear();
            self.spare = bytes;
        }
    }
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a framed record, in a new segment where this one has no room.
    pub(super) fn push(&mut self, head: &mut Head, state: &State, framed: &[u8]) -> Place {
        let bytes = framed.len() as u64;
        if head.offset.saturating_add(bytes) > head.segment_bytes_max && head.offset > HEADER_BYTES {
            self.begin_segment(head, state);
        }
        if self.parts.is_empty() {
            self.begin_part(head, true);
            self.put(head, |out, salt| segment::frame(out, salt, |out| encode::mark(out, 0)));
        }
        self.put(head, |out, _| {
            out.extend_from_slice(framed);
            framed.len()
        });
        Place { segment: head.segment, bytes: u32::try_from(framed.len()).unwrap_or(u32::MAX) }
    }

    /// Adds nothing but a mark.
    pub(super) fn push_mark(&mut self, head: &mut Head) {
        if self.parts.is_empty() {
            self.begin_part(head, true);
            self.put(head, |out, salt| segment::frame(out, salt, |out| encode::mark(out, 0)));
        }
    }

    /// Goes on in a new segment.
    pub(super) fn begin_segment(&mut self, head: &mut Head, state: &State) {
        head.segment += 1;
        head.offset = HEADER_BYTES;
        self.begin_part(head, false);
        let latest = state.latest.map(|latest| latest.0);
        self.put(head, |out, salt| {
            segment::frame(out, salt, |out| encode::numbers(out, state.last_queue, state.last_message, latest))
        });
    }

    fn begin_part(&mut self, head: &mut Head, has_mark: bool) {
        let bytes = std::mem::take(&mut head.spare);
        self.parts.push(Part { segment: head.segment, offset: head.offset, bytes, has_mark });
        self.since.get_or_insert_with(Instant::now);
    }

    fn put(&mut self, head: &mut Head, write: impl FnOnce(&mut Vec<u8>, u64) -> usize) {
        let part = self.parts.last_mut().expect("a part was begun before");
        let bytes = write(&mut part.bytes, head.salt);
        self.bytes += bytes;
        head.offset += bytes as u64;
    }
}
