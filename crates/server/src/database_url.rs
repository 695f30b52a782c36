//! Where the metadata is: the data folder's own file, or PostgreSQL by its URL. The URL may hold a password, and is shown to nobody.

use std::{
    env, fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Command},
    str::FromStr,
};

use sluice_store::{PostgresUrl, TRUSTED_FILE, TRUSTED_FOLDER, UrlFault};

/// Set to its process ID by a process that starts itself again. It keeps that ID; a child, which has another, finds nothing
/// in it.
const STARTED_AGAIN: &str = "SLUICE_STARTED_AGAIN";

/// A database that several processes may share.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseUrl(PostgresUrl);

impl FromStr for DatabaseUrl {
    type Err = UrlFault;

    fn from_str(text: &str) -> Result<Self, UrlFault> {
        text.parse().map(Self)
    }
}

/// The process cannot be started again with the authorities of `sslrootcert` alone, or was and found something else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStartedAgain {
    #[error("{trusts_others}; it could not be set: {source}")]
    Exec { trusts_others: UrlFault, source: io::Error },
    #[error(
        "the configuration `{config}` must be a regular file: with `sslrootcert` it is read twice. Or: {trusts_others}"
    )]
    ReadOnce { config: PathBuf, trusts_others: UrlFault },
    #[error("the configuration changed while the process started itself again: {0}")]
    Twice(UrlFault),
    #[error("the configuration changed while the process started itself again: it names no `database` any more")]
    NoDatabase,
}

impl NotStartedAgain {
    /// Whether the configuration is at fault, and not the system.
    pub(crate) fn is_of_configuration(&self) -> bool {
        !matches!(self, Self::Exec { .. })
    }
}

/// Sees to it that `sslrootcert` names the only authorities that may vouch for the database. The driver finds the others
/// by the environment, which a process of several threads cannot change safely: it starts itself again in its own
/// place, once, and then comes here a second time. To be called before anything is opened; `config` is the file that was read.
pub(crate) fn trust_its_authorities(
    database: Option<&DatabaseUrl>,
    config: Option<&Path>,
) -> Result<(), NotStartedAgain> {
    let is_again = env::var(STARTED_AGAIN).is_ok_and(|id| id == process::id().to_string());
    let Some(DatabaseUrl(url)) = database else {
        // Never the folder's own in the place of the one that was named.
        return if is_again { Err(NotStartedAgain::NoDatabase) } else { Ok(()) };
    };
    let Some(file) = url.to_trust_alone() else { return Ok(()) };
    let trusts_others = UrlFault::TrustsOthers(file.to_owned());
    if is_again {
        return Err(NotStartedAgain::Twice(trusts_others));
    }
    if let Some(config) = config.filter(|path| !fs::metadata(path).is_ok_and(|found| found.is_file())) {
        // A pipe is empty now.
        return Err(NotStartedAgain::ReadOnce { config: config.to_owned(), trusts_others });
    }
    Err(NotStartedAgain::Exec { trusts_others, source: start_again(file) })
}

/// Comes back only with an error.
fn start_again(trusted: &Path) -> io::Error {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(TRUSTED_FILE, trusted).env_remove(TRUSTED_FOLDER);
    command.env(STARTED_AGAIN, process::id().to_string()).exec()
}

impl DatabaseUrl {
    /// For the store, and for nothing that is printed.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Tells the operator, once a start, what others on the way could do. By what is asked for, not by what one connection
    /// has: a pooler has others, and not every database says.
    pub(crate) fn warn_of_the_way(&self) {
        let Self(url) = self;
        if url.is_local() || url.checks_certificate() {
            return;
        }
        if url.demands_encryption() {
            tracing::warn!(
                "the database's certificate is not checked, so that another on the way may take its place; \
                 `sslmode=verify-full` in its URL checks it"
            );
            return;
        }
        let is_so = if url.is_plain() { "is not encrypted" } else { "need not be encrypted" };
        tracing::warn!(
            "the connection to the database on another host {is_so}; `sslmode=verify-full` in its URL encrypts it and \
             checks the database's certificate"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_never_shown() {
        let url: DatabaseUrl = "postgres://sluice:hunter2@db/sluice".parse().unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
        let error = "mysql://sluice:hunter2@db/sluice".parse::<DatabaseUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
