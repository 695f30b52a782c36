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

/// A connected receiver.
pub(crate) struct Subscriber {
    pub(crate) link: Link,
    pub(crate) client_id: String,
    /// Of the publishers that it hears, from `first_publisher` on.
    pub(crate) ledgers: Ledgers,
    pub(crate) first_publisher: u32,
    /// Of the same publishers.
    pub(crate) flows: Vec<Arc<Flow>>,
    pub(crate) run: Arc<Run>,
}

/// What came with one read, kept between reads for its memory.
#[derive(Default)]
struct Batch {
    due_ns: Vec<u64>,
    /// Publishers to wake.
    heard: Vec<usize>,
    /// QoS 2 identifiers between PUBLISH and PUBREL. [MQTT-4.3.3-10]
    released_later: HashSet<u16>,
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
        let mut batch = Batch::default();
        loop {
            tokio::select! {
                filled = self.link.fill() => filled?,
                _ = phase.changed() => {
                    if *phase.borrow_and_update() == Phase::End {
                        return Ok(());
                    }
                    continue;
                }
            }
            while let Some(packet) = self.link.next()? {
                self.take(packet, &mut batch)?;
            }
            self.run.record(&batch.due_ns, self.run.now_ns());
            batch.due_ns.clear();
            self.link.flush().await?;
            for publisher in batch.heard.drain(..) {
                self.flows[publisher].wake.notify_one();
            }
        }
    }

    fn take(&mut self, packet: Packet, batch: &mut Batch) -> Result<(), LinkError> {
        match packet {
            Packet::Publish(publish) => {
                let is_first = match (publish.qos, publish.packet_id) {
                    (Qos::AtLeastOnce, Some(id)) => {
                        self.link.acknowledge(Packet::PubAck, id);
                        true
                    }
                    (Qos::ExactlyOnce, Some(id)) => {
                        self.link.acknowledge(Packet::PubRec, id);
                        batch.released_later.insert(id)
                    }
                    _ => true,
                };
                if is_first {
                    self.enter(&publish, batch);
                }
                Ok(())
            }
            Packet::PubRel(ack) => {
                batch.released_later.remove(&ack.packet_id);
                self.link.acknowledge(Packet::PubComp, ack.packet_id);
                Ok(())
            }
            _ => Err(LinkError::Unexpected),
        }
    }

    /// Counts a message; one of another run or client is none of ours.
    fn enter(&self, publish: &Publish, batch: &mut Batch) {
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
        batch.due_ns.push(stamp.due_ns);
        if batch.heard.last() != Some(&place) && !batch.heard.contains(&place) {
            batch.heard.push(place);
        }
    }
}
