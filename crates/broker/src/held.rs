//! What may leave for the client only once the log has what it promises: acknowledgements, and QoS 2 messages. In order.
//! DESIGN section 2, Acknowledgement.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use sluice_codec::{Packet, ReasonCode, encode};
use sluice_model::UnixMs;
use sluice_store::log::{LogFault, Ticket};

use crate::{Client, Flow, message::Waiting};

/// Encoded packets, each with what it waits for; nothing is held most of the time.
#[derive(Debug, Default)]
pub(crate) struct Held {
    packets: VecDeque<Waits>,
    /// How many of them are messages.
    messages: u32,
    bytes: u32,
}

#[derive(Debug)]
struct Waits {
    ticket: Ticket,
    encoded: Bytes,
    /// Of a message: it is asked for again when it leaves.
    copy: Option<Box<HeldCopy>>,
}

/// A copy of a message that was permitted and encoded.
#[derive(Debug)]
pub(crate) struct HeldCopy {
    pub(crate) waiting: Waiting,
    /// Its packet identifier.
    pub(crate) id: Option<u16>,
    /// Whether the client may have it from an earlier connection.
    pub(crate) is_again: bool,
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

    fn last_ticket(&self) -> Option<Ticket> {
        self.packets.back().map(|last| last.ticket)
    }

    fn push(&mut self, waits: Waits) {
        self.messages += u32::from(waits.copy.is_some());
        self.bytes = self.bytes.saturating_add(size(&waits.encoded));
        self.packets.push_back(waits);
    }

    fn pop(&mut self) -> Option<Waits> {
        let waits = self.packets.pop_front()?;
        self.messages -= u32::from(waits.copy.is_some());
        self.bytes = self.bytes.saturating_sub(size(&waits.encoded));
        Some(waits)
    }
}

fn size(encoded: &Bytes) -> u32 {
    u32::try_from(encoded.len()).unwrap_or(u32::MAX)
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
        let behind = self.held.last_ticket();
        let Some(ticket) = ticket.filter(|ticket| !self.broker.journal.is_settled(*ticket)).or(behind) else {
            return self.write(packet, out);
        };
        let Some(packet) = packet else { return Flow::Continue };
        let mut encoded = BytesMut::new();
        encode(&packet, self.session.version(), &mut encoded);
        if !self.session.takes(encoded.len()) {
            return Flow::Close;
        }
        self.hold(Waits { ticket, encoded: encoded.freeze(), copy: None });
        Flow::Continue
    }

    /// Writes what was encoded once its ticket is settled, behind what waits already.
    pub(crate) fn put_when(
        &mut self,
        ticket: Ticket,
        encoded: BytesMut,
        copy: Option<Box<HeldCopy>>,
        out: &mut BytesMut,
    ) {
        if self.held.is_empty() && self.broker.journal.is_settled(ticket) {
            out.extend_from_slice(&encoded);
        } else {
            self.hold(Waits { ticket, encoded: encoded.freeze(), copy });
        }
    }

    /// Writes a copy that waits for nothing itself, behind what waits already.
    pub(crate) fn put_behind(&mut self, encoded: BytesMut, copy: Box<HeldCopy>, out: &mut BytesMut) {
        match self.held.last_ticket() {
            Some(ticket) => self.hold(Waits { ticket, encoded: encoded.freeze(), copy: Some(copy) }),
            None => out.extend_from_slice(&encoded),
        }
    }

    fn hold(&mut self, waits: Waits) {
        if self.held.is_empty() {
            self.broker.journal.notify(waits.ticket, &self.link);
        }
        self.held.push(waits);
    }

    /// Adds what may leave now. A copy is asked for again: a right may have been taken back while it waited.
    ///
    /// # Errors
    /// [`LogFault::Broken`]: what waits never may.
    pub(crate) fn release(&mut self, now: UnixMs, out: &mut BytesMut) -> Result<(), LogFault> {
        while let Some(ticket) = self.held.packets.front().map(|first| first.ticket) {
            let journal = &self.broker.journal;
            if !journal.is_settled(ticket) {
                if journal.is_broken() {
                    return Err(LogFault::Broken);
                }
                journal.notify(ticket, &self.link);
                return Ok(());
            }
            let Some(Waits { encoded, copy, .. }) = self.held.pop() else { break };
            match copy {
                Some(copy) if !self.may_receive(&copy.waiting, now) => {
                    if self.is_undecided {
                        // The connection is about to be closed: it stays in flight, and is asked for when the client is back.
                        return Ok(());
                    }
                    self.withhold(&copy, out)?;
                }
                _ => out.extend_from_slice(&encoded),
            }
        }
        // An idle client holds nothing.
        self.held = Held::default();
        Ok(())
    }

    /// A copy is not written after all. Its identifier is free, unless the client may know it; one of a shared subscription
    /// goes to another member.
    fn withhold(&mut self, copy: &HeldCopy, out: &mut BytesMut) -> Result<(), LogFault> {
        let Some((id, one)) = copy.id.and_then(|id| Some((id, self.session.take_one(id)?))) else { return Ok(()) };
        if copy.is_again {
            return self.give_up(one.stage, id, out);
        }
        match one.held {
            Some(waiting) if waiting.share.is_some() => {
                self.broker.journal.withdrawn(self.link.id, id);
                let live = Arc::clone(&self.link.identity.instance);
                self.broker.pass_on(&live, *waiting, self.link.id, &mut self.turn.wakes);
            }
            _ => self.broker.journal.acknowledged(self.link.id, id),
        }
        Ok(())
    }
}
