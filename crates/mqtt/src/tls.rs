//! TLS 1.2 and 1.3: the certificate in force, how it is exchanged while connections live on, and what a handshake says.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    version::{TLS12, TLS13},
};
use sluice_model::InstanceId;

/// What HTTPS offers in ALPN.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Why a certificate and its key are not taken. The operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file that cannot be read or is not PEM.
    #[error("cannot read `{path}`: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A file without a certificate.
    #[error("`{0}` has no certificate")]
    NoCertificate(PathBuf),
    /// Two files that do not fit together, or a key of a kind that is not served.
    #[error("the certificate `{cert}` and the key `{key}` cannot be used: {source}")]
    Unusable {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// A certificate with its key, in two files; what is in force is exchanged whole.
#[derive(Debug)]
pub struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    in_force: ArcSwap<InForce>,
}

#[derive(Debug)]
struct InForce {
    mqtt: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
}

/// What tells one state of the two files from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp([Option<FileStamp>; 2]);

/// Device, inode, bytes, time of modification and of the inode's change.
type FileStamp = (u64, u64, u64, (i64, i64), (i64, i64));

/// Which protocol is spoken inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// MQTT.
    Mqtt,
    /// HTTP/1.1.
    Http,
}

impl Certificates {
    /// Reads a chain (leaf first) and its key, both PEM.
    ///
    /// # Errors
    /// [`CertificateError`] names the file.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, CertificateError> {
        let in_force = ArcSwap::from_pointee(read(cert, key)?);
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), in_force })
    }

    /// Reads the files again: handshakes from now on get what is there.
    ///
    /// # Errors
    /// [`CertificateError`] names the file; what was in force stays in force.
    pub fn reload(&self) -> Result<(), CertificateError> {
        self.in_force.store(Arc::new(read(&self.cert, &self.key)?));
        Ok(())
    }

    /// The state of the files; equal as long as nobody changed them. A symbolic link is followed.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp([file_stamp(&self.cert), file_stamp(&self.key)])
    }

    pub(crate) fn config(&self, inner: Inner) -> Arc<ServerConfig> {
        let in_force = self.in_force.load();
        Arc::clone(match inner {
            Inner::Mqtt => &in_force.mqtt,
            Inner::Http => &in_force.http,
        })
    }
}

fn file_stamp(path: &Path) -> Option<FileStamp> {
    let of = std::fs::metadata(path).ok()?;
    Some((of.dev(), of.ino(), of.len(), (of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec())))
}

fn read(cert: &Path, key: &Path) -> Result<InForce, CertificateError> {
    let unreadable = |path: &Path, source| CertificateError::File { path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(cert, source))?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate(cert.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| unreadable(key, source))?;
    let unusable = |source| CertificateError::Unusable { cert: cert.to_owned(), key: key.to_owned(), source };
    let mut mqtt = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    // Tickets without state: a fleet that comes back resumes. Their key goes with the certificate, so that nobody resumes
    // what was made under an old one.
    mqtt.ticketer = ring::Ticketer::new().map_err(unusable)?;
    mqtt.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    mqtt.send_tls13_tickets = 1;
    let mut http = mqtt.clone();
    http.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(InForce { mqtt: Arc::new(mqtt), http: Arc::new(http) })
}

/// The instance that a server name speaks of: the first label of `{instanceId}.…`.
pub(crate) fn instance_of(server_name: Option<&str>) -> Option<InstanceId> {
    let (label, _) = server_name?.split_once('.')?;
    label.to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_label_names_the_instance() {
        let named = |name| instance_of(Some(name)).map(|id| id.to_string());
        assert_eq!(named("mqtt-cn-one.example.com").as_deref(), Some("mqtt-cn-one"));
        assert_eq!(named("MQTT-CN-One.example.com").as_deref(), Some("mqtt-cn-one"));
        for other in ["mqtt-cn-one", "broker.example.com", "mqtt-cn-.example.com", ".example.com", ""] {
            assert_eq!(named(other), None, "{other}");
        }
        assert_eq!(instance_of(None), None);
    }
}
