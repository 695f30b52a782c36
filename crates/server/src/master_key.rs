//! The master key's file, and `sluice master-key rotate`.
//!
//! The file holds one key, or two while the key is changed: the new one first. It is replaced as a whole, so that a kill leaves
//! the file of before or the one after. A start that finds two keys finishes the change; `access` has what lies between.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use sluice_access::{Access, MasterKey, RotationError, SealError};

use crate::private;

/// Whether other servers may use the same database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Alone,
    Shared,
}

impl Sharing {
    /// By whether a database besides the folder's own is named.
    pub(crate) fn of(has_database: bool) -> Self {
        if has_database { Self::Shared } else { Self::Alone }
    }
}

/// Why the file cannot be used, or the key was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    #[error("cannot use `{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the master key file `{0}` may be read by others; give it mode 0600")]
    OpenToOthers(PathBuf),
    #[error("the master key file `{path}` is wrong: {source}")]
    Form { path: PathBuf, source: SealError },
    #[error(
        "servers share the database, and each opens what is sealed with its own key file: put the new key, 64 hex digits, above \
         the one in `{0}` and in every other server's file, start each of them again, then run this on each"
    )]
    Shared(PathBuf),
    #[error("the master key was not changed: {0}")]
    Rotation(#[from] RotationError),
    #[error(
        "everything is sealed under the new key, but the file cannot be written ({0}); take the second line out of it"
    )]
    Settle(Box<KeyFileError>),
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError::Io { path: path.clone(), source }
}

/// The keys' text, from a file that only its owner may read.
pub(crate) fn read(path: &Path) -> Result<SecretString, KeyFileError> {
    let mode = std::fs::metadata(path).map_err(io(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyFileError::OpenToOthers(path.to_owned()));
    }
    Ok(std::fs::read_to_string(path).map_err(io(path))?.into())
}

/// The keys of a text.
pub(crate) fn parse(path: &Path, text: &SecretString) -> Result<MasterKey, KeyFileError> {
    MasterKey::from_hex(text).map_err(|source| KeyFileError::Form { path: path.to_owned(), source })
}

/// Puts a new file of mode 0600 in the place of the one that is there, synced, for the same owner.
fn replace(path: &Path, lines: &[&str]) -> Result<(), KeyFileError> {
    // Behind a link is the file that is meant.
    let path = &path.canonicalize().map_err(io(path))?;
    let owner = std::fs::metadata(path).map_err(io(path))?;
    let mut next = path.clone().into_os_string();
    next.push(".next");
    let next = PathBuf::from(next);
    let text = SecretString::from(lines.join("\n") + "\n");
    private::write_synced(&next, text.expose_secret().as_bytes()).map_err(io(&next))?;
    let written = std::fs::metadata(&next).map_err(io(&next))?;
    if (written.uid(), written.gid()) != (owner.uid(), owner.gid()) {
        // An operator who is root changes the key of a server that is not.
        std::os::unix::fs::chown(&next, Some(owner.uid()), Some(owner.gid())).map_err(io(&next))?;
    }
    std::fs::rename(&next, path).map_err(io(path))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    private::sync_folder(folder).map_err(io(folder))
}

/// The lines of a text: one key or two.
fn lines(text: &SecretString) -> Vec<&str> {
    text.expose_secret().split_whitespace().collect()
}

/// Changes the master key, or finishes a change that was interrupted; gives the lines to print.
pub(crate) async fn rotate(access: &Access, path: &Path, sharing: Sharing) -> Result<Vec<String>, KeyFileError> {
    let text = read(path)?;
    if lines(&text).len() == 1 {
        parse(path, &text)?;
        if sharing == Sharing::Shared {
            return Err(KeyFileError::Shared(path.to_owned()));
        }
        let new = MasterKey::generate_hex();
        replace(path, &[new.expose_secret(), lines(&text)[0]])?;
    }
    let secrets = finish(access, path).await?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(vec![format!("MasterKeyFile={}", path.display()), format!("Resealed={secrets}")])
}

/// Finishes a change of the key, if the file has two; gives how many secrets were sealed anew.
async fn finish(access: &Access, path: &Path) -> Result<usize, KeyFileError> {
    let text = read(path)?;
    let [new, _before] = lines(&text)[..] else { return Ok(0) };
    let secrets = access.change_master_key(parse(path, &text)?).await?;
    replace(path, &[new]).map_err(|error| KeyFileError::Settle(Box::new(error)))?;
    tracing::info!(secrets, "the master key was changed");
    Ok(secrets)
}

/// At the start: both keys open, so that a change that cannot be finished keeps nobody out.
pub(crate) async fn finish_at_start(access: &Access, path: &Path) {
    if let Err(error) = finish(access, path).await {
        tracing::error!(%error, "the change of the master key is not finished");
    }
}

#[cfg(test)]
mod tests {
    use sluice_access::{AccountDraft, Peer, Provisioned, mqtt_password};
    use sluice_policy::SystemTask;

