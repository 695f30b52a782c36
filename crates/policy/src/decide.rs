//! The evaluation: one request against the policies in force.

use std::sync::Arc;

use sluice_model::{Action, Resource, UnixMs};
use smallvec::SmallVec;

use crate::{
    Caller, Context, Policy, PolicySet, Scope, Standing, StatementRef,
    candidates::{Candidates, candidates},
    condition::Condition,
    facts::{ArnFact, Facts, Key, LazyArn},
    sieve::Probe,
    statement::{Asked, all_hold},
};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The caller's name, for `acs:PrincipalARN`; `root` for the account.
    pub name: &'a str,
    /// The names of the action; usually one. With several any Allow counts and any Deny.
    pub actions: &'a [Action],
    /// On what.
    pub resource: &'a Resource,
    /// Time and further keys.
    pub context: &'a Context,
    /// For `sts:AssumeRole`: the trust policy of the role.
    pub trust: Option<&'a Policy>,
}

/// How a decision ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Yes.
    Allow,
    /// No, because a statement says so.
    ExplicitDeny,
    /// No, because no statement says yes.
    ImplicitDeny,
}

impl Effect {
    /// As the test vectors and `NoPermissionType` spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::ExplicitDeny => "ExplicitDeny",
            Self::ImplicitDeny => "ImplicitDeny",
        }
    }
}

/// A decision with its explanation. No proof: only an [`crate::Authority`] makes a [`crate::Permit`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// How it ended.
    pub effect: Effect,
    /// Where it ended.
    pub scope: Scope,
    /// The statement that decided; `None` when none did.
    pub statement: Option<StatementRef>,
    /// How many attached policies were read.
    pub policies_read: usize,
    /// Condition keys that an otherwise matching Allow asked for and the request did not have.
    pub missing_context_keys: Vec<Arc<str>>,
    /// The first instant at which a date condition that was read may answer otherwise.
    pub valid_until: UnixMs,
}

/// Decides one request against a set of policies, without the account wall. For simulation, the CLI and the vectors; it
/// gives no proof.
#[must_use]
pub fn decide(request: &Request<'_>, policies: &PolicySet) -> Decision {
    let Request { caller, name, actions, resource, context, trust } = *request;
    // Only a trust policy reads the account, and hardly any other the ARN: to write them out is a third of a decision.
    let account = trust.map(|_| caller.principal().account().to_string()).unwrap_or_default();
    let arn = LazyArn::new(caller, name);
    let question = Question {
        asked: actions.iter().map(|action| Asked::new(action.as_str())).collect(),
        candidates: candidates(resource),
        account: &account,
        arn: if trust.is_some() { arn.get() } else { "" },
        facts: Facts { principal_arn: Some(ArnFact::Lazy(&arn)), ..facts(caller, "", context) },
        trust,
    };
    question.decide(policies)
}

/// Decides one request as an [`crate::Authority`] does, for whoever stands so in its account: the account wall, then the
/// owner's right to everything, then the policies. For simulation; it gives no proof.
#[must_use]
pub fn decide_standing(request: &Request<'_>, standing: &Standing) -> Decision {
    let plain = |effect| Decision {
        effect,
        scope: Scope::Account,
        statement: None,
        policies_read: 0,
        missing_context_keys: Vec::new(),
        valid_until: UnixMs::NEVER,
    };
    if request.resource.account() != request.caller.principal().account() {
        return plain(Effect::ImplicitDeny);
    }
    match standing {
        Standing::Owner => plain(Effect::Allow),
        Standing::Governed(policies) => decide(request, policies),
        Standing::Unknown => plain(Effect::ImplicitDeny),
    }
}

/// What the conditions of a request read.
pub(crate) fn facts<'a>(caller: &Caller, arn: &'a str, context: &'a Context) -> Facts<'a> {
    Facts {
        now: Some(context.now),
        secure_transport: Some(caller.secure_transport()),
        source_ip: caller.source_ip(),
        mfa_present: caller.mfa_present(),
        principal_arn: Some(ArnFact::Text(arn)),
        extra: &context.keys,
        extra_answers_all: false,
    }
}

/// A request, ready to be matched.
pub(crate) struct Question<'a> {
    pub(crate) asked: SmallVec<[Asked; 1]>,
    pub(crate) candidates: Candidates,
    /// The digits of the caller's account, for a trust policy.
    pub(crate) account: &'a str,
    /// The caller's ARN, for a trust policy.
    pub(crate) arn: &'a str,
    pub(crate) facts: Facts<'a>,
    pub(crate) trust: Option<&'a Policy>,
}

