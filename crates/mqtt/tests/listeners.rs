//! How connections are taken in: TLS, PROXY headers from trusted networks, limits before CONNECT.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use sluice_broker::Door;
use sluice_codec::{Packet, Version, encode};
use sluice_mqtt::{Certificates, ConnectionLimits, Inner, Intake, MqttListener, TakenIn, TrustedProxies, bind};
use support::{ANSWERS, Key, World, client::connect, member};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const PATIENCE: Duration = Duration::from_secs(10);
/// PROXY header of version 2: TCP over IPv4 from 203.0.113.7.
const FROM_203_0_113_7: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x30\x39\x07\x5b";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

/// A certificate and key in files of a folder, for these names.
struct Pem {
    folder: tempfile::TempDir,
}

impl Pem {
    fn new() -> Self {
        let pem = Self { folder: tempfile::tempdir().unwrap() };
        pem.renew();
        pem
    }

    fn paths(&self) -> [PathBuf; 2] {
        ["cert.pem", "key.pem"].map(|name| self.folder.path().join(name))
    }

    fn renew(&self) {
        let made =
            rcgen::generate_simple_self_signed(vec!["localhost".into(), "mqtt-cn-one.example.com".into()]).unwrap();
        let [cert, key] = self.paths();
        std::fs::write(cert, made.cert.pem()).unwrap();
        std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    }

    fn load(&self) -> Arc<Certificates> {
        let [cert, key] = self.paths();
        Arc::new(Certificates::load(&cert, &key).unwrap())
    }

    /// A client that trusts nothing but what is in the file now.
    fn connector(&self, version: &'static SupportedProtocolVersion) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.paths()[0]).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }
}

async fn dial(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

async fn dial_tls(
    address: SocketAddr,
    connector: &TlsConnector,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    connector.connect(ServerName::try_from(name).unwrap(), dial(address).await).await
}

/// An intake whose connections come out of a channel.
async fn intake(
    limits: ConnectionLimits,
    trusted: &[&str],
    certificates: Option<Arc<Certificates>>,
) -> (SocketAddr, mpsc::Receiver<TakenIn>) {
    let listener = bind(([127, 0, 0, 1], 0).into(), false).unwrap();
    let address = listener.local_addr().unwrap();
    let trusted = TrustedProxies::new(trusted.iter().map(|text| text.parse().unwrap()).collect());
    let (sender, receiver) = mpsc::channel(100);
    let tls = certificates.map(|certificates| (certificates, Inner::Mqtt));
    let serve = move |taken_in| sender.try_send(taken_in).unwrap();
    tokio::spawn(Intake::new(limits, trusted).run(listener, tls, serve));
    (address, receiver)
}

async fn next(taken: &mut mpsc::Receiver<TakenIn>) -> TakenIn {
    timeout(PATIENCE, taken.recv()).await.unwrap().unwrap()
}

/// The listener closes without an answer.
async fn is_closed<S: AsyncRead + Unpin>(mut stream: S) {
    let read = timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("the end in time");
    assert!(!matches!(read, Ok(1..)), "no answer");
}

fn waits(connect_wait: Duration) -> ConnectionLimits {
    ConnectionLimits { connect_wait, ..ConnectionLimits::default() }
}

/// A world with an MQTT listener over TLS besides its own.
async fn world_over_tls(pem: &Pem) -> (World, Key, SocketAddr, Arc<Certificates>) {
    let world = World::new().await;
    let key = world.user("member", &member()).await;
    let listener = bind(([127, 0, 0, 1], 0).into(), false).unwrap();
    let address = listener.local_addr().unwrap();
    let certificates = pem.load();
    let listener = MqttListener {
        listener,
        intake: Intake::new(ConnectionLimits::default(), TrustedProxies::default()),
        certificates: Some(Arc::clone(&certificates)),
        door: Door::Signed,
    };
    tokio::spawn(listener.serve(Arc::clone(&world.broker)));
    (world, key, address, certificates)
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, packet: Packet) {
    let mut out = BytesMut::new();
    encode(&packet, Version::V3_1_1, &mut out);
    stream.write_all(&out).await.unwrap();
    stream.flush().await.unwrap();
}

async fn expect<S: AsyncRead + Unpin>(stream: &mut S, bytes: &[u8]) {
    let mut have = vec![0; bytes.len()];
    timeout(PATIENCE, stream.read_exact(&mut have)).await.expect("an answer in time").unwrap();
    assert_eq!(have, bytes);
}

/// CONNECT and its answer, MQTT 3.1.1.
async fn open<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, key: &Key, client_id: &str) {
    send(stream, Packet::Connect(Box::new(connect(Version::V3_1_1, key, ANSWERS, client_id)))).await;
    expect(stream, &[0x20, 2, 0, 0]).await;
}

async fn ping<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    send(stream, Packet::PingReq).await;
    expect(stream, &[0xd0, 0]).await;
}

