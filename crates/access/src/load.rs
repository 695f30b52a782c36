//! Reads what the hot path needs from the store into a [`Snapshot`]: all of it at the start, the touched part later.

use std::sync::{Arc, LazyLock, atomic::AtomicU64};

use ahash::{AHashMap, AHashSet};
use sluice_model::{
    AccessKeyId, AccountId, GroupId, InstanceId, Limits, ParentTopic, PolicyName, PolicyType, PolicyVersion, Principal,
    SecurityPreference, UnixMs, UserGroupId, UserId,
};
use sluice_policy::{AssumableRole, Document, Epoch, InForce, Policy, PolicySet, Standing, system_policies};
use sluice_store::{AccessKey, Entity, Holder, Instance, Role, Store, StoreError, Whole};

use crate::{
    Change, InstanceSettings, Touched,
    directory::{InstanceView, KeyView, PolicyView, PrincipalView, Snapshot},
    key_lists::{KeyLists, Listed},
    self_service,
};

/// The system policies, compiled once for all accounts.
static SYSTEM_POLICIES: LazyLock<AHashMap<&'static str, Arc<Policy>>> = LazyLock::new(|| {
    let compiled = |policy: &'static sluice_policy::SystemPolicy| {
        let document = Document::parse(policy.document_text).expect("a test of `policy` parses every system policy");
        let (version, policy_type) = (PolicyVersion(policy.version), PolicyType::System);
        (policy.name, Arc::new(Policy { name: policy.name.into(), policy_type, version, document: Arc::new(document) }))
    };
    system_policies().iter().map(compiled).collect()
});

/// Everything of all accounts.
pub(crate) async fn everything(store: &Store) -> Result<Snapshot, StoreError> {
    let mut snapshot = Snapshot::default();
    put_all(&mut snapshot, store.whole(None).await?)?;
    Ok(snapshot)
}

/// Reads again what a change wrote; says whom it touches.
pub(crate) async fn apply(store: &Store, next: &mut Snapshot, change: &Change) -> Result<Touched, StoreError> {
    let mut touched = Touched::default();
    match change {
        Change::Principal(principal) => {
            read_principal(store, next, *principal).await?;
            touched.principals.push(*principal);
        }
        Change::UserGroup(account, group) => {
            for (user, attached) in store.policies_of_members(*account, group).await? {
                let principal = Principal::User(*account, user);
                read_policies(store, next, principal, attached).await?;
                touched.principals.push(principal);
            }
        }
        Change::Policy(account, name) => {
            touched.principals = read_policy(store, next, *account, name).await?;
        }
        Change::Account(account) => {
            let before = instances_of(next, *account);
            next.remove_account(*account);
            read_account(store, next, *account).await?;
            touched.accounts.push(*account);
            let gone = before.into_iter().filter(|instance| !next.instances.contains_key(instance));
            touched.instances.extend(gone.map(|instance| (*account, instance)));
        }
        Change::Preference(account) => touched.principals = read_preference(store, next, *account).await?,
        Change::AccountKeyPolicy(account) => touched.principals = read_key_lists(store, next, *account).await?,
        Change::Instance(account, instance) | Change::Topic(account, instance) => {
            read_instance(store, next, *account, instance).await?;
            touched.instances.push((*account, instance.clone()));
        }
        Change::Group(account, instance, group) => {
            read_instance(store, next, *account, instance).await?;
            let there = next.instances.get(instance).is_some_and(|view| view.groups.contains(group));
            if !there {
                touched.groups.push((*account, instance.clone(), group.clone()));
            }
        }
    }
    Ok(touched)
}

pub(crate) fn instances_of(snapshot: &Snapshot, account: AccountId) -> Vec<InstanceId> {
    let of_account =
        |(id, view): (&InstanceId, &Arc<InstanceView>)| (view.settings.account == account).then(|| id.clone());
    snapshot.instances.iter().filter_map(of_account).collect()
}

