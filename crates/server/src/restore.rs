//! `sluice restore DIR`: a backup becomes the data folder of a server that does not run yet.
//!
//! Nothing is written before every file of the copy was checked. While files are written a marker is in the folder, so that
//! no server starts on half a copy.

use std::path::{Path, PathBuf};

use crate::{
    data_folder::{DataFolder, FolderError},
    manifest::{CopyFault, LOG, Manifest},
    private,
    wiring::{self, WiringError},
};

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Copy(#[from] CopyFault),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Log(#[from] WiringError),
    #[error("`{0}` is not empty; a backup is restored into a folder that is empty or not there yet")]
    NotEmpty(PathBuf),
    #[error("cannot write `{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::Io { path: path.clone(), source }
}

/// Restores; gives the lines to print.
pub(crate) fn run(copy: &Path, data_dir: &Path) -> Result<Vec<String>, RestoreError> {
    let folder = empty_folder(data_dir)?;
    let manifest = Manifest::read(copy)?;
    for entry in &manifest.files {
        entry.verify(copy)?;
    }
    if copy.join(LOG).exists() {
        wiring::check_log(copy.join(LOG))?;
    }
    let marker = DataFolder::restore_marker(data_dir);
    private::write_synced(&marker, b"a restore has begun and did not end\n").map_err(io(&marker))?;
    private::sync_folder(data_dir).map_err(io(data_dir))?;
    if let Err(error) = write(&manifest, copy, data_dir) {
        clear(&manifest, data_dir);
        return Err(error);
    }
    std::fs::remove_file(&marker).map_err(io(&marker))?;
    private::sync_folder(data_dir).map_err(io(data_dir))?;
    Ok(lines(&manifest, copy, &folder))
}

/// The locked data folder, empty but for a master key that was put there already.
fn empty_folder(data_dir: &Path) -> Result<DataFolder, RestoreError> {
    // A folder that is nobody's data is not given a lock file before it is refused; a running server is named as such.
    if !data_dir.join("lock").exists() {
        expect_empty(data_dir)?;
    }
    let folder = DataFolder::open(data_dir)?;
    expect_empty(data_dir)?;
    Ok(folder)
}

fn expect_empty(data_dir: &Path) -> Result<(), RestoreError> {
    let entries = match std::fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(data_dir)(error)),
    };
    for entry in entries {
        let name = entry.map_err(io(data_dir))?.file_name();
        if name != "lock" && name != "master.key" {
            return Err(RestoreError::NotEmpty(data_dir.to_owned()));
        }
    }
    Ok(())
}

fn write(manifest: &Manifest, copy: &Path, data_dir: &Path) -> Result<(), RestoreError> {
    let log = data_dir.join(LOG);
    private::make_folder(&log).map_err(io(&log))?;
    for entry in &manifest.files {
        let path = data_dir.join(&entry.name);
        let mut target = private::create(&path).map_err(io(&path))?;
        entry.copy_into(copy, &mut target)?;
        target.sync_all().map_err(io(&path))?;
    }
    private::sync_folder(&log).map_err(io(&log))?;
    private::sync_folder(data_dir).map_err(io(data_dir))
}

/// Takes away what was written, so that the command can be repeated; where that fails the marker stays.
fn clear(manifest: &Manifest, data_dir: &Path) {
    let gone = |path: PathBuf| match std::fs::remove_file(path) {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(()) => true,
    };
    let files = manifest.files.iter().filter(|entry| !gone(data_dir.join(&entry.name))).count();
    if files == 0 && std::fs::remove_dir(data_dir.join(LOG)).is_ok() {
        gone(DataFolder::restore_marker(data_dir));
    }
}

fn lines(manifest: &Manifest, copy: &Path, folder: &DataFolder) -> Vec<String> {
    let key = folder.master_key_path(None);
    let mut lines = vec![format!(
        "restored: {} from {}, made {} by sluice {}, {} bytes",
        folder.path().display(),
        copy.display(),
        manifest.created,
        manifest.sluice,
        manifest.bytes()
    )];
    if !key.exists() {
        lines.push(
            "The master key is not part of a backup. Before `sluice serve`, put the key file of the server that was"
                .to_owned(),
        );
        lines.push(format!("backed up to {} (mode 0600), or name it with --master-key-file.", key.display()));
    }
    lines.push(
        "Rights are those of the time of the backup: what was revoked since then must be revoked again.".to_owned(),
    );
    lines
}
