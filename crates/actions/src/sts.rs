//! STS 2015-04-01. Source: openapi/sts-2015-04-01.json.

mod assume_role;
mod assume_role_with_oidc;
mod assume_role_with_saml;
mod caller_identity;

pub use assume_role::{AssumeRole, RoleArn, SessionWish};
pub use assume_role_with_oidc::AssumeRoleWithOIDC;
pub use assume_role_with_saml::AssumeRoleWithSAML;
pub use caller_identity::{CallerIdentity, GetCallerIdentity};
