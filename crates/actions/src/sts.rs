//! STS 2015-04-01. Source: openapi/sts-2015-04-01.json.

mod caller_identity;

pub use caller_identity::{CallerIdentity, GetCallerIdentity};
