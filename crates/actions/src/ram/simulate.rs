//! SimulatePolicy: what would be decided, by the engine that decides in earnest, and what a change would change for requests
//! that were really made.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use sluice_access::Standpoint;
use sluice_model::{AccountId, Action, PolicyType, PolicyVersion, Principal, RamEntity, Resource, UnixMs, UserId};
use sluice_policy::{
    Decision, Document, Effect, Policy, PolicySet, Standing, StatementRef, describe_faults, is_too_long,
    resource_of_arn,
};
use sluice_store::{Conditions, SeenDecision};

use super::subject::Subject;
use crate::{
    Act, ActionContext, ActionError, Ask, Granted, Params, Product, Row,
    error::Fault,
    operation::{optional, required},
    principal,
    usage::hour_of,
};

/// Entries of `Actions` and of `Resources`, at most: each pair is one decision.
const NAMES_MAX: usize = 100;
/// Entries of a list of documents.
const DOCUMENTS_MAX: usize = 20;
/// Condition keys.
const KEYS_MAX: usize = 50;
/// Requests that were seen, the most frequent, that a change is held against.
const SEEN_MAX: u32 = 10_000;
/// Changes told, the most frequent.
const CHANGES_MAX: usize = 1_000;
const HOUR_MS: i64 = 3_600_000;
/// The version of a document that is no policy's.
const NO_VERSION: PolicyVersion = PolicyVersion(0);

/// Decides each action on each resource, for a principal or for documents alone.
#[derive(Clone, Debug)]
pub struct SimulatePolicy {
    /// For whom; without one the documents stand alone.
    pub subject: Option<Subject>,
    /// In place of the principal's policies.
    pub instead: Option<Vec<Arc<Policy>>>,
    /// As if attached besides.
    pub besides: Option<Vec<Arc<Policy>>>,
    /// What is asked.
    pub actions: Vec<Action>,
    /// On what, as ARNs.
    pub resources: Vec<String>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// The requests of so many last hours are held against the change.
    pub recent_hours: Option<u32>,
}

/// `{Results: [], Changes: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Simulated {
    /// One for each action on each resource.
    pub results: Vec<SimulatedDecision>,
    /// What would be decided otherwise.
    pub changes: Vec<SimulatedChange>,
}

/// One decision.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SimulatedDecision {
    /// As given.
    pub action: String,
    /// As given.
    pub resource: String,
    /// `Allowed`, `ExplicitDeny` or `ImplicitDeny`.
    pub decision: &'static str,
    /// The policy that decided, or `PolicyDocuments[0]`; empty when none did.
    pub policy_name: String,
    /// Its version; empty for a document.
    pub policy_version: String,
    /// Its statement, `/Statement/0`.
    pub statement_pointer: String,
    /// Condition keys that a fitting Allow asked for and the request did not have.
    pub missing_context_keys: Vec<String>,
}

/// One request that was seen and would be decided otherwise.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SimulatedChange {
    /// The ARN of who asked.
    pub principal: String,
    /// The RAM action.
    pub action: String,
    /// The ARN.
    pub resource: String,
    /// What the policies in force say.
    pub before: &'static str,
    /// What they would say.
    pub after: &'static str,
    /// How often it was decided.
    pub count: u64,
}

