//! Whether a filter is covered: every topic that it can match is allowed, so that a delivery need not be decided.
//!
//! The answer errs to one side: `None` costs a decision a delivery, a wrong yes would be a leak. What is looked at is the
//! filter's literal prefix, the levels before its first wildcard, and everything below it:
//!
//! - An Allow counts when it reaches the prefix as a topic (resources are a tree), or when its pattern ends in `*` and
//!   takes in every name that begins with the prefix. Its conditions must be answered for as long as the connection lives.
//! - A Deny counts when its pattern could reach the prefix, a level above it or any name below it, unless a condition that
//!   cannot change forbids it to speak.
//! - A Deny matches as one text too, so that `…:*:topic/I/a` reaches any name that goes on with `:topic/I/a`. Where only
//!   names with a colon are in doubt, all others are covered: one more byte search a delivery.
//! - A date condition and an unknown key are never answered for good.
//!
//! Source: DESIGN section 2, Filters. Checked by a property: whatever is covered, no topic of it is refused.

use std::sync::Arc;

use sluice_model::{AccountId, Action, InstanceId, Resource, TopicFilter};

use crate::{
    Grant, Policy, PolicySet,
    candidates::{Candidates, below, candidates},
    condition::Condition,
    decide::{Request, facts},
    facts::Facts,
    statement::{Asked, Statement},
};

/// A yes to everything that one filter can match. Only an [`crate::Authority`] makes one; [`crate::Authority::still_covers`]
/// asks it again for an atomic load and two compares.
#[derive(Clone, Debug)]
#[must_use]
pub struct Covering {
    pub(crate) action: Action,
    pub(crate) account: AccountId,
    pub(crate) instance: InstanceId,
    pub(crate) filter: TopicFilter,
    /// Whether topics with a `:` are covered too.
    pub(crate) colons: bool,
    pub(crate) grant: Grant,
}

impl Covering {
    /// Whether this is a yes for this action on this instance.
    #[must_use]
    pub fn covers(&self, action: &Action, (account, instance): (AccountId, &InstanceId)) -> bool {
        self.action == *action && self.account == account && self.instance == *instance
    }

    /// Whether it speaks of a topic that its filter matches.
    pub(crate) fn speaks_of(&self, topic: &str) -> bool {
        self.colons || memchr::memchr(b':', topic.as_bytes()).is_none()
    }

    /// The filter whose topics are allowed.
    #[must_use]
    pub fn filter(&self) -> &TopicFilter {
        &self.filter
    }
}

/// Whether these policies allow everything that a filter can match, for as long as they and the request's marks last. For
/// simulation; it gives no proof. `None` of a [`Covering`] and `false` here are one.
#[must_use]
pub fn covers(request: &Request<'_>, instance: &InstanceId, filter: &TopicFilter, policies: &PolicySet) -> bool {
    let Request { caller, name, actions, resource, context, .. } = *request;
    let arn = caller.principal().arn(name);
    let all = |action| {
        let reach = Reach::new(action, (resource.account(), instance), filter, facts(caller, &arn, context));
        reach.is_covered(policies, true)
    };
    actions.iter().any(all)
}

/// A filter, ready to be held against statements.
pub(crate) struct Reach<'a> {
    asked: [Asked; 1],
    facts: Facts<'a>,
    /// The literal prefix as a topic; `None` when the first level is a wildcard.
    at: Option<Candidates>,
    /// Everything below it; `None` when the filter has no wildcard.
    below: Option<Candidates>,
    /// Whether every match lies below the prefix: `a/+` does not match `a` itself, `a/#` does.
    strictly_below: bool,
}

/// What one stage of policies says of a reach.
#[derive(Clone, Copy)]
struct Said {
    allows_all: bool,
    may_deny: bool,
}

impl Said {
    fn covers(self) -> bool {
        self.allows_all && !self.may_deny
    }
}

impl<'a> Reach<'a> {
    pub(crate) fn new(
        action: &Action,
        (account, instance): (AccountId, &InstanceId),
        filter: &TopicFilter,
        facts: Facts<'a>,
    ) -> Self {
        let plain = filter.plain();
        // A wildcard is a level of its own; anything else with `+` or `#` is no filter. [MQTT-4.7.1-2] [MQTT-4.7.1-3]
        let wildcard = plain.find(['+', '#']);
        let prefix = match wildcard {
            None => Some(plain),
            Some(at) => plain[..at].strip_suffix('/'),
        };
        let topic = |path: &str| Resource::Topic(account, instance.clone(), path.into());
        Self {
            asked: [Asked::new(action.as_str())],
            facts,
            at: prefix.map(|path| candidates(&topic(path))),
            below: wildcard.map(|_| below(account, instance, prefix)),
            strictly_below: prefix.is_none() || wildcard.is_some_and(|at| plain.as_bytes()[at] == b'+'),
        }
    }

    /// Whether every topic of the filter (without `colons`, every one that has none) is allowed, for as long as these
    /// policies and the connection last.
    pub(crate) fn is_covered(&self, policies: &PolicySet, colons: bool) -> bool {
        let gates: [&[Arc<Policy>]; 2] = [&policies.control, policies.session.as_slice()];
        if gates.iter().any(|gate| !gate.is_empty() && !self.read(gate, colons).covers()) {
            return false;
        }
        let account = self.read(&policies.account, colons);
        // Where the account's policies only may be silent, those of the resource group must cover the rest.
        account.covers() || (!account.may_deny && self.read(&policies.resource_group, colons).covers())
    }

    fn read(&self, policies: &[Arc<Policy>], colons: bool) -> Said {
        let mut said = Said { allows_all: false, may_deny: false };
        for statement in policies.iter().flat_map(|policy| &policy.document.statements) {
            if statement.deny {
                said.may_deny |= self.may_be_denied_by(statement, colons);
            } else {
                said.allows_all = said.allows_all || self.is_allowed_by(statement);
            }
        }
        said
    }

    fn is_allowed_by(&self, statement: &Statement) -> bool {
        let holds = |condition: &Condition| condition.lasting_answer(&self.facts) == Some(true);
        let at = || self.at.as_ref().is_some_and(|at| statement.speaks_of(&self.asked, at));
        let below = || {
            let bases = self.below.as_ref().filter(|_| self.strictly_below);
            bases.is_some_and(|bases| statement.allows_all_below(&self.asked, bases))
        };
        (at() || below()) && statement.conditions.iter().all(holds)
    }

    fn may_be_denied_by(&self, statement: &Statement, colons: bool) -> bool {
        let fails = |condition: &Condition| condition.lasting_answer(&self.facts) == Some(false);
        let at = || self.at.as_ref().is_some_and(|at| statement.speaks_of(&self.asked, at));
        let below = || self.below.as_ref().is_some_and(|bases| statement.may_deny_below(&self.asked, bases, colons));
        (at() || below()) && !statement.conditions.iter().any(fails)
    }
}
