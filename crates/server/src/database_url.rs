//! Where the metadata is: the data folder's own file, or PostgreSQL by its URL. The URL may hold a password, and is shown to nobody.

use std::{env, os::unix::process::CommandExt, process::Command, str::FromStr};

use sluice_store::{PostgresUrl, TRUSTED_FILE, TRUSTED_FOLDER, UrlFault};

/// A database that several processes may share.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseUrl(PostgresUrl);

impl FromStr for DatabaseUrl {
    type Err = UrlFault;

    fn from_str(text: &str) -> Result<Self, UrlFault> {
        text.parse().map(Self)
    }
}

/// The process could not be started again with the authorities of `sslrootcert` alone.
#[derive(Debug, thiserror::Error)]
#[error("{trusts_others}; it could not be set: {source}")]
pub(crate) struct NotStartedAgain {
    trusts_others: UrlFault,
    source: std::io::Error,
}

impl DatabaseUrl {
    /// For the store, and for nothing that is printed.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Sees to it that `sslrootcert` names the only authorities that may vouch for the database. The driver finds the others
    /// by the environment, which a process of several threads cannot change safely: it starts itself again in its own
    /// place, and then comes here a second time. To be called before anything is opened.
    pub(crate) fn trust_its_authorities(&self) -> Result<(), NotStartedAgain> {
        let Some(file) = self.0.to_trust_alone() else { return Ok(()) };
        let failed = |source| NotStartedAgain { trusts_others: UrlFault::TrustsOthers(file.to_owned()), source };
        let mut arguments = env::args_os();
        let mut command = Command::new(env::current_exe().map_err(failed)?);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        Err(failed(command.args(arguments).env(TRUSTED_FILE, file).env_remove(TRUSTED_FOLDER).exec()))
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
