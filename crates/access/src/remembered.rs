//! Who a stored session or message is of: a caller that was proved before it was stored, read back from our own log.
//!
//! It is not proved again: every question that is asked for it is decided by what is in force now, and a credential that is
//! gone answers no. DESIGN section 2, What is stored remembers its publisher.

use std::net::IpAddr;

use sluice_model::Principal;
use sluice_policy::{Caller, Credential};

use crate::Access;

impl Access {
    /// The caller of a record of the log.
    #[must_use]
    pub fn caller_of_before(
        &self,
        principal: Principal,
        credential: Credential,
        source_ip: Option<IpAddr>,
        secure_transport: bool,
        mfa_present: Option<bool>,
    ) -> Caller {
        Caller::authenticated(principal, credential, source_ip, secure_transport, mfa_present)
    }
}
