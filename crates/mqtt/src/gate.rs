//! Who is let in before anything is known but the address: how many that have not said who they are, and how fast they come.
//!
//! An address is an IPv4 address or an IPv6 network of 64 bits, which one subscriber owns whole. A loopback address is
//! bounded by the limit of all alone: behind it may be a proxy on this host, and then everybody.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use ahash::RandomState;
use governor::{Quota, RateLimiter, clock::DefaultClock, state::keyed::DashMapStateStore};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Connections that have not completed CONNECT, of all addresses.
const HALF_OPEN_MAX: u32 = 10_000;
/// Connections that have not completed CONNECT, of one address.
const HALF_OPEN_PER_ADDRESS_MAX: u32 = 1_000;
/// New connections a second, of one address.
const PER_SECOND_PER_ADDRESS: NonZeroU32 = NonZeroU32::new(2_000).expect("not zero");
/// PROXY header, TLS handshake and CONNECT must all be there within this time.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Rates are kept by the address's keyed hash of 16 bits: the memory is bounded whatever comes, and who shares a place is
/// not to be foreseen from outside.
const RATE_PLACES: u64 = 1 << 16;
/// The log says at most this often that connections are refused.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// The limits of connections that have not completed CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Of all addresses together.
    pub half_open_max: u32,
    /// Of one address.
    pub half_open_per_address_max: u32,
    /// New ones a second of one address; as many may come at once.
    pub per_second_per_address: NonZeroU32,
    /// How long one may take to complete it.
    pub connect_wait: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            half_open_max: HALF_OPEN_MAX,
            half_open_per_address_max: HALF_OPEN_PER_ADDRESS_MAX,
            per_second_per_address: PER_SECOND_PER_ADDRESS,
            connect_wait: CONNECT_WAIT,
        }
    }
}

/// Why a connection was closed before its CONNECT. The label `reason` of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Ours to limit: too many half-open ones in all.
    #[error("too many connections without CONNECT")]
    HalfOpen,
    /// Ours to limit: too many half-open ones of the address.
    #[error("too many connections without CONNECT from this address")]
    HalfOpenOfAddress,
    /// Ours to limit: too many new ones in this second.
    #[error("too many new connections from this address")]
    Rate,
    /// Ours to limit: too many that speak HTTP.
    #[error("too many HTTP connections")]
    Http,
    /// A trusted proxy's fault: no valid PROXY header.
    #[error("no valid PROXY header from a trusted proxy")]
    ProxyHeader,
    /// Peer: no TLS.
    #[error("the TLS handshake failed")]
    TlsHandshake,
    /// Peer: PROXY header or TLS handshake too late.
    #[error("the handshake was not complete in time")]
    Timeout,
}

impl Refusal {
    fn label(self) -> &'static str {
        match self {
            Self::HalfOpen => "half_open",
            Self::HalfOpenOfAddress => "half_open_address",
            Self::Rate => "rate",
            Self::Http => "http",
            Self::ProxyHeader => "proxy_header",
            Self::TlsHandshake => "tls_handshake",
            Self::Timeout => "timeout",
        }
    }
}

/// Counts connections from their accept to their CONNECT.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: ConnectionLimits,
    counts: Mutex<Counts>,
    hasher: RandomState,
    rates: RateLimiter<u64, DashMapStateStore<u64>, DefaultClock>,
    log: Mutex<LogState>,
}

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    /// Only addresses that have one: never more than `all`.
    of_address: HashMap<IpAddr, u32, RandomState>,
}

#[derive(Debug, Default)]
struct LogState {
    last: Option<Instant>,
    unsaid: u64,
}

impl Gate {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            counts: Mutex::default(),
            hasher: RandomState::new(),
            rates: RateLimiter::keyed(Quota::per_second(limits.per_second_per_address)),
            log: Mutex::default(),
        })
    }

    /// Counts one among all; its address comes with [`HalfOpen::comes_from`].
    pub(crate) fn enter(self: &Arc<Self>) -> Result<HalfOpen, Refusal> {
        let mut counts = self.counts.lock();
        if counts.all >= self.limits.half_open_max {
            return Err(Refusal::HalfOpen);
        }
        counts.all += 1;
        drop(counts);
        let deadline = Instant::now() + self.limits.connect_wait;
        Ok(HalfOpen { gate: Arc::clone(self), address: None, deadline })
    }

    /// Says why one was closed: a metric, and a log line at most once a second.
    pub(crate) fn tell(&self, peer: IpAddr, refusal: Refusal) {
        metrics::counter!("sluice_connections_refused_total", "reason" => refusal.label()).increment(1);
        let mut log = self.log.lock();
        let now = Instant::now();
        if log.last.is_some_and(|last| now - last < LOG_EVERY) {
            log.unsaid += 1;
            return;
        }
        log.last = Some(now);
        let unsaid = std::mem::take(&mut log.unsaid);
        drop(log);
        tracing::warn!(%peer, reason = %refusal, not_logged_before = unsaid, "a connection was refused before CONNECT");
    }
}

