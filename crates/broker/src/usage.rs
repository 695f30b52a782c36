//! What is used, counted where it happens and added up when it is asked for.
//!
//! Each session counts for itself, on a line of memory that no other core writes; its owner's and the instance's figures are
//! sums over sessions, and over those that have ended. Source: facts/apsaramq-for-mqtt.md section 7.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use ahash::AHashMap;
use sluice_model::{AccountId, InstanceId, Principal, Qos};

use crate::{Broker, link::Link, live_instance::LiveInstance};

/// One session's figures; nothing is held until its first message.
#[derive(Debug, Default)]
pub(crate) struct Tally(OnceLock<Box<Counters>>);

#[derive(Debug, Default)]
struct Counters {
    messages_in: [AtomicU64; 3],
    messages_out: [AtomicU64; 3],
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// Written by publishers, when they store for a client that is away.
    stored_pushes: AtomicU64,
}

/// Adds where there is one writer, which needs no locked instruction.
fn add(counter: &AtomicU64, count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

impl Tally {
    fn counters(&self) -> &Counters {
        self.0.get_or_init(Box::default)
    }

    /// The client published a message. To be called by its own task.
    pub(crate) fn message_in(&self, qos: Qos, bytes: usize) {
        let counters = self.counters();
        add(&counters.messages_in[usize::from(qos.bits())], 1);
        add(&counters.bytes_in, bytes);
    }

    /// The client was sent a message. To be called by its own task.
    pub(crate) fn message_out(&self, qos: Qos, bytes: usize) {
        let counters = self.counters();
        add(&counters.messages_out[usize::from(qos.bits())], 1);
        add(&counters.bytes_out, bytes);
    }

    /// A message was stored for the client while it was away.
    pub(crate) fn stored(&self) {
        self.counters().stored_pushes.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a principal used in an instance, since the process began; connections and subscriptions are those of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageTotals {
    /// Messages published by sessions that end with their connection and by operations, by QoS.
    pub messages_in_clean: [u64; 3],
    /// Messages published by stored sessions, by QoS.
    pub messages_in_stored: [u64; 3],
    /// Messages delivered to sessions that end with their connection, by QoS.
    pub messages_out_clean: [u64; 3],
    /// Messages delivered to stored sessions, by QoS.
    pub messages_out_stored: [u64; 3],
    /// Messages stored for clients that were away.
    pub stored_pushes: u64,
    /// Bytes of published messages.
    pub bytes_in: u64,
    /// Bytes of delivered messages.
    pub bytes_out: u64,
    /// Connected clients.
    pub connections: u64,
    /// Subscriptions of connected and stored sessions.
    pub subscriptions: u64,
}

impl UsageTotals {
    /// Adds what a session counted.
    fn add(&mut self, link: &Link) {
        let Some(counters) = link.tally.0.get() else { return };
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let sum = |sums: &mut [u64; 3], counters: &[AtomicU64; 3]| {
            sums.iter_mut().zip(counters).for_each(|(sum, counter)| *sum += of(counter));
        };
        let is_stored = link.identity.is_stored;
        sum(if is_stored { &mut self.messages_in_stored } else { &mut self.messages_in_clean }, &counters.messages_in);
        sum(
            if is_stored { &mut self.messages_out_stored } else { &mut self.messages_out_clean },
            &counters.messages_out,
        );
        self.bytes_in += of(&counters.bytes_in);
        self.bytes_out += of(&counters.bytes_out);
        self.stored_pushes += of(&counters.stored_pushes);
    }
}

/// The figures of sessions that ended and of operations, by principal.
type Retired = AHashMap<Principal, UsageTotals>;

/// What is not among the sessions any more, or not yet.
#[derive(Debug, Default)]
pub(crate) struct Past {
    retired: Retired,
    /// Sessions whose client ID has another one now, and whose connections are still to leave.
    pub(crate) leaving: Vec<Arc<Link>>,
}

/// What one principal used in one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// The tenant.
    pub account: AccountId,
    /// Its instance.
    pub instance: InstanceId,
    /// Whose sessions or operations.
    pub principal: Principal,
    /// How much.
    pub totals: UsageTotals,
}

impl Broker {
    /// What every principal used in every instance since the process began. Cost: a walk over all sessions.
    #[must_use]
    pub fn usage(&self) -> Vec<UsageRow> {
        let mut rows = Vec::new();
        for live in self.instances.with_departed() {
            // One lock over both parts: a session that ends meanwhile is counted once, here or there.
            let past = live.past.lock();
            let mut totals: Retired = past.retired.clone();
            let mut count = |link: Arc<Link>| {
                let of_principal = totals.entry(link.identity.caller.principal()).or_default();
                of_principal.add(&link);
                of_principal.connections += u64::from(link.is_here());
                of_principal.subscriptions += u64::try_from(live.index.count_of(link.id)).unwrap_or(u64::MAX);
            };
            past.leaving.iter().cloned().for_each(&mut count);
            live.sessions.for_each(&mut count);
            drop(past);
            rows.extend(totals.into_iter().map(|(principal, totals)| UsageRow {
                account: live.key.account,
                instance: live.key.instance.clone(),
                principal,
                totals,
            }));
        }
        rows
    }

    /// Keeps the figures of a link that is taken out by `take_out`.
    pub(crate) fn retire(&self, link: &Link, take_out: impl FnOnce()) {
        let mut past = link.identity.instance.past.lock();
        past.retired.entry(link.identity.caller.principal()).or_default().add(link);
        past.leaving.retain(|leaving| !std::ptr::eq(&raw const **leaving, link));
        take_out();
    }
}

impl LiveInstance {
    /// Counts a message that an operation published.
    pub(crate) fn count_operation(&self, principal: Principal, qos: Qos, bytes: usize) {
        let mut past = self.past.lock();
        let totals = past.retired.entry(principal).or_default();
        totals.messages_in_clean[usize::from(qos.bits())] += 1;
        totals.bytes_in += u64::try_from(bytes).unwrap_or(u64::MAX);
    }
}
