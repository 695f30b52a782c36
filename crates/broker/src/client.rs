//! One connection, as its own task drives it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::BytesMut;
use sluice_access::{DecisionCache, InstanceSettings};
use sluice_codec::{Packet, ReasonCode, Version, encode};
use sluice_model::{DenyAction, UnixMs};
use sluice_policy::{Covering, Credential, Grant, Permit};
use sluice_session::{Input, Session, Violation};
use sluice_store::log::{LogFault, Need, QueueId, Record, Ticket};

use crate::{
    Broker,
    delivery::Replay,
    held::{Held, reason_of},
    journal::{need_of, queue},
    leave::Ending,
    link::Link,
    message::{Origin, Waiting},
    refusal::{Asked, ToldLimits},
    throttle::Throttle,
    wake::Wakes,
    will::PendingWill,
};

/// Whether the connection goes on after what was written is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It is to be closed.
    Close,
    /// The client said that it leaves; it is let go in peace.
    Left,
}

/// One connection's own state: what it agreed, its remembered yeses, what it took from its outbox. When it is dropped, the
/// session waits for its client or ends.
pub struct Client {
    pub(crate) broker: Arc<Broker>,
    pub(crate) link: Arc<Link>,
    pub(crate) session: Session<Waiting>,
    pub(crate) settings: Arc<InstanceSettings>,
    pub(crate) cache: DecisionCache,
    pub(crate) instance_grant: Grant,
    pub(crate) group_grant: Option<Grant>,
    /// Of subscriptions all of whose topics are allowed: deliveries need no decision each.
    pub(crate) coverings: Vec<Covering>,
    /// When a right that was read ends by itself.
    pub(crate) valid_until: UnixMs,
    /// Who it is as a publisher, once it has published.
    pub(crate) origin: Option<Arc<Origin>>,
    /// Taken from the outbox and not written yet.
    pub(crate) taken: VecDeque<Waiting>,
    /// Written once the log has what it promises.
    pub(crate) held: Held,
    /// When the log has all of the session's earlier connections; none of a new session.
    pub(crate) resumed: Option<Ticket>,
    /// The pace of what waited while the client was away; mostly none.
    pub(crate) throttle: Option<Box<Throttle>>,
    /// Retained messages that new subscriptions are still to get.
    pub(crate) replays: Vec<Replay>,
    pub(crate) will: Option<Box<PendingWill>>,
    pub(crate) ending: Ending,
    /// The topic whose delivery was refused last.
    pub(crate) last_held_back: Option<Arc<str>>,
    /// The limits that it was told of in a second; nothing of a client that meets none.
    pub(crate) told_limits: Option<Box<ToldLimits>>,
    /// A parent topic that exists, until something changes: the one published to last.
    pub(crate) known_parent: Option<Box<str>>,
    /// The last question of a delivery has no answer at present.
    pub(crate) is_undecided: bool,
    pub(crate) turn: Turn,
}

/// What one wake-up brought, counted apart from the lines of memory that all cores write.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Receivers to be woken at its end.
    pub(crate) wakes: Wakes,
    pub(crate) accepted: u32,
    pub(crate) delivered: u32,
    /// The client acknowledged something: what waits may be delivered.
    pub(crate) has_room: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.link.identity.client)
    }
}

impl Client {
    /// A connection that was let in and has done nothing yet.
    pub(crate) fn new(
        broker: &Arc<Broker>,
        link: Arc<Link>,
        session: Session<Waiting>,
        settings: Arc<InstanceSettings>,
        permit: &Permit,
    ) -> Self {
        let waited = session.in_flight() + link.with_outbox(|outbox| outbox.len());
        let back = broker.steady(link.identity.connected);
        let throttle = Throttle::of(settings.limits.offline_batch_messages, waited, back);
        Self {
            broker: Arc::clone(broker),
            link,
            session,
            settings,
            cache: DecisionCache::default(),
            instance_grant: permit.remember(),
            group_grant: None,
            coverings: Vec::new(),
            valid_until: permit.valid_until(),
            origin: None,
            taken: VecDeque::new(),
            held: Held::default(),
            resumed: None,
            throttle,
            replays: Vec::new(),
            will: None,
            ending: Ending::Lost,
            last_held_back: None,
            told_limits: None,
            known_parent: None,
            is_undecided: false,
            turn: Turn::default(),
        }
    }

