//! The commands and their flags. DESIGN section 1 fixes them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sluice_store::UrlFault;

use crate::{bench::BenchCommand, database_url::DatabaseUrl};

/// The version, and the commit where the build knew it.
const VERSION: &str = env!("SLUICE_VERSION");

/// A self-hosted ApsaraMQ for MQTT with RAM.
#[derive(Debug, Parser)]
#[command(name = "sluice", version = VERSION, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs everything on one node with embedded storage
    Serve(ServeArgs),
    /// Operator: tenant accounts, also while the server runs
    #[command(subcommand)]
    Account(AccountCommand),
    /// Operator: the key that seals secrets at rest
    #[command(subcommand)]
    MasterKey(MasterKeyCommand),
    /// Operator: a consistent copy of the data, also while the server runs; the master key is not in it
    Backup {
        /// Where to: a folder that is empty or not there yet
        dir: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Operator: a backup becomes the data folder of a server that does not run
    Restore {
        /// The backup
        dir: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// One signed call to a running server, prints the JSON reply
    Api(ApiArgs),
    /// Prints the username and password for Signature mode
    MqttLogin(MqttLoginArgs),
    /// Checks policies and runs decision vectors
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Load generator: connections, fan-in, fan-out and point-to-point, with latency percentiles
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Prints a shell's completions of these commands
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// The shells that are completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The settings of `serve`. A flag beats the environment, which beats the file.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// TOML file with the same names as the flags
    #[arg(long, env = "SLUICE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the database, keys and messages [default: ./data]
    #[arg(long, env = "SLUICE_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of MQTT over TCP [default: 127.0.0.1:1883]
    #[arg(long, env = "SLUICE_MQTT", value_name = "ADDR")]
    pub(crate) mqtt: Option<String>,
    /// Address of API, console and MQTT over WebSocket [default: 127.0.0.1:8080]
    #[arg(long, env = "SLUICE_HTTP", value_name = "ADDR")]
    pub(crate) http: Option<String>,
    /// Address of MQTT over TLS; needs a certificate
    #[arg(long, env = "SLUICE_MQTTS", value_name = "ADDR")]
    pub(crate) mqtts: Option<String>,
    /// Address of the same as http over TLS; needs a certificate
    #[arg(long, env = "SLUICE_HTTPS", value_name = "ADDR")]
    pub(crate) https: Option<String>,
    /// Certificate chain, PEM, the server's own first; read again on SIGHUP and when the file changes
    #[arg(long, env = "SLUICE_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, env = "SLUICE_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Network whose connections begin with a PROXY protocol v2 header; may be repeated [default: none]
    #[arg(long, env = "SLUICE_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub(crate) trusted_proxy: Option<Vec<String>>,
    /// Address of MQTT over TCP for clients that cannot sign; needs an instance and a user
    #[arg(long, env = "SLUICE_OPEN_MQTT", value_name = "ADDR")]
    pub(crate) open_mqtt: Option<String>,
    /// The instance of the open listener
    #[arg(long, env = "SLUICE_OPEN_INSTANCE", value_name = "ID")]
    pub(crate) open_instance: Option<String>,
    /// The RAM user as whom clients of the open listener act
    #[arg(long, env = "SLUICE_OPEN_USER", value_name = "NAME")]
    pub(crate) open_user: Option<String>,
    /// PostgreSQL for accounts, policies and instances, postgres://USER@HOST:PORT/NAME; several servers may share one
    /// [default: SQLite in the data folder]
    #[arg(long, env = "SLUICE_DATABASE", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// Asks OIDC issuers at loopback, private and link-local addresses too, and http ones on loopback [default: public https only]
    #[arg(long, env = "SLUICE_ALLOW_LOCAL_ISSUERS", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) allow_local_issuers: Option<bool>,
    /// How log lines look; they go to stderr [default: text]
    #[arg(long, env = "SLUICE_LOG_FORMAT", value_enum)]
    pub(crate) log_format: Option<LogFormat>,
    /// File of mode 0600 with 64 hex digits [default: master.key in the data folder, made at first start]
    #[arg(long, env = "SLUICE_MASTER_KEY_FILE", value_name = "FILE")]
    pub(crate) master_key_file: Option<PathBuf>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For a reader.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Makes a tenant account and prints its names and secrets, one `Name=value` a line
    Create {
        /// The account's alias
        #[arg(long)]
        alias: String,
        /// The account's ID, 16 digits; drawn when not given
        #[arg(long)]
        id: Option<String>,
        #[command(flatten)]
        place: KeyPlace,
    },
    /// Lists the accounts: `AccountId=`, `Alias=` and `Status=` of each, one a line
    List {
        #[command(flatten)]
        place: KeyPlace,
    },
    /// Puts an account out of force: calls are refused, connections and console sessions end, what it has stays
    Disable {
        #[command(flatten)]
        account: Which,
        #[command(flatten)]
        place: KeyPlace,
    },
    /// Puts a disabled account in force again
    Enable {
        #[command(flatten)]
        account: Which,
        #[command(flatten)]
        place: KeyPlace,
    },
    /// Deletes an account with everything that it has
    Delete {
        #[command(flatten)]
        account: Which,
        /// The account's ID again
        #[arg(long, value_name = "ID")]
        yes: Option<String>,
        #[command(flatten)]
        place: KeyPlace,
    },
    /// Gives an account a new password and a new root AccessKey, prints them, and ends those of before
    ResetRoot {
        #[command(flatten)]
        account: Which,
        #[command(flatten)]
        place: KeyPlace,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MasterKeyCommand {
    /// Seals everything under a new key and puts it in the place of the one of before, also while the server runs
    Rotate {
        #[command(flatten)]
        place: KeyPlace,
    },
}

/// One account.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The account's ID, 16 digits
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The account's alias
    #[arg(long)]
    pub(crate) alias: Option<String>,
}

/// Where the data is, and the key of what is sealed in it.
#[derive(Debug, Args)]
pub(crate) struct KeyPlace {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The server's master key file, for when none runs [default: master.key in the data folder]
    #[arg(long, env = "SLUICE_MASTER_KEY_FILE", value_name = "FILE")]
    pub(crate) master_key_file: Option<PathBuf>,
}

/// Where the data is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Folder of the database, keys and messages
    #[arg(long, env = "SLUICE_DATA_DIR", default_value = "./data")]
    pub(crate) data_dir: PathBuf,
    /// PostgreSQL's URL, where the server has one
    #[arg(long, env = "SLUICE_DATABASE", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
}

impl Place {
    /// PostgreSQL, if it is there.
    pub(crate) fn database(&self) -> Result<Option<DatabaseUrl>, UrlFault> {
        self.database.as_deref().map(str::parse).transpose()
    }

    /// Refuses a command that copies files where the metadata is not in one.
    pub(crate) fn embedded(&self, command: &str) -> Result<(), String> {
        match self.database() {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(format!(
                "`sluice {command}` serves the embedded database only; copy a PostgreSQL database with pg_dump and the data \
                 folder's log beside it (docs/operations.md)"
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    /// `ram`, `onsmqtt` or `sts`
    pub(crate) product: Product,
    /// The operation, as in `CreateUser`
    pub(crate) operation: String,
    /// Its parameters
    #[arg(value_name = "Key=Value")]
    pub(crate) parameters: Vec<String>,
    /// Where the server listens for HTTP
    #[arg(long, env = "SLUICE_ENDPOINT", default_value = "http://127.0.0.1:8080")]
    pub(crate) endpoint: String,
    /// Who signs
    #[arg(long, env = "SLUICE_ACCESS_KEY_ID")]
    pub(crate) access_key_id: String,
    /// The secret that signs
    #[arg(long, env = "SLUICE_ACCESS_KEY_SECRET", hide_env_values = true)]
    pub(crate) access_key_secret: String,
    /// The token of a temporary key
    #[arg(long, env = "SLUICE_SECURITY_TOKEN", hide_env_values = true)]
    pub(crate) security_token: Option<String>,
}

/// The products of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Product {
    /// Resource Access Management, 2015-05-01.
    Ram,
    /// ApsaraMQ for MQTT, 2020-04-20.
    Onsmqtt,
    /// Security Token Service, 2015-04-01.
    Sts,
    /// Identity Management Service, 2019-08-15: identity providers, lists of AccessKeys.
    Ims,
}

#[derive(Debug, Args)]
pub(crate) struct MqttLoginArgs {
    /// Whose permissions the client acts with
    #[arg(long, env = "SLUICE_ACCESS_KEY_ID")]
    pub(crate) access_key_id: String,
    /// The secret that signs
    #[arg(long, env = "SLUICE_ACCESS_KEY_SECRET", hide_env_values = true)]
    pub(crate) access_key_secret: String,
    /// The token of a temporary key
    #[arg(long, env = "SLUICE_SECURITY_TOKEN", hide_env_values = true)]
    pub(crate) security_token: Option<String>,
    /// The instance
    #[arg(long)]
    pub(crate) instance: String,
    /// `GroupID@@@device`
    #[arg(long)]
    pub(crate) client_id: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Checks one policy document: `ok` after its warnings, or each fault; with JSON pointer, line and column
    Check {
        /// The document
        file: PathBuf,
    },
    /// Runs decision vectors: PASS or FAIL a line, the count at the end
    Test {
        /// The vectors
        file: PathBuf,
    },
}
