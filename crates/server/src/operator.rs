//! `sluice account …` and `sluice backup`: beside a running server over its socket, else on the locked folder itself.
//!
//! The socket has mode 0600 in a folder of mode 0700: who can open it could read the data as well.
//! One JSON line each way.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sluice_access::{Access, AccountDraft, ProvisionError, Provisioned};
use sluice_model::{AccountAlias, AccountId, NameError};
use sluice_policy::SystemTask;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::{
    backup::{self, BackupError},
    cli::Place,
    data_folder::{DataFolder, FolderError},
    database_url::NotADatabase,
};

/// Longest line either way.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Connections served at once.
const CONNECTIONS_MAX: usize = 4;

/// What an operator asks of accounts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum AccountRequest {
    Create { alias: String, id: Option<String> },
    List,
}

/// What an operator asks.
#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Account(AccountRequest),
    /// A copy of the data; the path is absolute.
    Backup(PathBuf),
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
    Wiring(#[from] crate::wiring::WiringError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Database(#[from] NotADatabase),
}

/// The lines of DESIGN section 1: one `Name=value` each.
pub(crate) fn lines_of(account: &Provisioned) -> Vec<String> {
    vec![
        format!("AccountId={}", account.account),
        format!("Alias={}", account.alias),
        format!("LogonName={}", account.alias),
        format!("Password={}", account.password.expose_secret()),
        format!("AccessKeyId={}", account.access_key_id),
        format!("AccessKeySecret={}", account.access_key_secret.expose_secret()),
    ]
}

/// What a running server serves its operator with.
pub(crate) struct Operator {
    pub(crate) access: Arc<Access>,
    pub(crate) backup: backup::Source,
}

impl Operator {
    async fn answer(&self, request: Request) -> Reply {
        match request {
            Request::Account(request) => answer(&self.access, request).await,
            Request::Backup(copy) => reply(backup::make(&self.backup, &copy).await),
        }
    }
}

async fn answer(access: &Arc<Access>, request: AccountRequest) -> Reply {
    reply(match request {
        AccountRequest::Create { alias, id } => create(access, &alias, id.as_deref()).await,
        AccountRequest::List => list(access).await,
    })
}

fn reply<E: std::fmt::Display>(result: Result<Vec<String>, E>) -> Reply {
    result.map_or_else(|error| Reply::Refused(error.to_string()), Reply::Lines)
}

async fn create(access: &Arc<Access>, alias: &str, id: Option<&str>) -> Result<Vec<String>, ProvisionError> {
    let name = |error: NameError| ProvisionError::Name(error);
    let alias: AccountAlias = alias.parse().map_err(name)?;
    let account: Option<AccountId> = id.map(str::parse).transpose().map_err(name)?;
    let draft = AccountDraft { account, alias: Some(alias), ..AccountDraft::default() };
    let provisioned = access.create_account(SystemTask::OperatorCommand, draft).await?;
    Ok(lines_of(&provisioned))
}

async fn list(access: &Access) -> Result<Vec<String>, ProvisionError> {
    let accounts = access.list_accounts().await?;
    let lines = |account: &sluice_store::Account| {
        [format!("AccountId={}", account.account), format!("Alias={}", account.alias)]
    };
    Ok(accounts.iter().flat_map(lines).collect())
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
pub(crate) async fn run(place: &Place, request: AccountRequest, out: &mut impl Write) -> Result<(), OperatorError> {
    let reply = match UnixStream::connect(DataFolder::socket_path(&place.data_dir)).await {
        Ok(stream) => ask(stream, &Request::Account(request)).await?,
        Err(_) => {
            let folder = DataFolder::open(&place.data_dir)?;
            let opened = crate::wiring::open(&folder, place.database()?.as_ref(), None).await?;
            // Closing waits for whatever still has a connection.
            drop(opened.turn);
            let reply = answer(&opened.access, request).await;
            opened.store.close().await;
            reply
        }
    };
    tell(reply, out)
}

/// Copies the data: by the server when one runs, else with the folder's lock. Prints the lines.
pub(crate) async fn backup(place: &Place, copy: &Path, out: &mut impl Write) -> Result<(), OperatorError> {
    place.embedded("backup").map_err(OperatorError::Refused)?;
    let data_dir = place.data_dir.as_path();
    // The server's working folder is another.
    let copy = std::path::absolute(copy)?;
    let reply = match UnixStream::connect(DataFolder::socket_path(data_dir)).await {
        Ok(stream) => ask(stream, &Request::Backup(copy)).await?,
        Err(_) => Reply::Lines(backup::without_server(data_dir, &copy, crate::wiring::system_clock()).await?),
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
