//! The one function that asks for an operation, and how its refusals look.
//!
//! Hidden and forbidden answer alike: the question comes before anything is read, and an instance that is absent, another
//! account's or one without the right are one answer.

use serde::Serialize;
use sluice_access::Told;
use sluice_model::{AccountId, Action, InstanceId, Principal, RamEntity, Resource, RoleName};
use sluice_policy::{Assumption, Context, Credential, Denied, Federated, NotAssumed, Permit, Reason, Scope, Shown};

use crate::{Act, ActionContext, ActionError, AnonymousContext, Code, DeniedAs, Product, Row};

/// Rows of one list that count as used, where each was granted by itself.
const ROWS_SHOWN_MAX: usize = 100;

/// On what a row's actions are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nothing: every caller may, for itself alone.
    Nothing,
    /// One resource.
    On(Resource),
    /// To assume a role, of whichever account.
    ToAssume(AccountId, RoleName),
    /// Two resources, both needed: a principal and a policy.
    Both(Resource, Resource),
    /// Several resources, all needed.
    Each(Vec<Resource>),
    /// The same, in a request of which conditions may read further keys, each with its value.
    With(Vec<(String, String)>, Box<Self>),
    /// `mq:MqttInstanceAccess` on the instance, which must be there, then the resource.
    OnInstance(InstanceId, Resource),
    /// As `OnInstance`, but the operation asks for each row that it lists, by [`rows`].
    RowsOfInstance(InstanceId),
    /// The operation asks for each row that it lists, by [`rows`].
    Rows,
}

impl Ask {
    /// The same, in a request of which conditions may read these keys too.
    pub(crate) fn with(self, keys: Vec<(String, String)>) -> Self {
        if keys.is_empty() { self } else { Self::With(keys, Box::new(self)) }
    }

    /// On an instance itself.
    pub(crate) fn whole_instance(account: AccountId, instance: &InstanceId) -> Self {
        Self::OnInstance(instance.clone(), Resource::Instance(account, instance.clone()))
    }

    /// A change that may rename, on both names: else a right on `user/a*` would be a way to take the name `b`, and with it
    /// what policies say of `b`.
    pub(crate) fn renaming(now: Resource, new: Option<Resource>) -> Self {
        match new {
            Some(new) if new != now => Self::Both(now, new),
            _ => Self::On(now),
        }
    }

    /// What is asked on; the first of several, `None` where the operation looks for itself.
    fn resource(&self, account: AccountId) -> Option<Resource> {
        match self {
            Self::On(resource) | Self::Both(resource, _) | Self::OnInstance(_, resource) => Some(resource.clone()),
            Self::Each(resources) => resources.first().cloned(),
            Self::ToAssume(account, role) => Some(Resource::Ram(*account, RamEntity::Role(role.as_str().into()))),
            Self::RowsOfInstance(instance) => Some(Resource::Instance(account, instance.clone())),
            Self::With(_, ask) => ask.resource(account),
            Self::Nothing | Self::Rows => None,
        }
    }

    /// The instance that must be there.
    pub(crate) fn instance(self) -> Option<InstanceId> {
        match self {
            Self::OnInstance(instance, _) | Self::RowsOfInstance(instance) => Some(instance),
            Self::With(_, ask) => ask.instance(),
            Self::Nothing | Self::On(_) | Self::Both(..) | Self::Each(_) | Self::ToAssume(..) | Self::Rows => None,
        }
    }
}

/// The yeses to what was asked, in its order.
#[derive(Debug)]
pub struct Granted {
    permits: Vec<Permit>,
    assumption: Option<Assumption>,
}

impl Granted {
    /// The permit of a question on one resource; of the first of two.
    ///
    /// # Errors
    /// [`ActionError::Internal`] when nothing was asked: an operation that takes a permit must ask.
    pub(crate) fn permit(&self) -> Result<&Permit, ActionError> {
        self.permits.first().ok_or(ActionError::Internal)
    }

    /// The proof that a role may be assumed.
    ///
    /// # Errors
    /// As [`Granted::permit`].
    pub(crate) fn into_assumption(self) -> Result<Assumption, ActionError> {
        self.assumption.ok_or(ActionError::Internal)
    }

    /// The permit on the second resource.
    ///
    /// # Errors
    /// As [`Granted::permit`].
    pub(crate) fn second(&self) -> Result<&Permit, ActionError> {
        self.permits.get(1).ok_or(ActionError::Internal)
    }

    /// The permits of [`Ask::Each`], one a resource.
    pub(crate) fn each(&self) -> &[Permit] {
        &self.permits
    }
}

