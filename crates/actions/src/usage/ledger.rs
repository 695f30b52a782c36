//! From totals since the process began to what is new, by the hour.
//!
//! Invariant: what was observed is in [`Ledger::unwritten`] until [`Ledger::written`] is called, and never again after.

use std::collections::{BTreeMap, HashMap};

use sluice_broker::{UsageRow, UsageTotals};
use sluice_model::{InstanceId, Principal, UnixMs};
use sluice_store::{Peak, PeakKey, UsageCounts, UsageKey};

use super::Calls;

const HOUR_MS: i64 = 3_600_000;

/// The beginning of the hour of an instant.
pub(crate) fn hour_of(at: UnixMs) -> UnixMs {
    UnixMs(at.0.saturating_sub(at.0.rem_euclid(HOUR_MS)))
}

/// What is to be added in the store.
type Counted = Vec<(UsageKey, UsageCounts)>;
/// What is to be raised there.
type Peaks = Vec<(PeakKey, Peak)>;

/// What was seen of the totals, and what is not written yet.
#[derive(Debug)]
pub(super) struct Ledger {
    /// When it was looked last.
    since: UnixMs,
    /// The totals of then.
    seen: HashMap<(Principal, InstanceId), UsageTotals>,
    /// Grows by the hour only while the store fails.
    counts: BTreeMap<UsageKey, UsageCounts>,
    peaks: BTreeMap<PeakKey, Peak>,
    /// The peaks of the hour that are written: only a higher one is new.
    peaks_written: HashMap<PeakKey, Peak>,
}

impl Ledger {
    /// Nothing was used before `now`.
    pub(super) fn new(now: UnixMs) -> Self {
        Self {
            since: now,
            seen: HashMap::new(),
            counts: BTreeMap::new(),
            peaks: BTreeMap::new(),
            peaks_written: HashMap::new(),
        }
    }

    /// Takes in the totals and the calls of `now`. What is new belongs to the hour in which it was last looked: a minute that
    /// ends with its hour is still that hour's. What is open belongs to the hour of `now`.
    pub(super) fn observe(&mut self, rows: &[UsageRow], calls: Calls, now: UnixMs) {
        let hour = hour_of(self.since);
        // A clock that was set back does not take the hour back with it.
        self.since = self.since.max(now);
        let mut seen = HashMap::with_capacity(rows.len());
        for row in rows {
            let key = (row.principal, row.instance.clone());
            let before = self.seen.get(&key).copied().unwrap_or_default();
            let new = counts_of(&row.totals, &before);
            self.add(UsageKey { principal: row.principal, hour, instance: Some(row.instance.clone()) }, &new);
            seen.insert(key, row.totals);
        }
        // Who is not listed any more begins at nothing when listed again.
        self.seen = seen;
        for ((principal, instance), api_calls) in calls {
            let new = UsageCounts { api_calls, ..UsageCounts::default() };
            self.add(UsageKey { principal, hour, instance }, &new);
        }
        self.raise_peaks(rows, hour_of(self.since));
    }

    fn add(&mut self, key: UsageKey, new: &UsageCounts) {
        if !new.is_zero() {
            self.counts.entry(key).or_default().add(new);
        }
    }

    /// At each level that can be asked for: what is open together is summed before it is compared.
    fn raise_peaks(&mut self, rows: &[UsageRow], hour: UnixMs) {
        self.peaks_written.retain(|key, _| key.hour == hour);
        let mut open: HashMap<PeakKey, Peak> = HashMap::new();
        for row in rows {
            for instance in [None, Some(&row.instance)] {
                for principal in [None, Some(row.principal)] {
                    let key = PeakKey { account: row.account, hour, instance: instance.cloned(), principal };
                    let sum = open.entry(key).or_default();
                    sum.connections += row.totals.connections;
                    sum.subscriptions += row.totals.subscriptions;
                }
            }
        }
        for (key, peak) in open {
            let highest = self.peaks.get(&key).or_else(|| self.peaks_written.get(&key)).copied().unwrap_or_default();
            let raised = higher(peak, highest);
            if raised != highest {
                self.peaks.insert(key, raised);
            }
        }
    }

    /// What the store does not have yet, in the order of keys.
    pub(super) fn unwritten(&self) -> (Counted, Peaks) {
        let counts = self.counts.iter().map(|(key, counts)| (key.clone(), *counts)).collect();
        (counts, self.peaks.iter().map(|(key, peak)| (key.clone(), *peak)).collect())
    }