/// Reads a policy again; gives its holders, who have the new version. Nothing else is read of them.
async fn read_policy(
    store: &Store,
    next: &mut Snapshot,
    account: AccountId,
    name: &PolicyName,
) -> Result<Vec<Principal>, StoreError> {
    let key = (account, name.clone());
    let Some(before) = next.policies.get(&key).cloned() else { return Ok(Vec::new()) };
    let holders: Vec<Principal> = before.holders.iter().copied().collect();
    match store.policy(account, name).await? {
        Some(row) => {
            let policy = compiled(account, name, row.default_version, &row.document)?;
            for principal in &holders {
                if let Some(view) = next.principals.get(principal) {
                    let view = view.with_policy(&policy);
                    next.replace_view(*principal, view);
                }
            }
            next.policies.insert(key, PolicyView { policy, holders: before.holders });
        }
        None => {
            // Only what hangs on nobody is deleted: that it was taken from these is another change, about to be read.
            for principal in &holders {
                read_principal(store, next, *principal).await?;
            }
        }
    }
    Ok(holders)
}

/// Puts what a principal has now in the place of what it had; its name and keys are as they were.
async fn read_policies(
    store: &Store,
    next: &mut Snapshot,
    principal: Principal,
    attached: Vec<(PolicyType, PolicyName)>,
) -> Result<(), StoreError> {
    let Some(view) = next.principals.get(&principal).cloned() else {
        return read_principal(store, next, principal).await;
    };
    let mut policies = policies_of(store, next, principal.account(), attached).await?;
    if let Principal::User(account, id) = principal {
        policies.add(own(next, account, (id, &view.in_force.name)));
    }
    let Policies { standing, custom, .. } = policies;
    next.replace_view(principal, view.with_standing(standing, custom));
    Ok(())
}

/// Reads again what an account lets its users do; gives the users, if they may do something else than before.
async fn read_preference(store: &Store, next: &mut Snapshot, account: AccountId) -> Result<Vec<Principal>, StoreError> {
    let preference = store.sign_in_settings(account).await?.preference;
    let before = next.preferences.insert(account, Arc::new(preference.clone()));
    if self_service::grants_the_same(&before.unwrap_or_default(), &preference) {
        return Ok(Vec::new());
    }
    let mut users = next.principals_of(account);
    users.retain(|(principal, _)| matches!(principal, Principal::User(..)));
    for (principal, view) in &users {
        let Principal::User(_, id) = principal else { continue };
        let mut standing = view.in_force.standing.clone();
        if let Standing::Governed(set) = &mut standing {
            set.account.retain(|policy| !self_service::is_one(policy));
            set.account.extend(self_service::policy(account, (*id, &view.in_force.name), &preference));
        }
        next.replace_view(*principal, view.with_standing(standing, view.custom_policies.clone()));
    }
    Ok(users.into_iter().map(|(principal, _)| principal).collect())
}

/// Reads again from where an account's keys may be used; gives the owners of those for which it is another place now.
async fn read_key_lists(store: &Store, next: &mut Snapshot, account: AccountId) -> Result<Vec<Principal>, StoreError> {
    let lists = KeyLists::compiled(store.key_policies_of_account(account).await?)?;
    let mut touched = Vec::new();
    for (principal, view) in next.principals_of(account) {
        let listed: Arc<[_]> =
            view.all_keys.iter().filter_map(|key| Some((key.clone(), lists.of(account, key)?))).collect();
        if listed != view.listed_keys {
            let view = PrincipalView { listed_keys: listed, ..view.at_next_epoch() };
            next.replace_view(principal, view);
            touched.push(principal);
        }
    }
    Ok(touched)
}

async fn read_account(store: &Store, snapshot: &mut Snapshot, account: AccountId) -> Result<(), StoreError> {
    put_all(snapshot, store.whole(Some(account)).await?)
}

