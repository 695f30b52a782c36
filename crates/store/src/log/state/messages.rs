//! Of each message: where it is, who waits for it, how many have it in flight.

use std::collections::BTreeMap;

use ahash::AHashMap;
use smallvec::SmallVec;

use super::{MessageId, Place, QueueId, Receiver};

/// A mark on a queue's number: the message waits there no more. Numbers are counted up from 1 and never reach it.
const DONE: u64 = 1 << 63;

/// Messages by number, and what live ones there are a segment.
#[derive(Debug, Default)]
pub(in crate::log) struct Messages {
    /// In order: what comes and goes together is together, it never grows all at once under the log's lock, and a backlog that
    /// is over keeps no memory.
    by_id: BTreeMap<MessageId, MessageState>,
    /// Receivers that wait again after they were in flight, and that the message's record does not name.
    returned: AHashMap<MessageId, Vec<Receiver>>,
    live: BTreeMap<u64, Live>,
    /// Bytes of all records of messages that somebody waits for.
    bytes: u64,
    /// Of messages that have a record.
    count: u64,
    is_reading: bool,
}

/// What counts in a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::log) struct Live {
    pub(in crate::log) messages: u64,
    pub(in crate::log) bytes: u64,
}

/// A message.
#[derive(Debug, Default)]
pub(in crate::log) struct MessageState {
    /// Of 0 bytes while no record of it was read.
    place: Place,
    tenant: u32,
    in_flight: u32,
    /// Of the queues below, those that are not done, and those that wait again.
    waiting: u32,
    /// Of the receivers in the record, in order.
    queues: SmallVec<[u64; 1]>,
}

impl MessageState {
    fn is_over(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0
    }

    /// Whether it waits for a queue that its record names.
    pub(in crate::log) fn waits(&self, queue: u64) -> bool {
        self.queues.binary_search_by_key(&queue, |it| it & !DONE).is_ok_and(|at| self.queues[at] & DONE == 0)
    }

    pub(in crate::log) fn segment(&self) -> u64 {
        self.place.segment
    }

    fn sift(&mut self, returned: Option<&mut Vec<Receiver>>, is_queue: impl Fn(u64) -> bool) {
        for queue in self.queues.iter_mut().filter(|queue| **queue & DONE == 0) {
            if !is_queue(*queue) {
                *queue |= DONE;
                self.waiting -= 1;
            }
        }
        if let Some(returned) = returned {
            let before = returned.len();
            returned.retain(|receiver| is_queue(receiver.queue.0));
            self.waiting -= u32::try_from(before - returned.len()).unwrap_or(0);
        }
    }
}

impl Messages {
    pub(super) fn reading() -> Self {
        Self { is_reading: true, ..Self::default() }
    }

    pub(super) fn is_reading(&self) -> bool {
        self.is_reading
    }

    /// Messages that somebody waits for.
    pub(in crate::log) fn count(&self) -> u64 {
        self.count
    }

    /// Their bytes.
    pub(in crate::log) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What counts in a segment.
    pub(in crate::log) fn live_in(&self, segment: u64) -> Live {
        self.live.get(&segment).copied().unwrap_or_default()
    }

    /// A message by number, where a record of it was read.
    pub(in crate::log) fn get(&self, message: MessageId) -> Option<&MessageState> {
        self.by_id.get(&message).filter(|it| it.place.bytes > 0)
    }

    pub(super) fn is_written(&self, message: MessageId) -> bool {
        self.get(message).is_some()
    }

    /// Receivers that the record does not name and that wait again.
    pub(in crate::log) fn returned_of(&self, message: MessageId) -> &[Receiver] {
        self.returned.get(&message).map_or(&[], Vec::as_slice)
    }

    /// A record with these receivers' queues.
    pub(super) fn insert(&mut self, message: MessageId, tenant: u32, queues: SmallVec<[u64; 1]>, place: Place) {
        let mut queues = queues;
        if !queues.is_sorted() {
            queues.sort_unstable();
        }
        queues.dedup();
        self.returned.remove(&message);
        let it = self.by_id.entry(message).or_default();
        let before = std::mem::replace(&mut it.place, place);
        it.tenant = tenant;
        it.waiting = u32::try_from(queues.len()).unwrap_or(u32::MAX);
        it.queues = queues;
        self.uncount(before);
        let live = self.live.entry(place.segment).or_default();
        live.messages += 1;
        live.bytes += u64::from(place.bytes);
        self.bytes += u64::from(place.bytes);
        self.count += 1;
        self.let_go(message);
    }

    /// It does not wait in a queue any more.
    pub(super) fn done(&mut self, message: MessageId, queue: QueueId) {
        self.mark(message, queue);
        self.let_go(message);
    }

