//! Creates one or several users, each with a console logon or one AccessKey; needs `ram:CreateUser`, and
//! `ram:CreateLoginProfile` or `ram:CreateAccessKey`. Passwords and secrets are on the page that answers, once.
//!
//! Whatever can be known to fail is asked before a user is created: nobody is left half made.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use secrecy::ExposeSecret;
use sluice_access::random;
use sluice_actions::{
    ActionContext, ActionError, Services, call, permitted, permitted_on,
    ram::{CreateAccessKey, CreateLoginProfile, CreateUser},
};
use sluice_model::{PasswordPolicy, RamEntity};

use super::{missing_on, user::at};
use crate::{
    frame::Place,
    parts::{Cell, Choice, Field, Kind, Secret, Secrets, Sheet, Table, at_field, is_about},
    respond,
    session::{Fields, Posted, SignedIn, known},
};

/// Rows of the form before any is added.
const ROWS: usize = 3;
/// Most users at once. Source: the vendor's console.
const ROWS_MAX: usize = 20;
/// Fewest characters of a password that is made.
const MADE_CHARACTERS_MIN: usize = 20;
/// Of letters and digits drawn at random at most one in ten lacks what a rule demands.
const MADE_TRIES: usize = 100;

/// One user of the form.
#[derive(Default)]
struct Row {
    name: String,
    display: String,
    fault: Option<String>,
}

/// The form, with a row for each user.
#[derive(Template)]
#[template(path = "parts/rows.html")]
pub(crate) struct Rows {
    csrf: String,
    wrong: Option<String>,
    rows: Vec<Row>,
    fields: Vec<Field>,
}

/// What is wrong with what was sent.
enum Wrong {
    /// With one of the fields below the rows.
    Field(&'static str, String),
    /// With a row.
    Row(usize, String),
    /// With none of them.
    All(String),
}

/// What the new users get besides their names.
enum Access<'a> {
    Console { passwords: Passwords<'a>, reset: &'a str },
    Key,
}

/// Where a password comes from.
enum Passwords<'a> {
    /// One for all.
    Typed(&'a str),
    /// One for each that complies with the rule.
    Made(PasswordPolicy),
}

impl Access<'_> {
    /// Whether it may be given to a user who is not there yet.
    fn permitted(&self, context: &ActionContext, name: &str) -> Result<(), ActionError> {
        match self {
            Self::Key => permitted(context, &known::<CreateAccessKey>(&[("UserName", name)])?),
            // Any password will do for the question.
            Self::Console { .. } => {
                let given = [("UserName", name), ("Password", "Any-Password-1")];
                permitted(context, &known::<CreateLoginProfile>(&given)?)
            }
        }
    }
}

/// The actions that are missing for console access and for an AccessKey.
fn no_access(context: &ActionContext) -> [Option<String>; 2] {
    let anybody = || RamEntity::User("*".into());
    [missing_on::<CreateLoginProfile>(context, anybody()), missing_on::<CreateAccessKey>(context, anybody())]
}

impl Rows {
    fn new(who: &SignedIn, rows: Vec<Row>, sent: Option<&Fields>) -> Self {
        let chosen = |name: &str, default: &str| sent.map_or(default, |fields| fields.get(name)).to_owned();
        let [no_logon, no_key] = no_access(&who.context);
        let first = if no_logon.is_some() { "Programmatic" } else { "Console" };
        let access = vec![
            Choice::new("Console", "Console access", "Signs in here with a password.").unless(no_logon),
            Choice::new("Programmatic", "Programmatic access", "Gets one AccessKey: for MQTT clients and the API.")
                .unless(no_key),
        ];
        let password =
            vec![Choice::new("Auto", "Make a password for each", ""), Choice::new("Custom", "This one for all:", "")];
        let fields = vec![
            Field::new("Access", "Access mode; one for each user is advised", Kind::Radio(access))
                .value(chosen("Access", first)),
            Field::new("PasswordMode", "Password, for console access", Kind::Radio(password))
                .value(chosen("PasswordMode", "Auto")),
            Field::new("Password", "Custom password", Kind::Password)
                .hint("It must comply with the account's password rule."),
            Field::new("PasswordResetRequired", "Ask for a new password at the next logon", Kind::Check)
                .value(chosen("PasswordResetRequired", "true")),
        ];
        Self { csrf: who.console.csrf.clone(), wrong: None, rows, fields }
    }

