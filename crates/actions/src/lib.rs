//! What every management operation does: typed input, permission, store or live side, typed output.
//!
//! Owns: the registry ([`OPERATIONS`], one row an operation), the one way through an operation ([`call`]), the codes
//! that operations answer with ([`ActionError`]) and the operations themselves, a file a resource in `ram/`, `sts/`, `onsmqtt/`.
//!
//! The way through: a door builds an [`ActionContext`], finds the row with [`find`] and runs it on [`Params`], or calls [`call`]
//! with a typed input; `gate` asks the authority; the operation writes with the permit; [`ActionContext`]'s one function
//! puts a write in force and sweeps the live side before the reply.
//!
//! Never here: HTTP, XML, JSON, sockets, and a second place where a permission is asked.
//!
//! Invariant: every row has a case in which it is refused (`tests/denied.rs` walks the registry).
//!
//! Sources: openapi/ram-2015-05-01.json, sts-2015-04-01.json, onsmqtt-2020-04-20.json, extra.json, errors.json; facts/ram.md
//! section 3; DESIGN section 2, API.

mod catalogue;
mod checker;
mod context;
mod diagnostic;
mod error;
mod gate;
pub mod ims;
mod limits;
pub mod onsmqtt;
mod operation;
mod page;
mod params;
mod policy_check;
mod principal;
pub mod ram;
mod reach;
mod registry;
mod store_fault;
pub mod sts;
mod time;
mod usage;

pub use catalogue::catalogue;
pub use checker::{Verdict, check_document};
pub use context::{ActionContext, AnonymousContext, Endpoint, RequestId, Services};
pub use diagnostic::diagnostic_message;
pub use error::{ActionError, Code, DeniedAs, Fault};
pub use gate::{Ask, Denial, Granted, permitted_on};
pub use operation::{Act, Anonymous, Need, Operation, Parameter, Product, Reply, Row, call, permitted};
pub use page::{NextPage, NumberedPage, Page};
pub use params::Params;
pub use policy_check::policy_warnings;
pub use principal::Named;
pub use reach::{Reach, Whom, reach};
pub use registry::{OPERATIONS, find};
pub use usage::Usage;
