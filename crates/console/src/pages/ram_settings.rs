//! RAM, Settings: the password policy, the security preference and the account's alias, each with its own two rights.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use sluice_actions::{
    Act, ActionContext, ActionError, call, permitted,
    ram::{
        ClearAccountAlias, GetAccountAlias, GetPasswordPolicy, GetSecurityPreference, PasswordPolicyReply,
        SecurityPreferenceReply, SetAccountAlias, SetPasswordPolicy, SetSecurityPreference,
    },
};

use crate::{
    frame::{Frame, Place},
    pages::ram::{Step, if_permitted, step},
    parts::{Question, Sheet, at_field, is_about},
    refusal::Shown,
    respond,
    session::{Asked, Fields, Posted, SignedIn},
};

const HERE: &str = "/console/ram/settings";
const TITLE: &str = "Settings";

/// A parameter and what stands in its field.
type Value = (&'static str, String);

#[derive(Template)]
#[template(path = "ram_settings.html")]
struct SettingsPage {
    frame: Frame,
    saved: bool,
    /// What was not done, and belongs to no field.
    wrong: Option<String>,
    /// What is wrong with a field.
    fault: Option<Value>,
    password: Shown<()>,
    may_set_password: bool,
    preference: Shown<()>,
    may_set_preference: bool,
    alias: Shown<String>,
    has_alias: bool,
    may_set_alias: bool,
    may_clear_alias: bool,
    /// Of every field: as it is, or as it was sent.
    values: Vec<Value>,
}

impl SettingsPage {
    fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value)
    }

    fn is_on(&self, name: &str) -> bool {
        self.value(name) == "true"
    }

    /// What is wrong with a field.
    fn fault_of(&self, name: &str) -> Option<&str> {
        self.fault.as_ref().filter(|(found, _)| *found == name).map(|(_, told)| told.as_str())
    }
}

/// What was sent and not taken, and why.
type NotTaken<'a> = (&'a Fields, &'a ActionError);

/// Whether somebody may change what a form with nothing in it would leave alone.
fn may_set<A: Act>(context: &ActionContext) -> bool {
    A::read(&sluice_actions::Params::default()).is_ok_and(|nothing| permitted(context, &nothing).is_ok())
}

fn is_alias(text: &str) -> bool {
    text.parse::<sluice_model::AccountId>().is_err()
}

async fn page(signed_in: &SignedIn, not_taken: Option<NotTaken<'_>>, saved: bool) -> Response {
    let context = &signed_in.context;
    let Read { password, preference, alias, mut values } = match read(context).await {
        Ok(read) => read,
        Err(error) => return respond::failed(&error),
    };
    let sets = |text: &str| text.parse().is_ok_and(|alias| permitted(context, &SetAccountAlias { alias }).is_ok());
    let (mut wrong, mut fault) = (None, None);
    if let Some((fields, error)) = not_taken {
        for (name, value) in values.iter_mut().filter(|(name, _)| fields.has(name)) {
            fields.get(name).clone_into(value);
        }
        fault = values.iter().find(|(name, _)| is_about(error, name)).map(|(name, _)| (*name, at_field(error)));
        wrong = Some(fault.as_ref().map_or_else(|| error.message(), |_| "One of the fields has a fault.".to_owned()));
    }
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = SettingsPage {
        frame: signed_in.frame(Place::RamSettings),
        saved,
        wrong,
        fault,
        password,
        may_set_password: may_set::<SetPasswordPolicy>(context),
        preference,
        may_set_preference: may_set::<SetSecurityPreference>(context),
        has_alias: matches!(&alias, Shown::Granted(alias) if is_alias(alias)),
        alias,
        may_set_alias: sets("any"),
        may_clear_alias: permitted(context, &ClearAccountAlias).is_ok(),
        values,
    };
    respond::page(status, &page)
}

/// The three settings, each seen or refused, and the values of those that are seen.
struct Read {
    password: Shown<()>,
    preference: Shown<()>,
    alias: Shown<String>,
    values: Vec<Value>,
}

async fn read(context: &ActionContext) -> Result<Read, ActionError> {
    let mut values = Vec::new();
    let password = call(context, GetPasswordPolicy).await.map(|reply| values.extend(of_policy(&reply.password_policy)));
    let preference = call(context, GetSecurityPreference).await;
    let preference = preference.map(|reply| values.extend(of_preference(&reply.security_preference)));
    let alias = call(context, GetAccountAlias).await.map(|reply| reply.account_alias);
    if let Ok(alias) = &alias {
        values.push(("AccountAlias", if is_alias(alias) { alias.clone() } else { String::new() }));
    }
    Ok(Read { password: Shown::of(password)?, preference: Shown::of(preference)?, alias: Shown::of(alias)?, values })
}

