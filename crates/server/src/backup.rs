//! `sluice backup DIR`: a consistent copy of a data folder, beside a running server or without one.
//!
//! The message log is copied first and the database after it, so that the metadata is never older than the messages: what
//! was revoked in between is revoked in the copy too. The manifest comes last; a copy that failed has none. The master key
//! is never part of it, and neither is `first-start.txt`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sluice_access::Clock;
use sluice_store::{
    StoreError,
    log::{CopiedSegment, EmbeddedLog},
};

use crate::{
    data_folder::{DataFolder, FolderError},
    manifest::{DATABASE, Entry, LOG, Manifest},
    private,
};

/// Where the message log is.
#[derive(Clone)]
enum LogSource {
    /// Open in this process.
    Open(Arc<EmbeddedLog>),
    /// Files that no server uses: as the last one left them, and a torn end is cut when they are read.
    Resting(PathBuf),
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("`{0}` holds no data of sluice: it has no {DATABASE}")]
    NoData(PathBuf),
    #[error("`{0}` is not empty; a backup wants a folder that is empty or not there yet")]
    NotEmpty(PathBuf),
    #[error("`{0}` is inside the data folder; choose a folder outside it")]
    InDataFolder(PathBuf),
    #[error("cannot write the copy `{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("cannot copy the message log: {0}")]
    Log(std::io::Error),
    #[error("cannot copy the database: {0}")]
    Database(#[from] StoreError),
    #[error("the copy ended before its time: {0}")]
    Ended(#[from] tokio::task::JoinError),
}

/// What is copied.
#[derive(Clone)]
pub(crate) struct Source {
    data_dir: PathBuf,
    database_url: String,
    master_key: PathBuf,
    log: LogSource,
    clock: Clock,
    /// The metadata is not in the folder.
    is_elsewhere: bool,
}

impl Source {
    /// A folder that this process holds. `log` is the open log of a running server; without one, the log's files are at rest.
    pub(crate) fn new(
        folder: &DataFolder,
        master_key_file: Option<&Path>,
        log: Option<Arc<EmbeddedLog>>,
        clock: Clock,
    ) -> Self {
        let data_dir = folder.path().to_owned();
        Self {
            database_url: folder.database_url(),
            master_key: absolute(folder.master_key_path(master_key_file)),
            log: log.map_or_else(|| LogSource::Resting(folder.log_path()), LogSource::Open),
            data_dir,
            clock,
            is_elsewhere: false,
        }
    }

    /// The same, whose metadata is in the folder or `is_elsewhere`.
    pub(crate) fn with_database(self, is_elsewhere: bool) -> Self {
        Self { is_elsewhere, ..self }
    }
}

/// The path as whoever reads the lines needs it: their working folder may be another.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// Copies the folder of a server that does not run. The lock keeps one from starting meanwhile.
pub(crate) async fn without_server(data_dir: &Path, copy: &Path, clock: Clock) -> Result<Vec<String>, BackupError> {
    if !data_dir.join(DATABASE).exists() {
        return Err(BackupError::NoData(data_dir.to_owned()));
    }
    let folder = DataFolder::open(data_dir)?;
    make(&Source::new(&folder, None, None, clock), copy).await
}

/// Makes the copy; gives the lines to print. A copy that fails is taken away again, as far as that is possible.
pub(crate) async fn make(source: &Source, copy: &Path) -> Result<Vec<String>, BackupError> {
    if source.is_elsewhere {
        return Err(StoreError::CopyNotServed.into());
    }
    prepare(copy, &source.data_dir)?;
    match fill(source, copy).await {
        Ok(manifest) => {
            tracing::info!(copy = %copy.display(), bytes = manifest.bytes(), "a backup was made");
            Ok(lines(&manifest, copy, &source.master_key))
        }
        Err(error) => {
            tracing::warn!(copy = %copy.display(), %error, "a backup failed");
            clear(copy);
            Err(error)
        }
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path: path.clone(), source }
}

/// The copy's folder: absent or empty, outside the data folder, mode 0700.
fn prepare(copy: &Path, data_dir: &Path) -> Result<(), BackupError> {
    let real = |path: &Path| path.ancestors().find_map(|above| above.canonicalize().ok());
    // What is not there yet is inside when the nearest folder that is there is.
    if let (Some(copy_at), Some(data_at)) = (real(copy), real(data_dir))
        && copy_at.starts_with(&data_at)
    {
        return Err(BackupError::InDataFolder(copy.to_owned()));
    }
    match std::fs::read_dir(copy) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(BackupError::NotEmpty(copy.to_owned()));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(copy)(error)),
    }
    private::make_folder(copy).map_err(io(copy))
}