/// Asks a row's actions. For an instance, first `mq:MqttInstanceAccess`, then whether it is there.
///
/// # Errors
/// [`ActionError::Denied`].
pub(crate) fn authorize(context: &ActionContext, row: &Row, ask: &Ask) -> Result<Granted, ActionError> {
    authorize_in(context, row, ask, context.conditions())
}

fn authorize_in(
    context: &ActionContext,
    row: &Row,
    ask: &Ask,
    mut conditions: Context,
) -> Result<Granted, ActionError> {
    let one = |resource: &Resource| ask_one(context, row, row.actions, resource, &conditions);
    let permits = match ask {
        Ask::Nothing | Ask::Rows => Vec::new(),
        Ask::On(resource) => vec![one(resource)?],
        Ask::Both(first, second) => vec![one(first)?, one(second)?],
        Ask::ToAssume(account, role) => return to_assume(context, row, (*account, role), &conditions),
        Ask::Each(resources) => resources.iter().map(one).collect::<Result<_, _>>()?,
        Ask::OnInstance(instance, resource) => {
            on_instance(context, row, instance)?;
            vec![one(resource)?]
        }
        Ask::RowsOfInstance(instance) => {
            on_instance(context, row, instance)?;
            Vec::new()
        }
        Ask::With(keys, ask) => {
            for (key, value) in keys {
                conditions = conditions.with(key, &[value]);
            }
            return authorize_in(context, row, ask, conditions);
        }
    };
    Ok(Granted { permits, assumption: None })
}

fn to_assume(
    context: &ActionContext,
    row: &Row,
    (account, role): (AccountId, &RoleName),
    conditions: &Context,
) -> Result<Granted, ActionError> {
    let asked = context.services.authority.assume_role(&context.caller, (account, role.as_str()), conditions);
    let assumption = asked.map_err(|not| match not {
        NotAssumed::Denied(denied) => refuse(context, row, &denied, denied_as(row.product)),
        NotAssumed::NoRole => Code::NoRole.into(),
    })?;
    Ok(Granted { permits: Vec::new(), assumption: Some(assumption) })
}

/// Asks a row's actions on each of `resources` and keeps the entries that are granted. `whole` is a resource whose grant
/// shows every entry that no statement forbids.
///
/// # Errors
/// [`ActionError::Denied`] when nothing is granted at all. DESIGN section 2, Lists.
pub(crate) fn rows<T>(
    context: &ActionContext,
    row: &Row,
    whole: &Resource,
    entries: Vec<T>,
    resource: impl Fn(&T) -> Resource,
) -> Result<Vec<T>, ActionError> {
    let ask = |resource: &Resource| {
        context.services.authority.authorize_any(
            &context.caller,
            row.actions,
            resource,
            &Context::only_asking_at(context.now),
        )
    };
    let all = ask(whole);
    // What a list shows is used, which the questions about each of its rows do not say.
    let show = |resource: &Resource| {
        let earnest = context.conditions();
        drop(context.services.authority.authorize_any(&context.caller, row.actions, resource, &earnest));
    };
    let mut granted = Vec::new();
    for entry in entries {
        let visible = match ask(&resource(&entry)) {
            Ok(_) => true,
            Err(denied) => all.is_ok() && !matches!(denied.reason, Reason::Explicit(_)),
        };
        if visible {
            if all.is_err() && granted.len() < ROWS_SHOWN_MAX {
                show(&resource(&entry));
            }
            granted.push(entry);
        }
    }
    if all.is_ok() || granted.is_empty() {
        show(whole);
    }
    match all {
        Err(denied) if granted.is_empty() => Err(refuse(context, row, &denied, denied_as(row.product))),
        _ => Ok(granted),
    }
}

/// Whether [`rows`] would show anything or an empty list, asked up to the first yes; nothing counts as used by it.
///
/// # Errors
/// The refusal of [`rows`].
pub(crate) fn some_row(
    context: &ActionContext,
    row: &Row,
    whole: &Resource,
    entries: impl FnOnce() -> Vec<Resource>,
) -> Result<(), ActionError> {
    let only_asking = Context::only_asking_at(context.now);
    let ask = |resource: &Resource| {
        context.services.authority.authorize_any(&context.caller, row.actions, resource, &only_asking)
    };
    match ask(whole) {
        Err(denied) if !entries().iter().any(|entry| ask(entry).is_ok()) => {
            Err(refuse(context, row, &denied, denied_as(row.product)))
        }
        _ => Ok(()),
    }
}

/// Whether the caller may, without doing it: for a hint that must not tell what they may not look at.
pub(crate) fn may(context: &ActionContext, actions: &[Action], resource: &Resource) -> bool {
    let now = Context::only_asking_at(context.now);
    context.services.authority.authorize_any(&context.caller, actions, resource, &now).is_ok()
}