    /// The store has it.
    pub(super) fn written(&mut self) {
        self.counts.clear();
        self.peaks_written.extend(std::mem::take(&mut self.peaks));
    }
}

fn higher(one: Peak, other: Peak) -> Peak {
    Peak {
        connections: one.connections.max(other.connections),
        subscriptions: one.subscriptions.max(other.subscriptions),
    }
}

/// What was used since `before`. Totals that went down began again, at nothing.
fn counts_of(totals: &UsageTotals, before: &UsageTotals) -> UsageCounts {
    since(totals, before).or_else(|| since(totals, &UsageTotals::default())).unwrap_or_default()
}

fn since(now: &UsageTotals, before: &UsageTotals) -> Option<UsageCounts> {
    let by_qos = |now: [u64; 3], before: [u64; 3]| -> Option<[u64; 3]> {
        let [zero, one, two] = [0, 1, 2].map(|qos| now[qos].checked_sub(before[qos]));
        Some([zero?, one?, two?])
    };
    Some(UsageCounts {
        in_clean: by_qos(now.messages_in_clean, before.messages_in_clean)?,
        in_stored: by_qos(now.messages_in_stored, before.messages_in_stored)?,
        out_clean: by_qos(now.messages_out_clean, before.messages_out_clean)?,
        out_stored: by_qos(now.messages_out_stored, before.messages_out_stored)?,
        stored_pushes: now.stored_pushes.checked_sub(before.stored_pushes)?,
        bytes_in: now.bytes_in.checked_sub(before.bytes_in)?,
        bytes_out: now.bytes_out.checked_sub(before.bytes_out)?,
        api_calls: 0,
    })
}

#[cfg(test)]
mod tests {
    use sluice_testkit::{account, user};

    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn instance(name: &str) -> InstanceId {
        format!("mqtt-cn-{name}").parse().unwrap()
    }

    fn row(n: u64, name: &str, messages: u64, open: u64) -> UsageRow {
        let totals = UsageTotals {
            messages_in_clean: [messages, 0, 0],
            messages_out_stored: [0, messages, 0],
            bytes_in: 10 * messages,
            connections: open,
            subscriptions: 2 * open,
            ..UsageTotals::default()
        };
        UsageRow { account: account(1), instance: instance(name), principal: user(account(1), n), totals }
    }

    /// The messages in that are unwritten, by hour.
    fn messages(ledger: &Ledger) -> Vec<(i64, u64)> {
        let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
        for (key, counts) in ledger.unwritten().0 {
            assert_eq!((counts.out_stored[1], counts.bytes_in), (counts.in_clean[0], 10 * counts.in_clean[0]));
            *hours.entry(key.hour.0 / HOUR_MS).or_default() += counts.in_clean[0];
        }
        hours.into_iter().collect()
    }

    fn connections(ledger: &Ledger, name: Option<&str>, n: Option<u64>) -> Option<u64> {
        let (name, principal) = (name.map(instance), n.map(|n| user(account(1), n)));
        let (_, peaks) = ledger.unwritten();
        let found = peaks.into_iter().find(|(key, _)| key.instance == name && key.principal == principal);
        found.map(|(_, peak)| peak.connections)
    }

    #[test]
    fn only_what_is_new_since_the_last_look_is_written_and_once() {
        let mut ledger = Ledger::new(UnixMs(0));
        ledger.observe(&[row(1, "a", 5, 0)], Calls::new(), UnixMs(MINUTE_MS));
        assert_eq!(messages(&ledger), [(0, 5)]);
        ledger.written();
        assert_eq!(messages(&ledger), []);
        ledger.observe(&[row(1, "a", 5, 0)], Calls::new(), UnixMs(2 * MINUTE_MS));
        assert_eq!(messages(&ledger), []);
        ledger.observe(&[row(1, "a", 7, 0)], Calls::new(), UnixMs(3 * MINUTE_MS));
        assert_eq!(messages(&ledger), [(0, 2)]);
    }

    #[test]
    fn what_could_not_be_written_waits_for_the_next_time_by_its_hour() {
        let mut ledger = Ledger::new(UnixMs(0));
        ledger.observe(&[row(1, "a", 5, 0)], Calls::new(), UnixMs(MINUTE_MS));
        ledger.observe(&[row(1, "a", 6, 0)], Calls::new(), UnixMs(HOUR_MS));
        ledger.observe(&[row(1, "a", 9, 0)], Calls::new(), UnixMs(HOUR_MS + MINUTE_MS));
        assert_eq!(messages(&ledger), [(0, 6), (1, 3)]);
    }

