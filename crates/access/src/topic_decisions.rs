//! The yeses of the message path that a principal's sessions share, and the authority that gave them.
//!
//! The key is the whole question: caller (principal, credential, source address, TLS and MFA marks), action, account,
//! instance and topic. It is compared in full, a hash alone is never trusted (attack 23). What is kept is a [`Grant`] under
//! the principal's epoch, renewed at each use; a yes whose epoch was bumped is nothing but a free place. Only yeses are
//! shared: a refusal is explained to one session.
//!
//! The table has a fixed number of places, each an atomic pointer, in sets of four; a reader takes no lock, and a set
//! that is full gives up one of its places. So it is bounded in entries, and in bytes because long topics stay out.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use arc_swap::ArcSwapOption;
use sluice_model::{AccountId, InstanceId, Resource, UnixMs};
use sluice_policy::{Authority, Caller, Context, Denied, Grant};

use crate::decision_cache::{HASHER, TopicAction};

/// Yeses that are shared, at most.
pub const SHARED_YESES_MAX: usize = 65_536;

/// Longest topic that is remembered, in bytes; with [`SHARED_YESES_MAX`] it bounds the table to about 75 MB of hostile
/// topics, and to 15 MB of usual ones.
pub(crate) const TOPIC_BYTES_MAX: usize = 1_024;

/// Places that one hash may be found in.
const WAYS: usize = 4;

/// Parts of the table; each is allocated when it is first written to.
const SHARDS: usize = 64;

/// One question of the message path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'q> {
    pub(crate) caller: &'q Caller,
    pub(crate) action: TopicAction,
    pub(crate) instance: (AccountId, &'q InstanceId),
    pub(crate) topic: &'q Arc<str>,
    /// Of the topic under [`HASHER`].
    pub(crate) topic_hash: u64,
}

#[derive(Debug)]
struct Entry {
    /// Of the whole question, to pass over others quickly; never the answer by itself.
    hash: u64,
    caller: Caller,
    action: TopicAction,
    account: AccountId,
    instance: InstanceId,
    topic: Arc<str>,
    grant: Grant,
}

impl Entry {
    fn answers(&self, hash: u64, question: &Question<'_>) -> bool {
        self.hash == hash
            && self.action == question.action
            && *self.topic == **question.topic
            && (self.account, &self.instance) == question.instance
            && self.caller == *question.caller
    }
}

type Place = ArcSwapOption<Entry>;

/// An [`Authority`] with the yeses that it gave on the message path. One for the whole broker.
pub struct TopicDecisions {
    authority: Authority,
    shards: [OnceLock<Box<[Place]>>; SHARDS],
    places_per_shard: usize,
    /// Which place of a full set is given up next.
    turn: AtomicUsize,
}

impl std::fmt::Debug for TopicDecisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TopicDecisions")
    }
}

impl TopicDecisions {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(authority: Authority) -> Self {
        Self::with_places(authority, SHARED_YESES_MAX)
    }

    fn with_places(authority: Authority, places: usize) -> Self {
        let places_per_shard = (places / SHARDS).max(WAYS);
        let shards = std::array::from_fn(|_| OnceLock::new());
        Self { authority, shards, places_per_shard, turn: AtomicUsize::new(0) }
    }

    /// The authority that is asked, for every other question.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Asks for a caller whose session is not at hand: the publisher of a message that has waited.
    ///
    /// # Errors
    /// The refusal, decided in full.
    pub fn check(
        &self,
        caller: &Caller,
        action: TopicAction,
        instance: (AccountId, &InstanceId),
        topic: &Arc<str>,
        now: UnixMs,
    ) -> Result<(), Box<Denied>> {
        let question = Question { caller, action, instance, topic, topic_hash: HASHER.hash_one(&**topic) };
        self.decide(&question, now).map(|_grant| ()).map_err(Box::new)
    }

