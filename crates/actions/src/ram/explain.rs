//! Why was it refused? DecodeDiagnosticMessage, in the vendor's shape, and ExplainDecision, in ours.
//!
//! Both show the decision as it was, from what was kept when it was told, never one of now. A refusal of another account and
//! one that never was answer alike.

use serde::Serialize;
use serde_json::{Map, Value};
use sluice_access::REFUSALS_KEPT_MS;
use sluice_model::{Action, PolicyType, Principal, RamEntity, Resource, UnixMs};
use sluice_store::{HeldBy, Refusal, RefusedBy};

use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, Params, Product, RequestId, Row, diagnostic,
    operation::{optional, required},
    time::date,
};

const DECODE: &[Action] = &[Action::of("ram:DecodeDiagnosticMessage")];

fn ask(context: &ActionContext) -> Ask {
    Ask::On(Resource::Ram(context.account(), RamEntity::All))
}

/// The refusal of a request of the caller's account.
async fn find(context: &ActionContext, request_id: &RequestId) -> Result<Refusal, ActionError> {
    // What was told a moment ago may wait to be written.
    context.access().refusals().write().await?;
    let found = context.store().refusal(context.account(), request_id.as_str()).await?;
    found.ok_or(Code::NoRefusal.into())
}

/// A message of before what is kept.
fn check_age(context: &ActionContext, at: UnixMs) -> Result<(), ActionError> {
    if at.0.saturating_add(REFUSALS_KEPT_MS) < context.now.0 {
        Err(Code::DiagnosticMessageExpired.into())
    } else {
        Ok(())
    }
}

/// The condition keys that the request had, with those that its record says elsewhere.
fn conditions(refusal: &Refusal) -> Vec<(String, Vec<String>)> {
    let mut all = refusal.conditions.0.clone();
    all.push(("acs:CurrentTime".to_owned(), vec![date(refusal.at)]));
    all.push(("acs:PrincipalARN".to_owned(), vec![arn(refusal)]));
    all.sort_unstable();
    all
}

/// The key of [`Explained::context`] that has the decision in a sentence.
pub const REASON_KEY: &str = "sluice:Reason";

/// Who was refused, by the name of then.
fn arn(refusal: &Refusal) -> String {
    match refusal.principal {
        Principal::Account(_) if !refusal.principal_name.is_empty() => refusal.principal_name.clone(),
        principal if refusal.principal_name.is_empty() => principal.arn_by_id(),
        principal => principal.arn(&refusal.principal_name),
    }
}

/// `ExplicitDeny`, `ImplicitDeny`; `NotByPolicy` where what was asked is not there, is another's or is over a limit.
fn decision(refusal: &Refusal) -> &'static str {
    match refusal.by {
        Some(_) => "ExplicitDeny",
        None if refusal.scope.is_empty() => "NotByPolicy",
        None => "ImplicitDeny",
    }
}

/// Decodes the message of a refusal.
#[derive(Clone, Debug)]
pub struct DecodeDiagnosticMessage {
    /// When it was told.
    pub at: UnixMs,
    /// Of which request.
    pub request_id: RequestId,
}

/// `{DecodedDiagnosticMessage}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Decoded {
    /// The refusal.
    pub decoded_diagnostic_message: DecodedMessage,
}

/// A refusal as the vendor shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DecodedMessage {
    /// Whether a statement forbids it.
    pub explicit_deny: bool,
    /// Where the policy that decided is attached, or the missing one would be.
    pub no_permission_policy_type: String,
    /// The RAM action.
    pub auth_action: String,
    /// The ARN.
    pub auth_resource: String,
    /// Who asked.
    pub auth_principal: AuthPrincipal,
    /// The condition keys that the request had.
    pub auth_conditions: Vec<AuthCondition>,
    /// The policy that forbids it; empty when none does.
    pub matched_policies: Vec<MatchedPolicy>,
}

/// Who asked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AuthPrincipal {
    /// `SubUser`, `AssumedRoleUser`, `Account` or `Federated`.
    pub auth_principal_type: &'static str,
    /// The account.
    pub auth_principal_owner_id: String,
    /// The user's ID; `{role}:{session}`; the account's ID for itself.
    pub auth_principal_display_name: String,
}

/// One condition key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AuthCondition {
    /// `acs:SourceIp`.
    pub condition_key: String,
    /// Its values.
    pub condition_values: Vec<String>,
}

/// The policy that forbids it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MatchedPolicy {
    /// `Deny`.
    pub effect: &'static str,
    /// Its name.
    pub policy_identifier: String,
    /// `System` or `Custom`.
    pub policy_type: &'static str,
    /// The version of then; empty for a system policy.
    pub policy_version: String,
    /// `RamUser`, `RamGroup` or `RamRole`.
    pub attached_entity_type: &'static str,
    /// `Account`.
    pub attached_scope: &'static str,
}

