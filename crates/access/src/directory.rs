//! What the hot path needs of RAM, in memory: principals, keys, instances, topics and groups.
//!
//! A [`Snapshot`] is never changed; a change builds the next one from the touched parts and swaps the pointer. Readers
//! take no lock. Order of a change: the store is written, the snapshot swapped, the touched epochs bumped, the live
//! side swept; so a yes decided on the old snapshot dies with its epoch.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use ahash::{AHashMap, AHashSet};
use arc_swap::ArcSwap;
use sluice_model::{
    AccessKeyId, AccountId, Compatibility, DenyAction, Durability, GroupId, InstanceId, Limits, PolicyName, Principal,
    UnixMs,
};
use sluice_policy::{Credential, Epoch, InForce, Policy, PolicySet, PolicySource, RoleSession, Standing};

/// One principal as the hot path sees it.
#[derive(Debug)]
pub(crate) struct PrincipalView {
    /// Policies in force, under the epoch that they were read at.
    pub(crate) in_force: Arc<InForce>,
    /// Bumped at each change; lives as long as any grant that was decided under it.
    pub(crate) epoch: Arc<AtomicU64>,
    /// The keys that may act now.
    pub(crate) active_keys: Vec<AccessKeyId>,
    /// Every key, also inactive ones.
    pub(crate) all_keys: Vec<AccessKeyId>,
    /// Whether a console sign-in may exist for it.
    pub(crate) may_sign_in: bool,
    /// Custom policies attached, to find whom a policy's change touches.
    pub(crate) custom_policies: Vec<PolicyName>,
}

impl PrincipalView {
    /// The same, with every earlier decision void.
    pub(crate) fn at_next_epoch(&self) -> Self {
        let epoch = Epoch::new(Arc::clone(&self.epoch), self.in_force.epoch.seen() + 1);
        Self {
            in_force: Arc::new(InForce { epoch, ..(*self.in_force).clone() }),
            epoch: Arc::clone(&self.epoch),
            active_keys: self.active_keys.clone(),
            all_keys: self.all_keys.clone(),
            may_sign_in: self.may_sign_in,
            custom_policies: self.custom_policies.clone(),
        }
    }
}

impl PrincipalView {
    /// The same with other policies, and with every earlier decision void.
    pub(crate) fn with_policies(&self, standing: Standing, custom_policies: Vec<PolicyName>) -> Self {
        let next = self.at_next_epoch();
        let in_force = Arc::new(InForce { standing, ..(*next.in_force).clone() });
        Self { in_force, custom_policies, ..next }
    }

    /// What is in force in a session of a role: the role's policies, narrowed by the session's, until the session ends.
    /// Cost: the list of the policies is copied, at a fresh decision only.
    fn in_role_session(&self, principal: Principal, session: &RoleSession) -> Option<Arc<InForce>> {
        let (Principal::Role(..), Standing::Governed(policies)) = (principal, &self.in_force.standing) else {
            return None;
        };
        let policies = PolicySet { session: session.policy.clone(), ..policies.clone() };
        Some(Arc::new(InForce {
            standing: Standing::Governed(policies),
            valid_until: session.expires,
            name: Arc::clone(&self.in_force.name),
            epoch: self.in_force.epoch.clone(),
        }))
    }
}

/// One AccessKey.
#[derive(Debug)]
pub(crate) struct KeyView {
    pub(crate) owner: Principal,
    pub(crate) sealed_secret: Arc<str>,
    pub(crate) active: bool,
}

/// The settings of an instance that a connection reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSettings {
    /// The owner.
    pub account: AccountId,
    /// The instance.
    pub instance: InstanceId,
    /// Whose limits and gaps hold.
    pub compatibility: Compatibility,
    /// What a refusal does.
    pub deny_action: DenyAction,
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// What it and its clients may have at most.
    pub limits: Limits,
}

/// One instance with its names.
#[derive(Debug)]
pub(crate) struct InstanceView {
    pub(crate) settings: Arc<InstanceSettings>,
    pub(crate) topics: AHashSet<Arc<str>>,
    pub(crate) groups: AHashSet<GroupId>,
}

/// Everything, at one instant.
#[derive(Debug, Default, Clone)]
pub(crate) struct Snapshot {
    pub(crate) principals: AHashMap<Principal, Arc<PrincipalView>>,
    pub(crate) keys: AHashMap<AccessKeyId, Arc<KeyView>>,
    /// Users by name, for the open listener.
    pub(crate) users: AHashMap<(AccountId, Arc<str>), Principal>,
    pub(crate) instances: AHashMap<InstanceId, Arc<InstanceView>>,
    /// Custom policies in force, compiled once for all who have them.
    pub(crate) policies: AHashMap<(AccountId, PolicyName), Arc<Policy>>,
    /// Accounts of which a change could not be read back: what is here of them may be old, and answers nothing.
    pub(crate) in_doubt: AHashSet<AccountId>,
}

