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

/// Largest form: a policy document of 6,144 characters, each escaped.
const FORM_BYTES_MAX: usize = 128 * 1024;

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
        .merge(ram())
        .route("/console/assets/{name}", get(assets::serve))
        .route("/console/{*rest}", get(pages::not_found))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(services)
}

/// The pages of Resource Access Management. The tests walk these routes: one that is added here is refused there.
fn ram() -> Router<Services> {
    use pages::ram::{
        check, csv, grants, group, group_form, groups, overview, policies, policy, policy_form, role, role_form, roles,
        user, user_delete, user_form, user_new, users, why,
    };
    Router::new()
        .route("/console/ram", get(overview::show))
        .route("/console/ram/users", get(users::show))
        .route("/console/ram/create-user", get(user_new::show).post(user_new::submit))
        .route("/console/ram/users/{user}", get(user::show).post(user::submit))
        .route("/console/ram/users/{user}/edit", get(user_form::show).post(user_form::submit))
        .route("/console/ram/users/{user}/delete", post(user_delete::submit))
        .route("/console/ram/groups", get(groups::show))
        .route("/console/ram/create-group", get(group_form::show_new).post(group_form::submit_new))
        .route("/console/ram/groups/{group}", get(group::show).post(group::submit))
        .route("/console/ram/groups/{group}/edit", get(group_form::show).post(group_form::submit))
        .route("/console/ram/roles", get(roles::show))
        .route("/console/ram/create-role", get(role_form::show_new).post(role_form::submit_new))
        .route("/console/ram/roles/{role}", get(role::show).post(role::submit))
        .route("/console/ram/roles/{role}/edit", get(role_form::show).post(role_form::submit))
        .route("/console/ram/policies", get(policies::show))
        .route("/console/ram/create-policy", get(policy_form::show).post(policy_form::submit))
        .route("/console/ram/policies/{type}/{policy}", get(policy::show).post(policy::submit))
        .route(
            "/console/ram/policies/Custom/{policy}/new-version",
            get(policy_form::show_version).post(policy_form::submit_version),
        )
        .route("/console/ram/grants", get(grants::show).post(grants::revoke))
        .route("/console/ram/grant", get(grants::show_grant).post(grants::submit))
        .route("/console/ram/why", get(why::show))
        .route("/console/ram/check-policy", post(check::submit))
        .route("/console/ram/csv", post(csv::submit))
}