impl Act for DecodeDiagnosticMessage {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DecodeDiagnosticMessage",
        actions: DECODE,
        resource: "*",
        parameters: &[required("EncodedDiagnosticMessage")],
    };
    type Output = Decoded;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let (at, request_id) = diagnostic::read(params.text("EncodedDiagnosticMessage")?)?;
        Ok(Self { at, request_id })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        ask(context)
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<Decoded, ActionError> {
        check_age(context, self.at)?;
        let refusal = find(context, &self.request_id).await?;
        let auth_conditions = conditions(&refusal)
            .into_iter()
            .map(|(condition_key, condition_values)| AuthCondition { condition_key, condition_values })
            .collect();
        let auth_principal = principal(&refusal);
        Ok(Decoded {
            decoded_diagnostic_message: DecodedMessage {
                explicit_deny: refusal.by.is_some(),
                auth_principal,
                auth_conditions,
                matched_policies: refusal.by.iter().map(matched).collect(),
                no_permission_policy_type: refusal.scope,
                auth_action: refusal.action,
                auth_resource: refusal.resource,
            },
        })
    }
}

/// As facts/ram.md section 6 has it.
fn principal(refusal: &Refusal) -> AuthPrincipal {
    let (auth_principal_type, auth_principal_display_name) = match refusal.principal {
        // An identity provider of the account vouches for whoever asked.
        Principal::Account(_) if !refusal.principal_name.is_empty() => {
            let name = refusal.principal_name.rsplit(':').next().unwrap_or_default();
            ("Federated", name.to_owned())
        }
        Principal::Account(account) => ("Account", account.to_string()),
        Principal::User(_, user) => ("SubUser", user.to_string()),
        Principal::Role(_, role) => {
            let name =
                if refusal.principal_name.is_empty() { role.to_string() } else { refusal.principal_name.clone() };
            ("AssumedRoleUser", format!("{name}:{}", refusal.session_name))
        }
    };
    let auth_principal_owner_id = refusal.principal.account().to_string();
    AuthPrincipal { auth_principal_type, auth_principal_owner_id, auth_principal_display_name }
}

fn matched(by: &RefusedBy) -> MatchedPolicy {
    MatchedPolicy {
        effect: "Deny",
        policy_identifier: by.policy.clone(),
        policy_type: by.policy_type.as_str(),
        policy_version: match by.policy_type {
            PolicyType::Custom => by.version.to_string(),
            PolicyType::System => String::new(),
        },
        attached_entity_type: match by.held_by {
            HeldBy::User => "RamUser",
            HeldBy::Group => "RamGroup",
            HeldBy::Role => "RamRole",
        },
        attached_scope: "Account",
    }
}

/// Says what decided, from a refusal's message or its request ID.
#[derive(Clone, Debug)]
pub struct ExplainDecision {
    /// Of which request, and when it was told, if the message says so. One has to be named.
    pub refusal: Option<(RequestId, Option<UnixMs>)>,
}

/// A refusal with what decided it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Explained {
    /// `ExplicitDeny`, `ImplicitDeny` or `NotByPolicy`.
    pub decision: &'static str,
    /// The ARN of who asked.
    pub principal: String,
    /// The RAM action.
    pub action: String,
    /// The ARN.
    pub resource: String,
    /// Where it was decided; empty where no policy decided.
    pub policy_type: String,
    /// The policy that forbids it; empty when none does.
    pub policy_name: String,
    /// Its version of then.
    pub policy_version: String,
    /// Its statement, `/Statement/0`.
    pub statement_pointer: String,
    /// The condition keys that the request had: key to list of values. Besides, [`REASON_KEY`] with one.
    pub context: Map<String, Value>,
    /// Condition keys that a fitting Allow asked for and the request did not have.
    pub missing_context_keys: Vec<String>,
    /// When, Unix milliseconds.
    pub time: i64,
}

impl Act for ExplainDecision {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ExplainDecision",
        actions: DECODE,
        resource: "*",
        parameters: &[optional("EncodedDiagnosticMessage"), optional("DeniedRequestId")],
    };
    type Output = Explained;

    fn read(params: &Params) -> Result<Self, ActionError> {
        match (params.given("EncodedDiagnosticMessage"), params.given("DeniedRequestId")) {
            (None, None) => Ok(Self { refusal: None }),
            // Two that differ would leave it open which is meant.
            (Some(_), Some(_)) => Err(ActionError::invalid("DeniedRequestId")),
            (Some(message), None) => {
                let (at, request_id) = diagnostic::read(message)?;
                Ok(Self { refusal: Some((request_id, Some(at))) })
            }
            (None, Some(id)) => {
                let request_id = id.parse().map_err(|_| ActionError::invalid("DeniedRequestId"))?;
                Ok(Self { refusal: Some((request_id, None)) })
            }
        }
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        ask(context)
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<Explained, ActionError> {
        let (request_id, at) = self.refusal.ok_or(ActionError::Missing("EncodedDiagnosticMessage"))?;
        if let Some(at) = at {
            check_age(context, at)?;
        }
        let refusal = find(context, &request_id).await?;
        let by = refusal.by.as_ref();
        let mut keys = conditions(&refusal);
        keys.push((REASON_KEY.to_owned(), vec![refusal.reason.clone()]));
        Ok(Explained {
            decision: decision(&refusal),
            principal: arn(&refusal),
            policy_name: by.map(|by| by.policy.clone()).unwrap_or_default(),
            policy_version: by.map(|by| by.version.to_string()).unwrap_or_default(),
            statement_pointer: by.map(|by| format!("/Statement/{}", by.statement)).unwrap_or_default(),
            context: keys.into_iter().map(|(key, values)| (key, Value::from(values))).collect(),
            time: refusal.at.0,
            action: refusal.action,
            resource: refusal.resource,
            policy_type: refusal.scope,
            missing_context_keys: refusal.missing_keys,
        })
    }
}