impl Snapshot {
    /// Puts a principal and its keys in the place of what was there; `None` takes it out.
    pub(crate) fn replace_principal(
        &mut self,
        principal: Principal,
        next: Option<(PrincipalView, Vec<(AccessKeyId, KeyView)>)>,
    ) {
        if let Some(old) = self.principals.remove(&principal) {
            for key in &old.all_keys {
                self.keys.remove(key);
            }
            let name = (principal.account(), Arc::clone(&old.in_force.name));
            // After a rename and a new user of the old name, the name is the new one's.
            if self.users.get(&name) == Some(&principal) {
                self.users.remove(&name);
            }
        }
        if let Some((view, keys)) = next {
            if let Principal::User(account, _) = principal {
                self.users.insert((account, Arc::clone(&view.in_force.name)), principal);
            }
            self.keys.extend(keys.into_iter().map(|(id, key)| (id, Arc::new(key))));
            self.principals.insert(principal, Arc::new(view));
        }
    }

    /// Takes out everything of an account, so that it is refused everything.
    pub(crate) fn remove_account(&mut self, account: AccountId) {
        self.principals.retain(|principal, _| principal.account() != account);
        self.keys.retain(|_, key| key.owner.account() != account);
        self.users.retain(|(owner, _), _| *owner != account);
        self.instances.retain(|_, instance| instance.settings.account != account);
        self.policies.retain(|(owner, _), _| *owner != account);
    }
}

/// The snapshot in force, and the epoch of everyone who was ever in one.
#[derive(Debug)]
pub(crate) struct Directory {
    snapshot: ArcSwap<Snapshot>,
    /// Nothing is known to be in force: what others write cannot be read.
    cut_off: AtomicBool,
    /// What is answered for whoever is in doubt: nothing, already over.
    unknown: Arc<InForce>,
}

impl Default for Directory {
    fn default() -> Self {
        let unknown = InForce {
            standing: Standing::Unknown,
            name: "".into(),
            epoch: Epoch::new(Arc::default(), 1),
            valid_until: UnixMs(i64::MIN),
        };
        Self { snapshot: ArcSwap::default(), cut_off: AtomicBool::new(false), unknown: Arc::new(unknown) }
    }
}

impl Directory {
    /// The snapshot in force.
    pub(crate) fn read(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Whether what a snapshot says of an account may be old; `None` for what is in none. To be asked after the snapshot was
    /// read: then a yes on it is either refused here or dies with its epoch.
    pub(crate) fn doubts(&self, snapshot: &Snapshot, account: Option<AccountId>) -> bool {
        self.cut_off.load(Ordering::SeqCst)
            || (!snapshot.in_doubt.is_empty() && account.is_some_and(|account| snapshot.in_doubt.contains(&account)))
    }

    /// Whether nothing is known.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::SeqCst)
    }

    /// Refuses everything from now on; gives the snapshot, all of whose epochs are bumped. Waits for nobody: the writers may
    /// be waiting for the very database.
    pub(crate) fn cut_off(&self) -> Arc<Snapshot> {
        self.cut_off.store(true, Ordering::SeqCst);
        let snapshot = self.snapshot.load_full();
        for view in snapshot.principals.values() {
            view.epoch.fetch_max(view.in_force.epoch.seen() + 1, Ordering::AcqRel);
        }
        snapshot
    }

    /// Ends it. Called under the writers' lock, when everything is known.
    pub(crate) fn connect(&self) {
        self.cut_off.store(false, Ordering::SeqCst);
    }

    /// Swaps the snapshot, then bumps the epochs of `touched`. Called under the writers' lock alone.
    pub(crate) fn swap(&self, next: Snapshot, touched: &[Principal]) {
        let next = Arc::new(next);
        let previous = self.snapshot.swap(Arc::clone(&next));
        for principal in touched {
            // One past the old view's epoch: the next view was read at that, and without a next view nothing is.
            if let Some(old) = previous.principals.get(principal) {
                old.epoch.fetch_max(old.in_force.epoch.seen() + 1, Ordering::AcqRel);
            }
            // Several changes at once may have read it more than once.
            if let Some(new) = next.principals.get(principal) {
                new.epoch.fetch_max(new.in_force.epoch.seen(), Ordering::AcqRel);
            }
        }
    }
}

impl PolicySource for Directory {
    fn in_force(&self, principal: Principal, credential: &Credential) -> Option<Arc<InForce>> {
        let snapshot = self.snapshot.load();
        if self.doubts(&snapshot, Some(principal.account())) {
            return Some(Arc::clone(&self.unknown));
        }
        let view = snapshot.principals.get(&principal)?;
        let alive = match credential {
            Credential::AccessKey(key) => view.active_keys.contains(key),
            Credential::Console(_) => view.may_sign_in,
            Credential::RoleSession(session) => return view.in_role_session(principal, session),
            // The open listener acts as a user, never as the account itself.
            Credential::Listener => matches!(principal, Principal::User(..)),
        };
        alive.then(|| Arc::clone(&view.in_force))
    }
}
