//! Refusals that a caller was told, kept under their request IDs for the answer to "why?".
//!
//! The way through: `actions` and `broker` tell each refusal where they log it; here it waits in a bounded queue, and
//! [`Refusals::write`] puts what waits into the store, each second, at the end and before somebody asks. A flood costs a lock:
//! what an account is refused beyond [`ACCOUNT_WAITING_MAX`] between two writes is not kept, gets no request ID of its own and
//! is counted in `sluice_refusals_not_kept_total`. What no policy decided ([`Told::without_policy`]: something absent, in use or
//! over a limit) has a quarter of the room, so that a client that is too fast does not hide what a policy refused.
//!
//! Never here: clocks, secrets (the value of `sts:ExternalId` is kept as `***`).

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use metrics::{Counter, counter};
use parking_lot::Mutex;
use sluice_model::{AccountId, PolicyName, PolicyType, Principal, UnixMs};
use sluice_policy::{Caller, Context, Credential, Denied, Federated, Reason, Scope, StatementRef, SystemTask};
use sluice_store::{HeldBy, Holder, Refusal, RefusedBy, Store, StoreError};

use crate::seen::{Marks, is_secret};

/// Refusals of an account that are kept, the newest.
pub const REFUSALS_KEPT_MAX: u32 = 10_000;
/// Of these, what no policy decided.
pub const PLAIN_REFUSALS_KEPT_MAX: u32 = REFUSALS_KEPT_MAX / 4;
/// Of these, one principal's: whoever is refused without end does not make the account forget the others.
pub const PRINCIPAL_REFUSALS_KEPT_MAX: u32 = REFUSALS_KEPT_MAX / 4;
/// For how long they are kept.
pub const REFUSALS_KEPT_MS: i64 = 7 * 24 * 3_600_000;

/// Refusals of all accounts that wait to be written.
const WAITING_MAX: usize = 4_096;
/// Refusals of one account that wait to be written.
const ACCOUNT_WAITING_MAX: usize = 256;
/// Of these, what no policy decided.
const ACCOUNT_PLAIN_WAITING_MAX: usize = ACCOUNT_WAITING_MAX / 4;
/// Longest text that a caller had a hand in, bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// A refusal, as it is told.
#[derive(Debug)]
pub struct Told<'a> {
    /// Who asked.
    pub caller: &'a Caller,
    /// The user's or role's name; empty for whoever is gone.
    pub name: Arc<str>,
    /// What was asked.
    pub action: &'a str,
    /// The resource's ARN.
    pub resource: String,
    /// The decision in a sentence.
    pub reason: String,
    /// Where it was decided, as `PolicyType` of an `AccessDeniedDetail`; empty where no policy decided.
    pub scope: &'a str,
    /// The statement that forbade it.
    pub by: Option<&'a StatementRef>,
    /// Condition keys that a fitting Allow asked for and the request did not have.
    pub missing_keys: &'a [Arc<str>],
    /// Time and further keys.
    pub context: &'a Context,
}

impl<'a> Told<'a> {
    /// What the authority refused; `None` when nothing could be read: that says nothing of anybody's rights.
    #[must_use]
    pub fn of(caller: &'a Caller, denied: &'a Denied, context: &'a Context) -> Option<Self> {
        if denied.reason == Reason::Unavailable {
            return None;
        }
        let (by, missing_keys) = decided_by(&denied.reason);
        Some(Self {
            caller,
            name: Arc::clone(&denied.principal_name),
            action: denied.action.as_str(),
            resource: denied.resource.to_string(),
            reason: denied.to_string(),
            scope: denied.policy_type_detail(),
            by,
            missing_keys,
            context,
        })
    }

