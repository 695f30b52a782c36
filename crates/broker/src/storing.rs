//! For whom a message is stored: sessions that outlive their connection, shared subscriptions that have such members, and the
//! topic itself when it is retained.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
};

use sluice_model::{Qos, TopicFilter};
use sluice_router::{Merged, ShareGroup, SubscriberId};
use sluice_store::log::{LogFault, MessageId, Need, QueueId, Receiver, Record, Way};

use crate::{
    Broker,
    journal::queue,
    live_instance::LiveInstance,
    message::{Message, Waiting},
};

/// Everybody who wants a message, before anybody has it.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) direct: Vec<(SubscriberId, Merged)>,
    pub(crate) shared: Vec<Arc<ShareGroup>>,
}

impl LiveInstance {
    /// Whether anything of a message may have to be stored: else it is handed over as it is matched.
    pub(crate) fn may_store(&self, message: &Message) -> bool {
        message.retain || (message.qos != Qos::AtMostOnce && self.stored_sessions.load(Ordering::Acquire) > 0)
    }

    pub(crate) fn match_all(&self, message: &Message) -> Wanted {
        let mut wanted = Wanted::default();
        let Wanted { direct, shared } = &mut wanted;
        self.index.for_each_subscriber(
            message.frame.topic(),
            message.origin.publisher,
            |subscriber, merged| direct.push((subscriber, merged.clone())),
            |group| shared.push(Arc::clone(group)),
        );
        wanted
    }

    /// Who of them is to get it after a restart too, sorted.
    pub(crate) fn stored_receivers(&self, message: &Message, wanted: &Wanted) -> Vec<Receiver> {
        let mut receivers = Vec::new();
        if message.retain && !message.frame.payload().is_empty() {
            receivers.push(of_queue(QueueId::RETAINED, message, Way::Retained));
        }
        if message.qos == Qos::AtMostOnce {
            return receivers;
        }
        let stored = wanted.direct.iter().filter(|(id, merged)| id.is_stored() && merged.qos != Qos::AtMostOnce);
        receivers.extend(stored.map(|(id, merged)| direct_receiver(*id, merged, message)));
        let shares = wanted.shared.iter().filter_map(|group| self.share_queue(group.filter()));
        receivers.extend(shares.map(|share| of_queue(share, message, Way::Subscribed)));
        receivers.sort_unstable_by_key(|receiver| receiver.queue);
        receivers
    }

    /// The queue of a shared subscription, if it has stored members.
    pub(crate) fn share_queue(&self, filter: &TopicFilter) -> Option<QueueId> {
        self.shares.lock().get(filter).copied()
    }

    /// The filter of a shared subscription, by its queue. Cost: all of them.
    pub(crate) fn share_filter(&self, queue: QueueId) -> Option<TopicFilter> {
        self.shares.lock().iter().find(|(_, share)| **share == queue).map(|(filter, _)| filter.clone())
    }

    /// Which stored message waits in which queue, for the session under this number. `None` where nothing is stored for it.
    pub(crate) fn place_of(&self, waiting: &Waiting, session: SubscriberId) -> Option<(QueueId, MessageId)> {
        let stored = waiting.message.stored.as_ref()?;
        let queue = match &waiting.share {
            Some(group) => self.share_queue(group.filter())?,
            None if session.is_stored() && waiting.qos != Qos::AtMostOnce => queue(session),
            None => return None,
        };
        Some((queue, stored.id))
    }
}

/// One subscriber, as its subscriptions asked.
pub(crate) fn direct_receiver(session: SubscriberId, merged: &Merged, message: &Message) -> Receiver {
    Receiver {
        queue: queue(session),
        qos: merged.qos.min(message.qos),
        retain: message.retain && merged.retain_as_published,
        way: Way::Subscribed,
        identifiers: merged.ids.to_vec(),
    }
}

fn of_queue(queue: QueueId, message: &Message, way: Way) -> Receiver {
    Receiver { queue, qos: message.qos, retain: message.retain, way, identifiers: Vec::new() }
}

impl Broker {
    /// Gives a shared subscription a queue, now that it has a member whose session is stored.
    pub(crate) fn keep_share(&self, live: &LiveInstance, filter: &TopicFilter, need: Need) -> Result<(), LogFault> {
        let mut shares = live.shares.lock();
        if shares.contains_key(filter) {
            return Ok(());
        }
        let share = queue(self.next_id(true));
        let (account, instance) = (live.key.account, Cow::Borrowed(&live.key.instance));
        self.journal.may(&Record::Share { share, account, instance, filter: Cow::Borrowed(filter) }, need)?;
        shares.insert(filter.clone(), share);
        Ok(())
    }

    /// Ends the queue of a shared subscription that has no member any more.
    pub(crate) fn forget_share(&self, live: &LiveInstance, filter: &TopicFilter) {
        let mut shares = live.shares.lock();
        // Under the lock, so that whoever subscribes now opens a new queue.
        if live.index.share(filter).is_none()
            && let Some(share) = shares.remove(filter)
        {
            self.journal.note(&Record::ShareEnded(share));
        }
    }

    /// A topic has no retained message any more, if it is still this one.
    pub(crate) fn forget_retained(&self, live: &LiveInstance, message: &Arc<Message>) {
        if live.retained.forget(message)
            && let Some(stored) = &message.stored
        {
            self.journal.note(&Record::Dropped { queue: QueueId::RETAINED, message: stored.id });
        }
    }
}
