//! What the broker writes into the log, and what it waits for.
//!
//! Three kinds of writing: what may be refused while the disk is full ([`Journal::may`]: a new message, session,
//! subscription); what follows from a promise of before and is never refused for lack of space ([`Journal::must`]); what only
//! saves work after a restart ([`Journal::note`]).

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sluice_model::{Durability, TopicFilter, UnixMs};
use sluice_policy::Caller;
use sluice_router::SubscriberId;
use sluice_store::log::{
    Cause, Log, LogFault, MessageId, Need, QueueId, Receiver, Record, SessionRecord, StoredCaller, StoredMessage,
    StoredWill, Ticket, Waiter,
};
use tokio::sync::oneshot;

use crate::{
    Broker,
    link::Link,
    live_instance::LiveInstance,
    message::{Message, Waiting},
    stock::Stock,
    will::PendingWill,
};

/// The way to the log.
#[derive(Debug)]
pub(crate) struct Journal {
    log: Arc<dyn Log>,
    messages: AtomicU64,
}

impl Journal {
    pub(crate) fn new(log: Arc<dyn Log>, last_message: u64) -> Self {
        Self { log, messages: AtomicU64::new(last_message) }
    }

    /// Something new, refused while it cannot be written.
    pub(crate) fn may(&self, record: &Record<'_>, need: Need) -> Result<Ticket, LogFault> {
        self.log.append(record, need)
    }

    /// What a promise of before demands: it waits for the disk as long as that is full.
    ///
    /// # Errors
    /// [`LogFault::Broken`]: nothing can be promised any more.
    pub(crate) fn must(&self, record: &Record<'_>, need: Need) -> Result<Ticket, LogFault> {
        match self.log.append(record, need) {
            Err(LogFault::Full | LogFault::ReadOnly) => {
                let Ticket { position, .. } = self.log.append(record, Need::Later)?;
                Ok(Ticket { position, need })
            }
            done => done,
        }
    }

    /// What saves work after a restart; a log that is broken or closed does not take it, and then the work is done again.
    pub(crate) fn note(&self, record: &Record<'_>) {
        let _taken = self.log.append(record, Need::Later);
    }

    pub(crate) fn is_settled(&self, ticket: Ticket) -> bool {
        self.log.is_settled(ticket)
    }

    /// Whether nothing is promised any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.log.fault() == Some(LogFault::Broken)
    }

    /// Has a connection woken when the ticket is settled.
    pub(crate) fn notify(&self, ticket: Ticket, link: &Arc<Link>) {
        self.log.notify(ticket, Arc::clone(link) as Arc<dyn Waiter>);
    }

    /// Returns when the ticket is settled.
    ///
    /// # Errors
    /// [`LogFault::Broken`]: it never will be.
    pub(crate) async fn settled(&self, ticket: Ticket) -> Result<(), LogFault> {
        while !self.log.is_settled(ticket) {
            if self.is_broken() {
                return Err(LogFault::Broken);
            }
            let (tell, told) = oneshot::channel();
            self.log.notify(ticket, Arc::new(Told(parking_lot::Mutex::new(Some(tell)))));
            // A log that forgets its waiters has ended with them.
            told.await.map_err(|_| LogFault::Broken)?;
        }
        Ok(())
    }

    /// Stores a message for its receivers, and with it what it came from.
    pub(crate) fn store(
        &self,
        live: &LiveInstance,
        message: &Message,
        receivers: &[Receiver],
        (cause, need): (Option<Cause>, Need),
    ) -> Result<Stored, LogFault> {
        let id = MessageId(self.messages.fetch_add(1, Ordering::Relaxed) + 1);
        let origin = &message.origin;
        let record = Record::Message(StoredMessage {
            id,
            account: live.key.account,
            instance: Cow::Borrowed(&live.key.instance),
            frame: Cow::Borrowed(&message.frame),
            qos: message.qos,
            retain: message.retain,
            accepted: message.accepted,
            publisher: Cow::Borrowed(origin.kept()),
            is_sent_by_operation: origin.is_sent_by_operation(),
            // The number of another is given again after a restart.
            publisher_session: origin.publisher.filter(|publisher| publisher.is_stored()).map(queue),
            cause,
            receivers: Cow::Borrowed(receivers),
        });
        let ticket = self.may(&record, need)?;
        let is_queued = receivers.iter().any(|receiver| receiver.queue != QueueId::RETAINED);
        Ok(self.stored(live, (id, ticket), message.bytes, is_queued))
    }

    /// A message from before the start that nobody gets any more.
    pub(crate) fn forget(&self, message: MessageId) {
        self.log.forget(message);
    }

    /// A message that was stored before the start.
    pub(crate) fn stored_before(&self, live: &LiveInstance, id: MessageId, bytes: usize, is_queued: bool) -> Stored {
        self.stored(live, (id, Ticket { position: 0, need: Need::Later }), bytes, is_queued)
    }

    fn stored(&self, live: &LiveInstance, (id, ticket): (MessageId, Ticket), bytes: usize, is_queued: bool) -> Stored {
        live.stock.add(id, bytes, is_queued);
        Stored { id, ticket, bytes, is_queued, stock: Arc::clone(&live.stock), log: Arc::clone(&self.log) }
    }

    /// A queue is done with a message that it did not deliver; nothing where it was not stored for it.
    pub(crate) fn dropped(&self, live: &LiveInstance, waiting: &Waiting, link: SubscriberId) {
        if let Some((queue, message)) = live.place_of(waiting, link) {
            self.note(&Record::Dropped { queue, message });
        }
    }

    /// A session lost a subscription, because a right did not last.
    pub(crate) fn unsubscribed(&self, session: SubscriberId, filter: &TopicFilter) {
        if session.is_stored() {
            self.note(&Record::Unsubscribed { session: queue(session), filter: Cow::Borrowed(filter) });
        }
    }

    /// A message in flight to a session goes to another member of its shared subscription.
    pub(crate) fn withdrawn(&self, session: SubscriberId, id: u16) {
        if session.is_stored() {
            self.note(&Record::Withdrawn { session: queue(session), id });
        }
    }

    /// A message in flight to a session is over.
    pub(crate) fn acknowledged(&self, session: SubscriberId, id: u16) {
        if session.is_stored() {
            self.note(&Record::Acknowledged { session: queue(session), id });
        }
    }

    /// A session's client left.
    pub(crate) fn left(&self, session: SubscriberId, until: UnixMs, will_at: Option<UnixMs>) {
        if session.is_stored() {
            self.note(&Record::Left { session: queue(session), until, will_at });
        }
    }

    /// A session ended.
    pub(crate) fn ended(&self, session: SubscriberId, need: Need) -> Result<Option<Ticket>, LogFault> {
        if !session.is_stored() {
            return Ok(None);
        }
        self.must(&Record::Ended(queue(session)), need).map(Some)
    }
}

