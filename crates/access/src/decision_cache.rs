//! The yeses of one session, remembered under their epoch.
//!
//! A cache belongs to one caller (one session), so its key needs no caller; the full action and topic are compared, a
//! hash alone is never trusted (attack 23). Only a [`Grant`] of the [`Authority`] can be put in, and it is renewed
//! there each time: a bumped epoch or a passed `valid_until` means the question is asked in full.

use std::sync::{Arc, LazyLock};

use ahash::RandomState;
use sluice_model::{AccountId, Action, InstanceId, Resource, UnixMs};
use sluice_policy::{Authority, Caller, Context, Denied, Grant, Permit};

/// Remembered yeses of one session: at most this many, the oldest replaced first.
const ENTRIES_MAX: usize = 64;

/// Seeded anew in each process, so that nobody can choose topics that share a hash.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What may be remembered: the two questions of the message path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicAction {
    /// `mq:PUB`.
    Publish,
    /// `mq:SUB`.
    Receive,
}

impl TopicAction {
    fn action(self) -> &'static Action {
        const PUB: &Action = &Action::PUB;
        const SUB: &Action = &Action::SUB;
        match self {
            Self::Publish => PUB,
            Self::Receive => SUB,
        }
    }
}

/// A yes to a question of the message path. Only a [`DecisionCache`] makes one, from a permit or a grant that still holds;
/// routing and delivery demand it and compare it.
#[derive(Debug)]
#[must_use]
pub struct TopicYes<'q> {
    action: TopicAction,
    instance: (AccountId, &'q InstanceId),
    topic: &'q Arc<str>,
}

impl TopicYes<'_> {
    /// Whether this is a yes to exactly this question.
    #[must_use]
    pub fn covers(&self, action: TopicAction, instance: (AccountId, &InstanceId), topic: &str) -> bool {
        self.action == action && self.instance == instance && **self.topic == *topic
    }
}

#[derive(Debug)]
struct Entry {
    /// Of the topic, to pass over others quickly; never the answer by itself.
    hash: u64,
    action: TopicAction,
    topic: Arc<str>,
    grant: Grant,
}

/// One session's remembered yeses. Empty until used: an idle session pays one pointer.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "an idle session pays one pointer, not three")]
pub struct DecisionCache {
    entries: Option<Box<Vec<Entry>>>,
    /// Where the next entry replaces an old one.
    next: u8,
}

impl DecisionCache {
    /// Asks whether `caller` may act on `topic` of `instance`; a remembered yes costs a text comparison and an atomic
    /// load.
    ///
    /// # Errors
    /// The refusal, decided in full this time.
    pub fn check_topic<'q>(
        &mut self,
        authority: &Authority,
        caller: &Caller,
        action: TopicAction,
        instance: (AccountId, &'q InstanceId),
        topic: &'q Arc<str>,
        now: UnixMs,
    ) -> Result<TopicYes<'q>, Denied> {
        let yes = TopicYes { action, instance, topic };
        if let Some(entry) = self.find(action, topic)
            && authority.renew(&entry.grant, now)
        {
            return Ok(yes);
        }
        let resource = Resource::Topic(instance.0, instance.1.clone(), Arc::clone(topic));
        let permit = authority.authorize(caller, action.action(), &resource, &Context::at(now))?;
        self.remember(action, topic, &permit);
        Ok(yes)
    }

    /// The earliest end of what is remembered; [`UnixMs::NEVER`] when nothing ends by itself.
    #[must_use]
    pub fn valid_until(&self) -> UnixMs {
        let entries = self.entries.iter().flat_map(|entries| entries.iter());
        entries.map(|entry| entry.grant.valid_until()).min().unwrap_or(UnixMs::NEVER)
    }

    fn find(&self, action: TopicAction, topic: &Arc<str>) -> Option<&Entry> {
        let entries = self.entries.as_ref()?;
        let hash = HASHER.hash_one(&**topic);
        entries.iter().find(|entry| entry.hash == hash && entry.action == action && *entry.topic == **topic)
    }

    fn remember(&mut self, action: TopicAction, topic: &Arc<str>, permit: &Permit) {
        let entries = self.entries.get_or_insert_default();
        let hash = HASHER.hash_one(&**topic);
        let entry = Entry { hash, action, topic: Arc::clone(topic), grant: permit.remember() };
        let same = |old: &&mut Entry| old.hash == hash && old.action == action && *old.topic == **topic;
        if let Some(old) = entries.iter_mut().find(same) {
            *old = entry;
        } else if entries.len() < ENTRIES_MAX {
            entries.push(entry);
        } else {
            let place = usize::from(self.next) % ENTRIES_MAX;
            entries[place] = entry;
            self.next = self.next.wrapping_add(1);
        }
    }
}
