//! The one authority: the only place where a yes is made.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use smallvec::SmallVec;

use sluice_model::{AccountId, Action, InstanceId, Principal, Resource, TopicFilter, UnixMs};

use crate::{
    AssumableRole, Caller, Context, Covering, Credential, Denied, Effect, Epoch, InForce, Reason, Request, Standing,
    covering::Reach,
    decide::{Decision, decide, facts},
};

/// Where the policies in force come from; implemented by `access`.
pub trait PolicySource: Send + Sync + 'static {
    /// What is in force for a principal that came with a credential; `None` when one of the two is gone, disabled or
    /// inactive. Called without a lock held and on every fresh decision: it must be cheap.
    fn in_force(&self, principal: Principal, credential: &Credential) -> Option<Arc<InForce>>;

    /// The role of a name, as it can be assumed; `None` when there is none.
    fn role(&self, _account: AccountId, _name: &str) -> Option<Arc<AssumableRole>> {
        None
    }
}

/// Who is shown each decision as it is made: what was asked for, and what came of it. A remembered yes or no is not a decision;
/// with an observer it is remembered for [`OBSERVED_MS_MAX`] at most, so that what is in use shows itself again and again,
/// and for [`OBSERVED_MS_MIN`] at least: what was decided in one second is not decided again in one.
pub trait DecisionObserver: Send + Sync + 'static {
    /// Called with every fresh decision, on the path of the request: it must be cheap and may not block.
    fn decided(&self, seen: &Seen<'_>);
}

/// A decision as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who asked.
    pub caller: &'a Caller,
    /// The user's or role's name; empty when the principal is gone.
    pub name: &'a str,
    /// What was asked; usually one.
    pub actions: &'a [Action],
    /// On what.
    pub resource: &'a Resource,
    /// Time and further keys.
    pub context: &'a Context,
    /// What came of it.
    pub outcome: Result<(), &'a Denied>,
}

/// How long an answer is remembered at most under an observer: an hour.
pub const OBSERVED_MS_MAX: i64 = 60 * 60 * 1000;

/// How long it is remembered at least, as far as nothing else ends it: three quarters of an hour.
pub const OBSERVED_MS_MIN: i64 = 45 * 60 * 1000;

/// An observer, and the turn by which the ends of answers are spread.
pub(crate) struct Watch {
    pub(crate) observer: Arc<dyn DecisionObserver>,
    turn: AtomicU32,
}

impl Watch {
    /// Until when an answer of now is remembered. Each turn goes on by the golden section, which spreads any number of turns
    /// in a row evenly over the last quarter of the hour.
    fn until(&self, now: UnixMs) -> UnixMs {
        const GOLDEN: u32 = 0x9E37_79B9;
        let turn = self.turn.fetch_add(GOLDEN, Ordering::Relaxed);
        let spread = (i64::from(turn) * (OBSERVED_MS_MAX - OBSERVED_MS_MIN)) >> 32;
        UnixMs(now.0.saturating_add(OBSERVED_MS_MIN + spread))
    }
}

