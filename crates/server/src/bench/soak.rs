//! A soak: many connections for a long time, some replaced every second, messages of every quality of service, stored
//! sessions that come and go, and a user whose rights change twice a second. What may not happen ends it with exit 1:
//! a lost message of QoS 1 or 2 (of those whose publisher and receiver held their rights throughout), memory that grows,
//! a revocation later than its bound, a connection that ended without cause.

mod api;
mod crowd;
mod fleet;
mod memory;
mod report;
mod traffic;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

use api::Ground;
pub(crate) use api::SoakError;
use crowd::Crowd;
use fleet::Fleet;
pub(crate) use report::SoakReport;
use traffic::Lanes;

use super::{
    options::SoakArgs,
    pace::{self, Schedule},
    progress,
    publisher::Pace,
    run::{Phase, Run},
    traffic::BenchError,
};

/// Of a hundred connections: pairs (two connections each), stored sessions (and a publisher each), and those of the user
/// whose rights change. The rest are the crowd.
const PAIRS_PERCENT: u32 = 3;
const STORED_PERCENT: u32 = 1;
const FLEET_PERCENT: u32 = 1;
/// How often the end of the traffic is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// Without progress for so long, what is missing is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the soak.
pub(crate) async fn run(args: &SoakArgs) -> Result<SoakReport, BenchError> {
    let Some(pid) = args.target.pid else { return Err(SoakError::Incomplete.into()) };
    let given = args.clone();
    let ground = Arc::new(tokio::task::spawn_blocking(move || Ground::make(&given)).await??);
    let run = Arc::new(Run::new());
    let share = |percent: u32| (args.connections * percent / 100).max(1);
    let (pairs, fleet) = (share(PAIRS_PERCENT), share(FLEET_PERCENT));
    let stored = args.stored.unwrap_or_else(|| share(STORED_PERCENT));
    let crowd = args.connections.saturating_sub(2 * (pairs + stored) + fleet).max(1);
    let crowd = Crowd::start(crowd, args, &ground, &run).await?;
    let fleet = Fleet::start(fleet, &ground, &run).await?;
    let lanes = Lanes::start((pairs, stored), args, &ground, &run).await?;

    run.enter(Phase::Send);
    run.measure();
    let publishers = u64::from(pairs + stored);
    let schedule = Schedule { start_ns: run.now_ns(), rate: args.rate, publishers };
    lanes.pace.send_replace(Some(Pace::Due(schedule)));
    let keeper = pace::keep(schedule, lanes.flows(), Arc::clone(&run));
    let whole = Duration::from_secs(u64::from(args.seconds));
    let until = Instant::now() + whole;
    let (churned, changed, growth, ()) = tokio::join!(
        crowd.churn(args, until),
        fleet.change(args, &ground, until.into_std()),
        memory::watch(pid, whole, until),
        progress::seconds(args.seconds, || format!("{} received", run.received.load(Relaxed))),
    );
    let ((crowd, replaced), (fleet, revocations), growth) = (churned?, changed?, growth?);
    run.stop_measuring();
    run.enter(Phase::Drain);
    // It looks at the phase at least every 100 ms.
    let _its_panic_is_seen_in_the_counts = keeper.join();
    drain(&run).await;
    run.enter(Phase::End);
    let seen = lanes.leave().await?;
    fleet.leave().await?;
    crowd.leave().await?;
    Ok(SoakReport { args: args.clone(), run, replaced, revocations, growth, seen })
}

/// Waits until all has come, or nothing comes any more.
async fn drain(run: &Run) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut since) = (run.received.load(Relaxed), Instant::now());
    while last < run.sent.load(Relaxed) && since.elapsed() < PATIENCE {
        ticks.tick().await;
        let now = run.received.load(Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}
