//! What all tasks of a run share: its clock, its phase and its counts.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::link::LinkError;

/// Longest latency that is told apart, nanoseconds: ten minutes.
const LATENCY_NS_MAX: u64 = 600_000_000_000;
/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Clients connect and subscribe.
    Gather,
    /// Publishers send.
    Send,
    /// Publishers have stopped; what is on its way may arrive.
    Drain,
    /// Clients leave.
    End,
}

/// A histogram of latencies in nanoseconds.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS).expect("the bounds and digits are legal")
}

/// The shared state of a run.
pub(crate) struct Run {
    origin: Instant,
    phase: watch::Sender<Phase>,
    /// Due times from here on are measured, nanoseconds since the run began.
    measured_from_ns: AtomicU64,
    /// Up to here.
    measured_to_ns: AtomicU64,
    latency: Mutex<Histogram<u64>>,
    /// Messages handed to sockets.
    pub(crate) sent: AtomicU64,
    /// Messages acknowledged; QoS 1 and 2.
    pub(crate) acknowledged: AtomicU64,
    /// First copies that came, at all receivers together.
    pub(crate) received: AtomicU64,
    /// Times that a publisher wrote off what did not arrive, to go on.
    pub(crate) stalls: AtomicU64,
    /// Connections that ended before the run did.
    pub(crate) ended: AtomicU64,
    first_fault: OnceLock<String>,
}

impl Run {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            origin: Instant::now(),
            phase: watch::Sender::new(Phase::Gather),
            measured_from_ns: AtomicU64::new(u64::MAX),
            measured_to_ns: AtomicU64::new(u64::MAX),
            latency: Mutex::new(latencies()),
            sent: zero(),
            acknowledged: zero(),
            received: zero(),
            stalls: zero(),
            ended: zero(),
            first_fault: OnceLock::new(),
        }
    }

    /// Nanoseconds since the run began.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Waits for the end of the run.
    pub(crate) async fn end(&self) {
        // The sender is part of `self`, so it is never gone.
        let mut phase = self.phase.subscribe();
        let _phase = phase.wait_for(|phase| *phase == Phase::End).await;
    }

    /// Measures from now on.
    pub(crate) fn measure(&self) {
        self.measured_from_ns.store(self.now_ns(), Relaxed);
    }

    /// Measures no message that is due later.
    pub(crate) fn stop_measuring(&self) {
        self.measured_to_ns.store(self.now_ns(), Relaxed);
    }

    /// Records when messages came that were due then.
    pub(crate) fn record(&self, due_ns: &[u64], came_ns: u64) {
        let measured = self.measured_from_ns.load(Relaxed)..self.measured_to_ns.load(Relaxed);
        let mut latency = self.latency.lock();
        for due in due_ns.iter().filter(|due| measured.contains(due)) {
            latency.saturating_record(came_ns.saturating_sub(*due));
        }
    }

    pub(crate) fn latency(&self) -> Histogram<u64> {
        self.latency.lock().clone()
    }

    /// Notes that a connection ended before its time.
    pub(crate) fn lost_connection(&self, client_id: &str, why: &LinkError) {
        self.note(&format!("{client_id}: {why}"));
    }

    /// Notes what went wrong with a connection.
    pub(crate) fn note(&self, what: &str) {
        self.ended.fetch_add(1, Relaxed);
        self.first_fault.get_or_init(|| what.to_owned());
    }

    /// The first connection that was lost, and why.
    pub(crate) fn first_fault(&self) -> Option<&str> {
        self.first_fault.get().map(String::as_str)
    }
}