/// Whether a row's actions are granted on all things of a kind; for a page whose form does not name one yet.
///
/// # Errors
/// The refusal.
pub fn permitted_on<A: Act>(context: &ActionContext, entity: RamEntity) -> Result<(), ActionError> {
    let asking = ActionContext { in_earnest: false, ..context.clone() };
    let resource = Resource::Ram(context.account(), entity);
    ask_one(&asking, &A::ROW, A::ROW.actions, &resource, &asking.conditions()).map(drop)
}

fn on_instance(context: &ActionContext, row: &Row, instance: &InstanceId) -> Result<(), ActionError> {
    const ACCESS: &[Action] = &[Action::INSTANCE_ACCESS];
    let resource = Resource::Instance(context.account(), instance.clone());
    drop(ask_one(context, row, ACCESS, &resource, &context.conditions())?);
    if context.access().instance(context.account(), instance).is_none() {
        return Err(absent_instance(context, row, instance.as_str()));
    }
    Ok(())
}

fn ask_one(
    context: &ActionContext,
    row: &Row,
    actions: &[Action],
    resource: &Resource,
    conditions: &Context,
) -> Result<Permit, ActionError> {
    let asked = context.services.authority.authorize_any(&context.caller, actions, resource, conditions);
    asked.map_err(|denied| {
        let is_access = actions.contains(&Action::INSTANCE_ACCESS);
        let kind = if is_access { DeniedAs::Instance } else { denied_as(row.product) };
        refuse(context, row, &denied, kind)
    })
}

fn denied_as(product: Product) -> DeniedAs {
    match product {
        Product::Ram | Product::Sts | Product::Ims => DeniedAs::NoPermission,
        Product::OnsMqtt => DeniedAs::Permission,
    }
}

/// A refusal, logged once.
fn refuse(context: &ActionContext, row: &Row, denied: &Denied, kind: DeniedAs) -> ActionError {
    if denied.reason == Reason::Unavailable {
        return ActionError::Code(Code::ServiceUnavailable);
    }
    let conditions = context.conditions();
    if let Some(told) = Told::of(&context.caller, denied, &conditions) {
        tell(context, row, told);
    }
    ActionError::Denied(Box::new(Denial::of(context, denied)), kind)
}

/// Logs a refusal and keeps it for the answer to "why?". A question that nobody acts on, as what a page may offer, is none.
fn tell(context: &ActionContext, row: &Row, told: Told<'_>) {
    if !context.in_earnest {
        return;
    }
    let principal = context.caller.principal();
    tracing::warn!(
        target: "sluice::denied", what = "API", operation = row.name, account = %principal.account(), %principal, action = told.action,
        resource = %Shown(&told.resource), request_id = %context.request_id, reason = told.reason, "refused"
    );
    context.access().refusals().tell_of_request(told, context.request_id.as_str());
}

/// The refusal for what is not there for this account, worded like a missing right.
pub(crate) fn absent(
    context: &ActionContext,
    row: &Row,
    action: &Action,
    resource: String,
    kind: DeniedAs,
) -> ActionError {
    let principal = context.caller.principal();
    let account = principal.account();
    let reason = format!("{action} on `{}`: it is absent or no right on it reaches you", Shown(&resource));
    tell(
        context,
        row,
        Told {
            caller: &context.caller,
            name: context.access().name_of(principal).unwrap_or_default(),
            action: action.as_str(),
            resource: resource.clone(),
            reason: reason.clone(),
            scope: Scope::Account.as_str(),
            by: None,
            missing_keys: &[],
            context: &context.conditions(),
        },
    );
    let denial = Denial {
        policy_type: Scope::Account.as_str(),
        no_permission_type: "ImplicitDeny",
        auth_action: action.as_str().to_owned(),
        reason,
        auth_resource: resource,
        auth_principal_type: principal_type(principal),
        auth_principal_owner_id: account.to_string(),
        auth_principal_display_name: display_name(context, principal),
        policy_name: None,
        policy_version: None,
        statement_pointer: None,
        missing_context_keys: Vec::new(),
        statement_to_ask_for: None,
    };
    ActionError::Denied(Box::new(denial), kind)
}

/// Logs and keeps that what a caller may do was refused all the same: a limit, or a thing that only its owner changes.
pub(crate) fn tell_refused(context: &ActionContext, row: &Row, ask: &Ask, code: Code) {
    let principal = context.caller.principal();
    let account = principal.account();
    let resource = ask.resource(account).unwrap_or_else(|| row.product.whole(account)).to_string();
    let action = row.actions.first().map_or(row.name, Action::as_str);
    let reason = code.text();
    let who = (&context.caller, context.access().name_of(principal).unwrap_or_default());
    tell(context, row, Told::without_policy(who, action, resource, reason.to_owned(), &context.conditions()));
}