/// Asks the policies and makes [`Permit`]s. Made by `server` alone (checked by xtask).
#[derive(Clone)]
pub struct Authority {
    pub(crate) source: Arc<dyn PolicySource>,
    pub(crate) watch: Option<Arc<Watch>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// An authority over the policies of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn PolicySource>) -> Self {
        Self { source, watch: None }
    }

    /// An authority over the policies of `source` that shows its decisions.
    #[must_use]
    pub fn observed(source: Arc<dyn PolicySource>, observer: Arc<dyn DecisionObserver>) -> Self {
        Self { source, watch: Some(Arc::new(Watch { observer, turn: AtomicU32::new(0) })) }
    }

    /// Asks whether a caller may do an action on a resource now.
    ///
    /// # Errors
    /// [`Denied`] with the statement, or the absence of one, that decided.
    pub fn authorize(
        &self,
        caller: &Caller,
        action: &Action,
        resource: &Resource,
        context: &Context,
    ) -> Result<Permit, Denied> {
        self.authorize_any(caller, std::slice::from_ref(action), resource, context)
    }

    /// Asks under several names of one action (`mq:CreateGroupId`, `mq:CreateMqttGroupId`): an Allow of any grants, a
    /// Deny of any forbids. DESIGN section 2, ARN candidates.
    ///
    /// # Errors
    /// As [`Authority::authorize`].
    ///
    /// # Panics
    /// Never for a non-empty list; an empty one names no action and is a mistake of the calling room.
    pub fn authorize_any(
        &self,
        caller: &Caller,
        actions: &[Action],
        resource: &Resource,
        context: &Context,
    ) -> Result<Permit, Denied> {
        let in_force = self.source.in_force(caller.principal(), caller.credential());
        let outcome = self.decide(in_force.as_deref(), caller, actions, resource, context);
        if let Some(watch) = self.watch.as_ref().filter(|_| context.in_earnest) {
            let name = in_force.as_ref().map_or("", |in_force| &in_force.name);
            let outcome = outcome.as_ref().map(|_| ());
            watch.observer.decided(&Seen { caller, name, actions, resource, context, outcome });
        }
        outcome
    }

    fn decide(
        &self,
        in_force: Option<&InForce>,
        caller: &Caller,
        actions: &[Action],
        resource: &Resource,
        context: &Context,
    ) -> Result<Permit, Denied> {
        let principal = caller.principal();
        let denied = |name: &Arc<str>, reason, holds| Denied {
            principal,
            principal_name: Arc::clone(name),
            account: principal.account(),
            action: actions.first().expect("an action is always named").clone(),
            resource: Box::new(resource.clone()),
            reason,
            holds,
        };
        let Some(in_force) = in_force else {
            return Err(denied(&Arc::from(""), Reason::NoPrincipal, None));
        };
        if matches!(in_force.standing, Standing::Unknown) {
            return Err(denied(&in_force.name, Reason::Unavailable, None));
        }
        // The wall comes first, for the owner too: no policy reaches across accounts. DESIGN section 2.
        if resource.account() != principal.account() {
            return Err(denied(&in_force.name, Reason::AccountWall, None));
        }
        if in_force.valid_until <= context.now {
            return Err(denied(&in_force.name, Reason::NoPrincipal, None));
        }
        if !in_force.admits(caller.source_ip()) {
            let holds = Grant { epoch: in_force.epoch.clone(), valid_until: in_force.valid_until };
            return Err(denied(&in_force.name, Reason::SourceNotAllowed, Some(Box::new(holds))));
        }
        let mut valid_until = in_force.valid_until;
        if let Some(watch) = &self.watch {
            valid_until = valid_until.min(watch.until(context.now));
        }
        if let Standing::Governed(policies) = &in_force.standing {
            let request = Request { caller, name: &in_force.name, actions, resource, context, trust: None };
            let decision = decide(&request, policies);
            valid_until = valid_until.min(decision.valid_until);
            if decision.effect != Effect::Allow {
                let holds = Some(Box::new(Grant { epoch: in_force.epoch.clone(), valid_until }));
                return Err(denied(&in_force.name, reason_of(decision), holds));
            }
        }
        Ok(Permit {
            principal,
            actions: actions.iter().cloned().collect(),
            resource: resource.clone(),
            epoch: in_force.epoch.clone(),
            valid_until,
        })
    }

    /// Whether everything that a filter can match is allowed now and until something changes: there is an Allow for all of
    /// it, and no Deny and no date condition below it. Then deliveries need no decision each. To be asked beside the
    /// SUBSCRIBE, not in its place; what is not covered may still be allowed, topic by topic. `$share/{group}/F` is F.
    ///
    /// `None` may be too careful, never too generous. Cost: O(statements), more than a decision; once a SUBSCRIBE.
    #[must_use]
    pub fn cover(
        &self,
        caller: &Caller,
        action: &Action,
        (account, instance): (AccountId, &InstanceId),
        filter: &TopicFilter,
        now: UnixMs,
    ) -> Option<Covering> {
        let principal = caller.principal();
        let in_force = self.source.in_force(principal, caller.credential())?;
        if matches!(in_force.standing, Standing::Unknown) {
            return None;
        }
        let is_admitted = in_force.admits(caller.source_ip());
        if account != principal.account() || in_force.valid_until <= now || !is_admitted {
            return None;
        }
        let mut colons = true;
        if let Standing::Governed(policies) = &in_force.standing {
            let (arn, context) = (principal.arn(&in_force.name), Context::at(now));
            let reach = Reach::new(action, (account, instance), filter, facts(caller, &arn, &context));
            colons = reach.is_covered(policies, true);
            if !colons && !reach.is_covered(policies, false) {
                return None;
            }
        }
        let (action, instance, filter) = (action.clone(), instance.clone(), filter.clone());
        let grant = Grant { epoch: in_force.epoch.clone(), valid_until: in_force.valid_until };
        Some(Covering { action, account, instance, filter, colons, grant })
    }

    /// Whether a topic that the covering's filter matches is allowed by it, still. `false` means: decide. Cost: as
    /// [`Authority::renew`], and a search of a `:` in the topic where a Deny could reach such names.
    #[must_use]
    pub fn still_covers(&self, covering: &Covering, topic: &str, now: UnixMs) -> bool {
        self.renew(&covering.grant, now) && covering.speaks_of(topic)
    }

    /// A remembered refusal, asked again: whether the same question would be refused for the same reason. Cost: as
    /// [`Authority::renew`].
    #[must_use]
    pub fn still_denies(&self, denied: &Denied, now: UnixMs) -> bool {
        denied.holds.as_ref().is_some_and(|holds| self.renew(holds, now))
    }

    /// A remembered yes, asked again: whether nothing has changed since and its end has not come. Cost: one atomic load
    /// and two compares. The cache keeps a grant under the whole question: caller, action and resource.
    #[must_use]
    pub fn renew(&self, grant: &Grant, now: UnixMs) -> bool {
        now < grant.valid_until && grant.epoch.is_current()
    }
}

