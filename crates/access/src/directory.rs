//! What the hot path needs of RAM, in memory: principals, keys, instances, topics and groups.
//!
//! A [`Snapshot`] is never changed; a change builds the next one from the touched parts and swaps the pointer. Readers
//! take no lock. Order of a change: the store is written, the snapshot swapped, the touched epochs bumped, the live
//! side swept; so a yes decided on the old snapshot dies with its epoch.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use ahash::AHashSet;
use arc_swap::ArcSwap;
use sluice_model::{
    AccessKeyId, AccountId, Compatibility, DenyAction, Durability, GroupId, InstanceId, Limits, PolicyName, Principal,
    SecurityPreference, UnixMs,
};
use sluice_policy::{
    AllowedSources, AssumableRole, Credential, Epoch, InForce, Policy, PolicySet, PolicySource, RoleSession, Standing,
};

use crate::{follow::LastRead, sharded::Sharded};

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
    /// Those that may not be used from everywhere.
    pub(crate) listed_keys: Arc<[(AccessKeyId, Arc<AllowedSources>)]>,
    /// Whether a console sign-in may exist for it.
    pub(crate) may_sign_in: bool,
    /// Custom policies attached, to find whom a policy's change touches.
    pub(crate) custom_policies: Vec<PolicyName>,
    /// Of a role: who may assume it.
    pub(crate) assumable: Option<Arc<AssumableRole>>,
}

impl PrincipalView {
    /// The same, with every earlier decision void.
    pub(crate) fn at_next_epoch(&self) -> Self {
        self.with_standing(self.in_force.standing.clone(), self.custom_policies.clone())
    }

    /// The same with another version of a policy that it has.
    pub(crate) fn with_policy(&self, policy: &Arc<Policy>) -> Self {
        let mut standing = self.in_force.standing.clone();
        if let Standing::Governed(set) = &mut standing {
            let is_same = |one: &&mut Arc<Policy>| one.policy_type == policy.policy_type && one.name == policy.name;
            set.account.iter_mut().filter(is_same).for_each(|one| *one = Arc::clone(policy));
        }
        self.with_standing(standing, self.custom_policies.clone())
    }

    /// The same with other policies; every earlier decision is void.
    pub(crate) fn with_standing(&self, standing: Standing, custom_policies: Vec<PolicyName>) -> Self {
        let epoch = Epoch::new(Arc::clone(&self.epoch), self.in_force.epoch.seen() + 1);
        Self {
            in_force: Arc::new(InForce {
                standing,
                epoch,
                name: Arc::clone(&self.in_force.name),
                valid_until: self.in_force.valid_until,
                sources: None,
            }),
            epoch: Arc::clone(&self.epoch),
            active_keys: self.active_keys.clone(),
            all_keys: self.all_keys.clone(),
            listed_keys: Arc::clone(&self.listed_keys),
            may_sign_in: self.may_sign_in,
            custom_policies,
            assumable: self.assumable.clone(),
        }
    }
}

impl PrincipalView {
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
            sources: None,
        }))
    }

    /// What is in force with a key. Cost: as what is in force, but for a key that may not be used from everywhere the list of
    /// the policies is copied.
    fn with_key(&self, key: &AccessKeyId) -> Option<Arc<InForce>> {
        if !self.active_keys.contains(key) {
            return None;
        }
        Some(match self.listed_keys.iter().find(|(listed, _)| listed == key) {
            None => Arc::clone(&self.in_force),
            Some((_, sources)) => Arc::new(InForce { sources: Some(Arc::clone(sources)), ..(*self.in_force).clone() }),
        })
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

/// A custom policy in force, compiled once for all who have it.
#[derive(Debug, Clone)]
pub(crate) struct PolicyView {
    pub(crate) policy: Arc<Policy>,
    /// Whom its change touches.
    pub(crate) holders: Arc<AHashSet<Principal>>,
}

/// Everything, at one instant. A changed copy costs what was changed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Snapshot {
    pub(crate) principals: Sharded<Principal, Arc<PrincipalView>>,
    pub(crate) keys: Sharded<AccessKeyId, Arc<KeyView>>,
    /// Users by name, for the open listener.
    pub(crate) users: Sharded<(AccountId, Arc<str>), Principal>,
    /// Roles by name, for whoever assumes one. A role keeps its name for life.
    pub(crate) roles: Sharded<(AccountId, Arc<str>), Principal>,
    pub(crate) instances: Sharded<InstanceId, Arc<InstanceView>>,
    /// Custom policies that somebody has.
    pub(crate) policies: Sharded<(AccountId, PolicyName), PolicyView>,
    /// What users may do for themselves, of accounts that said so.
    pub(crate) preferences: Sharded<AccountId, Arc<SecurityPreference>>,
    /// Accounts of which a change could not be read back: what is here of them may be old, and answers nothing.
    pub(crate) in_doubt: AHashSet<AccountId>,
    /// Accounts of which nothing is in force, though all of it is here: sessions wait for the day that they are enabled.
    pub(crate) disabled: AHashSet<AccountId>,
}

