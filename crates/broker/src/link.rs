//! What other tasks know of a connection: its name, its outbox, and the marks by which they reach it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;
use sluice_codec::{ReasonCode, Version};
use sluice_model::{AccountId, ClientId, InstanceId, UnixMs};
use sluice_policy::Caller;
use sluice_router::{InstanceKey, SubscriberId};
use tokio::sync::Notify;

use crate::outbox::{Outbox, Pushed, Waiting};

/// Which session: the tenant is in the key. DESIGN section 2, Session key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SessionKey {
    pub(crate) account: AccountId,
    pub(crate) instance: InstanceId,
    pub(crate) client: ClientId,
}

impl SessionKey {
    pub(crate) fn instance_key(&self) -> InstanceKey {
        InstanceKey { account: self.account, instance: self.instance.clone() }
    }
}

/// No reason to close.
const OPEN: u8 = 0;

/// The shared side of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: SubscriberId,
    pub(crate) key: SessionKey,
    pub(crate) caller: Caller,
    pub(crate) version: Version,
    pub(crate) connected: UnixMs,
    outbox: Mutex<Outbox>,
    /// The reason code to close with; [`OPEN`] while there is none.
    close: AtomicU8,
    /// Something else than the principal's policies changed: topics, groups, the instance.
    decide_again: AtomicBool,
    wake: Notify,
}

impl Link {
    pub(crate) fn new(id: SubscriberId, key: SessionKey, caller: Caller, version: Version, connected: UnixMs) -> Self {
        Self {
            id,
            key,
            caller,
            version,
            connected,
            outbox: Mutex::default(),
            close: AtomicU8::new(OPEN),
            decide_again: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// Hands over a message; `false` when the outbox is full.
    pub(crate) fn push(&self, waiting: Waiting) -> bool {
        let pushed = self.outbox.lock().push(waiting);
        if pushed == Pushed::First {
            self.wake.notify_one();
        }
        pushed != Pushed::Full
    }

    pub(crate) fn pop(&self) -> Option<Waiting> {
        self.outbox.lock().pop()
    }

    pub(crate) fn put_back(&self, waiting: Waiting) {
        self.outbox.lock().put_back(waiting);
    }

    /// Has the connection close itself with a reason; the first one counts.
    pub(crate) fn close(&self, reason: ReasonCode) {
        let _first = self.close.compare_exchange(OPEN, reason.byte(), Ordering::AcqRel, Ordering::Acquire);
        self.wake.notify_one();
    }

    /// The reason to close with, when there is one.
    pub(crate) fn closing(&self) -> Option<ReasonCode> {
        match self.close.load(Ordering::Acquire) {
            OPEN => None,
            byte => ReasonCode::from_byte(byte),
        }
    }

    /// Has the connection decide all its rights again.
    pub(crate) fn decide_again(&self) {
        self.decide_again.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether it must decide again; asked once.
    pub(crate) fn must_decide_again(&self) -> bool {
        // A plain load first: this is asked for every packet.
        self.decide_again.load(Ordering::Acquire) && self.decide_again.swap(false, Ordering::AcqRel)
    }

    /// As [`Link::wake`], when something waits or is marked.
    pub(crate) fn wake_if_waiting(&self) {
        if self.closing().is_some() || !self.outbox.lock().is_empty() {
            self.wake.notify_one();
        }
    }

    /// Has the connection look at its outbox again.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns when there is something to do.
    pub(crate) async fn wait(&self) {
        self.wake.notified().await;
    }
}
