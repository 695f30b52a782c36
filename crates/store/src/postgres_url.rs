//! PostgreSQL's URL and what it says of TLS, read as libpq reads it.
//!
//! The driver reads some of it otherwise, so it is settled here before the driver sees it. `require` with `sslrootcert` is
//! `verify-ca` (the driver would check nothing), `allow` is `prefer` (it would never encrypt), a Unix socket has no TLS, an
//! unknown parameter is refused (it would pass over a mistyped `sslmode`), and `sslrootcert` names the only authorities that
//! are trusted (it would trust the system's besides). Source: PostgreSQL 15 manual, 34.1.2 and 34.19; 17 for `system`.

use std::{env, fmt, net::IpAddr, path::Path, str::FromStr};

use sqlx::postgres::PgConnectOptions;
use url::{Host, Url};

use crate::{
    is_shared,
    postgres_tls::{Files, Mode, Said, UrlFault},
};

/// Where the driver looks for the authorities that it trusts besides those of `sslrootcert`.
pub const TRUSTED_FILE: &str = "SSL_CERT_FILE";
/// The same, a folder.
pub const TRUSTED_FOLDER: &str = "SSL_CERT_DIR";
/// What is served besides TLS: libpq's, and none that is the driver's alone.
const PARAMETERS: [&str; 8] = ["host", "hostaddr", "port", "dbname", "user", "password", "application_name", "options"];
const SSL_PARAMETERS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

/// A URL of PostgreSQL's, what it says of TLS settled and its files read once. It may hold a password.
#[derive(Clone)]
pub struct PostgresUrl {
    url: Url,
    options: PgConnectOptions,
    mode: Mode,
    files: Files,
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresUrl")
    }
}

impl FromStr for PostgresUrl {
    type Err = UrlFault;

    fn from_str(text: &str) -> Result<Self, UrlFault> {
        Self::settled(text, |variable| env::var(variable).ok())
    }
}

impl PostgresUrl {
    /// The URL with everything settled; reading it again gives the same. For the driver, and for nothing that is printed.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.url.as_str()
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Whether nothing leaves the machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_unix_socket(&self.options) || is_loopback(self.options.get_host())
    }

    /// Whether no connection is ever encrypted.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.mode == Mode::Disable
    }

    /// Whether every connection is encrypted, or there is none.
    #[must_use]
    pub fn demands_encryption(&self) -> bool {
        !matches!(self.mode, Mode::Disable | Mode::Prefer)
    }

    /// Whether the database's certificate is checked.
    #[must_use]
    pub fn checks_certificate(&self) -> bool {
        matches!(self.mode, Mode::VerifyCa | Mode::VerifyFull)
    }

    /// What [`TRUSTED_FILE`] must be in this process, without [`TRUSTED_FOLDER`], and is not yet: then alone the file of
    /// `sslrootcert` is trusted. The store opens nothing before.
    #[must_use]
    pub fn to_trust_alone(&self) -> Option<&Path> {
        let file = self.files.root.as_deref().filter(|_| self.checks_certificate())?;
        let is_so = env::var_os(TRUSTED_FILE).as_deref() == Some(file.as_os_str());
        (!is_so || env::var_os(TRUSTED_FOLDER).is_some()).then_some(file)
    }

    fn settled(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, UrlFault> {
        if !is_shared(text) {
            return Err(UrlFault::NotPostgres);
        }
        // What is wrong with it is not told: it may quote the password.
        let mut url = Url::parse(text).map_err(|_| UrlFault::NotPostgres)?;
        refuse_unknown(&url)?;
        let said = said(&url, environment);
        let mode = said.mode()?;
        write_tls(&mut url, Mode::Disable, &Files::default());
        let reached: PgConnectOptions = url.as_str().parse().map_err(|_| UrlFault::NotPostgres)?;
        let (mode, files) = if is_unix_socket(&reached) {
            (Mode::Disable, Files::default())
        } else {
            let files = said.files(mode)?;
            (mode.settled(&files), files)
        };
        files.check()?;
        write_tls(&mut url, mode, &files);
        let options = url.as_str().parse().map_err(|_| UrlFault::NotPostgres)?;
        Ok(Self { url, options, mode, files })
    }
}

