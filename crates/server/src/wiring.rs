//! Puts the rooms together. The one place that makes an `Authority` and reads the system's clock.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use metrics::counter;
use rustix::time::{ClockId, clock_gettime};
use sluice_access::{Access, Clock, OpenError};
use sluice_model::UnixMs;
use sluice_store::{
    SharedChanges, StartingTurn, Store, StoreError,
    log::{EmbeddedLog, LogOpenError, LogOptions, RealDisk, Recovered},
};

use crate::{
    data_folder::{DataFolder, FolderError},
    database_url::DatabaseUrl,
    master_key,
};

/// Why the rooms could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WiringError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("cannot open the database: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Access(#[from] OpenError),
    #[error("cannot open the message log: {0}")]
    Log(#[from] LogOpenError),
    #[error("cannot use `{path}`: {source}")]
    LogFolder { path: PathBuf, source: std::io::Error },
    #[error("the message log could not be read")]
    LogPanicked,
}

/// Refuses a message log in which a newer program has written.
pub(crate) fn check_log(path: PathBuf) -> Result<(), WiringError> {
    Ok(EmbeddedLog::check_format(&log_disk(path)?)?)
}

fn log_disk(path: PathBuf) -> Result<RealDisk, WiringError> {
    RealDisk::new(&path).map_err(|source| WiringError::LogFolder { path, source })
}

/// Opens the folder's message log, and reads what outlived the process before.
pub(crate) async fn open_log(folder: &DataFolder) -> Result<(Arc<EmbeddedLog>, Recovered), WiringError> {
    let path = folder.log_path();
    let opened =
        tokio::task::spawn_blocking(move || Ok(EmbeddedLog::open(Arc::new(log_disk(path)?), LogOptions::default())?));
    opened.await.map_err(|_| WiringError::LogPanicked)?
}

/// The metadata, and who may.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) access: Arc<Access>,
    /// What other processes write, where the database is shared.
    pub(crate) others: Option<SharedChanges>,
    /// No other process makes a first account while this one may.
    pub(crate) turn: StartingTurn,
}

/// Opens the database, the folder's own or the one named, and reads the accounts. A change of the master key that was interrupted
/// is finished, unless others share the database: their key files may not hold the new key yet.
pub(crate) async fn open(
    folder: &DataFolder,
    database: Option<&DatabaseUrl>,
    master_key_file: Option<&Path>,
) -> Result<Opened, WiringError> {
    let (own, had_own) = (folder.database_url(), folder.has_database());
    let url = database.map_or(own.as_str(), DatabaseUrl::expose);
    if database.is_some() && had_own {
        tracing::warn!("the data folder has a database of its own, which is not used: another is named");
    }
    if database.is_none() {
        // Before the file is made: without its key it could not be read again.
        folder.master_key(master_key_file, had_own)?;
    }
    let store = Store::open(url).await?;
    if let Some(database) = database {
        database.warn_of_the_way();
    }
    let turn = store.starting_turn().await?;
    let is_sealed = had_own || !store.accounts().await?.is_empty();
    let master_key = folder.master_key(master_key_file, is_sealed)?;
    let others = store.shared_changes(url).await?;
    let access = Access::open(store.clone(), master_key, system_clock()).await?;
    if database.is_none() {
        master_key::finish_at_start(&access, &folder.master_key_path(master_key_file)).await;
    }
    Ok(Opened { store, access: Arc::new(access), others, turn })
}

/// The system's clock, its jumps told to the operator.
pub(crate) fn system_clock() -> Clock {
    let jumps = counter!("sluice_clock_jumps_total");
    Clock::with_jumps(wall_clock, elapsed_ms, move |by_ms| {
        jumps.increment(1);
        tracing::warn!(
            by_ms,
            "the wall clock jumped; policies follow it, and sessions, messages and wills live on as if it had not"
        );
    })
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
fn wall_clock() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Milliseconds since the machine started. Where the system can say so the time that it slept counts: it is no jump.
fn elapsed_ms() -> i64 {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let since = clock_gettime(CLOCK);
    since.tv_sec.saturating_mul(1_000).saturating_add(since.tv_nsec / 1_000_000)
}
