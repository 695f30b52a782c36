//! `sluice account …`, `backup` and `master-key`: beside a running server over its socket, else on the locked folder itself.
//!
//! The socket has mode 0600 in a folder of mode 0700: who can open it could read the data as well.
//! One JSON line each way.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use sluice_access::Access;
use sluice_store::{UrlFault, log::Log};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::{
    account_command::{self, AccountRequest, Live},
    backup::{self, BackupError},
    cli::{KeyPlace, Place},
    data_folder::{DataFolder, FolderError},
    database_url::{self, DatabaseUrl, NotStartedAgain},
    master_key::{self, KeyFileError, Sharing},
    wiring,
};

/// Longest line either way.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Connections served at once.
const CONNECTIONS_MAX: usize = 4;

/// What an operator asks.
#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Account(AccountRequest),
    /// A copy of the data; the path is absolute.
    Backup(PathBuf),
    RotateMasterKey,
}

/// What an operator is answered. Not `Debug`: it holds secrets.
#[derive(Serialize, Deserialize)]
enum Reply {
    /// Lines to print.
    Lines(Vec<String>),
    /// Why not.
    Refused(String),
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("the operator's socket failed: {0}")]
    Socket(#[from] std::io::Error),
    #[error("the server's answer cannot be read: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Wiring(#[from] wiring::WiringError),
    #[error("the command ended before its time: {0}")]
    Ended(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Database(#[from] UrlFault),
    #[error(transparent)]
    Trust(#[from] NotStartedAgain),
}

/// What a running server serves its operator with.
pub(crate) struct Operator {
    pub(crate) access: Arc<Access>,
    pub(crate) live: Live,
    pub(crate) master_key: PathBuf,
    pub(crate) sharing: Sharing,
    pub(crate) backup: backup::Source,
    pub(crate) rotation: tokio::sync::Mutex<()>,
}

impl Operator {
    async fn answer(&self, request: Request) -> Reply {
        match request {
            Request::Account(request) => reply(account_command::answer(&self.access, &self.live, request).await),
            Request::Backup(copy) => reply(backup::make(&self.backup, &copy).await),
            Request::RotateMasterKey => reply(self.rotate().await),
        }
    }

    async fn rotate(&self) -> Result<Vec<String>, KeyFileError> {
        // Two at once would each write the file.
        let _turn = self.rotation.lock().await;
        master_key::rotate(&self.access, &self.master_key, self.sharing).await
    }
}

fn reply<E: std::fmt::Display>(result: Result<Vec<String>, E>) -> Reply {
    result.map_or_else(|error| Reply::Refused(error.to_string()), Reply::Lines)
}

/// Serves the socket until the listener fails.
pub(crate) async fn serve(data_dir: &Path, operator: Operator) -> std::io::Result<()> {
    let path = DataFolder::socket_path(data_dir);
    // The folder's lock is ours, so a socket that is there belongs to a process that is gone.
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let operator = Arc::new(operator);
    let turns = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    tokio::spawn(async move {
        loop {
            let turn = Arc::clone(&turns).acquire_owned().await.expect("the semaphore is never closed");
            match listener.accept().await {
                Ok((stream, _)) => {
                    let operator = Arc::clone(&operator);
                    tokio::spawn(async move {
                        let _turn = turn;
                        if let Err(error) = serve_one(stream, &operator).await {
                            tracing::warn!(%error, "an operator's connection failed");
                        }
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "the operator's socket failed");
                    return;
                }
            }
        }
    });
    Ok(())
}

async fn serve_one(stream: UnixStream, operator: &Operator) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read).take(LINE_BYTES_MAX).read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(request) => operator.answer(request).await,
        Err(error) => Reply::Refused(format!("the request cannot be read: {error}")),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    write.write_all(&text).await
}

/// Runs a command on accounts: through the server when one runs, else with the folder's lock. Prints the lines.
pub(crate) async fn run(place: &KeyPlace, request: AccountRequest, out: &mut impl Write) -> Result<(), OperatorError> {
    let data_dir = &place.place.data_dir;
    let reply = match UnixStream::connect(DataFolder::socket_path(data_dir)).await {
        Ok(stream) => ask(stream, &Request::Account(request)).await?,
        Err(_) => {
            let database = database(&place.place)?;
            // A mistyped folder is none in which to make a new server's data.
            if database.is_none() && !request.may_be_first() && !DataFolder::holds_database(data_dir) {
                return Err(BackupError::NoData(data_dir.clone()).into());
            }
            let folder = DataFolder::open(data_dir)?;
            // What waits in the log is not looked at: it is found without its account at the next start.
            let log = if request.ends_messages() { Some(wiring::open_log(&folder).await?.0) } else { None };
            let opened = wiring::open(&folder, database.as_ref(), place.master_key_file.as_deref()).await?;
            // Closing waits for whatever still has a connection.
            drop(opened.turn);
            let reply = reply(account_command::answer(&opened.access, &Live::Resting(log.clone()), request).await);
            opened.store.close().await;
            if let Some(log) = log {
                tokio::task::spawn_blocking(move || log.close()).await?;
            }
            reply
        }
    };
    tell(reply, out)
}

/// Changes the master key: by the server when one runs, else with the folder's lock. Prints the lines.
pub(crate) async fn rotate_master_key(place: &KeyPlace, out: &mut impl Write) -> Result<(), OperatorError> {
    let data_dir = &place.place.data_dir;
    let reply = match UnixStream::connect(DataFolder::socket_path(data_dir)).await {
        Ok(stream) => ask(stream, &Request::RotateMasterKey).await?,
        Err(_) => {
            let (database, key_file) = (database(&place.place)?, place.master_key_file.as_deref());
            let sharing = Sharing::of(database.is_some());
            if sharing == Sharing::Alone && !DataFolder::holds_database(data_dir) {
                return Err(BackupError::NoData(data_dir.clone()).into());
            }
            let folder = DataFolder::open(data_dir)?;
            let opened = wiring::open(&folder, database.as_ref(), key_file).await?;
            drop(opened.turn);
            let key_file = folder.master_key_path(key_file);
            let reply = reply(master_key::rotate(&opened.access, &key_file, sharing).await);
            opened.store.close().await;
            reply
        }
    };
    tell(reply, out)
}

/// PostgreSQL, if it is there, and this process trusts whom its URL says.
fn database(place: &Place) -> Result<Option<DatabaseUrl>, OperatorError> {
    let database = place.database()?;
    database_url::trust_its_authorities(database.as_ref(), None)?;
    Ok(database)
}

/// Copies the data: by the server when one runs, else with the folder's lock. Prints the lines.
pub(crate) async fn backup(place: &Place, copy: &Path, out: &mut impl Write) -> Result<(), OperatorError> {
    place.embedded("backup").map_err(OperatorError::Refused)?;
    let data_dir = place.data_dir.as_path();
    // The server's working folder is another.
    let copy = std::path::absolute(copy)?;
    let reply = match UnixStream::connect(DataFolder::socket_path(data_dir)).await {
        Ok(stream) => ask(stream, &Request::Backup(copy)).await?,
        Err(_) => Reply::Lines(backup::without_server(data_dir, &copy, wiring::system_clock()).await?),
    };
    tell(reply, out)
}

fn tell(reply: Reply, out: &mut impl Write) -> Result<(), OperatorError> {
    match reply {
        Reply::Lines(lines) => {
            for line in lines {
                writeln!(out, "{line}")?;
            }
            Ok(())
        }
        Reply::Refused(why) => Err(OperatorError::Refused(why)),
    }
}

async fn ask(stream: UnixStream, request: &Request) -> Result<Reply, OperatorError> {
    let (read, mut write) = stream.into_split();
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    write.write_all(&text).await?;
    let mut line = String::new();
    BufReader::new(read).take(LINE_BYTES_MAX).read_line(&mut line).await?;
    Ok(serde_json::from_str(&line)?)
}