/// As libpq does. A name is told only where it cannot be a part of a password that holds a `?`.
fn refuse_unknown(url: &Url) -> Result<(), UrlFault> {
    for (key, _) in url.query_pairs() {
        let is_known = PARAMETERS.contains(&&*key) || SSL_PARAMETERS.contains(&&*key) || key.starts_with("options[");
        if !is_known {
            let is_a_name = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let told = if is_a_name { format!("`{key}`") } else { "a parameter".to_owned() };
            return Err(UrlFault::Parameter(told));
        }
    }
    Ok(())
}

/// The URL's, else the environment's, which the driver reads as libpq does. An empty value is none.
fn said(url: &Url, environment: impl Fn(&str) -> Option<String>) -> Said {
    let of = |key: &str| {
        let last = url.query_pairs().filter(|(found, _)| found == key).last().map(|(_, value)| value.into_owned());
        last.or_else(|| environment(&format!("PG{}", key.to_ascii_uppercase()))).filter(|value| !value.is_empty())
    };
    let [mode, root, cert, key] = SSL_PARAMETERS.map(of);
    Said { mode, root, cert, key, root_in_environment: environment("PGSSLROOTCERT").is_some() }
}

/// Puts the settled values in the place of what the URL said.
fn write_tls(url: &mut Url, mode: Mode, files: &Files) {
    let mut pairs: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| !SSL_PARAMETERS.contains(&&**key))
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    if let (Some(Host::Ipv6(address)), false) = (url.host(), pairs.iter().any(|(key, _)| key.starts_with("host"))) {
        // The driver takes the brackets for a part of the name.
        pairs.push(("host".to_owned(), address.to_string()));
    }
    pairs.push(("sslmode".to_owned(), mode.word().to_owned()));
    for (key, file) in [("sslrootcert", &files.root), ("sslcert", &files.cert), ("sslkey", &files.key)] {
        if let Some(file) = file {
            pairs.push((key.to_owned(), file.to_string_lossy().into_owned()));
        }
    }
    url.query_pairs_mut().clear().extend_pairs(pairs);
}

