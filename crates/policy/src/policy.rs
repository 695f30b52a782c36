//! Policies as attached, and what is in force for a principal.

use std::{fmt, net::IpAddr, sync::Arc};

use sluice_model::{PolicyType, PolicyVersion, UnixMs};

use crate::{AllowedSources, Document, Epoch};

/// A policy as attached: a document under its name and version.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: Arc<str>,
    /// System or custom.
    pub policy_type: PolicyType,
    /// The version that is the default now.
    pub version: PolicyVersion,
    /// The compiled document.
    pub document: Arc<Document>,
}

impl Policy {
    /// The version of a policy that is attached to nobody, such as what users may do for themselves.
    pub const UNATTACHED: PolicyVersion = PolicyVersion(0);

    /// Whether somebody attached it, so that somebody can take it away.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.version != Self::UNATTACHED
    }

    /// The policy of a role session: it has no name of its own and one version.
    #[must_use]
    pub fn of_session(document: Document) -> Self {
        let (policy_type, version) = (PolicyType::Custom, PolicyVersion(1));
        Self { name: "SessionPolicy".into(), policy_type, version, document: Arc::new(document) }
    }
}

/// Where a policy is attached. Source: facts/ram.md section 1.6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// On the account, by its resource directory.
    Control,
    /// On one role session.
    Session,
    /// On the principal or one of its groups, for the whole account.
    Account,
    /// On the principal, for one resource group.
    ResourceGroup,
    /// On the role that is to be assumed.
    Trust,
}

impl Scope {
    /// `PolicyType` of an `AccessDeniedDetail`. Source: facts/ram.md section 6.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Control => "ControlPolicy",
            Self::Session => "SessionPolicy",
            Self::Account => "AccountLevelIdentityBasedPolicy",
            Self::ResourceGroup => "ResourceGroupLevelIdentityBasedPolicy",
            Self::Trust => "AssumeRolePolicy",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One statement of one attached policy: what decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatementRef {
    /// The policy's name.
    pub policy: Arc<str>,
    /// System or custom.
    pub policy_type: PolicyType,
    /// The version that was read.
    pub version: PolicyVersion,
    /// The statement's place, from 0: the JSON pointer is `/Statement/{statement}`.
    pub statement: usize,
    /// Where the policy is attached.
    pub scope: Scope,
}

impl fmt::Display for StatementRef {
    /// `policy `x` v2 (Custom), /Statement/0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, policy_type, version, statement, .. } = self;
        write!(f, "policy `{policy}` {version} ({}), /Statement/{statement}", policy_type.as_str())
    }
}

/// The policies that bind a principal, by scope; own ones and those of its groups together.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    /// Control policies; when there are any, they must allow first.
    pub control: Vec<Arc<Policy>>,
    /// The policy of a role session; when there is one, it must allow too.
    pub session: Option<Arc<Policy>>,
    /// Identity policies for the whole account.
    pub account: Vec<Arc<Policy>>,
    /// Identity policies for the resource's group; read only when those of the account say nothing.
    pub resource_group: Vec<Arc<Policy>>,
}

/// How a principal stands in its account.
#[derive(Clone, Debug)]
pub enum Standing {
    /// The account itself: may do everything inside its own account.
    Owner,
    /// Anyone else: what the policies say.
    Governed(PolicySet),
    /// Nobody can say at present: every question answers no. Whoever gives it says with it that it is over already.
    Unknown,
}

/// What is in force for a principal with a credential, at one epoch.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Owner or governed.
    pub standing: Standing,
    /// The user's name, `root` for the account; for messages and `acs:PrincipalARN`.
    pub name: Arc<str>,
    /// The state that this was read from.
    pub epoch: Epoch,
    /// When the credential or session ends by itself; [`UnixMs::NEVER`] when it does not.
    pub valid_until: UnixMs,
    /// From where the credential may be used; `None` is from everywhere.
    pub sources: Option<Arc<AllowedSources>>,
}

impl InForce {
    /// Whether the credential may be used from this address.
    #[must_use]
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.admit(address))
    }
}