    /// A yes that is remembered and still holds, else one that is decided in full and remembered.
    pub(crate) fn decide(&self, question: &Question<'_>, now: UnixMs) -> Result<Grant, Denied> {
        let hash = HASHER.hash_one((question.topic_hash, question.caller, question.action, question.instance));
        if let Some(grant) = self.find(hash, question, now) {
            return Ok(grant);
        }
        let Question { caller, action, instance, topic, .. } = *question;
        let resource = Resource::Topic(instance.0, instance.1.clone(), Arc::clone(topic));
        let grant = self.authority.authorize(caller, action.action(), &resource, &Context::at(now))?.remember();
        if topic.len() <= TOPIC_BYTES_MAX {
            self.remember(hash, question, grant.clone(), now);
        }
        Ok(grant)
    }

    fn find(&self, hash: u64, question: &Question<'_>, now: UnixMs) -> Option<Grant> {
        let (shard, set) = self.place_of(hash);
        self.shards[shard].get()?[set..set + WAYS].iter().find_map(|place| {
            let entry = place.load();
            let entry = entry.as_ref().filter(|entry| entry.answers(hash, question))?;
            self.authority.renew(&entry.grant, now).then(|| entry.grant.clone())
        })
    }

    fn remember(&self, hash: u64, question: &Question<'_>, grant: Grant, now: UnixMs) {
        let (shard, set) = self.place_of(hash);
        let empty = || (0..self.places_per_shard).map(|_| Place::empty()).collect();
        let places = &self.shards[shard].get_or_init(empty)[set..set + WAYS];
        // Its own place first, so that a question is not kept twice; then one that is empty or dead.
        let own = |place: &&Place| place.load().as_ref().is_some_and(|entry| entry.answers(hash, question));
        let free = |place: &&Place| place.load().as_ref().is_none_or(|entry| !self.authority.renew(&entry.grant, now));
        let place = places.iter().find(own).or_else(|| places.iter().find(free));
        let place = place.unwrap_or_else(|| &places[self.turn.fetch_add(1, Ordering::Relaxed) % WAYS]);
        let Question { caller, action, instance: (account, instance), topic, .. } = *question;
        place.store(Some(Arc::new(Entry {
            hash,
            caller: caller.clone(),
            action,
            account,
            instance: instance.clone(),
            topic: Arc::clone(topic),
            grant,
        })));
    }

