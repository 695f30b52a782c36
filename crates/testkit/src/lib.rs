//! Test doubles that no release build links: an allow-all `Authority` to measure against, a table of policies, and a folder
//! that loses power.
//!
//! Invariant: only dev-dependencies name this crate; xtask reads `cargo metadata` and fails on any other edge.

mod fault_disk;
mod random;

pub use fault_disk::FaultDisk;
pub use random::Random;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use sluice_model::{AccessKeyId, AccountId, PolicyType, PolicyVersion, Principal, UnixMs, UserId};
use sluice_policy::{
    AccessKeyPolicy, Authority, Caller, Credential, DecisionObserver, Document, Epoch, InForce, Policy, PolicySet,
    PolicySource, Standing,
};
use sluice_store::NewUser;

/// An Authority that answers yes to every question inside the caller's account, to measure what asking costs.
#[must_use]
pub fn allow_all() -> Authority {
    struct AllowAll(Arc<InForce>);
    impl PolicySource for AllowAll {
        fn in_force(&self, _: Principal, _: &Credential) -> Option<Arc<InForce>> {
            Some(Arc::clone(&self.0))
        }
    }
    let epoch = Epoch::new(Arc::new(AtomicU64::new(0)), 0);
    let in_force =
        InForce { standing: Standing::Owner, name: "root".into(), epoch, valid_until: UnixMs::NEVER, sources: None };
    Authority::new(Arc::new(AllowAll(Arc::new(in_force))))
}

/// An account of the tests.
///
/// # Panics
/// Never: the number has 16 digits.
#[must_use]
pub fn account(n: u64) -> AccountId {
    AccountId::new(AccountId::MIN + n).expect("16 digits")
}

/// A user of the tests.
///
/// # Panics
/// Never: the number has 18 digits.
#[must_use]
pub fn user(account: AccountId, n: u64) -> Principal {
    Principal::User(account, UserId::new(UserId::MIN + n).expect("18 digits"))
}

/// A user to make, with nothing but a name.
///
/// # Panics
/// When the name is not a user's.
#[must_use]
pub fn new_user(id: UserId, name: &str, created: UnixMs) -> NewUser {
    let text = String::new;
    NewUser {
        id,
        name: name.parse().expect("a user's name"),
        display_name: text(),
        mobile_phone: text(),
        email: text(),
        comments: text(),
        created,
    }
}

/// A caller with an AccessKey named after its principal.
///
/// # Panics
/// Never: the key's name is legal.
#[must_use]
pub fn caller(principal: Principal) -> Caller {
    Caller::authenticated(principal, key_of(principal), None, false, None)
}

fn key_of(principal: Principal) -> Credential {
    let digits: String = principal.to_string().chars().filter(char::is_ascii_digit).collect();
    let id: AccessKeyId = format!("LTAI{digits}").parse().expect("letters and digits");
    Credential::AccessKey(id)
}

struct Entry {
    cell: Arc<AtomicU64>,
    in_force: Arc<InForce>,
}

/// Policies by principal, changed at will; each change bumps the principal's epoch, as `access` does.
#[derive(Clone, Default)]
pub struct PolicyTable(Arc<Mutex<HashMap<Principal, Entry>>>);

impl PolicyTable {
    /// The Authority over this table.
    #[must_use]
    pub fn authority(&self) -> Authority {
        Authority::new(Arc::new(self.clone()))
    }

    /// Puts these documents in force for a user.
    ///
    /// # Panics
    /// When a document is malformed.
    pub fn set(&self, principal: Principal, documents: &[&str]) {
        let policies = documents.iter().enumerate().map(|(n, text)| {
            Arc::new(Policy {
                name: format!("p{n}").into(),
                policy_type: PolicyType::Custom,
                version: PolicyVersion(1),
                document: Arc::new(Document::parse(text).expect("the test's document is well-formed")),
            })
        });
        let set = PolicySet { account: policies.collect(), ..PolicySet::default() };
        self.put(principal, Standing::Governed(set));
    }

    /// Lets a user's credential be used from these addresses alone.
    ///
    /// # Panics
    /// When the user is not there, or the list is malformed.
    pub fn allow_from(&self, principal: Principal, addresses: &[&str]) {
        let list = addresses.join("\",\"");
        let text = format!(r#"{{"Status":"Active","Statements":[{{"Type":"ClassicWhiteList","IPList":["{list}"]}}]}}"#);
        let policy = AccessKeyPolicy::parse(&text).expect("the test's list is well-formed");
        let mut table = self.0.lock().expect("no test thread panics here");
        let entry = table.get_mut(&principal).expect("the test's user is there");
        let seen = entry.cell.load(Ordering::Acquire) + 1;
        let epoch = Epoch::new(Arc::clone(&entry.cell), seen);
        entry.in_force = Arc::new(InForce { sources: policy.sources(), epoch, ..(*entry.in_force).clone() });
        entry.cell.store(seen, Ordering::Release);
    }

    /// Lets the account itself act.
    pub fn set_owner(&self, account: AccountId) {
        self.put(Principal::Account(account), Standing::Owner);
    }

    /// Takes the principal away.
    ///
    /// # Panics
    /// When another test thread panicked while it held the table.
    pub fn remove(&self, principal: Principal) {
        if let Some(entry) = self.0.lock().expect("no test thread panics here").remove(&principal) {
            entry.cell.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn put(&self, principal: Principal, standing: Standing) {
        let mut table = self.0.lock().expect("no test thread panics here");
        let cell = table.get(&principal).map_or_else(Arc::default, |entry| Arc::clone(&entry.cell));
        let seen = cell.load(Ordering::Acquire) + 1;
        let epoch = Epoch::new(Arc::clone(&cell), seen);
        let name = principal.to_string().into();
        let in_force = Arc::new(InForce { standing, name, epoch, valid_until: UnixMs::NEVER, sources: None });
        table.insert(principal, Entry { cell: Arc::clone(&cell), in_force });
        cell.store(seen, Ordering::Release);
    }
}

impl PolicySource for PolicyTable {
    fn in_force(&self, principal: Principal, credential: &Credential) -> Option<Arc<InForce>> {
        if !matches!(credential, Credential::Listener) && *credential != key_of(principal) {
            return None;
        }
        let table = self.0.lock().expect("no test thread panics here");
        table.get(&principal).map(|entry| Arc::clone(&entry.in_force))
    }
}

/// An Authority over the policies that `source` has in force, as the server makes it.
#[must_use]
pub fn authority_over(source: Arc<dyn PolicySource>) -> Authority {
    Authority::new(source)
}

/// The Authority over any source, which shows its decisions.
#[must_use]
pub fn observed_over(source: Arc<dyn PolicySource>, observer: Arc<dyn DecisionObserver>) -> Authority {
    Authority::observed(source, observer)
}
