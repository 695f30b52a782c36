//! What one session was answered, remembered under its epoch.
//!
//! A cache belongs to one caller (one session), so its key needs no caller; the full action and topic are compared, a
//! hash alone is never trusted (attack 23). Only a [`Grant`] of the [`Authority`] can be put in, and it is renewed
//! there each time: a bumped epoch or a passed `valid_until` means the question is asked again, of what the principal's
//! sessions share ([`TopicDecisions`]) and then in full.
//!
//! A few refusals are kept too, each with its whole explanation, so that a flood on a forbidden topic costs no decision
//! a message. They end as the yeses do.

use std::sync::{Arc, LazyLock};

use ahash::RandomState;
use sluice_model::{AccountId, Action, InstanceId, UnixMs};
use sluice_policy::{Authority, Caller, Covering, Denied, Grant};

use crate::{
    TopicDecisions,
    topic_decisions::{Question, TOPIC_BYTES_MAX},
};

/// Remembered yeses of one session: at most this many, the oldest replaced first. More of them are shared.
const YESES_MAX: usize = 64;

/// Remembered refusals of one session.
const REFUSALS_MAX: usize = 4;

/// Seeded anew in each process, so that nobody can choose topics that share a hash.
pub(crate) static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What may be remembered: the questions of the message path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TopicAction {
    /// `mq:PUB`.
    Publish,
    /// `mq:SUB`.
    Receive,
    /// `mq:SendMessage`.
    Send,
}

impl TopicAction {
    /// The action as policies name it.
    #[must_use]
    pub fn action(self) -> &'static Action {
        const PUB: &Action = &Action::PUB;
        const SUB: &Action = &Action::SUB;
        const SEND_MESSAGE: &Action = &Action::SEND_MESSAGE;
        match self {
            Self::Publish => PUB,
            Self::Receive => SUB,
            Self::Send => SEND_MESSAGE,
        }
    }
}

/// A yes to a question of the message path. Made only from a permit, a grant or a covering that still holds; routing and delivery demand it and compare it.
#[derive(Debug)]
#[must_use]
pub struct TopicYes<'q> {
    action: TopicAction,
    instance: (AccountId, &'q InstanceId),
    topic: &'q Arc<str>,
}

impl<'q> TopicYes<'q> {
    /// The yes to a delivery that a covered subscription needs no decision for. `topic` is one that the router matched
    /// with the covering's filter. `None` when the covering is none of this or no longer holds: then the topic is decided.
    /// Cost: the instance compared, an atomic load.
    #[must_use]
    pub fn covered(
        authority: &Authority,
        covering: &Covering,
        instance: (AccountId, &'q InstanceId),
        topic: &'q Arc<str>,
        now: UnixMs,
    ) -> Option<Self> {
        let action = TopicAction::Receive;
        debug_assert!(covering.filter().matches(topic));
        let holds = authority.still_covers(covering, topic, now) && covering.covers(action.action(), instance);
        holds.then_some(TopicYes { action, instance, topic })
    }

    /// Whether this is a yes to exactly this question.
    #[must_use]
    pub fn covers(&self, action: TopicAction, instance: (AccountId, &InstanceId), topic: &str) -> bool {
        let is_same = std::ptr::eq(self.topic.as_ptr(), topic.as_ptr()) && self.topic.len() == topic.len();
        self.action == action && self.instance == instance && (is_same || **self.topic == *topic)
    }
}

/// One answer under its question.
#[derive(Debug)]
struct Entry<A> {
    /// Of the topic, to pass over others quickly; never the answer by itself.
    hash: u64,
    action: TopicAction,
    topic: Arc<str>,
    answer: A,
}

/// A bounded list of answers; the oldest is replaced first.
#[derive(Debug)]
struct Answers<A> {
    entries: Vec<Entry<A>>,
    /// Where the next entry replaces an old one.
    next: usize,
}

impl<A> Default for Answers<A> {
    fn default() -> Self {
        Self { entries: Vec::new(), next: 0 }
    }
}

impl<A> Answers<A> {
    fn find(&self, question: &Question<'_>) -> Option<&A> {
        let found = self.entries.iter().find(|entry| entry.is_for(question));
        found.map(|entry| &entry.answer)
    }

    fn put(&mut self, question: &Question<'_>, answer: A, most: usize) {
        let Question { action, topic, topic_hash: hash, .. } = *question;
        let entry = Entry { hash, action, topic: Arc::clone(topic), answer };
        if let Some(old) = self.entries.iter_mut().find(|entry| entry.is_for(question)) {
            *old = entry;
        } else if self.entries.len() < most {
            self.entries.push(entry);
        } else {
            self.entries[self.next] = entry;
            self.next = (self.next + 1) % most;
        }
    }
}

impl<A> Entry<A> {
    fn is_for(&self, question: &Question<'_>) -> bool {
        self.hash == question.topic_hash && self.action == question.action && *self.topic == **question.topic
    }
}

#[derive(Debug, Default)]
struct Remembered {
    yeses: Answers<Grant>,
    refusals: Answers<Denied>,
}

/// One session's remembered answers. Empty until used: an idle session pays one pointer.
#[derive(Debug, Default)]
pub struct DecisionCache(Option<Box<Remembered>>);

impl DecisionCache {
    /// Asks whether `caller` may act on `topic` of `instance`; a remembered yes costs a text comparison and an atomic
    /// load.
    ///
    /// # Errors
    /// The refusal, which holds now: decided in full this time, or earlier under the same epoch.
    pub fn check_topic<'q>(
        &mut self,
        decisions: &TopicDecisions,
        caller: &Caller,
        action: TopicAction,
        instance: (AccountId, &'q InstanceId),
        topic: &'q Arc<str>,
        now: UnixMs,
    ) -> Result<TopicYes<'q>, Denied> {
        let yes = TopicYes { action, instance, topic };
        let question = Question { caller, action, instance, topic, topic_hash: HASHER.hash_one(&**topic) };
        let authority = decisions.authority();
        if let Some(remembered) = &self.0 {
            if remembered.yeses.find(&question).is_some_and(|grant| authority.renew(grant, now)) {
                return Ok(yes);
            }
            if let Some(denied) = remembered.refusals.find(&question)
                && authority.still_denies(denied, now)
            {
                return Err(denied.clone());
            }
        }
        let answer = decisions.decide(&question, now);
        if topic.len() > TOPIC_BYTES_MAX {
            // 64 of the longest topics would be 4 MB of one connection.
            return answer.map(|_grant| yes);
        }
        let remembered = self.0.get_or_insert_default();
        match answer {
            Ok(grant) => {
                remembered.yeses.put(&question, grant, YESES_MAX);
                Ok(yes)
            }
            Err(denied) => {
                remembered.refusals.put(&question, denied.clone(), REFUSALS_MAX);
                Err(denied)
            }
        }
    }

    /// The earliest end of the remembered yeses; [`UnixMs::NEVER`] when nothing ends by itself.
    #[must_use]
    pub fn valid_until(&self) -> UnixMs {
        let yeses = self.0.iter().flat_map(|remembered| &remembered.yeses.entries);
        yeses.map(|entry| entry.answer.valid_until()).min().unwrap_or(UnixMs::NEVER)
    }
}
