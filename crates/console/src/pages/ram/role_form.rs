//! Creates and changes roles; needs `ram:CreateRole`, `ram:UpdateRole`. Whom a new role trusts is chosen, or written as JSON.

use axum::{extract::Path, response::Response};
use serde_json::json;
use sluice_actions::{
    ActionError, call, permitted, permitted_on,
    ram::{CreateRole, GetRole, UpdateRole},
};
use sluice_model::RamEntity;

use super::{Form as Sent, Step, policy::pretty, roles::at, step};
use crate::{
    frame::Place,
    parts::{Choice, Field, Form, Kind, Sheet},
    respond,
    session::{Posted, SignedIn, known},
};

const CREATE: &str = "/console/ram/create-role";
const DURATION_HINT: &str = "Seconds, 3600 to 43200; 3600 when empty.";

fn new_form(who: &SignedIn) -> Form {
    let account = who.context.caller().principal().account();
    let entities = vec![
        Choice::new("Account", "This account", format!("RAM users and roles of {account} that may call AssumeRole.")),
        Choice::new("Other", "Another account", "Give its ID below."),
        Choice::new("Service", "A service", "Give its name below, as in mq.aliyuncs.com."),
        Choice::new("Provider", "An identity provider", "Give its ARN below; write conditions as JSON."),
        Choice::new("Json", "As JSON", "The trust policy below is taken as it is."),
    ];
    let document = trust(&account.to_string(), "Account", "");
    Form::new(&who.frame(Place::RamRoles), "create-role", CREATE, "Create")
        .back("/console/ram/roles")
        .field(Field::text("RoleName", "Name").needed().hint("Letters, digits, dots, hyphens; at most 64."))
        .field(Field::new("Description", "Note", Kind::Area))
        .field(Field::new("MaxSessionDuration", "Longest session", Kind::Number).hint(DURATION_HINT))
        .field(Field::new("Entity", "Trusted entity", Kind::Radio(entities)).value("Account"))
        .field(Field::text("Trusted", "Account ID, service or provider"))
        .field(
            Field::new("AssumeRolePolicyDocument", "Trust policy", Kind::Document("Trust"))
                .needed()
                .value(document)
                .hint("Read only where \"As JSON\" is chosen; else it is made from the choice."),
        )
}

/// The trust policy of a choice.
fn trust(account: &str, entity: &str, trusted: &str) -> String {
    let principal = match entity {
        "Other" => json!({ "RAM": [format!("acs:ram::{trusted}:root")] }),
        "Service" => json!({ "Service": [trusted] }),
        "Provider" => json!({ "Federated": [trusted] }),
        _ => json!({ "RAM": [format!("acs:ram::{account}:root")] }),
    };
    let statement = json!({ "Action": "sts:AssumeRole", "Effect": "Allow", "Principal": principal });
    pretty(&json!({ "Statement": [statement], "Version": "1" }).to_string())
}

fn new_sheet(form: Form) -> Sheet {
    Sheet::new("Create role").below("/console/ram/roles", "Roles").part(form)
}

/// Shows the form to whoever may create roles.
pub(crate) async fn show_new(who: SignedIn) -> Response {
    let may = permitted_on::<CreateRole>(&who.context, RamEntity::Role("*".into()));
    who.answer(Place::RamRoles, "Create role", may.map(|()| new_sheet(new_form(&who))))
}

/// Creates the role, or shows the form again with what is wrong.
pub(crate) async fn submit_new(posted: Posted) -> Response {
    let (name, entity) = (posted.fields.get("RoleName").to_owned(), posted.fields.get("Entity"));
    let account = posted.who.context.caller().principal().account().to_string();
    let chosen = trust(&account, entity, posted.fields.get("Trusted").trim());
    let document =
        if matches!(entity, "" | "Json") { Vec::new() } else { vec![("AssumeRolePolicyDocument", chosen.as_str())] };
    let back = format!("{}?tab=trust", at(&name));
    let sent = Sent { posted: &posted, place: Place::RamRoles, title: &name, action: CREATE, back: &back };
    sent.end(step::<CreateRole>(&posted, &document, &[]).await).unwrap_or_else(|error| {
        let sheet = new_sheet(new_form(&posted.who).sent(&posted.fields, &error));
        let sheet = Sheet { status: respond::status_of(&error), ..sheet };
        posted.who.answer(Place::RamRoles, "Create role", Ok(sheet))
    })
}

async fn form(who: &SignedIn, role: &str) -> Result<Form, ActionError> {
    let named = [("RoleName", role)];
    permitted(&who.context, &known::<UpdateRole>(&named)?)?;
    let now = call(&who.context, known::<GetRole>(&named)?).await?.role;
    let trust = pretty(&now.assume_role_policy_document.unwrap_or_default());
    let duration = now.max_session_duration.unwrap_or_default().to_string();
    Ok(Form::new(&who.frame(Place::RamRoles), "edit", format!("{}/edit", at(role)), "Save")
        .back(at(role))
        .lead("Sessions that there are live on. Whom a new trust policy leaves out cannot assume the role again.")
        .field(Field::new("NewDescription", "Note", Kind::Area).value(now.description))
        .field(Field::new("NewMaxSessionDuration", "Longest session", Kind::Number).value(duration).hint(DURATION_HINT))
        .field(
            Field::new("NewAssumeRolePolicyDocument", "Trust policy", Kind::Document("Trust")).needed().value(trust),
        ))
}

fn around(role: &str, form: Form) -> Sheet {
    Sheet::new(format!("Edit {role}")).below("/console/ram/roles", "Roles").below(&at(role), role).part(form)
}

/// Shows the form.
pub(crate) async fn show(Path(role): Path<String>, who: SignedIn) -> Response {
    let sheet = form(&who, &role).await.map(|form| around(&role, form));
    who.answer(Place::RamRoles, "Edit role", sheet)
}

/// Changes the role, or shows the form again with what is wrong.
pub(crate) async fn submit(Path(role): Path<String>, posted: Posted) -> Response {
    let (action, back) = (at(&role), format!("{}?tab=trust", at(&role)));
    let outcome: Result<Step, ActionError> = step::<UpdateRole>(&posted, &[("RoleName", &role)], &[]).await;
    let sent = Sent { posted: &posted, place: Place::RamRoles, title: &role, action: &action, back: &back };
    match sent.end(outcome) {
        Ok(response) => response,
        Err(error) => {
            let again = form(&posted.who, &role).await.map(|form| around(&role, form.sent(&posted.fields, &error)));
            let again = again.map(|sheet| Sheet { status: respond::status_of(&error), ..sheet });
            posted.who.answer(Place::RamRoles, "Edit role", again)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_makes_a_trust_policy_that_the_operation_takes() {
        let all = [
            ("Account", ""),
            ("Other", "6543210987654321"),
            ("Service", "mq.aliyuncs.com"),
            ("Provider", "acs:ram::1234567890123456:saml-provider/corp"),
        ];
        for (entity, trusted) in all {
            let document = trust("1234567890123456", entity, trusted);
            let given = [("RoleName", "a"), ("AssumeRolePolicyDocument", document.as_str())];
            assert!(known::<CreateRole>(&given).is_ok(), "{entity}: {document}");
        }
    }
}