    #[test]
    fn a_minute_that_ends_with_its_hour_is_that_hours() {
        let mut ledger = Ledger::new(UnixMs(HOUR_MS - MINUTE_MS));
        ledger.observe(&[row(1, "a", 1, 0)], Calls::new(), UnixMs(HOUR_MS + 3));
        assert_eq!(messages(&ledger), [(0, 1)]);
        // A clock that was set back does not count into a past hour.
        ledger.observe(&[row(1, "a", 3, 0)], Calls::new(), UnixMs(0));
        ledger.observe(&[row(1, "a", 6, 0)], Calls::new(), UnixMs(MINUTE_MS));
        assert_eq!(messages(&ledger), [(0, 1), (1, 5)]);
    }

    #[test]
    fn totals_that_went_down_or_away_begin_again() {
        let mut ledger = Ledger::new(UnixMs(0));
        ledger.observe(&[row(1, "a", 5, 0)], Calls::new(), UnixMs(1));
        ledger.observe(&[row(1, "a", 2, 0)], Calls::new(), UnixMs(2));
        assert_eq!(messages(&ledger), [(0, 7)]);
        ledger.observe(&[], Calls::new(), UnixMs(3));
        ledger.observe(&[row(1, "a", 4, 0)], Calls::new(), UnixMs(4));
        assert_eq!(messages(&ledger), [(0, 11)]);
    }

    #[test]
    fn a_new_process_adds_all_of_its_totals() {
        let mut first = Ledger::new(UnixMs(0));
        first.observe(&[row(1, "a", 5, 0)], Calls::new(), UnixMs(1));
        let mut second = Ledger::new(UnixMs(2));
        second.observe(&[row(1, "a", 3, 0)], Calls::new(), UnixMs(3));
        assert_eq!((messages(&first), messages(&second)), (vec![(0, 5)], vec![(0, 3)]));
    }

    #[test]
    fn peaks_are_of_what_was_open_together_at_each_level() {
        let mut ledger = Ledger::new(UnixMs(0));
        ledger.observe(&[row(1, "a", 0, 3), row(1, "b", 0, 1), row(2, "a", 0, 0)], Calls::new(), UnixMs(1));
        ledger.observe(&[row(1, "a", 0, 1), row(1, "b", 0, 0), row(2, "a", 0, 4)], Calls::new(), UnixMs(2));
        assert_eq!(connections(&ledger, None, None), Some(5));
        assert_eq!(connections(&ledger, Some("a"), None), Some(5));
        assert_eq!(connections(&ledger, Some("b"), None), Some(1));
        assert_eq!(connections(&ledger, None, Some(1)), Some(4));
        assert_eq!(connections(&ledger, Some("a"), Some(1)), Some(3));
        assert_eq!(connections(&ledger, None, Some(2)), Some(4));
    }

    #[test]
    fn a_peak_is_written_again_only_when_it_rose_or_its_hour_is_new() {
        let mut ledger = Ledger::new(UnixMs(0));
        ledger.observe(&[row(1, "a", 0, 3)], Calls::new(), UnixMs(1));
        ledger.written();
        ledger.observe(&[row(1, "a", 0, 2)], Calls::new(), UnixMs(2));
        assert_eq!(connections(&ledger, None, None), None);
        ledger.observe(&[row(1, "a", 0, 4)], Calls::new(), UnixMs(3));
        assert_eq!(connections(&ledger, None, None), Some(4));
        ledger.written();
        ledger.observe(&[row(1, "a", 0, 1)], Calls::new(), UnixMs(HOUR_MS));
        assert_eq!(connections(&ledger, None, None), Some(1));
    }

    #[test]
    fn calls_are_counted_with_and_without_an_instance() {
        let mut ledger = Ledger::new(UnixMs(0));
        let who = user(account(1), 1);
        ledger.observe(&[], Calls::from([((who, None), 2), ((who, Some(instance("a"))), 3)]), UnixMs(1));
        ledger.observe(&[row(1, "a", 1, 0)], Calls::from([((who, None), 1)]), UnixMs(2));
        let (counts, _) = ledger.unwritten();
        let brief: Vec<_> =
            counts.iter().map(|(key, new)| (key.instance.clone(), new.api_calls, new.in_clean[0])).collect();
        assert_eq!(brief, [(None, 3, 0), (Some(instance("a")), 3, 1)]);
    }
}
