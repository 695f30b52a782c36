//! What other tasks know of a session: its name, its outbox, and the marks by which they reach its connection.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use parking_lot::Mutex;
use sluice_codec::{ReasonCode, Version};
use sluice_model::{ClientId, Limits, UnixMs};
use sluice_policy::Caller;
use sluice_router::SubscriberId;
use sluice_store::log::Waiter;

use crate::{
    live_instance::LiveInstance,
    message::Waiting,
    outbox::{Bounds, Outbox, Parked, Pushed},
    usage::Tally,
    wake::Wake,
};

/// No reason to close.
const OPEN: u8 = 0;
/// The connection must decide all its rights again: something else than its principal's policies changed.
const DECIDE_AGAIN: u8 = 0b01;
/// The session ends with the connection, whatever was agreed.
const ENDS: u8 = 0b10;

/// Who a link belongs to: what a connection is made with.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) client: ClientId,
    pub(crate) instance: Arc<LiveInstance>,
    pub(crate) caller: Caller,
    /// Whether the session outlives the connection.
    pub(crate) is_stored: bool,
    pub(crate) version: Version,
    pub(crate) connected: UnixMs,
}

/// The shared side of a session, from one CONNECT to the next.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: SubscriberId,
    pub(crate) identity: Identity,
    pub(crate) tally: Tally,
    outbox: Mutex<Outbox>,
    /// Whether the connection is here; as the outbox says, without its lock.
    is_here: AtomicBool,
    /// The owner lost the instance right while away: nothing is kept for it until it is back with the right.
    is_muted: AtomicBool,
    /// The reason code to close with; [`OPEN`] while there is none.
    close: AtomicU8,
    marks: AtomicU8,
    wake: Wake,
}

impl Link {
    /// A session whose connection is here, with what waited for it.
    pub(crate) fn new(id: SubscriberId, identity: Identity, limits: &Limits, waiting: VecDeque<Waiting>) -> Self {
        let outbox = Outbox::new(Bounds::of(limits, identity.is_stored), waiting);
        Self::with(id, identity, outbox)
    }

    /// A session from before the start, whose client is away.
    pub(crate) fn away(
        id: SubscriberId,
        identity: Identity,
        limits: &Limits,
        parked: Box<Parked>,
        waiting: VecDeque<Waiting>,
    ) -> Self {
        let outbox = Outbox::away(Bounds::of(limits, identity.is_stored), parked, waiting);
        Self::with(id, identity, outbox)
    }

    fn with(id: SubscriberId, identity: Identity, outbox: Outbox) -> Self {
        let is_here = AtomicBool::new(outbox.is_here());
        Self {
            id,
            identity,
            tally: Tally::default(),
            outbox: Mutex::new(outbox),
            is_here,
            is_muted: AtomicBool::new(false),
            close: AtomicU8::new(OPEN),
            marks: AtomicU8::new(0),
            wake: Wake::default(),
        }
    }

    /// Hands over a message; gives back too which older ones made room for it. Whoever pushed the first one must have the
    /// connection woken: see [`Wakes`](crate::wake::Wakes).
    ///
    /// # Errors
    /// The message, when the session is not under this link any more.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(Pushed, Vec<Waiting>), Waiting> {
        if self.is_muted.load(Ordering::Acquire) {
            return Ok((Pushed::NotKept, Vec::new()));
        }
        let (pushed, evicted) = {
            let mut outbox = self.outbox.lock();
            (outbox.push(waiting)?, outbox.take_evicted())
        };
        Ok((pushed, evicted))
    }

    /// Works on the outbox under its lock. The registry's locks may be taken inside, never the other way round.
    pub(crate) fn with_outbox<T>(&self, work: impl FnOnce(&mut Outbox) -> T) -> T {
        let mut outbox = self.outbox.lock();
        let done = work(&mut outbox);
        self.is_here.store(outbox.is_here(), Ordering::Release);
        done
    }

    /// Whether its connection is here.
    pub(crate) fn is_here(&self) -> bool {
        self.is_here.load(Ordering::Acquire)
    }

    /// Whether anything is kept for a client that is away.
    pub(crate) fn mute(&self, is_muted: bool) {
        self.is_muted.store(is_muted, Ordering::Release);
    }

    /// Has the connection close itself with a reason; the first one counts.
    pub(crate) fn close(&self, reason: ReasonCode) {
        let _first = self.close.compare_exchange(OPEN, reason.byte(), Ordering::AcqRel, Ordering::Acquire);
        self.wake.wake();
    }

    /// Has the connection close itself, and the session end with it.
    pub(crate) fn close_and_end(&self, reason: ReasonCode) {
        self.marks.fetch_or(ENDS, Ordering::AcqRel);
        self.close(reason);
    }

    /// The reason to close with, when there is one.
    pub(crate) fn closing(&self) -> Option<ReasonCode> {
        match self.close.load(Ordering::Acquire) {
            OPEN => None,
            byte => ReasonCode::from_byte(byte),
        }
    }

    /// Whether the session ends with the connection, whatever was agreed.
    pub(crate) fn must_end(&self) -> bool {
        self.marks.load(Ordering::Acquire) & ENDS != 0
    }

    /// Has the connection decide all its rights again.
    pub(crate) fn decide_again(&self) {
        self.marks.fetch_or(DECIDE_AGAIN, Ordering::AcqRel);
        self.wake.wake();
    }

    /// Whether it must decide again; asked once.
    pub(crate) fn must_decide_again(&self) -> bool {
        // A plain load first: this is asked for every packet.
        self.marks.load(Ordering::Acquire) & DECIDE_AGAIN != 0
            && self.marks.fetch_and(!DECIDE_AGAIN, Ordering::AcqRel) & DECIDE_AGAIN != 0
    }

    /// Has the connection look at its outbox again.
    pub(crate) fn wake(&self) {
        self.wake.wake();
    }

    /// Returns when there is something to do.
    pub(crate) async fn wait(&self) {
        self.wake.wait().await;
    }
}

impl Waiter for Link {
    fn settled(&self) {
        self.wake();
    }
}
