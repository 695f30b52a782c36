//! What `serve` runs with: flags over environment over file over defaults.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::IpNet;
use serde::Deserialize;
use sluice_broker::OpenDoor;
use sluice_store::UrlFault;

use crate::{
    cli::{LogFormat, ServeArgs},
    database_url::DatabaseUrl,
};

/// The keys of the TOML file; the same names as the flags. An unknown key is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    mqtt: Option<String>,
    http: Option<String>,
    mqtts: Option<String>,
    https: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    trusted_proxy: Option<Vec<String>>,
    open_mqtt: Option<String>,
    open_instance: Option<String>,
    open_user: Option<String>,
    database: Option<String>,
    allow_local_issuers: Option<bool>,
    log_format: Option<LogFormat>,
    master_key_file: Option<PathBuf>,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) mqtt: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) mqtts: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) certificate: Option<CertificateFiles>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) open: Option<OpenListener>,
    pub(crate) database: Option<DatabaseUrl>,
    pub(crate) allow_local_issuers: bool,
    pub(crate) log_format: LogFormat,
    pub(crate) master_key_file: Option<PathBuf>,
}

/// Where the certificate for TLS is.
#[derive(Debug, Clone)]
pub(crate) struct CertificateFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// A listener for clients that cannot sign.
#[derive(Debug, Clone)]
pub(crate) struct OpenListener {
    pub(crate) address: SocketAddr,
    pub(crate) door: Arc<OpenDoor>,
}

/// Why the configuration was refused; the process ends with exit code 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration file `{path}`: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration file `{path}` is wrong: {fault}")]
    File { path: PathBuf, fault: String },
    #[error("`{key}` must be an address HOST:PORT, not `{value}`")]
    Address { key: &'static str, value: String },
    #[error("`{key}` is missing: `{because}` needs it")]
    Missing { key: &'static str, because: &'static str },
    #[error(transparent)]
    Database(#[from] UrlFault),
    #[error("`{key}` cannot be `{value}`: {fault}")]
    Value { key: &'static str, value: String, fault: String },
}

impl Config {
    /// Merges the sources.
    pub(crate) fn load(args: ServeArgs) -> Result<Self, ConfigError> {
        let file = match &args.config {
            Some(path) => read_file(path)?,
            None => File::default(),
        };
        let mqtts = optional_address("mqtts", args.mqtts.or(file.mqtts))?;
        let https = optional_address("https", args.https.or(file.https))?;
        let encrypted = if mqtts.is_some() { Some("mqtts") } else { https.map(|_| "https") };
        let open_mqtt = optional_address("open-mqtt", args.open_mqtt.or(file.open_mqtt))?;
        let (open_instance, open_user) = (args.open_instance.or(file.open_instance), args.open_user.or(file.open_user));
        Ok(Self {
            mqtts,
            https,
            certificate: certificate(args.tls_cert.or(file.tls_cert), args.tls_key.or(file.tls_key), encrypted)?,
            trusted_proxies: networks(&args.trusted_proxy.or(file.trusted_proxy).unwrap_or_default())?,
            open: open_listener(open_mqtt, open_instance, open_user)?,
            database: args.database.or(file.database).map(|url| url.parse()).transpose()?,
            allow_local_issuers: args.allow_local_issuers.or(file.allow_local_issuers).unwrap_or(false),
            data_dir: args.data_dir.or(file.data_dir).unwrap_or_else(|| "./data".into()),
            mqtt: address("mqtt", args.mqtt.or(file.mqtt).as_deref().unwrap_or("127.0.0.1:1883"))?,
            http: address("http", args.http.or(file.http).as_deref().unwrap_or("127.0.0.1:8080"))?,
            log_format: args.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            master_key_file: args.master_key_file.or(file.master_key_file),
        })
    }
}

fn read_file(path: &Path) -> Result<File, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::File { path: path.to_owned(), fault: fault_of(&error, &text) })
}

/// What is wrong with the file. The display form shows line, column and the line itself, which names the key; but the line of
/// a database may hold its password.
fn fault_of(error: &toml::de::Error, text: &str) -> String {
    let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default();
    if ["database", "postgres", "://"].iter().any(|word| line.contains(word)) {
        return format!(
            "line {}, which may hold the password of a `database` and is not shown: {}",
            number + 1,
            error.message()
        );
    }
    error.to_string()
}

fn address(key: &'static str, value: &str) -> Result<SocketAddr, ConfigError> {
    let wrong = || ConfigError::Address { key, value: value.to_owned() };
    value.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)
}

fn optional_address(key: &'static str, value: Option<String>) -> Result<Option<SocketAddr>, ConfigError> {
    value.map(|value| address(key, &value)).transpose()
}

/// Both files or none; both when a listener needs them.
fn certificate(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    listener: Option<&'static str>,
) -> Result<Option<CertificateFiles>, ConfigError> {
    match (cert, key, listener) {
        (Some(cert), Some(key), _) => Ok(Some(CertificateFiles { cert, key })),
        (None, None, None) => Ok(None),
        (None, _, Some(because)) => Err(ConfigError::Missing { key: "tls-cert", because }),
        (Some(_), None, because) => {
            Err(ConfigError::Missing { key: "tls-key", because: because.unwrap_or("tls-cert") })
        }
        (None, Some(_), None) => Err(ConfigError::Missing { key: "tls-cert", because: "tls-key" }),
    }
}

/// A network, or an address for the network of it alone.
fn networks(texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let network = |text: &String| {
        let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse::<IpNet>().ok().or_else(one).ok_or_else(|| ConfigError::Value {
            key: "trusted-proxy",
            value: text.clone(),
            fault: "it is neither a network such as 10.0.0.0/8 nor an address".to_owned(),
        })
    };
    texts.iter().map(network).collect()
}