    /// The version that both speak.
    #[must_use]
    pub fn version(&self) -> Version {
        self.session.version()
    }

    /// Largest packet that the client may send, bytes.
    #[must_use]
    pub fn packet_bytes_max(&self) -> usize {
        usize::try_from(self.settings.limits.packet_bytes_max).unwrap_or(usize::MAX)
    }

    /// Without a packet for so long the client counts as lost.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        self.session.patience()
    }

    /// For how long, from now, no right ends by itself and no message's time comes; `None` when neither does.
    #[must_use]
    pub fn due_in(&self) -> Option<Duration> {
        let right_ends = (self.valid_until < UnixMs::NEVER).then(|| {
            let left = self.valid_until.0.saturating_sub(self.broker.access.clock().now().0);
            Duration::from_millis(u64::try_from(left).unwrap_or(0))
        });
        right_ends.into_iter().chain(self.next_batch_in()).min()
    }

    /// Returns when there is something to deliver or to decide. Cancel safe.
    pub async fn wait(&self) {
        self.link.wait().await;
    }

    /// A handle to wait on while the client itself is in use.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter(Arc::clone(&self.link))
    }

    /// Has the connection look again at everything: a wake-up may have been taken while a write was under way, and what it
    /// spoke of need not be in the outbox.
    pub fn rewake(&self) {
        self.link.wake();
    }

    /// The present, for everything that one read brought.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        self.broker.access.clock().now()
    }

    /// Counts what was done. To be called after everything that one wake-up brought.
    pub fn end_turn(&mut self) {
        self.turn.wakes.pay();
        let accepted = std::mem::take(&mut self.turn.accepted);
        let delivered = std::mem::take(&mut self.turn.delivered);
        let meters = &self.broker.meters;
        for (meter, count) in [(&meters.accepted, accepted), (&meters.delivered, delivered)] {
            if count > 0 {
                meter.increment(u64::from(count));
            }
        }
    }

    /// Does what a packet asks; replies are added to `out`.
    pub fn handle(&mut self, packet: Packet, now: UnixMs, out: &mut BytesMut) -> Flow {
        if let Err(reason) = self.stay(now) {
            return self.close(reason, None, out);
        }
        match self.session.receive(packet, &self.settings.limits) {
            Ok(None) => Flow::Continue,
            Ok(Some(Input::Publish(incoming))) => self.publish(incoming, now, out),
            Ok(Some(Input::Subscribe(subscribe))) => self.subscribe(subscribe, now, out),
            Ok(Some(Input::Unsubscribe(unsubscribe))) => self.unsubscribe(&unsubscribe, out),
            Ok(Some(Input::Reply(packet))) => self.write(Some(packet), out),
            Ok(Some(Input::Again { id, reply })) => {
                self.reply_when(|session| Record::Remembered { session, id }, reply, out)
            }
            Ok(Some(Input::Released { id, reply })) => {
                self.reply_when(|session| Record::Released { session, id }, reply, out)
            }
            Ok(Some(Input::Received { id, held, reply })) => {
                self.done_with(held.as_deref());
                self.reply_when(|session| Record::Received { session, id }, reply, out)
            }
            Ok(Some(Input::Acknowledged { id, held })) => {
                self.turn.has_room = true;
                self.done_with(held.as_deref());
                self.broker.journal.acknowledged(self.link.id, id);
                Flow::Continue
            }
            Ok(Some(Input::Disconnect { with_will })) => {
                self.ending = Ending::Left { with_will };
                Flow::Left
            }
            Err(violation) => {
                let Violation { reason, why } = violation;
                if violation.is_of_limit() {
                    // Once a connection, which ends by it.
                    let identity = &self.link.identity;
                    let asked = Asked::instance(&identity.instance.key);
                    let told = self.broker.refuse_without_policy("PUBLISH", identity, asked, why);
                    return self.close(reason, Some(&told), out);
                }
                tracing::info!(client = ?self, account = %self.settings.account, why, "a connection is closed for a violation");
                self.close(reason, Some(why), out)
            }
        }
    }

    /// Delivers what the packets of one read made room for. To be called after the last of them.
    pub fn read_ends(&mut self, now: UnixMs, out: &mut BytesMut) -> Flow {
        if std::mem::take(&mut self.turn.has_room) { self.deliver_waiting(now, out) } else { Flow::Continue }
    }

    /// Delivers what waits, writes what the log has now, and obeys what others marked. To be called when [`Client::wait`]
    /// returns.
    pub fn woken(&mut self, out: &mut BytesMut) -> Flow {
        let now = self.now();
        if !self.held.is_empty() {
            // Before anything that waited is written.
            if let Err(reason) = self.stay(now) {
                return self.close(reason, None, out);
            }
            if let Err(fault) = self.release(now, out) {
                return self.close_for(fault, out);
            }
        }
        self.deliver_waiting(now, out)
    }

    /// A step of a QoS 2 handshake: a stored session's is answered once it is in the log.
    fn reply_when(
        &mut self,
        record: impl FnOnce(QueueId) -> Record<'static>,
        reply: Packet,
        out: &mut BytesMut,
    ) -> Flow {
        match self.promise(record) {
            Ok(ticket) => self.write_when(ticket, Some(reply), out),
            Err(fault) => self.close_for(fault, out),
        }
    }

    /// Writes what a promise demands into the log, where the session is stored.
    pub(crate) fn promise(&self, record: impl FnOnce(QueueId) -> Record<'static>) -> Result<Option<Ticket>, LogFault> {
        if !self.link.id.is_stored() {
            return Ok(None);
        }
        self.broker.journal.must(&record(queue(self.link.id)), self.need()).map(Some)
    }

    /// What the instance's acknowledgements wait for.
    pub(crate) fn need(&self) -> Need {
        need_of(self.settings.durability)
    }

    /// A shared subscription is done with what one of its members, whose session is not stored, has acknowledged.
    fn done_with(&self, held: Option<&Waiting>) {
        if let Some(waiting) = held.filter(|waiting| waiting.share.is_some() && !self.link.id.is_stored()) {
            self.broker.journal.dropped(&self.link.identity.instance, waiting, self.link.id);
        }
    }

    /// Closes a connection to which nothing can be promised any more.
    pub(crate) fn close_for(&mut self, fault: LogFault, out: &mut BytesMut) -> Flow {
        tracing::error!(client = ?self, account = %self.settings.account, %fault, "a connection is closed");
        self.close(reason_of(fault), Some(&fault.to_string()), out)
    }

    /// Whether the connection may stay; to be asked while a write is stuck, and when a right ends.
    ///
    /// # Errors
    /// Why it must be closed at once.
    pub fn may_stay(&mut self) -> Result<(), ReasonCode> {
        let now = self.now();
        self.stay(now).inspect_err(|reason| self.ending = Ending::Closed(*reason))
    }

    /// Adds the last packet and says that the connection ends.
    pub fn close(&mut self, reason: ReasonCode, why: Option<&str>, out: &mut BytesMut) -> Flow {
        tracing::debug!(client = ?self, account = %self.settings.account, ?reason, "a connection is closed");
        self.ending = Ending::Closed(reason);
        let _continue = self.write(self.session.farewell(reason, why), out);
        Flow::Close
    }

    /// Whether a missing right closes the connection. On the open listener it is answered. DESIGN section 2.
    pub(crate) fn closes_when_denied(&self) -> bool {
        let is_open = *self.link.identity.caller.credential() == Credential::Listener;
        !is_open && self.settings.deny_action == DenyAction::Close
    }

    pub(crate) fn write(&self, packet: Option<Packet>, out: &mut BytesMut) -> Flow {
        let Some(packet) = packet else { return Flow::Continue };
        let before = out.len();
        encode(&packet, self.session.version(), out);
        if self.session.takes(out.len() - before) {
            return Flow::Continue;
        }
        // What the client does not take is not sent; without an answer that it waits for, it cannot go on. [MQTT-3.1.2-24]
        out.truncate(before);
        Flow::Close
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Waits for what others mark on a connection.
#[derive(Debug)]
pub struct Waiter(Arc<Link>);

impl Waiter {
    /// Returns when there is something to deliver or to decide. Cancel safe.
    pub async fn wait(&self) {
        self.0.wait().await;
    }
}