/// Puts whole accounts in a snapshot that has nothing of them.
fn put_all(snapshot: &mut Snapshot, whole: Whole) -> Result<(), StoreError> {
    for (account, name, version, document) in whole.policies {
        let policy = compiled(account, &name, version, &document)?;
        snapshot.policies.insert((account, name), PolicyView { policy, holders: Arc::default() });
    }
    let lists = KeyLists::compiled(whole.key_policies)?;
    let mut keys: AHashMap<Principal, Vec<Listed>> = AHashMap::new();
    for key in whole.keys {
        keys.entry(key.owner).or_default().push(lists.list(key));
    }
    let sign_ins: AHashSet<(AccountId, UserId)> = whole.sign_ins.into_iter().collect();
    let mut attached: AHashMap<(AccountId, Holder), Vec<(PolicyType, PolicyName)>> = AHashMap::new();
    for (account, holder, policy) in whole.attachments {
        attached.entry((account, holder)).or_default().push(policy);
    }
    let mut groups: AHashMap<(AccountId, UserId), Vec<UserGroupId>> = AHashMap::new();
    for (account, user, group) in whole.members {
        groups.entry((account, user)).or_default().push(group);
    }
    for (account, preference) in whole.preferences {
        snapshot.preferences.insert(account, Arc::new(preference));
    }
    for account in whole.accounts {
        if !account.active {
            snapshot.disabled.insert(account.account);
        }
        let principal = Principal::Account(account.account);
        put_principal(snapshot, principal, owner(), keys.remove(&principal), true);
    }
    for (account, id, name) in whole.users {
        let mut all = attached.remove(&(account, Holder::User(id))).unwrap_or_default();
        for group in groups.remove(&(account, id)).unwrap_or_default() {
            all.extend(attached.get(&(account, Holder::Group(group))).into_iter().flatten().cloned());
        }
        all.sort_unstable();
        all.dedup();
        let mut policies = held(snapshot, account, all)?;
        policies.add(own(snapshot, account, (id, name.as_str())));
        let (principal, signs_in) = (Principal::User(account, id), sign_ins.contains(&(account, id)));
        put_principal(snapshot, principal, (name.as_str().into(), policies), keys.remove(&principal), signs_in);
    }
    for (account, role) in whole.roles {
        let own = held(snapshot, account, attached.remove(&(account, Holder::Role(role.id))).unwrap_or_default())?;
        put_role(snapshot, account, &role, own)?;
    }
    put_instances(snapshot, whole.instances, whole.topics, whole.groups);
    Ok(())
}

fn put_instances(
    snapshot: &mut Snapshot,
    instances: Vec<Instance>,
    topics: Vec<(AccountId, InstanceId, ParentTopic)>,
    groups: Vec<(AccountId, InstanceId, GroupId)>,
) {
    let mut topics_of: AHashMap<InstanceId, AHashSet<Arc<str>>> = AHashMap::new();
    for (_, instance, topic) in topics {
        topics_of.entry(instance).or_default().insert(topic.as_str().into());
    }
    let mut groups_of: AHashMap<InstanceId, AHashSet<GroupId>> = AHashMap::new();
    for (_, instance, group) in groups {
        groups_of.entry(instance).or_default().insert(group);
    }
    for instance in instances {
        let (topics, groups) = (topics_of.remove(&instance.id), groups_of.remove(&instance.id));
        put_instance(snapshot, instance, topics.unwrap_or_default(), groups.unwrap_or_default());
    }
}

async fn read_principal(store: &Store, snapshot: &mut Snapshot, principal: Principal) -> Result<(), StoreError> {
    let account = principal.account();
    let (named, signs_in) = match principal {
        Principal::Account(_) => {
            let exists = store.account(account).await?.is_some();
            (exists.then(owner), true)
        }
        Principal::User(_, id) => match store.user_by_id(account, id).await? {
            Some(user) => {
                let attached = store.policies_of_user(account, id).await?;
                let mut policies = policies_of(store, snapshot, account, attached).await?;
                policies.add(own(snapshot, account, (id, user.name.as_str())));
                let signs_in = store.login_profile(account, id).await?.is_some();
                (Some((user.name.as_str().into(), policies)), signs_in)
            }
            None => (None, false),
        },
        Principal::Role(_, id) => match store.role_by_id(account, id).await? {
            Some(role) => {
                let attached = store.attachments(account, &Holder::Role(id)).await?;
                let attached = attached.into_iter().map(|one| (one.policy_type, one.policy_name)).collect();
                let policies = policies_of(store, snapshot, account, attached).await?;
                return put_role(snapshot, account, &role, policies);
            }
            None => (None, false),
        },
    };
    match named {
        Some(named) => {
            let lists = KeyLists::compiled(store.key_policies(principal).await?)?;
            let keys = store.keys(principal).await?.into_iter().map(|key| lists.list(key)).collect();
            put_principal(snapshot, principal, named, Some(keys), signs_in);
        }
        None => snapshot.replace_principal(principal, None),
    }
    Ok(())
}

