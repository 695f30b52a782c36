//! Who is calling, and what is in force for them.
//!
//! Owns: the proof of identity (request signatures, MQTT passwords, console sign-in, the open listener), AccessKey secrets, the in-memory
//! `Directory` that answers the `Authority`, what one session and what one principal's sessions together were
//! answered on the message path, and the knowledge whom a change touches.
//! On the message path: the session's own [`DecisionCache`] first, then what its principal's sessions share
//! ([`TopicDecisions`]), then the `Authority`; every answer under the principal's epoch. A delivery to a covered
//! subscription takes [`TopicYes::covered`] instead.
//! Way in: a door hands over what it read from the wire and gets a [`Caller`](sluice_policy::Caller); `actions` calls
//! `Access::refresh` after each write and hands the answer to `broker`.
//! What is decided is counted ([`SeenDecisions`]) and what is refused kept ([`Refusals`]), for the answer to "why?".
//! Never here: routes, status codes, and the decision itself, which is `policy`'s.
//!
//! Invariant: a `Caller` is made only here, after a secret was proved or, in `listener_login.rs` alone, as the
//! user whom the operator gave the open listener to, or in `remembered.rs`, from the log. Checked by xtask.

mod access;
mod accounts;
mod audit;
mod clock;
mod console_login;
mod decision_cache;
mod directory;
mod fair_room;
mod fair_turns;
mod federation;
mod follow;
mod key_lists;
mod key_uses;
mod listener_login;
mod load;
mod master_key;
mod mfa;
mod nonce;
mod own_password;
mod password;
mod provision;
pub mod random;
mod reach;
mod refusals;
mod remembered;
mod role_session;
mod rotation;
mod seen;
mod self_service;
mod sharded;
mod signed_request;
mod signing;
mod simulated;
#[cfg(test)]
mod test_store;
mod topic_decisions;
mod touched;
mod waiting;

pub use access::{Access, OpenError};
pub use accounts::AccountName;
pub use audit::own_sign_in as audit_own_sign_in;
pub use clock::Clock;
pub(crate) use console_login::token_digest;
pub use console_login::{
    CONSOLE_SESSION_MS, ConsoleCaller, HALF_SIGN_IN_MS, MFA_TICKET_MS, SIGN_IN_FAILURES_MAX, SignInError, SignedIn,
    SignedInWithCode, Visit,
};
pub use decision_cache::{DecisionCache, TopicAction, TopicYes};
pub use directory::InstanceSettings;
pub use federation::{
    METADATA_BYTES_MAX, OidcClaims, OidcFault, OidcProvider, SamlClaims, SamlFault, check_metadata, is_https,
    is_issuer_url,
};
pub use master_key::{MasterKey, SealError};
pub use mfa::{BindError, Enrolment, MFA_DEVICES_MAX, is_code, own_device_name, page_session};
pub use own_password::{ChangePasswordError, PasswordFault};
pub use password::{Admitted, Passwords};
pub use provision::{AccountDraft, ProvisionError, Provisioned};
pub use refusals::{
    PLAIN_REFUSALS_KEPT_MAX, PRINCIPAL_REFUSALS_KEPT_MAX, REFUSALS_KEPT_MAX, REFUSALS_KEPT_MS, Refusals, Told,
};
pub use role_session::{SessionDraft, TemporaryCredentials};
pub use rotation::{RotationError, SEALINGS_MAX};
pub use seen::{SEEN_KEPT_MS, SeenDecisions};
pub use signed_request::{AuthError, Scheme, SignedRequest, TIMESTAMP_SKEW_MS_MAX, mqtt_password};
pub use signing::{AuthRefusal, MqttLogin, NotLetIn, Peer};
pub use simulated::{BadCondition, Standpoint};
pub use sluice_store::{Change, StoreError};
pub use topic_decisions::{SHARED_YESES_MAX, TopicDecisions};
pub use touched::Touched;
