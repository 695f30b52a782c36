//! The traffic that is counted: pairs that stay, and stored sessions that come and go while their publishers go on.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use rand::RngExt;
use sluice_model::{Qos, TopicFilter};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::api::Ground;
use crate::bench::{
    ledger::{Counts, Ledger},
    link::{Link, LinkError, Start, Use},
    options::SoakArgs,
    pace::Flow,
    publisher::{InFlight, Pace, Publisher},
    run::{Phase, Run},
    stamp::Template,
    subscriber::{Inbox, Ledgers, Subscriber},
    traffic::BenchError,
};

/// Bytes of a message.
const PAYLOAD_BYTES: usize = 64;
/// How long a stored session is connected, and away, milliseconds.
const HERE_MS: std::ops::Range<u64> = 500..3_000;
const AWAY_MS: std::ops::Range<u64> = 200..2_000;

/// One publisher, one receiver.
struct Lane {
    qos: Qos,
    flow: Arc<Flow>,
    ledgers: Ledgers,
}

/// All lanes: the pairs first, then the stored sessions.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    pub(super) pace: watch::Sender<Option<Pace>>,
    publishing: JoinSet<(u32, u64)>,
    receiving: JoinSet<()>,
}

/// A stored session that comes and goes.
struct Stored {
    client_id: String,
    filter: TopicFilter,
    qos: Qos,
    ground: Arc<Ground>,
    run: Arc<Run>,
    inbox: Inbox,
}

/// What the receivers saw, by quality of service: at most once, and more.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) at_most_once: Counts,
    pub(super) at_least_once: Counts,
    pub(super) exactly_once: Counts,
}

impl Lanes {
    /// Connects publishers and receivers.
    pub(super) async fn start(
        (pairs, stored): (u32, u32),
        args: &SoakArgs,
        ground: &Arc<Ground>,
        run: &Arc<Run>,
    ) -> Result<Self, BenchError> {
        let (pace, paced) = watch::channel(None);
        let mut all = Self { lanes: Vec::new(), pace, publishing: JoinSet::new(), receiving: JoinSet::new() };
        let kept: Vec<Qos> = args.qos.iter().copied().filter(|qos| *qos != Qos::AtMostOnce).collect();
        let kept = if kept.is_empty() { vec![Qos::AtLeastOnce] } else { kept };
        for number in 0..pairs + stored {
            let turns = if number < pairs { &args.qos } else { &kept };
            let qos = turns[number as usize % turns.len()];
            let topic = format!("{}/lane/{number}", ground.topic);
            let ledgers = Ledgers::new(Mutex::new(vec![Ledger::default()]));
            let flow = Arc::new(Flow::new(1));
            let inbox = Inbox::new(Arc::clone(&ledgers), number, vec![Arc::clone(&flow)], Arc::clone(run));
            let client_id = format!("{}@@@r{number}", ground.group);
            let filter: TopicFilter = topic.parse()?;
            if number < pairs {
                let link = open(ground, &client_id, Use::Receive, Some((&filter, qos))).await?;
                all.receiving.spawn(Subscriber { link, client_id, inbox, run: Arc::clone(run) }.run());
            } else {
                let (ground, run, inbox) = (Arc::clone(ground), Arc::clone(run), inbox.untimed());
                let stored = Stored { client_id, filter, qos, ground, run, inbox };
                let link = stored.first().await?;
                all.receiving.spawn(stored.run(link));
            }
            let client_id = format!("{}@@@p{number}", ground.group);
            let link = open(ground, &client_id, Use::Quiet, None).await?;
            let publisher = Publisher {
                template: Template::new(topic.parse()?, qos, PAYLOAD_BYTES, link.version()),
                link,
                client_id,
                number,
                qos,
                pace: paced.clone(),
                flow: Arc::clone(&flow),
                run: Arc::clone(run),
                sent: 0,
                forgiven: 0,
                in_flight: InFlight::default(),
            };
            all.publishing.spawn(async move { (number, publisher.run().await) });
            all.lanes.push(Lane { qos, flow, ledgers });
        }
        Ok(all)
    }

