//! How every TCP listener takes connections in: limits, PROXY header, TLS; then whoever serves them.
//!
//! An accept loop shares nothing with another but the limits' counts, so that each core can have one of its own, on a socket
//! of its own ([`bind`] with `reuse_port`).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use sluice_access::Peer;
use sluice_model::InstanceId;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    gate::{ConnectionLimits, Gate, HalfOpen, Refusal},
    proxy_protocol::{self, TrustedProxies},
    tls::{self, Certificates, Inner},
};

/// Connections that the kernel holds until they are accepted; `net.core.somaxconn` bounds it further.
const BACKLOG: u32 = 4_096;
/// After a failed accept (no file descriptors left), before the next: the listener must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds a listener; with `reuse_port` others may share the address, and the kernel spreads connections over them.
///
/// # Errors
/// What the system says.
pub fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart does not wait for connections of the process before.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(reuse_port)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What the listeners share.
#[derive(Debug)]
pub struct Intake {
    gate: Arc<Gate>,
    trusted: TrustedProxies,
}

/// A connection that was taken in.
#[derive(Debug)]
pub struct TakenIn {
    /// Its bytes.
    pub stream: Stream,
    /// Where it came from; what a trusted proxy said, if one did.
    pub peer: Peer,
    /// The instance that TLS named.
    pub sni_instance: Option<InstanceId>,
    /// Counts it as half-open until it is dropped.
    pub half_open: HalfOpenGuard,
}

/// A socket, with or without TLS.
#[derive(Debug)]
pub enum Stream {
    /// Without.
    Tcp(TcpStream),
    /// With.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Counts a connection as half-open until it is dropped.
#[derive(Debug)]
pub struct HalfOpenGuard(HalfOpen);

impl HalfOpenGuard {
    /// When it must have completed CONNECT.
    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline()
    }
}

impl Intake {
    /// An intake with these limits, which takes an address from these proxies.
    #[must_use]
    pub fn new(limits: ConnectionLimits, trusted: TrustedProxies) -> Arc<Self> {
        Arc::new(Self { gate: Gate::new(limits), trusted })
    }

    /// Counts one more half-open connection of a peer, for a connection that begins inside another one.
    ///
    /// # Errors
    /// [`Refusal`], which has been counted and logged.
    pub fn half_open(&self, peer: Peer) -> Result<HalfOpenGuard, Refusal> {
        let entered = self.gate.enter().and_then(|mut half_open| {
            half_open.comes_from(peer.addr)?;
            Ok(HalfOpenGuard(half_open))
        });
        entered.inspect_err(|&refusal| self.gate.tell(peer.addr, refusal))
    }

    /// Says that a connection is closed before its CONNECT: a metric, and a log line at most once a second.
    pub fn refuse(&self, peer: IpAddr, refusal: Refusal) {
        self.gate.tell(peer, refusal);
    }

    /// Accepts until it is dropped. `serve` is called for each connection past its PROXY header and TLS handshake, and must
    /// not block: it spawns.
    pub async fn run<S>(self: Arc<Self>, listener: TcpListener, tls: Option<(Arc<Certificates>, Inner)>, serve: S)
    where
        S: Fn(TakenIn) + Clone + Send + 'static,
    {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => self.take(stream, address, tls.as_ref(), &serve),
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take<S>(
        self: &Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        tls: Option<&(Arc<Certificates>, Inner)>,
        serve: &S,
    ) where
        S: Fn(TakenIn) + Clone + Send + 'static,
    {
        let addr = address.ip().to_canonical();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended at once");
            return;
        }
        let is_proxy = self.trusted.contains(addr);
        let entered = self.gate.enter().and_then(|mut half_open| {
            if !is_proxy {
                half_open.comes_from(addr)?;
            }
            Ok(half_open)
        });
        let half_open = match entered {
            Ok(half_open) => half_open,
            Err(refusal) => return self.gate.tell(addr, refusal),
        };
        let peer = Peer { addr, secure: false };
        if !is_proxy && tls.is_none() {
            serve(TakenIn {
                stream: Stream::Tcp(stream),
                peer,
                sni_instance: None,
                half_open: HalfOpenGuard(half_open),
            });
            return;
        }
        // In a task of its own, so that the one that serves the connection is not as large as a handshake.
        let (intake, serve) = (Arc::clone(self), serve.clone());
        let acceptor = tls.map(|(certificates, inner)| TlsAcceptor::from(certificates.config(*inner)));
        tokio::spawn(async move {
            let deadline = half_open.deadline();
            let shaken = timeout_at(deadline, intake.shake_hands(stream, is_proxy, acceptor, peer, half_open)).await;
            match shaken.unwrap_or(Err(Refusal::Timeout)) {
                Ok(taken_in) => serve(taken_in),
                Err(refusal) => intake.gate.tell(addr, refusal),
            }
        });
    }

    async fn shake_hands(
        &self,
        mut stream: TcpStream,
        is_proxy: bool,
        acceptor: Option<TlsAcceptor>,
        mut peer: Peer,
        mut half_open: HalfOpen,
    ) -> Result<TakenIn, Refusal> {
        if is_proxy {
            match proxy_protocol::read_header(&mut stream).await {
                Ok(source) => peer.addr = source.unwrap_or(peer.addr),
                Err(error) => {
                    tracing::debug!(proxy = %peer.addr, %error, "a trusted proxy sent no PROXY header");
                    return Err(Refusal::ProxyHeader);
                }
            }
            half_open.comes_from(peer.addr)?;
        }
        let half_open = HalfOpenGuard(half_open);
        let Some(acceptor) = acceptor else {
            return Ok(TakenIn { stream: Stream::Tcp(stream), peer, sni_instance: None, half_open });
        };
        let stream = acceptor.accept(stream).await.map_err(|error| {
            tracing::debug!(peer = %peer.addr, %error, "a TLS handshake failed");
            Refusal::TlsHandshake
        })?;
        peer.secure = true;
        let sni_instance = tls::instance_of(stream.get_ref().1.server_name());
        Ok(TakenIn { stream: Stream::Tls(Box::new(stream)), peer, sni_instance, half_open })
    }
}
