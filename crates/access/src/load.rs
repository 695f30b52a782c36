//! Reads what the hot path needs from the store into a [`Snapshot`]: all of it at the start, the touched part later.

use std::sync::{Arc, LazyLock, atomic::AtomicU64};

use ahash::{AHashMap, AHashSet};
use sluice_model::{
    AccessKeyId, AccountId, InstanceId, Limits, PolicyName, PolicyType, PolicyVersion, Principal, UnixMs, UserGroupId,
    UserId,
};
use sluice_policy::{Document, Epoch, InForce, Policy, PolicySet, Standing, system_policies};
use sluice_store::{AccessKey, Entity, Holder, Store, StoreError};

use crate::{
    Change, InstanceSettings, Touched,
    directory::{InstanceView, KeyView, PrincipalView, Snapshot},
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
    for account in store.accounts().await? {
        read_account(store, &mut snapshot, account.account).await?;
    }
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
            touched.principals = read_members(store, next, *account, group).await?;
        }
        Change::Policy(account, name) => {
            next.policies.remove(&(*account, name.clone()));
            touched.principals = holders(next, *account, name);
            replace_policy(store, next, (*account, name), &touched.principals).await?;
        }
        Change::Account(account) => {
            next.remove_account(*account);
            read_account(store, next, *account).await?;
            touched.accounts.push(*account);
        }
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

/// Who has a custom policy, itself or through a group.
pub(crate) fn holders(snapshot: &Snapshot, account: AccountId, name: &PolicyName) -> Vec<Principal> {
    let has = |(principal, view): (&Principal, &Arc<PrincipalView>)| {
        (principal.account() == account && view.custom_policies.contains(name)).then_some(*principal)
    };
    snapshot.principals.iter().filter_map(has).collect()
}

async fn read_account(store: &Store, snapshot: &mut Snapshot, account: AccountId) -> Result<(), StoreError> {
    if store.account(account).await?.is_none() {
        return Ok(());
    }
    let mut keys: AHashMap<Principal, Vec<AccessKey>> = AHashMap::new();
    for key in store.account_keys(account).await? {
        keys.entry(key.owner).or_default().push(key);
    }
    let sign_ins: AHashSet<UserId> = store.users_who_sign_in(account).await?.into_iter().collect();
    let mut attached = store.account_attachments(account).await?;
    put_principal(snapshot, Principal::Account(account), owner(), keys.remove(&Principal::Account(account)), true);
    let mut groups = store.memberships(account).await?;
    for (id, name) in store.user_names(account).await? {
        let mut all = attached.remove(&Holder::User(id)).unwrap_or_default();
        for group in groups.remove(&id).unwrap_or_default() {
            all.extend(attached.get(&Holder::Group(group)).into_iter().flatten().cloned());
        }
        all.sort_unstable();
        all.dedup();
        let policies = policies_of(store, snapshot, account, all).await?;
        let principal = Principal::User(account, id);
        put_principal(
            snapshot,
            principal,
            (name.as_str().into(), policies),
            keys.remove(&principal),
            sign_ins.contains(&id),
        );
    }
    for (id, name) in store.role_names(account).await? {
        let own = attached.remove(&Holder::Role(id)).unwrap_or_default();
        let policies = policies_of(store, snapshot, account, own).await?;
        put_principal(snapshot, Principal::Role(account, id), (name.as_str().into(), policies), None, false);
    }
    for instance in store.instances(account).await? {
        read_instance(store, snapshot, account, &instance.id).await?;
    }
    Ok(())
}

/// Reads again what the members of a group may. What else there is of them stays: their keys and names have changes of
/// their own. A group may have 5,000 members, so that none is read alone.
async fn read_members(
    store: &Store,
    snapshot: &mut Snapshot,
    account: AccountId,
    group: &UserGroupId,
) -> Result<Vec<Principal>, StoreError> {
    let mut members = Vec::new();
    for (user, attached) in store.policies_of_members(account, group).await? {
        let principal = Principal::User(account, user);
        members.push(principal);
        let Some(view) = snapshot.principals.get(&principal).cloned() else {
            read_principal(store, snapshot, principal).await?;
            continue;
        };
        let policies = policies_of(store, snapshot, account, attached).await?;
        snapshot.principals.insert(principal, Arc::new(view.with_policies(policies.standing, policies.custom)));
    }
    Ok(members)
}

