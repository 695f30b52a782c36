//! A receiving client.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use parking_lot::Mutex;
use sluice_codec::{Packet, Publish};
use sluice_model::Qos;

use super::{
    ledger::Ledger,
    link::{Link, LinkError},
    pace::Flow,
    run::{Phase, Run},
    stamp::Stamp,
};

/// The ledgers of a run of publishers; shared by the members of a shared subscription, else a receiver's own.
pub(crate) type Ledgers = Arc<Mutex<Vec<Ledger>>>;

/// What a receiver does with what comes. It outlives the connection, as a stored session does.
pub(crate) struct Inbox {
    /// Of the publishers that are heard, from `first_publisher` on.
    ledgers: Ledgers,
    first_publisher: u32,
    /// Of the same publishers.
    flows: Vec<Arc<Flow>>,
    run: Arc<Run>,
    /// QoS 2 identifiers between PUBLISH and PUBREL. [MQTT-4.3.3-10]
    unreleased: HashSet<u16>,
    /// Whether latency is of interest.
    is_timed: bool,
    /// Whether the client publishes too, so that acknowledgements come.
    is_publishing: bool,
    /// When the messages of the last read were due.
    due_ns: Vec<u64>,
    /// Publishers to wake.
    heard: Vec<usize>,
}

impl Inbox {
    pub(crate) fn new(ledgers: Ledgers, first_publisher: u32, flows: Vec<Arc<Flow>>, run: Arc<Run>) -> Self {
        Self {
            ledgers,
            first_publisher,
            flows,
            run,
            unreleased: HashSet::new(),
            is_timed: true,
            is_publishing: false,
            due_ns: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Leaves latency out: time away would be in it.
    pub(crate) fn untimed(self) -> Self {
        Self { is_timed: false, ..self }
    }

    /// Takes the acknowledgements of the client's own messages too.
    pub(crate) fn publishing(self) -> Self {
        Self { is_publishing: true, ..self }
    }

    /// Takes all packets that have come, answers them, and tells the publishers.
    pub(crate) async fn take_all(&mut self, link: &mut Link) -> Result<(), LinkError> {
        while let Some(packet) = link.next()? {
            self.take(link, &packet)?;
        }
        if self.is_timed && !self.due_ns.is_empty() {
            self.run.record(&self.due_ns, self.run.now_ns());
        }
        self.due_ns.clear();
        link.flush().await?;
        for publisher in self.heard.drain(..) {
            self.flows[publisher].wake.notify_one();
        }
        Ok(())
    }

    fn take(&mut self, link: &mut Link, packet: &Packet) -> Result<(), LinkError> {
        match packet {
            Packet::Publish(publish) => {
                let is_first = match (publish.qos, publish.packet_id) {
                    (Qos::AtLeastOnce, Some(id)) => {
                        link.acknowledge(Packet::PubAck, id);
                        true
                    }
                    (Qos::ExactlyOnce, Some(id)) => {
                        link.acknowledge(Packet::PubRec, id);
                        self.unreleased.insert(id)
                    }
                    _ => true,
                };
                if is_first {
                    self.enter(publish);
                }
                Ok(())
            }
            Packet::PubRel(ack) => {
                self.unreleased.remove(&ack.packet_id);
                link.acknowledge(Packet::PubComp, ack.packet_id);
                Ok(())
            }
            Packet::PubAck(_) | Packet::PubComp(_) if self.is_publishing => Ok(()),
            Packet::PubRec(ack) if self.is_publishing => {
                link.acknowledge(Packet::PubRel, ack.packet_id);
                Ok(())
            }
            _ => Err(LinkError::Unexpected),
        }
    }

    /// Counts a message; one of another run or client is none of ours.
    fn enter(&mut self, publish: &Publish) {
        let Some(stamp) = Stamp::read(&publish.payload) else { return };
        let Some(place) = stamp.publisher.checked_sub(self.first_publisher) else { return };
        let Ok(place) = usize::try_from(place) else { return };
        let is_new = match self.ledgers.lock().get_mut(place) {
            Some(ledger) => ledger.enter(stamp.number),
            None => return,
        };
        if !is_new {
            return;
        }
        self.run.received.fetch_add(1, Relaxed);
        self.flows[place].delivered_one();
        self.due_ns.push(stamp.due_ns);
        if self.heard.last() != Some(&place) && !self.heard.contains(&place) {
            self.heard.push(place);
        }
    }
}

/// A connected receiver.
pub(crate) struct Subscriber {
    pub(crate) link: Link,
    pub(crate) client_id: String,
    pub(crate) inbox: Inbox,
    pub(crate) run: Arc<Run>,
}

impl Subscriber {
    /// Receives until the run ends.
    pub(crate) async fn run(mut self) {
        match self.work().await {
            Ok(()) => self.link.leave().await,
            Err(error) => self.run.lost_connection(&self.client_id, &error),
        }
    }

    async fn work(&mut self) -> Result<(), LinkError> {
        let mut phase = self.run.phase();
        loop {
            // First what came together with SUBACK.
            self.inbox.take_all(&mut self.link).await?;
            tokio::select! {
                filled = self.link.fill() => filled?,
                _ = phase.changed() => {
                    if *phase.borrow_and_update() == Phase::End {
                        return Ok(());
                    }
                }
            }
        }
    }
}
