//! The flags of `sluice bench`.

use std::{net::SocketAddr, num::NonZeroU32};

use clap::{Args, Subcommand, ValueEnum, value_parser};
use sluice_codec::Version;
use sluice_model::Qos;

/// Least payload: the stamp that receivers count by.
pub(super) const PAYLOAD_BYTES_MIN: i64 = 16;
/// Largest payload; a packet of Sluice holds 1 MiB.
const PAYLOAD_BYTES_MAX: i64 = 1_000_000;
/// Most messages of a publisher on their way; packet identifiers end at 65,535.
const WINDOW_MAX: i64 = 60_000;

/// The runs.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Opens connections, holds them idle, and says what each costs
    Conn(ConnArgs),
    /// Publishers, each with a topic of its own, to subscribers of all of them
    FanIn(FanInArgs),
    /// Publishers to subscribers of one topic
    FanOut(FanOutArgs),
    /// Pairs of a publisher and a subscriber, each with a topic of its own
    P2p(P2pArgs),
    /// Many connections, churn, stored sessions and policies that change, for long: exits 1 on what may not happen
    Soak(SoakArgs),
    /// Calls of the management API, each signed
    Operations(OperationsArgs),
    /// Publishers that wait for their acknowledgements, to stored sessions that are away and then come back
    Stored(StoredArgs),
}

/// Where the server is and how to sign in.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Where the server listens for MQTT over TCP
    #[arg(long, default_value = "127.0.0.1:1883", value_name = "ADDR")]
    pub(crate) mqtt: SocketAddr,
    /// The instance to sign in to; without it clients do not sign in (open listener)
    #[arg(long, requires = "access_key_id", requires = "access_key_secret")]
    pub(crate) instance: Option<String>,
    /// Who signs in
    #[arg(long, env = "SLUICE_ACCESS_KEY_ID")]
    pub(crate) access_key_id: Option<String>,
    /// The secret that signs in
    #[arg(long, env = "SLUICE_ACCESS_KEY_SECRET", hide_env_values = true)]
    pub(crate) access_key_secret: Option<String>,
    /// Client IDs; {i} is the connection's number [default: GID_bench@@@{i}, or bench-{i} without sign-in]
    #[arg(long)]
    pub(crate) client_id: Option<String>,
    /// MQTT 5 instead of 3.1.1
    #[arg(long)]
    pub(crate) v5: bool,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..=64))]
    pub(crate) threads: u16,
    /// Handshakes at a time
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u16).range(1..=4096))]
    pub(crate) handshakes: u16,
    /// Process of the server: its CPU time and memory are reported
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// One JSON object on stdout instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

impl Target {
    pub(super) fn version(&self) -> Version {
        if self.v5 { Version::V5 } else { Version::V3_1_1 }
    }

    /// The ID of a connection.
    pub(super) fn client_id(&self, number: usize) -> String {
        let default = if self.instance.is_some() { "GID_bench@@@{i}" } else { "bench-{i}" };
        let template = self.client_id.as_deref().unwrap_or(default);
        template.replace("{i}", &number.to_string())
    }
}

/// What is sent, and for how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct Traffic {
    /// Quality of service of messages and subscriptions
    #[arg(long, default_value = "0", value_parser = qos)]
    pub(crate) qos: Qos,
    /// Bytes of a message, at least 16
    #[arg(long, default_value_t = 64, value_name = "BYTES",
          value_parser = value_parser!(u32).range(PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX))]
    pub(crate) payload: u32,
    /// Seconds that are measured
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
    /// Seconds of traffic before that
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(0..=3_600))]
    pub(crate) warmup: u32,
    /// Seconds without progress after which what is missing counts as lost
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(1..=600))]
    pub(crate) drain: u32,
    /// Closed loop: most messages of a publisher on their way
    #[arg(long, default_value_t = 32, value_parser = value_parser!(u32).range(1..=WINDOW_MAX))]
    pub(crate) window: u32,
    /// Open loop: messages a second of all publishers together; latency counts from when a message was due
    #[arg(long, conflicts_with = "window", value_name = "PER_SECOND")]
    pub(crate) rate: Option<NonZeroU32>,
    /// First level or levels of the topics
    #[arg(long, default_value = "bench")]
    pub(crate) topic_prefix: String,
}

#[derive(Debug, Args)]
pub(crate) struct ConnArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How many
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Connections opened a second; without it as fast as the handshakes at a time allow
    #[arg(long, value_name = "PER_SECOND")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Seconds that they are held idle
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
}

#[derive(Debug, Args)]
pub(crate) struct FanInArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    /// Publishers
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) publishers: u32,
    /// Subscribers
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) subscribers: u32,
    /// The subscribers share one subscription: each message goes to one of them
    #[arg(long)]
    pub(crate) shared: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FanOutArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    /// Publishers
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) publishers: u32,
    /// Subscribers
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) subscribers: u32,
}

#[derive(Debug, Args)]
pub(crate) struct P2pArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    /// Pairs
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) pairs: u32,
}

