//! The many: connected, subscribed, and a few of them replaced all the time. Each newcomer publishes one message, which
//! those of its topic receive while others leave.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use parking_lot::Mutex;
use sluice_codec::{Packet, Publish};
use sluice_model::{Qos, TopicFilter, TopicName};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::api::Ground;
use crate::bench::{
    link::{Link, LinkError, Start, Use},
    options::SoakArgs,
    progress,
    run::Run,
    subscriber::{Inbox, Ledgers},
    traffic::BenchError,
};

/// Topics of the crowd.
const TOPICS: u64 = 64;
/// The identifier of a newcomer's one message.
const PACKET_ID: u16 = 7;

/// The connections and those who may ask them to leave, oldest first.
pub(super) struct Crowd {
    members: JoinSet<()>,
    leave: VecDeque<oneshot::Sender<()>>,
    maker: Maker,
}

/// Makes members.
#[derive(Clone)]
struct Maker {
    ground: Arc<Ground>,
    run: Arc<Run>,
    qos: Arc<[Qos]>,
    topics: Arc<[(TopicFilter, TopicName)]>,
    next: u64,
}

struct Member {
    link: Link,
    client_id: String,
    inbox: Inbox,
    run: Arc<Run>,
    /// Leaves without DISCONNECT.
    is_abrupt: bool,
    asked: oneshot::Receiver<()>,
}

impl Crowd {
    /// Connects all.
    pub(super) async fn start(
        size: u32,
        args: &SoakArgs,
        ground: &Arc<Ground>,
        run: &Arc<Run>,
    ) -> Result<Self, BenchError> {
        let topics = (0..TOPICS).map(|n| {
            let text = format!("{}/crowd/{n}", ground.topic);
            Ok((text.parse()?, text.parse()?))
        });
        let topics = topics.collect::<Result<Vec<_>, BenchError>>()?.into();
        let maker = Maker {
            ground: Arc::clone(ground),
            run: Arc::clone(run),
            qos: args.qos.clone().into(),
            topics,
            next: u64::from(size),
        };
        let bar = progress::connecting(size as usize);
        let mut crowd = Self { members: JoinSet::new(), leave: VecDeque::with_capacity(size as usize), maker };
        let maker = crowd.maker.clone();
        let opened = stream::iter(0..u64::from(size)).map(|number| maker.open(number, false));
        let mut opened = std::pin::pin!(opened.buffer_unordered(usize::from(args.target.handshakes)));
        while let Some(member) = opened.next().await {
            bar.inc(1);
            let (member, leave) = member?;
            crowd.members.spawn(member.run());
            crowd.leave.push_back(leave);
        }
        bar.finish_and_clear();
        Ok(crowd)
    }

    /// Replaces connections at the given rate until `until`; how many.
    pub(super) async fn churn(mut self, args: &SoakArgs, until: Instant) -> Result<(Self, u64), BenchError> {
        let mut ticks = interval(Duration::from_secs(1) / args.churn);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut replaced = 0;
        while Instant::now() < until {
            ticks.tick().await;
            if let Some(leave) = self.leave.pop_front() {
                // A member that is gone already was counted as a lost connection.
                let _gone_already = leave.send(());
            }
            let (asks, asked) = oneshot::channel();
            self.leave.push_back(asks);
            let (maker, number) = (self.maker.clone(), self.maker.next);
            self.maker.next += 1;
            self.members.spawn(async move {
                match maker.open(number, true).await {
                    Ok((member, _)) => Member { asked, ..member }.run().await,
                    Err(BenchError::NotIn { client_id, fault }) => maker.run.lost_connection(&client_id, &fault),
                    Err(other) => maker.run.note(&other.to_string()),
                }
            });
            while let Some(done) = self.members.try_join_next() {
                done?;
            }
            replaced += 1;
        }
        Ok((self, replaced))
    }

    /// Waits until all have left.
    pub(super) async fn leave(mut self) -> Result<(), BenchError> {
        while let Some(done) = self.members.join_next().await {
            done?;
        }
        Ok(())
    }
}

impl Maker {
    /// Connects and subscribes one; a newcomer also publishes.
    async fn open(&self, number: u64, publishes: bool) -> Result<(Member, oneshot::Sender<()>), BenchError> {
        let client_id = format!("{}@@@c{number}", self.ground.group);
        let turn = |length: usize| usize::try_from(number).unwrap_or_default() % length;
        let (qos, (filter, topic)) = (self.qos[turn(self.qos.len())], &self.topics[turn(self.topics.len())]);
        let opened = async {
            let mut link = Link::open(&self.ground.steady.target, &client_id, Use::Quiet, Start::CLEAN).await?;
            link.subscribe(filter, qos).await?;
            if publishes {
                let packet_id = (qos != Qos::AtMostOnce).then_some(PACKET_ID);
                let (topic, payload) = (Some(topic.clone()), Bytes::from_static(b"newcomer"));
                let message = Publish { dup: false, qos, retain: false, topic, packet_id, properties: None, payload };
                link.put(&Packet::Publish(message));
                link.flush().await?;
            }
            Ok::<_, LinkError>(link)
        };
        let link = match opened.await {
            Ok(link) => link,
            Err(fault) => return Err(BenchError::NotIn { client_id, fault }),
        };
        let (leave, asked) = oneshot::channel();
        let inbox = Inbox::new(Ledgers::new(Mutex::default()), 0, Vec::new(), Arc::clone(&self.run)).publishing();
        let is_abrupt = number % 2 == 1;
        Ok((Member { link, client_id, inbox, run: Arc::clone(&self.run), is_abrupt, asked }, leave))
    }
}

impl Member {
    async fn run(mut self) {
        match self.work().await {
            Ok(()) if self.is_abrupt => {}
            Ok(()) => self.link.leave().await,
            Err(fault) => self.run.lost_connection(&self.client_id, &fault),
        }
    }

    async fn work(&mut self) -> Result<(), LinkError> {
        loop {
            self.inbox.take_all(&mut self.link).await?;
            tokio::select! {
                filled = self.link.fill() => filled?,
                _ = &mut self.asked => return Ok(()),
                () = self.run.end() => return Ok(()),
            }
        }
    }
}
