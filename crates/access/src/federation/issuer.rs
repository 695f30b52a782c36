//! The published keys of an OIDC issuer: fetched from where its discovery document says, kept for a while.
//!
//! A tenant names the issuer, so that what is asked is narrow: `https` under the pinned fingerprints that the provider was made with,
//! or `http` on a loopback address; the two documents only, both of the issuer's own host and port; no redirects; bounded in time and
//! size; nothing of an answer is shown to anybody. What is not known is fetched again once in [`REFETCH_MS`], whatever is asked.

use std::{sync::Arc, time::Duration};

use ahash::AHashMap;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde::Deserialize;
use sluice_model::UnixMs;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{oidc::Jwk, pinned};

/// How long both documents may take together.
const FETCH_WAIT: Duration = Duration::from_secs(5);
/// Longest document, bytes.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// How long keys are believed, milliseconds.
const KEEP_MS: i64 = 10 * 60 * 1000;
/// How often an issuer is asked at most, milliseconds.
const REFETCH_MS: i64 = 10 * 1000;
/// Issuers that are remembered.
const ISSUERS_MAX: usize = 1_000;
/// Keys of an issuer that are looked at.
const KEYS_MAX: usize = 64;

/// Where an issuer is, and by what its host is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Issuer {
    pub(crate) url: String,
    /// Lower-case hex of SHA-1 or SHA-256 of a certificate of its chain.
    pub(crate) fingerprints: Vec<String>,
}

#[derive(Clone)]
struct Known {
    keys: Arc<[Jwk]>,
    asked: UnixMs,
    got: Option<UnixMs>,
}

/// The keys of all issuers that were asked.
#[derive(Default)]
pub(crate) struct Issuers(Mutex<AHashMap<Issuer, Known>>);

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl Issuers {
    /// The keys of an issuer; asked anew when `is_enough` says that the kept ones are not, and it was not asked just now.
    pub(crate) async fn keys(
        &self,
        issuer: &Issuer,
        now: UnixMs,
        is_enough: impl Fn(&[Jwk]) -> bool,
    ) -> Result<Arc<[Jwk]>, String> {
        let known = self.0.lock().get(issuer).cloned();
        if let Some(known) = &known {
            let is_fresh = known.got.is_some_and(|got| now.0.saturating_sub(got.0) < KEEP_MS);
            let just_asked = now.0.saturating_sub(known.asked.0) < REFETCH_MS;
            if is_fresh && (just_asked || is_enough(&known.keys)) {
                return Ok(Arc::clone(&known.keys));
            }
            if just_asked {
                return Err("it was asked a moment ago".to_owned());
            }
        }
        let before = known.unwrap_or_else(|| Known { keys: Arc::default(), asked: now, got: None });
        self.remember(issuer, Known { asked: now, ..before });
        let fetched = tokio::time::timeout(FETCH_WAIT, fetch(issuer)).await;
        let keys: Arc<[Jwk]> = fetched.map_err(|_| "it does not answer in time".to_owned())??.into();
        self.remember(issuer, Known { keys: Arc::clone(&keys), asked: now, got: Some(now) });
        Ok(keys)
    }

    fn remember(&self, issuer: &Issuer, known: Known) {
        let mut all = self.0.lock();
        if all.len() >= ISSUERS_MAX && !all.contains_key(issuer) {
            let oldest = all.iter().min_by_key(|(_, known)| known.asked.0).map(|(issuer, _)| issuer.clone());
            oldest.map(|oldest| all.remove(&oldest));
        }
        all.insert(issuer.clone(), known);
    }
}

async fn fetch(issuer: &Issuer) -> Result<Vec<Jwk>, String> {
    let base = issuer.url.trim_end_matches('/');
    let origin = Origin::of(&issuer.url).ok_or("its URL cannot be asked")?;
    let discovery: Discovery = origin.get(&format!("{base}/.well-known/openid-configuration"), issuer).await?;
    if discovery.issuer != issuer.url {
        return Err("its discovery document is another issuer's".to_owned());
    }
    if Origin::of(&discovery.jwks_uri).as_ref() != Some(&origin) {
        return Err("its keys are on another host".to_owned());
    }
    let set: KeySet = origin.get(&discovery.jwks_uri, issuer).await?;
    // Keys of kinds that are not known here are passed over.
    let keys = set.keys.into_iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value(key).ok());
    Ok(keys.collect())
}

/// Whether an issuer's URL may be asked at all: `https`, or `http` on a loopback address.
#[must_use]
pub fn is_issuer_url(url: &str) -> bool {
    Origin::of(url).is_some() && !url.contains(['?', '#', '@'])
}

/// Whether an issuer's URL is `https`, which needs a fingerprint.
#[must_use]
pub fn is_https(url: &str) -> bool {
    Origin::of(url).is_some_and(|origin| origin.is_https)
}

/// Scheme, host and port.
#[derive(PartialEq, Eq, Debug)]
struct Origin {
    is_https: bool,
    host: String,
    port: u16,
}

impl Origin {
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let is_https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        if uri.authority()?.as_str().contains('@') {
            return None;
        }
        let host = uri.host()?.trim_matches(['[', ']']).to_ascii_lowercase();
        let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_https && !is_loopback {
            return None;
        }
        Some(Self { is_https, port: uri.port_u16().unwrap_or(if is_https { 443 } else { 80 }), host })
    }

    /// One document of this origin.
    async fn get<T: serde::de::DeserializeOwned>(&self, url: &str, issuer: &Issuer) -> Result<T, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| error.to_string())?;
        let body = if self.is_https {
            let stream = pinned::connect(stream, &self.host, &issuer.fingerprints).await?;
            ask(stream, url).await?
        } else {
            ask(stream, url).await?
        };
        serde_json::from_slice(&body).map_err(|error| format!("a document is not what it should be: {error}"))
    }
}

async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, url: &str) -> Result<Bytes, String> {
    let uri: Uri = url.parse().map_err(|_| "a URL is none")?;
    let host = uri.authority().ok_or("a URL has no host")?.as_str().to_owned();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends with the answer, or with this future: the sender is dropped.
    let driver = tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answers {}", response.status()));
        }
        let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| error.to_string())
    }
    .await;
    driver.abort();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_on_this_very_host() {
        for url in [
            "https://idp.example.com",
            "https://idp.example.com:8443/tenant",
            "http://127.0.0.1:9000",
            "http://[::1]:1/x",
        ] {
            assert!(is_issuer_url(url), "{url}");
        }
        for url in [
            "http://idp.example.com",
            "http://10.0.0.1",
            "http://localhost:80",
            "ftp://127.0.0.1",
            "https://",
            "idp",
            "",
            "https://u@idp.example.com",
            "https://idp.example.com/?x",
            "https://idp.example.com/#x",
            "file:///etc/passwd",
        ] {
            assert!(!is_issuer_url(url), "{url}");
        }
        assert!(is_https("https://a") && !is_https("http://127.0.0.1"));
    }
}
