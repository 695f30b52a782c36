//! Policies: CreatePolicy, GetPolicy, ListPolicies, UpdatePolicyDescription, DeletePolicy.

use serde::Serialize;
use sluice_access::Change;
use sluice_model::{AccountId, Action, PolicyName, PolicyType, PolicyVersion, RamEntity, Resource, Tag};
use sluice_policy::{Document, Permit, SystemPolicy, describe_faults, is_too_long, system_policies};
use sluice_store::{By, CustomPolicy, TagFilter, TaggedKind};

use super::{
    policy_version::VersionReply,
    tag::{self, TagList},
    user::Done,
};
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, NextPage, Page, Params, Product, Row, limits,
    operation::{optional, required},
    time::date,
};

/// What is asked on one policy: a custom one is the account's, a system one the pseudo account's.
pub(super) fn resource(account: AccountId, policy_type: PolicyType, name: &PolicyName) -> Resource {
    let name = name.as_str().into();
    let entity = match policy_type {
        PolicyType::Custom => RamEntity::Policy(name),
        PolicyType::System => RamEntity::SystemPolicy(name),
    };
    Resource::Ram(account, entity)
}

/// The custom policy of a name, after the question was answered with yes.
pub(super) async fn find_custom(
    context: &ActionContext,
    _granted: &Permit,
    name: &PolicyName,
) -> Result<CustomPolicy, ActionError> {
    let policy = context.store().policy(context.account(), name).await?;
    policy.ok_or(Code::NoPolicy.into())
}

pub(super) fn find_system(name: &PolicyName) -> Result<&'static SystemPolicy, ActionError> {
    system_policies().iter().find(|policy| policy.name == name.as_str()).ok_or(Code::NoPolicy.into())
}

/// Refuses when there is no such policy, after the question was answered with yes.
pub(super) async fn expect(
    context: &ActionContext,
    granted: &Permit,
    policy_type: PolicyType,
    name: &PolicyName,
) -> Result<(), ActionError> {
    match policy_type {
        PolicyType::System => find_system(name).map(drop),
        PolicyType::Custom => find_custom(context, granted, name).await.map(drop),
    }
}

/// A document that CreatePolicy takes.
pub(super) fn document(params: &Params) -> Result<String, ActionError> {
    let text = params.text("PolicyDocument")?;
    if text.chars().count() > limits::DOCUMENT_CHARACTERS_MAX {
        return Err(Code::PolicyTooLong.into());
    }
    match Document::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(faults) if is_too_long(&faults) => Err(Code::PolicyTooLong.into()),
        Err(faults) => Err(ActionError::MalformedPolicyDocument(describe_faults(&faults))),
    }
}

/// A policy as replies show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyReply {
    /// The name.
    pub policy_name: String,
    /// `System` or `Custom`.
    pub policy_type: &'static str,
    /// Free text.
    pub description: String,
    /// The version in force.
    pub default_version: String,
    /// When it was made.
    pub create_date: String,
    /// When it last changed; not in CreatePolicy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_date: Option<String>,
    /// To how many it is attached; not in CreatePolicy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachment_count: Option<i64>,
    /// The document in force; GetPolicy alone has it, and the vendor calls it deprecated there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_document: Option<String>,
    /// Its tags; ListPolicies alone has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagList>,
}

impl PolicyReply {
    fn of_custom(policy: &CustomPolicy) -> Self {
        Self {
            policy_name: policy.name.to_string(),
            policy_type: PolicyType::Custom.as_str(),
            description: policy.description.clone(),
            default_version: policy.default_version.to_string(),
            create_date: date(policy.created),
            update_date: Some(date(policy.updated)),
            attachment_count: Some(policy.attachments),
            policy_document: None,
            tags: None,
        }
    }

    fn of_system(policy: &SystemPolicy, attachment_count: i64) -> Self {
        Self {
            policy_name: policy.name.to_owned(),
            policy_type: PolicyType::System.as_str(),
            description: policy.description.to_owned(),
            default_version: PolicyVersion(policy.version).to_string(),
            create_date: policy.create_date.to_owned(),
            update_date: Some(policy.update_date.to_owned()),
            attachment_count: Some(attachment_count),
            policy_document: None,
            tags: None,
        }
    }
}

/// `{Policy}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OnePolicy {
    /// The policy.
    pub policy: PolicyReply,
}

