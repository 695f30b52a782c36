//! IMS 2019-08-15: the identity providers that an account trusts to vouch for whoever assumes its roles.
//!
//! Source: the vendor's SDK of that version. Lists are wrapped twice, several values of one parameter have commas between them.

mod access_key_policy;
mod oidc_provider;
mod saml_provider;

pub use access_key_policy::{
    GetAccessKeyPolicy, GetAccessKeyPolicyForAccount, LogonName, SetAccessKeyPolicy, SetAccessKeyPolicyForAccount,
};
pub use oidc_provider::{CreateOIDCProvider, DeleteOIDCProvider, GetOIDCProvider, ListOIDCProviders};
pub use saml_provider::{CreateSAMLProvider, DeleteSAMLProvider, GetSAMLProvider, ListSAMLProviders};