/// Makes a parent topic, a group and two users of its own, and leaves them there. Signs in as them; the keys given are
/// of one who may make them.
#[derive(Debug, Clone, Args)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Where the server listens for HTTP
    #[arg(long, env = "SLUICE_ENDPOINT", default_value = "http://127.0.0.1:8080")]
    pub(crate) endpoint: String,
    /// Connections of all kinds together
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u32).range(100..=1_000_000))]
    pub(crate) connections: u32,
    /// Connections a second that leave and are replaced
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) churn: u32,
    /// Seconds
    #[arg(long, default_value_t = 600, value_parser = value_parser!(u32).range(10..=86_400))]
    pub(crate) seconds: u32,
    /// Messages a second of all publishers together
    #[arg(long, default_value = "2000", value_name = "PER_SECOND")]
    pub(crate) rate: NonZeroU32,
    /// Changes of policies and keys a second
    #[arg(long, default_value = "2", value_name = "PER_SECOND")]
    pub(crate) changes: NonZeroU32,
    /// Qualities of service, mixed
    #[arg(long, default_value = "0,1,2", value_delimiter = ',', value_parser = qos)]
    pub(crate) qos: Vec<Qos>,
    /// Stored sessions that come and go [default: one in a hundred connections]
    #[arg(long)]
    pub(crate) stored: Option<u32>,
    /// Most milliseconds from the reply of a revocation to the end of a connection
    #[arg(long, default_value_t = 100, value_name = "MILLISECONDS")]
    pub(crate) revocation: u32,
    /// Most growth of the server's memory after the first minute (at most a third of the run), percent
    #[arg(long, default_value_t = 5, value_name = "PERCENT")]
    pub(crate) growth: u32,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum OperationsRun {
    /// A read
    GetUser,
    /// A write and its undoing by DetachPolicyFromUser
    AttachPolicyToUser,
}

impl OperationsRun {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GetUser => "GetUser",
            Self::AttachPolicyToUser => "AttachPolicyToUser",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct OperationsArgs {
    /// What is called
    #[arg(value_enum)]
    pub(crate) run: OperationsRun,
    /// Where the server listens for HTTP
    #[arg(long, env = "SLUICE_ENDPOINT", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(crate) endpoint: String,
    /// Who signs
    #[arg(long, env = "SLUICE_ACCESS_KEY_ID")]
    pub(crate) access_key_id: String,
    /// The secret that signs
    #[arg(long, env = "SLUICE_ACCESS_KEY_SECRET", hide_env_values = true)]
    pub(crate) access_key_secret: String,
    /// Callers at a time, each with one call on its way
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u16).range(1..=1_000))]
    pub(crate) callers: u16,
    /// Seconds that are measured
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=3_600))]
    pub(crate) seconds: u32,
    /// Seconds of calls before that
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(0..=600))]
    pub(crate) warmup: u32,
    /// Process of the server: its CPU time is reported
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// One JSON object on stdout instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Begins the stored sessions, publishes while they are away, and has them come back and take it all. They stay stored.
#[derive(Debug, Args)]
pub(crate) struct StoredArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Publishers
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) publishers: u32,
    /// Stored sessions
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) sessions: u32,
    /// Each message to all sessions; without it to one of them
    #[arg(long)]
    pub(crate) to_all: bool,
    /// Quality of service of messages and subscriptions
    #[arg(long, default_value = "1", value_parser = stored_qos)]
    pub(crate) qos: Qos,
    /// Bytes of a message, at least 16
    #[arg(long, default_value_t = 64, value_name = "BYTES",
          value_parser = value_parser!(u32).range(PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX))]
    pub(crate) payload: u32,
    /// Messages of a publisher that wait for their acknowledgement
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=WINDOW_MAX))]
    pub(crate) window: u32,
    /// Seconds that are measured; 0 only stores the sessions
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(0..=86_400))]
    pub(crate) seconds: u32,
    /// Seconds of traffic before that
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(0..=3_600))]
    pub(crate) warmup: u32,
    /// So many messages, however long they take
    #[arg(long, default_value_t = 0, hide_default_value = true, conflicts_with = "seconds")]
    pub(crate) messages: u32,
    /// What is done. To count by itself, `drain` has to be told the `--messages` of `publish`
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) phase: StoredPhase,
    /// Ends sessions of the same names first
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Seconds without a message after which what is missing counts as lost
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=600))]
    pub(crate) drain: u32,
    /// First level or levels of the topics
    #[arg(long, default_value = "bench")]
    pub(crate) topic_prefix: String,
}

/// What a run with stored sessions does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoredPhase {
    /// Stores sessions and messages
    Publish,
    /// Takes what waits
    Drain,
    /// One after the other
    Both,
}

fn stored_qos(text: &str) -> Result<Qos, String> {
    match qos(text)? {
        Qos::AtMostOnce => Err("1 or 2: nothing of QoS 0 is acknowledged".to_owned()),
        qos => Ok(qos),
    }
}

fn qos(text: &str) -> Result<Qos, String> {
    text.parse().ok().and_then(Qos::from_bits).ok_or_else(|| "0, 1 or 2".to_owned())
}
