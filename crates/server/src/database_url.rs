//! Where the metadata is: the data folder's own file, or PostgreSQL by its URL. The URL may hold a password, and is shown to nobody.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretString};

/// A database that several processes may share.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(SecretString);

impl DatabaseUrl {
    /// For the store, and for nothing that is printed.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl")
    }
}

/// Why a text names no database. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`database` must be a URL postgres://USER@HOST:PORT/NAME; without it the data folder has its own")]
pub(crate) struct NotADatabase;

impl FromStr for DatabaseUrl {
    type Err = NotADatabase;

    fn from_str(text: &str) -> Result<Self, NotADatabase> {
        if !sluice_store::is_shared(text) {
            return Err(NotADatabase);
        }
        Ok(Self(text.to_owned().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_never_shown() {
        let url: DatabaseUrl = "postgres://sluice:hunter2@db/sluice".parse().unwrap();
        assert_eq!(format!("{url:?}"), "DatabaseUrl");
        let error = "mysql://sluice:hunter2@db/sluice".parse::<DatabaseUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