impl Act for SimulatePolicy {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "SimulatePolicy",
        actions: &[Action::of("ram:SimulatePolicy")],
        resource: "*",
        parameters: &[
            optional("PrincipalType"),
            optional("PrincipalName"),
            optional("PolicyDocuments"),
            optional("AddPolicyDocuments"),
            required("Actions"),
            required("Resources"),
            optional("Context"),
            optional("RecentHours"),
        ],
    };
    type Output = Simulated;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let is_named = params.given("PrincipalType").or(params.given("PrincipalName")).is_some();
        let subject = is_named.then(|| Subject::read(params)).transpose()?;
        let instead = documents(params, "PolicyDocuments")?;
        let besides = documents(params, "AddPolicyDocuments")?;
        let recent_hours = params.optional_integer("RecentHours", 1..=168)?;
        let parse = |text: String| Action::parse(&text).map_err(|_| ActionError::invalid("Actions"));
        Ok(Self {
            subject,
            instead,
            besides,
            actions: texts(params, "Actions")?.into_iter().map(parse).collect::<Result<_, _>>()?,
            resources: texts(params, "Resources")?,
            conditions: context(params)?,
            recent_hours,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::All))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<Simulated, ActionError> {
        let account = context.account();
        // Without a principal there is nothing to decide by but documents, and nobody whose requests were seen.
        let has_documents = self.instead.is_some() || self.besides.is_some();
        if self.subject.is_none() && (!has_documents || self.recent_hours.is_some()) {
            return Err(ActionError::Missing("PrincipalName"));
        }
        let (principal, name, before) = match &self.subject {
            Some(subject) => {
                let (principal, in_force) = subject.find(context).await?;
                (principal, Arc::clone(&in_force.name), in_force.standing.clone())
            }
            None => (nobody(account), Arc::from(""), Standing::Governed(PolicySet::default())),
        };
        let after = changed(&before, self.instead, self.besides.unwrap_or_default());
        let seen = match self.recent_hours {
            None => Vec::new(),
            Some(hours) => {
                context.access().seen().write().await?;
                let from = hour_of(UnixMs(context.now.0.saturating_sub(i64::from(hours) * HOUR_MS)));
                context.store().seen(principal, from, SEEN_MAX).await?
            }
        };
        let standpoint = Standpoint::of(principal, Arc::clone(&name), &self.conditions, context.now);
        let standpoint = standpoint.map_err(|_| ActionError::invalid("Context"))?;
        let (actions, resources, shown) = (self.actions, self.resources, principal::shown(context, principal));
        // Ten thousand decisions and more: not on the threads that serve others.
        let decided = tokio::task::spawn_blocking(move || Simulated {
            results: results(&standpoint, &after, account, (&actions, &resources)),
            changes: changes(principal, &name, (&before, &after), &seen, &shown),
        });
        decided.await.map_err(|error| {
            tracing::error!(%error, "a simulation ended early");
            ActionError::Internal
        })
    }
}

/// A list of texts.
fn texts(params: &Params, name: &'static str) -> Result<Vec<String>, ActionError> {
    let wrong = |_| ActionError::invalid(name);
    let list: Vec<String> = serde_json::from_str(params.text(name)?).map_err(wrong)?;
    if list.len() > NAMES_MAX { Err(ActionError::Invalid { name, fault: Fault::Length }) } else { Ok(list) }
}

/// A list of documents, each an object or the text of one.
fn documents(params: &Params, name: &'static str) -> Result<Option<Vec<Arc<Policy>>>, ActionError> {
    let Some(text) = params.given(name) else { return Ok(None) };
    let list: Vec<Value> = serde_json::from_str(text).map_err(|_| ActionError::invalid(name))?;
    if list.len() > DOCUMENTS_MAX {
        return Err(ActionError::Invalid { name, fault: Fault::Length });
    }
    let policies = list.into_iter().enumerate().map(|(place, value)| {
        let text = match value {
            Value::String(text) => text,
            object => object.to_string(),
        };
        let document = Document::parse(&text).map_err(|faults| {
            if is_too_long(&faults) {
                return ActionError::Invalid { name, fault: Fault::Length };
            }
            ActionError::MalformedPolicyDocument(format!("{name}[{place}]: {}", describe_faults(&faults)))
        })?;
        let (policy_type, version) = (PolicyType::Custom, NO_VERSION);
        let name = format!("{name}[{place}]").into();
        Ok(Arc::new(Policy { name, policy_type, version, document: Arc::new(document) }))
    });
    policies.collect::<Result<_, _>>().map(Some)
}

/// Condition keys, each with a value or a list.
fn context(params: &Params) -> Result<Conditions, ActionError> {
    let wrong = || ActionError::invalid("Context");
    let Some(text) = params.given("Context") else { return Ok(Conditions::default()) };
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| wrong())?;
    if object.len() > KEYS_MAX {
        return Err(wrong());
    }
    let scalar = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(wrong()),
    };
    let keys = object.into_iter().map(|(key, value)| {
        let values = match value {
            Value::Array(list) => list.into_iter().map(scalar).collect::<Result<_, _>>()?,
            one => vec![scalar(one)?],
        };
        Ok((key, values))
    });
    keys.collect::<Result<_, _>>().map(Conditions)
}

