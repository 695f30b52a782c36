//! A publishing client.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use sluice_codec::{Ack, Packet};
use sluice_model::Qos;
use tokio::{sync::watch, time::sleep};

use super::{
    link::{Link, LinkError},
    pace::{Flow, Schedule},
    run::{Phase, Run},
    stamp::{Stamp, Template},
};

/// A publisher whose messages stay on their way for so long writes them off and goes on.
const STALL: Duration = Duration::from_millis(500);
/// Most bytes put together before they are sent.
const BATCH_BYTES: usize = 64 * 1024;

/// How a publisher is paced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// At most so many messages on their way.
    Window(u64),
    /// When each is due.
    Due(Schedule),
}

/// Messages that wait for the end of their acknowledgement, in the order in which their identifiers come round again.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    ids: VecDeque<u16>,
    last: u16,
}

impl InFlight {
    /// An identifier that is not in use; `None` when all are. [MQTT-2.3.1-2]
    pub(crate) fn take(&mut self) -> Option<u16> {
        if self.ids.len() >= usize::from(u16::MAX) {
            return None;
        }
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            // Identifiers go round, so the first that is held is the next to be met.
            if self.ids.front() == Some(&self.last) {
                self.ids.rotate_left(1);
            } else {
                self.ids.push_back(self.last);
                return Some(self.last);
            }
        }
    }

    /// Ends one; `false` when it was not in flight.
    pub(crate) fn end(&mut self, id: u16) -> bool {
        match self.ids.iter().position(|held| *held == id) {
            Some(place) => self.ids.remove(place).is_some(),
            None => false,
        }
    }

    pub(crate) fn contains(&self, id: u16) -> bool {
        self.ids.contains(&id)
    }

    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.ids.len()).expect("at most 65,535")
    }
}

/// A connected publisher.
pub(crate) struct Publisher {
    pub(crate) link: Link,
    pub(crate) client_id: String,
    pub(crate) number: u32,
    pub(crate) qos: Qos,
    pub(crate) template: Template,
    pub(crate) pace: watch::Receiver<Option<Pace>>,
    pub(crate) flow: Arc<Flow>,
    pub(crate) run: Arc<Run>,
    pub(crate) sent: u64,
    /// Written off as never arriving.
    pub(crate) forgiven: u64,
    pub(crate) in_flight: InFlight,
}

impl Publisher {
    /// Sends until the run ends; how many messages were sent.
    pub(crate) async fn run(mut self) -> u64 {
        match self.work().await {
            Ok(()) => self.link.leave().await,
            Err(error) => self.run.lost_connection(&self.client_id, &error),
        }
        self.sent
    }

    async fn work(&mut self) -> Result<(), LinkError> {
        let mut phase = self.run.phase();
        loop {
            let now = *phase.borrow_and_update();
            match now {
                Phase::Gather | Phase::Drain => {}
                Phase::Send => self.send_allowed(),
                Phase::End => return Ok(()),
            }
            self.link.flush().await?;
            let before = self.progress();
            tokio::select! {
                filled = self.link.fill() => { filled?; self.take_acknowledgements()?; }
                () = self.flow.wake.notified() => {}
                _ = phase.changed() => {}
                () = sleep(STALL) => if now == Phase::Send && self.progress() == before { self.write_off() },
            }
        }
    }

    fn progress(&self) -> (u64, u64) {
        (self.flow.delivered(), self.in_flight.len())
    }

    /// Messages that may be sent now.
    fn room(&self) -> u64 {
        let Some(pace) = *self.pace.borrow() else { return 0 };
        let paced = match pace {
            Pace::Due(_) => self.flow.due().saturating_sub(self.sent),
            Pace::Window(window) => {
                let arrived = (self.flow.delivered() + self.forgiven).min(self.sent);
                window.saturating_sub((self.sent - arrived).max(self.in_flight.len()))
            }
        };
        if self.qos == Qos::AtMostOnce {
            return paced;
        }
        // [MQTT-3.3.4-9]
        paced.min(self.link.receive_maximum().saturating_sub(self.in_flight.len()))
    }

    fn send_allowed(&mut self) {
        let Some(pace) = *self.pace.borrow() else { return };
        for _ in 0..self.room() {
            if self.link.outbound().len() >= BATCH_BYTES {
                // The rest follows with the next turn.
                self.flow.wake.notify_one();
                return;
            }
            let packet_id = if self.qos == Qos::AtMostOnce {
                0
            } else {
                match self.in_flight.take() {
                    Some(id) => id,
                    None => return,
                }
            };
            let due_ns = match pace {
                Pace::Window(_) => self.run.now_ns(),
                Pace::Due(schedule) => schedule.due_ns(u64::from(self.number), self.sent),
            };
            let Ok(number) = u32::try_from(self.sent) else { return };
            self.template.write(packet_id, Stamp { due_ns, publisher: self.number, number }, self.link.outbound());
            self.sent += 1;
            self.run.sent.fetch_add(1, Relaxed);
        }
    }

    fn take_acknowledgements(&mut self) -> Result<(), LinkError> {
        while let Some(packet) = self.link.next()? {
            match packet {
                Packet::PubAck(ack) if self.qos == Qos::AtLeastOnce => self.end(&ack)?,
                Packet::PubComp(ack) if self.qos == Qos::ExactlyOnce => self.end(&ack)?,
                Packet::PubRec(ack) if self.in_flight.contains(ack.packet_id) => {
                    if ack.reason.is_failure() {
                        self.end(&ack)?;
                    } else {
                        self.link.acknowledge(Packet::PubRel, ack.packet_id);
                    }
                }
                _ => return Err(LinkError::Unexpected),
            }
        }
        Ok(())
    }

    fn end(&mut self, ack: &Ack) -> Result<(), LinkError> {
        if !self.in_flight.end(ack.packet_id) {
            return Err(LinkError::Unexpected);
        }
        self.run.acknowledged.fetch_add(1, Relaxed);
        Ok(())
    }

    /// What has not arrived no longer holds the window; it still counts as lost when it never comes.
    fn write_off(&mut self) {
        let missing = self.sent.saturating_sub(self.flow.delivered());
        if matches!(*self.pace.borrow(), Some(Pace::Window(_))) && missing > self.forgiven {
            self.forgiven = missing;
            self.run.stalls.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_in_flight_is_not_given_again_mqtt_2_3_1_2() {
        let mut in_flight = InFlight::default();
        assert_eq!((in_flight.take(), in_flight.take(), in_flight.take()), (Some(1), Some(2), Some(3)));
        assert!(in_flight.end(1) && in_flight.end(3) && !in_flight.end(3));
        for expected in (4..=u16::MAX).chain([1, 3]) {
            assert_eq!(in_flight.take(), Some(expected));
        }
        assert_eq!(in_flight.take(), None);
        assert!(in_flight.end(9));
        assert_eq!(in_flight.take(), Some(9));
    }
}
