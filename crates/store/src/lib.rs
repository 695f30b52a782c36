//! Metadata: the tables, their migrations and one set of queries for SQLite and PostgreSQL.
//!
//! Owns: rows and the rules that only a transaction can keep (uniqueness, limits, conflicts).
//! Way in: [`Store::open`]; reads take the tenant as a typed argument, writes take [`By`], the proof of who may.
//! Never here: who may (a `Permit` is compared, never made), wire formats, clocks, secrets in the clear.
//!
//! SQL is common to both databases: `$n` placeholders, integers for times (Unix milliseconds) and booleans, IDs made in
//! Rust. The one token in it, `{name}`, is a text column that is ordered bytewise on both.
//!
//! Where several processes share a database, a write commits with what it changed ([`Change`]), and
//! [`SharedChanges`] reads what the others did.
//!
//! Invariant: a write whose [`Permit`](sluice_policy::Permit) is for another account or another row writes nothing.
//! Checked by this room's tests.

mod access_key_policies;
mod account_end;
mod accounts;
mod attachments;
mod by;
mod change;
mod conditions;
mod console_sessions;
mod copy;
mod database;
mod error;
mod identity_providers;
mod instances;
mod key_uses;
mod keys;
pub mod log;
mod login_profiles;
mod mfa_devices;
mod migrations;
mod own_changes;
mod policies;
mod postgres_tls;
mod postgres_url;
mod refusals;
mod roles;
mod row;
mod sealed;
mod second_factors;
mod seen;
mod shared;
mod sign_in_settings;
mod tags;
mod usage;
mod user_groups;
mod users;
mod whole;
mod write;

pub use access_key_policies::KeyPolicy;
pub use accounts::{Account, NewAccount, NewRoot};
pub use attachments::{AttachedPolicies, Attachment, Holder, PolicyGroup, PolicyRole, PolicyUser};
pub use by::By;
pub use change::Change;
pub use conditions::Conditions;
pub use console_sessions::ConsoleSession;
pub use copy::{copy_database, schema_known};
pub use database::{Extent, StartingTurn, Store, is_shared};
pub use error::{Entity, StoreError};
pub use identity_providers::{IdentityProvider, ProviderKind};
pub use instances::{Counts, Group, Instance, InstanceChange, Topic};
pub use keys::{AccessKey, KEYS_PER_OWNER_MAX};
pub use login_profiles::{LoginProfile, LoginState, NewPassword, PASSWORDS_KEPT_MAX};
pub use mfa_devices::{MfaDevice, MfaUser};
pub use policies::{CustomPolicy, PolicyVersionRow, VERSIONS_PER_POLICY_MAX};
pub use postgres_tls::UrlFault;
pub use postgres_url::{PostgresUrl, TRUSTED_FILE, TRUSTED_FOLDER};
pub use refusals::{HeldBy, Refusal, RefusedBy};
pub use roles::{Role, RoleChange, RoleKind};
pub use sealed::{Resealed, Resealing, SEALED_COLUMNS, SealedColumn};
pub use second_factors::{HALF_SIGN_INS_MAX, MfaTicket};
pub use seen::{SEEN_PER_HOUR_MAX, SeenDecision, SeenOutcome};
pub use shared::{Listener, News, SharedChanges, Written};
pub use tags::{TagFilter, TagOfEntity, TaggedKind};
pub use usage::{Peak, PeakKey, UsageBy, UsageCounts, UsageItem, UsageKey, UsageQuery};
pub use user_groups::{JoinedGroup, Member, PoliciesOfMembers, UserGroup, UserGroupChange};
pub use users::{NewUser, User, UserChange};
pub use whole::Whole;
