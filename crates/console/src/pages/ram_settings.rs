//! RAM, Settings: the password policy, the security preference and the account's alias, each with its own two rights.

use askama::Template;
use axum::{
    extract::{Form, Query, rejection::FormRejection, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use sluice_actions::{
    Act, ActionContext, ActionError, call, permitted,
    ram::{
        ClearAccountAlias, GetAccountAlias, GetPasswordPolicy, GetSecurityPreference, PasswordPolicyReply,
        SecurityPreferenceReply, SetAccountAlias, SetPasswordPolicy, SetSecurityPreference,
    },
};

use crate::{
    cookies,
    form::Fields,
    frame::{Frame, Place},
    refusal::Shown,
    respond,
    session::SignedIn,
};

#[derive(Template)]
#[template(path = "ram_settings.html")]
struct SettingsPage {
    frame: Frame,
    saved: bool,
    wrong: Option<String>,
    password: Shown<PasswordPolicyReply>,
    may_set_password: bool,
    preference: Shown<SecurityPreferenceReply>,
    may_set_preference: bool,
    alias: Shown<String>,
    has_alias: bool,
    may_set_alias: bool,
    may_clear_alias: bool,
}

/// Whether a change was just made.
#[derive(Deserialize)]
pub(crate) struct Asked {
    saved: Option<String>,
}

/// Whether somebody may change what a form with nothing in it would leave alone.
fn may_set<A: Act>(context: &ActionContext) -> bool {
    A::read(&sluice_actions::Params::default()).is_ok_and(|nothing| permitted(context, &nothing).is_ok())
}

async fn page(signed_in: SignedIn, wrong: Option<String>, saved: bool) -> Response {
    let SignedIn { console, context, .. } = signed_in;
    match read(&context).await {
        Ok((password, preference, alias)) => {
            let sets =
                |text: &str| text.parse().is_ok_and(|alias| permitted(&context, &SetAccountAlias { alias }).is_ok());
            let has_alias =
                matches!(&alias, Shown::Granted(alias) if alias.parse::<sluice_model::AccountId>().is_err());
            let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            let page = SettingsPage {
                frame: Frame::of(&console, &context, Place::RamSettings),
                saved,
                wrong,
                password,
                may_set_password: may_set::<SetPasswordPolicy>(&context),
                preference,
                may_set_preference: may_set::<SetSecurityPreference>(&context),
                alias,
                has_alias,
                may_set_alias: sets("any"),
                may_clear_alias: permitted(&context, &ClearAccountAlias).is_ok(),
            };
            respond::page(status, &page)
        }
        Err(error) => respond::failed(&error),
    }
}

type Read = (Shown<PasswordPolicyReply>, Shown<SecurityPreferenceReply>, Shown<String>);

async fn read(context: &ActionContext) -> Result<Read, ActionError> {
    let password = call(context, GetPasswordPolicy).await.map(|reply| reply.password_policy);
    let preference = call(context, GetSecurityPreference).await.map(|reply| reply.security_preference);
    let alias = call(context, GetAccountAlias).await.map(|reply| reply.account_alias);
    Ok((Shown::of(password)?, Shown::of(preference)?, Shown::of(alias)?))
}

/// Shows the settings, or what is missing to see them.
pub(crate) async fn show(signed_in: SignedIn, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let saved = asked.is_ok_and(|Query(asked)| asked.saved.is_some());
    page(signed_in, None, saved).await
}

async fn set<A: Act>(context: &ActionContext, fields: &Fields) -> Result<(), ActionError> {
    call(context, fields.read::<A>()?).await.map(drop)
}

/// Changes one of the three.
pub(crate) async fn submit(signed_in: SignedIn, form: Result<Form<Vec<(String, String)>>, FormRejection>) -> Response {
    let Ok(Form(pairs)) = form else { return respond::bad_form() };
    let fields = Fields::new(pairs);
    if !cookies::matches(fields.get("csrf"), &signed_in.console.csrf) {
        return respond::wrong_csrf();
    }
    let context = &signed_in.context;
    let outcome = match fields.get("form") {
        "password" => set::<SetPasswordPolicy>(context, &fields).await,
        "preference" => set::<SetSecurityPreference>(context, &fields).await,
        "alias" => set::<SetAccountAlias>(context, &fields).await,
        "clear-alias" => set::<ClearAccountAlias>(context, &fields).await,
        _ => return respond::bad_form(),
    };
    match outcome {
        Ok(()) => respond::see_other("/console/ram/settings?saved=yes"),
        Err(error) if error.status() >= 500 => respond::failed(&error),
        Err(error) => page(signed_in, Some(error.message()), false).await,
    }
}
