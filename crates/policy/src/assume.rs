//! Assuming a role: the one question that two sides have to answer with yes, and the one way over the account wall.
//!
//! The caller's own policies must allow `sts:AssumeRole` on the role, and the role's trust policy must allow the caller.
//! Whoever an identity provider vouches for has no policies: the trust policy alone decides. Source: facts/ram.md 1.6, 1.7.

use std::sync::Arc;

use sluice_model::{AccountId, Action, Principal, RamEntity, Resource, UnixMs};
use smallvec::smallvec;

use crate::{
    Authority, Caller, Context, Credential, Denied, Effect, InForce, Policy, Reason, Request, Scope, Seen, Standing,
    authority::reason_of,
    candidates::candidates,
    decide::{Decision, Question, decide},
    facts::Facts,
    statement::Asked,
};

/// A role as it can be assumed.
#[derive(Clone, Debug)]
pub struct AssumableRole {
    /// The role.
    pub principal: Principal,
    /// Its name.
    pub name: Arc<str>,
    /// Who may assume it.
    pub trust: Arc<Policy>,
    /// How long a session may last at most, seconds.
    pub session_s_max: u32,
}

/// Who asks without being one of our principals: an identity provider of the account vouches for it. Made by `access` alone,
/// after the provider's signature was verified (checked by xtask).
#[derive(Clone, Debug)]
pub struct Federated {
    /// The account of the provider.
    account: AccountId,
    /// The provider's ARN.
    provider: Arc<str>,
    source_ip: Option<std::net::IpAddr>,
    secure_transport: bool,
}

impl Federated {
    /// Somebody for whom the provider of an account vouches; `provider` is `saml-provider/{name}` or `oidc-provider/{name}`.
    #[must_use]
    pub fn verified(
        account: AccountId,
        provider: &str,
        source_ip: Option<std::net::IpAddr>,
        secure_transport: bool,
    ) -> Self {
        let provider = format!("acs:ram::{account}:{provider}").into();
        Self { account, provider, source_ip: source_ip.map(|ip| ip.to_canonical()), secure_transport }
    }

    /// The account of the provider.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// From where it comes.
    #[must_use]
    pub fn source_ip(&self) -> Option<std::net::IpAddr> {
        self.source_ip
    }

    /// Whether it comes over TLS.
    #[must_use]
    pub fn secure_transport(&self) -> bool {
        self.secure_transport
    }

    /// The provider's ARN.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }
}

/// Why a role is not assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAssumed {
    /// One of the two sides does not allow it, or the role is another account's and may not be known.
    Denied(Box<Denied>),
    /// The caller may, but its account has no role of this name.
    NoRole,
}

/// The proof that a role may be assumed now, once: whoever makes the token of a session demands it.
#[derive(Debug)]
#[must_use]
pub struct Assumption {
    role: Arc<AssumableRole>,
    /// The session from which the role is assumed.
    chained_from: Option<Credential>,
}

impl Assumption {
    /// The role, as it was when it was asked for.
    #[must_use]
    pub fn role(&self) -> &AssumableRole {
        &self.role
    }

    /// Whether the session of another role assumes it.
    #[must_use]
    pub fn is_chained(&self) -> bool {
        self.chained_from.is_some()
    }

    /// Whom the session that assumes it acts for.
    #[must_use]
    pub fn source_identity(&self) -> Option<&Arc<str>> {
        match &self.chained_from {
            Some(Credential::RoleSession(session)) => session.source_identity.as_ref(),
            _ => None,
        }
    }
}

/// The action of both sides.
const ASSUME_ROLE: Action = Action::of("sts:AssumeRole");

fn resource_of(account: AccountId, role: &str) -> Resource {
    Resource::Ram(account, RamEntity::Role(role.into()))
}

impl Authority {
    /// Asks whether a caller may assume a role, its own account's or another's.
    ///
    /// Another account's role that is not there, and one that does not trust the caller, are one answer; to whoever its own
    /// policies do not let, so is one that does.
    ///
    /// # Errors
    /// [`NotAssumed`].
    pub fn assume_role(
        &self,
        caller: &Caller,
        (account, name): (AccountId, &str),
        context: &Context,
    ) -> Result<Assumption, NotAssumed> {
        let in_force = self.source.in_force(caller.principal(), caller.credential());
        let resource = resource_of(account, name);
        let outcome = self.both_sides(in_force.as_deref(), caller, &resource, name, context);
        if let Some(watch) = self.watch.as_ref().filter(|_| context.in_earnest) {
            let name = in_force.as_ref().map_or("", |in_force| &in_force.name);
            let outcome = match &outcome {
                Ok(_) | Err(NotAssumed::NoRole) => Ok(()),
                Err(NotAssumed::Denied(denied)) => Err(&**denied),
            };
            let (resource, actions) = (&resource, &[ASSUME_ROLE][..]);
            watch.observer.decided(&Seen { caller, name, actions, resource, context, outcome });
        }
        outcome
    }

