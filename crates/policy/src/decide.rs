//! The evaluation: one request against the policies in force.

use std::sync::Arc;

use sluice_model::{Action, Resource, UnixMs};

use crate::{Caller, Context, Policy, PolicySet, Scope, StatementRef};

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
    /// How many policies were read.
    pub policies_read: usize,
    /// Condition keys that an otherwise matching Allow asked for and the request did not have.
    pub missing_context_keys: Vec<Arc<str>>,
    /// The first instant at which a date condition that was read may answer otherwise.
    pub valid_until: UnixMs,
}

/// Decides one request against a set of policies, without the account wall. For simulation, the CLI and the vectors.
#[must_use]
pub fn decide(_request: &Request<'_>, _policies: &PolicySet) -> Decision {
    Decision {
        effect: Effect::ImplicitDeny,
        scope: Scope::Account,
        statement: None,
        policies_read: 0,
        missing_context_keys: Vec::new(),
        valid_until: UnixMs::NEVER,
    }
}
