//! Sessions that come back: how fast they get what waits, and whether all of it came once and in order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::plan::Plan;
use crate::bench::{
    ledger::{Counts, Ledger},
    link::{Link, LinkError, Start, Use},
    options::StoredArgs,
    pace::Flow,
    report::{real, seconds_of},
    run::{Phase, Run},
    subscriber::{Inbox, Ledgers, Subscriber},
    traffic::BenchError,
};

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What came.
#[derive(Serialize)]
pub(super) struct Drained {
    /// First copies, at all sessions together.
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) out_of_order: u64,
    /// From the first CONNECT to the last message.
    pub(super) seconds: f64,
    pub(super) received_per_s: f64,
    /// From the first CONNECT to the first CONNACK.
    first_connack_ms: f64,
}

/// Resumes all sessions; `sent` is of each publisher.
pub(super) async fn run(plan: &Plan, args: &StoredArgs, run: &Arc<Run>, sent: &[u64]) -> Result<Drained, BenchError> {
    run.enter(Phase::Drain);
    let start = Instant::now();
    let first_connack_us = AtomicU64::new(u64::MAX);
    let opened = stream::iter(0..args.sessions).map(|session| {
        let first_connack_us = &first_connack_us;
        async move {
            let client_id = args.target.client_id(session as usize);
            match resume(args, &client_id).await {
                Ok(link) => {
                    let us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                    first_connack_us.fetch_min(us, Relaxed);
                    Ok((session, client_id, link))
                }
                Err(fault) => Err(BenchError::NotIn { client_id, fault }),
            }
        }
    });
    let mut opened = opened.buffer_unordered(usize::from(args.target.handshakes));
    let (mut receiving, mut ledgers) = (JoinSet::new(), Vec::with_capacity(args.sessions as usize));
    while let Some(one) = opened.next().await {
        let (session, client_id, link) = one?;
        let heard = plan.heard(session);
        let of_session: Ledgers = Arc::new(vec![Ledger::default(); heard.len()].into());
        ledgers.push((heard.start, Arc::clone(&of_session)));
        let flows = heard.clone().map(|_| Arc::new(Flow::new(1))).collect();
        let inbox = Inbox::new(of_session, heard.start, flows, Arc::clone(run)).untimed();
        receiving.spawn(Subscriber { link, client_id, inbox, run: Arc::clone(run) }.run());
    }
    let seconds = all_come(run, sent.iter().sum::<u64>() * plan.fan(), args.drain, start).await;
    run.enter(Phase::End);
    while let Some(done) = receiving.join_next().await {
        done?;
    }
    let Counts { received, duplicated, out_of_order, lost } = add_up(&ledgers, sent);
    Ok(Drained {
        received,
        lost,
        duplicated,
        out_of_order,
        seconds: seconds_of(seconds),
        received_per_s: (real(received) / seconds.as_secs_f64()).round(),
        first_connack_ms: real(first_connack_us.load(Relaxed)) / 1e3,
    })
}

async fn resume(args: &StoredArgs, client_id: &str) -> Result<Link, LinkError> {
    let link = Link::open(&args.target, client_id, Use::Receive, Start::STORED).await?;
    if link.session_present() { Ok(link) } else { Err(LinkError::SessionLost) }
}

/// Waits until so many have come, or none came for so many seconds; when the last came.
async fn all_come(run: &Run, expected: u64, patience_s: u32, start: Instant) -> Duration {
    let patience = Duration::from_secs(u64::from(patience_s));
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut came, mut last, mut since) = (0, start.elapsed(), Instant::now());
    while came < expected && since.elapsed() < patience {
        ticks.tick().await;
        let now = run.received.load(Relaxed);
        if now != came {
            (came, last, since) = (now, start.elapsed(), Instant::now());
        }
    }
    last
}

fn add_up(ledgers: &[(u32, Ledgers)], sent: &[u64]) -> Counts {
    let mut all = Counts::default();
    for (first, of_session) in ledgers {
        for (ledger, sent) in of_session.lock().iter().zip(&sent[*first as usize..]) {
            all.add(ledger.counts(*sent));
        }
    }
    all
}