fn of_policy(policy: &PasswordPolicyReply) -> [Value; 9] {
    [
        ("MinimumPasswordLength", policy.minimum_password_length.to_string()),
        ("RequireLowercaseCharacters", policy.require_lowercase_characters.to_string()),
        ("RequireUppercaseCharacters", policy.require_uppercase_characters.to_string()),
        ("RequireNumbers", policy.require_numbers.to_string()),
        ("RequireSymbols", policy.require_symbols.to_string()),
        ("MaxPasswordAge", policy.max_password_age.to_string()),
        ("HardExpiry", policy.hard_expiry.to_string()),
        ("PasswordReusePrevention", policy.password_reuse_prevention.to_string()),
        ("MaxLoginAttemps", policy.max_login_attemps.to_string()),
    ]
}

fn of_preference(all: &SecurityPreferenceReply) -> [Value; 6] {
    let login = &all.login_profile_preference;
    [
        ("AllowUserToChangePassword", login.allow_user_to_change_password.to_string()),
        ("AllowUserToManageAccessKeys", all.access_key_preference.allow_user_to_manage_access_keys.to_string()),
        ("AllowUserToManageMFADevices", all.mfa_preference.allow_user_to_manage_mfa_devices.to_string()),
        ("EnableSaveMFATicket", login.enable_save_mfa_ticket.to_string()),
        ("LoginSessionDuration", login.login_session_duration.to_string()),
        ("LoginNetworkMasks", login.login_network_masks.to_string()),
    ]
}

/// Shows the settings, or what is missing to see them.
pub(crate) async fn show(signed_in: SignedIn, asked: Asked) -> Response {
    page(&signed_in, None, asked.0.has("saved")).await
}

/// What is asked before an alias goes: whoever signs in by it cannot any more. `None` where none goes.
async fn question(posted: &Posted, is_cleared: bool) -> Result<Option<Question>, ActionError> {
    let context = &posted.who.context;
    if posted.is_confirmed() {
        return Ok(None);
    }
    // Who may change it and not see it is asked too.
    let unseen = || posted.who.console.account_alias.to_string();
    let present = if_permitted(context, GetAccountAlias).await?.map_or_else(unseen, |reply| reply.account_alias);
    let wanted = posted.fields.get("AccountAlias");
    if !is_alias(&present) || !is_cleared && wanted == present {
        return Ok(None);
    }
    let account = context.caller().principal().account();
    let (head, then, yes) = if is_cleared {
        permitted(context, &ClearAccountAlias)?;
        ("Go without an alias?", format!("user@{account} works."), "Go without an alias")
    } else {
        permitted(context, &posted.fields.read::<SetAccountAlias>(&[])?)?;
        ("Replace the alias?", format!("user@{wanted} and user@{account} work."), "Replace the alias")
    };
    Ok(Some(Question {
        csrf: posted.who.console.csrf.clone(),
        action: HERE.to_owned(),
        head: head.to_owned(),
        reach: None,
        lines: vec![format!("From then on nobody signs in as user@{present} any more; {then}")],
        hidden: posted.fields.again(),
        yes,
        back: HERE.to_owned(),
    }))
}

/// Changes one of the three.
pub(crate) async fn submit(posted: Posted) -> Response {
    let asked = match posted.fields.get("form") {
        "alias" => question(&posted, false).await,
        "clear-alias" => question(&posted, true).await,
        _ => Ok(None),
    };
    let outcome = match asked {
        Ok(Some(question)) => {
            let sheet = Sheet::new(TITLE).part(question);
            return posted.who.answer(Place::RamSettings, TITLE, Ok(sheet));
        }
        Ok(None) => match posted.fields.get("form") {
            "password" => step::<SetPasswordPolicy>(&posted, &[], &[]).await,
            "preference" => step::<SetSecurityPreference>(&posted, &[], &[]).await,
            "alias" => step::<SetAccountAlias>(&posted, &[], &[]).await,
            "clear-alias" => step::<ClearAccountAlias>(&posted, &[], &[]).await,
            _ => return respond::bad_form(),
        },
        Err(error) => Err(error),
    };
    match outcome {
        Ok(Step::Unasked) => respond::nothing(),
        Ok(Step::Done(_) | Step::Ask(..)) => respond::see_other("/console/ram/settings?saved=yes"),
        Err(error) if error.status() >= 500 => respond::failed(&error),
        Err(error) if error.denial().is_some() => posted.who.answer(Place::RamSettings, TITLE, Err(error)),
        Err(error) => page(&posted.who, Some((&posted.fields, &error)), false).await,
    }
}
