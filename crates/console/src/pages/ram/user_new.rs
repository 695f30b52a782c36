//! Creates one or several users, each with a console logon or one AccessKey; needs `ram:CreateUser`, and
//! `ram:CreateLoginProfile` or `ram:CreateAccessKey`. Passwords and secrets are on the page that answers, once.

use askama::Template;
use axum::response::Response;
use secrecy::ExposeSecret;
use sluice_access::random;
use sluice_actions::{
    ActionError, call, permitted_on,
    ram::{CreateAccessKey, CreateLoginProfile, CreateUser},
};
use sluice_model::RamEntity;

use super::user::at;
use crate::{
    frame::Place,
    parts::{Cell, Choice, Field, Kind, Secret, Secrets, Sheet, Table},
    session::{Fields, Posted, SignedIn, known},
};

/// Rows of the form before any is added.
const ROWS: usize = 3;
/// Most users at once. Source: the vendor's console.
const ROWS_MAX: usize = 20;

/// The form, with a row for each user.
#[derive(Template)]
#[template(path = "parts/rows.html")]
pub(crate) struct Rows {
    csrf: String,
    wrong: Option<String>,
    rows: Vec<(String, String)>,
    fields: Vec<Field>,
}

/// What the new users get besides their names.
enum Access<'a> {
    Console { password: Option<&'a str>, reset: &'a str },
    Key,
}

impl Rows {
    fn new(who: &SignedIn, rows: Vec<(String, String)>, sent: Option<&Fields>, wrong: Option<String>) -> Self {
        let chosen = |name: &str, default: &str| sent.map_or(default, |fields| fields.get(name)).to_owned();
        let access = vec![
            Choice::new("Console", "Console access", "Signs in here with a password."),
            Choice::new("Programmatic", "Programmatic access", "Gets one AccessKey: for MQTT clients and the API."),
        ];
        let password =
            vec![Choice::new("Auto", "Make a password for each", ""), Choice::new("Custom", "This one for all:", "")];
        let fields = vec![
            Field::new("Access", "Access mode; one for each user is advised", Kind::Radio(access))
                .value(chosen("Access", "Console")),
            Field::new("PasswordMode", "Password, for console access", Kind::Radio(password))
                .value(chosen("PasswordMode", "Auto")),
            Field::new("Password", "Custom password", Kind::Password)
                .hint("It must comply with the account's password rule."),
            Field::new("PasswordResetRequired", "Ask for a new password at the next logon", Kind::Check)
                .value(chosen("PasswordResetRequired", "true")),
        ];
        Self { csrf: who.console.csrf.clone(), wrong, rows, fields }
    }
}

fn sheet(form: Rows) -> Sheet {
    Sheet::new("Create users").below("/console/ram/users", "Users").part(form)
}

fn may(who: &SignedIn) -> Result<(), ActionError> {
    permitted_on::<CreateUser>(&who.context, RamEntity::User("*".into()))
}

/// Shows the form to whoever may create users.
pub(crate) async fn show(who: SignedIn) -> Response {
    let rows = vec![(String::new(), String::new()); ROWS];
    let outcome = may(&who).map(|()| sheet(Rows::new(&who, rows, None, None)));
    who.answer(Place::RamUsers, "Create users", outcome)
}

/// Creates them, one after the other; what became of each is said.
pub(crate) async fn submit(posted: Posted) -> Response {
    let fields = &posted.fields;
    let rows: Vec<(&str, &str)> = fields.all("UserName").into_iter().zip(fields.all("DisplayName")).collect();
    let wanted: Vec<_> = rows.iter().filter(|(name, _)| !name.trim().is_empty()).copied().collect();
    let password = match fields.get("PasswordMode") {
        "Custom" => Some(fields.get("Password")),
        _ => None,
    };
    let access = match fields.get("Access") {
        "Programmatic" => Access::Key,
        _ => Access::Console { password, reset: fields.get("PasswordResetRequired") },
    };
    let (mut secrets, mut lines, mut first) = (Vec::new(), Vec::new(), None);
    for (name, display) in wanted.iter().take(ROWS_MAX) {
        match create(&posted.who, (name.trim(), display), &access).await {
            Ok(secret) => {
                lines.push(vec![Cell::link(at(name.trim()), name.trim()), Cell::state("Created", true)]);
                secrets.push(secret);
            }
            Err((made, error)) => {
                let what = if made { "Created, but without access: " } else { "Not created: " };
                let text = format!("{what}{}", error.message());
                lines.push(vec![Cell::text(name.trim()), Cell::state(text, false)]);
                first.get_or_insert((made, error));
            }
        }
    }
    let outcome = match first {
        // One alone that is not created is wrong in the form, or refused; of several the rest is told.
        Some((false, error)) if secrets.is_empty() && wanted.len() == 1 => wrong(&posted, &rows, error),
        _ if wanted.is_empty() => wrong(&posted, &rows, ActionError::Missing("UserName")),
        _ => Ok(result(&posted, secrets, lines)),
    };
    posted.who.answer(Place::RamUsers, "Create users", outcome)
}

fn wrong(posted: &Posted, rows: &[(&str, &str)], error: ActionError) -> Result<Sheet, ActionError> {
    if error.denial().is_some() {
        return Err(error);
    }
    let rows = rows.iter().map(|(name, display)| ((*name).to_owned(), (*display).to_owned())).collect();
    let form = Rows::new(&posted.who, rows, Some(&posted.fields), Some(error.message()));
    Ok(Sheet { status: crate::respond::status_of(&error), ..sheet(form) })
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
    call(context, input).await.map_err(|error| (false, error))?;
    let rows = give(who, name, access).await.map_err(|error| (true, error))?;
    Ok(Secret { whose: name.to_owned(), rows })
}

async fn give(who: &SignedIn, name: &str, access: &Access<'_>) -> Result<Vec<(&'static str, String)>, ActionError> {
    match access {
        Access::Key => {
            let made = call(&who.context, known::<CreateAccessKey>(&[("UserName", name)])?).await?.access_key;
            Ok(vec![("AccessKeyId", made.access_key_id), ("AccessKeySecret", made.access_key_secret)])
        }
        Access::Console { password, reset } => {
            let made = random::password();
            let password = password.unwrap_or_else(|| made.expose_secret());
            let given = [("UserName", name), ("Password", password), ("PasswordResetRequired", reset)];
            call(&who.context, known::<CreateLoginProfile>(&given)?).await?;
            let logon = format!("{name}@{}", who.console.account_alias);
            Ok(vec![("LogonName", logon), ("Password", password.to_owned())])
        }
    }
}