/// Makes a policy with its first version, `v1`.
#[derive(Clone, Debug)]
pub struct CreatePolicy {
    /// The name.
    pub name: PolicyName,
    /// The document, valid.
    pub document: String,
    /// Free text.
    pub description: String,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl Act for CreatePolicy {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "CreatePolicy",
        actions: &[Action::of("ram:CreatePolicy")],
        resource: "policy/{PolicyName}",
        parameters: &[required("PolicyName"), required("PolicyDocument"), optional("Description"), optional("Tag")],
    };
    type Output = OnePolicy;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let name = params.name("PolicyName")?;
        let description = params.limited("Description", limits::DESCRIPTION_CHARACTERS_MAX)?.unwrap_or_default();
        Ok(Self { name, document: document(params)?, description, tags: tag::tags(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let resource = resource(context.account(), PolicyType::Custom, &self.name);
        Ask::On(resource).with(tag::request_tags(&self.tags))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OnePolicy, ActionError> {
        let account = context.account();
        let permit = granted.permit()?;
        let new = (self.description.as_str(), self.document.as_str(), self.tags.as_slice());
        let (store, by, most) =
            (context.store(), By::Permit(permit), (limits::POLICIES_MAX, limits::TAGS_OF_ENTITY_MAX));
        store.create_tagged_policy(by, account, &self.name, new, context.now, most).await?;
        context.changed(Change::Policy(account, self.name.clone())).await;
        // Not read back: another client may have deleted it by then.
        let policy = PolicyReply {
            policy_name: self.name.to_string(),
            policy_type: PolicyType::Custom.as_str(),
            description: self.description,
            default_version: PolicyVersion(1).to_string(),
            create_date: date(context.now),
            update_date: None,
            attachment_count: None,
            policy_document: None,
            tags: None,
        };
        Ok(OnePolicy { policy })
    }
}

/// Shows a policy and its document in force.
#[derive(Clone, Debug)]
pub struct GetPolicy {
    /// Whose.
    pub policy_type: PolicyType,
    /// The name.
    pub name: PolicyName,
}

/// `{Policy, DefaultPolicyVersion}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyInForce {
    /// The policy.
    pub policy: PolicyReply,
    /// The version in force.
    pub default_policy_version: VersionReply,
}

impl Act for GetPolicy {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetPolicy",
        actions: &[Action::of("ram:GetPolicy")],
        resource: "policy/{PolicyName}",
        parameters: &[required("PolicyType"), required("PolicyName")],
    };
    type Output = PolicyInForce;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { policy_type: params.required_word("PolicyType")?, name: params.name("PolicyName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), self.policy_type, &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<PolicyInForce, ActionError> {
        let account = context.account();
        let (mut policy, default_policy_version) = match self.policy_type {
            PolicyType::System => {
                let policy = find_system(&self.name)?;
                let count = context.store().system_policy_attachments(account, policy.name).await?;
                (PolicyReply::of_system(policy, count), VersionReply::of_system(policy))
            }
            PolicyType::Custom => {
                // One read has both: another version may be put in force at any time.
                let policy = find_custom(context, granted.permit()?, &self.name).await?;
                (PolicyReply::of_custom(&policy), VersionReply::in_force(policy))
            }
        };
        policy.policy_document = default_policy_version.policy_document.clone();
        Ok(PolicyInForce { policy, default_policy_version })
    }
}

/// Lists policies: the system's, then the account's, each by name.
#[derive(Clone, Debug)]
pub struct ListPolicies {
    /// One type only.
    pub policy_type: Option<PolicyType>,
    /// Those alone that have these tags; the system's have none.
    pub filter: Vec<TagFilter>,
    /// Which page.
    pub page: Page,
}

/// `{Policies: {Policy: []}, IsTruncated, Marker}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyPage {
    /// The policies.
    pub policies: PolicyList,
    /// Whether there is a next page, and what leads to it.
    #[serde(flatten)]
    pub next: NextPage,
}

/// `{Policy: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyList {
    /// The policies.
    pub policy: Vec<PolicyReply>,
}