async fn fill(source: &Source, copy: &Path) -> Result<Manifest, BackupError> {
    let log = {
        let (log, copy) = (source.log.clone(), copy.to_owned());
        tokio::task::spawn_blocking(move || copy_log(&log, &copy)).await??
    };
    let database = copy.join(DATABASE);
    // Made here, so that it has its mode before it has its content.
    private::create(&database).map_err(io(&database))?;
    let schema = sluice_store::copy_database(&source.database_url, &database).await?;
    let created = moment(&source.clock);
    let copy = copy.to_owned();
    tokio::task::spawn_blocking(move || seal(&copy, log, schema, created)).await?
}

/// Copies and syncs the log; gives its files in their order.
fn copy_log(log: &LogSource, copy: &Path) -> Result<Vec<Entry>, BackupError> {
    let folder = copy.join(LOG);
    private::make_folder(&folder).map_err(io(&folder))?;
    let mut entries = match log {
        LogSource::Open(log) => {
            let segments = log.copy_into(&folder).map_err(BackupError::Log)?;
            let entry = |segment: CopiedSegment| Entry {
                name: format!("{LOG}/{}", segment.name),
                bytes: segment.bytes,
                sha256: hex::encode(segment.sha256),
            };
            segments.into_iter().map(entry).collect()
        }
        LogSource::Resting(path) => copy_resting(path, copy).map_err(io(&folder))?,
    };
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    for entry in &entries {
        let path = copy.join(&entry.name);
        private::take(&path).map_err(io(&path))?;
    }
    private::sync_folder(&folder).map_err(io(&folder))?;
    Ok(entries)
}

/// Copies the segments of a log that nobody writes; what was kept aside as damaged is none.
fn copy_resting(log: &Path, copy: &Path) -> std::io::Result<Vec<Entry>> {
    let files = match std::fs::read_dir(log) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for file in files {
        let file = file?;
        if file.path().extension().is_some_and(|extension| extension == "segment") {
            let name = format!("{LOG}/{}", file.file_name().display());
            std::fs::copy(file.path(), copy.join(&name))?;
            entries.push(Entry::of(copy, name)?);
        }
    }
    Ok(entries)
}

/// Syncs the rest, the manifest last.
fn seal(copy: &Path, log: Vec<Entry>, schema: i64, created: String) -> Result<Manifest, BackupError> {
    let mut files = log;
    let database = copy.join(DATABASE);
    let entry = private::take(&database).and_then(|()| Entry::of(copy, DATABASE.to_owned()));
    files.push(entry.map_err(io(&database))?);
    let above = copy.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private::sync_folder(copy).map_err(io(copy))?;
    private::sync_folder(above).map_err(io(above))?;
    let manifest = Manifest::new(created, schema, files);
    manifest.write(copy).map_err(io(copy))?;
    Ok(manifest)
}

/// As in `2026-01-31T12:34:56Z`.
fn moment(clock: &Clock) -> String {
    let at = jiff::Timestamp::from_millisecond(clock.now().0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Takes a failed copy away: the folder was empty, so that all in it is ours.
fn clear(copy: &Path) {
    let gone = |result: std::io::Result<()>, path: PathBuf| match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "what a failed backup wrote is still there");
        }
        _ => {}
    };
    gone(std::fs::remove_dir_all(copy.join(LOG)), copy.join(LOG));
    for name in [DATABASE, "sluice.db-journal", "manifest.part"] {
        gone(std::fs::remove_file(copy.join(name)), copy.join(name));
    }
}

fn lines(manifest: &Manifest, copy: &Path, master_key: &Path) -> Vec<String> {
    let files = if manifest.files.len() == 1 { "file" } else { "files" };
    vec![
        format!(
            "backup complete: {}, {} {files} and the manifest, {} bytes",
            copy.display(),
            manifest.files.len(),
            manifest.bytes()
        ),
        format!(
            "The master key is not in it. What is sealed in the copy opens with this file alone: {}",
            master_key.display()
        ),
        "Keep a copy of that file too, mode 0600, in another place than the backup: without it the backup cannot be used,".to_owned(),
        "and whoever has both can read every AccessKey secret.".to_owned(),
    ]
}