pub(crate) fn reason_of(decision: Decision) -> Reason {
    match decision.statement {
        Some(statement) => Reason::Explicit(Box::new(statement)),
        None => Reason::NoAllow {
            scope: decision.scope,
            policies_read: decision.policies_read,
            missing_context_keys: decision.missing_context_keys.into(),
        },
    }
}

/// A yes: who may do what on which resource, and under which state of the policies. Only an [`Authority`] makes one, it
/// cannot be copied, and writes and routing demand it.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    principal: Principal,
    actions: SmallVec<[Action; 1]>,
    resource: Resource,
    epoch: Epoch,
    valid_until: UnixMs,
}

impl Permit {
    /// The account of caller and resource: they are the same.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.resource.account()
    }

    /// Who may.
    #[must_use]
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// What; the first name where several were asked.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.actions[0]
    }

    /// On what.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The state of the policies that said yes.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The yes holds before this instant.
    #[must_use]
    pub fn valid_until(&self) -> UnixMs {
        self.valid_until
    }

    /// Whether this is a yes to exactly this question.
    #[must_use]
    pub fn covers(&self, action: &Action, resource: &Resource) -> bool {
        self.actions.contains(action) && self.resource == *resource
    }

    /// What is needed to ask again cheaply.
    #[must_use]
    pub fn remember(&self) -> Grant {
        Grant { epoch: self.epoch.clone(), valid_until: self.valid_until }
    }
}

/// A remembered yes, small. It says nothing of what was asked: whoever keeps it keeps it under the whole question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    epoch: Epoch,
    valid_until: UnixMs,
}

impl Grant {
    /// The yes holds before this instant.
    #[must_use]
    pub fn valid_until(&self) -> UnixMs {
        self.valid_until
    }
}
