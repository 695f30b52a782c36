//! The end of a connection, and of a session: the session waits for its client or ends, its will is published or waits, and
//! what others shall have instead goes to them.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use sluice_codec::ReasonCode;
use sluice_model::UnixMs;
use sluice_session::Stage;
use sluice_store::log::Need;

use crate::{
    Broker, Client,
    link::Link,
    live_instance::LiveInstance,
    message::Waiting,
    outbox::{Outbox, Parked},
    shared::goes_to_another,
    will::PendingWill,
};

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Ending {
    /// The network did.
    #[default]
    Lost,
    /// The client said so.
    Left {
        /// And asked for its will.
        with_will: bool,
    },
    /// The server did.
    Closed(ReasonCode),
}

impl Client {
    /// To be called once, when the connection is over.
    pub(crate) fn leave(&mut self) {
        self.end_turn();
        self.hand_back_session();
        // At the end: who waits for all to be gone closes the log next.
        self.link.identity.instance.connections.fetch_sub(1, Ordering::Release);
        self.broker.meters.connections.decrement(1.0);
    }

    /// The session waits for its client, or ends.
    fn hand_back_session(&mut self) {
        let broker = Arc::clone(&self.broker);
        let now = broker.access.clock().now();
        let steady = broker.steady(now);
        let live = Arc::clone(&self.link.identity.instance);
        let will = self.take_will();
        let in_flight = self.session.take_in_flight(goes_to_another);
        let is_gone = broker.settings_of(&live).is_none();
        let expiry_s = if self.link.must_end() || is_gone { 0 } else { self.session.expiry_s() };
        let mut waiting = std::mem::take(&mut self.taken);
        if expiry_s == 0 {
            if let Some(will) = will {
                // [MQTT-3.1.3-9]: the session's end does not wait for the delay. Before the end, so that a kill between
                // them loses nothing.
                broker.publish_will(&self.link, *will, now);
            }
            waiting.extend(broker.end_session(&self.link).into_iter().flat_map(|ended| ended.waiting));
            broker.give_up(&live, &self.link, self.session.take_in_flight(stays_with_the_session));
            broker.redistribute(&self.link, in_flight, &mut waiting);
            return;
        }
        let until = if expiry_s == u32::MAX { UnixMs::NEVER } else { after(steady, expiry_s) };
        let (delayed, at_once) = will.map_or((None, None), |will| delay(will, steady));
        if let Some(will) = &delayed {
            broker.agenda.enter(will.at, self.link.id);
        }
        broker.agenda.enter(until, self.link.id);
        // A will that is published now is done with its message.
        let will_at = delayed.as_ref().map(|will| will.at).or(at_once.as_ref().map(|_| steady));
        broker.journal.left(self.link.id, until, will_at);
        let parked = Box::new(Parked { state: self.session.take_state(), will: delayed, until });
        // Away first, so that nothing is passed on to this very session.
        let mut shared = self.link.with_outbox(|outbox| outbox.park(parked, waiting));
        broker.redistribute(&self.link, in_flight, &mut shared);
        if let Some(will) = at_once {
            broker.publish_will(&self.link, *will, now);
        }
        // Marked after it was looked at: whoever marked it may have found the connection still here.
        if self.link.must_end() {
            let _was_there = broker.end_parked(&self.link, now);
        } else if self.link.must_decide_again() {
            broker.decide_for_parked(&self.link, now);
        }
    }

    /// The will that this ending calls for. [MQTT-3.1.2-8] [MQTT-3.1.2-10]
    fn take_will(&mut self) -> Option<Box<PendingWill>> {
        match self.ending {
            Ending::Left { with_will: false } => None,
            // The server's own end is no client's loss; it tells its clients so, and they come back.
            Ending::Closed(ReasonCode::ServerShuttingDown | ReasonCode::ServerBusy) => None,
            Ending::Left { with_will: true } | Ending::Lost | Ending::Closed(_) => self.will.take(),
        }
    }
}

/// A message of a shared subscription in flight that goes to nobody else: it ends with the session. [MQTT-4.8.2-5]
fn stays_with_the_session(_: Stage, waiting: &Waiting) -> bool {
    waiting.share.is_some()
}

/// A will that waits, or one that does not.
fn delay(mut will: Box<PendingWill>, steady: UnixMs) -> (Option<Box<PendingWill>>, Option<Box<PendingWill>>) {
    if will.delay_s == 0 {
        return (None, Some(will));
    }
    will.at = after(steady, will.delay_s);
    (Some(will), None)
}

/// So many seconds later.
pub(crate) fn after(steady: UnixMs, seconds: u32) -> UnixMs {
    UnixMs(steady.0.saturating_add(i64::from(seconds) * 1000))
}

/// What a session that ended leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) parked: Option<Box<Parked>>,
}

impl Broker {
    /// Ends a session: nobody finds it any more, and its subscriptions are gone. `None` when it ended before, or goes on
    /// under another link, which keeps its number.
    pub(crate) fn end_session(&self, link: &Arc<Link>) -> Option<Ended> {
        let live = &link.identity.instance;
        let (waiting, parked) = link.with_outbox(Outbox::end)?;
        if let Some(parked) = &parked {
            self.agenda.forget(parked, link.id);
        }
        let shares = live.index.shares_of(link.id);
        self.retire(link, || {
            self.registry.leave(link);
            live.leave(link);
        });
        live.index.remove_all(link.id);
        for group in shares {
            self.forget_backlog(live, group.filter());
        }
        if link.id.is_stored() {
            live.stored_sessions.fetch_sub(1, Ordering::AcqRel);
            // A log that does not take it finds the session again at the next start, and asks for its rights.
            let _taken = self.journal.ended(link.id, Need::Later);
        }
        Some(Ended { waiting, parked })
    }

    /// Messages of shared subscriptions that nobody gets any more.
    fn give_up(&self, live: &LiveInstance, link: &Link, in_flight: Vec<(u16, Waiting)>) {
        in_flight.iter().for_each(|(_, waiting)| self.journal.dropped(live, waiting, link.id));
    }

    /// Ends a session whose client is away, its will published. What its client had of shared subscriptions has gone to others
    /// when it left. Whether there was one.
    pub(crate) fn end_parked(&self, link: &Arc<Link>, now: UnixMs) -> bool {
        // Published before the end, so that a kill between them loses nothing.
        if let Some(will) = link.with_outbox(|outbox| outbox.parked().and_then(|parked| parked.will.take())) {
            self.publish_will(link, *will, now);
        }
        let Some(Ended { parked, .. }) = self.end_session(link) else { return false };
        if let Some(mut parked) = parked {
            self.give_up(&link.identity.instance, link, parked.state.take_in_flight(stays_with_the_session));
        }
        true
    }

    /// Does what is due of a session whose client is away: its will, its end.
    pub(crate) fn look_at_parked(&self, link: &Arc<Link>, now: UnixMs) {
        let steady = self.steady(now);
        if self.access.is_unavailable(Some(link.identity.instance.key.account)) {
            // Nobody can say whether its will may be published, nor whether it may end without it.
            self.agenda.enter(after(steady, 1), link.id);
            return;
        }
        let (ends, will) = link.with_outbox(|outbox| {
            let Some(parked) = outbox.parked() else { return (false, None) };
            let is_due = parked.will.as_ref().is_some_and(|will| will.at <= steady);
            (parked.until <= steady, if is_due { parked.will.take() } else { None })
        });
        if let Some(will) = will {
            self.publish_will(link, *will, now);
        }
        if ends {
            let _was_there = self.end_parked(link, now);
        }
    }
}