    pub(super) fn flows(&self) -> Vec<Arc<Flow>> {
        self.lanes.iter().map(|lane| Arc::clone(&lane.flow)).collect()
    }

    /// Waits until all have left, and adds up.
    pub(super) async fn leave(mut self) -> Result<Seen, BenchError> {
        let mut sent = vec![0; self.lanes.len()];
        while let Some(done) = self.publishing.join_next().await {
            let (number, count) = done?;
            sent[number as usize] = count;
        }
        while let Some(done) = self.receiving.join_next().await {
            done?;
        }
        let mut seen = Seen::default();
        for (lane, sent) in self.lanes.iter().zip(sent) {
            let of_qos = match lane.qos {
                Qos::AtMostOnce => &mut seen.at_most_once,
                Qos::AtLeastOnce => &mut seen.at_least_once,
                Qos::ExactlyOnce => &mut seen.exactly_once,
            };
            of_qos.add(lane.ledgers.lock()[0].counts(sent));
        }
        Ok(seen)
    }
}

async fn open(
    ground: &Ground,
    client_id: &str,
    of: Use,
    filter: Option<(&TopicFilter, Qos)>,
) -> Result<Link, BenchError> {
    let opened = async {
        let mut link = Link::open(&ground.steady.target, client_id, of, Start::CLEAN).await?;
        if let Some((filter, qos)) = filter {
            link.subscribe(filter, qos).await?;
        }
        Ok(link)
    };
    opened.await.map_err(|fault| BenchError::NotIn { client_id: client_id.to_owned(), fault })
}

impl Stored {
    async fn first(&self) -> Result<Link, BenchError> {
        let opened = async {
            let mut link = self.open().await?;
            link.subscribe(&self.filter, self.qos).await.map(|()| link)
        };
        opened.await.map_err(|fault| BenchError::NotIn { client_id: self.client_id.clone(), fault })
    }

    async fn open(&self) -> Result<Link, LinkError> {
        Link::open(&self.ground.steady.target, &self.client_id, Use::Receive, Start::STORED).await
    }

    async fn run(mut self, first: Link) {
        if let Err(fault) = self.work(first).await {
            self.run.lost_connection(&self.client_id, &fault);
        }
    }

    /// Comes and goes while messages are sent, then stays to the end.
    async fn work(&mut self, mut link: Link) -> Result<(), LinkError> {
        let mut phase = self.run.phase();
        loop {
            let goes_on = || matches!(*self.run.phase().borrow(), Phase::Gather | Phase::Send);
            let here = if goes_on() { Duration::from_millis(rand::rng().random_range(HERE_MS)) } else { Duration::MAX };
            match timeout(here, self.receive(&mut link)).await {
                Ok(Ok(())) => {
                    link.leave().await;
                    return Ok(());
                }
                Ok(Err(fault)) => return Err(fault),
                Err(_) => {}
            }
            // Every other time without DISCONNECT; what had come is acknowledged again at the return.
            if rand::rng().random_bool(0.5) {
                link.leave().await;
            } else {
                drop(link);
            }
            let away = Duration::from_millis(rand::rng().random_range(AWAY_MS));
            tokio::select! {
                () = sleep(away) => {}
                _ = phase.wait_for(|phase| matches!(phase, Phase::Drain | Phase::End)) => {}
            }
            link = self.open().await?;
            if !link.session_present() {
                return Err(LinkError::SessionLost);
            }
        }
    }

    async fn receive(&mut self, link: &mut Link) -> Result<(), LinkError> {
        loop {
            // First what came together with CONNACK: nothing may follow it.
            self.inbox.take_all(link).await?;
            tokio::select! {
                filled = link.fill() => filled?,
                () = self.run.end() => return Ok(()),
            }
        }
    }
}