fn is_unix_socket(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || options.get_host().starts_with('/')
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    /// A folder with a certificate and a key, whose names are put in the place of CERT and KEY.
    fn settled(url: &str, environment: &[(&str, &str)]) -> Result<(Mode, String), UrlFault> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
        std::fs::write(&cert, PEM).unwrap();
        std::fs::write(&key, KEY).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let place = folder.path().to_str().unwrap();
        let filled =
            |text: &str| text.replace("CERT", &format!("{place}/cert")).replace("KEY", &format!("{place}/key"));
        let variable =
            |name: &str| environment.iter().find(|(found, _)| *found == name).map(|(_, value)| filled(value));
        let first = PostgresUrl::settled(&filled(url), variable)?;
        let again = PostgresUrl::settled(first.expose(), variable)?;
        assert_eq!(first.expose(), again.expose(), "what is settled stays so");
        let query = first.url.query().unwrap().replace(&place.replace('/', "%2F"), "");
        Ok((first.mode, query))
    }

    #[test]
    fn a_mode_is_what_libpq_means_by_it() {
        for (said, mode) in [
            ("", Mode::Prefer),
            ("?sslmode=allow", Mode::Prefer),
            ("?sslmode=disable&sslrootcert=/absent", Mode::Disable),
            ("?sslmode=require", Mode::Require),
            ("?sslmode=require&sslrootcert=CERT", Mode::VerifyCa),
            ("?sslmode=verify-ca&sslrootcert=CERT", Mode::VerifyCa),
            ("?sslmode=verify-full", Mode::VerifyFull),
            ("?sslmode=disable&sslmode=verify-full", Mode::VerifyFull),
            ("?sslrootcert=system", Mode::VerifyFull),
            ("?host=/run/postgresql&sslmode=verify-full&sslrootcert=/absent", Mode::Disable),
        ] {
            let (found, query) = settled(&format!("postgres://u:p@db.example/x{said}"), &[]).unwrap();
            assert_eq!(found, mode, "{said}");
            assert!(query.contains(&format!("sslmode={}", mode.word())), "{query}");
        }
        let client = "postgres://u@db.example/x?sslmode=verify-full&sslrootcert=CERT&sslcert=CERT&sslkey=KEY";
        let (_, query) = settled(client, &[]).unwrap();
        assert_eq!(query, "sslmode=verify-full&sslrootcert=%2Fcert&sslcert=%2Fcert&sslkey=%2Fkey");
    }

    #[test]
    fn the_environment_counts_where_the_url_is_silent() {
        let all = [("PGSSLMODE", "require"), ("PGSSLROOTCERT", "CERT")];
        assert_eq!(settled("postgres://u@db.example/x", &all).unwrap().0, Mode::VerifyCa);
        assert_eq!(settled("postgres://u@db.example/x?sslmode=disable", &all).unwrap().0, Mode::Disable);
        assert_eq!(settled("postgres://u@db.example/x", &[("PGSSLMODE", "reqire")]), Err(UrlFault::Mode));
        let both = settled("postgres://u@db.example/x?sslrootcert=system", &[("PGSSLROOTCERT", "CERT")]);
        assert_eq!(both, Err(UrlFault::SystemByEnvironment));
    }

    #[test]
    fn what_would_not_be_checked_is_refused_without_a_secret() {
        for (said, told) in [
            ("?sslmode=verify-fll", "sslmode"),
            ("?sslmode=&sslrootcert=CERT", "needs"),
            ("?sslmod=verify-full", "`sslmod`"),
            ("?sslpassword=hunter2", "`sslpassword`"),
            ("?hunter2@db.example/x", "a parameter"),
            ("?statement-cache-capacity=0", "a parameter"),
            ("?sslrootcert=CERT", "needs `sslmode`"),
            ("?sslmode=verify-ca", "needs `sslrootcert`"),
            ("?sslmode=require&sslrootcert=system", "verify-full"),
            ("?sslmode=verify-full&sslcert=CERT", "needs `sslkey`"),
            ("?sslmode=verify-full&sslkey=KEY", "needs `sslcert`"),
            ("?sslmode=verify-full&sslrootcert=/absent", "`/absent`: No such file"),
            ("?sslmode=verify-full&sslrootcert=KEY", "no certificate"),
            ("?sslmode=verify-full&sslcert=CERT&sslkey=CERT", "others may read it"),
            ("?sslmode=verify-full&sslcert=CERT&sslkey=-----BEGIN hunter2", "must be the name of a file"),
        ] {
            let fault = settled(&format!("postgres://u:hunter2@db.example/x{said}"), &[]).unwrap_err();
            assert!(fault.to_string().contains(told), "{said}: {fault}");
            assert!(!format!("{fault} {fault:?}").contains("hunter2"), "{fault}");
        }
        assert_eq!(settled("mysql://u:hunter2@db/x", &[]), Err(UrlFault::NotPostgres));
        assert_eq!(settled("postgres://u:hunter2@db:x/x", &[]), Err(UrlFault::NotPostgres));
    }

    #[test]
    fn a_url_is_never_shown_and_knows_whether_it_leaves_the_machine() {
        for (url, is_local) in [
            ("postgres://u:hunter2@localhost/x", true),
            ("postgres://u:hunter2@127.0.0.1/x", true),
            ("postgres://u:hunter2@[::1]/x", true),
            ("postgres://u:hunter2@%2Frun%2Fpostgresql/x", true),
            ("postgres://u:hunter2@10.0.0.7/x", false),
            ("postgres://u:hunter2@localhost.example/x", false),
        ] {
            let url = PostgresUrl::settled(url, |_| None).unwrap();
            assert_eq!((format!("{url:?}"), url.is_local()), ("PostgresUrl".to_owned(), is_local));
        }
    }
}
