//! QoS 1 and 2 messages to the client that it has not acknowledged. Source: MQTT 5.0 sections 4.3, 4.4 and 4.9.

use std::collections::VecDeque;

/// Packet identifiers that there are.
const IDS: u16 = u16::MAX;

/// What a message in flight waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// QoS 1: PUBACK.
    Acknowledge,
    /// QoS 2: PUBREC.
    Receive,
    /// QoS 2: PUBCOMP. The message itself is done with.
    Complete,
}

/// A message in flight.
#[derive(Debug)]
pub struct InFlight<H> {
    /// Its packet identifier.
    pub id: u16,
    /// What it waits for.
    pub stage: Stage,
    /// What `broker` keeps to send it again; `None` where it never will be.
    pub held: Option<Box<H>>,
}

/// What a packet of the client did to a message in flight.
#[derive(Debug)]
pub(crate) enum Answered<H> {
    /// It goes on, or is over; with what was kept to send it again.
    Fits(Option<Box<H>>),
    /// No such identifier is in flight.
    Unknown,
    /// The message waits for another packet.
    OutOfTurn,
}

/// Messages in flight, in the order in which they were sent; nothing is held until the first.
#[derive(Debug)]
pub(crate) struct Outbound<H> {
    in_flight: VecDeque<InFlight<H>>,
    /// Of an earlier connection, to be sent again before anything new. [MQTT-4.4.0-1]
    again: VecDeque<InFlight<H>>,
    last: u16,
    /// Identifiers after `last` that are known to be free.
    free_ahead: u16,
}

impl<H> Default for Outbound<H> {
    fn default() -> Self {
        Self { in_flight: VecDeque::new(), again: VecDeque::new(), last: 0, free_ahead: 0 }
    }
}

impl<H> Outbound<H> {
    /// What was in flight before.
    pub(crate) fn kept(in_flight: Vec<InFlight<H>>) -> Self {
        let last = in_flight.last().map_or(0, |one| one.id);
        Self { in_flight: in_flight.into(), last, ..Self::default() }
    }

    /// Everything in flight is to be sent again.
    pub(crate) fn on_new_connection(mut self) -> Self {
        // What was not sent again on the last connection was sent before it, and comes after what was.
        self.in_flight.append(&mut self.again);
        self.again = std::mem::take(&mut self.in_flight);
        self
    }

    /// Messages in flight, those to be sent again included.
    pub(crate) fn len(&self) -> usize {
        self.in_flight.len() + self.again.len()
    }

    /// Whether another message may be sent while `most` may be in flight. [MQTT-4.9.0-2]
    pub(crate) fn has_room(&self, most: u16) -> bool {
        self.in_flight.len() < usize::from(most)
    }

    /// The next message to send again; its identifier stays taken once it is [entered](Self::enter) again.
    pub(crate) fn take_again(&mut self) -> Option<InFlight<H>> {
        let next = self.again.pop_front();
        if self.again.is_empty() {
            self.again = VecDeque::new();
        }
        next
    }

    /// What was taken comes first again.
    pub(crate) fn put_back(&mut self, one: InFlight<H>) {
        self.again.push_front(one);
    }

    pub(crate) fn has_again(&self) -> bool {
        !self.again.is_empty()
    }

    /// A free identifier. There is one: no more than a receive maximum are in flight.
    pub(crate) fn new_id(&mut self) -> u16 {
        while self.free_ahead == 0 {
            // Taken or at the end: step over it, and see how far the next taken one is.
            let next = self.after_last();
            if self.is_taken(next) {
                self.last = next;
                continue;
            }
            self.free_ahead = self.distance_to_taken();
        }
        self.free_ahead -= 1;
        self.last = self.after_last();
        self.last
    }

    fn after_last(&self) -> u16 {
        self.last.checked_add(1).unwrap_or(1)
    }

    fn all(&self) -> impl Iterator<Item = &InFlight<H>> {
        self.in_flight.iter().chain(&self.again)
    }

    fn is_taken(&self, id: u16) -> bool {
        self.all().any(|one| one.id == id)
    }

    /// How many identifiers after `last` are free in a row.
    fn distance_to_taken(&self) -> u16 {
        let ahead = |id: u16| if id > self.last { id - self.last - 1 } else { IDS - self.last + id - 1 };
        self.all().map(|one| ahead(one.id)).min().unwrap_or(IDS)
    }

    pub(crate) fn enter(&mut self, one: InFlight<H>) {
        self.in_flight.push_back(one);
    }

    /// Takes one out, whatever it waits for.
    pub(crate) fn take_one(&mut self, id: u16) -> Option<InFlight<H>> {
        let place = self.in_flight.iter().position(|one| one.id == id)?;
        self.in_flight.remove(place)
    }

