//! One client's connection: sign-in, packets in and packets out.

use std::{io, net::SocketAddr};

use bytes::{Buf, Bytes, BytesMut};
use sluice_codec::{
    Ack, Connect, DecodeError, Disconnect, FilterOptions, Packet, Properties, ReasonCode, Subscribe, Version, decode,
    encode,
};
use sluice_model::{Qos, TopicFilter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::options::Target;

/// Largest packet that is taken, bytes.
const PACKET_BYTES_MAX: usize = 2 << 20;
/// Bytes asked for with one read.
const READ_BYTES: usize = 16 * 1024;
/// Bytes asked for where only acknowledgements come.
const READ_BYTES_QUIET: usize = 512;
/// Seconds; no PINGREQ is sent, so it is off.
const KEEP_ALIVE_S: u16 = 0;
/// The identifier of SUBSCRIBE; a link subscribes once.
const SUBSCRIBE_ID: u16 = 1;

/// Why a connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server closed the connection with {0:?}")]
    Told(ReasonCode),
    #[error("CONNECT was refused with {0:?}")]
    Refused(ReasonCode),
    #[error("SUBSCRIBE was refused with {0:?}")]
    NotSubscribed(ReasonCode),
    #[error("the server no longer has the stored session")]
    SessionLost,
    #[error("the server did not acknowledge a message")]
    Unanswered,
    #[error("the server sent what MQTT forbids: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the server sent a packet that does not belong here")]
    Unexpected,
}

/// What the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Messages come: large reads.
    Receive,
    /// Acknowledgements come, or nothing.
    Quiet,
}

/// How a session begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Clean session (3.1.1), clean start (5).
    pub(crate) clean: bool,
    /// Seconds that the session outlives the connection; MQTT 5.
    pub(crate) expiry_s: u32,
}

impl Start {
    /// Nothing is kept.
    pub(crate) const CLEAN: Self = Self { clean: true, expiry_s: 0 };
    /// The session is resumed, and outlives the connection.
    pub(crate) const STORED: Self = Self { clean: false, expiry_s: 3_600 };
}

/// A connected client.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    inbound: BytesMut,
    outbound: BytesMut,
    version: Version,
    read_bytes: usize,
    /// Most QoS 1 and 2 messages that the server takes at a time.
    receive_maximum: u64,
    session_present: bool,
}

impl Link {
    /// Connects and signs in.
    ///
    /// # Errors
    /// [`LinkError::Refused`] with the server's reason, or what happened to the socket.
    pub(crate) async fn open(target: &Target, client_id: &str, of: Use, start: Start) -> Result<Self, LinkError> {
        let stream = connect(target.mqtt).await?;
        let read_bytes = if of == Use::Receive { READ_BYTES } else { READ_BYTES_QUIET };
        let mut link = Self {
            stream,
            inbound: BytesMut::new(),
            outbound: BytesMut::new(),
            version: target.version(),
            read_bytes,
            receive_maximum: u64::from(u16::MAX),
            session_present: false,
        };
        link.put(&Packet::Connect(Box::new(connect_packet(target, client_id, start))));
        link.flush().await?;
        let Packet::ConnAck(ack) = link.wait().await? else { return Err(LinkError::Unexpected) };
        if ack.reason.is_failure() {
            return Err(LinkError::Refused(ack.reason));
        }
        link.session_present = ack.session_present;
        if let Some(most) = ack.properties.and_then(|properties| properties.receive_maximum) {
            link.receive_maximum = u64::from(most);
        }
        Ok(link)
    }

    /// Subscribes and waits for the answer. Messages that come before it are for the caller to take with [`Link::next`]
    /// only when the session was resumed, so this is for new sessions.
    pub(crate) async fn subscribe(&mut self, filter: &TopicFilter, qos: Qos) -> Result<(), LinkError> {
        let filters = vec![(filter.clone(), FilterOptions::of(qos))];
        self.put(&Packet::Subscribe(Subscribe { packet_id: SUBSCRIBE_ID, properties: None, filters }));
        self.flush().await?;
        let Packet::SubAck(ack) = self.wait().await? else { return Err(LinkError::Unexpected) };
        match ack.reasons.first() {
            Some(reason) if reason.is_failure() => Err(LinkError::NotSubscribed(*reason)),
            Some(_) => Ok(()),
            None => Err(LinkError::Unexpected),
        }
    }

    async fn wait(&mut self) -> Result<Packet, LinkError> {
        loop {
            if let Some(packet) = self.next()? {
                return Ok(packet);
            }
            self.fill().await?;
        }
    }

    /// The next packet of those that have come. The server's DISCONNECT is an error with its reason.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, LinkError> {
        let Some(decoded) = decode(&self.inbound, self.version, PACKET_BYTES_MAX)? else { return Ok(None) };
        self.inbound.advance(decoded.length);
        match decoded.packet {
            Packet::Disconnect(disconnect) => Err(LinkError::Told(disconnect.reason)),
            packet => Ok(Some(packet)),
        }
    }

    /// Waits for more bytes. May be dropped while it waits: nothing is lost.
    pub(crate) async fn fill(&mut self) -> Result<(), LinkError> {
        self.inbound.reserve(self.read_bytes);
        match self.stream.read_buf(&mut self.inbound).await? {
            0 => Err(LinkError::Closed),
            _ => Ok(()),
        }
    }

    /// Encodes a packet; [`Link::flush`] sends it.
    pub(crate) fn put(&mut self, packet: &Packet) {
        encode(packet, self.version, &mut self.outbound);
    }

    /// A success of any of the four acknowledgements.
    pub(crate) fn acknowledge(&mut self, kind: fn(Ack) -> Packet, id: u16) {
        self.put(&kind(Ack::success(id)));
    }

    /// Where already encoded packets go.
    pub(crate) fn outbound(&mut self) -> &mut BytesMut {
        &mut self.outbound
    }

    /// Sends all that was put, in one write where the socket takes it. May be dropped while it waits: what was sent is
    /// not sent again.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all_buf(&mut self.outbound).await
    }

    /// Says DISCONNECT and closes. A server that is gone already is left alone.
    pub(crate) async fn leave(mut self) {
        self.put(&Packet::Disconnect(Disconnect::of(ReasonCode::Success)));
        if self.flush().await.is_ok() {
            let _gone_already = self.stream.shutdown().await;
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Whether the server resumed a stored session.
    pub(crate) fn session_present(&self) -> bool {
        self.session_present
    }

    pub(crate) fn receive_maximum(&self) -> u64 {
        self.receive_maximum
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn connect_packet(target: &Target, client_id: &str, start: Start) -> Connect {
    let login = match (&target.instance, &target.access_key_id, &target.access_key_secret) {
        (Some(instance), Some(key), Some(secret)) => Some((
            format!("Signature|{key}|{instance}").into(),
            Bytes::from(sluice_access::mqtt_password(&secret.as_str().into(), client_id)),
        )),
        _ => None,
    };
    let (username, password) = login.unzip();
    let version = target.version();
    let properties = (version.is_v5() && start.expiry_s > 0)
        .then(|| Box::new(Properties { session_expiry_interval: Some(start.expiry_s), ..Properties::default() }));
    Connect {
        version,
        clean: start.clean,
        keep_alive: KEEP_ALIVE_S,
        client_id: client_id.into(),
        will: None,
        username,
        password,
        properties,
    }
}
