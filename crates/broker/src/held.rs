//! What may leave for the client only once the log has what it promises: acknowledgements, and QoS 2 messages. In order.
//! DESIGN section 2, Acknowledgement.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use sluice_codec::{Packet, ReasonCode, encode};
use sluice_store::log::{LogFault, Ticket};

use crate::{Client, Flow};

/// Encoded packets, each with what it waits for; nothing is held most of the time.
#[derive(Debug, Default)]
pub(crate) struct Held(VecDeque<(Ticket, Bytes)>);

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
        let behind = self.held.0.back().map(|last| last.0);
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

    /// Writes what was encoded once its ticket is settled, behind what waits already.
    pub(crate) fn put_when(&mut self, ticket: Ticket, encoded: BytesMut, out: &mut BytesMut) {
        if self.held.is_empty() && self.broker.journal.is_settled(ticket) {
            out.extend_from_slice(&encoded);
        } else {
            self.hold(ticket, encoded.freeze());
        }
    }

    fn hold(&mut self, ticket: Ticket, encoded: Bytes) {
        if self.held.is_empty() {
            self.broker.journal.notify(ticket, &self.link);
        }
        self.held.0.push_back((ticket, encoded));
    }

    /// Adds what may leave now.
    ///
    /// # Errors
    /// [`LogFault::Broken`]: what waits never may.
    pub(crate) fn release(&mut self, out: &mut BytesMut) -> Result<(), LogFault> {
        let journal = &self.broker.journal;
        if self.held.is_empty() {
            return Ok(());
        }
        while let Some((ticket, encoded)) = self.held.0.front() {
            if !journal.is_settled(*ticket) {
                if journal.is_broken() {
                    return Err(LogFault::Broken);
                }
                journal.notify(*ticket, &self.link);
                return Ok(());
            }
            out.extend_from_slice(encoded);
            self.held.0.pop_front();
        }
        // An idle client holds nothing.
        self.held = Held::default();
        Ok(())
    }
}
