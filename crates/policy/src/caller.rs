//! Who asks.

use std::{fmt, net::IpAddr, sync::Arc};

use sluice_model::{AccessKeyId, Principal, RoleSessionName, UnixMs};

use crate::Policy;

/// By what a caller proved who it is. Names the credential, never holds its secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An AccessKey pair, by its public half.
    AccessKey(AccessKeyId),
    /// A console session, by the digest of its token.
    Console(Arc<str>),
    /// The temporary credentials of a role session; its [`Principal`] is the role.
    RoleSession(Arc<RoleSession>),
    /// None: the operator's open listener vouches for whoever reaches it, as one RAM user. DESIGN section 1, Open listener.
    Listener,
}

impl Credential {
    /// How it was shown, as a list of sessions says it: `Signature`, `Console`, `Role` or `Open`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::AccessKey(_) => "Signature",
            Self::Console(_) => "Console",
            Self::RoleSession(_) => "Role",
            Self::Listener => "Open",
        }
    }
}

impl fmt::Debug for Credential {
    /// A console session's digest finds the session in the store, so it stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey(id) => write!(f, "AccessKey({id})"),
            Self::Console(_) => f.write_str("Console(..)"),
            Self::RoleSession(session) => write!(f, "RoleSession({}, {})", session.key, session.name),
            Self::Listener => f.write_str("Listener"),
        }
    }
}

/// What AssumeRole gave out: who the session says it is, what narrows it and when it ends. Two are the same when their key
/// is: no key is given out twice.
#[derive(Clone, Debug)]
pub struct RoleSession {
    /// The public half of its key, `STS.…`.
    pub key: AccessKeyId,
    /// The name that its assumer gave it.
    pub name: RoleSessionName,
    /// The session policy; without one the role's policies alone decide.
    pub policy: Option<Arc<Policy>>,
    /// When it ends.
    pub expires: UnixMs,
    /// Whom its assumer acts for, as it says; kept through a chain of roles. Not in the log: nothing is decided by it.
    pub source_identity: Option<Arc<str>>,
}

impl PartialEq for RoleSession {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for RoleSession {}

impl std::hash::Hash for RoleSession {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// Who asks, and over what. Made by `access` alone (xtask checks where [`Caller::authenticated`] appears).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    principal: Principal,
    credential: Credential,
    source_ip: Option<IpAddr>,
    secure_transport: bool,
    mfa_present: Option<bool>,
}

impl Caller {
    /// A caller whose credential has been checked. `mfa_present` is `None` where the question has no meaning (AccessKeys),
    /// which leaves `acs:MFAPresent` absent.
    #[must_use]
    pub fn authenticated(
        principal: Principal,
        credential: Credential,
        source_ip: Option<IpAddr>,
        secure_transport: bool,
        mfa_present: Option<bool>,
    ) -> Self {
        // An IPv4 address that came over an IPv6 socket must meet IPv4 conditions.
        let source_ip = source_ip.map(|ip| ip.to_canonical());
        Self { principal, credential, source_ip, secure_transport, mfa_present }
    }

    /// The account, the user or the role.
    #[must_use]
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// The credential it came with.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The client's address; `acs:SourceIp`.
    #[must_use]
    pub fn source_ip(&self) -> Option<IpAddr> {
        self.source_ip
    }

    /// Whether the connection is TLS; `acs:SecureTransport`.
    #[must_use]
    pub fn secure_transport(&self) -> bool {
        self.secure_transport
    }

    /// Whether a second factor was used at sign-in; `acs:MFAPresent`.
    #[must_use]
    pub fn mfa_present(&self) -> Option<bool> {
        self.mfa_present
    }
}