/// One connection that has not completed CONNECT; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
    deadline: Instant,
}

impl HalfOpen {
    /// Counts it for its address too, once that is known.
    pub(crate) fn comes_from(&mut self, address: IpAddr) -> Result<(), Refusal> {
        if address.is_loopback() {
            return Ok(());
        }
        let address = subscriber(address);
        let gate = &*self.gate;
        if gate.rates.check_key(&(gate.hasher.hash_one(address) % RATE_PLACES)).is_err() {
            return Err(Refusal::Rate);
        }
        let mut counts = gate.counts.lock();
        let count = counts.of_address.entry(address).or_default();
        if *count >= gate.limits.half_open_per_address_max {
            return Err(Refusal::HalfOpenOfAddress);
        }
        *count += 1;
        self.address = Some(address);
        Ok(())
    }

    /// When it must have completed CONNECT.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        let mut counts = self.gate.counts.lock();
        counts.all -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = counts.of_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.of_address.remove(&address);
            }
        }
        if counts.all == 0 {
            // What a flood needed is given back after it.
            counts.of_address.shrink_to_fit();
        }
    }
}

/// What one subscriber of the internet owns.
fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "192.0.2.1";

    fn gate(half_open_max: u32, half_open_per_address_max: u32, rate: u32) -> Arc<Gate> {
        Gate::new(ConnectionLimits {
            half_open_max,
            half_open_per_address_max,
            per_second_per_address: rate.try_into().unwrap(),
            ..ConnectionLimits::default()
        })
    }

    fn come(gate: &Arc<Gate>, address: &str) -> Result<HalfOpen, Refusal> {
        let mut half_open = gate.enter()?;
        half_open.comes_from(address.parse().unwrap())?;
        Ok(half_open)
    }

    #[tokio::test]
    async fn all_together_are_bounded_and_a_place_is_free_again() {
        let gate = gate(2, 2, 100);
        let first = come(&gate, ONE).unwrap();
        let _second = come(&gate, "192.0.2.2").unwrap();
        assert_eq!(come(&gate, "192.0.2.3").unwrap_err(), Refusal::HalfOpen);
        drop(first);
        come(&gate, "192.0.2.3").unwrap();
    }

    #[tokio::test]
    async fn one_address_is_bounded_and_others_are_not_hit() {
        let gate = gate(10, 1, 100);
        let first = come(&gate, ONE).unwrap();
        assert_eq!(come(&gate, ONE).unwrap_err(), Refusal::HalfOpenOfAddress);
        let _other = come(&gate, "192.0.2.2").unwrap();
        drop(first);
        come(&gate, ONE).unwrap();
        assert_eq!(gate.counts.lock().of_address.len(), 1, "who has none is forgotten");
    }

    #[tokio::test]
    async fn an_ipv6_network_of_64_bits_is_one_address() {
        let gate = gate(10, 1, 100);
        let _first = come(&gate, "2001:db8::1").unwrap();
        assert_eq!(come(&gate, "2001:db8::2").unwrap_err(), Refusal::HalfOpenOfAddress);
        let _other = come(&gate, "2001:db8:0:1::1").unwrap();
    }

    #[tokio::test]
    async fn new_connections_a_second_are_bounded_by_address() {
        let gate = gate(10, 10, 2);
        for _ in 0..2 {
            come(&gate, ONE).unwrap();
        }
        assert_eq!(come(&gate, ONE).unwrap_err(), Refusal::Rate);
        assert_eq!(gate.counts.lock().all, 0, "who was refused is not counted");
    }

    #[tokio::test]
    async fn loopback_is_bounded_by_the_limit_of_all() {
        let gate = gate(3, 1, 1);
        let _held: Vec<_> = (0..3).map(|_| come(&gate, "127.0.0.1").unwrap()).collect();
        assert_eq!(come(&gate, "::1").unwrap_err(), Refusal::HalfOpen);
    }
}
