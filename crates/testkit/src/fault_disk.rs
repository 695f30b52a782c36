//! A folder in memory that keeps apart what was synced and what was only written, and breaks as it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use sluice_store::log::{Disk, DiskFile};

use crate::Random;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A folder that breaks. Clones are the same folder.
#[derive(Clone, Debug, Default)]
pub struct FaultDisk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    resumed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The folder as processes see it, and as it is after a power cut: a file's number by its name.
    names: BTreeMap<String, u64>,
    synced_names: BTreeMap<String, u64>,
    files: BTreeMap<u64, Content>,
    next_file: u64,
    /// Bytes that may still be written; `None` without end.
    space: Option<u64>,
    is_read_only: bool,
    is_gone: bool,
    is_paused: bool,
    writes_short: Option<Random>,
    /// Syncs that succeed before one fails.
    syncs_to_failure: Option<u64>,
    syncs: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    written: Vec<u8>,
    synced: Vec<u8>,
    /// A sync failed: what was written until then never reaches the disk, whatever later syncs say.
    is_lost: bool,
}

#[derive(Debug)]
struct Handle {
    disk: FaultDisk,
    file: u64,
}

impl FaultDisk {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The folder after the process was killed: all that was written is there, still not synced. Who has the folder of before
    /// cannot use it any more.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut state = self.state();
        state.is_gone = true;
        self.0.resumed.notify_all();
        let State { names, synced_names, files, next_file, space, syncs, .. } = &*state;
        let (names, synced_names, files) = (names.clone(), synced_names.clone(), files.clone());
        Self::of(State {
            names,
            synced_names,
            files,
            next_file: *next_file,
            space: *space,
            syncs: *syncs,
            ..State::default()
        })
    }

    /// The folder after a power cut: what was synced, and of the rest nothing, all, the beginning or any sectors, as the seed
    /// says. Who has the folder of before cannot use it any more.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        let mut state = self.state();
        state.is_gone = true;
        self.0.resumed.notify_all();
        let mut random = Random::new(seed);
        let mut names = state.synced_names.clone();
        let all: BTreeSet<_> = state.names.keys().chain(state.synced_names.keys()).cloned().collect();
        for name in all {
            if state.names.get(&name) != state.synced_names.get(&name) && random.once_in(2) {
                match state.names.get(&name) {
                    Some(file) => names.insert(name, *file),
                    None => names.remove(&name),
                };
            }
        }
        let mut files = BTreeMap::new();
        for file in names.values() {
            let Some(content) = state.files.get(file) else { continue };
            let left = left_of(content, &mut random);
            files.insert(*file, Content { written: left.clone(), synced: left, is_lost: false });
        }
        let (next_file, space) = (state.next_file, state.space);
        Self::of(State { synced_names: names.clone(), names, files, next_file, space, ..State::default() })
    }

    /// Another folder with the same files, as synced. This one can be used on.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        for name in self.names() {
            copy.put(&name, self.content(&name));
        }
        copy
    }

    /// So many bytes may still be written; without end with `None`.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.state().space = bytes;
    }

    /// Whether nothing may be written.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.state().is_read_only = is_read_only;
    }

    /// Writes take only a part of the bytes, as the seed says.
    pub fn write_short(&self, seed: u64) {
        self.state().writes_short = Some(Random::new(seed));
    }

    /// After so many more syncs one fails, and what was written until then never reaches the disk.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.state().syncs_to_failure = Some(syncs);
    }

    /// Whether writes and syncs wait, until they are told to go on.
    pub fn set_paused(&self, is_paused: bool) {
        self.state().is_paused = is_paused;
        self.0.resumed.notify_all();
    }

    /// Syncs of files that were asked for.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The names of its files, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// What was written to a file; empty where there is none.
    #[must_use]
    pub fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.names.get(name).map(|file| state.files[file].written.clone()).unwrap_or_default()
    }

    /// Puts a file there, as synced.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = state.new_file();
        state.files.insert(file, Content { written: bytes.clone(), synced: bytes, is_lost: false });
        state.names.insert(name.to_owned(), file);
        state.synced_names.insert(name.to_owned(), file);
    }

    /// Flips a bit of a file, as rot does.
    ///
    /// # Panics
    /// There is no such byte.
    pub fn flip_bit(&self, name: &str, offset: usize, bit: u8) {
        let mut content = self.content(name);
        content[offset] ^= 1 << bit;
        self.put(name, content);
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Shared { state: Mutex::new(state), resumed: Condvar::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// The state, for what changes something, once it may go on.
    fn to_change(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        while state.is_paused && !state.is_gone {
            self.0.resumed.wait(&mut state);
        }
        if state.is_gone {
            return Err(io::Error::other("the power is off"));
        }
        if state.is_read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(state)
    }

    fn to_read(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.is_gone { Err(io::Error::other("the power is off")) } else { Ok(state) }
    }
}

/// What is left of a file after a power cut.
fn left_of(content: &Content, random: &mut Random) -> Vec<u8> {
    let Content { written, synced, .. } = content;
    let longest = written.len().max(synced.len());
    let way = random.below(4);
    let prefix = random.below(longest as u64 + 1) as usize;
    let mut left = synced.clone();
    for sector in 0..longest.div_ceil(SECTOR_BYTES) {
        let from = sector * SECTOR_BYTES;
        let to = match way {
            0 => from,
            1 => longest.min(from + SECTOR_BYTES),
            2 => prefix.clamp(from, longest.min(from + SECTOR_BYTES)),
            _ if random.once_in(2) => longest.min(from + SECTOR_BYTES),
            _ => from,
        }
        .min(written.len());
        if to > from && left.get(from..to) != Some(&written[from..to]) {
            left.resize(left.len().max(to), 0);
            left[from..to].copy_from_slice(&written[from..to]);
        }
    }
    left
}

impl State {
    fn new_file(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file
    }

    fn give_back(&mut self, bytes: usize) {
        if let Some(space) = &mut self.space {
            *space += bytes as u64;
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        match &mut self.syncs_to_failure {
            Some(0) => {
                self.syncs_to_failure = None;
                Err(io::Error::from_raw_os_error(5))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for FaultDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.to_read()?.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.to_change()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.new_file();
        state.files.insert(file, Content::default());
        state.names.insert(name.to_owned(), file);
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = *self.to_change()?.names.get(name).ok_or_else(not_found)?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn read(&self, name: &str, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let state = self.to_read()?;
        let content = &state.files[state.names.get(name).ok_or_else(not_found)?].written;
        let from = usize::try_from(offset).map_or(content.len(), |offset| offset.min(content.len()));
        Ok(content[from..].iter().copied().take(bytes_max).collect())
    }

    fn read_whole(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        *into = self.read(name, 0, usize::MAX)?;
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.to_change()?;
        let file = state.names.remove(from).ok_or_else(not_found)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.to_change()?;
        let file = state.names.remove(name).ok_or_else(not_found)?;
        let bytes = state.files[&file].written.len();
        state.give_back(bytes);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.to_change()?;
        state.synced_names = state.names.clone();
        let (names, files) = (&state.names.clone(), &mut state.files);
        files.retain(|file, _| names.values().any(|kept| kept == file));
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.to_read()?.space.unwrap_or(u64::MAX))
    }
}

impl DiskFile for Handle {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.to_change()?;
        let mut most = bytes.len();
        if let Some(random) = &mut state.writes_short {
            most = most.min(1 + random.below(most as u64) as usize);
        }
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let length = state.files.get(&self.file).ok_or_else(not_found)?.written.len();
        if let Some(space) = state.space {
            most = most.min((length + usize::try_from(space).unwrap_or(usize::MAX / 4)).saturating_sub(from));
            if most == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.space = Some(space - (from + most).saturating_sub(length) as u64);
        }
        let content = &mut state.files.get_mut(&self.file).ok_or_else(not_found)?.written;
        content.resize(length.max(from + most), 0);
        content[from..from + most].copy_from_slice(&bytes[..most]);
        Ok(most)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = self.disk.to_change()?;
        let synced = state.sync();
        let content = state.files.get_mut(&self.file).ok_or_else(not_found)?;
        content.is_lost |= synced.is_err();
        if !content.is_lost {
            content.synced = content.written.clone();
        }
        synced
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.to_change()?;
        let content = state.files.get_mut(&self.file).ok_or_else(not_found)?;
        let before = content.written.len();
        content.written.resize(usize::try_from(bytes).map_err(io::Error::other)?, 0);
        let after = content.written.len();
        state.give_back(before.saturating_sub(after));
        Ok(())
    }
}
