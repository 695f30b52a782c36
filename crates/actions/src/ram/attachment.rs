//! Who has which policy: Attach and Detach for users, groups and roles, ListPoliciesFor each, ListEntitiesForPolicy.
//!
//! The operations of the three are one, generic over the [`Kind`] of holder.

use serde::Serialize;
use sluice_model::{AccountId, Action, PolicyName, PolicyType, PolicyVersion};
use sluice_store::{Attachment, By, Holder, PolicyGroup, PolicyRole, PolicyUser};

use super::{
    holder_kind::{Kind, NameAndAction, OfGroup, OfRole, OfUser},
    policy, role,
    user::Done,
};
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, Params, Product, Row, limits,
    operation::{Parameter, optional, required},
    time::date,
};

/// One policy and one holder, as Attach and Detach name them.
#[derive(Clone, Debug)]
pub struct Pair<K: Kind> {
    /// Whose policy it is.
    pub policy_type: PolicyType,
    /// The policy.
    pub policy: PolicyName,
    /// The user, group or role.
    pub holder: K::Name,
    /// The scope: the account, by its ID or by nothing.
    pub resource_group: Option<String>,
}

impl<K: Kind> Pair<K> {
    const PARAMETERS: &'static [Parameter] =
        &[required("PolicyType"), required("PolicyName"), required(K::PARAMETER), optional("ResourceGroupId")];

    const fn row((name, actions): NameAndAction) -> Row {
        Row { product: Product::Ram, name, actions, resource: K::ONE_AND_POLICY, parameters: Self::PARAMETERS }
    }

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            policy_type: params.required_word("PolicyType")?,
            policy: params.name("PolicyName")?,
            holder: params.name(K::PARAMETER)?,
            resource_group: params.given("ResourceGroupId").map(str::to_owned),
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let account = context.account();
        let policy = policy::resource(account, self.policy_type, &self.policy);
        Ask::Both(K::resource(account, &self.holder), policy)
    }

    /// The holder, when policy and scope are there too.
    async fn find(&self, context: &ActionContext, granted: &Granted) -> Result<Holder, ActionError> {
        let account = context.account().to_string();
        if self.resource_group.as_ref().is_some_and(|group| *group != account) {
            return Err(Code::NoResourceGroup.into());
        }
        let holder = K::find(context, granted.permit()?, &self.holder).await?;
        policy::expect(context, granted.second()?, self.policy_type, &self.policy).await?;
        Ok(holder)
    }
}

/// Attaches a policy. Asked on both: whoever may change a user cannot hand out every policy, and the other way round.
#[derive(Clone, Debug)]
pub struct Attach<K: Kind>(pub Pair<K>);

/// Attaches a policy to a user.
pub type AttachPolicyToUser = Attach<OfUser>;
/// Attaches a policy to a group.
pub type AttachPolicyToGroup = Attach<OfGroup>;
/// Attaches a policy to a role.
pub type AttachPolicyToRole = Attach<OfRole>;

impl<K: Kind> Act for Attach<K> {
    const ROW: Row = Pair::<K>::row(K::ATTACH);
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Pair::read(params).map(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        self.0.ask(context)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let holder = self.0.find(context, &granted).await?;
        let most = match self.0.policy_type {
            PolicyType::System => limits::SYSTEM_ATTACHMENTS_MAX,
            PolicyType::Custom => limits::CUSTOM_ATTACHMENTS_MAX,
        };
        let (account, name) = (context.account(), self.0.holder.to_string());
        let (to, policy) = ((account, &holder, name.as_str()), (self.0.policy_type, &self.0.policy));
        context.store().attach(By::Permit(granted.permit()?), to, policy, context.now, most).await?;
        context.changed(holder.changed(account)).await;
        Ok(Done {})
    }
}

/// Takes a policy away; sessions that lived by it end.
#[derive(Clone, Debug)]
pub struct Detach<K: Kind>(pub Pair<K>);

/// Takes a policy from a user.
pub type DetachPolicyFromUser = Detach<OfUser>;
/// Takes a policy from a group.
pub type DetachPolicyFromGroup = Detach<OfGroup>;
/// Takes a policy from a role.
pub type DetachPolicyFromRole = Detach<OfRole>;

impl<K: Kind> Act for Detach<K> {
    const ROW: Row = Pair::<K>::row(K::DETACH);
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Pair::read(params).map(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        self.0.ask(context)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let holder = self.0.find(context, &granted).await?;
        let (account, name) = (context.account(), self.0.holder.to_string());
        let (from, policy) = ((account, &holder, name.as_str()), (self.0.policy_type, &self.0.policy));
        context.store().detach(By::Permit(granted.permit()?), from, policy).await?;
        context.changed(holder.changed(account)).await;
        Ok(Done {})
    }
}

/// Lists what is attached to one holder itself; what a user inherits is its groups'.
#[derive(Clone, Debug)]
pub struct ListPoliciesFor<K: Kind> {
    /// The user, group or role.
    pub holder: K::Name,
}

/// Lists the policies of a user.
pub type ListPoliciesForUser = ListPoliciesFor<OfUser>;
/// Lists the policies of a group.
pub type ListPoliciesForGroup = ListPoliciesFor<OfGroup>;
/// Lists the policies of a role.
pub type ListPoliciesForRole = ListPoliciesFor<OfRole>;

/// An attached policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedPolicy {
    /// The name.
    pub policy_name: String,
    /// `System` or `Custom`.
    pub policy_type: &'static str,
    /// Free text.
    pub description: String,
    /// The version in force.
    pub default_version: String,
    /// When it was attached.
    pub attach_date: String,
}

