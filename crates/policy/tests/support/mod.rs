//! A directory of one user, with policies that can change.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails the test that calls it")]

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use sluice_model::{AccountId, Action, PolicyType, PolicyVersion, Principal, Resource, UnixMs, UserId};
use sluice_policy::{
    Authority, Caller, Context, Credential, Denied, Document, Epoch, InForce, Permit, Policy, PolicySet, PolicySource,
    Standing,
};

pub(crate) const ACCOUNT: u64 = 1_234_567_890_123_456;
pub(crate) const OTHER_ACCOUNT: u64 = 9_876_543_210_987_654;
pub(crate) const INSTANCE: &str = "post-cn-09k1noy0001";
pub(crate) const NOW: UnixMs = UnixMs(1_767_225_600_000); // 2026-01-01T00:00:00Z

pub(crate) fn account() -> AccountId {
    AccountId::new(ACCOUNT).unwrap()
}

pub(crate) fn other_account() -> AccountId {
    AccountId::new(OTHER_ACCOUNT).unwrap()
}

pub(crate) fn topic(path: &str) -> Resource {
    Resource::Topic(account(), INSTANCE.parse().unwrap(), path.into())
}

pub(crate) fn instance() -> Resource {
    Resource::Instance(account(), INSTANCE.parse().unwrap())
}

pub(crate) fn group(name: &str) -> Resource {
    Resource::Group(account(), INSTANCE.parse().unwrap(), name.parse().unwrap())
}

pub(crate) fn credential() -> Credential {
    Credential::AccessKey("LTAI0000000000000001".parse().unwrap())
}

pub(crate) fn user() -> Principal {
    Principal::User(account(), UserId::new(204_738_291_000_000_001).unwrap())
}

pub(crate) fn caller_of(principal: Principal, ip: Option<&str>) -> Caller {
    let ip = ip.map(|ip| ip.parse::<IpAddr>().unwrap());
    Caller::authenticated(principal, credential(), ip, false, None)
}

pub(crate) fn caller() -> Caller {
    caller_of(user(), Some("192.0.2.7"))
}

pub(crate) fn policy(name: &str, statements: &str) -> Arc<Policy> {
    let text = format!(r#"{{"Version":"1","Statement":[{statements}]}}"#);
    let document = Document::parse(&text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let (policy_type, version) = (PolicyType::Custom, PolicyVersion(2));
    Arc::new(Policy { name: name.into(), policy_type, version, document: Arc::new(document) })
}

/// One statement.
pub(crate) fn statement(effect: &str, action: &str, resource: &str) -> String {
    serde_json::json!({ "Effect": effect, "Action": action, "Resource": resource }).to_string()
}

/// What is in force for everyone who asks; a change bumps the epoch, as `access` does.
#[derive(Default)]
pub(crate) struct World {
    in_force: Mutex<Option<Arc<InForce>>>,
    cell: Arc<AtomicU64>,
}

impl World {
    pub(crate) fn governed(statements: &[String]) -> Arc<Self> {
        let world = Arc::new(Self::default());
        world.attach(statements);
        world
    }

    pub(crate) fn owner() -> Arc<Self> {
        let world = Arc::new(Self::default());
        world.set(Some((Standing::Owner, "root", UnixMs::NEVER)));
        world
    }

    pub(crate) fn attach(&self, statements: &[String]) {
        let account = statements.iter().enumerate().map(|(n, text)| policy(&format!("p{n}"), text)).collect();
        let set = PolicySet { account, ..PolicySet::default() };
        self.set(Some((Standing::Governed(set), "alice", UnixMs::NEVER)));
    }

    pub(crate) fn set(&self, state: Option<(Standing, &str, UnixMs)>) {
        let seen = self.cell.fetch_add(1, Ordering::AcqRel) + 1;
        let epoch = Epoch::new(Arc::clone(&self.cell), seen);
        *self.in_force.lock().unwrap() = state
            .map(|(standing, name, valid_until)| InForce {
                standing,
                name: name.into(),
                epoch,
                valid_until,
                sources: None,
            })
            .map(Arc::new);
    }

    pub(crate) fn authority(self: &Arc<Self>) -> Authority {
        Authority::new(Arc::clone(self) as Arc<dyn PolicySource>)
    }
}

impl PolicySource for World {
    fn in_force(&self, _: Principal, _: &Credential) -> Option<Arc<InForce>> {
        self.in_force.lock().unwrap().clone()
    }
}

pub(crate) fn ask(statements: &[String], action: &str, resource: &Resource) -> Result<Permit, Denied> {
    ask_at(statements, action, resource, NOW)
}

pub(crate) fn ask_at(statements: &[String], action: &str, resource: &Resource, now: UnixMs) -> Result<Permit, Denied> {
    let action = Action::parse(action).unwrap();
    World::governed(statements).authority().authorize(&caller(), &action, resource, &Context::at(now))
}

pub(crate) fn allows(statements: &[String], action: &str, resource: &Resource) -> bool {
    ask(statements, action, resource).is_ok()
}
