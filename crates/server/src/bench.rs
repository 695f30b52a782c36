//! `sluice bench`: a load generator for connection, fan-in, fan-out and point-to-point runs against a running server.
//!
//! Way in: [`run`] makes a runtime of its own and one run. `traffic` connects a [`traffic::Plan`]'s clients, lets them
//! send, and adds up what each receiver's `ledger` saw; `connections` holds idle ones;
//! `stored` is about what is kept for who is away.
//! Every message is numbered, so lost, duplicated and out of order are exact, over the whole run. Rates, latencies and CPU
//! are of the measured seconds.
//! Never here: anything that a server links; a wait without an end.

mod connections;
mod ledger;
mod link;
mod operations;
mod options;
mod pace;
mod process;
mod progress;
mod publisher;
mod report;
mod run;
mod signed_calls;
mod soak;
mod stamp;
mod stored;
mod subscriber;
mod traffic;

use std::{io::Write, process::ExitCode};

use tokio::runtime::{Builder, Runtime};

pub(crate) use options::BenchCommand;
use options::{Target, Traffic};
use traffic::{BenchError, Plan};

/// Makes a run and writes its report; exit 1 when a message of QoS 1 or 2 was lost, or a connection that should be idle.
pub(crate) fn run(command: &BenchCommand, out: &mut impl Write) -> Result<ExitCode, BenchError> {
    match command {
        BenchCommand::Conn(args) => {
            let report = runtime(&args.target)?.block_on(connections::run(args))?;
            report.write(&args.target, out)?;
            Ok(exit(report.is_breach()))
        }
        BenchCommand::FanIn(args) => messages(Plan::fan_in(args)?, &args.target, &args.traffic, out),
        BenchCommand::FanOut(args) => messages(Plan::fan_out(args)?, &args.target, &args.traffic, out),
        BenchCommand::Soak(args) => {
            let report = runtime(&args.target)?.block_on(soak::run(args))?;
            report.write(args, out)?;
            Ok(exit(report.is_breach()))
        }
        BenchCommand::Operations(args) => {
            operations::run(args)?.write(args, out)?;
            Ok(ExitCode::SUCCESS)
        }
        BenchCommand::Stored(args) => {
            let report = runtime(&args.target)?.block_on(stored::run(args))?;
            report.write(args, out)?;
            Ok(exit(report.is_breach()))
        }
        BenchCommand::P2p(args) => messages(Plan::p2p(args)?, &args.target, &args.traffic, out),
    }
}

fn messages(plan: Plan, target: &Target, traffic: &Traffic, out: &mut impl Write) -> Result<ExitCode, BenchError> {
    let report = runtime(target)?.block_on(traffic::run(plan, target, traffic))?;
    report.write(target, traffic, out)?;
    Ok(exit(report.is_breach(traffic)))
}

fn exit(is_breach: bool) -> ExitCode {
    if is_breach { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn runtime(target: &Target) -> std::io::Result<Runtime> {
    match target.threads {
        1 => Builder::new_current_thread().enable_all().build(),
        threads => Builder::new_multi_thread().worker_threads(usize::from(threads)).enable_all().build(),
    }
}
