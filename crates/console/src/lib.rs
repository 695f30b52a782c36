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
mod frame;
mod pages;
mod parts;
mod refusal;
mod respond;
mod session;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use sluice_actions::Services;

pub(crate) use sluice_access::SIGN_IN_FAILURES_MAX;

/// Largest form: a policy document of 6,144 characters, each escaped.
const FORM_BYTES_MAX: usize = 128 * 1024;

/// The console, at `/console/`. Whoever serves it puts a [`Peer`](sluice_access::Peer) into each request's extensions.
pub fn routes(services: Services) -> Router {
    Router::new()
        .route("/console", get(pages::to_front))
        .route("/console/", get(pages::user_center::show).post(pages::sign_in::submit))
        .route("/console/password", get(pages::new_password::show).post(pages::new_password::submit))
        .route("/console/sign-out", post(pages::sign_in::sign_out))
        .route("/console/mqtt", get(pages::overview::show))
        .route("/console/mqtt/instances", get(pages::instances::show))
        .route("/console/mqtt/instances/{instance}", get(pages::instance::show).post(pages::instance::submit))
        .route("/console/assets/{name}", get(assets::serve))
        .route("/console/{*rest}", get(pages::not_found))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(services)
}
