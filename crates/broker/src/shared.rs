//! Shared subscriptions: each message goes to one member, in turn, and to the next when that one leaves or may not have it.
//! Source: MQTT 5.0 section 4.8.2.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use sluice_model::{Qos, TopicFilter};
use sluice_router::{Member, ShareGroup, SubscriberId};
use sluice_session::Stage;
use sluice_store::log::{Record, Way};
use smallvec::SmallVec;

use crate::{
    Broker,
    backlog::Held,
    link::Link,
    live_instance::LiveInstance,
    message::{Message, Waiting},
    outbox::Pushed,
    wake::Wakes,
};

/// Whether a message in flight to a member that leaves goes to another: at QoS 1 it does; a QoS 2 message stays with the
/// session that has it. [MQTT-4.8.2-4] [MQTT-4.8.2-5]
pub(crate) fn goes_to_another(stage: Stage, waiting: &Waiting) -> bool {
    waiting.share.is_some() && stage == Stage::Acknowledge
}

impl Broker {
    /// Hands a message to the member whose turn it is; without a connected one it waits, if any member's session is stored.
    pub(crate) fn hand_to_share(
        &self,
        live: &LiveInstance,
        group: &Arc<ShareGroup>,
        message: &Arc<Message>,
        wakes: &mut Wakes,
    ) {
        self.hand_to_member(live, group, message, Vec::new(), wakes);
    }

    /// Hands on what a member may not have, to one that was not asked yet.
    pub(crate) fn pass_on(&self, live: &LiveInstance, waiting: Waiting, from: SubscriberId, wakes: &mut Wakes) {
        let Waiting { message, share: Some(group), mut refused_by, .. } = waiting else { return };
        refused_by.push(from);
        self.hand_to_member(live, &group, &message, refused_by, wakes);
    }

    fn hand_to_member(
        &self,
        live: &LiveInstance,
        group: &Arc<ShareGroup>,
        message: &Arc<Message>,
        mut refused_by: Vec<SubscriberId>,
        wakes: &mut Wakes,
    ) {
        let (mut is_stored, mut any_here) = (false, false);
        for (member, options) in group.rotation() {
            if refused_by.contains(&member) {
                continue;
            }
            let Some(link) = self.registry.get(member) else { continue };
            is_stored |= link.identity.is_stored;
            if link.is_here() {
                any_here = true;
                match self.offer(&link, for_member(group, message, (member, options), refused_by), wakes) {
                    None => return,
                    Some(back) => refused_by = back,
                }
            }
        }
        if !is_stored || message.qos == Qos::AtMostOnce {
            // Nobody may have it, or nobody is there to keep it.
            let meter = if refused_by.is_empty() { &self.meters.dropped } else { &self.meters.held_back };
            meter.increment(1);
            self.share_is_done(live, group.filter(), message);
            return;
        }
        let may_come = |member: &SubscriberId| !refused_by.contains(member);
        let members: SmallVec<[SubscriberId; 8]> =
            group.members().iter().map(|(member, _)| *member).filter(may_come).collect();
        self.wait_for_a_member(live, group.filter(), Held { message: Arc::clone(message), refused_by });
        // A member that came between the look and the wait would not be told.
        let is_here = |member: &SubscriberId| self.registry.get(*member).is_some_and(|link| link.is_here());
        if !any_here && members.iter().any(is_here) {
            self.drain_backlog(live, group.filter());
        }
    }

    /// Offers a message to a connected member; gives back who refused it before, when it is not taken.
    fn offer(&self, link: &Arc<Link>, waiting: Waiting, wakes: &mut Wakes) -> Option<Vec<SubscriberId>> {
        let refused_by = waiting.refused_by.clone();
        match link.push(waiting) {
            Ok((pushed @ (Pushed::First | Pushed::Behind), evicted)) => {
                self.count_evicted(link, &evicted);
                if pushed == Pushed::First {
                    wakes.owe(Arc::clone(link));
                }
                None
            }
            Ok((Pushed::Stored | Pushed::NotKept | Pushed::Full, _)) | Err(_) => Some(refused_by),
        }
    }