/// Tells one task.
struct Told(parking_lot::Mutex<Option<oneshot::Sender<()>>>);

impl Waiter for Told {
    fn settled(&self) {
        if let Some(tell) = self.0.lock().take() {
            // Whoever waited may have given up.
            let _is_there = tell.send(());
        }
    }
}

/// A message's place in the log. When the last who holds the message lets it go, its space may be used again.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) id: MessageId,
    pub(crate) ticket: Ticket,
    bytes: usize,
    is_queued: bool,
    stock: Arc<Stock>,
    log: Arc<dyn Log>,
}

impl Stored {
    /// Whether it made room for newer ones of its instance.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_queued && self.stock.has_given_up(self.id)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.stock.remove(self.id, self.bytes, self.is_queued);
        self.log.forget(self.id);
    }
}

/// A session's queue.
pub(crate) fn queue(session: SubscriberId) -> QueueId {
    QueueId(session.0)
}

/// A session's client is here.
pub(crate) fn session(link: &Link, expiry_s: u32, will: Option<&PendingWill>) -> Record<'static> {
    let identity = &link.identity;
    let key = &identity.instance.key;
    Record::Session(Cow::Owned(SessionRecord {
        session: queue(link.id),
        account: key.account,
        instance: key.instance.clone(),
        client: identity.client.clone(),
        owner: kept(&identity.caller),
        version: identity.version,
        connected: identity.connected,
        expiry_s,
        will: will.map(PendingWill::kept),
    }))
}

/// What is kept of a caller.
pub(crate) fn kept(caller: &Caller) -> StoredCaller {
    StoredCaller {
        principal: caller.principal(),
        credential: caller.credential().clone(),
        source_ip: caller.source_ip(),
        secure_transport: caller.secure_transport(),
        mfa_present: caller.mfa_present(),
    }
}

/// What an instance's acknowledgements wait for.
pub(crate) fn need_of(durability: Durability) -> Need {
    match durability {
        Durability::Sync => Need::Synced,
        Durability::Relaxed => Need::Written,
    }
}

impl PendingWill {
    fn kept(&self) -> StoredWill {
        StoredWill { frame: self.frame.clone(), qos: self.qos, retain: self.retain, delay_s: self.delay_s }
    }
}

impl Broker {
    /// What the acknowledgements of an instance wait for.
    pub(crate) fn need(&self, live: &LiveInstance) -> Need {
        self.settings_of(live).map_or(Need::Synced, |settings| need_of(settings.durability))
    }
}
