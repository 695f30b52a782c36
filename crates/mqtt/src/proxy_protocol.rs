//! The header of the PROXY protocol, version 2, in which a proxy says where a connection came from.
//!
//! Source: HAProxy's proxy-protocol.txt, section 2.2. Exactly the header is read: what follows belongs to TLS, HTTP or MQTT.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What every header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED_BYTES: usize = 16;
/// Addresses and TLVs, bytes. A proxy that forwards a certificate's names in TLVs stays far below.
const REST_BYTES_MAX: u16 = 4_096;
/// Two IPv6 addresses and two ports.
const ADDRESSES_BYTES_MAX: usize = 36;
/// Read at once of what is skipped.
const SKIP_BYTES: usize = 256;

/// The networks whose word about an address is taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether a connection of this canonical address begins with a PROXY header.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Reads a header: the source's canonical address, or `None` when the proxy speaks for itself (LOCAL).
///
/// # Errors
/// Invalid data when it is not a header of version 2 for TCP over IPv4 or IPv6; whatever the stream fails with. Not cancel safe.
pub(crate) async fn read_header<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<IpAddr>> {
    let mut fixed = [0; FIXED_BYTES];
    let mut have = 0;
    while have < FIXED_BYTES {
        let count = stream.read(&mut fixed[have..]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        have += count;
        // At once, not when sixteen bytes of something else are there.
        let known = have.min(SIGNATURE.len());
        if fixed[..known] != SIGNATURE[..known] {
            return Err(wrong("no signature"));
        }
    }
    let length = u16::from_be_bytes([fixed[14], fixed[15]]);
    if length > REST_BYTES_MAX {
        return Err(wrong("too long"));
    }
    match (fixed[12], fixed[13]) {
        (0x20, _) => {
            skip(stream, usize::from(length)).await?;
            Ok(None)
        }
        (0x21, 0x11) => source::<_, 12>(stream, length)
            .await
            .map(|bytes| Some(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])))),
        (0x21, 0x21) => source::<_, ADDRESSES_BYTES_MAX>(stream, length).await.map(|bytes| {
            let mut octets = [0; 16];
            octets.copy_from_slice(&bytes[..16]);
            Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
        }),
        (0x21, _) => Err(wrong("not TCP over IPv4 or IPv6")),
        _ => Err(wrong("not version 2, or an unknown command")),
    }
}

/// The addresses, and the rest skipped.
async fn source<S: AsyncRead + Unpin, const N: usize>(stream: &mut S, length: u16) -> io::Result<[u8; N]> {
    let rest = usize::from(length).checked_sub(N).ok_or_else(|| wrong("too short for its addresses"))?;
    let mut addresses = [0; N];
    stream.read_exact(&mut addresses).await?;
    skip(stream, rest).await?;
    Ok(addresses)
}

async fn skip<S: AsyncRead + Unpin>(stream: &mut S, mut bytes: usize) -> io::Result<()> {
    let mut scratch = [0; SKIP_BYTES];
    while bytes > 0 {
        let most = bytes.min(SKIP_BYTES);
        stream.read_exact(&mut scratch[..most]).await?;
        bytes -= most;
    }
    Ok(())
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([version_command, family]);
        bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    const V4: [u8; 12] = [203, 0, 113, 7, 192, 0, 2, 1, 0x30, 0x39, 0x07, 0x5b];

    /// What a header gives, and what is left behind it.
    async fn read(bytes: &[u8]) -> (io::Result<Option<IpAddr>>, Vec<u8>) {
        let mut stream = bytes;
        let given = read_header(&mut stream).await;
        (given, stream.to_vec())
    }

    #[tokio::test]
    async fn the_source_is_read_and_what_follows_is_left() {
        let mut with_tlvs = V4.to_vec();
        with_tlvs.extend([0x02, 0x01, 0x2c]);
        with_tlvs.extend([b'x'; 300]);
        for rest in [&V4[..], &with_tlvs] {
            let (given, left) = read(&[&header(0x21, 0x11, rest)[..], b"\x10after"].concat()).await;
            assert_eq!(given.unwrap(), Some("203.0.113.7".parse().unwrap()));
            assert_eq!(left, b"\x10after");
        }
    }

    #[tokio::test]
    async fn ipv6_is_read_and_a_mapped_address_is_made_canonical() {
        for (source, canonical) in [("2001:db8::7", "2001:db8::7"), ("::ffff:203.0.113.7", "203.0.113.7")] {
            let source: Ipv6Addr = source.parse().unwrap();
            let rest = [&source.octets()[..], &[0; 20]].concat();
            assert_eq!(read(&header(0x21, 0x21, &rest)).await.0.unwrap(), Some(canonical.parse().unwrap()));
        }
    }

    #[tokio::test]
    async fn local_speaks_for_the_proxy_itself() {
        for rest in [&[][..], &V4[..], &[9; 3]] {
            let (given, left) = read(&[&header(0x20, 0x00, rest)[..], b"after"].concat()).await;
            assert_eq!(given.unwrap(), None);
            assert_eq!(left, b"after");
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let cases: [(&str, Vec<u8>); 11] = [
            ("version 1 of the protocol", b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 1883\r\n".to_vec()),
            ("MQTT", b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00xx".to_vec()),
            ("another version", header(0x11, 0x11, &V4)),
            ("an unknown command", header(0x22, 0x11, &V4)),
            ("UDP", header(0x21, 0x12, &V4)),
            ("a Unix socket", header(0x21, 0x31, &[0; 216])),
            ("no family", header(0x21, 0x00, &[])),
            ("too short for IPv4", header(0x21, 0x11, &V4[..11])),
            ("too short for IPv6", header(0x21, 0x21, &[0; 35])),
            ("too long", header(0x21, 0x11, &[0; 4_097])),
            ("cut off", header(0x21, 0x11, &V4)[..20].to_vec()),
        ];
        for (what, bytes) in cases {
            assert!(read(&bytes).await.0.is_err(), "{what}");
        }
    }

    #[tokio::test]
    async fn what_is_no_signature_is_refused_by_its_first_bytes() {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut theirs, b"\r\nG").await.unwrap();
        assert!(read_header(&mut ours).await.is_err(), "it does not wait for the rest");
    }
}
