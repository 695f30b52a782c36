//! Files that nobody else may read, and their way to the disk.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{Result, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Makes a folder of mode 0700 with those above it, or gives one that is there that mode.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// An empty file of mode 0600, whatever was there.
pub(crate) fn create(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    // An older file keeps its mode when it is opened again.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Writes a file of mode 0600 and syncs it; its folder is not synced yet.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives a file that somebody else wrote mode 0600, and syncs it.
pub(crate) fn take(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.sync_all()
}

/// Syncs which names a folder has.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)?.sync_all()
}