    /// PUBACK, PUBCOMP, or a PUBREC that refuses: the message is over if it waits for `stage`.
    pub(crate) fn finish(&mut self, id: u16, stage: Stage) -> Answered<H> {
        let Some(place) = self.in_flight.iter().position(|one| one.id == id) else { return Answered::Unknown };
        if self.in_flight[place].stage != stage {
            return Answered::OutOfTurn;
        }
        let held = self.in_flight.remove(place).and_then(|one| one.held);
        if self.in_flight.is_empty() {
            // An idle client holds nothing.
            self.in_flight = VecDeque::new();
        }
        Answered::Fits(held)
    }

    /// PUBREC: the message is with the client, and its identifier waits for PUBCOMP.
    pub(crate) fn received(&mut self, id: u16) -> Answered<H> {
        let Some(one) = self.in_flight.iter_mut().find(|one| one.id == id) else { return Answered::Unknown };
        match one.stage {
            Stage::Acknowledge => Answered::OutOfTurn,
            // A PUBREC may come again.
            Stage::Receive | Stage::Complete => {
                one.stage = Stage::Complete;
                Answered::Fits(one.held.take())
            }
        }
    }

    /// Takes out what `is_wanted` by its stage and what is held: messages that others will get instead.
    pub(crate) fn take_if(&mut self, mut is_wanted: impl FnMut(Stage, &H) -> bool) -> Vec<(u16, H)> {
        let mut taken = Vec::new();
        for list in [&mut self.in_flight, &mut self.again] {
            list.retain_mut(|one| {
                let wanted = one.held.as_deref().is_some_and(|held| is_wanted(one.stage, held));
                if wanted {
                    taken.extend(one.held.take().map(|held| (one.id, *held)));
                }
                !wanted
            });
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(outbound: &mut Outbound<()>) -> u16 {
        let id = outbound.new_id();
        outbound.enter(InFlight { id, stage: Stage::Acknowledge, held: None });
        id
    }

    #[test]
    fn identifiers_in_flight_are_never_given_twice_mqtt_2_2_1_3() {
        let mut outbound = Outbound::default();
        let kept = send(&mut outbound);
        // Once around all of them, and further.
        for _ in 0..u32::from(IDS) * 2 {
            let id = send(&mut outbound);
            assert_ne!(id, 0);
            assert_ne!(id, kept);
            assert!(matches!(outbound.finish(id, Stage::Acknowledge), Answered::Fits(_)));
        }
        assert!(matches!(outbound.finish(kept, Stage::Acknowledge), Answered::Fits(_)));
        assert!(matches!(outbound.finish(kept, Stage::Acknowledge), Answered::Unknown));
    }

    #[test]
    fn identifiers_around_the_end_skip_what_is_taken() {
        let mut outbound = Outbound { last: IDS - 2, ..Outbound::default() };
        outbound.enter(InFlight { id: IDS, stage: Stage::Complete, held: None::<Box<()>> });
        outbound.enter(InFlight { id: 1, stage: Stage::Complete, held: None });
        assert_eq!([send(&mut outbound), send(&mut outbound), send(&mut outbound)], [IDS - 1, 2, 3]);
    }

    #[test]
    fn what_is_in_flight_is_sent_again_in_order_on_the_next_connection_mqtt_4_6_0_1() {
        let mut outbound = Outbound::default();
        let ids = [send(&mut outbound), send(&mut outbound), send(&mut outbound)];
        let mut outbound = outbound.on_new_connection();
        let first = outbound.take_again().unwrap();
        assert_eq!(first.id, ids[0]);
        outbound.enter(first);
        // Only the first was sent again before this connection broke too.
        let mut outbound = outbound.on_new_connection();
        let order: Vec<u16> = std::iter::from_fn(|| outbound.take_again()).map(|one| one.id).collect();
        assert_eq!(order, ids);
    }

    #[test]
    fn a_qos_2_message_goes_through_its_stages_in_turn() {
        let mut outbound = Outbound::default();
        let id = outbound.new_id();
        outbound.enter(InFlight { id, stage: Stage::Receive, held: Some(Box::new("message")) });
        assert!(matches!(outbound.finish(id, Stage::Acknowledge), Answered::OutOfTurn));
        assert!(matches!(outbound.finish(id, Stage::Complete), Answered::OutOfTurn));
        assert!(matches!(outbound.received(id), Answered::Fits(_)));
        assert!(matches!(outbound.received(id), Answered::Fits(_)));
        assert!(outbound.take_if(|_, _| true).is_empty(), "a message that was received is not kept");
        assert!(matches!(outbound.finish(id, Stage::Complete), Answered::Fits(_)));
        assert!(matches!(outbound.received(id), Answered::Unknown));
    }
}
