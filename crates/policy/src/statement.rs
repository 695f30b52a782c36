//! Compiled statements.

use sluice_model::UnixMs;

use crate::{
    candidates::{Candidate, Form},
    condition::Condition,
    facts::Facts,
    pattern::{ActionPattern, ResourcePattern, Services},
};

/// One action that is asked, ready to be matched.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The action in lower case.
    pub(crate) lower: String,
    pub(crate) services: Services,
}

impl Asked {
    pub(crate) fn new(action: &str) -> Self {
        let lower = action.to_ascii_lowercase();
        Self { services: Services::of(&lower), lower }
    }
}

/// `Action` or `NotAction`.
#[derive(Debug)]
pub(crate) struct Actions {
    pub(crate) services: Services,
    pub(crate) not: bool,
    pub(crate) patterns: Box<[ActionPattern]>,
}

impl Actions {
    /// Whether any of the asked actions is meant.
    pub(crate) fn matches(&self, asked: &[Asked]) -> bool {
        asked.iter().any(|asked| {
            self.services.meet(asked.services)
                && self.patterns.iter().any(|pattern| pattern.matches(&asked.lower)) != self.not
        })
    }
}

/// A statement of a permission, control or session policy.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) deny: bool,
    pub(crate) actions: Actions,
    pub(crate) resources: Box<[ResourcePattern]>,
    pub(crate) conditions: Box<[Condition]>,
}

impl Statement {
    /// Whether it speaks of these actions on any of these ARNs.
    pub(crate) fn speaks_of(&self, asked: &[Asked], candidates: &[Candidate]) -> bool {
        let reaches = |pattern: &ResourcePattern| {
            candidates.iter().any(
                |candidate| {
                    if self.deny { pattern.denies(candidate) } else { pattern.allows(candidate) }
                },
            )
        };
        self.actions.matches(asked) && self.resources.iter().any(reaches)
    }
}

impl Statement {
    /// Whether an Allow speaks of these actions on every ARN that begins as one of `bases` does. An old form could be
    /// meant by none of them alone.
    pub(crate) fn allows_all_below(&self, asked: &[Asked], bases: &[Candidate]) -> bool {
        let current = || bases.iter().filter(|base| base.form == Form::Current);
        let reaches = |pattern: &ResourcePattern| current().any(|base| pattern.allows_all_below(base));
        self.actions.matches(asked) && self.resources.iter().any(reaches)
    }

    /// Whether a Deny may speak of these actions on some ARN that begins as one of `bases` does; `colons` as in
    /// [`ResourcePattern::may_deny_below`].
    pub(crate) fn may_deny_below(&self, asked: &[Asked], bases: &[Candidate], colons: bool) -> bool {
        let reaches = |pattern: &ResourcePattern| bases.iter().any(|base| pattern.may_deny_below(base, colons));
        self.actions.matches(asked) && self.resources.iter().any(reaches)
    }
}

/// Whether all conditions hold, and until when that answer stands.
pub(crate) fn all_hold(conditions: &[Condition], facts: &Facts<'_>, valid_until: &mut UnixMs) -> bool {
    let mut holds = true;
    for condition in conditions {
        if let Some(now) = facts.now {
            *valid_until = (*valid_until).min(condition.changes_at(now));
        }
        holds &= condition.holds(facts);
    }
    holds
}

/// A statement of a trust policy.
#[derive(Debug)]
pub(crate) struct TrustStatement {
    pub(crate) deny: bool,
    pub(crate) actions: Actions,
    pub(crate) principals: Box<[TrustedPrincipal]>,
    pub(crate) conditions: Box<[Condition]>,
}

/// Whom a trust policy names. Source: facts/ram.md section 1.7.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum TrustedPrincipal {
    /// Every principal of an account, by its digits.
    Account(Box<str>),
    /// One user or role, by its ARN.
    Arn(Box<str>),
    /// Whoever an identity provider vouches for, by the provider's ARN.
    Provider(Box<str>),
    /// A cloud service, or what no provider is called: never one of our callers.
    Foreign,
}

impl TrustStatement {
    /// Whether it speaks of these actions by this principal, or by somebody for whom the provider of this ARN vouches; then
    /// `account` is empty.
    pub(crate) fn speaks_of(&self, asked: &[Asked], account: &str, arn: &str) -> bool {
        self.actions.matches(asked)
            && self.principals.iter().any(|principal| match principal {
                TrustedPrincipal::Account(named) => **named == *account,
                TrustedPrincipal::Arn(named) | TrustedPrincipal::Provider(named) => **named == *arn,
                TrustedPrincipal::Foreign => false,
            })
    }
}
