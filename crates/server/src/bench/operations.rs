//! The run over the management API: how many operations a second, with signature, permission and, for a write, its sync.
//!
//! Each caller is a thread with a user of its own and one call on its way. A write is an AttachPolicyToUser followed by its
//! DetachPolicyFromUser; both count, and latency is that of each call.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    options::{OperationsArgs, OperationsRun},
    process,
    report::{Latency, real, seconds_of, tenths, thousandths, write_json},
    signed_calls::{CallError, SignedCalls},
};
use crate::cli::Product;

const ATTACHMENT: [(&str, &str); 2] = [("PolicyType", "System"), ("PolicyName", "AliyunMQPubOnlyAccess")];
/// Longest latency that is told apart, ns.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// Why the run ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationsError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("cannot read what the server used: {0}")]
    Usage(#[from] io::Error),
    #[error("a caller panicked")]
    Panicked,
}

/// A finished run.
#[derive(Serialize)]
pub(crate) struct OperationsReport {
    run: &'static str,
    callers: u16,
    seconds: f64,
    calls: u64,
    calls_per_s: f64,
    latency_us: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_cpu_ms_per_call: Option<f64>,
}

/// Makes a user for each caller, has them call, and takes the users away.
pub(crate) fn run(args: &OperationsArgs) -> Result<OperationsReport, OperationsError> {
    let mark: String = sluice_access::random::token().chars().take(8).collect();
    let names: Vec<String> = (0..args.callers).map(|caller| format!("bench-{mark}-{caller}")).collect();
    let root = SignedCalls::new(&args.endpoint, &args.access_key_id, &args.access_key_secret);
    for name in &names {
        root.call(Product::Ram, "CreateUser", &[("UserName", name)])?;
    }
    let measured = measure(args, &names);
    for name in &names {
        root.call(Product::Ram, "DeleteUser", &[("UserName", name)])?;
    }
    measured
}

fn measure(args: &OperationsArgs, names: &[String]) -> Result<OperationsReport, OperationsError> {
    let (measuring, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let ((elapsed, cpu), latencies) = std::thread::scope(|scope| {
        let callers: Vec<_> =
            names.iter().map(|name| scope.spawn(|| call_until(args, name, &measuring, &over))).collect();
        let timed = time(args, &measuring);
        over.store(true, Relaxed);
        let mut latencies = Vec::new();
        for caller in callers {
            latencies.push(caller.join().map_err(|_| OperationsError::Panicked)??);
        }
        Ok::<_, OperationsError>((timed?, latencies))
    })?;
    let mut all = histogram();
    for latency in &latencies {
        all.add(latency).expect("histograms of one form");
    }
    let seconds = elapsed.as_secs_f64();
    Ok(OperationsReport {
        run: args.run.name(),
        callers: args.callers,
        seconds: thousandths(seconds),
        calls: all.len(),
        calls_per_s: (real(all.len()) / seconds).round(),
        latency_us: Latency::of(&all),
        server_cpu_ms_per_call: cpu.map(|cpu| thousandths(seconds_of(cpu) * 1e3 / real(all.len().max(1)))),
    })
}

/// Lets the callers warm up, then measures; how long, and what the server used meanwhile.
fn time(args: &OperationsArgs, measuring: &AtomicBool) -> Result<(Duration, Option<Duration>), OperationsError> {
    std::thread::sleep(Duration::from_secs(u64::from(args.warmup)));
    let usage = || args.pid.map(process::usage).transpose();
    let (before, from) = (usage()?, Instant::now());
    measuring.store(true, Relaxed);
    std::thread::sleep(Duration::from_secs(u64::from(args.seconds)));
    measuring.store(false, Relaxed);
    let (elapsed, after) = (from.elapsed(), usage()?);
    let cpu = before.zip(after).map(|(before, after)| after.cpu.saturating_sub(before.cpu));
    Ok((elapsed, cpu))
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("legal bounds")
}

fn call_until(
    args: &OperationsArgs,
    user: &str,
    measuring: &AtomicBool,
    over: &AtomicBool,
) -> Result<Histogram<u64>, CallError> {
    let calls = SignedCalls::new(&args.endpoint, &args.access_key_id, &args.access_key_secret);
    let named = [("UserName", user)];
    let attachment = [ATTACHMENT[0], ATTACHMENT[1], named[0]];
    let cycle: &[(&'static str, &[(&str, &str)])] = match args.run {
        OperationsRun::GetUser => &[("GetUser", &named)],
        OperationsRun::AttachPolicyToUser => {
            &[("AttachPolicyToUser", &attachment), ("DetachPolicyFromUser", &attachment)]
        }
    };
    let mut latency = histogram();
    while !over.load(Relaxed) {
        for (operation, parameters) in cycle {
            let from = Instant::now();
            let (_, replied) = calls.call(Product::Ram, operation, parameters)?;
            if measuring.load(Relaxed) {
                latency.saturating_record(u64::try_from((replied - from).as_nanos()).unwrap_or(LATENCY_NS_MAX));
            }
        }
    }
    Ok(latency)
}

impl OperationsReport {
    /// Writes the table, or the JSON object.
    pub(crate) fn write(&self, args: &OperationsArgs, out: &mut impl Write) -> io::Result<()> {
        if args.json {
            return write_json(self, out);
        }
        writeln!(out, "{} by {} callers, {} s", self.run, self.callers, tenths(self.seconds))?;
        writeln!(out, "  calls         {:>12}   {:.0} a second", self.calls, self.calls_per_s)?;
        writeln!(out, "  latency       {}", self.latency_us.line())?;
        if let Some(cpu) = self.server_cpu_ms_per_call {
            writeln!(out, "  server        {cpu} CPU ms a call")?;
        }
        Ok(())
    }
}
