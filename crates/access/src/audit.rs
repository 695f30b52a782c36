//! What an operator reads of sign-in: one line an event under the target `sluice::audit`, with the fields of the vendor's
//! trail. No password, code or token is in it. Source: facts/ram.md section 5, Audit.

use std::net::IpAddr;

use sluice_model::Principal;

use crate::Visit;

fn identity(principal: Principal) -> &'static str {
    match principal {
        Principal::Account(_) => "root-account",
        Principal::User(..) => "ram-user",
        Principal::Role(..) => "assumed-role",
    }
}

/// Somebody signed in.
pub(crate) fn signed_in(principal: Principal, logon_name: &str, visit: &Visit<'_>, mfa_checked: bool) {
    tracing::info!(
        target: "sluice::audit", event = "ConsoleSignin", account = %principal.account(), %principal, identity = identity(principal),
        user = %logon_name, source_ip = %visit.peer.addr, user_agent = visit.user_agent, mfa_checked, "signed in to the console"
    );
}

/// A sign-in failed, or failed to go on; the cause is here alone.
pub(crate) fn refused(principal: Option<Principal>, visit: &Visit<'_>, error_code: &'static str) {
    let account = principal.map(|principal| tracing::field::display(principal.account()));
    tracing::warn!(
        target: "sluice::audit", event = "ConsoleSignin", account, principal = principal.map(tracing::field::display),
        identity = principal.map(identity), source_ip = %visit.peer.addr, user_agent = visit.user_agent, error_code,
        "a console sign-in is refused"
    );
}

/// Somebody did something to its own sign-in, or it was done to a user: `ConsoleSignout`, `PasswordModify`, `MFABind`, `MFAUnbind`.
pub fn own_sign_in(event: &'static str, principal: Principal, source_ip: Option<IpAddr>, user: &str) {
    tracing::info!(
        target: "sluice::audit", event, account = %principal.account(), %principal, identity = identity(principal), user,
        source_ip = source_ip.map(tracing::field::display), "a sign-in was changed or ended"
    );
}