    /// Says what is wrong where it is.
    fn blame(mut self, wrong: Wrong) -> Self {
        match wrong {
            Wrong::Field(name, text) => {
                let field = self.fields.iter_mut().find(|field| field.name == name);
                field.into_iter().for_each(|field| field.fault = Some(text.clone()));
            }
            Wrong::Row(at, text) => {
                self.rows.iter_mut().skip(at).take(1).for_each(|row| row.fault = Some(text.clone()))
            }
            Wrong::All(text) => self.wrong = Some(text),
        }
        self
    }
}

fn sheet(form: Rows) -> Sheet {
    Sheet::new("Create users").below("/console/ram/users", "Users").part(form)
}

/// The right to create users, and to give them access of either kind.
pub(super) fn may(context: &ActionContext) -> Result<(), ActionError> {
    permitted_on::<CreateUser>(context, RamEntity::User("*".into()))?;
    if no_access(context).iter().all(Option::is_some) {
        return permitted_on::<CreateLoginProfile>(context, RamEntity::User("*".into()));
    }
    Ok(())
}

/// Shows the form to whoever may create users.
pub(crate) async fn show(who: SignedIn) -> Response {
    let rows = std::iter::repeat_with(Row::default).take(ROWS).collect();
    let outcome = may(&who.context).map(|()| sheet(Rows::new(&who, rows, None)));
    who.answer(Place::RamUsers, "Create users", outcome)
}

/// What is wrong with the password that was typed, or not typed. A typed one that would not be used is a fault: nobody would know.
fn password_fault(fields: &Fields, policy: &PasswordPolicy) -> Option<Wrong> {
    let (is_key, is_custom) = (fields.get("Access") == "Programmatic", fields.get("PasswordMode") == "Custom");
    let password = fields.get("Password");
    let told = match (password.is_empty(), is_key, is_custom) {
        (true, false, true) => "Type the password that all get.".to_owned(),
        (true, ..) => return None,
        (false, true, _) => {
            "Programmatic access has no password. Choose console access, or leave this empty.".to_owned()
        }
        (false, false, false) => {
            "This would not be used: a password is made for each. Choose \"This one for all\", or leave this empty."
                .to_owned()
        }
        (false, false, true) if policy.allows(password) => return None,
        (false, false, true) => format!("This does not comply with the account's password rule: {policy}."),
    };
    Some(Wrong::Field("Password", told))
}

/// Creates them, one after the other; what became of each is said.
pub(crate) async fn submit(State(services): State<Services>, posted: Posted) -> Response {
    let outcome = match may(&posted.who.context) {
        Ok(()) => create_all(&services, &posted).await,
        Err(error) => Err(error),
    };
    posted.who.answer(Place::RamUsers, "Create users", outcome)
}

async fn create_all(services: &Services, posted: &Posted) -> Result<Sheet, ActionError> {
    let fields = &posted.fields;
    let rows: Vec<(&str, &str)> = fields.all("UserName").into_iter().zip(fields.all("DisplayName")).collect();
    let wanted: Vec<_> = rows.iter().enumerate().filter(|(_, (name, _))| !name.trim().is_empty()).collect();
    let policy = services.access.password_policy(posted.who.context.caller().principal().account()).await?;
    if wanted.is_empty() {
        let told = "Give at least one user a logon name.".to_owned();
        return Ok(again(posted, &rows, (Wrong::Row(0, told), StatusCode::BAD_REQUEST)));
    }
    if let Some(wrong) = password_fault(fields, &policy) {
        return Ok(again(posted, &rows, (wrong, StatusCode::BAD_REQUEST)));
    }
    let passwords = match fields.get("PasswordMode") {
        "Custom" => Passwords::Typed(fields.get("Password")),
        _ => Passwords::Made(policy),
    };
    let access = match fields.get("Access") {
        "Programmatic" => Access::Key,
        _ => Access::Console { passwords, reset: fields.get("PasswordResetRequired") },
    };
    let (mut secrets, mut lines) = (Vec::new(), Vec::new());
    for (at_row, (name, display)) in wanted.iter().take(ROWS_MAX) {
        match create(&posted.who, (name.trim(), display), &access).await {
            Ok(secret) => {
                lines.push(vec![Cell::link(at(name.trim()), name.trim()), Cell::state("Created", true)]);
                secrets.push(secret);
            }
            // One alone that is not created is wrong in the form, or refused; of several the rest is told.
            Err((false, error)) if wanted.len() == 1 => return wrong(posted, &rows, *at_row, error),
            Err((made, error)) => {
                let what = if made { "Created, but without access: " } else { "Not created: " };
                lines.push(vec![Cell::text(name.trim()), Cell::state(format!("{what}{}", told(&error)), false)]);
            }
        }
    }
    Ok(result(posted, secrets, lines))
}