    fn both_sides(
        &self,
        in_force: Option<&InForce>,
        caller: &Caller,
        resource: &Resource,
        role_name: &str,
        context: &Context,
    ) -> Result<Assumption, NotAssumed> {
        let (principal, account) = (caller.principal(), resource.account());
        let refused = |name: &Arc<str>, reason| {
            NotAssumed::Denied(Box::new(Denied {
                principal,
                principal_name: Arc::clone(name),
                account: principal.account(),
                action: ASSUME_ROLE,
                resource: Box::new(resource.clone()),
                reason,
                holds: None,
            }))
        };
        let Some(in_force) = in_force else { return Err(refused(&Arc::from(""), Reason::NoPrincipal)) };
        let policies = match &in_force.standing {
            Standing::Unknown => return Err(refused(&in_force.name, Reason::Unavailable)),
            _ if in_force.valid_until <= context.now => return Err(refused(&in_force.name, Reason::NoPrincipal)),
            _ if !in_force.admits(caller.source_ip()) => {
                return Err(refused(&in_force.name, Reason::SourceNotAllowed));
            }
            Standing::Owner => return Err(refused(&in_force.name, Reason::OwnerAssumes)),
            Standing::Governed(policies) => policies,
        };
        let is_foreign = account != principal.account();
        let name = &*in_force.name;
        let mut request = Request { caller, name, actions: &[ASSUME_ROLE], resource, context, trust: None };
        if is_foreign {
            // The caller's own side alone first: whoever it does not let is not to learn of a trust policy over there that
            // says Deny, which would decide where both are asked at once.
            let own = decide(&request, policies);
            if own.effect != Effect::Allow {
                return Err(refused(&in_force.name, reason_of(own)));
            }
        }
        let role = self.source.role(account, role_name);
        request.trust = role.as_ref().map(|role| &*role.trust);
        let decision = decide(&request, policies);
        if decision.effect != Effect::Allow {
            // What another account's trust policy says is not told.
            let is_hidden = is_foreign && decision.scope == Scope::Trust;
            let reason = if is_hidden { Reason::AccountWall } else { reason_of(decision) };
            return Err(refused(&in_force.name, reason));
        }
        let Some(role) = role else {
            return Err(if is_foreign { refused(&in_force.name, Reason::AccountWall) } else { NotAssumed::NoRole });
        };
        let chained_from = matches!(principal, Principal::Role(..)).then(|| caller.credential().clone());
        Ok(Assumption { role, chained_from })
    }

    /// Asks whether somebody for whom an identity provider vouches may assume a role of the provider's account: its trust
    /// policy alone decides. `context` has what the provider says, `oidc:…` or `saml:…`.
    ///
    /// # Errors
    /// Why not. A role that is not there answers as one that does not trust the provider.
    pub fn assume_federated(
        &self,
        who: &Federated,
        (account, name): (AccountId, &str),
        context: &Context,
    ) -> Result<Assumption, Reason> {
        let unknown = Reason::NoAllow { scope: Scope::Trust, policies_read: 1, missing_context_keys: Box::default() };
        if account != who.account {
            return Err(unknown);
        }
        let Some(role) = self.source.role(account, name) else { return Err(unknown) };
        let decision = trusts(&role.trust, who, &resource_of(account, name), context);
        if decision.effect != Effect::Allow {
            return Err(reason_of(decision));
        }
        Ok(Assumption { role, chained_from: None })
    }
}

fn trusts(trust: &Policy, who: &Federated, resource: &Resource, context: &Context) -> Decision {
    let question = Question {
        asked: smallvec![Asked::new(ASSUME_ROLE.as_str())],
        candidates: candidates(resource),
        account: "",
        arn: &who.provider,
        facts: Facts {
            now: Some(context.now),
            secure_transport: Some(who.secure_transport),
            source_ip: who.source_ip,
            mfa_present: None,
            principal_arn: None,
            extra: &context.keys,
            extra_answers_all: false,
        },
        trust: Some(trust),
    };
    let mut valid_until = UnixMs::NEVER;
    question.trust_stage(trust, &mut valid_until)
}