impl Question<'_> {
    /// The order of facts/ram.md section 1.6: control, session, account, resource group, trust.
    pub(crate) fn decide(&self, policies: &PolicySet) -> Decision {
        let mut valid_until = UnixMs::NEVER;
        let gates: [(&[Arc<Policy>], Scope); 2] =
            [(&policies.control, Scope::Control), (policies.session.as_slice(), Scope::Session)];
        for (gate, scope) in gates {
            let decision = self.stage(gate, scope, &mut valid_until);
            if !gate.is_empty() && decision.effect != Effect::Allow {
                return decision;
            }
        }
        let mut identity = self.stage(&policies.account, Scope::Account, &mut valid_until);
        // An Allow or Deny for the account is final; only its silence lets the resource group speak.
        if identity.effect == Effect::ImplicitDeny && !policies.resource_group.is_empty() {
            identity = self.stage(&policies.resource_group, Scope::ResourceGroup, &mut valid_until).after(identity);
        }
        let assumes_role = self.asked.iter().any(|asked| asked.lower == "sts:assumerole");
        match self.trust {
            // To assume a role both sides must allow it, and a Deny of either decides.
            Some(trust) if assumes_role => {
                let trusted = self.trust_stage(trust, &mut valid_until);
                let identity_decides = identity.effect == Effect::ExplicitDeny
                    || (identity.effect == Effect::ImplicitDeny && trusted.effect != Effect::ExplicitDeny);
                if identity_decides { identity } else { trusted }
            }
            _ => identity,
        }
    }

    /// The basic step: a Deny that matches, else an Allow that matches, else nothing.
    fn stage(&self, policies: &[Arc<Policy>], scope: Scope, valid_until: &mut UnixMs) -> Decision {
        let mut tally = Tally::default();
        let probe = Probe::new(&self.asked, &self.candidates);
        for policy in policies {
            let mut read = None;
            for sieve in policy.document.sieves.iter().filter(|sieve| sieve.lets_through(&probe)) {
                // One record a pattern; the statement is read once.
                if read.replace(sieve.statement) == Some(sieve.statement) {
                    continue;
                }
                let statement = &policy.document.statements[sieve.statement];
                if statement.speaks_of(&self.asked, &self.candidates) {
                    let place = (&**policy, sieve.statement);
                    tally.count(&self.facts, statement.deny, &statement.conditions, place, valid_until);
                }
            }
            if tally.denied {
                break;
            }
        }
        let attached = policies.iter().filter(|policy| policy.is_attached()).count();
        tally.decision(scope, attached, *valid_until)
    }

    pub(crate) fn trust_stage(&self, policy: &Policy, valid_until: &mut UnixMs) -> Decision {
        let mut tally = Tally::default();
        for (index, statement) in policy.document.trust.iter().enumerate() {
            if statement.speaks_of(&self.asked, self.account, self.arn) {
                tally.count(&self.facts, statement.deny, &statement.conditions, (policy, index), valid_until);
            }
        }
        tally.decision(Scope::Trust, 1, *valid_until)
    }
}

/// What the statements read so far say.
#[derive(Default)]
struct Tally<'p> {
    denied: bool,
    decided_by: Option<(&'p Policy, usize)>,
    missing: SmallVec<[&'p Key; 2]>,
}

impl<'p> Tally<'p> {
    /// Counts a statement that speaks of the request. The first Allow and the first Deny are remembered.
    fn count(
        &mut self,
        facts: &Facts<'_>,
        deny: bool,
        conditions: &'p [Condition],
        statement: (&'p Policy, usize),
        valid_until: &mut UnixMs,
    ) {
        if all_hold(conditions, facts, valid_until) {
            if deny != self.denied || self.decided_by.is_none() {
                // A Deny replaces an Allow, never the other way round.
                if deny || !self.denied {
                    self.decided_by = Some(statement);
                }
                self.denied |= deny;
            }
        } else if !deny {
            let absent =
                conditions.iter().filter(|condition| condition.misses_its_key(facts)).map(|absent| &absent.key);
            self.missing.extend(absent);
        }
    }

    fn decision(self, scope: Scope, policies_read: usize, valid_until: UnixMs) -> Decision {
        let effect = match (&self.decided_by, self.denied) {
            (None, _) => Effect::ImplicitDeny,
            (Some(_), true) => Effect::ExplicitDeny,
            (Some(_), false) => Effect::Allow,
        };
        let mut missing_context_keys: Vec<Arc<str>> = Vec::new();
        if effect == Effect::ImplicitDeny {
            missing_context_keys.extend(self.missing.iter().map(|key| key.name()));
            missing_context_keys.sort_unstable();
            missing_context_keys.dedup();
        }
        let statement = self.decided_by.map(|(policy, statement)| StatementRef {
            policy: Arc::clone(&policy.name),
            policy_type: policy.policy_type,
            version: policy.version,
            statement,
            scope,
        });
        Decision { effect, scope, statement, policies_read, missing_context_keys, valid_until }
    }
}

impl Decision {
    /// This decision of the resource group's policies, taken because those of the account said nothing. When these say
    /// nothing either, the refusal is the account's, and it has read both.
    fn after(mut self, account: Self) -> Self {
        self.policies_read += account.policies_read;
        if self.effect == Effect::ImplicitDeny {
            self.scope = account.scope;
            self.missing_context_keys.extend(account.missing_context_keys);
            self.missing_context_keys.sort_unstable();
            self.missing_context_keys.dedup();
        }
        self
    }
}
