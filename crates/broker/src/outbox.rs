//! What waits for one receiver. Bounded; nothing is held while nothing waits.

use std::{collections::VecDeque, sync::Arc};

use sluice_model::Qos;
use smallvec::SmallVec;

use crate::message::Message;

/// Most messages that wait for one connection.
const MESSAGES_MAX: usize = 100_000;
/// Most bytes that wait for one connection.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// A message that matched, as the receiver asked for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) message: Arc<Message>,
    /// The lower of published and granted.
    pub(crate) qos: Qos,
    pub(crate) identifiers: SmallVec<[u32; 2]>,
    /// Sent to this client by name.
    pub(crate) point_to_point: bool,
}

/// What became of a message that was pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// It waits; the receiver must be woken.
    First,
    /// It waits behind others.
    Behind,
    /// The outbox is full.
    Full,
}

/// What waits for one receiver, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, waiting: Waiting) -> Pushed {
        let size = waiting.message.bytes;
        let queue = &mut self.waiting;
        if queue.len() >= MESSAGES_MAX || (self.bytes + size > BYTES_MAX && !queue.is_empty()) {
            return Pushed::Full;
        }
        self.bytes += size;
        queue.push_back(waiting);
        if queue.len() == 1 { Pushed::First } else { Pushed::Behind }
    }

    /// Puts back what could not be delivered yet, first in order.
    pub(crate) fn put_back(&mut self, waiting: Waiting) {
        self.bytes += waiting.message.bytes;
        self.waiting.push_front(waiting);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let next = self.waiting.pop_front();
        match &next {
            Some(waiting) => self.bytes -= waiting.message.bytes,
            // Gives the memory back.
            None => self.waiting = VecDeque::new(),
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use sluice_codec::{Properties, PublishFrame};
    use sluice_model::UnixMs;

    use super::*;

    fn waiting(payload: usize, correlation: usize) -> Waiting {
        let properties = Properties { correlation_data: Some(vec![0; correlation].into()), ..Properties::default() };
        let frame = PublishFrame::new("home/a".parse().unwrap(), vec![0; payload].into(), Some(Box::new(properties)));
        let message = Arc::new(Message::new(frame, Qos::AtLeastOnce, UnixMs(0), None));
        Waiting { message, qos: Qos::AtLeastOnce, identifiers: SmallVec::new(), point_to_point: false }
    }

    #[test]
    fn an_outbox_is_bounded_in_messages() {
        let mut outbox = Outbox::default();
        let first = waiting(0, 0);
        let message = Arc::clone(&first.message);
        assert_eq!(outbox.push(first), Pushed::First);
        for _ in 1..MESSAGES_MAX {
            let next = Waiting { message: Arc::clone(&message), ..waiting(0, 0) };
            assert_eq!(outbox.push(next), Pushed::Behind);
        }
        assert_eq!(outbox.push(waiting(0, 0)), Pushed::Full);
        assert!(outbox.pop().is_some());
        assert_eq!(outbox.push(waiting(0, 0)), Pushed::Behind);
    }

    #[test]
    fn properties_count_as_bytes_that_wait() {
        let mut outbox = Outbox::default();
        let fit = (0..).take_while(|_| outbox.push(waiting(0, 60_000)) != Pushed::Full).count();
        assert_eq!(fit, BYTES_MAX / waiting(0, 60_000).message.bytes);
        let taken = outbox.pop().unwrap();
        outbox.put_back(taken);
        assert_eq!(outbox.push(waiting(0, 60_000)), Pushed::Full);
        while outbox.pop().is_some() {}
        assert_eq!((outbox.bytes, outbox.waiting.capacity()), (0, 0));
    }
}
