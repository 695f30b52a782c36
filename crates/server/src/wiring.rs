//! Puts the rooms together. The one place that makes an `Authority` and reads the system's clock.

use std::{path::Path, sync::Arc};

use sluice_access::{Access, Clock, OpenError};
use sluice_model::UnixMs;
use sluice_store::{Store, StoreError};

use crate::data_folder::{DataFolder, FolderError};

/// Why the rooms could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WiringError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("cannot open the database: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Access(#[from] OpenError),
}

/// The metadata, and who may.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) access: Arc<Access>,
}

/// Opens the folder's database and reads the accounts.
pub(crate) async fn open(folder: &DataFolder, master_key_file: Option<&Path>) -> Result<Opened, WiringError> {
    let master_key = folder.master_key(master_key_file)?;
    let store = Store::open(&folder.database_url()).await?;
    let access = Access::open(store.clone(), master_key, system_clock()).await?;
    Ok(Opened { store, access: Arc::new(access) })
}

/// The system's clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
fn system_clock() -> Clock {
    Clock::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}
