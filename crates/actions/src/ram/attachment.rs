//! Who has which policy: AttachPolicyToUser, DetachPolicyFromUser, ListPoliciesForUser, ListEntitiesForPolicy.

use serde::Serialize;
use sluice_access::Change;
use sluice_model::{Action, PolicyName, PolicyType, PolicyVersion, Principal, UserName};
use sluice_store::{By, Holder, PolicyUser};

use super::{policy, user, user::Done};
use crate::{
    Act, ActionContext, ActionError, Ask, Granted, Params, Product, Row, limits,
    operation::{not_served, required},
    time::date,
};

/// Attaches a policy to a user. Asked on both: whoever may change a user cannot hand out every policy, and the other way round.
#[derive(Clone, Debug)]
pub struct AttachPolicyToUser {
    /// Whose policy it is.
    pub policy_type: PolicyType,
    /// The policy.
    pub policy: PolicyName,
    /// The user.
    pub user: UserName,
}

impl Act for AttachPolicyToUser {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "AttachPolicyToUser",
        actions: &[Action::of("ram:AttachPolicyToUser")],
        resource: "user/{UserName} and policy/{PolicyName}",
        parameters: &[
            required("PolicyType"),
            required("PolicyName"),
            required("UserName"),
            not_served("ResourceGroupId"),
        ],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let (policy_type, policy, user) = read(params)?;
        Ok(Self { policy_type, policy, user })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        ask(context, self.policy_type, &self.policy, &self.user)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let (permit, account) = (granted.permit()?, context.account());
        let user = user::find(context, permit, &self.user).await?;
        match self.policy_type {
            PolicyType::System => drop(policy::find_system(&self.policy)?),
            PolicyType::Custom => drop(policy::find_custom(context, granted.second()?, &self.policy).await?),
        }
        let most = match self.policy_type {
            PolicyType::System => limits::SYSTEM_ATTACHMENTS_MAX,
            PolicyType::Custom => limits::CUSTOM_ATTACHMENTS_MAX,
        };
        let holder = Holder::User(user.id);
        let (to, policy) = ((account, &holder, self.user.as_str()), (self.policy_type, &self.policy));
        context.store().attach(By::Permit(permit), to, policy, context.now, most).await?;
        context.changed(Change::Principal(Principal::User(account, user.id))).await;
        Ok(Done {})
    }
}

fn read(params: &Params) -> Result<(PolicyType, PolicyName, UserName), ActionError> {
    Ok((params.required_word("PolicyType")?, params.name("PolicyName")?, params.name("UserName")?))
}

fn ask(context: &ActionContext, policy_type: PolicyType, policy: &PolicyName, user: &UserName) -> Ask {
    let account = context.account();
    Ask::Both(user::resource(account, user), policy::resource(account, policy_type, policy))
}

/// Takes a policy from a user; sessions that lived by it end.
#[derive(Clone, Debug)]
pub struct DetachPolicyFromUser {
    /// Whose policy it is.
    pub policy_type: PolicyType,
    /// The policy.
    pub policy: PolicyName,
    /// The user.
    pub user: UserName,
}

impl Act for DetachPolicyFromUser {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DetachPolicyFromUser",
        actions: &[Action::of("ram:DetachPolicyFromUser")],
        resource: "user/{UserName} and policy/{PolicyName}",
        parameters: &[
            required("PolicyType"),
            required("PolicyName"),
            required("UserName"),
            not_served("ResourceGroupId"),
        ],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let (policy_type, policy, user) = read(params)?;
        Ok(Self { policy_type, policy, user })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        ask(context, self.policy_type, &self.policy, &self.user)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let (permit, account) = (granted.permit()?, context.account());
        let user = user::find(context, permit, &self.user).await?;
        match self.policy_type {
            PolicyType::System => drop(policy::find_system(&self.policy)?),
            PolicyType::Custom => drop(policy::find_custom(context, granted.second()?, &self.policy).await?),
        }
        let holder = Holder::User(user.id);
        let (from, policy) = ((account, &holder, self.user.as_str()), (self.policy_type, &self.policy));
        context.store().detach(By::Permit(permit), from, policy).await?;
        context.changed(Change::Principal(Principal::User(account, user.id))).await;
        Ok(Done {})
    }
}

/// Lists the policies of a user.
#[derive(Clone, Debug)]
pub struct ListPoliciesForUser {
    /// The user.
    pub user: UserName,
}

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

impl Act for ListPoliciesForUser {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListPoliciesForUser",
        actions: &[Action::of("ram:ListPoliciesForUser")],
        resource: "user/{UserName}",
        parameters: &[required("UserName")],
    };
    type Output = AttachedPolicyList;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { user: params.name("UserName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.user))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<AttachedPolicyList, ActionError> {
        let permit = granted.permit()?;
        let user = user::find(context, permit, &self.user).await?;
        let mut policies = Vec::new();
        for attachment in context.store().attachments(context.account(), &Holder::User(user.id)).await? {
            let (description, version) = match attachment.policy_type {
                PolicyType::System => {
                    let policy = policy::find_system(&attachment.policy_name)?;
                    (policy.description.to_owned(), PolicyVersion(policy.version))
                }
                PolicyType::Custom => {
                    let policy = policy::find_custom(context, permit, &attachment.policy_name).await?;
                    (policy.description, policy.default_version)
                }
            };
            policies.push(AttachedPolicy {
                policy_name: attachment.policy_name.to_string(),
                policy_type: attachment.policy_type.as_str(),
                description,
                default_version: version.to_string(),
                attach_date: date(attachment.attached),
            });
        }
        Ok(AttachedPolicyList { policies: AttachedPolicies { policy: policies } })
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

/// `{Users: {User: []}, Groups: {Group: []}, Roles: {Role: []}}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entities {
    /// The users.
    pub users: AttachedUsers,
    /// Groups of users: this version has none.
    pub groups: NoGroups,
    /// Roles: this version has none.
    pub roles: NoRoles,
}

/// `{User: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedUsers {
    /// By name.
    pub user: Vec<AttachedUser>,
}

/// `{Group: []}`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NoGroups {
    /// Empty.
    pub group: [(); 0],
}

/// `{Role: []}`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NoRoles {
    /// Empty.
    pub role: [(); 0],
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
        match self.policy_type {
            PolicyType::System => drop(policy::find_system(&self.policy)?),
            PolicyType::Custom => drop(policy::find_custom(context, granted.permit()?, &self.policy).await?),
        }
        let users = context.store().policy_users(context.account(), (self.policy_type, &self.policy)).await?;
        let reply = |user: PolicyUser| AttachedUser {
            user_id: user.id.to_string(),
            user_name: user.name.to_string(),
            display_name: user.display_name,
            attach_date: date(user.attached),
        };
        let user = users.into_iter().map(reply).collect();
        Ok(Entities { users: AttachedUsers { user }, groups: NoGroups::default(), roles: NoRoles::default() })
    }
}
