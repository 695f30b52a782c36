//! The runs with messages: who connects, what is measured, when it ends.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use sluice_model::{NameError, Qos, TopicFilter, TopicName};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    ledger::{Counts, Ledger},
    link::{Link, LinkError, Start, Use},
    options::{FanInArgs, FanOutArgs, P2pArgs, Target, Traffic},
    pace::{self, Flow, Schedule},
    process::{self, Usage},
    progress,
    publisher::{InFlight, Pace, Publisher},
    report::TrafficReport,
    run::{Phase, Run},
    stamp::Template,
    subscriber::{Inbox, Ledgers, Subscriber},
};

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("`--topic-prefix` makes no topic: {0}")]
    Topic(#[from] NameError),
    #[error("client `{client_id}` did not get in: {fault}")]
    NotIn { client_id: String, fault: LinkError },
    #[error("cannot read what process {pid} uses: {fault}")]
    Process { pid: u32, fault: io::Error },
    #[error("{0}")]
    Soak(#[from] super::soak::SoakError),
    #[error(transparent)]
    Operations(#[from] super::operations::OperationsError),
    #[error("a task of the load generator failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("cannot write the report: {0}")]
    Output(#[from] io::Error),
}

/// Who publishes where and who hears it.
pub(crate) struct Plan {
    name: &'static str,
    /// A topic a publisher.
    topics: Vec<TopicName>,
    receivers: Vec<Receiver>,
    /// Receivers of each message.
    fan: u64,
    /// All receivers together get each message once.
    is_shared: bool,
}

struct Receiver {
    filter: TopicFilter,
    first_publisher: u32,
    publishers: u32,
}

impl Plan {
    /// Pairs.
    pub(crate) fn p2p(args: &P2pArgs) -> Result<Self, BenchError> {
        // Not `/p2p/`: three levels with that in the middle address a client.
        let topic = |pair: u32| format!("{}/pair/{pair}", args.traffic.topic_prefix);
        let topics = (0..args.pairs).map(|pair| topic(pair).parse()).collect::<Result<_, _>>()?;
        let receivers = (0..args.pairs)
            .map(|pair| Ok(Receiver { filter: topic(pair).parse()?, first_publisher: pair, publishers: 1 }))
            .collect::<Result<_, NameError>>()?;
        Ok(Self { name: "p2p", topics, receivers, fan: 1, is_shared: false })
    }

    /// Many to few.
    pub(crate) fn fan_in(args: &FanInArgs) -> Result<Self, BenchError> {
        let prefix = &args.traffic.topic_prefix;
        let topics = (0..args.publishers).map(|n| format!("{prefix}/in/{n}").parse()).collect::<Result<_, _>>()?;
        let share = if args.shared { "$share/bench/" } else { "" };
        let filter: TopicFilter = format!("{share}{prefix}/in/+").parse()?;
        let fan = if args.shared { 1 } else { u64::from(args.subscribers) };
        let receivers = Self::all_hear_all(&filter, args.publishers, args.subscribers);
        Ok(Self { name: "fan-in", topics, receivers, fan, is_shared: args.shared })
    }

    /// Few to many.
    pub(crate) fn fan_out(args: &FanOutArgs) -> Result<Self, BenchError> {
        let text = format!("{}/out", args.traffic.topic_prefix);
        let topic: TopicName = text.parse()?;
        let topics = (0..args.publishers).map(|_| topic.clone()).collect();
        let receivers = Self::all_hear_all(&text.parse()?, args.publishers, args.subscribers);
        Ok(Self { name: "fan-out", topics, receivers, fan: u64::from(args.subscribers), is_shared: false })
    }

    fn all_hear_all(filter: &TopicFilter, publishers: u32, subscribers: u32) -> Vec<Receiver> {
        let receiver = || Receiver { filter: filter.clone(), first_publisher: 0, publishers };
        (0..subscribers).map(|_| receiver()).collect()
    }
}

/// Makes the run and counts what came.
pub(crate) async fn run(plan: Plan, target: &Target, traffic: &Traffic) -> Result<TrafficReport, BenchError> {
    let run = Arc::new(Run::new());
    let flows: Vec<Arc<Flow>> = plan.topics.iter().map(|_| Arc::new(Flow::new(plan.fan))).collect();
    let bar = progress::connecting(plan.receivers.len() + plan.topics.len());
    let mut receiving = JoinSet::new();
    let ledgers = subscribe(&plan, target, traffic.qos, (&run, &flows), &mut receiving, &bar).await?;
    let (pace, paced) = watch::channel(None);
    let mut publishing = JoinSet::new();
    for publisher in connect_publishers(&plan, target, traffic, (&run, &flows), &paced, &bar).await? {
        publishing.spawn(async move { (publisher.number, publisher.run().await) });
    }
    bar.finish_and_clear();

    run.enter(Phase::Send);
    let keeper = match traffic.rate {
        None => {
            pace.send_replace(Some(Pace::Window(u64::from(traffic.window))));
            None
        }
        Some(rate) => {
            let publishers = u64::try_from(flows.len()).expect("publishers are in memory");
            let schedule = Schedule { start_ns: run.now_ns(), rate, publishers };
            pace.send_replace(Some(Pace::Due(schedule)));
            Some(pace::keep(schedule, flows.clone(), Arc::clone(&run)))
        }
    };
    flows.iter().for_each(|flow| flow.wake.notify_one());
    let measured = measure(&run, target.pid, traffic).await?;
    run.enter(Phase::Drain);
    if let Some(keeper) = keeper {
        // It looks at the phase at least every 100 ms.
        let _its_panic_is_seen_in_the_counts = keeper.join();
    }
    drain(&run, plan.fan, traffic).await;
    run.enter(Phase::End);

    let mut sent = vec![0; plan.topics.len()];
    while let Some(done) = publishing.join_next().await {
        let (number, count) = done?;
        sent[usize::try_from(number).expect("publishers are in memory")] = count;
    }
    while let Some(done) = receiving.join_next().await {
        done?;
    }
    let counts = add_up(&plan, &ledgers, &sent);
    Ok(TrafficReport { name: plan.name, clients: (plan.topics.len(), plan.receivers.len()), counts, measured, run })
}

type Shared<'a> = (&'a Arc<Run>, &'a [Arc<Flow>]);

async fn subscribe(
    plan: &Plan,
    target: &Target,
    qos: Qos,
    (run, flows): Shared<'_>,
    receiving: &mut JoinSet<()>,
    bar: &ProgressBar,
) -> Result<Vec<Ledgers>, BenchError> {
    let new_ledgers = |count: u32| Ledgers::new(vec![Ledger::default(); count as usize].into());
    let shared = new_ledgers(if plan.is_shared { u32::try_from(plan.topics.len()).unwrap_or(u32::MAX) } else { 0 });
    let opened = stream::iter(plan.receivers.iter().enumerate()).map(|(number, receiver)| async move {
        let client_id = target.client_id(number);
        let opened = async {
            let mut link = Link::open(target, &client_id, Use::Receive, Start::CLEAN).await?;
            link.subscribe(&receiver.filter, qos).await.map(|()| link)
        };
        match opened.await {
            Ok(link) => Ok((link, client_id, receiver)),
            Err(fault) => Err(BenchError::NotIn { client_id, fault }),
        }
    });
    let mut opened = opened.buffer_unordered(usize::from(target.handshakes));
    let mut all = Vec::with_capacity(plan.receivers.len());
    while let Some((link, client_id, receiver)) = opened.try_next().await? {
        bar.inc(1);
        let ledgers = if plan.is_shared { Arc::clone(&shared) } else { new_ledgers(receiver.publishers) };
        all.push((receiver.first_publisher, Arc::clone(&ledgers)));
        let first = receiver.first_publisher as usize;
        let flows = flows[first..first + receiver.publishers as usize].to_vec();
        let run = Arc::clone(run);
        let inbox = Inbox::new(ledgers, receiver.first_publisher, flows, Arc::clone(&run));
        receiving.spawn(Subscriber { link, client_id, inbox, run }.run());
    }
    // In the order of the publishers, as `add_up` reads them.
    all.sort_by_key(|(first, _)| *first);
    Ok(if plan.is_shared { vec![shared] } else { all.into_iter().map(|(_, ledgers)| ledgers).collect() })
}

async fn connect_publishers(
    plan: &Plan,
    target: &Target,
    traffic: &Traffic,
    (run, flows): Shared<'_>,
    pace: &watch::Receiver<Option<Pace>>,
    bar: &ProgressBar,
) -> Result<Vec<Publisher>, BenchError> {
    let opened = stream::iter(plan.topics.iter().zip(flows).enumerate()).map(|(number, (topic, flow))| async move {
        let client_id = target.client_id(plan.receivers.len() + number);
        let link = match Link::open(target, &client_id, Use::Quiet, Start::CLEAN).await {
            Ok(link) => link,
            Err(fault) => return Err(BenchError::NotIn { client_id, fault }),
        };
        bar.inc(1);
        let template = Template::new(topic.clone(), traffic.qos, traffic.payload as usize, link.version());
        Ok(Publisher {
            link,
            client_id,
            number: u32::try_from(number).expect("at most 100,000 publishers"),
            qos: traffic.qos,
            template,
            pace: pace.clone(),
            flow: Arc::clone(flow),
            run: Arc::clone(run),
            sent: 0,
            forgiven: 0,
            in_flight: InFlight::default(),
        })
    });
    opened.buffer_unordered(usize::from(target.handshakes)).try_collect().await
}

/// What happened within the measured seconds.
pub(crate) struct Measured {
    pub(crate) elapsed: Duration,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Of the server's process, before and after.
    pub(crate) usage: Option<(Usage, Usage)>,
}

async fn measure(run: &Run, pid: Option<u32>, traffic: &Traffic) -> Result<Measured, BenchError> {
    let usage = || pid.map(|pid| process::usage(pid).map_err(|fault| BenchError::Process { pid, fault })).transpose();
    sleep(Duration::from_secs(u64::from(traffic.warmup))).await;
    let (start, before) = (Instant::now(), usage()?);
    let (sent, received) = (run.sent.load(Relaxed), run.received.load(Relaxed));
    run.measure();
    progress::seconds(traffic.seconds, || format!("{} received", run.received.load(Relaxed))).await;
    run.stop_measuring();
    let (elapsed, after) = (start.elapsed(), usage()?);
    Ok(Measured {
        elapsed,
        sent: run.sent.load(Relaxed) - sent,
        received: run.received.load(Relaxed) - received,
        usage: before.zip(after),
    })
}

/// Waits until all that was sent has come, or nothing comes any more.
async fn drain(run: &Run, fan: u64, traffic: &Traffic) {
    let patience = Duration::from_secs(u64::from(traffic.drain));
    let counts = || (run.sent.load(Relaxed), run.received.load(Relaxed), run.acknowledged.load(Relaxed));
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut since) = (counts(), Instant::now());
    while since.elapsed() < patience {
        ticks.tick().await;
        let now = counts();
        let (sent, received, acknowledged) = now;
        let is_acknowledged = traffic.qos == Qos::AtMostOnce || acknowledged >= sent;
        if received >= sent * fan && is_acknowledged {
            return;
        }
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

/// `ledgers` are in the order of their first publisher, as the plan's receivers are.
fn add_up(plan: &Plan, ledgers: &[Ledgers], sent: &[u64]) -> Counts {
    let mut all = Counts::default();
    for (of_receiver, receiver) in ledgers.iter().zip(&plan.receivers) {
        for (place, ledger) in of_receiver.lock().iter().enumerate() {
            all.add(ledger.counts(sent[receiver.first_publisher as usize + place]));
        }
    }
    if plan.is_shared {
        // Members of a shared subscription are served side by side: there is no order between them. [MQTT-4.8.2]
        all.out_of_order = 0;
    }
    all
}