/// Puts a policy's version in force for those who have it: they have the same policies as before, one of them another.
async fn replace_policy(
    store: &Store,
    snapshot: &mut Snapshot,
    (account, name): (AccountId, &PolicyName),
    holders: &[Principal],
) -> Result<(), StoreError> {
    if holders.is_empty() {
        return Ok(());
    }
    let policy = match custom_policy(store, snapshot, account, name.clone()).await {
        Ok(policy) => policy,
        Err(StoreError::NotFound(Entity::Policy)) => {
            // Detached and deleted by another process, whose first change is still to be read here.
            for principal in holders {
                read_principal(store, snapshot, *principal).await?;
            }
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for principal in holders {
        let Some(view) = snapshot.principals.get(principal).cloned() else { continue };
        let Standing::Governed(set) = &view.in_force.standing else { continue };
        let mut set = set.clone();
        for one in set.account.iter_mut().filter(|one| one.policy_type == PolicyType::Custom) {
            if *one.name == *name.as_str() {
                *one = Arc::clone(&policy);
            }
        }
        let view = view.with_policies(Standing::Governed(set), view.custom_policies.clone());
        snapshot.principals.insert(*principal, Arc::new(view));
    }
    Ok(())
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
                let policies = policies_of(store, snapshot, account, attached).await?;
                let signs_in = store.login_profile(account, id).await?.is_some();
                (Some((user.name.as_str().into(), policies)), signs_in)
            }
            None => (None, false),
        },
        Principal::Role(_, id) => match store.role_name(account, id).await? {
            Some(name) => {
                let attached = store.attachments(account, &Holder::Role(id)).await?;
                let attached = attached.into_iter().map(|one| (one.policy_type, one.policy_name)).collect();
                let policies = policies_of(store, snapshot, account, attached).await?;
                (Some((name.as_str().into(), policies)), false)
            }
            None => (None, false),
        },
    };
    match named {
        Some(named) => put_principal(snapshot, principal, named, Some(store.keys(principal).await?), signs_in),
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
}

fn owner() -> Named {
    ("root".into(), Policies { standing: Standing::Owner, custom: Vec::new() })
}

/// The compiled policies of a user or a role; custom ones are compiled once and shared.
async fn policies_of(
    store: &Store,
    snapshot: &mut Snapshot,
    account: AccountId,
    attached: Vec<(PolicyType, PolicyName)>,
) -> Result<Policies, StoreError> {
    let mut set = PolicySet::default();
    let mut custom = Vec::new();
    for (policy_type, name) in attached {
        let policy = match policy_type {
            PolicyType::System => SYSTEM_POLICIES.get(name.as_str()).cloned().ok_or_else(|| StoreError::Damaged {
                table: "attachments",
                fault: format!("this program has no system policy `{name}`"),
            })?,
            PolicyType::Custom => {
                custom.push(name.clone());
                custom_policy(store, snapshot, account, name).await?
            }
        };
        set.account.push(policy);
    }
    Ok(Policies { standing: Standing::Governed(set), custom })
}

async fn custom_policy(
    store: &Store,
    snapshot: &mut Snapshot,
    account: AccountId,
    name: PolicyName,
) -> Result<Arc<Policy>, StoreError> {
    let key = (account, name);
    if let Some(compiled) = snapshot.policies.get(&key) {
        return Ok(Arc::clone(compiled));
    }
    let row = store.policy(account, &key.1).await?.ok_or(StoreError::NotFound(Entity::Policy))?;
    let document = Document::parse(&row.document).map_err(|faults| StoreError::Damaged {
        table: "policy_versions",
        fault: format!("policy `{}` of account {account}: {}", key.1, first(&faults)),
    })?;
    let policy = Arc::new(Policy {
        name: key.1.as_str().into(),
        policy_type: PolicyType::Custom,
        version: row.default_version,
        document: Arc::new(document),
    });
    snapshot.policies.insert(key, Arc::clone(&policy));
    Ok(policy)
}

fn first(faults: &[sluice_policy::Fault]) -> String {
    faults.first().map(ToString::to_string).unwrap_or_default()
}

/// Puts a principal in the snapshot, at the epoch after the one that it had there.
fn put_principal(
    snapshot: &mut Snapshot,
    principal: Principal,
    (name, policies): Named,
    keys: Option<Vec<AccessKey>>,
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
        }),
        epoch: cell,
        active_keys: keys.iter().filter(|key| key.active).map(|key| key.id.clone()).collect(),
        all_keys: keys.iter().map(|key| key.id.clone()).collect(),
        may_sign_in,
        custom_policies: policies.custom,
    };
    let keys = keys.into_iter().map(key_view).collect();
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
    let settings = InstanceSettings {
        account,
        instance: instance.id,
        compatibility: instance.compatibility,
        deny_action: instance.deny_action,
        durability: instance.durability,
        limits: Limits::of(instance.edition, instance.compatibility).keeping(instance.retention),
    };
    let topics = store.topics(account, id).await?;
    let groups = store.groups(account, id).await?;
    let view = InstanceView {
        settings: Arc::new(settings),
        topics: topics.iter().map(|topic| topic.name.as_str().into()).collect(),
        groups: groups.into_iter().map(|group| group.id).collect(),
    };
    snapshot.instances.insert(id.clone(), Arc::new(view));
    Ok(())
}
