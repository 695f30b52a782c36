//! What a run says: a table for a reader, one JSON object for a script.

use std::{
    io::{self, Write},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;
use sluice_model::Qos;

use super::{
    ledger::Counts,
    options::{Target, Traffic},
    run::Run,
    traffic::Measured,
};

const NS_PER_US: u64 = 1_000;
const MILLION: f64 = 1e6;

/// Latency percentiles, microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let us = |ns: u64| tenths(real(ns) / real(NS_PER_US));
        let at = |quantile: f64| us(histogram.value_at_quantile(quantile));
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: us(histogram.max()) }
    }

    /// For a reader.
    pub(super) fn line(&self) -> String {
        let Self { p50, p90, p99, p99_9, max } = self;
        format!("p50 {p50:.0} us, p90 {p90:.0} us, p99 {p99:.0} us, p99.9 {p99_9:.0} us, longest {max:.0} us")
    }
}

/// What the server's process used.
#[derive(Debug, Serialize)]
struct ServerUse {
    /// Within the measured seconds.
    cpu_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_s_per_million_deliveries: Option<f64>,
    rss_kib: u64,
}

/// A finished run with messages.
pub(crate) struct TrafficReport {
    pub(crate) name: &'static str,
    /// Publishers and subscribers.
    pub(crate) clients: (usize, usize),
    pub(crate) counts: Counts,
    pub(crate) measured: Measured,
    pub(crate) run: Arc<Run>,
}

#[derive(Serialize)]
struct TrafficJson<'a> {
    run: &'a str,
    version: &'a str,
    qos: u8,
    payload_bytes: u32,
    publishers: usize,
    subscribers: usize,
    seconds: f64,
    sent: u64,
    received: u64,
    lost: u64,
    duplicated: u64,
    out_of_order: u64,
    stalls: u64,
    connections_lost: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_fault: Option<&'a str>,
    sent_per_s: f64,
    received_per_s: f64,
    latency_us: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<ServerUse>,
}

impl TrafficReport {
    /// Whether a message was lost that may not be.
    pub(crate) fn is_breach(&self, traffic: &Traffic) -> bool {
        self.counts.lost > 0 && traffic.qos != Qos::AtMostOnce
    }

    /// Writes the table, or the JSON object.
    pub(crate) fn write(&self, target: &Target, traffic: &Traffic, out: &mut impl Write) -> io::Result<()> {
        let json = self.json(target, traffic);
        if target.json { write_json(&json, out) } else { table(&json, traffic, out) }
    }

    fn json(&self, target: &Target, traffic: &Traffic) -> TrafficJson<'_> {
        let seconds = self.measured.elapsed.as_secs_f64();
        let server = self.measured.usage.map(|(before, after)| {
            let cpu_s = seconds_of(after.cpu.saturating_sub(before.cpu));
            let deliveries = real(self.measured.received) / MILLION;
            let per_million = (deliveries > 0.0).then(|| thousandths(cpu_s / deliveries));
            ServerUse { cpu_s, cpu_s_per_million_deliveries: per_million, rss_kib: after.rss_kib }
        });
        TrafficJson {
            run: self.name,
            version: version(target),
            qos: traffic.qos.bits(),
            payload_bytes: traffic.payload,
            publishers: self.clients.0,
            subscribers: self.clients.1,
            seconds: thousandths(seconds),
            sent: self.run.sent.load(Relaxed),
            received: self.counts.received,
            lost: self.counts.lost,
            duplicated: self.counts.duplicated,
            out_of_order: self.counts.out_of_order,
            stalls: self.run.stalls.load(Relaxed),
            connections_lost: self.run.ended.load(Relaxed),
            first_fault: self.run.first_fault(),
            sent_per_s: (real(self.measured.sent) / seconds).round(),
            received_per_s: (real(self.measured.received) / seconds).round(),
            latency_us: Latency::of(&self.run.latency()),
            server,
        }
    }
}

fn table(json: &TrafficJson<'_>, traffic: &Traffic, out: &mut impl Write) -> io::Result<()> {
    let pace = match traffic.rate {
        Some(rate) => format!("{rate} messages a second"),
        None => format!("window {}", traffic.window),
    };
    writeln!(
        out,
        "{} of {} publishers and {} subscribers, MQTT {}, QoS {}, {} bytes, {pace}",
        json.run, json.publishers, json.subscribers, json.version, json.qos, json.payload_bytes
    )?;
    writeln!(out, "  sent          {:>12}   {:.0} a second", json.sent, json.sent_per_s)?;
    writeln!(out, "  received      {:>12}   {:.0} a second", json.received, json.received_per_s)?;
    writeln!(out, "  lost          {:>12}", json.lost)?;
    writeln!(out, "  duplicated    {:>12}", json.duplicated)?;
    writeln!(out, "  out of order  {:>12}", json.out_of_order)?;
    writeln!(out, "  latency       {}", json.latency_us.line())?;
    if let Some(server) = &json.server {
        let per_million = server.cpu_s_per_million_deliveries.map_or("-".to_owned(), |cpu| format!("{cpu:.3}"));
        writeln!(out, "  server        {per_million} CPU s per million deliveries, {} KiB resident", server.rss_kib)?;
    }
    if let Some(fault) = json.first_fault {
        writeln!(out, "  connections lost {}, first: {fault}", json.connections_lost)?;
    }
    if json.stalls > 0 {
        writeln!(out, "  stalls        {:>12}", json.stalls)?;
    }
    Ok(())
}

pub(super) fn write_json(json: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, json)?;
    writeln!(out)
}

pub(super) fn version(target: &Target) -> &'static str {
    if target.v5 { "5" } else { "3.1.1" }
}

/// A count as a float. Counts of a run stay far below 2^53, where this is exact.
#[allow(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

pub(super) fn seconds_of(time: Duration) -> f64 {
    thousandths(time.as_secs_f64())
}

pub(super) fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

pub(super) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