/// The name, the standing and the custom policies of a principal.
type Named = (Arc<str>, Policies);

/// How a principal stands, and which custom policies made it so.
struct Policies {
    standing: Standing,
    custom: Vec<PolicyName>,
    /// A role, as whoever assumes it sees it.
    assumable: Option<Arc<AssumableRole>>,
}

/// What a user may do for itself.
fn own(snapshot: &Snapshot, account: AccountId, user: (UserId, &str)) -> Option<Arc<Policy>> {
    match snapshot.preferences.get(&account) {
        Some(preference) => self_service::policy(account, user, preference),
        None => self_service::policy(account, user, &SecurityPreference::default()),
    }
}

impl Policies {
    /// Adds a policy that is attached to nobody.
    fn add(&mut self, policy: Option<Arc<Policy>>) {
        if let (Standing::Governed(set), Some(policy)) = (&mut self.standing, policy) {
            set.account.push(policy);
        }
    }
}

fn owner() -> Named {
    ("root".into(), Policies { standing: Standing::Owner, custom: Vec::new(), assumable: None })
}

/// The compiled policies of a user or a role; custom ones that nobody had are read and compiled first.
async fn policies_of(
    store: &Store,
    snapshot: &mut Snapshot,
    account: AccountId,
    attached: Vec<(PolicyType, PolicyName)>,
) -> Result<Policies, StoreError> {
    for (policy_type, name) in &attached {
        let key = (account, name.clone());
        if *policy_type == PolicyType::Custom && !snapshot.policies.contains_key(&key) {
            let row = store.policy(account, name).await?.ok_or(StoreError::NotFound(Entity::Policy))?;
            let policy = compiled(account, name, row.default_version, &row.document)?;
            snapshot.policies.insert(key, PolicyView { policy, holders: Arc::default() });
        }
    }
    held(snapshot, account, attached)
}

/// The policies that are attached, all of them in the snapshot.
fn held(
    snapshot: &Snapshot,
    account: AccountId,
    attached: Vec<(PolicyType, PolicyName)>,
) -> Result<Policies, StoreError> {
    let mut set = PolicySet::default();
    let mut custom = Vec::new();
    for (policy_type, name) in attached {
        let policy = match policy_type {
            PolicyType::System => SYSTEM_POLICIES.get(name.as_str()).cloned().ok_or_else(|| StoreError::Damaged {
                table: "policy_attachments",
                fault: format!("this program has no system policy `{name}`"),
            })?,
            PolicyType::Custom => {
                let view = snapshot.policies.get(&(account, name.clone()));
                let policy = view.map(|view| Arc::clone(&view.policy)).ok_or(StoreError::NotFound(Entity::Policy))?;
                custom.push(name);
                policy
            }
        };
        set.account.push(policy);
    }
    Ok(Policies { standing: Standing::Governed(set), custom, assumable: None })
}

fn compiled(
    account: AccountId,
    name: &PolicyName,
    version: PolicyVersion,
    document: &str,
) -> Result<Arc<Policy>, StoreError> {
    let document = Document::parse(document).map_err(|faults| StoreError::Damaged {
        table: "policy_versions",
        fault: format!("policy `{name}` of account {account}: {}", first(&faults)),
    })?;
    let policy_type = PolicyType::Custom;
    Ok(Arc::new(Policy { name: name.as_str().into(), policy_type, version, document: Arc::new(document) }))
}

