//! GenerateLeastPrivilegePolicy: from what a principal really used, what it needs, and which of its grants it does not.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;
use sluice_access::Standpoint;
use sluice_model::{Action, Principal, RamEntity, Resource, UnixMs};
use sluice_policy::{Effect, InForce, Policy, PolicySet, Standing, resource_of_arn};
use sluice_store::{Conditions, SeenDecision, SeenOutcome};

use super::{
    least_privilege::{self, Used},
    simulate::question,
    subject::Subject,
};
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, Params, Product, Row,
    operation::{optional, required},
    usage::hour_of,
};

/// Different requests that are read; more than any document could name.
const SEEN_MAX: u32 = 50_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// Writes a policy document that allows what a principal was allowed and used.
#[derive(Clone, Debug)]
pub struct GenerateLeastPrivilegePolicy {
    /// Whom.
    pub subject: Subject,
    /// In so many days before now.
    pub days: u32,
}

/// `{PolicyDocument, UsedActions, UnusedGrants: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LeastPrivilege {
    /// The document; empty when nothing was used.
    pub policy_document: String,
    /// How many different actions were used.
    pub used_actions: usize,
    /// Allows of the principal's policies of now that decided none of the requests.
    pub unused_grants: Vec<UnusedGrant>,
}

/// One statement that nothing needed.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnusedGrant {
    /// The policy.
    pub policy_name: String,
    /// Its statement, `/Statement/0`.
    pub statement_pointer: String,
}

impl Act for GenerateLeastPrivilegePolicy {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GenerateLeastPrivilegePolicy",
        actions: &[Action::of("ram:GenerateLeastPrivilegePolicy")],
        resource: "*",
        parameters: &[required("PrincipalType"), required("PrincipalName"), optional("Days")],
    };
    type Output = LeastPrivilege;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { subject: Subject::read(params)?, days: params.integer("Days", 1..=90, 7)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::All))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<LeastPrivilege, ActionError> {
        let (principal, in_force) = self.subject.find(context).await?;
        if let Principal::Account(_) = principal {
            // The account itself has no policies, and what it does is not counted.
            return Err(ActionError::invalid("PrincipalName"));
        }
        context.access().seen().write().await?;
        let from = hour_of(UnixMs(context.now.0.saturating_sub(i64::from(self.days) * DAY_MS)));
        let seen = context.store().seen(principal, from, SEEN_MAX).await?;
        if u32::try_from(seen.len()).is_ok_and(|rows| rows >= SEEN_MAX) {
            return Err(Code::GeneratedTooLong.into());
        }
        let now = context.now;
        // Some thousand decisions: not on the threads that serve others.
        let generated = tokio::task::spawn_blocking(move || generate(principal, &in_force, &seen, now));
        generated.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a policy could not be written");
            Err(ActionError::Internal)
        })
    }
}

fn generate(
    principal: Principal,
    in_force: &InForce,
    seen: &[SeenDecision],
    now: UnixMs,
) -> Result<LeastPrivilege, ActionError> {
    let allowed: Vec<&SeenDecision> = seen.iter().filter(|one| one.outcome == SeenOutcome::Allowed).collect();
    let used: Vec<Used> = allowed.iter().filter_map(|seen| used(principal, seen)).collect();
    let nothing = PolicySet::default();
    let policies = match &in_force.standing {
        Standing::Governed(policies) => policies,
        Standing::Owner | Standing::Unknown => &nothing,
    };
    // As any of its requests comes: what a condition may still refuse is not had.
    let standpoint = Standpoint::of(principal, Arc::clone(&in_force.name), &Conditions::default(), now)
        .map_err(|_| ActionError::Internal)?;
    let has_all = |action: &Action, instance: &_, filter: &_| standpoint.covers(policies, action, instance, filter);
    let document = least_privilege::document(&used, &has_all).map_err(|_| Code::GeneratedTooLong)?;
    let actions: BTreeSet<&str> = used.iter().map(|one| one.action.as_str()).collect();
    Ok(LeastPrivilege {
        policy_document: document.unwrap_or_default(),
        used_actions: actions.len(),
        unused_grants: unused_grants(principal, in_force, &policies.account, &allowed),
    })
}

fn used(principal: Principal, seen: &SeenDecision) -> Option<Used> {
    let action = Action::parse(seen.actions.first()?).ok()?;
    Some(Used { action, resource: resource_of_arn(principal.account(), &seen.resource) })
}

/// Allows that decided none of these requests, asked again under the policies of now.
fn unused_grants(
    principal: Principal,
    in_force: &InForce,
    policies: &[Arc<Policy>],
    allowed: &[&SeenDecision],
) -> Vec<UnusedGrant> {
    let mut decided = BTreeSet::new();
    for seen in allowed {
        let Some((standpoint, actions)) = question(principal, &in_force.name, seen) else { continue };
        let resource = resource_of_arn(principal.account(), &seen.resource);
        let decision = standpoint.decide(&in_force.standing, &actions, &resource);
        if let (Effect::Allow, Some(by)) = (decision.effect, decision.statement) {
            decided.insert((by.policy_type, by.policy, by.statement));
        }
    }
    // What users may do for themselves is a setting of the account, attached to nobody: no grant that could be taken.
    let grants = policies.iter().filter(|policy| policy.is_attached());
    let statements = grants.flat_map(|policy| policy.document.allows().map(move |statement| (policy, statement)));
    statements
        .filter(|(policy, statement)| !decided.contains(&(policy.policy_type, Arc::clone(&policy.name), *statement)))
        .map(|(policy, statement)| UnusedGrant {
            policy_name: policy.name.to_string(),
            statement_pointer: format!("/Statement/{statement}"),
        })
        .collect()
}
