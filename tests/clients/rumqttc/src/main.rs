//! rumqttc as a program of the client matrix; what it reads and writes is in tests/clients/matrix.py.

mod v4;
mod v5;

use std::{collections::HashMap, error::Error, io::BufRead, sync::Arc};

use rumqttc::{TlsConfiguration, Transport};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::sync::mpsc;

type Failure = Box<dyn Error + Send + Sync>;

/// Commands that may wait; the harness sends one and waits for its answer.
const COMMANDS_MAX: usize = 4;
/// Seconds that a stored session of MQTT 5 outlives its connection.
const SESSION_EXPIRY_S: u32 = 300;

/// The arguments, `NAME=VALUE` each.
struct Given(HashMap<String, String>);

impl Given {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn is_stored(&self) -> bool {
        self.get("stored") == "1"
    }

    /// What rumqttc calls the host, the port, and how they are reached. A WebSocket's whole URL is its host.
    fn address(&self) -> Result<(String, u16, Transport), Failure> {
        let url = self.get("url");
        let (scheme, rest) = url.split_once("://").ok_or("the URL has no scheme")?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let (host, port) = authority.rsplit_once(':').ok_or("the URL has no port")?;
        let port = port.parse()?;
        Ok(match scheme {
            "mqtt" => (host.to_owned(), port, Transport::Tcp),
            "mqtts" => (host.to_owned(), port, Transport::Tls(self.tls()?)),
            "ws" => (url.to_owned(), port, Transport::Ws),
            _ => (url.to_owned(), port, Transport::Wss(self.tls()?)),
        })
    }

    fn tls(&self) -> Result<TlsConfiguration, Failure> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(self.get("ca"))? {
            roots.add(certificate?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(TlsConfiguration::Rustls(Arc::new(config)))
    }
}

/// What the harness asks for.
enum Command {
    Subscribe { topic: String, qos: u8 },
    Publish { topic: String, payload: String, qos: u8, retain: bool, pairs: Vec<(String, String)> },
    Disconnect,
}

impl Command {
    fn read(line: &str) -> Result<Self, Failure> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["subscribe", topic, qos] => Self::Subscribe { topic: topic.to_owned(), qos: qos.parse()? },
            ["publish", topic, payload, qos, retain, ref pairs @ ..] => Self::Publish {
                topic: topic.to_owned(),
                payload: payload.to_owned(),
                qos: qos.parse()?,
                retain: retain == "1",
                pairs: pairs
                    .iter()
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(k, v)| (k.into(), v.into()))
                    .collect(),
            },
            ["disconnect"] => Self::Disconnect,
            _ => return Err(format!("`{line}` is no command").into()),
        })
    }
}

/// Tells of a message. Topics and payloads of the matrix are text without spaces.
fn tell_message(topic: &[u8], payload: &[u8], qos: u8, retain: bool, pairs: &[(String, String)]) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let pairs: String = pairs.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    println!("message {} {} {qos} {}{pairs}", text(topic), text(payload), u8::from(retain));
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    ring::default_provider().install_default().map_err(|_| "a provider was installed before")?;
    let pairs = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
    let given = Given(pairs.collect());
    let (sender, receiver) = mpsc::channel(COMMANDS_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match Command::read(&line) {
                Ok(command) => {
                    if sender.blocking_send(command).is_err() {
                        return;
                    }
                }
                Err(fault) => eprintln!("{fault}"),
            }
        }
    });
    if given.get("version") == "5" { v5::run(&given, receiver).await } else { v4::run(&given, receiver).await }
}