fn first(faults: &[sluice_policy::Fault]) -> String {
    faults.first().map(ToString::to_string).unwrap_or_default()
}

/// Puts a role in the snapshot, with who may assume it.
fn put_role(snapshot: &mut Snapshot, account: AccountId, role: &Role, policies: Policies) -> Result<(), StoreError> {
    let trust = Document::load_trust(&role.trust_document).map_err(|faults| StoreError::Damaged {
        table: "roles",
        fault: format!("the trust policy of role `{}` of account {account}: {}", role.name, first(&faults)),
    })?;
    let (principal, name): (_, Arc<str>) = (Principal::Role(account, role.id), role.name.as_str().into());
    let trust = Policy {
        name: Arc::clone(&name),
        policy_type: PolicyType::Custom,
        version: PolicyVersion(1),
        document: Arc::new(trust),
    };
    let (name, trust) = (Arc::clone(&name), Arc::new(trust));
    let assumable = AssumableRole { principal, name: Arc::clone(&name), trust, session_s_max: role.session_s_max };
    let policies = Policies { assumable: Some(Arc::new(assumable)), ..policies };
    put_principal(snapshot, principal, (name, policies), None, false);
    Ok(())
}

/// Puts a principal in the snapshot, at the epoch after the one that it had there.
fn put_principal(
    snapshot: &mut Snapshot,
    principal: Principal,
    (name, policies): Named,
    keys: Option<Vec<Listed>>,
    may_sign_in: bool,
) {
    let (cell, seen) = match snapshot.principals.get(&principal) {
        Some(old) => (Arc::clone(&old.epoch), old.in_force.epoch.seen() + 1),
        None => (Arc::new(AtomicU64::new(0)), 0),
    };
    let keys = keys.unwrap_or_default();
    let view = PrincipalView {
        in_force: Arc::new(InForce {
            standing: policies.standing,
            name,
            epoch: Epoch::new(Arc::clone(&cell), seen),
            valid_until: UnixMs::NEVER,
            sources: None,
        }),
        epoch: cell,
        active_keys: keys.iter().filter(|(key, _)| key.active).map(|(key, _)| key.id.clone()).collect(),
        all_keys: keys.iter().map(|(key, _)| key.id.clone()).collect(),
        listed_keys: keys.iter().filter_map(|(key, list)| Some((key.id.clone(), list.clone()?))).collect(),
        may_sign_in,
        custom_policies: policies.custom,
        assumable: policies.assumable,
    };
    let keys = keys.into_iter().map(|(key, _)| key_view(key)).collect();
    snapshot.replace_principal(principal, Some((view, keys)));
}

fn key_view(key: AccessKey) -> (AccessKeyId, KeyView) {
    (key.id, KeyView { owner: key.owner, sealed_secret: key.sealed_secret.into(), active: key.active })
}

async fn read_instance(
    store: &Store,
    snapshot: &mut Snapshot,
    account: AccountId,
    id: &InstanceId,
) -> Result<(), StoreError> {
    let Some(instance) = store.instance(account, id).await? else {
        if snapshot.instances.get(id).is_some_and(|view| view.settings.account == account) {
            snapshot.instances.remove(id);
        }
        return Ok(());
    };
    let topics = store.topics(account, id).await?.iter().map(|topic| topic.name.as_str().into()).collect();
    let groups = store.groups(account, id).await?.into_iter().map(|group| group.id).collect();
    put_instance(snapshot, instance, topics, groups);
    Ok(())
}

fn put_instance(snapshot: &mut Snapshot, instance: Instance, topics: AHashSet<Arc<str>>, groups: AHashSet<GroupId>) {
    let settings = InstanceSettings {
        account: instance.account,
        instance: instance.id.clone(),
        compatibility: instance.compatibility,
        deny_action: instance.deny_action,
        durability: instance.durability,
        limits: Limits::of(instance.edition, instance.compatibility).keeping(instance.retention),
    };
    let view = InstanceView { settings: Arc::new(settings), topics, groups };
    snapshot.instances.insert(instance.id, Arc::new(view));
}
