//! What waits for one session, and where the session is. Bounded; nothing is held while nothing waits.

use std::collections::VecDeque;

use sluice_model::{Limits, Qos, UnixMs};
use sluice_session::SessionState;
use tokio::sync::oneshot;

use crate::{message::Waiting, will::PendingWill};

/// A session between two connections.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) state: SessionState<Waiting>,
    /// A will whose delay has not passed.
    pub(crate) will: Option<Box<PendingWill>>,
    /// When the session ends, in steady time; [`UnixMs::NEVER`] without end.
    pub(crate) until: UnixMs,
}

/// Where a session is.
#[derive(Debug)]
enum Standing {
    /// Its connection is here; whoever is to go on with the session waits to be told that it left.
    Here(Option<oneshot::Sender<()>>),
    /// It waits for its client.
    Away(Box<Parked>),
    /// It ended, or went on under another link: messages go to whoever is registered now.
    Gone,
}

/// How a session may be taken over.
#[derive(Debug)]
pub(crate) enum Handover {
    /// Its connection must leave first; the receiver is told.
    Wait(oneshot::Receiver<()>),
    /// Here it is, with what waited for it.
    Parked(Box<Parked>, VecDeque<Waiting>),
    /// It is gone already.
    Gone,
}

/// What became of a message that was pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// It waits; the receiver must be woken.
    First,
    /// It waits behind others.
    Behind,
    /// It waits for a client that is away.
    Stored,
    /// It was dropped: QoS 0 is not kept for a client that is away or cannot keep up.
    NotKept,
    /// No room: a QoS 1 or 2 message for a session that ends with its connection.
    Full,
}

/// The bounds of one session's queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    messages_max: u32,
    bytes_max: u64,
    /// Whether the session outlives its connection: then the oldest makes room for the newest.
    is_stored: bool,
}

impl Bounds {
    pub(crate) fn of(limits: &Limits, is_stored: bool) -> Self {
        Self { messages_max: limits.queue_messages_max, bytes_max: limits.queue_bytes_max, is_stored }
    }
}

/// What waits for one session, in order.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: u64,
    /// Messages that made room for newer ones since it was last asked.
    evicted: Vec<Waiting>,
    bounds: Bounds,
    standing: Standing,
}

impl Outbox {
    pub(crate) fn new(bounds: Bounds, waiting: VecDeque<Waiting>) -> Self {
        let bytes = waiting.iter().map(size).sum();
        Self { waiting, bytes, evicted: Vec::new(), bounds, standing: Standing::Here(None) }
    }

    /// Of a session from before the start, whose client is away.
    pub(crate) fn away(bounds: Bounds, parked: Box<Parked>, waiting: VecDeque<Waiting>) -> Self {
        Self { standing: Standing::Away(parked), ..Self::new(bounds, waiting) }
    }

    /// Bounds the queue anew, after the instance's settings changed.
    pub(crate) fn bound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Adds a message.
    ///
    /// # Errors
    /// The message, when the session is gone from here.
    pub(crate) fn push(&mut self, waiting: Waiting) -> Result<Pushed, Waiting> {
        let is_away = match self.standing {
            Standing::Gone => return Err(waiting),
            Standing::Away(_) => true,
            Standing::Here(_) => false,
        };
        let is_kept = waiting.qos != Qos::AtMostOnce;
        if is_away && (!is_kept || waiting.message.frame.expiry() == Some(0)) {
            return Ok(Pushed::NotKept);
        }
        if !self.make_room(&waiting, is_kept) {
            return Ok(if is_kept { Pushed::Full } else { Pushed::NotKept });
        }
        self.bytes += size(&waiting);
        self.waiting.push_back(waiting);
        Ok(match self.waiting.len() {
            _ if is_away => Pushed::Stored,
            1 => Pushed::First,
            _ => Pushed::Behind,
        })
    }

