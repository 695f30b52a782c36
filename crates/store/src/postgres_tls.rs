//! What a URL of PostgreSQL's may say of TLS: its mode and its files, and why they are refused.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// Instead of a file: the authorities that the system trusts.
const SYSTEM: &str = "system";
/// How a certificate begins that was given itself and not by its file; the driver would take it, and a key as well.
const PEM: &str = "-----BEGIN";

/// Why a URL names no PostgreSQL database as it can be used. The operator's fault; nothing of it can be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// Something else, or no URL at all.
    #[error("`database` must be a URL postgres://USER@HOST:PORT/NAME; without it the data folder has its own")]
    NotPostgres,
    /// It would be passed over, and may be a mistyped one.
    #[error("`database` has {0} among its parameters, which is not served")]
    Parameter(String),
    /// An unknown mode.
    #[error("`sslmode` of `database` must be disable, allow, prefer, require, verify-ca or verify-full")]
    Mode,
    /// One says nothing without the other.
    #[error("{what} of `database` needs {needs}")]
    Needs {
        /// What is there.
        what: &'static str,
        /// What is not.
        needs: &'static str,
    },
    /// The driver would read the variable all the same.
    #[error("`sslrootcert=system` of `database` stands in its URL alone: unset `PGSSLROOTCERT`")]
    SystemByEnvironment,
    /// A certificate or a key in the place of its file's name.
    #[error("`{0}` of `database` must be the name of a file")]
    NotAFile(&'static str),
    /// A file that is not there, or not what it should be.
    #[error("`{key}` of `database`: cannot use `{path}`: {fault}")]
    File {
        /// Which parameter.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// The process trusts others besides: [`PostgresUrl::to_trust_alone`](crate::PostgresUrl::to_trust_alone).
    #[error("`sslrootcert` of `database`: the environment must name `{0}` in SSL_CERT_FILE, and have no SSL_CERT_DIR")]
    TrustsOthers(PathBuf),
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Disable,
    /// If the database can; nothing is checked. So is `allow`, which would encrypt where the database insists.
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// What the URL or the environment says, unread.
pub(crate) struct Said {
    pub(crate) mode: Option<String>,
    pub(crate) root: Option<String>,
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
    /// `PGSSLROOTCERT` is set.
    pub(crate) root_in_environment: bool,
}

/// The files in use.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) root: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl Mode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// With a file of authorities `require` asks them, as libpq has it.
    pub(crate) fn settled(self, files: &Files) -> Self {
        if self == Self::Require && files.root.is_some() { Self::VerifyCa } else { self }
    }
}

impl Said {
    pub(crate) fn mode(&self) -> Result<Mode, UrlFault> {
        match self.mode.as_deref() {
            None if self.is_system() => Ok(Mode::VerifyFull),
            None | Some("allow" | "prefer") => Ok(Mode::Prefer),
            Some("disable") => Ok(Mode::Disable),
            Some("require") => Ok(Mode::Require),
            Some("verify-ca") => Ok(Mode::VerifyCa),
            Some("verify-full") => Ok(Mode::VerifyFull),
            Some(_) => Err(UrlFault::Mode),
        }
    }

    /// The files that a mode uses; a wish for a check that it does not make is refused.
    pub(crate) fn files(&self, mode: Mode) -> Result<Files, UrlFault> {
        if mode == Mode::Disable {
            return Ok(Files::default());
        }
        let needs = |what, needs| Err(UrlFault::Needs { what, needs });
        if self.is_system() && self.root_in_environment {
            return Err(UrlFault::SystemByEnvironment);
        }
        match (mode, &self.root) {
            (Mode::Prefer, Some(_)) => return needs("`sslrootcert`", "`sslmode` require, verify-ca or verify-full"),
            // Any name that a public authority vouches for would do.
            (Mode::VerifyCa, None) => return needs("`sslmode=verify-ca`", "`sslrootcert`, a file"),
            (Mode::Require | Mode::VerifyCa, Some(_)) if self.is_system() => {
                return needs("`sslrootcert=system`", "`sslmode=verify-full`");
            }
            _ => {}
        }
        let root = if self.is_system() { None } else { file("sslrootcert", self.root.as_ref())? };
        let (cert, key) = (file("sslcert", self.cert.as_ref())?, file("sslkey", self.key.as_ref())?);
        match (&cert, &key) {
            (Some(_), None) => needs("`sslcert`", "`sslkey`"),
            (None, Some(_)) => needs("`sslkey`", "`sslcert`"),
            _ => Ok(Files { root, cert, key }),
        }
    }

    fn is_system(&self) -> bool {
        self.root.as_deref() == Some(SYSTEM)
    }
}

fn file(key: &'static str, value: Option<&String>) -> Result<Option<PathBuf>, UrlFault> {
    match value {
        Some(value) if value.trim_start().starts_with(PEM) => Err(UrlFault::NotAFile(key)),
        value => Ok(value.map(PathBuf::from)),
    }
}

impl Files {
    /// Reads them, so that a wrong one is told by its name. The driver reads them again for each connection.
    pub(crate) fn check(&self) -> Result<(), UrlFault> {
        for (key, path) in [("sslrootcert", &self.root), ("sslcert", &self.cert)] {
            if let Some(path) = path {
                certificates(path).map_err(|fault| UrlFault::File { key, path: path.clone(), fault })?;
            }
        }
        let Some(path) = &self.key else { return Ok(()) };
        private_key(path).map_err(|fault| UrlFault::File { key: "sslkey", path: path.clone(), fault })
    }
}

fn certificates(path: &Path) -> Result<(), String> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    if all.map_err(told)?.is_empty() { Err("it has no certificate".to_owned()) } else { Ok(()) }
}

/// A key that others may read is refused, as libpq does.
fn private_key(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if may_others_read(&metadata) {
        return Err("others may read it; it must have mode 0600, or 0640 where root owns it".to_owned());
    }
    match PrivateKeyDer::from_pem_file(path) {
        Ok(_) => Ok(()),
        Err(pem::Error::NoItemsFound) => Err("it has no key that is not encrypted".to_owned()),
        Err(error) => Err(told(error)),
    }
}

fn may_others_read(metadata: &Metadata) -> bool {
    let not_allowed = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    metadata.mode() & not_allowed != 0
}

fn told(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        // What it says else may quote a line of the file.
        _ => "it is not PEM".to_owned(),
    }
}