    /// It is in flight, and where it waited in `queue` it does not any more.
    pub(super) fn took_off(&mut self, message: MessageId, queue: Option<QueueId>) {
        self.by_id.entry(message).or_default().in_flight += 1;
        if let Some(queue) = queue {
            self.mark(message, queue);
        }
    }

    /// One that had it in flight has not any more.
    pub(super) fn landed(&mut self, message: MessageId) {
        if let Some(it) = self.by_id.get_mut(&message) {
            it.in_flight = it.in_flight.saturating_sub(1);
        }
        self.let_go(message);
    }

    /// It waits again where it was in flight.
    pub(super) fn returned(&mut self, message: MessageId, receiver: Receiver) {
        // What is over is kept while reading only: then it may well wait again.
        let Some(it) = self.by_id.get_mut(&message).filter(|it| it.place.bytes > 0) else { return };
        match it.queues.binary_search_by_key(&receiver.queue.0, |it| it & !DONE) {
            Ok(at) => {
                it.waiting += u32::from(it.queues[at] & DONE != 0);
                it.queues[at] &= !DONE;
            }
            Err(_) => {
                let returned = self.returned.entry(message).or_default();
                if returned.iter().all(|other| other.queue != receiver.queue) {
                    returned.push(receiver);
                    it.waiting += 1;
                }
            }
        }
    }

    /// It was written again at another place, with those who wait now.
    pub(in crate::log) fn moved(&mut self, message: MessageId, place: Place) {
        let Some(it) = self.by_id.get(&message) else { return };
        let waiting = it.queues.iter().copied().filter(|queue| queue & DONE == 0);
        let queues = waiting.chain(self.returned_of(message).iter().map(|it| it.queue.0)).collect();
        self.insert(message, it.tenant, queues, place);
    }

    /// Of those who wait for a message, only those remain whose queues are still there.
    pub(in crate::log) fn sift(&mut self, message: MessageId, is_queue: impl Fn(u64) -> bool) {
        let Some(it) = self.by_id.get_mut(&message) else { return };
        it.sift(self.returned.get_mut(&message), is_queue);
        self.let_go(message);
    }

    /// Nobody waits for it.
    pub(in crate::log) fn forget(&mut self, message: MessageId) {
        if self.by_id.get(&message).is_some_and(|it| it.in_flight == 0) {
            self.remove(message);
        }
    }

    pub(super) fn remove_of(&mut self, tenant: u32) {
        let of_tenant = self.by_id.iter().filter(|(_, it)| it.tenant == tenant && it.place.bytes > 0);
        for message in of_tenant.map(|(message, _)| *message).collect::<Vec<_>>() {
            self.remove(message);
        }
    }

    /// After the last record: lets go of all that nobody waits for, where `is_queue` says who is still there.
    pub(super) fn settle(&mut self, is_queue: impl Fn(u64) -> bool) {
        self.is_reading = false;
        for (message, it) in &mut self.by_id {
            it.sift(self.returned.get_mut(message), &is_queue);
        }
        let over = self.by_id.iter().filter(|(_, it)| it.is_over() || it.place.bytes == 0);
        for message in over.map(|(message, _)| *message).collect::<Vec<_>>() {
            self.remove(message);
        }
    }

    fn mark(&mut self, message: MessageId, queue: QueueId) {
        let Some(it) = self.by_id.get_mut(&message) else { return };
        match it.queues.binary_search_by_key(&queue.0, |it| it & !DONE) {
            Ok(at) => {
                it.waiting -= u32::from(it.queues[at] & DONE == 0);
                it.queues[at] |= DONE;
            }
            Err(_) => {
                let Some(returned) = self.returned.get_mut(&message) else { return };
                let before = returned.len();
                returned.retain(|receiver| receiver.queue != queue);
                it.waiting -= u32::try_from(before - returned.len()).unwrap_or(0);
                if returned.is_empty() {
                    self.returned.remove(&message);
                }
            }
        }
    }

    fn let_go(&mut self, message: MessageId) {
        if !self.is_reading && self.by_id.get(&message).is_some_and(MessageState::is_over) {
            self.remove(message);
        }
    }

    fn remove(&mut self, message: MessageId) {
        self.returned.remove(&message);
        if let Some(it) = self.by_id.remove(&message) {
            self.uncount(it.place);
        }
    }

    fn uncount(&mut self, place: Place) {
        if place.bytes == 0 {
            return;
        }
        self.bytes -= u64::from(place.bytes);
        self.count -= 1;
        if let Some(live) = self.live.get_mut(&place.segment) {
            live.messages -= 1;
            live.bytes -= u64::from(place.bytes);
            if live.messages == 0 {
                self.live.remove(&place.segment);
            }
        }
    }
}