impl Act for ListPolicies {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListPolicies",
        actions: &[Action::of("ram:ListPolicies")],
        resource: "policy/*",
        parameters: &[optional("PolicyType"), optional("Marker"), optional("MaxItems"), optional("Tag")],
    };
    type Output = PolicyPage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let policy_type = params.optional_word("PolicyType")?;
        Ok(Self { policy_type, filter: tag::filter(params)?, page: Page::read(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::Policy("*".into())))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<PolicyPage, ActionError> {
        let wants = |policy_type| self.policy_type.is_none_or(|only| only == policy_type);
        // The key of a page is `{0 or 1}{name}`: system policies come first.
        let (after, most) = self.page.to_read();
        let items_most = self.page.items_max + 1;
        let mut entries = Vec::new();
        if wants(PolicyType::System) && self.filter.is_empty() && !after.starts_with('1') {
            let mut system: Vec<_> = system_policies().iter().collect();
            system.sort_by_key(|policy| policy.name);
            let later = system.into_iter().filter(|policy| format!("0{}", policy.name).as_str() > after);
            for policy in later.take(items_most) {
                let attached = context.store().system_policy_attachments(context.account(), policy.name).await?;
                let tags = Some(TagList::default());
                let policy_reply = PolicyReply { tags, ..PolicyReply::of_system(policy, attached) };
                entries.push((format!("0{}", policy.name), policy_reply));
            }
        }
        if wants(PolicyType::Custom) && entries.len() < items_most {
            let after = after.strip_prefix('1').unwrap_or_default();
            entries.extend(self.custom(context, (after, most)).await?);
        }
        let (entries, next) = self.page.cut(entries, |(key, _)| key.clone());
        let policy = entries.into_iter().map(|(_, policy)| policy).collect();
        Ok(PolicyPage { policies: PolicyList { policy }, next })
    }
}

impl ListPolicies {
    /// At most so many of the account's own after a name, with their tags and the keys of their pages.
    async fn custom(
        &self,
        context: &ActionContext,
        (after, most): (&str, i64),
    ) -> Result<Vec<(String, PolicyReply)>, ActionError> {
        let (store, account) = (context.store(), context.account());
        let policies = store.policies_with(account, &self.filter, after, most).await?;
        let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
        let mut tags = store.tags_of(account, (TaggedKind::Policy, &names)).await?;
        let reply = |policy: &CustomPolicy| {
            let tags = Some(TagList::of(tags.remove(policy.name.as_str()).unwrap_or_default()));
            (format!("1{}", policy.name), PolicyReply { tags, ..PolicyReply::of_custom(policy) })
        };
        Ok(policies.iter().map(reply).collect())
    }
}

/// Changes what a policy is said to be for; an empty text clears.
#[derive(Clone, Debug)]
pub struct UpdatePolicyDescription {
    /// The name.
    pub name: PolicyName,
    /// Free text.
    pub description: String,
}

impl Act for UpdatePolicyDescription {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "UpdatePolicyDescription",
        actions: &[Action::of("ram:UpdatePolicyDescription")],
        resource: "policy/{PolicyName}",
        parameters: &[required("PolicyName"), required("NewDescription")],
    };
    type Output = OnePolicy;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let description = params.limited("NewDescription", limits::DESCRIPTION_CHARACTERS_MAX)?;
        Ok(Self {
            name: params.name("PolicyName")?,
            description: description.ok_or(ActionError::Missing("NewDescription"))?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), PolicyType::Custom, &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OnePolicy, ActionError> {
        let (permit, account) = (granted.permit()?, context.account());
        let by = By::Permit(permit);
        let policy = context.store().describe_policy(by, account, &self.name, &self.description, context.now).await?;
        Ok(OnePolicy { policy: PolicyReply { attachment_count: None, ..PolicyReply::of_custom(&policy) } })
    }
}

/// Deletes a policy that is attached to nobody.
#[derive(Clone, Debug)]
pub struct DeletePolicy {
    /// The name.
    pub name: PolicyName,
    /// Deletes versions besides the default one with it; attachments never.
    pub cascading: bool,
}

impl Act for DeletePolicy {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DeletePolicy",
        actions: &[Action::of("ram:DeletePolicy")],
        resource: "policy/{PolicyName}",
        parameters: &[required("PolicyName"), optional("CascadingDelete")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let cascading = params.boolean("CascadingDelete")?.unwrap_or(false);
        Ok(Self { name: params.name("PolicyName")?, cascading })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), PolicyType::Custom, &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        context.store().delete_policy(By::Permit(permit), context.account(), &self.name, self.cascading).await?;
        context.changed(Change::Policy(context.account(), self.name)).await;
        Ok(Done {})
    }
}
