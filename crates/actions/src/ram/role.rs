//! Roles: CreateRole, GetRole, UpdateRole, ListRoles, DeleteRole.

use serde::Serialize;
use sluice_access::{Change, random};
use sluice_model::{AccountId, Action, Principal, RamEntity, Resource, RoleName, Tag};
use sluice_policy::{Document, Permit, describe_faults, is_too_long};
use sluice_store::{By, Role, RoleChange, RoleKind, TagFilter, TaggedKind};

use super::{
    tag::{self, TagList},
    user::Done,
};
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Fault, Granted, NextPage, Page, Params, Product, Row, limits,
    operation::{optional, required},
    time::date,
};

/// What is asked on one role, by its name.
pub(super) fn resource(account: AccountId, name: &RoleName) -> Resource {
    Resource::Ram(account, RamEntity::Role(name.as_str().into()))
}

/// The role of a name, after the question was answered with yes.
pub(super) async fn find(context: &ActionContext, _granted: &Permit, name: &RoleName) -> Result<Role, ActionError> {
    let role = context.store().role(context.account(), name).await?;
    role.ok_or(Code::NoRole.into())
}

/// The trust policy in a parameter; text that is none is told with each fault.
fn trust_document(params: &Params, name: &'static str) -> Result<Option<String>, ActionError> {
    let Some(text) = params.given(name) else { return Ok(None) };
    match Document::parse_trust(text) {
        Ok(_) => Ok(Some(text.to_owned())),
        Err(faults) if is_too_long(&faults) => Err(ActionError::Invalid { name, fault: Fault::Length }),
        Err(faults) => Err(ActionError::MalformedPolicyDocument(describe_faults(&faults))),
    }
}

/// Refuses a trust policy that names somebody of the account who is not there. Other accounts' are not looked up: that would
/// tell whom they have. Source: facts/ram.md section 1.7.
async fn check_trusted(context: &ActionContext, document: &str) -> Result<(), ActionError> {
    let parsed = Document::parse_trust(document)
        .map_err(|faults| ActionError::MalformedPolicyDocument(describe_faults(&faults)))?;
    let own = format!("acs:ram::{}:", context.account());
    for entity in parsed.trusted_arns().filter_map(|arn| arn.strip_prefix(&own)) {
        let is_there = match entity.split_once("-provider/") {
            Some((kind, name)) => is_provider(context, kind == "oidc", name).await?,
            None => context.access().has_entity(context.account(), entity),
        };
        if !is_there {
            let why = format!("the trust policy names `{entity}`, which does not exist");
            return Err(ActionError::MalformedPolicyDocument(why));
        }
    }
    Ok(())
}

async fn is_provider(context: &ActionContext, is_oidc: bool, name: &str) -> Result<bool, ActionError> {
    let Ok(name) = name.parse() else { return Ok(false) };
    Ok(context.store().identity_provider(context.account(), is_oidc, &name).await?.is_some())
}

/// `acs:ram::{account}:role/{name}`.
pub(super) fn arn(account: AccountId, name: &RoleName) -> String {
    format!("acs:ram::{account}:role/{name}")
}

/// A role as replies show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RoleReply {
    /// 18 digits.
    pub role_id: String,
    /// The name.
    pub role_name: String,
    /// `acs:ram::{account}:role/{name}`.
    pub arn: String,
    /// Free text.
    pub description: String,
    /// When it was made.
    pub create_date: String,
    /// When it last changed; not in the replies that make one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_date: Option<String>,
    /// Who may assume it, byte for byte; not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assume_role_policy_document: Option<String>,
    /// Seconds; not in CreateServiceLinkedRole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_session_duration: Option<u32>,
    /// Whether the console may be used in a session of it; not in CreateServiceLinkedRole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_console_login: Option<bool>,
    /// GetRole and CreateServiceLinkedRole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_service_linked_role: Option<bool>,
    /// `{name}@role.{alias}.onaliyunservice.com`; GetRole alone has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_principal_name: Option<String>,
    /// Its tags; ListRoles alone has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagList>,
}

