//! Shared subscriptions: each message goes to one member, in turn, and to the next when that one leaves or may not have it.
//! Source: MQTT 5.0 section 4.8.2.

use std::{collections::VecDeque, sync::Arc};

use sluice_model::{Qos, TopicFilter};
use sluice_router::{Member, ShareGroup, SubscriberId};
use sluice_session::Stage;
use smallvec::SmallVec;

use crate::{
    Broker,
    link::Link,
    live_instance::LiveInstance,
    message::{Message, Waiting, Way},
    outbox::Pushed,
    wake::Wakes,
};

/// How often a message is passed on from a member that may not have it, at most.
const PASSES_MAX: u8 = 16;

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
        self.hand_to_member(live, group, message, (0, None), wakes);
    }

    /// Hands on what a member had and did not finish.
    pub(crate) fn pass_on(&self, live: &LiveInstance, waiting: Waiting, from: SubscriberId, wakes: &mut Wakes) {
        let Some(group) = &waiting.share else { return };
        if waiting.passes >= PASSES_MAX {
            self.meters.held_back.increment(1);
            return;
        }
        self.hand_to_member(live, group, &waiting.message, (waiting.passes + 1, Some(from)), wakes);
    }

    fn hand_to_member(
        &self,
        live: &LiveInstance,
        group: &Arc<ShareGroup>,
        message: &Arc<Message>,
        (passes, except): (u8, Option<SubscriberId>),
        wakes: &mut Wakes,
    ) {
        let mut is_stored = false;
        for (member, options) in group.rotation() {
            let Some(link) = self.registry.get(member).filter(|_| Some(member) != except) else { continue };
            is_stored |= link.identity.is_stored;
            if link.is_here() && self.offer(&link, for_member(group, message, (member, options), passes), wakes) {
                return;
            }
        }
        if is_stored && message.qos != Qos::AtMostOnce {
            self.wait_for_a_member(live, group.filter(), message);
        } else {
            self.meters.dropped.increment(1);
        }
    }

    /// Whether a connected member took it.
    fn offer(&self, link: &Arc<Link>, waiting: Waiting, wakes: &mut Wakes) -> bool {
        match link.push(waiting) {
            Ok((pushed @ (Pushed::First | Pushed::Behind), evicted)) => {
                self.count_evicted(link, evicted);
                if pushed == Pushed::First {
                    wakes.owe(Arc::clone(link));
                }
                true
            }
            Ok((Pushed::Stored | Pushed::NotKept | Pushed::Full, _)) | Err(_) => false,
        }
    }

    fn wait_for_a_member(&self, live: &LiveInstance, filter: &TopicFilter, message: &Arc<Message>) {
        let limits = self.limits_of(live);
        let mut backlogs = live.backlogs.lock();
        let backlog = backlogs.entry(filter.clone()).or_default();
        backlog.waiting.push_back(Arc::clone(message));
        backlog.bytes += size(message);
        let messages_max = usize::try_from(limits.queue_messages_max).unwrap_or(usize::MAX);
        while backlog.waiting.len() > messages_max
            || (backlog.bytes > limits.queue_bytes_max && backlog.waiting.len() > 1)
        {
            let Some(oldest) = backlog.waiting.pop_front() else { break };
            backlog.bytes -= size(&oldest);
            self.meters.dropped.increment(1);
        }
    }

    /// A member is here: what waited for one goes out, in order.
    pub(crate) fn drain_backlog(&self, live: &LiveInstance, filter: &TopicFilter) {
        let Some(backlog) = live.backlogs.lock().remove(filter) else { return };
        let Some(group) = live.index.share(filter) else { return };
        let mut wakes = Wakes::default();
        for message in backlog.waiting {
            // What no member takes waits again, behind nothing: the backlog was taken out whole.
            self.hand_to_share(live, &group, &message, &mut wakes);
        }
    }

    /// The last member of a shared subscription left: nobody will come for what waits.
    pub(crate) fn forget_backlog(&self, live: &LiveInstance, filter: &TopicFilter) {
        if live.index.share(filter).is_none() {
            live.backlogs.lock().remove(filter);
        }
    }

    /// A member's connection left: its messages of shared subscriptions go to others. Call it when the link is not here any more.
    pub(crate) fn redistribute(&self, link: &Link, in_flight: Vec<Waiting>, waiting: &mut VecDeque<Waiting>) {
        let live = &link.identity.instance;
        let mut others = in_flight;
        if waiting.iter().any(|waiting| waiting.share.is_some()) {
            let (shared, own): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(waiting).into_iter().partition(|waiting| waiting.share.is_some());
            *waiting = own;
            others.extend(shared);
        }
        let mut wakes = Wakes::default();
        for mut waiting in others {
            // A new way, not a refusal.
            waiting.passes = 0;
            self.pass_on(live, waiting, link.id, &mut wakes);
        }
    }
}

fn for_member(group: &Arc<ShareGroup>, message: &Arc<Message>, (_, options): Member, passes: u8) -> Waiting {
    Waiting {
        message: Arc::clone(message),
        identifiers: options.id.into_iter().collect::<SmallVec<_>>(),
        share: Some(Arc::clone(group)),
        // [MQTT-4.8.2-3]
        qos: options.qos.min(message.qos),
        way: Way::Subscribed,
        retain: message.retain && options.retain_as_published,
        passes,
    }
}

fn size(message: &Message) -> u64 {
    u64::try_from(message.bytes).unwrap_or(u64::MAX)
}