fn absent_instance(context: &ActionContext, row: &Row, instance: &str) -> ActionError {
    let resource = format!("acs:mq:*:{}:instance/{instance}", context.account());
    absent(context, row, &Action::INSTANCE_ACCESS, resource, DeniedAs::Instance)
}

/// The refusal of somebody for whom an identity provider vouches, and whom the role does not trust. Nobody is told more than
/// that: what decided is kept for the account's own administrators.
pub(crate) fn refuse_federated(
    context: &AnonymousContext,
    row: &Row,
    who: &Federated,
    (account, role): (AccountId, &str),
    why: &Reason,
    conditions: &Context,
) -> ActionError {
    let provider = who.provider();
    tracing::warn!(target: "sluice::denied", what = "API", operation = row.name, %account, provider, role, request_id = %context.request_id,
        reason = ?why, "refused");
    let resource = Resource::Ram(account, RamEntity::Role(role.into())).to_string();
    let refusals = context.services.access.refusals();
    refusals.tell_of_federated(who, resource, why, conditions, context.request_id.as_str());
    Code::NotTrusted.into()
}

/// Completes an error that must read as a refusal: the instance cannot be, or was deleted meanwhile.
pub(crate) fn hide(context: &ActionContext, row: &Row, error: ActionError) -> ActionError {
    match error {
        ActionError::AbsentInstance(text) => absent_instance(context, row, &text),
        other => other,
    }
}

/// Who was refused what, and what decided. Serialized, the members of `AccessDeniedDetail`: the vendor's first (facts/ram.md
/// section 6), then ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Denial {
    /// Where the policy that decided is attached, or the missing one would be.
    pub policy_type: &'static str,
    /// `ExplicitDeny` or `ImplicitDeny`.
    pub no_permission_type: &'static str,
    /// The RAM action.
    pub auth_action: String,
    /// The ARN.
    pub auth_resource: String,
    /// `SubUser`, `AssumedRoleUser` or `Account`.
    pub auth_principal_type: &'static str,
    /// The account.
    pub auth_principal_owner_id: String,
    /// The user's ID, not its name; `{role}:{session}`; the account's ID for itself.
    pub auth_principal_display_name: String,
    /// The policy that forbids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_name: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    /// Its statement, `/Statement/0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_pointer: Option<String>,
    /// Condition keys that a fitting Allow needed and the request did not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_context_keys: Vec<String>,
    /// The decision in a sentence.
    pub reason: String,
    /// A policy document that would grant it, to hand to an administrator; for the console.
    #[serde(skip)]
    pub statement_to_ask_for: Option<String>,
}

impl Denial {
    fn of(context: &ActionContext, denied: &Denied) -> Self {
        let statement = match &denied.reason {
            Reason::Explicit(statement) => Some(statement),
            _ => None,
        };
        let missing_context_keys = match &denied.reason {
            Reason::NoAllow { missing_context_keys, .. } => {
                missing_context_keys.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        };
        Self {
            policy_type: denied.policy_type_detail(),
            no_permission_type: denied.no_permission_type(),
            auth_action: denied.action.as_str().to_owned(),
            auth_resource: denied.resource.to_string(),
            auth_principal_type: principal_type(denied.principal),
            auth_principal_owner_id: denied.account.to_string(),
            auth_principal_display_name: display_name(context, denied.principal),
            policy_name: statement.map(|statement| statement.policy.to_string()),
            policy_version: statement.map(|statement| statement.version.to_string()),
            statement_pointer: statement.map(|statement| format!("/Statement/{}", statement.statement)),
            missing_context_keys,
            reason: denied.to_string(),
            statement_to_ask_for: Some(denied.statement_to_ask_for()),
        }
    }
}

fn principal_type(principal: Principal) -> &'static str {
    match principal {
        Principal::Account(_) => "Account",
        Principal::User(..) => "SubUser",
        Principal::Role(..) => "AssumedRoleUser",
    }
}

/// As facts/ram.md section 6 has it: a user's number, `{role}:{session}`.
fn display_name(context: &ActionContext, principal: Principal) -> String {
    match principal {
        Principal::Account(account) => account.to_string(),
        Principal::User(_, user) => user.to_string(),
        Principal::Role(_, role) => {
            let name = context.access().name_of(principal).unwrap_or_else(|| role.to_string().into());
            match context.caller.credential() {
                Credential::RoleSession(session) => format!("{name}:{}", session.name),
                _ => name.to_string(),
            }
        }
    }
}