impl RoleReply {
    /// What GetRole shows, without the principal's name.
    fn of(account: AccountId, role: Role) -> Self {
        Self {
            role_id: role.id.to_string(),
            arn: arn(account, &role.name),
            role_name: role.name.to_string(),
            description: role.description,
            create_date: date(role.created),
            update_date: Some(date(role.updated)),
            assume_role_policy_document: Some(role.trust_document),
            max_session_duration: Some(role.session_s_max),
            allow_console_login: Some(role.allow_console_login),
            is_service_linked_role: Some(!role.service_name.is_empty()),
            role_principal_name: None,
            tags: None,
        }
    }

    /// What CreateServiceLinkedRole shows.
    pub(super) fn of_linked(account: AccountId, role: Role) -> Self {
        Self { update_date: None, max_session_duration: None, allow_console_login: None, ..Self::of(account, role) }
    }
}

/// `{Role}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneRole {
    /// The role.
    pub role: RoleReply,
}

/// Makes a role without any right.
#[derive(Clone, Debug)]
pub struct CreateRole {
    /// The name.
    pub name: RoleName,
    /// Who may assume it, a valid trust policy.
    pub trust_document: String,
    /// Free text.
    pub description: String,
    /// Seconds.
    pub session_s_max: u32,
    /// Whether the console may be used.
    pub allow_console_login: bool,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl Act for CreateRole {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "CreateRole",
        actions: &[Action::of("ram:CreateRole")],
        resource: "role/{RoleName}",
        parameters: &[
            required("RoleName"),
            required("AssumeRolePolicyDocument"),
            optional("Description"),
            optional("MaxSessionDuration"),
            optional("AllowConsoleLogin"),
            optional("Tag"),
        ],
    };
    type Output = OneRole;

    fn read(params: &Params) -> Result<Self, ActionError> {
        const DOCUMENT: &str = "AssumeRolePolicyDocument";
        let name: RoleName = params.name("RoleName")?;
        if name.is_linked() {
            return Err(ActionError::Invalid { name: "RoleName", fault: Fault::Format });
        }
        Ok(Self {
            name,
            trust_document: trust_document(params, DOCUMENT)?.ok_or(ActionError::Missing(DOCUMENT))?,
            description: params.limited("Description", limits::DESCRIPTION_CHARACTERS_MAX)?.unwrap_or_default(),
            session_s_max: params.integer("MaxSessionDuration", limits::SESSION_S_MAX, limits::SESSION_S_DEFAULT)?,
            allow_console_login: params.boolean("AllowConsoleLogin")?.unwrap_or(true),
            tags: tag::tags(params)?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name)).with(tag::request_tags(&self.tags))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneRole, ActionError> {
        let (permit, account) = (granted.permit()?, context.account());
        check_trusted(context, &self.trust_document).await?;
        let new = Role {
            id: random::role_id(),
            name: self.name,
            description: self.description,
            trust_document: self.trust_document,
            session_s_max: self.session_s_max,
            allow_console_login: self.allow_console_login,
            service_name: String::new(),
            created: context.now,
            updated: context.now,
        };
        let (by, most) = (By::Permit(permit), limits::ROLES_MAX);
        context.store().create_tagged_role(by, account, &new, &self.tags, most).await?;
        context.changed(Change::Principal(Principal::Role(account, new.id))).await;
        let role = RoleReply { update_date: None, is_service_linked_role: None, ..RoleReply::of(account, new) };
        Ok(OneRole { role })
    }
}

/// Shows a role with its trust policy.
#[derive(Clone, Debug)]
pub struct GetRole {
    /// The name.
    pub name: RoleName,
}

impl Act for GetRole {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetRole",
        actions: &[Action::of("ram:GetRole")],
        resource: "role/{RoleName}",
        parameters: &[required("RoleName")],
    };
    type Output = OneRole;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("RoleName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneRole, ActionError> {
        let account = context.account();
        let role = find(context, granted.permit()?, &self.name).await?;
        let owner = context.store().account(account).await?.ok_or(ActionError::Internal)?;
        let principal_name = format!("{}@role.{}.onaliyunservice.com", role.name, owner.alias);
        let role = RoleReply { role_principal_name: Some(principal_name), ..RoleReply::of(account, role) };
        Ok(OneRole { role })
    }
}

