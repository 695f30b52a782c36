//! The data folder: its lock, its master key, the paths in it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use secrecy::ExposeSecret;
use sluice_access::MasterKey;

use crate::{
    manifest::{DATABASE, LOG},
    master_key::{self, KeyFileError},
    private,
};

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("another sluice process uses the data folder `{0}`; stop it or choose another --data-dir")]
    InUse(PathBuf),
    #[error("cannot use `{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error(
        "the master key file `{0}` is missing, and the data was sealed under it; put it back (a backup does not contain it) \
         or name it with --master-key-file; servers that share a database share the key"
    )]
    KeyMissing(PathBuf),
    #[error("a restore into `{0}` has begun and did not end; empty the folder and restore again")]
    HalfRestored(PathBuf),
}

/// A data folder that this process alone uses until the value is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path: path.clone(), source }
}

impl DataFolder {
    /// Makes the folder (mode 0700) when it is absent, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io(path))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) if Self::restore_marker(path).exists() => Err(FolderError::HalfRestored(path.to_owned())),
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(FolderError::Io { path: lock_path, source }),
        }
    }

    /// The database inside the folder.
    pub(crate) fn database_url(&self) -> String {
        // What has a meaning in a URL is escaped; the rest of a path is its own text.
        let path = self.path.join(DATABASE).display().to_string();
        format!("sqlite://{}", path.replace('%', "%25").replace('?', "%3F").replace('#', "%23"))
    }

    /// Whether the folder has a database of its own.
    pub(crate) fn has_database(&self) -> bool {
        Self::holds_database(&self.path)
    }

    /// Whether there is a database of its own in a folder that may not be there at all.
    pub(crate) fn holds_database(path: &Path) -> bool {
        path.join(DATABASE).exists()
    }

    /// Where the message log is.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Where the operator's socket is.
    pub(crate) fn socket_path(path: &Path) -> PathBuf {
        path.join("operator.sock")
    }

    /// What is in the folder while a backup is restored into it.
    pub(crate) fn restore_marker(path: &Path) -> PathBuf {
        path.join("restore.unfinished")
    }

    /// Where the master key is.
    pub(crate) fn master_key_path(&self, configured: Option<&Path>) -> PathBuf {
        configured.map_or_else(|| self.path.join("master.key"), Path::to_owned)
    }

    /// The folder's own path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the master key; without a configured file the folder's own is made at first start, while nothing `is_sealed`
    /// under one.
    pub(crate) fn master_key(&self, configured: Option<&Path>, is_sealed: bool) -> Result<MasterKey, FolderError> {
        let path = self.master_key_path(configured);
        if !path.exists() {
            if configured.is_some() || is_sealed {
                return Err(FolderError::KeyMissing(path));
            }
            write_private(&path, MasterKey::generate_hex().expose_secret())?;
        }
        Ok(master_key::parse(&path, &master_key::read(&path)?)?)
    }

    /// Writes `first-start.txt`, mode 0600, and gives its path.
    pub(crate) fn write_first_start(&self, text: &str) -> Result<PathBuf, FolderError> {
        let path = self.path.join("first-start.txt");
        write_private(&path, text)?;
        Ok(path)
    }
}

/// Writes a new file of mode 0600 and syncs it with its folder.
fn write_private(path: &Path, text: &str) -> Result<(), FolderError> {
    private::write_synced(path, format!("{text}\n").as_bytes()).map_err(io(path))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    private::sync_folder(folder).map_err(io(folder))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_process_is_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let _first = DataFolder::open(folder.path()).unwrap();
        let error = DataFolder::open(folder.path()).unwrap_err();
        assert!(error.to_string().starts_with("another sluice process uses the data folder"), "{error}");
    }

    #[test]
    fn the_master_key_is_made_once_private_and_never_replaced() {
        let temp = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(temp.path()).unwrap();
        let sealed = folder.master_key(None, false).unwrap().seal("row", &"secret".into());
        assert_eq!(folder.master_key(None, false).unwrap().open("row", &sealed).unwrap().expose_secret(), "secret");
        let path = temp.path().join("master.key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = folder.master_key(None, false);
        assert!(matches!(refused, Err(FolderError::Key(KeyFileError::OpenToOthers(_)))));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(folder.master_key(None, true), Err(FolderError::KeyMissing(_))));
    }
}
