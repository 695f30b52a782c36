//! The run with stored sessions: what is acknowledged while they are away, and how fast they take it when they come back.
//!
//! Way in: [`run`]. `plan` says who hears whom; `publish` has publishers wait for their acknowledgements; `drain` resumes
//! the sessions and counts what comes. The phases may be runs of their own, with a restart of the server between them.

use std::{
    io::{self, Write},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use serde::Serialize;

use super::{
    options::{StoredArgs, StoredPhase},
    report::{Latency, write_json},
    run::Run,
    traffic::BenchError,
};

mod drain;
mod plan;
mod publish;

use drain::Drained;
use plan::Plan;
use publish::Published;

/// A finished run.
#[derive(Serialize)]
pub(crate) struct StoredReport {
    run: &'static str,
    version: &'static str,
    qos: u8,
    payload_bytes: u32,
    publishers: u32,
    sessions: u32,
    /// Sessions that each message waits in.
    fan: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drained: Option<Drained>,
    connections_lost: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_fault: Option<String>,
}

/// Stores, drains, or both.
pub(crate) async fn run(args: &StoredArgs) -> Result<StoredReport, BenchError> {
    let plan = Plan::of(args)?;
    let run = Arc::new(Run::new());
    let (mut published, mut drained) = (None, None);
    // Without the phase of publishing, what was sent is what that phase was told to send.
    let mut sent = plan.shares(args);
    if args.phase != StoredPhase::Drain {
        publish::store_sessions(&plan, args).await?;
        let (found, counts) = publish::run(&plan, args, &run).await?;
        (published, sent) = (Some(found), counts);
    }
    if args.phase != StoredPhase::Publish {
        drained = Some(drain::run(&plan, args, &run, &sent).await?);
    }
    Ok(StoredReport {
        run: "stored",
        version: super::report::version(&args.target),
        qos: args.qos.bits(),
        payload_bytes: args.payload,
        publishers: args.publishers,
        sessions: args.sessions,
        fan: plan.fan(),
        published,
        drained,
        connections_lost: run.ended.load(Relaxed),
        first_fault: run.first_fault().map(str::to_owned),
    })
}

impl StoredReport {
    /// Whether an acknowledged message was lost, or a connection.
    pub(crate) fn is_breach(&self) -> bool {
        self.connections_lost > 0 || self.drained.as_ref().is_some_and(|drained| drained.lost > 0)
    }

    /// Writes the table, or the JSON object.
    pub(crate) fn write(&self, args: &StoredArgs, out: &mut impl Write) -> io::Result<()> {
        if args.target.json {
            return write_json(self, out);
        }
        writeln!(
            out,
            "{} publishers to {} stored sessions, each message to {}, MQTT {}, QoS {}, {} bytes, window {}",
            self.publishers, self.sessions, self.fan, self.version, self.qos, self.payload_bytes, args.window
        )?;
        if let Some(published) = &self.published {
            let Published { acknowledged, acknowledged_per_s, latency_us, .. } = published;
            writeln!(out, "  acknowledged  {acknowledged:>12}   {acknowledged_per_s:.0} a second")?;
            writeln!(out, "  until then    {}", Latency::line(latency_us))?;
        }
        if let Some(drained) = &self.drained {
            writeln!(out, "  drained       {:>12}   {:.0} a second", drained.received, drained.received_per_s)?;
            writeln!(out, "  lost          {:>12}", drained.lost)?;
            writeln!(out, "  duplicated    {:>12}", drained.duplicated)?;
            writeln!(out, "  out of order  {:>12}", drained.out_of_order)?;
        }
        if let Some(fault) = &self.first_fault {
            writeln!(out, "  connections lost {}, first: {fault}", self.connections_lost)?;
        }
        Ok(())
    }
}
