//! A segment: a file of records. Its header stands twice at the beginning, so that a damaged copy costs nothing.
//!
//! Header, 32 bytes twice: `SLUICELG`, version of the format (4), number (8), salt (8), CRC32 of all that (4).
//! Record: length of the body (4), CRC32 of the body (4), check of both with the salt (4), body. All numbers are
//! little-endian. A record of length 0 does not exist, and zeros are no header: what a file has of zeros at its end is space
//! that was not written yet. The salt is another one at each start and known to nobody, so that no payload can hold bytes
//! that look like a record of its segment when the log is read behind a damaged place.

use crc32fast::Hasher;

use super::{
    LogOpenError,
    decode::{self, Entry},
};

/// The format that this version writes; it reads all from 1 on. 2 has callers in a role session.
pub const FORMAT_VERSION: u32 = 2;
/// Bytes of both copies of the header.
pub(super) const HEADER_BYTES: u64 = 64;
/// Bytes in front of a body.
pub(super) const FRAME_BYTES: usize = 12;

const MAGIC: &[u8; 8] = b"SLUICELG";
const COPY_BYTES: usize = 32;

/// The file of a segment.
pub(super) fn name(number: u64) -> String {
    format!("{number:08}.segment")
}

/// The number of a segment by its file; `None` for another file.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".segment")?;
    (digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The header's bytes.
pub(super) fn header(number: u64, salt: u64) -> [u8; HEADER_BYTES as usize] {
    let mut copy = [0; COPY_BYTES];
    copy[..8].copy_from_slice(MAGIC);
    copy[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    copy[12..20].copy_from_slice(&number.to_le_bytes());
    copy[20..28].copy_from_slice(&salt.to_le_bytes());
    let check = crc32fast::hash(&copy[..28]);
    copy[28..].copy_from_slice(&check.to_le_bytes());
    let mut both = [0; HEADER_BYTES as usize];
    both[..COPY_BYTES].copy_from_slice(&copy);
    both[COPY_BYTES..].copy_from_slice(&copy);
    both
}

/// The salt of a segment; `None` where neither copy of the header is whole.
///
/// # Errors
/// [`LogOpenError::TooNew`] where it is of a later format.
pub(super) fn read_header(file: &str, bytes: &[u8]) -> Result<Option<u64>, LogOpenError> {
    let mut newer = None;
    for copy in bytes.chunks_exact(COPY_BYTES).take(2).filter(|copy| copy.starts_with(MAGIC)) {
        let found = u32_at(copy, 8);
        let is_whole = crc32fast::hash(&copy[..28]) == u32_at(copy, 28);
        match found {
            1..=FORMAT_VERSION if is_whole => return Ok(Some(u64_at(copy, 20))),
            // A later format may check its header in another way. A flipped bit does not hit both copies alike.
            0..=FORMAT_VERSION => {}
            later if is_whole || newer == Some(later) => {
                return Err(LogOpenError::TooNew { file: file.to_owned(), found, known: FORMAT_VERSION });
            }
            later => newer = Some(later),
        }
    }
    Ok(None)
}

/// Leaves room for a frame, has `body` written behind it, fills the frame in. Gives the bytes of all.
pub(super) fn frame(out: &mut Vec<u8>, salt: u64, body: impl FnOnce(&mut Vec<u8>)) -> usize {
    let from = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    body(out);
    seal(&mut out[from..], salt);
    out.len() - from
}

/// Fills in the frame in front of a body.
pub(super) fn seal(framed: &mut [u8], salt: u64) {
    let (front, body) = framed.split_at_mut(FRAME_BYTES);
    let length = u32::try_from(body.len()).expect("no record has 4 GiB: a packet has at most 256 MiB");
    front[..4].copy_from_slice(&length.to_le_bytes());
    front[4..8].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    let check = check(&front[..8], salt);
    front[8..].copy_from_slice(&check.to_le_bytes());
}

fn check(length_and_crc: &[u8], salt: u64) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(length_and_crc);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// What stands at a place of a segment.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A record; its frame and body have so many bytes.
    Entry(Entry<'a>, usize),
    /// Bytes that are no record.
    Damage(usize),
}

/// Reads a segment's records from a place on.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    salt: u64,
    /// Where the next record is looked for.
    pub(super) at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8], salt: u64) -> Self {
        Self { bytes, salt, at: HEADER_BYTES as usize }
    }

    /// What stands next; `None` at the end, where there is nothing but zeros.
    pub(super) fn next(&mut self) -> Option<(usize, Found<'a>)> {
        let from = self.at;
        if let Some((entry, bytes)) = self.record_at(from) {
            self.at += bytes;
            return Some((from, Found::Entry(entry, bytes)));
        }
        let written = self.bytes[from.min(self.bytes.len())..].iter().rposition(|byte| *byte != 0)? + 1;
        // Where the frame is whole, the next record is behind its body; else it is looked for.
        let behind = self.framed_at(from).map(|body| from + FRAME_BYTES + body.len());
        let next = behind.unwrap_or_else(|| {
            let end = from + written;
            (from + 1..end).find(|at| self.record_at(*at).is_some()).unwrap_or(end)
        });
        self.at = next;
        Some((from, Found::Damage(next - from)))
    }

    /// A body whose frame is whole, whatever is in it.
    fn framed_at(&self, at: usize) -> Option<&'a [u8]> {
        let front = self.bytes.get(at..at + FRAME_BYTES)?;
        if check(&front[..8], self.salt) != u32_at(front, 8) {
            return None;
        }
        let length = usize::try_from(u32_at(front, 0)).ok().filter(|length| *length > 0)?;
        self.bytes.get(at + FRAME_BYTES..(at + FRAME_BYTES).checked_add(length)?)
    }

    fn record_at(&self, at: usize) -> Option<(Entry<'a>, usize)> {
        let body = self.framed_at(at)?;
        if crc32fast::hash(body) != u32_at(self.bytes, at + 4) {
            return None;
        }
        Some((decode::entry(body).ok()?, FRAME_BYTES + body.len()))
    }
}