    /// Whether there is room. QoS 0 gives up at half of it; a stored session loses its oldest for the newest.
    fn make_room(&mut self, next: &Waiting, is_kept: bool) -> bool {
        let share = if is_kept { 1 } else { 2 };
        let messages_max = usize::try_from(self.bounds.messages_max / share).unwrap_or(usize::MAX);
        let bytes_max = self.bounds.bytes_max / u64::from(share);
        let fits = |outbox: &Self| {
            outbox.waiting.len() < messages_max && (outbox.bytes + size(next) <= bytes_max || outbox.waiting.is_empty())
        };
        while !fits(self) {
            if !(is_kept && self.bounds.is_stored) {
                return false;
            }
            let Some(oldest) = self.waiting.pop_front() else { return false };
            self.bytes -= size(&oldest);
            self.evicted.push(oldest);
        }
        true
    }

    /// Messages that made room for newer ones since this was last asked.
    pub(crate) fn take_evicted(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.evicted)
    }

    /// Takes out what `is_over`, of a session whose client is away.
    pub(crate) fn take_over(&mut self, mut is_over: impl FnMut(&Waiting) -> bool) -> VecDeque<Waiting> {
        if !matches!(self.standing, Standing::Away(_)) || !self.waiting.iter().any(&mut is_over) {
            return VecDeque::new();
        }
        let (over, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.waiting).into_iter().partition(is_over);
        self.waiting = kept;
        self.bytes -= over.iter().map(size).sum::<u64>();
        over
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Moves everything that waits into `into`, which is empty.
    pub(crate) fn take(&mut self, into: &mut VecDeque<Waiting>) {
        std::mem::swap(&mut self.waiting, into);
        self.bytes = 0;
    }

    pub(crate) fn is_here(&self) -> bool {
        matches!(self.standing, Standing::Here(_))
    }

    /// The session when its client is away.
    pub(crate) fn parked(&mut self) -> Option<&mut Parked> {
        match &mut self.standing {
            Standing::Away(parked) => Some(parked),
            _ => None,
        }
    }

    /// The connection left: the session waits for its client, with what the connection had `taken` before what came since.
    /// Gives back what came through shared subscriptions: others get it.
    pub(crate) fn park(&mut self, parked: Box<Parked>, mut taken: VecDeque<Waiting>) -> VecDeque<Waiting> {
        taken.append(&mut self.waiting);
        let mut shared = VecDeque::new();
        for waiting in taken {
            if waiting.share.is_some() {
                shared.push_back(waiting);
            } else if waiting.qos != Qos::AtMostOnce {
                self.waiting.push_back(waiting);
            }
        }
        self.bytes = self.waiting.iter().map(size).sum();
        self.leave(Standing::Away(parked));
        shared
    }

    /// The session is over, or goes on elsewhere; gives back what waited, and what was parked. `None` when it was gone already:
    /// what is under its number now is not this link's.
    pub(crate) fn end(&mut self) -> Option<(VecDeque<Waiting>, Option<Box<Parked>>)> {
        self.bytes = 0;
        let parked = match self.leave(Standing::Gone) {
            Standing::Away(parked) => Some(parked),
            Standing::Here(_) => None,
            Standing::Gone => return None,
        };
        Some((std::mem::take(&mut self.waiting), parked))
    }

    fn leave(&mut self, next: Standing) -> Standing {
        let mut before = std::mem::replace(&mut self.standing, next);
        if let Standing::Here(heir) = &mut before
            && let Some(heir) = heir.take()
        {
            // The heir may have given up waiting.
            let _heir_is_there = heir.send(());
        }
        before
    }

    /// Takes the session over, or says what to wait for.
    pub(crate) fn hand_over(&mut self) -> Handover {
        match &mut self.standing {
            Standing::Here(heir) => {
                let (tell, told) = oneshot::channel();
                // A later heir replaces an earlier one, which finds the sender gone and looks again.
                *heir = Some(tell);
                Handover::Wait(told)
            }
            Standing::Away(_) => match self.end() {
                Some((waiting, Some(parked))) => Handover::Parked(parked, waiting),
                Some((_, None)) | None => Handover::Gone,
            },
            Standing::Gone => Handover::Gone,
        }
    }
}

fn size(waiting: &Waiting) -> u64 {
    u64::try_from(waiting.message.bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
