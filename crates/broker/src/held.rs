//! What may leave for the client only once the log has what it promises: acknowledgements, and QoS 2 messages. In order.
//! DESIGN section 2, Acknowledgement.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use sluice_codec::{Packet, ReasonCode, encode};
use sluice_store::log::{LogFault, Ticket};

use crate::{Client, Flow, message::Waiting};

/// Encoded packets, each with what it waits for; nothing is held most of the time.
#[derive(Debug, Default)]
pub(crate) struct Held {
    packets: VecDeque<(Ticket, Bytes)>,
    /// The messages among them, in the same order: they are asked for again when they leave.
    asked: VecDeque<Waiting>,
    /// How many of them are messages.
    messages: u32,
    bytes: u32,
}

/// Bytes that wait in a connection; with more, nothing is delivered to it until some may leave.
const BYTES_MAX: u32 = 256 * 1024;

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether a message waits: later ones leave behind it.
    pub(crate) fn has_messages(&self) -> bool {
        self.messages > 0
    }

    /// Whether messages have to wait in the outbox, where they are bounded.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX
    }

    fn push(&mut self, ticket: Ticket, encoded: Bytes) {
        self.messages += u32::from(is_message(&encoded));
        self.bytes = self.bytes.saturating_add(size(&encoded));
        self.packets.push_back((ticket, encoded));
    }

    fn pop(&mut self) {
        if let Some((_, encoded)) = self.packets.pop_front() {
            self.messages -= u32::from(is_message(&encoded));
            self.bytes = self.bytes.saturating_sub(size(&encoded));
        }
    }
}

fn size(encoded: &Bytes) -> u32 {
    u32::try_from(encoded.len()).unwrap_or(u32::MAX)
}

/// Whether an encoded packet is a PUBLISH.
fn is_message(encoded: &[u8]) -> bool {
    encoded.first().is_some_and(|first| first >> 4 == 3)
}

/// What a client is told when the log is broken.
pub(crate) fn reason_of(fault: LogFault) -> ReasonCode {
    match fault {
        LogFault::Full | LogFault::ReadOnly => ReasonCode::QuotaExceeded,
        LogFault::Broken => ReasonCode::ImplementationSpecificError,
    }
}

impl Client {
    /// Writes a packet once its ticket is settled, behind what waits already. [MQTT-4.6.0-2 to -4]
    pub(crate) fn write_when(&mut self, ticket: Option<Ticket>, packet: Option<Packet>, out: &mut BytesMut) -> Flow {
        let behind = self.held.packets.back().map(|last| last.0);
        let Some(ticket) = ticket.filter(|ticket| !self.broker.journal.is_settled(*ticket)).or(behind) else {
            return self.write(packet, out);
        };
        let Some(packet) = packet else { return Flow::Continue };
        let mut encoded = BytesMut::new();
        encode(&packet, self.session.version(), &mut encoded);
        if !self.session.takes(encoded.len()) {
            return Flow::Close;
        }
        self.hold(ticket, encoded.freeze());
        Flow::Continue
    }

    /// A message that may be held was encoded: it is asked for again when it leaves.
    pub(crate) fn hold_message(&mut self, waiting: Waiting) {
        self.held.asked.push_back(waiting);
    }

    /// Writes what was encoded once its ticket is settled, behind what waits already.
    pub(crate) fn put_when(&mut self, ticket: Ticket, encoded: BytesMut, out: &mut BytesMut) {
        if self.held.is_empty() && self.broker.journal.is_settled(ticket) {
            out.extend_from_slice(&encoded);
        } else {
            self.hold(ticket, encoded.freeze());
        }
    }

    /// Writes what was encoded, behind what waits already; nothing was where it is empty.
    pub(crate) fn put_behind(&mut self, encoded: BytesMut, out: &mut BytesMut) {
        match self.held.packets.back() {
            _ if encoded.is_empty() => {}
            Some(&(ticket, _)) => self.hold(ticket, encoded.freeze()),
            None => out.extend_from_slice(&encoded),
        }
    }

    fn hold(&mut self, ticket: Ticket, encoded: Bytes) {
        if self.held.is_empty() {
            self.broker.journal.notify(ticket, &self.link);
        }
        self.held.push(ticket, encoded);
    }

    /// Adds what may leave now.
    ///
    /// # Errors
    /// [`LogFault::Broken`]: what waits never may.
    pub(crate) fn release(&mut self, out: &mut BytesMut) -> Result<(), LogFault> {
        if self.held.is_empty() {
            return Ok(());
        }
        let now = self.now();
        while let Some((ticket, encoded)) = self.held.packets.front().cloned() {
            let journal = &self.broker.journal;
            if !journal.is_settled(ticket) {
                if journal.is_broken() {
                    return Err(LogFault::Broken);
                }
                journal.notify(ticket, &self.link);
                return Ok(());
            }
            self.held.pop();
            // Whoever lost a right meanwhile gets nothing by it; what is in flight is given up on the next connection.
            let is_permitted = !is_message(&encoded)
                || self.held.asked.pop_front().is_some_and(|waiting| self.may_receive(&waiting, now));
            if is_permitted {
                out.extend_from_slice(&encoded);
            }
        }
        // An idle client holds nothing.
        self.held = Held::default();
        Ok(())
    }
}
