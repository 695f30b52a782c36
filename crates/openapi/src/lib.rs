//! Door 2: the signed HTTP API that the vendor's SDKs speak.
//!
//! Owns: reading a request (query, form, both signature schemes) into a call, the strings to sign, dispatch by
//! (version, action), and how replies and errors look on the wire.
//!
//! The way through: [`routes`] > `wire` (parse) > `v1` or `v3` (string to sign) > `access` (who) > `actions` (what) > `reply`.
//!
//! Never here: business rules, permissions, the store. A handler parses, calls, renders.
//!
//! Sources: openapi/wire.md; openapi/errors.json; DESIGN section 2, API. The vectors of `contract/signature-vectors.json`
//! are the vendor's own signing code; the tests hold both schemes to them.

mod door;
mod error;
mod parameters;
mod percent;
mod reply;
mod unanswered;
mod v1;
mod v3;
#[cfg(test)]
mod vectors;
mod wire;
mod xml;

pub use door::{OpenApi, routes};
pub use percent::encode as percent_encode;
pub use unanswered::Asked;
