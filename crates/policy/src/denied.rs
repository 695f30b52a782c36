//! A refusal that says why.

use std::{fmt, sync::Arc};

use sluice_model::{AccountId, Action, Principal, Resource};

use crate::{Grant, Scope, Shown, StatementRef};

/// Why a request was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A statement forbids it.
    Explicit(Box<StatementRef>),
    /// No statement grants it.
    NoAllow {
        /// Where the missing Allow was looked for last.
        scope: Scope,
        /// How many policies were read.
        policies_read: usize,
        /// Condition keys that a fitting Allow asked for and the request did not have.
        missing_context_keys: Box<[Arc<str>]>,
    },
    /// The resource belongs to another account.
    AccountWall,
    /// The user or its credential is gone, disabled or inactive.
    NoPrincipal,
    /// Nobody can say at present: what is in force is kept elsewhere and cannot be read. Nothing is known to be gone, so
    /// nothing ends for it.
    Unavailable,
    /// The AccessKey may not be used from the caller's address.
    SourceNotAllowed,
    /// An account itself assumes no role. Source: facts/ram.md section 1.6.
    OwnerAssumes,
}

impl Reason {
    /// Whether it speaks of the credential alone: of a client that is away it says nothing, who may come back with another
    /// key or from another address.
    #[must_use]
    pub fn is_of_credential(&self) -> bool {
        matches!(self, Self::NoPrincipal | Self::SourceNotAllowed)
    }
}

/// A refusal. Displays as one sentence for logs and reason strings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denied {
    /// Who asked.
    pub principal: Principal,
    /// The user's or role's name, `root` for the account; empty when the principal is gone.
    pub principal_name: Arc<str>,
    /// The account of whoever asked.
    pub account: AccountId,
    /// What was asked; the first name where there are several.
    pub action: Action,
    /// On what.
    pub resource: Box<Resource>,
    /// Why not.
    pub reason: Reason,
    /// The state of the policies that said no, and until when they say so; `None` when there was none to ask.
    pub(crate) holds: Option<Box<Grant>>,
}

impl Denied {
    /// `NoPermissionType` of an `AccessDeniedDetail`.
    #[must_use]
    pub fn no_permission_type(&self) -> &'static str {
        match self.reason {
            Reason::Explicit(_) => "ExplicitDeny",
            Reason::NoAllow { .. }
            | Reason::AccountWall
            | Reason::NoPrincipal
            | Reason::Unavailable
            | Reason::SourceNotAllowed
            | Reason::OwnerAssumes => "ImplicitDeny",
        }
    }

    /// `PolicyType` of an `AccessDeniedDetail`.
    #[must_use]
    pub fn policy_type_detail(&self) -> &'static str {
        match &self.reason {
            Reason::Explicit(statement) => statement.scope.as_str(),
            Reason::NoAllow { scope, .. } => scope.as_str(),
            Reason::AccountWall
            | Reason::NoPrincipal
            | Reason::Unavailable
            | Reason::SourceNotAllowed
            | Reason::OwnerAssumes => Scope::Account.as_str(),
        }
    }

    /// A complete policy document that grants exactly what was asked, on the resource's ARN of today, to hand to an
    /// administrator. Against a Deny it does nothing: that statement has to go.
    ///
    /// The language cannot write a literal `*`; where a topic's name has one, the document has `?`, which is one
    /// character.
    #[must_use]
    pub fn statement_to_ask_for(&self) -> String {
        let resource = match &*self.resource {
            Resource::Topic(..) => {
                let arn = self.resource.to_string();
                // Only the topic's own text: the region before it is a `*` that is meant.
                let names = arn.find(":topic/").unwrap_or_default();
                arn[..names].to_owned() + &arn[names..].replace('*', "?")
            }
            other => other.to_string(),
        };
        serde_json::json!({
            "Version": "1",
            "Statement": [{
                "Effect": "Allow",
                "Action": self.action.as_str(),
                "Resource": resource,
            }],
        })
        .to_string()
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.principal {
            Principal::Account(account) => write!(f, "account {account}")?,
            Principal::User(account, _) if !self.principal_name.is_empty() => {
                write!(f, "user `{}` of account {account}", self.principal_name)?;
            }
            Principal::User(account, user) => write!(f, "user {user} of account {account}")?,
            Principal::Role(account, _) if !self.principal_name.is_empty() => {
                write!(f, "a session of role `{}` of account {account}", self.principal_name)?;
            }
            Principal::Role(account, role) => write!(f, "a session of role {role} of account {account}")?,
        }
        write!(f, " may not {} on `{}`: ", self.action, Shown(&self.resource))?;
        match &self.reason {
            Reason::Explicit(statement) => write!(f, "{statement} denies it"),
            Reason::NoAllow { scope, policies_read, missing_context_keys } => {
                let place = match scope {
                    Scope::Control => "control ",
                    Scope::Session => "session ",
                    Scope::Trust => "trust ",
                    Scope::Account | Scope::ResourceGroup => "",
                };
                let plural = if *policies_read == 1 { "policy" } else { "policies" };
                write!(f, "none of the {policies_read} {place}{plural} in force allows it")?;
                for (place, key) in missing_context_keys.iter().enumerate() {
                    let lead = if place == 0 { "; the request had no " } else { ", " };
                    write!(f, "{lead}`{key}`")?;
                }
                Ok(())
            }
            Reason::AccountWall => f.write_str("it belongs to another account"),
            Reason::OwnerAssumes => f.write_str("an account itself cannot assume a role; a user or a role of it can"),
            Reason::NoPrincipal => f.write_str("the user or the credential is gone or inactive"),
            Reason::SourceNotAllowed => f.write_str("the AccessKey may not be used from this address"),
            Reason::Unavailable => f.write_str("what is in force cannot be read at present"),
        }
    }
}

impl std::error::Error for Denied {}
