//! The two documents of an OIDC issuer: where its keys are, and the keys.
//!
//! A tenant names the issuer, so that what is asked is narrow: `https` under the pinned fingerprints that the provider was made with,
//! or, where the operator allows local issuers, `http` on a loopback address; public addresses alone unless the operator allows
//! others; both documents of the issuer's own host and port; no redirects; bounded in size; nothing of an answer is shown to anybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};

use super::{issuer::Issuer, oidc::Jwk, pinned};

/// Longest document, bytes.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Keys of an issuer that are looked at.
const KEYS_MAX: usize = 64;

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// The keys that an issuer publishes now.
pub(crate) async fn fetch(issuer: &Issuer, allows_local: bool) -> Result<Vec<Jwk>, String> {
    let base = issuer.url.trim_end_matches('/');
    let origin = Origin::of(&issuer.url).ok_or("its URL cannot be asked")?;
    // Once for both documents: a name may lead elsewhere the next time.
    let addresses = origin.addresses(allows_local).await?;
    let first = format!("{base}/.well-known/openid-configuration");
    let discovery: Discovery = origin.get(&addresses, &first, issuer).await?;
    if discovery.issuer != issuer.url {
        return Err("its discovery document is another issuer's".to_owned());
    }
    if Origin::of(&discovery.jwks_uri).as_ref() != Some(&origin) {
        return Err("its keys are on another host".to_owned());
    }
    let set: KeySet = origin.get(&addresses, &discovery.jwks_uri, issuer).await?;
    // Keys of kinds that are not known here are passed over.
    let keys = set.keys.into_iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value(key).ok());
    Ok(keys.collect())
}

/// Whether an issuer's URL can be one: `https`, or `http` on a loopback address. Whether this server asks it is
/// [`Access::asks_issuer`](crate::Access::asks_issuer)'s answer.
#[must_use]
pub fn is_issuer_url(url: &str) -> bool {
    Origin::of(url).is_some() && !url.contains(['?', '#', '@'])
}

/// Whether an issuer's URL is `https`, which needs a fingerprint.
#[must_use]
pub fn is_https(url: &str) -> bool {
    Origin::of(url).is_some_and(|origin| origin.is_https)
}

/// Whether a URL may be asked as far as it says where it leads; a name is resolved when it is asked.
pub(crate) fn may_be_asked(url: &str, allows_local: bool) -> bool {
    is_issuer_url(url)
        && (allows_local
            || Origin::of(url).is_some_and(|origin| origin.is_https && origin.literal().is_none_or(is_public)))
}

/// Whether an address is of the public internet: none of this host, its network, a private one, or one that leads to such.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// RFC 6890, with the shared space of RFC 6598 and what is multicast or reserved.
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let is_special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !is_special
}

/// Of what is given out, 2000::/3, all but tunnels that have an IPv4 address within and documentation. RFC 4291, 3056, 4380.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    a & 0xe000 == 0x2000 && a != 0x2002 && !(a == 0x2001 && (b == 0xdb8 || b < 0x200)) && a != 0x3fff
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
        let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_https && !is_loopback {
            return None;
        }
        Some(Self { is_https, port: uri.port_u16().unwrap_or(if is_https { 443 } else { 80 }), host })
    }

    /// The host, where it is an address.
    fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Where it is, as far as it may be asked there.
    async fn addresses(&self, allows_local: bool) -> Result<Vec<SocketAddr>, String> {
        if !self.is_https && !allows_local {
            return Err("it is not https, and local issuers are not allowed".to_owned());
        }
        let found = lookup_host((self.host.as_str(), self.port)).await.map_err(|error| error.to_string())?;
        let addresses: Vec<_> = found.filter(|address| allows_local || is_public(address.ip())).collect();
        if addresses.is_empty() {
            return Err("it is at no public address, and local issuers are not allowed".to_owned());
        }
        Ok(addresses)
    }

    /// One document of this origin, from one of the addresses that were looked at.
    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        addresses: &[SocketAddr],
        url: &str,
        issuer: &Issuer,
    ) -> Result<T, String> {
        let stream = TcpStream::connect(addresses).await.map_err(|error| error.to_string())?;
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
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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

    #[test]
    fn what_leads_to_a_local_address_is_asked_only_where_the_operator_allows_it() {
        for url in [
            "http://127.0.0.1:9000",
            "http://[::1]:1/x",
            "https://127.0.0.1",
            "https://10.1.2.3",
            "https://172.16.0.1",
            "https://192.168.0.1:8443",
            "https://169.254.169.254/latest",
            "https://100.100.100.200",
            "https://0.0.0.0",
            "https://224.0.0.1",
            "https://255.255.255.255",
            "https://[::1]",
            "https://[::]",
            "https://[::ffff:10.0.0.1]",
            "https://[fd00::1]",
            "https://[fe80::1]",
            "https://[64:ff9b::a00:1]",
            "https://[2002:a00:1::]",
            "https://[2001:0:a00:1::]",
        ] {
            assert!(may_be_asked(url, true) && !may_be_asked(url, false), "{url}");
        }
        for url in ["https://idp.example.com", "https://8.8.8.8", "https://[2606:4700::1]", "https://172.32.0.1"] {
            assert!(may_be_asked(url, false), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_of_a_local_address_is_not_connected_to() {
        let origin = Origin::of("https://localhost:1").unwrap();
        let refused = origin.addresses(false).await.unwrap_err();
        assert!(refused.contains("no public address"), "{refused}");
        assert!(!origin.addresses(true).await.unwrap().is_empty());
        let plain = Origin::of("http://127.0.0.1:1").unwrap();
        assert!(plain.addresses(false).await.is_err());
    }
}
