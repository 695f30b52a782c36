//! Sessions that begin and leave, then publishers that wait for their acknowledgements.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use sluice_codec::Packet;
use sluice_model::Qos;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::plan::Plan;
use crate::bench::{
    link::{Link, LinkError, Start, Use},
    options::StoredArgs,
    process, progress,
    publisher::InFlight,
    report::{Latency, real, seconds_of, thousandths},
    run::{Phase, Run},
    stamp::{Stamp, Template},
    traffic::BenchError,
};

const MILLION: f64 = 1e6;
/// How long publishers may wait for their last acknowledgements.
const LAST_ACKNOWLEDGEMENTS: Duration = Duration::from_secs(10);

/// What became of the messages.
#[derive(Serialize)]
pub(super) struct Published {
    pub(super) sent: u64,
    /// In all.
    pub(super) acknowledged: u64,
    /// Within the measured seconds.
    pub(super) acknowledged_per_s: f64,
    pub(super) measured_s: f64,
    /// From handing a message to the socket until its acknowledgement came.
    pub(super) latency_us: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_cpu_us_per_message: Option<f64>,
    /// Of the load generator's threads.
    generator_cpu_us_per_message: f64,
}

/// Has every session stored: it begins anew, subscribes and leaves.
pub(super) async fn store_sessions(plan: &Plan, args: &StoredArgs) -> Result<(), BenchError> {
    let bar = progress::connecting(args.sessions as usize);
    let stored = stream::iter(0..args.sessions).map(|session| {
        let bar = &bar;
        async move {
            let filter = plan.filter(session)?;
            let client_id = args.target.client_id(session as usize);
            let stored = async {
                if args.fresh {
                    // Ends what an earlier run left.
                    Link::open(&args.target, &client_id, Use::Quiet, Start::CLEAN).await?.leave().await;
                }
                let mut link = Link::open(&args.target, &client_id, Use::Quiet, Start::STORED).await?;
                link.subscribe(&filter, args.qos).await?;
                link.leave().await;
                Ok(())
            };
            stored.await.map_err(|fault| BenchError::NotIn { client_id, fault })?;
            bar.inc(1);
            Ok::<(), BenchError>(())
        }
    });
    stored.buffer_unordered(usize::from(args.target.handshakes)).try_collect::<()>().await?;
    bar.finish_and_clear();
    Ok(())
}

/// Publishes; what was measured, and how many messages each publisher sent.
pub(super) async fn run(plan: &Plan, args: &StoredArgs, run: &Arc<Run>) -> Result<(Published, Vec<u64>), BenchError> {
    let shares = plan.shares(args);
    let opened = stream::iter(0..args.publishers).map(|number| {
        let share = shares[number as usize];
        async move { connect(plan, args, (number, share), run).await }
    });
    let all: Vec<Waiting> = opened.buffer_unordered(usize::from(args.target.handshakes)).try_collect().await?;
    let mut publishing = JoinSet::new();
    for publisher in all {
        publishing.spawn(async move { (publisher.number, publisher.run().await) });
    }
    let published = measure(args, run, &mut publishing).await?;
    Ok(published)
}

async fn measure(
    args: &StoredArgs,
    run: &Arc<Run>,
    publishing: &mut JoinSet<(u32, u64)>,
) -> Result<(Published, Vec<u64>), BenchError> {
    let usage = |pid| process::usage(pid).map_err(|fault| BenchError::Process { pid, fault });
    let both = || Ok::<_, BenchError>((args.target.pid.map(usage).transpose()?, usage(std::process::id())?));
    let by_number = args.messages > 0;
    if by_number {
        run.measure();
    }
    let (mut start, mut before, mut acknowledged) = (Instant::now(), both()?, 0);
    run.enter(Phase::Send);
    let mut sent = vec![0; args.publishers as usize];
    if !by_number && args.seconds > 0 {
        sleep(Duration::from_secs(u64::from(args.warmup))).await;
        (start, before, acknowledged) = (Instant::now(), both()?, run.acknowledged.load(Relaxed));
        run.measure();
        progress::seconds(args.seconds, || format!("{} acknowledged", run.acknowledged.load(Relaxed))).await;
        run.stop_measuring();
    } else {
        while let Some(done) = publishing.join_next().await {
            let (number, count) = done?;
            sent[number as usize] = count;
        }
    }
    let (elapsed, after) = (start.elapsed(), both()?);
    let measured = run.acknowledged.load(Relaxed) - acknowledged;
    run.enter(Phase::Drain);
    while let Some(done) = publishing.join_next().await {
        let (number, count) = done?;
        sent[number as usize] = count;
    }
    let each = |cpu: Duration| thousandths(cpu.as_secs_f64() * MILLION / real(measured.max(1)));
    let published = Published {
        sent: sent.iter().sum(),
        acknowledged: run.acknowledged.load(Relaxed),
        acknowledged_per_s: (real(measured) / elapsed.as_secs_f64()).round(),
        measured_s: seconds_of(elapsed),
        latency_us: Latency::of(&run.latency()),
        server_cpu_us_per_message: before
            .0
            .zip(after.0)
            .map(|(before, after)| each(after.cpu.saturating_sub(before.cpu))),
        generator_cpu_us_per_message: each(after.1.cpu.saturating_sub(before.1.cpu)),
    };
    Ok((published, sent))
}