/// Whether an error is about a user's row.
fn is_of_row(error: &ActionError) -> bool {
    is_about(error, "UserName") || is_about(error, "DisplayName")
}

fn told(error: &ActionError) -> String {
    if is_of_row(error) { at_field(error) } else { error.message() }
}

fn wrong(posted: &Posted, rows: &[(&str, &str)], at_row: usize, error: ActionError) -> Result<Sheet, ActionError> {
    if error.denial().is_some() {
        return Err(error);
    }
    let wrong = if is_of_row(&error) { Wrong::Row(at_row, told(&error)) } else { Wrong::All(error.message()) };
    Ok(again(posted, rows, (wrong, respond::status_of(&error))))
}

/// The form as it was sent but for the password, with what is wrong.
fn again(posted: &Posted, rows: &[(&str, &str)], (wrong, status): (Wrong, StatusCode)) -> Sheet {
    let row =
        |(name, display): &(&str, &str)| Row { name: (*name).to_owned(), display: (*display).to_owned(), fault: None };
    let mut rows: Vec<Row> = rows.iter().map(row).collect();
    if rows.is_empty() {
        rows.push(Row::default());
    }
    let form = Rows::new(&posted.who, rows, Some(&posted.fields)).blame(wrong);
    Sheet { status, ..sheet(form) }
}

fn result(posted: &Posted, secrets: Vec<Secret>, lines: Vec<Vec<Cell>>) -> Sheet {
    let mut sheet = Sheet::new("Users created").below("/console/ram/users", "Users");
    sheet = sheet.part(Table::new("result", &["User", "Result"], lines, ""));
    if secrets.is_empty() {
        return sheet;
    }
    sheet.part(Secrets { csrf: posted.who.console.csrf.clone(), all: secrets })
}

/// One user with its access; an error says whether the user is there.
async fn create(
    who: &SignedIn,
    (name, display): (&str, &str),
    access: &Access<'_>,
) -> Result<Secret, (bool, ActionError)> {
    let context = &who.context;
    let input = known::<CreateUser>(&[("UserName", name), ("DisplayName", display)]).map_err(|error| (false, error))?;
    access.permitted(context, name).map_err(|error| (false, error))?;
    call(context, input).await.map_err(|error| (false, error))?;
    let rows = give(who, name, access).await.map_err(|error| (true, error))?;
    Ok(Secret { whose: name.to_owned(), rows })
}

/// A password that complies with the rule, whatever it demands.
fn made(policy: &PasswordPolicy) -> Option<String> {
    let length = usize::try_from(policy.characters_min).unwrap_or(MADE_CHARACTERS_MIN).max(MADE_CHARACTERS_MIN);
    let draw = || {
        let parts = [random::password(), random::password()];
        let drawn = parts.iter().flat_map(|part| part.expose_secret().chars());
        let symbol = if policy.symbols { "-" } else { "" };
        drawn.take(length - symbol.len()).collect::<String>() + symbol
    };
    std::iter::repeat_with(draw).take(MADE_TRIES).find(|password| policy.allows(password))
}

async fn give(who: &SignedIn, name: &str, access: &Access<'_>) -> Result<Vec<(&'static str, String)>, ActionError> {
    match access {
        Access::Key => {
            let made = call(&who.context, known::<CreateAccessKey>(&[("UserName", name)])?).await?.access_key;
            Ok(vec![("AccessKeyId", made.access_key_id), ("AccessKeySecret", made.access_key_secret)])
        }
        Access::Console { passwords, reset } => {
            let password = match passwords {
                Passwords::Typed(password) => (*password).to_owned(),
                Passwords::Made(policy) => made(policy).ok_or(ActionError::Internal)?,
            };
            let given = [("UserName", name), ("Password", password.as_str()), ("PasswordResetRequired", reset)];
            call(&who.context, known::<CreateLoginProfile>(&given)?).await?;
            let logon = format!("{name}@{}", who.console.account_alias);
            Ok(vec![("LogonName", logon), ("Password", password)])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_password_complies_with_every_rule() {
        for characters_min in [8, 20, 32] {
            let strict = PasswordPolicy {
                characters_min,
                lower_case: true,
                upper_case: true,
                numbers: true,
                symbols: true,
                ..PasswordPolicy::default()
            };
            let password = made(&strict).expect("one of the tries complies");
            assert!(strict.allows(&password) && password.len() >= 20);
        }
    }
}
