//! Who asks.

use std::{fmt, net::IpAddr, sync::Arc};

use sluice_model::{AccessKeyId, Principal};

/// By what a caller proved who it is. Names the credential, never holds its secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An AccessKey pair, by its public half.
    AccessKey(AccessKeyId),
    /// A console session, by the digest of its token.
    Console(Arc<str>),
    /// None: the operator's open listener vouches for whoever reaches it, as one RAM user. DESIGN section 1, Open listener.
    Listener,
}

impl Credential {
    /// How it was shown, as a list of sessions says it: `Signature`, `Console` or `Open`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::AccessKey(_) => "Signature",
            Self::Console(_) => "Console",
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
            Self::Listener => f.write_str("Listener"),
        }
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

    /// The account or the user.
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
