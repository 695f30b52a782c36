//! Runs a file of policy decisions; for `sluice policy test`. The format is that of `contract/ram-policy.json`.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::Deserialize;
use serde_json::Value;
use smallvec::smallvec;

use sluice_model::{PolicyType, PolicyVersion};

use crate::{
    Document, DocumentKind, Effect, Fault, Policy, PolicySet, Scope, candidates::literal, decide::Question,
    facts::Facts, statement::Asked,
};

/// How a file went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// One for each vector, in the order of the file.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many went as expected.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.passed()).count()
    }

    /// How many did not.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.outcomes.len() - self.passed()
    }
}

/// How one vector went. Displays as its line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The vector's ID.
    pub id: String,
    /// `Allow`, `ExplicitDeny by ControlPolicy`, `MalformedPolicyDocument`.
    pub expected: String,
    /// The same of what came out.
    pub got: String,
}

impl Outcome {
    /// Whether it went as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.expected == self.got
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, expected, got } = self;
        if self.passed() { write!(f, "PASS {id}") } else { write!(f, "FAIL {id}: expected {expected}, got {got}") }
    }
}

/// Runs all vectors of a file.
///
/// # Errors
/// The reason why the file is not one of vectors.
pub fn run(text: &str) -> Result<Report, serde_json::Error> {
    let file: File = serde_json::from_str(text)?;
    Ok(Report { outcomes: file.vectors.into_iter().map(Vector::run).collect() })
}

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    expect: Expect,
    #[serde(flatten)]
    case: Case,
}

/// A decision, or a document that must be refused.
#[derive(Deserialize)]
#[serde(untagged)]
enum Case {
    Decision { policies: Vec<VectorPolicy>, request: VectorRequest },
    Text { api: Api, document_text: String },
    Json { api: Api, document: Value },
}

#[derive(Deserialize)]
struct Expect {
    decision: Option<String>,
    decided_by: Option<String>,
    error: Option<ExpectedError>,
}

#[derive(Deserialize)]
struct ExpectedError {
    code: String,
}

#[derive(Deserialize, Clone, Copy)]
enum Api {
    CreatePolicy,
    CreatePolicyVersion,
    CreateRole,
    UpdateRole,
    AssumeRole,
}

impl Api {
    fn kind(self) -> DocumentKind {
        match self {
            Self::CreatePolicy | Self::CreatePolicyVersion => DocumentKind::Permission,
            Self::CreateRole | Self::UpdateRole => DocumentKind::Trust,
            Self::AssumeRole => DocumentKind::Session,
        }
    }
}

#[derive(Deserialize)]
struct VectorPolicy {
    name: String,
    scope: VectorScope,
    document: Value,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum VectorScope {
    Account,
    ResourceGroup,
    Session,
    Control,
    Trust,
}

#[derive(Deserialize)]
struct VectorRequest {
    action: String,
    resource: String,
    account: String,
    principal: VectorPrincipal,
    #[serde(default)]
    conditions: BTreeMap<String, OneOrMany>,
}

#[derive(Deserialize)]
struct VectorPrincipal {
    #[serde(rename = "type")]
    kind: PrincipalKind,
    arn: String,
    account: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
enum PrincipalKind {
    Account,
    #[serde(rename = "RAMUser")]
    RamUser,
    AssumedRoleUser,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Vector {
    fn run(self) -> Outcome {
        let Expect { decision, decided_by, error } = self.expect;
        let expected = match (decision, &decided_by, error) {
            (Some(decision), Some(scope), _) => format!("{decision} by {scope}"),
            (Some(decision), None, _) => decision,
            (None, _, Some(error)) => error.code,
            (None, _, None) => "no expectation".to_owned(),
        };
        let got = match self.case {
            Case::Decision { policies, request } => decision_of(policies, request, decided_by.is_some()),
            Case::Text { api, document_text } => document_of(api, &document_text),
            Case::Json { api, document } => document_of(api, &document.to_string()),
        };
        Outcome { id: self.id, expected, got }
    }
}

fn document_of(api: Api, text: &str) -> String {
    match Document::parse_kind(api.kind(), text) {
        Ok(_) => "accepted".to_owned(),
        Err(faults) => api.kind().error_code(&faults).to_owned(),
    }
}

fn decision_of(policies: Vec<VectorPolicy>, request: VectorRequest, with_scope: bool) -> String {
    let (set, trust) = match policy_set(policies) {
        Ok(both) => both,
        Err(why) => return why,
    };
    let VectorRequest { action, resource, account, principal, conditions } = request;
    let assumes_role = action.eq_ignore_ascii_case("sts:AssumeRole");
    let same_account = account == principal.account;
    // The wall; to assume a role is the one way over it, by the role's own trust policy.
    let (effect, scope) = if !same_account && !assumes_role {
        (Effect::ImplicitDeny, Scope::Account)
    } else if principal.kind == PrincipalKind::Account && !assumes_role {
        (Effect::Allow, Scope::Account)
    } else {
        let extra: Vec<_> = conditions
            .into_iter()
            .map(|(key, values)| {
                let values = match values {
                    OneOrMany::One(value) => vec![value],
                    OneOrMany::Many(values) => values,
                };
                (key.to_ascii_lowercase().into(), values.into_iter().map(Arc::from).collect())
            })
            .collect();
        let question = Question {
            asked: smallvec![Asked::new(&action)],
            candidates: smallvec![literal(&resource)],
            account: &principal.account,
            arn: &principal.arn,
            facts: Facts { extra: &extra, extra_answers_all: true, ..Facts::default() },
            trust: trust.as_deref(),
        };
        let decision = question.decide(&set);
        (decision.effect, decision.scope)
    };
    if with_scope { format!("{} by {scope}", effect.as_str()) } else { effect.as_str().to_owned() }
}

fn policy_set(policies: Vec<VectorPolicy>) -> Result<(PolicySet, Option<Arc<Policy>>), String> {
    let (mut set, mut trust) = (PolicySet::default(), None);
    for VectorPolicy { name, scope, document } in policies {
        let kind = match scope {
            VectorScope::Trust => DocumentKind::Trust,
            VectorScope::Session => DocumentKind::Session,
            VectorScope::Account | VectorScope::ResourceGroup | VectorScope::Control => DocumentKind::Permission,
        };
        let document = Document::parse_kind(kind, &document.to_string()).map_err(|faults| refusal(&name, &faults))?;
        let (policy_type, version) = (PolicyType::Custom, PolicyVersion(1));
        let name = name.into();
        let policy = Arc::new(Policy { name, policy_type, version, document: Arc::new(document) });
        match scope {
            VectorScope::Account => set.account.push(policy),
            VectorScope::ResourceGroup => set.resource_group.push(policy),
            VectorScope::Control => set.control.push(policy),
            VectorScope::Session => set.session = Some(policy),
            VectorScope::Trust => trust = Some(policy),
        }
    }
    Ok((set, trust))
}

fn refusal(name: &str, faults: &[Fault]) -> String {
    let listed: Vec<String> = faults.iter().map(|fault| format!("`{}` {fault}", fault.pointer)).collect();
    format!("policy `{name}` refused: {}", listed.join("; "))
}
