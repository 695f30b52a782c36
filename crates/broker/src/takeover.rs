//! Who holds a client ID: a new session, the owner's own again, or somebody who may take it from one who may not.
//! DESIGN section 2, Session key. Attacks 4 and 15 to 18.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sluice_codec::{Connect, ReasonCode};
use sluice_model::{Limits, UnixMs};
use sluice_policy::Reason;
use sluice_router::SubscriberId;
use sluice_session::{SessionState, session_expiry_s};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    Broker,
    admission::Refused,
    link::{Identity, Link},
    message::Waiting,
    outbox::{Handover, Outbox},
};

/// How long an earlier connection has to leave.
const LEAVE_WAIT: Duration = Duration::from_secs(5);
/// How often somebody else may come first.
const TRIES_MAX: usize = 16;

/// A connection that holds its client ID.
pub(crate) struct Placed {
    pub(crate) link: Arc<Link>,
    /// Of the session that goes on; `None` when it is a new one.
    pub(crate) present: Option<SessionState<Waiting>>,
    /// The session that ended for it.
    pub(crate) replaced: Option<SubscriberId>,
}

/// What became of one try.
enum Try {
    Placed(Placed),
    /// Somebody was faster.
    Again,
    /// An earlier connection must leave first.
    Wait(oneshot::Receiver<()>),
}

impl Broker {
    /// Enters a connection under its client ID, with the session of before if there is one and it is asked for.
    pub(crate) async fn take_place(
        &self,
        connect: &Connect,
        limits: &Limits,
        mut identity: Identity,
    ) -> Result<Placed, Refused> {
        // [MQTT-3.1.2-23]: whether the session outlives this connection.
        identity.is_stored = session_expiry_s(connect, limits) > 0;
        for _ in 0..TRIES_MAX {
            match self.try_place(connect, limits, &identity)? {
                Try::Placed(placed) => return Ok(placed),
                // Whoever was faster has its turn.
                Try::Again => tokio::task::yield_now().await,
                Try::Wait(told) => {
                    // An heir before this one may have been told; it is looked at again in any case.
                    if timeout(LEAVE_WAIT, told).await.is_err() {
                        let why = "the earlier connection of this client does not leave";
                        return Err(self.refuse_connect(&identity, ReasonCode::ServerBusy, why));
                    }
                }
            }
        }
        let why = "too many connections of this client at once";
        Err(self.refuse_connect(&identity, ReasonCode::ServerBusy, why))
    }

    fn try_place(&self, connect: &Connect, limits: &Limits, identity: &Identity) -> Result<Try, Refused> {
        let live = &identity.instance;
        let Some(held) = live.sessions.get(&identity.client) else {
            return Ok(self.enter_new(limits, identity, None));
        };
        let same_owner = held.identity.caller.principal() == identity.caller.principal();
        if !same_owner && !self.outranks(identity, &held.identity) {
            let why = "the client ID is in use by another principal";
            return Err(self.refuse_connect(identity, ReasonCode::NotAuthorized, why));
        }
        // What another principal left behind is never handed on.
        if connect.clean || !same_owner || !held.identity.is_stored {
            return Ok(self.enter_new(limits, identity, Some(&held)));
        }
        Ok(self.resume(limits, identity, &held))
    }

    /// A new session, in the place of `held`, which ends. Under the lock of `held`, so that it is not resumed meanwhile.
    fn enter_new(&self, limits: &Limits, identity: &Identity, held: Option<&Arc<Link>>) -> Try {
        let link = Arc::new(Link::new(self.next_id(identity.is_stored), identity.clone(), limits, VecDeque::new()));
        let enter = || {
            identity.instance.enter(&link, held)?;
            self.registry.enter(&link);
            identity.instance.stored_sessions.fetch_add(u32::from(identity.is_stored), Ordering::AcqRel);
            Ok::<_, Arc<Link>>(())
        };
        let entered = match held {
            Some(held) => held.with_outbox(|_held_still| enter()),
            None => enter(),
        };
        if entered.is_err() {
            return Try::Again;
        }
        if let Some(held) = held {
            held.close_and_end(ReasonCode::SessionTakenOver);
            if !held.is_here() {
                let _was_there = self.end_parked(held, identity.connected);
            }
        }
        Try::Placed(Placed { link, present: None, replaced: held.map(|held| held.id) })
    }

    /// The owner's own session goes on. A will that waited is not published. [MQTT-3.1.3-9]
    fn resume(&self, limits: &Limits, identity: &Identity, held: &Arc<Link>) -> Try {
        let placed = held.with_outbox(|outbox: &mut Outbox| {
            let holder = identity.instance.sessions.get(&identity.client);
            if !holder.is_some_and(|holder| Arc::ptr_eq(&holder, held)) {
                // Somebody began anew meanwhile.
                return Err(Try::Again);
            }
            match outbox.hand_over() {
                Handover::Wait(told) => Err(Try::Wait(told)),
                Handover::Gone => Err(Try::Again),
                Handover::Parked(parked, waiting) => {
                    // Entered before anybody can see that the old link is gone, so that no message falls between.
                    let link = Arc::new(Link::new(held.id, identity.clone(), limits, waiting));
                    self.retire(held, || {
                        identity.instance.replace(held, &link);
                        self.registry.enter(&link);
                    });
                    Ok((link, parked))
                }
            }
        });
        match placed {
            Ok((link, parked)) => {
                self.agenda.forget(&parked, link.id);
                Try::Placed(Placed { link, present: Some(parked.state), replaced: None })
            }
            Err(Try::Wait(told)) => {
                held.close(ReasonCode::SessionTakenOver);
                Try::Wait(told)
            }
            Err(other) => other,
        }
    }

    /// A principal with `mq:SUB` on the group takes over from one without.
    fn outranks(&self, newcomer: &Identity, held: &Identity) -> bool {
        let now: UnixMs = newcomer.connected;
        matches!(self.ask_group(newcomer, now), Ok(Some(_))) && !self.may_hold_group(held, now)
    }

    /// Whether the holder of a session still has its group, or may have it: with a key that is gone nothing can be asked, and
    /// sessions belong to the principal, so that keys can be rotated.
    fn may_hold_group(&self, held: &Identity, now: UnixMs) -> bool {
        match self.ask_group(held, now) {
            Ok(permit) => permit.is_some(),
            Err(denied) if denied.reason == Reason::Unavailable => true,
            Err(denied) => denied.reason.is_of_credential() && self.owner_exists(held),
        }
    }
}
