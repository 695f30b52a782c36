//! Door 3: the web console.
//!
//! Owns: sign-in, its cookies and CSRF tokens, and the pages. Everything that a page shows comes from the same operations
//! as the API's, called with the caller that the session speaks for.
//! Way in: [`routes`], under `/console`. A request passes `session` (who) and then a page of `pages/`.
//! Never here: a query, a permission check of its own, a script from elsewhere.
//!
//! Invariants: every form is refused without its CSRF token; every answer has the Content-Security-Policy of `respond`; a
//! failed sign-in looks the same for every cause.

mod assets;
mod cookies;
mod form;
mod frame;
mod pages;
mod refusal;
mod respond;
mod session;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use sluice_actions::Services;

/// Largest form.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// The console, at `/console/`. Whoever serves it puts a [`Peer`](sluice_access::Peer) into each request's extensions.
pub fn routes(services: Services) -> Router {
    Router::new()
        .route("/console", get(pages::to_front))
        .route("/console/", get(pages::user_center::show).post(pages::sign_in::submit))
        .route("/console/password", get(pages::new_password::show).post(pages::new_password::submit))
        .route("/console/mfa", get(pages::mfa_code::show).post(pages::mfa_code::submit))
        .route("/console/mfa/bind", get(pages::mfa_bind::show).post(pages::mfa_bind::submit))
        .route("/console/security", get(pages::security::show).post(pages::security::submit))
        .route("/console/ram/settings", get(pages::ram_settings::show).post(pages::ram_settings::submit))
        .route("/console/sign-out", post(pages::sign_in::sign_out))
        .route("/console/mqtt", get(pages::overview::show))
        .route("/console/mqtt/instances", get(pages::instances::show))
        .route("/console/mqtt/instances/{instance}", get(pages::instance::show).post(pages::instance::submit))
        .route("/console/assets/{name}", get(assets::serve))
        .route("/console/{*rest}", get(pages::not_found))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(services)
}