impl AttachedPolicy {
    /// `None` where the policy was detached and deleted since the attachments were read.
    async fn of(context: &ActionContext, attachment: Attachment) -> Result<Option<Self>, ActionError> {
        let (description, version) = match attachment.policy_type {
            PolicyType::System => {
                let policy = policy::find_system(&attachment.policy_name)?;
                (policy.description.to_owned(), PolicyVersion(policy.version))
            }
            PolicyType::Custom => {
                let policy = context.store().policy(context.account(), &attachment.policy_name).await?;
                let Some(policy) = policy else { return Ok(None) };
                (policy.description, policy.default_version)
            }
        };
        Ok(Some(Self {
            policy_name: attachment.policy_name.to_string(),
            policy_type: attachment.policy_type.as_str(),
            description,
            default_version: version.to_string(),
            attach_date: date(attachment.attached),
        }))
    }
}

/// `{Policies: {Policy: []}}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedPolicyList {
    /// The policies.
    pub policies: AttachedPolicies,
}

/// `{Policy: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedPolicies {
    /// The policies.
    pub policy: Vec<AttachedPolicy>,
}

impl<K: Kind> Act for ListPoliciesFor<K> {
    const ROW: Row = Row {
        product: Product::Ram,
        name: K::LIST.0,
        actions: K::LIST.1,
        resource: K::ONE,
        parameters: &[required(K::PARAMETER)],
    };
    type Output = AttachedPolicyList;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { holder: params.name(K::PARAMETER)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(K::resource(context.account(), &self.holder))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<AttachedPolicyList, ActionError> {
        let holder = K::find(context, granted.permit()?, &self.holder).await?;
        let mut policy = Vec::new();
        for attachment in context.store().attachments(context.account(), &holder).await? {
            policy.extend(AttachedPolicy::of(context, attachment).await?);
        }
        Ok(AttachedPolicyList { policies: AttachedPolicies { policy } })
    }
}

/// Lists who has a policy.
#[derive(Clone, Debug)]
pub struct ListEntitiesForPolicy {
    /// Whose policy it is.
    pub policy_type: PolicyType,
    /// The policy.
    pub policy: PolicyName,
}

/// A user with the policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedUser {
    /// 18 digits.
    pub user_id: String,
    /// The name.
    pub user_name: String,
    /// The name to show.
    pub display_name: String,
    /// Since when.
    pub attach_date: String,
}

impl AttachedUser {
    fn of(user: PolicyUser) -> Self {
        Self {
            user_id: user.id.to_string(),
            user_name: user.name.to_string(),
            display_name: user.display_name,
            attach_date: date(user.attached),
        }
    }
}

/// A group with the policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedGroup {
    /// The name.
    pub group_name: String,
    /// Free text.
    pub comments: String,
    /// Since when.
    pub attach_date: String,
}

impl AttachedGroup {
    fn of(group: PolicyGroup) -> Self {
        Self { group_name: group.name.to_string(), comments: group.comments, attach_date: date(group.attached) }
    }
}

/// A role with the policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedRole {
    /// 18 digits.
    pub role_id: String,
    /// The name.
    pub role_name: String,
    /// `acs:ram::{account}:role/{name}`.
    pub arn: String,
    /// Free text.
    pub description: String,
    /// Since when.
    pub attach_date: String,
}

impl AttachedRole {
    fn of(account: AccountId, role: PolicyRole) -> Self {
        Self {
            role_id: role.id.to_string(),
            arn: role::arn(account, &role.name),
            role_name: role.name.to_string(),
            description: role.description,
            attach_date: date(role.attached),
        }
    }
}

/// `{Users: {User: []}, Groups: {Group: []}, Roles: {Role: []}}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entities {
    /// The users; not those who inherit it.
    pub users: AttachedUsers,
    /// The groups.
    pub groups: AttachedGroups,
    /// The roles.
    pub roles: AttachedRoles,
}

/// `{User: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedUsers {
    /// By name.
    pub user: Vec<AttachedUser>,
}

/// `{Group: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedGroups {
    /// By name.
    pub group: Vec<AttachedGroup>,
}

/// `{Role: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedRoles {
    /// By name.
    pub role: Vec<AttachedRole>,
}

impl Act for ListEntitiesForPolicy {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListEntitiesForPolicy",
        actions: &[Action::of("ram:ListEntitiesForPolicy")],
        resource: "policy/{PolicyName}",
        parameters: &[required("PolicyType"), required("PolicyName")],
    };
    type Output = Entities;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { policy_type: params.required_word("PolicyType")?, policy: params.name("PolicyName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(policy::resource(context.account(), self.policy_type, &self.policy))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Entities, ActionError> {
        policy::expect(context, granted.permit()?, self.policy_type, &self.policy).await?;
        let (account, policy) = (context.account(), (self.policy_type, &self.policy));
        let users = context.store().policy_users(account, policy).await?;
        let groups = context.store().policy_groups(account, policy).await?;
        let roles = context.store().policy_roles(account, policy).await?;
        Ok(Entities {
            users: AttachedUsers { user: users.into_iter().map(AttachedUser::of).collect() },
            groups: AttachedGroups { group: groups.into_iter().map(AttachedGroup::of).collect() },
            roles: AttachedRoles { role: roles.into_iter().map(|role| AttachedRole::of(account, role)).collect() },
        })
    }
}