#[tokio::test]
async fn mqtt_is_served_over_tls_1_2_and_1_3_and_ends_with_close_notify() {
    let pem = Pem::new();
    let (_world, key, address, _) = world_over_tls(&pem).await;
    for version in [&TLS12, &TLS13] {
        let mut stream = dial_tls(address, &pem.connector(version), "localhost").await.unwrap();
        open(&mut stream, &key, "GID_one@@@tls").await;
        ping(&mut stream).await;
        // A packet that no client may send: the server closes, and says so to TLS, which else reads as an attack.
        stream.write_all(&[0x00, 0x00]).await.unwrap();
        assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    }
}

#[tokio::test]
async fn a_message_of_many_tls_records_passes_both_ways() {
    let pem = Pem::new();
    let (_world, key, address, _) = world_over_tls(&pem).await;
    let mut stream = dial_tls(address, &pem.connector(&TLS13), "localhost").await.unwrap();
    open(&mut stream, &key, "GID_one@@@large").await;
    // SUBSCRIBE to `home/a` at QoS 0, PUBLISH of 900,000 bytes to it at QoS 0.
    stream.write_all(b"\x82\x0b\x00\x01\x00\x06home/a\x00").await.unwrap();
    expect(&mut stream, &[0x90, 3, 0, 1, 0]).await;
    let mut publish = vec![0x30, 0xa8, 0xf7, 0x36];
    publish.extend(b"\x00\x06home/a");
    publish.extend((0..900_000_u32).map(|n| n.to_le_bytes()[0]));
    stream.write_all(&publish).await.unwrap();
    expect(&mut stream, &publish).await;
    ping(&mut stream).await;
}

