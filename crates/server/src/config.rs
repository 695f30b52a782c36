//! What `serve` runs with: flags over environment over file over defaults.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::cli::{LogFormat, ServeArgs};

/// The keys of the TOML file; the same names as the flags. An unknown key is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    mqtt: Option<String>,
    http: Option<String>,
    log_format: Option<LogFormat>,
    master_key_file: Option<PathBuf>,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) mqtt: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) log_format: LogFormat,
    pub(crate) master_key_file: Option<PathBuf>,
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
}

impl Config {
    /// Merges the sources.
    pub(crate) fn load(args: ServeArgs) -> Result<Self, ConfigError> {
        let file = match &args.config {
            Some(path) => read_file(path)?,
            None => File::default(),
        };
        Ok(Self {
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
    // The display form shows line, column and the line itself, which names the key.
    toml::from_str(&text).map_err(|error| ConfigError::File { path: path.to_owned(), fault: error.to_string() })
}

fn address(key: &'static str, value: &str) -> Result<SocketAddr, ConfigError> {
    let wrong = || ConfigError::Address { key, value: value.to_owned() };
    value.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)
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
    fn a_damaged_file_names_the_key() {
        for (text, key) in [
            ("mqqt = 'x'", "mqqt"),
            ("log-format = 'loud'", "log-format"),
            ("http = 5", "http"),
            ("http = 'nowhere'", "http"),
            ("mqtts = '127.0.0.1:8883'", "mqtts"),
        ] {
            let error = with_file(text, ServeArgs::default()).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
