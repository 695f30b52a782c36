//! RAM policy documents and the one maker of a [`Permit`].
//!
//! Owns: the language (parse, check, compile), its [`warnings`], the evaluation ([`decide`]) with its explanation, the system policies,
//! and [`Authority`], which alone turns a yes into a [`Permit`].
//!
//! The way through: `access` parses documents ([`Document`]), attaches them as [`Policy`]s and answers
//! [`PolicySource::in_force`]; every other room asks [`Authority::authorize`] and gets a [`Permit`] or a [`Denied`]
//! that says why; a remembered yes ([`Grant`]) is asked again with [`Authority::renew`]. A subscription asks once more
//! whether all that its filter can match is allowed ([`Authority::cover`]): with a [`Covering`] a delivery costs a compare.
//!
//! Cost: a first decision over 200 statements 1.2 us (`sieve.rs` passes over those that name other topics), a renewal 1 ns.
//!
//! Never here: I/O, caches, clocks (a request carries its own time), and product quirks outside `candidates.rs`.
//!
//! Sources: facts/ram.md sections 1, 4 and 6; DESIGN section 2, Authorization; the decisions of `ram-policy.json`.
//!
//! Invariant: a [`Permit`] exists only where [`Authority::authorize`] said yes. Checked by privacy:
//!
//! ```compile_fail
//! // The fields are private: no other room can write a Permit.
//! let _ = sluice_policy::Permit { epoch: unreachable!(), valid_until: unreachable!() };
//! ```
//! ```compile_fail
//! // A yes is used once: no copies.
//! fn two(permit: &sluice_policy::Permit) -> sluice_policy::Permit { permit.clone() }
//! ```
//! ```compile_fail
//! // A Grant comes from a Permit only.
//! let _ = sluice_policy::Grant { epoch: unreachable!(), valid_until: unreachable!() };
//! ```
//! ```compile_fail
//! // An Assumption comes from the Authority only.
//! let _ = sluice_policy::Assumption { role: unreachable!(), chained_from: None };
//! ```
//! ```compile_fail
//! // A Covering comes from the Authority only.
//! let _ = sluice_policy::Covering { filter: unreachable!(), grant: unreachable!() };
//! ```

mod arn;
mod assume;
mod authority;
mod caller;
mod candidates;
mod catalogue;
mod condition;
mod context;
mod covering;
mod decide;
mod denied;
mod document;
mod epoch;
mod facts;
mod fault;
mod glob;
mod json;
mod key_policy;
mod lint;
mod operand;
mod parse;
mod pattern;
mod place;
mod policy;
mod shown;
mod sieve;
mod statement;
mod system;
mod task;
pub mod vectors;

pub use arn::resource_of_arn;
pub use assume::{AssumableRole, Assumption, Federated, NotAssumed};
pub use authority::{Authority, DecisionObserver, Grant, OBSERVED_MS_MAX, OBSERVED_MS_MIN, Permit, PolicySource, Seen};
pub use caller::{Caller, Credential, RoleSession};
pub use catalogue::{Catalogue, Existing, NamedThing};
pub use context::Context;
pub use covering::{Covering, covers};
pub use decide::{Decision, Effect, Request, decide, decide_standing};
pub use denied::{Denied, Reason};
pub use document::{Document, DocumentKind, check};
pub use epoch::Epoch;
pub use fault::{Fault, FaultKind, describe as describe_faults, is_too_long};
pub use key_policy::{AccessKeyPolicy, AllowedSources, KeyPolicyFault};
pub use lint::{Warning, WarningKind, warnings};
pub use policy::{InForce, Policy, PolicySet, Scope, Standing, StatementRef};
pub use shown::Shown;
pub use system::{SystemPolicy, system_policies};
pub use task::SystemTask;
