//! The pages, a file each.

pub(crate) mod instance;
pub(crate) mod instances;
pub(crate) mod mfa_bind;
pub(crate) mod mfa_code;
pub(crate) mod new_password;
pub(crate) mod overview;
pub(crate) mod ram;
pub(crate) mod ram_settings;
pub(crate) mod security;
pub(crate) mod sign_in;
pub(crate) mod user_center;

use axum::response::Response;

use crate::respond;

/// `/console` without its slash.
pub(crate) async fn to_front() -> Response {
    respond::see_other("/console/")
}

/// Whatever is not a page.
pub(crate) async fn not_found() -> Response {
    respond::not_found()
}