/// Changes a role; what is `None` stays. Sessions live on: what a new trust policy forbids is not assumed again.
#[derive(Clone, Debug)]
pub struct UpdateRole {
    /// The name.
    pub name: RoleName,
    /// Who may assume it.
    pub trust_document: Option<String>,
    /// Free text; an empty one clears.
    pub description: Option<String>,
    /// Seconds.
    pub session_s_max: Option<u32>,
    /// Whether the console may be used.
    pub allow_console_login: Option<bool>,
}

impl Act for UpdateRole {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "UpdateRole",
        actions: &[Action::of("ram:UpdateRole")],
        resource: "role/{RoleName}",
        parameters: &[
            required("RoleName"),
            optional("NewAssumeRolePolicyDocument"),
            optional("NewDescription"),
            optional("NewMaxSessionDuration"),
            optional("NewAllowConsoleLogin"),
        ],
    };
    type Output = OneRole;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            name: params.name("RoleName")?,
            trust_document: trust_document(params, "NewAssumeRolePolicyDocument")?,
            description: params.limited("NewDescription", limits::DESCRIPTION_CHARACTERS_MAX)?,
            session_s_max: params.optional_integer("NewMaxSessionDuration", limits::SESSION_S_MAX)?,
            allow_console_login: params.boolean("NewAllowConsoleLogin")?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneRole, ActionError> {
        let (permit, account) = (granted.permit()?, context.account());
        if let Some(document) = &self.trust_document {
            check_trusted(context, document).await?;
        }
        let change = RoleChange {
            trust_document: self.trust_document,
            description: self.description,
            session_s_max: self.session_s_max,
            allow_console_login: self.allow_console_login,
        };
        let by = By::Permit(permit);
        let role = context.store().update_role(by, account, &self.name, &change, context.now).await?;
        context.changed(Change::Principal(Principal::Role(account, role.id))).await;
        Ok(OneRole { role: RoleReply { is_service_linked_role: None, ..RoleReply::of(account, role) } })
    }
}

/// Lists roles by name, without their trust policies.
#[derive(Clone, Debug)]
pub struct ListRoles {
    /// Those alone that have these tags.
    pub filter: Vec<TagFilter>,
    /// Which page.
    pub page: Page,
}

/// `{Roles: {Role: []}, IsTruncated, Marker}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RolePage {
    /// The roles.
    pub roles: RoleList,
    /// Whether there is a next page, and what leads to it.
    #[serde(flatten)]
    pub next: NextPage,
}

/// `{Role: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RoleList {
    /// The roles.
    pub role: Vec<RoleReply>,
}

impl Act for ListRoles {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListRoles",
        actions: &[Action::of("ram:ListRoles")],
        resource: "role/*",
        parameters: &[optional("Marker"), optional("MaxItems"), optional("Tag")],
    };
    type Output = RolePage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { filter: tag::filter(params)?, page: Page::read(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::Role("*".into())))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<RolePage, ActionError> {
        let (account, (after, most)) = (context.account(), self.page.to_read());
        let roles = context.store().roles_with(account, &self.filter, after, most).await?;
        let (roles, next) = self.page.cut(roles, |role| role.name.to_string());
        let names: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
        let mut tags = context.store().tags_of(account, (TaggedKind::Role, &names)).await?;
        let shown = |role: Role| RoleReply {
            tags: Some(TagList::of(tags.remove(role.name.as_str()).unwrap_or_default())),
            assume_role_policy_document: None,
            is_service_linked_role: None,
            ..RoleReply::of(account, role)
        };
        let role = roles.into_iter().map(shown).collect();
        Ok(RolePage { roles: RoleList { role }, next })
    }
}

/// Deletes a role that no policy hangs on; every session of it ends.
#[derive(Clone, Debug)]
pub struct DeleteRole {
    /// The name.
    pub name: RoleName,
}

impl Act for DeleteRole {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DeleteRole",
        actions: &[Action::of("ram:DeleteRole")],
        resource: "role/{RoleName}",
        parameters: &[required("RoleName")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("RoleName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let (by, account) = (By::Permit(granted.permit()?), context.account());
        let id = context.store().delete_role(by, account, &self.name, RoleKind::Own).await?;
        context.changed(Change::Principal(Principal::Role(account, id))).await;
        Ok(Done {})
    }
}