/// Whoever has the documents alone: a user whom nobody is.
fn nobody(account: AccountId) -> Principal {
    Principal::User(account, UserId::new(UserId::MIN).expect("the smallest is one"))
}

/// How it would stand. The account itself stands as it does: it has no policies.
fn changed(before: &Standing, instead: Option<Vec<Arc<Policy>>>, besides: Vec<Arc<Policy>>) -> Standing {
    match before {
        Standing::Governed(policies) => {
            let mut policies = policies.clone();
            if let Some(instead) = instead {
                policies.account = instead;
            }
            policies.account.extend(besides);
            Standing::Governed(policies)
        }
        Standing::Owner | Standing::Unknown => before.clone(),
    }
}

fn results(
    standpoint: &Standpoint,
    after: &Standing,
    account: AccountId,
    (actions, resources): (&[Action], &[String]),
) -> Vec<SimulatedDecision> {
    let read: Vec<Resource> = resources.iter().map(|arn| resource_of_arn(account, arn)).collect();
    let pairs = actions.iter().flat_map(|action| resources.iter().zip(&read).map(move |pair| (action, pair)));
    let decide = |(action, (arn, resource)): (&Action, (&String, &Resource))| {
        let Decision { effect, statement, missing_context_keys, .. } =
            standpoint.decide(after, std::slice::from_ref(action), resource);
        let part = |part: fn(&StatementRef) -> String| statement.as_ref().map(part).unwrap_or_default();
        SimulatedDecision {
            action: action.to_string(),
            resource: arn.clone(),
            decision: word(effect),
            policy_name: part(|one| one.policy.to_string()),
            policy_version: part(|one| if one.version == NO_VERSION { String::new() } else { one.version.to_string() }),
            statement_pointer: part(|one| format!("/Statement/{}", one.statement)),
            missing_context_keys: missing_context_keys.iter().map(ToString::to_string).collect(),
        }
    };
    pairs.map(decide).collect()
}

/// What was seen, decided as it stands and as it would, each under the conditions and at the time of its last time.
fn changes(
    principal: Principal,
    name: &Arc<str>,
    (before, after): (&Standing, &Standing),
    seen: &[SeenDecision],
    shown: &str,
) -> Vec<SimulatedChange> {
    let change = |seen: &SeenDecision| {
        let (standpoint, actions) = question(principal, name, seen)?;
        let resource = resource_of_arn(principal.account(), &seen.resource);
        let [before, after] = [before, after].map(|standing| standpoint.decide(standing, &actions, &resource).effect);
        (before != after).then(|| SimulatedChange {
            principal: shown.to_owned(),
            action: seen.actions.first().cloned().unwrap_or_default(),
            resource: seen.resource.clone(),
            before: word(before),
            after: word(after),
            count: seen.times,
        })
    };
    let mut changes: Vec<SimulatedChange> = Vec::new();
    for change in seen.iter().filter_map(change) {
        // The same question may have been decided both ways, before and after an earlier change.
        match changes.iter().position(|one| one.action == change.action && one.resource == change.resource) {
            Some(place) => changes[place].count += change.count,
            None if changes.len() < CHANGES_MAX => changes.push(change),
            None => {}
        }
    }
    changes
}

/// What was asked, as the engine reads it. What cannot be read was written by no version of this program.
pub(super) fn question(
    principal: Principal,
    name: &Arc<str>,
    seen: &SeenDecision,
) -> Option<(Standpoint, Vec<Action>)> {
    let actions = seen.actions.iter().map(|action| Action::parse(action)).collect::<Result<_, _>>().ok()?;
    let standpoint = Standpoint::of(principal, Arc::clone(name), &seen.conditions, seen.last).ok()?;
    Some((standpoint, actions))
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "Allowed",
        Effect::ExplicitDeny => "ExplicitDeny",
        Effect::ImplicitDeny => "ImplicitDeny",
    }
}