    /// What something else than a policy refused, in a sentence of its own: something that was named is not there or not
    /// served, a client ID is another's, a limit was met, the credential is void.
    #[must_use]
    pub fn without_policy(
        (caller, name): (&'a Caller, Arc<str>),
        action: &'a str,
        resource: String,
        reason: String,
        context: &'a Context,
    ) -> Self {
        Self { caller, name, action, resource, reason, scope: "", by: None, missing_keys: &[], context }
    }

    /// Whether no policy decided.
    fn is_plain(&self) -> bool {
        self.scope.is_empty()
    }

    fn into_row(self, request_id: String) -> Refusal {
        let Self { caller, name, action, resource, reason, scope, by, missing_keys, context } = self;
        let principal = caller.principal();
        let session_name = match caller.credential() {
            Credential::RoleSession(session) => session.name.to_string(),
            _ => String::new(),
        };
        let masked = |(key, values): &(Arc<str>, Vec<Arc<str>>)| {
            let values = if is_secret(key) { vec![Arc::from("***")] } else { values.clone() };
            (Arc::clone(key), values)
        };
        let keys: Vec<_> = context.keys.iter().map(masked).collect();
        let marks = Marks {
            source_ip: caller.source_ip(),
            secure_transport: caller.secure_transport(),
            mfa_present: caller.mfa_present(),
            keys: &keys,
        };
        Refusal {
            request_id,
            at: context.now,
            principal,
            principal_name: if matches!(principal, Principal::Account(_)) { String::new() } else { name.to_string() },
            session_name,
            action: action.to_owned(),
            resource: cut(resource),
            scope: scope.to_owned(),
            by: by.map(|by| refused_by(principal, by)),
            missing_keys: missing_keys.iter().map(ToString::to_string).collect(),
            conditions: marks.conditions(),
            reason: cut(reason),
        }
    }
}

/// The statement that forbade it, or the keys that were missing.
fn decided_by(reason: &Reason) -> (Option<&StatementRef>, &[Arc<str>]) {
    match reason {
        Reason::Explicit(statement) => (Some(&**statement), &[]),
        Reason::NoAllow { missing_context_keys, .. } => (None, missing_context_keys),
        Reason::AccountWall
        | Reason::NoPrincipal
        | Reason::SourceNotAllowed
        | Reason::OwnerAssumes
        | Reason::Unavailable => (None, &[]),
    }
}

/// By whom a user has a policy is looked up when it is written.
fn refused_by(principal: Principal, by: &StatementRef) -> RefusedBy {
    RefusedBy {
        policy: by.policy.to_string(),
        policy_type: by.policy_type,
        version: by.version,
        statement: u32::try_from(by.statement).unwrap_or(u32::MAX),
        held_by: if matches!(principal, Principal::Role(..)) || by.scope == Scope::Session {
            HeldBy::Role
        } else {
            HeldBy::User
        },
    }
}

/// A text that a caller had a hand in, as it is kept: PostgreSQL takes no NUL, and one row that it does not take would hold
/// up all others.
fn cut(text: String) -> String {
    let mut text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

#[derive(Default)]
struct Waiting {
    rows: Vec<Refusal>,
    of_account: AHashMap<AccountId, Places>,
}

/// Places that an account has taken.
#[derive(Default)]
struct Places {
    all: usize,
    /// Of these, of what no policy decided.
    plain: usize,
    /// Of these, of each principal.
    of_principal: AHashMap<Principal, usize>,
}

impl Places {
    /// Takes one, if there is one: of an account's places one principal gets no more than are left for the others.
    fn take(&mut self, principal: Principal, is_plain: bool) -> bool {
        let of_principal = self.of_principal.entry(principal).or_default();
        let is_free =
            *of_principal < ACCOUNT_WAITING_MAX - self.all && !(is_plain && self.plain >= ACCOUNT_PLAIN_WAITING_MAX);
        *of_principal += usize::from(is_free);
        self.all += usize::from(is_free);
        self.plain += usize::from(is_free && is_plain);
        is_free
    }
}

/// What was refused lately. One for all of the process.
pub struct Refusals {
    store: Store,
    waiting: Mutex<Waiting>,
    /// What the store could not take yet. Held while it is written.
    unwritten: tokio::sync::Mutex<Vec<Refusal>>,
    /// Who got rows since they were trimmed.
    grown: Mutex<AHashSet<Principal>>,
    /// Those of requests; the broker counts its own.
    refused: Counter,
    not_kept: Counter,
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Refusals")
    }
}

impl Refusals {
    /// Nothing refused yet. To be made after the recorder of metrics.
    #[must_use]
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            waiting: Mutex::default(),
            unwritten: tokio::sync::Mutex::default(),
            grown: Mutex::default(),
            refused: counter!("sluice_refusals_total"),
            not_kept: counter!("sluice_refusals_not_kept_total"),
        })
    }

    /// Keeps a refusal of a request that has an ID.
    pub fn tell_of_request(&self, told: Told<'_>, request_id: &str) {
        self.refused.increment(1);
        if self.has_room(told.caller.principal(), told.is_plain()) {
            let row = told.into_row(request_id.to_owned());
            self.waiting.lock().rows.push(row);
        }
    }

    /// Keeps that a role does not trust somebody for whom an identity provider vouches: in the provider's account, which is
    /// the role's too, or else the one whose provider it is; a stranger's provider must not fill what another account keeps.
    pub fn tell_of_federated(
        &self,
        who: &Federated,
        resource: String,
        why: &Reason,
        context: &Context,
        request_id: &str,
    ) {
        self.refused.increment(1);
        if !self.has_room(Principal::Account(who.account()), false) {
            return;
        }
        let (principal, (by, missing_keys)) = (Principal::Account(who.account()), decided_by(why));
        let provider = who.provider();
        let marks = Marks {
            source_ip: who.source_ip(),
            secure_transport: who.secure_transport(),
            mfa_present: None,
            keys: &context.keys,
        };
        let row = Refusal {
            request_id: request_id.to_owned(),
            at: context.now,
            principal,
            principal_name: provider.to_owned(),
            session_name: String::new(),
            action: "sts:AssumeRole".to_owned(),
            reason: cut(format!("the trust policy of `{resource}` does not let in whoever comes by `{provider}`")),
            resource: cut(resource),
            scope: Scope::Trust.as_str().to_owned(),
            by: by.map(|by| RefusedBy { held_by: HeldBy::Role, ..refused_by(principal, by) }),
            missing_keys: missing_keys.iter().map(ToString::to_string).collect(),
            conditions: marks.conditions(),
        };
        self.waiting.lock().rows.push(row);
    }

    /// Keeps a refusal of something that has no ID, under a new one: a UUID in capitals. `None` when it is not kept.
    #[must_use]
    pub fn tell(&self, told: Told<'_>) -> Option<String> {
        if !self.has_room(told.caller.principal(), told.is_plain()) {
            return None;
        }
        let request_id = uuid::Uuid::new_v4().hyphenated().to_string().to_ascii_uppercase();
        let row = told.into_row(request_id.clone());
        self.waiting.lock().rows.push(row);
        Some(request_id)
    }

    /// Takes a place for one more of an account, if there is one.
    fn has_room(&self, principal: Principal, is_plain: bool) -> bool {
        let mut waiting = self.waiting.lock();
        let has_room = waiting.rows.len() < WAITING_MAX
            && waiting.of_account.entry(principal.account()).or_default().take(principal, is_plain);
        drop(waiting);
        if !has_room {
            self.not_kept.increment(1);
        }
        has_room
    }

    /// Writes what waits. What cannot be written is kept and written the next time, and nothing more is taken meanwhile
    /// than fits.
    ///
    /// # Errors
    /// [`StoreError`]; nothing that was taken is lost.
    pub async fn write(self: &Arc<Self>) -> Result<(), StoreError> {
        let refusals = Arc::clone(self);
        // On its own task: whoever asked may go away in the middle.
        let written = tokio::spawn(async move { refusals.write_turn().await }).await;
        written.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
    }

    async fn write_turn(&self) -> Result<(), StoreError> {
        let mut unwritten = self.unwritten.lock().await;
        if unwritten.is_empty() {
            // What could not be written keeps the places of what waits: the queue stays bounded while the store fails.
            *unwritten = std::mem::take(&mut *self.waiting.lock()).rows;
        }
        if unwritten.is_empty() {
            return Ok(());
        }
        self.look_up_holders(&mut unwritten).await?;
        self.store.add_refusals(SystemTask::Decisions, &unwritten).await?;
        self.grown.lock().extend(unwritten.drain(..).map(|row| row.principal));
        Ok(())
    }

    /// Finds by whom users have the policies that refused them. One that was taken away in the second since counts as the
    /// user's own.
    async fn look_up_holders(&self, rows: &mut [Refusal]) -> Result<(), StoreError> {
        let mut of_groups: AHashMap<Principal, AHashSet<(PolicyType, PolicyName)>> = AHashMap::new();
        for row in rows {
            let (Principal::User(account, user), Some(by)) = (row.principal, &mut row.by) else { continue };
            if !of_groups.contains_key(&row.principal) {
                let mut policies: AHashSet<_> = self.store.policies_of_user(account, user).await?.into_iter().collect();
                for own in self.store.attachments(account, &Holder::User(user)).await? {
                    policies.remove(&(own.policy_type, own.policy_name));
                }
                of_groups.insert(row.principal, policies);
            }
            let policies = &of_groups[&row.principal];
            let is_of_group = by.policy.parse().is_ok_and(|name| policies.contains(&(by.policy_type, name)));
            by.held_by = if is_of_group { HeldBy::Group } else { HeldBy::User };
        }
        Ok(())
    }

    /// Forgets what is beyond [`PRINCIPAL_REFUSALS_KEPT_MAX`] of a principal, and beyond [`REFUSALS_KEPT_MAX`] and
    /// [`PLAIN_REFUSALS_KEPT_MAX`] of an account, that got more since the last time.
    ///
    /// # Errors
    /// [`StoreError`]; the rest is trimmed the next time.
    pub async fn trim(&self) -> Result<(), StoreError> {
        let mut grown = std::mem::take(&mut *self.grown.lock());
        let trimmed = self.trim_each(&mut grown).await;
        self.grown.lock().extend(grown);
        trimmed
    }

    async fn trim_each(&self, grown: &mut AHashSet<Principal>) -> Result<(), StoreError> {
        let principals: Vec<Principal> = grown.iter().copied().collect();
        for principal in &principals {
            self.store.trim_refusals_of(*principal, PRINCIPAL_REFUSALS_KEPT_MAX).await?;
        }
        let accounts: AHashSet<AccountId> = principals.iter().map(|principal| principal.account()).collect();
        for account in accounts {
            self.store.trim_refusals(account, (REFUSALS_KEPT_MAX, PLAIN_REFUSALS_KEPT_MAX)).await?;
            grown.retain(|principal| principal.account() != account);
        }
        Ok(())
    }

    /// Forgets what is older than [`REFUSALS_KEPT_MS`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_old(&self, now: UnixMs) -> Result<(), StoreError> {
        self.store
            .forget_refusals(SystemTask::Decisions, UnixMs(now.0.saturating_sub(REFUSALS_KEPT_MS)))
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use sluice_model::{Action, InstanceId, Resource};
    use sluice_testkit::{PolicyTable, account, caller, user};

    use super::*;
    use crate::test_store::store_with;

    const NOW: UnixMs = UnixMs(1_700_000_000_000);

    async fn refusals() -> (Arc<Refusals>, tempfile::TempDir) {
        let (store, folder) = store_with(&[1, 2]).await;
        (Refusals::new(store), folder)
    }

    fn refused(n: u64, path: &str, context: &Context) -> (Caller, Denied) {
        refused_of(user(account(n), 1), path, context)
    }

    fn refused_of(principal: Principal, path: &str, context: &Context) -> (Caller, Denied) {
        let table = PolicyTable::default();
        table.set(principal, &[]);
        let caller = caller(principal);
        let resource = Resource::Topic(principal.account(), "mqtt-cn-a".parse::<InstanceId>().unwrap(), path.into());
        let denied = table.authority().authorize(&caller, &Action::PUB, &resource, context).unwrap_err();
        (caller, denied)
    }

    #[tokio::test]
    async fn a_refusal_is_kept_under_a_new_id_with_its_secret_masked_and_its_texts_cut() {
        let (refusals, _folder) = refusals().await;
        let context = Context::at(NOW).with("sts:ExternalId", &["between us"]);
        let (caller, denied) = refused(1, &"ä".repeat(30_000), &context);
        let id = refusals.tell(Told::of(&caller, &denied, &context).unwrap()).unwrap();
        refusals.write().await.unwrap();
        let kept = refusals.store.refusal(account(1), &id).await.unwrap().unwrap();
        assert_eq!((kept.at, kept.action.as_str(), kept.principal), (NOW, "mq:PUB", caller.principal()));
        assert_eq!(kept.conditions.0.last().unwrap(), &("sts:externalid".to_owned(), vec!["***".to_owned()]));
        assert!(kept.resource.len() < TEXT_BYTES_MAX + 8 && kept.resource.ends_with('…'));
    }

    #[tokio::test]
    async fn a_flood_of_one_account_is_cut_and_leaves_room_for_others() {
        let (refusals, _folder) = refusals().await;
        let context = Context::at(NOW);
        let (caller, denied) = refused(1, "a", &context);
        let (other, other_denied) = refused(2, "a", &context);
        let tell = |caller, denied| refusals.tell(Told::of(caller, denied, &context).unwrap());
        let kept = (0..3 * ACCOUNT_WAITING_MAX).filter_map(|_| tell(&caller, &denied)).count();
        // One principal has half of its account's places, so that the next one finds some.
        assert_eq!(kept, ACCOUNT_WAITING_MAX / 2);
        let (colleague, colleague_denied) = refused_of(user(account(1), 2), "a", &context);
        assert!(tell(&colleague, &colleague_denied).is_some());
        assert!(tell(&other, &other_denied).is_some());
        refusals.write().await.unwrap();
        assert!(tell(&caller, &denied).is_some());
        refusals.write().await.unwrap();
        refusals.trim().await.unwrap();
        assert!(refusals.grown.lock().is_empty());
    }

    #[tokio::test]
    async fn what_no_policy_decided_is_kept_as_such_and_leaves_room_for_what_a_policy_refused() {
        let (refusals, _folder) = refusals().await;
        let context = Context::at(NOW);
        let (caller, denied) = refused(1, "a", &context);
        let plain = || {
            let (who, resource, reason) = ((&caller, "me".into()), "acs:x".to_owned(), "too fast".to_owned());
            refusals.tell(Told::without_policy(who, "mq:PUB", resource, reason, &context))
        };
        let id = plain().unwrap();
        let kept = 1 + (0..ACCOUNT_WAITING_MAX).filter_map(|_| plain()).count();
        assert_eq!(kept, ACCOUNT_PLAIN_WAITING_MAX);
        let tell = || refusals.tell(Told::of(&caller, &denied, &context).unwrap());
        let decided = (0..ACCOUNT_WAITING_MAX).filter_map(|_| tell()).count();
        assert_eq!(decided, ACCOUNT_WAITING_MAX / 2 - ACCOUNT_PLAIN_WAITING_MAX);
        refusals.write().await.unwrap();
        let row = refusals.store.refusal(account(1), &id).await.unwrap().unwrap();
        assert_eq!((row.scope.as_str(), row.by, row.reason.as_str()), ("", None, "too fast"));
        assert_eq!((row.principal_name.as_str(), row.resource.as_str()), ("me", "acs:x"));
        assert!(plain().is_some());
    }
}