    fn wait_for_a_member(&self, live: &LiveInstance, filter: &TopicFilter, held: Held) {
        let limits = self.limits_of(live);
        let dropped = live.with_backlogs(|backlogs| backlogs.push(filter, held, &limits));
        for Held { message, .. } in dropped {
            self.meters.dropped.increment(1);
            self.share_is_done(live, filter, &message);
        }
    }

    /// No member gets a message any more.
    pub(crate) fn share_is_done(&self, live: &LiveInstance, filter: &TopicFilter, message: &Message) {
        if let (Some(stored), Some(queue)) = (&message.stored, live.share_queue(filter)) {
            self.journal.note(&Record::Dropped { queue, message: stored.id });
        }
    }

    /// A member is here: what waited for one goes out, in order.
    pub(crate) fn drain_backlog(&self, live: &LiveInstance, filter: &TopicFilter) {
        let Some(waiting) = live.with_backlogs(|backlogs| backlogs.take(filter)) else { return };
        let Some(group) = live.index.share(filter) else { return };
        let mut wakes = Wakes::default();
        for Held { message, refused_by } in waiting {
            // What no member takes waits again, behind nothing: the backlog was taken out whole.
            self.hand_to_member(live, &group, &message, refused_by, &mut wakes);
        }
    }

    /// A member has nothing to do: what waits for one of its groups, because all were full, goes out. Whether there was any.
    pub(crate) fn drain_backlogs_of(&self, link: &Link) -> bool {
        let live = &link.identity.instance;
        if !live.has_backlogs.load(Ordering::Acquire) {
            return false;
        }
        let waits = |group: &Arc<ShareGroup>| live.backlogs.lock().holds_for(group.filter(), link.id);
        let groups: Vec<_> = live.index.shares_of(link.id).into_iter().filter(waits).collect();
        groups.iter().for_each(|group| self.drain_backlog(live, group.filter()));
        !groups.is_empty()
    }

    /// The last member of a shared subscription left: nobody will come for what waits.
    pub(crate) fn forget_backlog(&self, live: &LiveInstance, filter: &TopicFilter) {
        if live.index.share(filter).is_none() {
            live.with_backlogs(|backlogs| backlogs.take(filter));
            self.forget_share(live, filter);
        }
    }

    /// A member's connection left: its messages of shared subscriptions go to others. Call it when the link is not here any more.
    pub(crate) fn redistribute(&self, link: &Link, in_flight: Vec<(u16, Waiting)>, waiting: &mut VecDeque<Waiting>) {
        let live = &link.identity.instance;
        in_flight.iter().for_each(|(id, _)| self.journal.withdrawn(link.id, *id));
        let mut others: Vec<Waiting> = in_flight.into_iter().map(|(_, waiting)| waiting).collect();
        if waiting.iter().any(|waiting| waiting.share.is_some()) {
            let (shared, own): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(waiting).into_iter().partition(|waiting| waiting.share.is_some());
            *waiting = own;
            others.extend(shared);
        }
        let mut wakes = Wakes::default();
        for waiting in others {
            // A new way, not a refusal: without another member it waits for this one.
            let Waiting { message, share: Some(group), .. } = waiting else { continue };
            self.hand_to_member(live, &group, &message, Vec::new(), &mut wakes);
        }
    }
}

fn for_member(
    group: &Arc<ShareGroup>,
    message: &Arc<Message>,
    (_, options): Member,
    refused_by: Vec<SubscriberId>,
) -> Waiting {
    Waiting {
        message: Arc::clone(message),
        identifiers: options.id.into_iter().collect::<SmallVec<_>>(),
        share: Some(Arc::clone(group)),
        // [MQTT-4.8.2-3]
        qos: options.qos.min(message.qos),
        way: Way::Subscribed,
        retain: message.retain && options.retain_as_published,
        refused_by,
    }
}
