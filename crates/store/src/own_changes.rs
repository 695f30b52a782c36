//! What this process wrote into a database that others share, so that it does not read it back twice.
//!
//! A write is entered before it commits and ticked off when it has been put in force here. What was committed and never
//! put in force, because whoever asked went away in between, is read back like another's after [`PATIENCE`].

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use ahash::RandomState;
use parking_lot::Mutex;
use sluice_model::AccountId;

use crate::Change;

/// How long a write of our own may take until it is in force here.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long a write is remembered: longer than a commit may take.
const MEMORY: Duration = Duration::from_secs(60);

/// Which write, and which of its changes.
type Key = (AccountId, i64, i64);

#[derive(Debug)]
struct Entry {
    change: Change,
    written: Instant,
    is_in_force: bool,
}

/// What is to be done with a change that the database tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Another's, or ours and forgotten: to be read.
    Foreign,
    /// Ours, and about to be in force: to be looked at again.
    OursSoon,
    /// Ours, and in force.
    OursDone,
}

/// What this process wrote lately. Bounded by time: an entry is dropped after [`MEMORY`].
#[derive(Debug)]
pub(crate) struct OwnChanges {
    /// A word for this process, for notices: its own wake nobody here.
    process: String,
    entries: Mutex<HashMap<Key, Entry>>,
}

impl Default for OwnChanges {
    fn default() -> Self {
        // A number of its own for each process; nothing depends on it but needless work.
        let process = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        Self { process, entries: Mutex::default() }
    }
}

fn keys(revision: i64, changes: &[Change]) -> impl Iterator<Item = (Key, &Change)> {
    (0..).zip(changes).map(move |(place, change)| ((change.account(), revision, place), change))
}

impl OwnChanges {
    pub(crate) fn process(&self) -> &str {
        &self.process
    }

    /// Before the commit.
    pub(crate) fn write(&self, revision: i64, changes: &[Change]) {
        let written = Instant::now();
        let mut entries = self.entries.lock();
        if entries.len() > 1_000 {
            entries.retain(|_, entry| written.duration_since(entry.written) < MEMORY);
        }
        for (key, change) in keys(revision, changes) {
            entries.insert(key, Entry { change: change.clone(), written, is_in_force: false });
        }
    }

    /// The commit failed, as far as we know.
    pub(crate) fn forget(&self, revision: i64, changes: &[Change]) {
        let mut entries = self.entries.lock();
        for (key, _) in keys(revision, changes) {
            entries.remove(&key);
        }
    }

    /// Writes of this change that are committed, before it is read.
    pub(crate) fn of(&self, change: &Change) -> Vec<Key> {
        let entries = self.entries.lock();
        let same = entries.iter().filter(|(_, entry)| !entry.is_in_force && entry.change == *change);
        same.map(|(key, _)| *key).collect()
    }

    /// What was read is in force.
    pub(crate) fn in_force(&self, keys: &[Key]) {
        let mut entries = self.entries.lock();
        for key in keys {
            if let Some(entry) = entries.get_mut(key) {
                entry.is_in_force = true;
            }
        }
    }

    pub(crate) fn whose(&self, key: Key) -> Whose {
        match self.entries.lock().get(&key) {
            None => Whose::Foreign,
            Some(entry) if entry.is_in_force => Whose::OursDone,
            Some(entry) if entry.written.elapsed() < PATIENCE => Whose::OursSoon,
            Some(_) => Whose::Foreign,
        }
    }
}