/// All three settings or none.
fn open_listener(
    address: Option<SocketAddr>,
    instance: Option<String>,
    user: Option<String>,
) -> Result<Option<OpenListener>, ConfigError> {
    let missing = |key, because| Err(ConfigError::Missing { key, because });
    let (address, instance, user) = match (address, instance, user) {
        (None, None, None) => return Ok(None),
        (Some(address), Some(instance), Some(user)) => (address, instance, user),
        (None, Some(_), _) => return missing("open-mqtt", "open-instance"),
        (None, None, Some(_)) => return missing("open-mqtt", "open-user"),
        (Some(_), None, _) => return missing("open-instance", "open-mqtt"),
        (Some(_), Some(_), None) => return missing("open-user", "open-mqtt"),
    };
    let door = OpenDoor { instance: parsed("open-instance", instance)?, user: parsed("open-user", user)? };
    Ok(Some(OpenListener { address, door: Arc::new(door) }))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(key: &'static str, value: String) -> Result<T, ConfigError> {
    value.parse().map_err(|error: T::Err| ConfigError::Value { key, fault: error.to_string(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, args: ServeArgs) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sluice.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(ServeArgs { config: Some(path), ..args })
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let args = ServeArgs { mqtt: Some("127.0.0.1:1".into()), ..ServeArgs::default() };
        let config = with_file("mqtt = '127.0.0.1:2'\nhttp = '127.0.0.1:3'\nlog-format = 'json'", args).unwrap();
        assert_eq!((config.mqtt.port(), config.http.port()), (1, 3));
        assert_eq!(config.log_format, LogFormat::Json);
        assert_eq!(config.data_dir, Path::new("./data"));
    }

    #[test]
    fn local_issuers_are_asked_only_where_the_operator_says_so() {
        assert!(!with_file("", ServeArgs::default()).unwrap().allow_local_issuers);
        assert!(with_file("allow-local-issuers = true", ServeArgs::default()).unwrap().allow_local_issuers);
        let args = ServeArgs { allow_local_issuers: Some(false), ..ServeArgs::default() };
        assert!(!with_file("allow-local-issuers = true", args).unwrap().allow_local_issuers);
    }

    #[test]
    fn a_damaged_file_names_the_key() {
        for (text, key) in [
            ("mqqt = 'x'", "mqqt"),
            ("log-format = 'loud'", "log-format"),
            ("http = 5", "http"),
            ("http = 'nowhere'", "http"),
            ("allow-local-issuers = 'yes'", "allow-local-issuers"),
            ("mqtts = 'nowhere'", "mqtts"),
            ("mqtts = '127.0.0.1:8883'", "tls-cert"),
            ("https = '127.0.0.1:8443'\ntls-cert = 'x'", "tls-key"),
            ("tls-key = 'x'", "tls-cert"),
            ("trusted-proxy = ['10.0.0.0/33']", "trusted-proxy"),
            ("trusted-proxy = '10.0.0.0/8'", "trusted-proxy"),
            ("open-mqtt = '127.0.0.1:1884'", "open-instance"),
            ("open-mqtt = '127.0.0.1:1884'\nopen-instance = 'mqtt-cn-a'", "open-user"),
            ("open-instance = 'mqtt-cn-a'\nopen-user = 'fleet'", "open-mqtt"),
            ("open-user = 'fleet'", "open-mqtt"),
            ("database = 'mysql://sluice:hunter2@db'", "database"),
            ("open-mqtt = '127.0.0.1:1884'\nopen-instance = 'no'\nopen-user = 'fleet'", "open-instance"),
            ("open-mqtt = '127.0.0.1:1884'\nopen-instance = 'mqtt-cn-a'\nopen-user = 'a b'", "open-user"),
        ] {
            let error = with_file(text, ServeArgs::default()).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn a_databases_line_is_never_shown() {
        for text in [
            "database = 'postgres://sluice:hunter2@db",
            "databse = 'postgres://sluice:hunter2@db'",
            "database = ['postgres://sluice:hunter2@db']",
            "database = 'mysql://sluice:hunter2@db'",
        ] {
            let error = with_file(text, ServeArgs::default()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            assert!(error.to_string().contains("database"), "{error}");
        }
        let config = with_file("database = 'postgres://sluice:hunter2@db/x'", ServeArgs::default()).unwrap();
        assert!(config.database.is_some() && !format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_mistyped_key_is_shown_in_its_line() {
        let error = with_file("mqtt = '127.0.0.1:0'\nhtp = '127.0.0.1:0'\n", ServeArgs::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("line 2") && text.contains("htp = '127.0.0.1:0'") && !text.contains("not shown"),
            "{text}"
        );
    }

    #[test]
    fn the_listeners_are_read_whole() {
        let text = "mqtts = '127.0.0.1:1'\nhttps = '127.0.0.1:2'\ntls-cert = 'c'\ntls-key = 'k'\n\
                    open-mqtt = '127.0.0.1:3'\nopen-instance = 'mqtt-cn-a'\nopen-user = 'fleet'\n\
                    trusted-proxy = ['10.0.0.0/8', '192.0.2.1']";
        let config = with_file(text, ServeArgs::default()).unwrap();
        assert_eq!((config.mqtts.unwrap().port(), config.https.unwrap().port()), (1, 2));
        let open = config.open.unwrap();
        assert_eq!((open.address.port(), open.door.user.as_str()), (3, "fleet"));
        let proxies: Vec<_> = config.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32"]);
    }
}