async fn connect(plan: &Plan, args: &StoredArgs, of: (u32, u64), run: &Arc<Run>) -> Result<Waiting, BenchError> {
    let (number, share) = of;
    let client_id = args.target.client_id((args.sessions + number) as usize);
    let link = match Link::open(&args.target, &client_id, Use::Quiet, Start::CLEAN).await {
        Ok(link) => link,
        Err(fault) => return Err(BenchError::NotIn { client_id, fault }),
    };
    let window = u64::from(args.window).min(link.receive_maximum());
    let template = Template::new(plan.topic(number)?, args.qos, args.payload as usize, link.version());
    let most = if args.messages > 0 || args.seconds == 0 { share } else { u64::MAX };
    Ok(Waiting {
        link,
        client_id,
        number,
        template,
        window,
        most,
        qos: args.qos,
        sent: 0,
        in_flight: InFlight::default(),
        due_ns: VecDeque::new(),
        run: Arc::clone(run),
    })
}

/// A publisher that has `window` messages without an acknowledgement, and waits.
struct Waiting {
    link: Link,
    client_id: String,
    number: u32,
    template: Template,
    window: u64,
    most: u64,
    qos: Qos,
    sent: u64,
    in_flight: InFlight,
    /// When those in flight were sent. Acknowledgements come in the order of the messages. [MQTT-4.6.0-2]
    due_ns: VecDeque<u64>,
    run: Arc<Run>,
}

impl Waiting {
    /// How many messages were sent.
    async fn run(mut self) -> u64 {
        match self.work().await {
            Ok(()) => self.link.leave().await,
            Err(error) => self.run.lost_connection(&self.client_id, &error),
        }
        self.sent
    }

    async fn work(&mut self) -> Result<(), LinkError> {
        let mut phase = self.run.phase();
        // Not once a message: a phase that changes need not be awaited by who has messages on their way.
        if phase.wait_for(|phase| *phase != Phase::Gather).await.is_err() {
            return Ok(());
        }
        while *phase.borrow() == Phase::Send && self.sent < self.most {
            self.send_allowed();
            self.link.flush().await?;
            self.link.fill().await?;
            self.take_acknowledgements()?;
        }
        let last = async {
            while self.in_flight.len() > 0 {
                self.link.flush().await?;
                self.link.fill().await?;
                self.take_acknowledgements()?;
            }
            Ok(())
        };
        tokio::time::timeout(LAST_ACKNOWLEDGEMENTS, last).await.unwrap_or(Err(LinkError::Unanswered))
    }

    fn send_allowed(&mut self) {
        while self.in_flight.len() < self.window && self.sent < self.most {
            let (Some(packet_id), Ok(number)) = (self.in_flight.take(), u32::try_from(self.sent)) else { return };
            let due_ns = self.run.now_ns();
            self.template.write(packet_id, Stamp { due_ns, publisher: self.number, number }, self.link.outbound());
            self.due_ns.push_back(due_ns);
            self.sent += 1;
            self.run.sent.fetch_add(1, Relaxed);
        }
    }

    fn take_acknowledgements(&mut self) -> Result<(), LinkError> {
        while let Some(packet) = self.link.next()? {
            match packet {
                Packet::PubAck(ack) if self.qos == Qos::AtLeastOnce => self.end(&ack)?,
                Packet::PubComp(ack) if self.qos == Qos::ExactlyOnce => self.end(&ack)?,
                Packet::PubRec(ack) if !ack.reason.is_failure() => self.link.acknowledge(Packet::PubRel, ack.packet_id),
                _ => return Err(LinkError::Unexpected),
            }
        }
        Ok(())
    }

    fn end(&mut self, ack: &sluice_codec::Ack) -> Result<(), LinkError> {
        if ack.reason.is_failure() {
            return Err(LinkError::Told(ack.reason));
        }
        let (true, Some(due_ns)) = (self.in_flight.end(ack.packet_id), self.due_ns.pop_front()) else {
            return Err(LinkError::Unexpected);
        };
        self.run.acknowledged.fetch_add(1, Relaxed);
        self.run.record(&[due_ns], self.run.now_ns());
        Ok(())
    }
}
