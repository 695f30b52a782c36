//! `sluice account …`: beside a running server over its socket, else on the locked folder itself.
//!
//! The socket has mode 0600 in a folder of mode 0700: who can open it could read the data as well.
//! One JSON line each way.

use std::{io::Write, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sluice_access::{Access, AccountDraft, ProvisionError, Provisioned};
use sluice_model::{AccountAlias, AccountId, NameError};
use sluice_policy::SystemTask;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::data_folder::{DataFolder, FolderError};

/// Longest line either way.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Connections served at once.
const CONNECTIONS_MAX: usize = 4;

/// What an operator asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Create { alias: String, id: Option<String> },
    List,
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

async fn answer(access: &Arc<Access>, request: Request) -> Reply {
    let result = match request {
        Request::Create { alias, id } => create(access, &alias, id.as_deref()).await,
        Request::List => list(access).await,
    };
    match result {
        Ok(lines) => Reply::Lines(lines),
        Err(error) => Reply::Refused(error.to_string()),
    }
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
pub(crate) async fn serve(data_dir: &Path, access: Arc<Access>) -> std::io::Result<()> {
    let path = DataFolder::socket_path(data_dir);
    // The folder's lock is ours, so a socket that is there belongs to a process that is gone.
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let turns = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    tokio::spawn(async move {
        loop {
            let turn = Arc::clone(&turns).acquire_owned().await.expect("the semaphore is never closed");
            match listener.accept().await {
                Ok((stream, _)) => {
                    let access = Arc::clone(&access);
                    tokio::spawn(async move {
                        let _turn = turn;
                        if let Err(error) = serve_one(stream, &access).await {
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

async fn serve_one(stream: UnixStream, access: &Arc<Access>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read).take(LINE_BYTES_MAX).read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(request) => answer(access, request).await,
        Err(error) => Reply::Refused(format!("the request cannot be read: {error}")),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    write.write_all(&text).await
}

/// Runs one command: through the server when one runs, else with the folder's lock. Prints the lines.
pub(crate) async fn run(data_dir: &Path, request: Request, out: &mut impl Write) -> Result<(), OperatorError> {
    let reply = match UnixStream::connect(DataFolder::socket_path(data_dir)).await {
        Ok(stream) => ask(stream, &request).await?,
        Err(_) => {
            let folder = DataFolder::open(data_dir)?;
            let opened = crate::wiring::open(&folder, None).await?;
            let reply = answer(&opened.access, request).await;
            opened.store.close().await;
            reply
        }
    };
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
