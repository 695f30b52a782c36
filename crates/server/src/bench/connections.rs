//! The run of idle connections: what opening one and holding one costs.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use futures_util::stream::{self, StreamExt};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    link::{Link, LinkError, Start, Use},
    options::{ConnArgs, Target},
    process::{self, Usage},
    progress,
    report::{Latency, real, seconds_of, tenths, thousandths, version, write_json},
    run::{Phase, Run, latencies},
    traffic::BenchError,
};

/// Time between the last CONNACK and the first look at an idle server.
const SETTLE: Duration = Duration::from_secs(2);
const KIB_BYTES: f64 = 1024.0;
/// CPU time is given for so many connections.
const PER_CONNECTIONS: f64 = 10_000.0;

/// A finished run.
#[derive(Serialize)]
pub(crate) struct ConnReport {
    run: &'static str,
    version: &'static str,
    connections: u32,
    connected: u64,
    /// Ended while they were held.
    connections_lost: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_fault: Option<String>,
    connected_per_s: f64,
    connack_us: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<ConnUse>,
}

#[derive(Serialize)]
struct ConnUse {
    cpu_s_per_10000_connects: f64,
    rss_bytes_per_connection: f64,
    idle_cpu_percent: f64,
    rss_kib: u64,
}

/// Opens, holds and counts.
pub(crate) async fn run(args: &ConnArgs) -> Result<ConnReport, BenchError> {
    let target = &args.target;
    let usage =
        || target.pid.map(|pid| process::usage(pid).map_err(|fault| BenchError::Process { pid, fault })).transpose();
    let run = Arc::new(Run::new());
    let mut held = JoinSet::new();
    let mut connack = latencies();
    let (start, before) = (Instant::now(), usage()?);
    open_all(args, &run, &mut held, &mut connack).await;
    let (opening, opened) = (start.elapsed(), usage()?);
    let connected = connack.len();

    sleep(SETTLE).await;
    let settled = usage()?;
    progress::seconds(args.seconds, || "held idle".to_owned()).await;
    let after = usage()?;
    let connections_lost = run.ended.load(std::sync::atomic::Ordering::Relaxed);
    run.enter(Phase::End);
    while let Some(done) = held.join_next().await {
        done?;
    }
    let server = match (before, opened, settled, after) {
        (Some(before), Some(opened), Some(settled), Some(after)) => {
            Some(conn_use([before, opened, settled, after], connected, args.seconds))
        }
        _ => None,
    };
    Ok(ConnReport {
        run: "conn",
        version: version(target),
        connections: args.connections,
        connected,
        connections_lost,
        first_fault: run.first_fault().map(str::to_owned),
        connected_per_s: (real(connected) / opening.as_secs_f64()).round(),
        connack_us: Latency::of(&connack),
        server,
    })
}

async fn open_all(args: &ConnArgs, run: &Arc<Run>, held: &mut JoinSet<()>, connack: &mut Histogram<u64>) {
    let bar = progress::connecting(args.connections as usize);
    let start = Instant::now();
    let opened = stream::iter(0..args.connections).map(|number| async move {
        if let Some(rate) = args.rate {
            sleep_until(start + Duration::from_secs_f64(f64::from(number) / f64::from(rate.get()))).await;
        }
        let client_id = args.target.client_id(number as usize);
        let began = Instant::now();
        let link = Link::open(&args.target, &client_id, Use::Quiet, Start::CLEAN).await;
        (link, client_id, began.elapsed())
    });
    let mut opened = std::pin::pin!(opened.buffer_unordered(usize::from(args.target.handshakes)));
    while let Some((link, client_id, took)) = opened.next().await {
        bar.inc(1);
        match link {
            Ok(link) => {
                connack.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                held.spawn(hold(link, client_id, Arc::clone(run)));
            }
            Err(fault) => run.lost_connection(&client_id, &fault),
        }
    }
    bar.finish_and_clear();
}

/// Holds a connection until the run ends; nothing may come on it.
async fn hold(mut link: Link, client_id: String, run: Arc<Run>) {
    let fault = tokio::select! {
        filled = link.fill() => match filled.and_then(|()| link.next()) {
            Ok(_) => LinkError::Unexpected,
            Err(fault) => fault,
        },
        () = run.end() => return link.leave().await,
    };
    run.lost_connection(&client_id, &fault);
}

fn conn_use([before, opened, settled, after]: [Usage; 4], connected: u64, held_s: u32) -> ConnUse {
    let connected = real(connected.max(1));
    let connecting = seconds_of(opened.cpu.saturating_sub(before.cpu));
    let idle = seconds_of(after.cpu.saturating_sub(settled.cpu));
    let grown_kib = real(after.rss_kib.saturating_sub(before.rss_kib));
    ConnUse {
        cpu_s_per_10000_connects: thousandths(connecting / connected * PER_CONNECTIONS),
        rss_bytes_per_connection: (grown_kib * KIB_BYTES / connected).round(),
        idle_cpu_percent: tenths(idle / f64::from(held_s) * 100.0),
        rss_kib: after.rss_kib,
    }
}

impl ConnReport {
    /// Whether every connection came up and stayed.
    pub(crate) fn is_breach(&self) -> bool {
        self.connected < u64::from(self.connections) || self.connections_lost > 0
    }

    /// Writes the table, or the JSON object.
    pub(crate) fn write(&self, target: &Target, out: &mut impl Write) -> io::Result<()> {
        if target.json {
            return write_json(self, out);
        }
        writeln!(out, "{} connections, MQTT {}", self.connections, self.version)?;
        writeln!(out, "  connected     {:>12}   {:.0} a second", self.connected, self.connected_per_s)?;
        writeln!(out, "  lost          {:>12}", self.connections_lost)?;
        writeln!(out, "  CONNACK       {}", self.connack_us.line())?;
        if let Some(server) = &self.server {
            writeln!(
                out,
                "  server        {:.3} CPU s per 10,000 CONNECTs, {:.0} bytes resident a connection, {:.1} % CPU idle",
                server.cpu_s_per_10000_connects, server.rss_bytes_per_connection, server.idle_cpu_percent
            )?;
        }
        if let Some(fault) = &self.first_fault {
            writeln!(out, "  first fault   {fault}")?;
        }
        Ok(())
    }
}
