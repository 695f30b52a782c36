//! A copy of the log while it is in use, for a backup.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{
    EmbeddedLog, Need,
    embedded::{Inner, Shared},
    segment,
};

/// A file of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedSegment {
    /// Its name in the folder of the copy, as in the folder of the log.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
}

/// Bytes that are read and written at once.
const PIECE_BYTES: usize = 1024 * 1024;
/// How often the log is asked whether it can still be written, while a segment is sealed.
const LOOK: Duration = Duration::from_millis(50);

impl EmbeddedLog {
    /// Copies the log into a folder that is there: all that was appended before the call, synced. A log that is opened there
    /// holds just that. Appending goes on meanwhile; nothing is cleaned. The work of reading the whole log: not for an async
    /// task.
    ///
    /// # Errors
    /// The log is full, broken or closed, so that its segment cannot be ended; a file cannot be read or written.
    pub fn copy_into(&self, folder: &Path) -> io::Result<Vec<CopiedSegment>> {
        let shared = &*self.shared;
        let _removing = shared.removing.lock();
        let mut copied = Vec::new();
        for number in sealed(shared)? {
            copied.push(copy(shared, &segment::name(number), folder)?);
        }
        fs::File::open(folder)?.sync_all()?;
        Ok(copied)
    }
}

/// Ends the segment that is written, and gives the numbers of all that are ended.
fn sealed(shared: &Shared) -> io::Result<Vec<u64>> {
    let mut inner = shared.inner.lock();
    let last = inner.head.segment;
    let Inner { batch, head, state, .. } = &mut *inner;
    batch.begin_segment(head, state);
    while !inner.segments.contains_key(&last) {
        if let Some(fault) = shared.fault() {
            return Err(io::Error::other(fault));
        }
        if shared.is_over() {
            return Err(io::Error::other("the message log is closed"));
        }
        shared.ask_for(&mut inner, Need::Synced);
        shared.progress.wait_for(&mut inner, LOOK);
    }
    Ok(inner.segments.keys().copied().filter(|number| *number <= last).collect())
}

fn copy(shared: &Shared, name: &str, folder: &Path) -> io::Result<CopiedSegment> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(folder.join(name))?;
    let mut digest = Sha256::new();
    let mut bytes = 0;
    loop {
        let piece = shared.disk.read(name, bytes, PIECE_BYTES)?;
        if piece.is_empty() {
            break;
        }
        file.write_all(&piece)?;
        digest.update(&piece);
        bytes += piece.len() as u64;
    }
    file.sync_all()?;
    Ok(CopiedSegment { name: name.to_owned(), bytes, sha256: digest.finalize().into() })
}
