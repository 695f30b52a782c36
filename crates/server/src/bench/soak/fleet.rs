//! The connections of the user whose rights change: how soon each ends when they are taken.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use sluice_model::{Qos, TopicFilter};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::api::{Change, Ground, SoakError};
use crate::bench::{
    link::{Link, LinkError, Start, Use},
    options::SoakArgs,
    run::{Run, latencies},
    traffic::BenchError,
};

/// How long is waited for what should have happened long before.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of the changes.
pub(super) struct Revocations {
    /// Calls that took rights or gave them.
    pub(super) changes: u64,
    /// From the reply to the end of each connection, nanoseconds.
    pub(super) lateness: Histogram<u64>,
    /// Ended later than the bound.
    pub(super) late: u64,
    /// Did not end, or were not let in again.
    pub(super) stuck: u64,
}

/// The connections.
pub(super) struct Fleet {
    size: u32,
    rights: watch::Sender<bool>,
    connected: mpsc::Receiver<()>,
    ended: mpsc::Receiver<Instant>,
    members: JoinSet<()>,
}

/// One of them.
struct Member {
    client_id: String,
    filter: TopicFilter,
    ground: Arc<Ground>,
    run: Arc<Run>,
    rights: watch::Receiver<bool>,
    connected: mpsc::Sender<()>,
    ended: mpsc::Sender<Instant>,
}

impl Fleet {
    /// Connects them.
    pub(super) async fn start(size: u32, ground: &Arc<Ground>, run: &Arc<Run>) -> Result<Self, BenchError> {
        let filter: TopicFilter = format!("{}/fleet", ground.topic).parse()?;
        let (rights, given) = watch::channel(true);
        let room = (size as usize).max(1);
        let (connected_in, connected) = mpsc::channel(room);
        let (ended_in, ended) = mpsc::channel(room);
        let mut members = JoinSet::new();
        for number in 0..size {
            let member = Member {
                client_id: format!("{}@@@fleet{number}", ground.group),
                filter: filter.clone(),
                ground: Arc::clone(ground),
                run: Arc::clone(run),
                rights: given.clone(),
                connected: connected_in.clone(),
                ended: ended_in.clone(),
            };
            members.spawn(member.run());
        }
        let mut fleet = Self { size, rights, connected, ended, members };
        fleet.all_connected().await;
        Ok(fleet)
    }

    /// Those that did not connect in time.
    async fn all_connected(&mut self) -> u64 {
        for number in 0..self.size {
            if !matches!(timeout(PATIENCE, self.connected.recv()).await, Ok(Some(()))) {
                return u64::from(self.size - number);
            }
        }
        0
    }

    /// Changes rights at the given rate until `until`; the rights are given when it returns.
    pub(super) async fn change(
        mut self,
        args: &SoakArgs,
        ground: &Arc<Ground>,
        until: Instant,
    ) -> Result<(Self, Revocations), BenchError> {
        let mut seen = Revocations { changes: 0, lateness: latencies(), late: 0, stuck: 0 };
        let bound = Duration::from_millis(u64::from(args.revocation));
        let mut ticks = interval(Duration::from_secs(1) / args.changes.get());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for change in Change::ALL.iter().copied().cycle() {
            ticks.tick().await;
            if Instant::now() >= until {
                break;
            }
            self.rights.send_replace(false);
            let replied = call(ground, change, false).await?;
            self.take_ends(replied, bound, &mut seen).await;
            ticks.tick().await;
            call(ground, change, true).await?;
            self.rights.send_replace(true);
            seen.stuck += self.all_connected().await;
            seen.changes += 2;
        }
        Ok((self, seen))
    }

    async fn take_ends(&mut self, replied: Instant, bound: Duration, seen: &mut Revocations) {
        for number in 0..self.size {
            let Ok(Some(ended)) = timeout(PATIENCE, self.ended.recv()).await else {
                seen.stuck += u64::from(self.size - number);
                return;
            };
            let after = ended.saturating_duration_since(replied);
            seen.lateness.saturating_record(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
            seen.late += u64::from(after > bound);
        }
    }

    /// Waits until all have left.
    pub(super) async fn leave(mut self) -> Result<(), BenchError> {
        while let Some(done) = self.members.join_next().await {
            done?;
        }
        Ok(())
    }
}

async fn call(ground: &Arc<Ground>, change: Change, gives: bool) -> Result<Instant, BenchError> {
    let ground = Arc::clone(ground);
    let called = tokio::task::spawn_blocking(move || ground.change(change, gives)).await?;
    Ok(called.map_err(|error: SoakError| error)?)
}

impl Member {
    async fn run(mut self) {
        loop {
            tokio::select! {
                given = self.rights.wait_for(|given| *given) => if given.is_err() { return },
                () = self.run.end() => return,
            }
            match self.hold().await {
                Ok(()) => return,
                Err(LinkError::Closed | LinkError::Told(_) | LinkError::Socket(_)) => {
                    // The room is the number of members, each of which ends once a revocation.
                    let _nobody_waits_any_more = self.ended.try_send(Instant::now());
                    // What ends while the rights are given is seen as not connected at the next change.
                    if *self.rights.borrow() {
                        self.run.lost_connection(&self.client_id, &LinkError::Closed);
                        return;
                    }
                }
                Err(fault) => {
                    self.run.lost_connection(&self.client_id, &fault);
                    return;
                }
            }
        }
    }

    /// Connects and holds until the connection or the run ends.
    async fn hold(&self) -> Result<(), LinkError> {
        let mut link = Link::open(&self.ground.changing.target, &self.client_id, Use::Quiet, Start::CLEAN).await?;
        link.subscribe(&self.filter, Qos::AtLeastOnce).await?;
        let _nobody_waits_any_more = self.connected.try_send(());
        let ended = tokio::select! {
            filled = link.fill() => filled.and_then(|()| link.next().map(|_| ())),
            () = self.run.end() => {
                link.leave().await;
                return Ok(());
            }
        };
        // Nothing is published to the fleet: what came is the server's goodbye.
        ended.and(Err(LinkError::Unexpected))
    }
}
