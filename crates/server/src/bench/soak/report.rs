//! What a soak saw, and whether it may pass.

use std::{
    io::{self, Write},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use serde::Serialize;

use super::{fleet::Revocations, memory::Growth, traffic::Seen};
use crate::bench::{
    ledger::Counts,
    options::SoakArgs,
    report::{Latency, write_json},
    run::Run,
};

/// A finished soak.
pub(crate) struct SoakReport {
    pub(super) args: SoakArgs,
    pub(super) run: Arc<Run>,
    pub(super) replaced: u64,
    pub(super) revocations: Revocations,
    pub(super) growth: Growth,
    pub(super) seen: Seen,
}

#[derive(Serialize)]
struct CountsJson {
    received: u64,
    lost: u64,
    duplicated: u64,
    out_of_order: u64,
}

impl From<Counts> for CountsJson {
    fn from(counts: Counts) -> Self {
        let Counts { received, duplicated, out_of_order, lost } = counts;
        Self { received, lost, duplicated, out_of_order }
    }
}

#[derive(Serialize)]
struct SoakJson<'a> {
    run: &'a str,
    connections: u32,
    seconds: u32,
    replaced: u64,
    sent: u64,
    at_most_once: CountsJson,
    at_least_once: CountsJson,
    exactly_once: CountsJson,
    latency_us: Latency,
    changes: u64,
    revocation_us: Latency,
    revocations_late: u64,
    revocations_stuck: u64,
    rss_kib_after_warm_up: u64,
    rss_kib_at_the_end: u64,
    connections_lost: u64,
    breaches: Vec<String>,
}

impl SoakReport {
    /// Whether something happened that may not.
    pub(crate) fn is_breach(&self) -> bool {
        !self.breaches().is_empty()
    }

    /// What happened that may not, a sentence each.
    fn breaches(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        let mut say = |is_breach: bool, what: String| {
            if is_breach {
                breaches.push(what);
            }
        };
        let (once, exactly) = (self.seen.at_least_once, self.seen.exactly_once);
        say(once.lost > 0, format!("{} messages of QoS 1 were lost", once.lost));
        say(exactly.lost > 0, format!("{} messages of QoS 2 were lost", exactly.lost));
        say(exactly.duplicated > 0, format!("{} messages of QoS 2 came twice", exactly.duplicated));
        let Revocations { late, stuck, changes, .. } = &self.revocations;
        say(*late > 0, format!("{late} connections ended later than {} ms after a revocation", self.args.revocation));
        say(*stuck > 0, format!("{stuck} connections did not end after a revocation or did not come back after it"));
        say(*changes == 0, "no right was changed".to_owned());
        let Growth { early_kib, late_kib } = self.growth;
        let grown = format!("memory grew from {early_kib} to {late_kib} KiB, more than {} %", self.args.growth);
        say(self.growth.is_over(self.args.growth), grown);
        let ended = self.run.ended.load(Relaxed);
        let first = self.run.first_fault().unwrap_or("unknown");
        say(ended > 0, format!("{ended} connections ended that held their rights, the first: {first}"));
        breaches
    }

    /// Writes the table, or the JSON object.
    pub(crate) fn write(&self, args: &SoakArgs, out: &mut impl Write) -> io::Result<()> {
        let json = SoakJson {
            run: "soak",
            connections: args.connections,
            seconds: args.seconds,
            replaced: self.replaced,
            sent: self.run.sent.load(Relaxed),
            at_most_once: self.seen.at_most_once.into(),
            at_least_once: self.seen.at_least_once.into(),
            exactly_once: self.seen.exactly_once.into(),
            latency_us: Latency::of(&self.run.latency()),
            changes: self.revocations.changes,
            revocation_us: Latency::of(&self.revocations.lateness),
            revocations_late: self.revocations.late,
            revocations_stuck: self.revocations.stuck,
            rss_kib_after_warm_up: self.growth.early_kib,
            rss_kib_at_the_end: self.growth.late_kib,
            connections_lost: self.run.ended.load(Relaxed),
            breaches: self.breaches(),
        };
        if args.target.json { write_json(&json, out) } else { table(&json, out) }
    }
}

fn table(json: &SoakJson<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "soak of {} connections, {} s", json.connections, json.seconds)?;
    writeln!(out, "  replaced      {:>12} connections", json.replaced)?;
    writeln!(out, "  sent          {:>12} messages", json.sent)?;
    for (qos, counts) in [&json.at_most_once, &json.at_least_once, &json.exactly_once].into_iter().enumerate() {
        let CountsJson { received, lost, duplicated, out_of_order } = counts;
        writeln!(
            out,
            "  QoS {qos}         {received:>12} received, {lost} lost, {duplicated} duplicated, {out_of_order} out of order"
        )?;
    }
    writeln!(out, "  latency       {}", json.latency_us.line())?;
    writeln!(out, "  revocations   {} changes, {}", json.changes, json.revocation_us.line())?;
    writeln!(out, "  memory        {} KiB, at the end {} KiB", json.rss_kib_after_warm_up, json.rss_kib_at_the_end)?;
    for breach in &json.breaches {
        writeln!(out, "  BREACH        {breach}")?;
    }
    Ok(())
}