impl Snapshot {
    /// Puts a principal and its keys in the place of what was there; `None` takes it out.
    pub(crate) fn replace_principal(
        &mut self,
        principal: Principal,
        next: Option<(PrincipalView, Vec<(AccessKeyId, KeyView)>)>,
    ) {
        let old = self.principals.remove(&principal);
        let custom = |view: &PrincipalView| view.custom_policies.clone();
        let (had, has) = (old.as_deref().map(custom), next.as_ref().map(|(view, _)| custom(view)));
        self.replace_holder(principal, &had.unwrap_or_default(), &has.unwrap_or_default());
        if let Some(old) = old {
            for key in &old.all_keys {
                self.keys.remove(key);
            }
            let name = (principal.account(), Arc::clone(&old.in_force.name));
            // After a rename and a new user of the old name, the name is the new one's.
            if self.users.get(&name) == Some(&principal) {
                self.users.remove(&name);
            }
            if self.roles.get(&name) == Some(&principal) {
                self.roles.remove(&name);
            }
        }
        if let Some((view, keys)) = next {
            let name = || Arc::clone(&view.in_force.name);
            match principal {
                Principal::User(account, _) => drop(self.users.insert((account, name()), principal)),
                Principal::Role(account, _) => drop(self.roles.insert((account, name()), principal)),
                Principal::Account(_) => {}
            }
            for (id, key) in keys {
                self.keys.insert(id, Arc::new(key));
            }
            self.principals.insert(principal, Arc::new(view));
        }
    }

    /// Puts a view with the same name and keys in the place of what was there.
    pub(crate) fn replace_view(&mut self, principal: Principal, view: PrincipalView) {
        let had = self.principals.get(&principal).map(|old| old.custom_policies.clone()).unwrap_or_default();
        self.replace_holder(principal, &had, &view.custom_policies);
        self.principals.insert(principal, Arc::new(view));
    }

    /// Enters a principal with the policies that it has now and had not; takes it out where it was and is no more. A policy
    /// that nobody has is not kept.
    fn replace_holder(&mut self, principal: Principal, had: &[PolicyName], has: &[PolicyName]) {
        let account = principal.account();
        for name in had.iter().filter(|name| !has.contains(name)) {
            let key = (account, name.clone());
            let Some(mut view) = self.policies.get(&key).cloned() else { continue };
            Arc::make_mut(&mut view.holders).remove(&principal);
            if view.holders.is_empty() {
                self.policies.remove(&key);
            } else {
                self.policies.insert(key, view);
            }
        }
        for name in has.iter().filter(|name| !had.contains(name)) {
            let key = (account, name.clone());
            if let Some(view) = self.policies.get_mut(&key) {
                Arc::make_mut(&mut view.holders).insert(principal);
            }
        }
    }

    /// The account itself, its users and its roles.
    pub(crate) fn principals_of(&self, account: AccountId) -> Vec<(Principal, Arc<PrincipalView>)> {
        let of_account = self.principals.iter().filter(|(principal, _)| principal.account() == account);
        of_account.map(|(principal, view)| (*principal, Arc::clone(view))).collect()
    }

    /// Takes out everything of an account, so that it is refused everything.
    pub(crate) fn remove_account(&mut self, account: AccountId) {
        self.principals.retain(|principal, _| principal.account() != account);
        self.keys.retain(|_, key| key.owner.account() != account);
        self.users.retain(|(owner, _), _| *owner != account);
        self.roles.retain(|(owner, _), _| *owner != account);
        self.instances.retain(|_, instance| instance.settings.account != account);
        self.policies.retain(|(owner, _), _| *owner != account);
        self.disabled.remove(&account);
        self.preferences.remove(&account);
    }
}

/// The snapshot in force, and the epoch of everyone who was ever in one.
#[derive(Debug)]
pub(crate) struct Directory {
    snapshot: ArcSwap<Snapshot>,
    /// Nothing is known to be in force: what others write cannot be read.
    cut_off: AtomicBool,
    /// How old what is known may be by now; where nobody else writes, it never is.
    last_read: OnceLock<Arc<LastRead>>,
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
            sources: None,
        };
        Self {
            snapshot: ArcSwap::default(),
            cut_off: AtomicBool::new(false),
            last_read: OnceLock::new(),
            unknown: Arc::new(unknown),
        }
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
            // A process that stood still asks this before its timer has cut it off.
            || self.last_read.get().is_some_and(|last| last.is_too_old())
            || (!snapshot.in_doubt.is_empty() && account.is_some_and(|account| snapshot.in_doubt.contains(&account)))
    }

    /// Says by what the age of all that is known is told, from now on.
    pub(crate) fn is_known_as_of(&self, last: Arc<LastRead>) {
        if self.last_read.set(last).is_err() {
            tracing::error!("the changes of others are followed twice; the first tells the age");
        }
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
        if snapshot.disabled.contains(&principal.account()) {
            return None;
        }
        let view = snapshot.principals.get(&principal)?;
        let alive = match credential {
            Credential::AccessKey(key) => return view.with_key(key),
            Credential::Console(_) => view.may_sign_in,
            Credential::RoleSession(session) => return view.in_role_session(principal, session),
            // The open listener acts as a user, never as the account itself.
            Credential::Listener => matches!(principal, Principal::User(..)),
        };
        alive.then(|| Arc::clone(&view.in_force))
    }

    fn role(&self, account: AccountId, name: &str) -> Option<Arc<AssumableRole>> {
        let snapshot = self.snapshot.load();
        if self.doubts(&snapshot, Some(account)) || snapshot.disabled.contains(&account) {
            return None;
        }
        let principal = snapshot.roles.get(&(account, Arc::from(name)))?;
        snapshot.principals.get(principal)?.assumable.clone()
    }
}