    use super::*;
    use crate::{
        data_folder::DataFolder,
        wiring::{self, Opened},
    };

    const INSTANCE: &str = "mqtt-cn-first";
    const ACCOUNTS: usize = 20;

    async fn open(temp: &tempfile::TempDir) -> (DataFolder, Opened) {
        let folder = DataFolder::open(temp.path()).unwrap();
        let opened = wiring::open(&folder, None, None).await.unwrap();
        (folder, opened)
    }

    /// A folder with some accounts, whose server has ended.
    async fn furnished() -> (tempfile::TempDir, Vec<Provisioned>) {
        let temp = tempfile::tempdir().unwrap();
        let (_folder, opened) = open(&temp).await;
        let mut accounts = Vec::new();
        for n in 0..ACCOUNTS {
            let instance = Some(format!("{INSTANCE}{n}").parse().unwrap());
            let draft = AccountDraft { instance, ..AccountDraft::default() };
            accounts.push(opened.access.create_account(SystemTask::OperatorCommand, draft).await.unwrap());
        }
        opened.store.close().await;
        (temp, accounts)
    }

    /// Whether every account's secret opens.
    fn all_open(access: &Access, accounts: &[Provisioned]) -> bool {
        let client = "GID_group@@@1";
        let peer = Peer { addr: std::net::Ipv4Addr::LOCALHOST.into(), secure: false };
        accounts.iter().enumerate().all(|(n, account)| {
            let username = format!("Signature|{}|{INSTANCE}{n}", account.access_key_id);
            let password = mqtt_password(&account.access_key_secret, client);
            access
                .authenticate_mqtt(&username, password.as_bytes(), &client.parse().unwrap(), peer, access.clock().now())
                .is_ok()
        })
    }

    fn key_lines(temp: &tempfile::TempDir) -> Vec<String> {
        let text = std::fs::read_to_string(temp.path().join("master.key")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_rotation_leaves_one_new_key_under_which_everything_opens() {
        let (temp, accounts) = furnished().await;
        let before = key_lines(&temp);
        let (folder, opened) = open(&temp).await;
        let lines = rotate(&opened.access, &folder.master_key_path(None), Sharing::Alone).await.unwrap();
        assert_eq!(lines[1], format!("Resealed={ACCOUNTS}"));
        assert!(all_open(&opened.access, &accounts), "beside the change nobody is kept out");
        let after = key_lines(&temp);
        assert!(after.len() == 1 && after != before);
        assert!(!lines.iter().any(|line| line.contains(&after[0]) || line.contains(&before[0])));
        let mode = std::fs::metadata(temp.path().join("master.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        opened.store.close().await;
        drop((folder, opened));
        let (_folder, opened) = open(&temp).await;
        assert!(all_open(&opened.access, &accounts));
        // The key of before opens nothing any more.
        std::fs::write(temp.path().join("master.key"), &before[0]).unwrap();
        let old = parse(Path::new("old"), &before[0].clone().into()).unwrap();
        let refused = Access::open(opened.store.clone(), old, wiring::system_clock()).await;
        assert!(matches!(refused, Err(sluice_access::OpenError::OtherMasterKey)));
    }

    #[tokio::test]
    async fn a_kill_before_or_after_the_commit_is_finished_by_the_next_start() {
        for committed in [false, true] {
            let (temp, accounts) = furnished().await;
            let path = temp.path().join("master.key");
            let before = key_lines(&temp).remove(0);
            let new = MasterKey::generate_hex();
            let (folder, opened) = open(&temp).await;
            replace(&path, &[new.expose_secret(), &before]).unwrap();
            if committed {
                let held = parse(&path, &read(&path).unwrap()).unwrap();
                opened.access.change_master_key(held).await.unwrap();
            }
            // Killed here. What a kill in the middle of a file's replacement leaves changes nothing.
            std::fs::write(temp.path().join("master.key.next"), "half").unwrap();
            opened.store.close().await;
            drop((folder, opened));
            let (folder, opened) = open(&temp).await;
            assert_eq!(key_lines(&temp), [new.expose_secret()], "committed: {committed}");
            assert!(all_open(&opened.access, &accounts));
            opened.store.close().await;
            drop((folder, opened));
            let (_folder, opened) = open(&temp).await;
            assert!(all_open(&opened.access, &accounts));
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_replaced_changes_nothing() {
        let (temp, accounts) = furnished().await;
        let (folder, opened) = open(&temp).await;
        let before = key_lines(&temp);
        // A folder in the place of the file that is written first.
        std::fs::create_dir(temp.path().join("master.key.next")).unwrap();
        let refused = rotate(&opened.access, &folder.master_key_path(None), Sharing::Alone).await;
        assert!(matches!(refused, Err(KeyFileError::Io { .. })));
        assert_eq!(key_lines(&temp), before);
        assert!(all_open(&opened.access, &accounts));
    }
}