    /// The shard of a hash, and where its set begins there.
    fn place_of(&self, hash: u64) -> (usize, usize) {
        let [high, low] = [hash >> 32, hash & u64::from(u32::MAX)].map(|half| usize::try_from(half).unwrap_or(0));
        (high % SHARDS, low % (self.places_per_shard / WAYS) * WAYS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::IpAddr;

    use sluice_model::Principal;
    use sluice_policy::{Credential, InForce, PolicySource, Reason};
    use sluice_testkit::{PolicyTable, account, authority_over, user};

    use super::*;
    use crate::{DecisionCache, TopicYes};

    const ALLOW: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"mq:*","Resource":"*"}]}"#;
    const NOW: UnixMs = UnixMs(1_700_000_000_000);

    /// Policies by principal for whatever credential, and how often they were read: each full decision reads them once.
    struct Counted {
        table: PolicyTable,
        reads: AtomicUsize,
    }

    impl PolicySource for Counted {
        fn in_force(&self, principal: Principal, _: &Credential) -> Option<Arc<InForce>> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.table.in_force(principal, &Credential::Listener)
        }
    }

    struct World {
        source: Arc<Counted>,
        decisions: TopicDecisions,
        instance: InstanceId,
    }

    impl World {
        fn new(places: usize) -> Self {
            let source = Arc::new(Counted { table: PolicyTable::default(), reads: AtomicUsize::new(0) });
            let authority = authority_over(Arc::clone(&source) as Arc<dyn PolicySource>);
            for n in [1, 2] {
                source.table.set(user(account(1), n), &[ALLOW]);
            }
            let decisions = TopicDecisions::with_places(authority, places);
            Self { source, decisions, instance: "mqtt-cn-test".parse().unwrap() }
        }

        /// A new session asks; how many decisions that took, and the answer.
        fn ask(&self, caller: &Caller, action: TopicAction, topic: &str) -> (usize, Result<(), Denied>) {
            self.ask_again(&mut DecisionCache::default(), caller, action, topic)
        }

        fn ask_again(
            &self,
            session: &mut DecisionCache,
            caller: &Caller,
            action: TopicAction,
            topic: &str,
        ) -> (usize, Result<(), Denied>) {
            let before = self.source.reads.load(Ordering::Relaxed);
            let (place, topic) = ((account(1), &self.instance), Arc::from(topic));
            let answer = session.check_topic(&self.decisions, caller, action, place, &topic, NOW).map(|yes| {
                assert!(yes.covers(action, place, &topic));
            });
            (self.source.reads.load(Ordering::Relaxed) - before, answer)
        }

        fn remembered(&self) -> usize {
            let places = self.decisions.shards.iter().filter_map(OnceLock::get).flat_map(|places| places.iter());
            places.filter(|place| place.load().is_some()).count()
        }
    }

    fn caller(n: u64, credential: &Credential, ip: [u8; 4], secure: bool, mfa: Option<bool>) -> Caller {
        Caller::authenticated(user(account(1), n), credential.clone(), Some(IpAddr::from(ip)), secure, mfa)
    }

    fn key() -> Credential {
        Credential::AccessKey("LTAI0000000000000001".parse().unwrap())
    }

    #[test]
    fn sessions_of_one_principal_and_class_decide_a_topic_once() {
        let world = World::new(SHARED_YESES_MAX);
        let alice = caller(1, &key(), [192, 0, 2, 1], false, None);
        assert_eq!(world.ask(&alice, TopicAction::Publish, "a_1/b"), (1, Ok(())));
        assert_eq!(world.ask(&alice, TopicAction::Publish, "a_1/b"), (0, Ok(())));
        assert_eq!(world.ask(&alice, TopicAction::Receive, "a_1/b"), (1, Ok(())));
        assert_eq!(world.ask(&alice, TopicAction::Publish, "a_1/c"), (1, Ok(())));
    }

    #[test]
    fn nothing_is_shared_between_principals_addresses_marks_credentials_or_instances() {
        let world = World::new(SHARED_YESES_MAX);
        let other_key = Credential::AccessKey("LTAI0000000000000002".parse().unwrap());
        let home = [192, 0, 2, 1];
        let callers = [
            caller(1, &key(), home, false, None),
            caller(2, &key(), home, false, None),
            caller(1, &key(), [192, 0, 2, 2], false, None),
            caller(1, &key(), home, true, None),
            caller(1, &other_key, home, false, None),
            caller(1, &Credential::Listener, home, false, None),
            caller(1, &Credential::Console("digest".into()), home, false, Some(true)),
            caller(1, &Credential::Console("digest".into()), home, false, Some(false)),
        ];
        for round in [1, 0] {
            for caller in &callers {
                assert_eq!(world.ask(caller, TopicAction::Publish, "a_1"), (round, Ok(())), "{caller:?}");
            }
        }
        let elsewhere = World { instance: "mqtt-cn-other".parse().unwrap(), ..world };
        assert_eq!(elsewhere.ask(&callers[0], TopicAction::Publish, "a_1").0, 1);
    }

    #[test]
    fn equal_hashes_are_not_equal_questions() {
        let world = World::new(SHARED_YESES_MAX);
        let alice = caller(1, &key(), [192, 0, 2, 1], false, None);
        let texts: [Arc<str>; 2] = ["a_1".into(), "b_1".into()];
        let [asked, other] = texts.each_ref().map(|topic| Question {
            caller: &alice,
            action: TopicAction::Publish,
            instance: (account(1), &world.instance),
            topic,
            topic_hash: 7,
        });
        world.decisions.decide(&asked, NOW).unwrap();
        let hash = HASHER.hash_one((7_u64, &alice, TopicAction::Publish, asked.instance));
        assert!(world.decisions.find(hash, &asked, NOW).is_some());
        assert!(world.decisions.find(hash, &other, NOW).is_none());
    }

    #[test]
    fn a_shared_yes_dies_with_its_epoch_and_its_place_is_used_again() {
        let world = World::new(SHARED_YESES_MAX);
        let alice = caller(1, &key(), [192, 0, 2, 1], false, None);
        let mut session = DecisionCache::default();
        assert_eq!(world.ask_again(&mut session, &alice, TopicAction::Publish, "a_1"), (1, Ok(())));
        world.source.table.set(alice.principal(), &[ALLOW]);
        assert_eq!(world.ask_again(&mut session, &alice, TopicAction::Publish, "a_1"), (1, Ok(())));
        assert_eq!((world.remembered(), world.ask(&alice, TopicAction::Publish, "a_1").0), (1, 0));
        world.source.table.set(alice.principal(), &[]);
        for session in [&mut session, &mut DecisionCache::default()] {
            let (reads, answer) = world.ask_again(session, &alice, TopicAction::Publish, "a_1");
            assert!(reads == 1 && answer.is_err());
        }
    }

    #[test]
    fn the_table_is_bounded_in_entries_and_keeps_no_long_topic() {
        let world = World::new(256);
        let alice = caller(1, &key(), [192, 0, 2, 1], false, None);
        for n in 0..2_000 {
            assert_eq!(world.ask(&alice, TopicAction::Publish, &format!("a_1/{n}")), (1, Ok(())));
        }
        assert!((200..=256).contains(&world.remembered()), "{}", world.remembered());
        // The last one is there, and dead ones give way before it does.
        assert_eq!(world.ask(&alice, TopicAction::Publish, "a_1/1999").0, 0);
        let long = "a".repeat(TOPIC_BYTES_MAX + 1);
        for _ in 0..2 {
            assert_eq!(world.ask(&alice, TopicAction::Publish, &long), (1, Ok(())));
        }
    }

    #[test]
    fn a_covered_delivery_is_a_yes_while_the_covering_holds_and_on_its_instance_alone() {
        let world = World::new(SHARED_YESES_MAX);
        let alice = caller(1, &key(), [192, 0, 2, 1], false, None);
        let (place, filter) = ((account(1), &world.instance), "a_1/#".parse().unwrap());
        let authority = world.decisions.authority();
        let covering = authority.cover(&alice, TopicAction::Receive.action(), place, &filter, NOW).unwrap();
        let (topic, other) = (Arc::from("a_1/b"), "mqtt-cn-other".parse().unwrap());
        let yes = TopicYes::covered(authority, &covering, place, &topic, NOW).unwrap();
        assert!(yes.covers(TopicAction::Receive, place, &topic) && !yes.covers(TopicAction::Publish, place, &topic));
        assert!(TopicYes::covered(authority, &covering, (account(1), &other), &topic, NOW).is_none());
        assert!(TopicYes::covered(authority, &covering, (account(2), &world.instance), &topic, NOW).is_none());
        world.source.table.set(alice.principal(), &[ALLOW]);
        assert!(TopicYes::covered(authority, &covering, place, &topic, NOW).is_none());
    }

    #[test]
    fn a_refusal_asked_again_keeps_its_explanation_until_the_epoch_is_bumped() {
        let world = World::new(SHARED_YESES_MAX);
        let deny = r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"mq:PUB","Resource":"acs:mq:*:*:topic/*/secret"}]}"#;
        let alice = caller(1, &key(), [192, 0, 2, 1], false, None);
        world.source.table.set(alice.principal(), &[ALLOW, deny]);
        let mut session = DecisionCache::default();
        let mut ask = || world.ask_again(&mut session, &alice, TopicAction::Publish, "a_1/secret");
        let (reads, first) = ask();
        let (reads_again, second) = ask();
        assert_eq!((reads, reads_again, &first), (1, 0, &second));
        let denied = second.unwrap_err();
        assert!(matches!(&denied.reason, Reason::Explicit(statement) if &*statement.policy == "p1"), "{denied}");
        // Refusals are not shared: each session decides its own.
        assert_eq!(world.ask(&alice, TopicAction::Publish, "a_1/secret").0, 1);
        world.source.table.set(alice.principal(), &[ALLOW]);
        assert_eq!(ask(), (1, Ok(())));
        assert_eq!(ask(), (0, Ok(())));
    }
}