#[tokio::test]
async fn a_new_certificate_serves_new_handshakes_and_a_damaged_one_nobody() {
    let pem = Pem::new();
    let (_world, key, address, certificates) = world_over_tls(&pem).await;
    let before = pem.connector(&TLS13);
    let mut old = dial_tls(address, &before, "localhost").await.unwrap();
    open(&mut old, &key, "GID_one@@@old").await;

    let stamp = certificates.stamp();
    pem.renew();
    assert_ne!(certificates.stamp(), stamp, "a change of the files is seen");
    certificates.reload().unwrap();
    assert!(dial_tls(address, &before, "localhost").await.is_err(), "a ticket of the old certificate is worth nothing");
    let after = pem.connector(&TLS13);
    let mut new = dial_tls(address, &after, "localhost").await.unwrap();
    open(&mut new, &key, "GID_one@@@new").await;
    ping(&mut old).await;

    let [cert, key_file] = pem.paths();
    let good = std::fs::read(&key_file).unwrap();
    std::fs::write(&key_file, "no key").unwrap();
    assert!(certificates.reload().unwrap_err().to_string().contains("key.pem"));
    std::fs::write(&key_file, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(certificates.reload().is_err(), "another certificate's key");
    std::fs::write(&key_file, good).unwrap();
    std::fs::write(&cert, "").unwrap();
    assert!(certificates.reload().unwrap_err().to_string().contains("cert.pem"));
    dial_tls(address, &after, "localhost").await.unwrap();
    ping(&mut new).await;
}

#[tokio::test]
async fn the_server_name_and_the_tls_mark_come_with_the_connection() {
    let pem = Pem::new();
    let (address, mut taken) = intake(ConnectionLimits::default(), &[], Some(pem.load())).await;
    for (name, instance) in [("mqtt-cn-one.example.com", Some("mqtt-cn-one")), ("localhost", None)] {
        let _stream = dial_tls(address, &pem.connector(&TLS13), name).await.unwrap();
        let taken_in = next(&mut taken).await;
        assert!(taken_in.peer.secure);
        assert_eq!(taken_in.sni_instance.map(|id| id.to_string()).as_deref(), instance);
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_or_too_slow_is_closed() {
    let pem = Pem::new();
    let (address, mut taken) = intake(waits(Duration::from_millis(200)), &[], Some(pem.load())).await;
    let mut plain = dial(address).await;
    plain.write_all(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00").await.unwrap();
    // Our bytes are answered by an alert of TLS at most.
    let mut answer = Vec::new();
    let _reset = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("the end in time");
    assert!(answer.first().is_none_or(|&kind| kind == 0x15));
    is_closed(dial(address).await).await;
    assert!(taken.try_recv().is_err());
}

#[tokio::test]
async fn a_trusted_proxy_says_where_a_connection_came_from() {
    let (address, mut taken) = intake(ConnectionLimits::default(), &["127.0.0.0/8"], None).await;
    for (header, from) in [(FROM_203_0_113_7, "203.0.113.7"), (LOCAL, "127.0.0.1")] {
        let mut stream = dial(address).await;
        // In pieces, with what follows behind the last one.
        stream.write_all(&header[..5]).await.unwrap();
        stream.write_all(&[&header[5..], b"after"].concat()).await.unwrap();
        let taken_in = next(&mut taken).await;
        assert_eq!(taken_in.peer.addr, from.parse::<IpAddr>().unwrap());
        let sluice_mqtt::Stream::Tcp(mut socket) = taken_in.stream else { panic!("no TLS here") };
        expect(&mut socket, b"after").await;
    }
}

#[tokio::test]
async fn a_proxy_header_comes_before_tls() {
    let pem = Pem::new();
    let (address, mut taken) = intake(ConnectionLimits::default(), &["127.0.0.0/8"], Some(pem.load())).await;
    let mut socket = dial(address).await;
    socket.write_all(FROM_203_0_113_7).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let _stream = pem.connector(&TLS13).connect(name, socket).await.unwrap();
    let peer = next(&mut taken).await.peer;
    assert_eq!((peer.addr, peer.secure), ("203.0.113.7".parse().unwrap(), true));
}

#[tokio::test]
async fn a_trusted_proxy_without_a_valid_header_in_time_is_closed() {
    let (address, mut taken) = intake(waits(Duration::from_millis(200)), &["127.0.0.1/32"], None).await;
    for bytes in
        [&b"\x10\x0c\x00\x04MQTT"[..], b"PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n", &FROM_203_0_113_7[..20], b""]
    {
        let mut stream = dial(address).await;
        stream.write_all(bytes).await.unwrap();
        is_closed(stream).await;
    }
    assert!(taken.try_recv().is_err());
}

#[tokio::test]
async fn a_proxy_header_of_anybody_else_is_malformed_bytes() {
    let world = World::new().await;
    let mut stream = dial(([127, 0, 0, 1], world.port).into()).await;
    stream.write_all(FROM_203_0_113_7).await.unwrap();
    is_closed(stream).await;
}

#[tokio::test]
async fn connections_without_connect_are_bounded_by_source_and_in_all() {
    let limits = ConnectionLimits { half_open_max: 3, half_open_per_address_max: 1, ..ConnectionLimits::default() };
    let (address, mut taken) = intake(limits, &["127.0.0.1/32"], None).await;
    let proxied = async |header: &[u8]| {
        let mut stream = dial(address).await;
        stream.write_all(header).await.unwrap();
        stream
    };
    let _first = proxied(FROM_203_0_113_7).await;
    let first = next(&mut taken).await;
    is_closed(proxied(FROM_203_0_113_7).await).await;
    // The proxy itself is on loopback, which only the limit of all bounds.
    let _others = [proxied(LOCAL).await, proxied(LOCAL).await];
    let _held = [next(&mut taken).await, next(&mut taken).await];
    is_closed(dial(address).await).await;
    drop(first);
    let _again = proxied(FROM_203_0_113_7).await;
    next(&mut taken).await;
}

#[tokio::test]
async fn connect_frees_the_place_of_a_half_open_connection() {
    let world = World::new().await;
    let key = world.user("member", &member()).await;
    let listener = bind(([127, 0, 0, 1], 0).into(), false).unwrap();
    let address = listener.local_addr().unwrap();
    let limits = ConnectionLimits { half_open_max: 1, ..waits(Duration::from_millis(300)) };
    let intake = Intake::new(limits, TrustedProxies::default());
    let listener = MqttListener { listener, intake, certificates: None, door: Door::Signed };
    tokio::spawn(listener.serve(Arc::clone(&world.broker)));
    let mut clients = Vec::new();
    for n in 0..3 {
        let mut stream = dial(address).await;
        open(&mut stream, &key, &format!("GID_one@@@{n}")).await;
        clients.push(stream);
    }
    // One that says nothing has the place until its time is over.
    let silent = dial(address).await;
    is_closed(dial(address).await).await;
    is_closed(silent).await;
    open(&mut dial(address).await, &key, "GID_one@@@after").await;
    ping(&mut clients[0]).await;
}

#[tokio::test]
async fn listeners_of_one_address_share_its_connections() {
    let first = bind(([127, 0, 0, 1], 0).into(), true).unwrap();
    let address = first.local_addr().unwrap();
    let _second = bind(address, true).unwrap();
    assert!(bind(address, false).is_err(), "only those that agree to it");
}
