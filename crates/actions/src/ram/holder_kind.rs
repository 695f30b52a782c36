//! The kinds of those to whom a policy can be attached: users, groups of users, roles.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use sluice_model::{AccountId, Action, NameError, RamEntity, Resource, RoleName, UserGroupName, UserName};
use sluice_policy::Permit;
use sluice_store::Holder;

use super::{user, user_group};
use crate::{ActionContext, ActionError, Code};

/// An operation's name and the action that it asks.
pub(super) type NameAndAction = (&'static str, &'static [Action]);

/// A kind of those to whom a policy can be attached.
pub trait Kind: Debug + Clone + Copy + Send + Sync + 'static {
    /// What names one.
    type Name: FromStr<Err = NameError> + Display + Clone + Debug + Send + Sync;
    /// The parameter that does.
    const PARAMETER: &'static str;
    /// What is asked on one, in the words of a row.
    const ONE: &'static str;
    /// The same, and on a policy besides.
    const ONE_AND_POLICY: &'static str;
    /// The operation that attaches.
    const ATTACH: NameAndAction;
    /// The one that detaches.
    const DETACH: NameAndAction;
    /// The list of what is attached.
    const LIST: NameAndAction;

    /// What is asked on one.
    fn resource(account: AccountId, name: &Self::Name) -> Resource;

    /// The one of a name, after the question was answered with yes.
    fn find(
        context: &ActionContext,
        granted: &Permit,
        name: &Self::Name,
    ) -> impl Future<Output = Result<Holder, ActionError>> + Send;
}

/// Users, who have a policy themselves.
#[derive(Clone, Copy, Debug)]
pub struct OfUser;

impl Kind for OfUser {
    type Name = UserName;
    const PARAMETER: &'static str = "UserName";
    const ONE: &'static str = "user/{UserName}";
    const ONE_AND_POLICY: &'static str = "user/{UserName} and policy/{PolicyName}";
    const ATTACH: NameAndAction = ("AttachPolicyToUser", &[Action::of("ram:AttachPolicyToUser")]);
    const DETACH: NameAndAction = ("DetachPolicyFromUser", &[Action::of("ram:DetachPolicyFromUser")]);
    const LIST: NameAndAction = ("ListPoliciesForUser", &[Action::of("ram:ListPoliciesForUser")]);

    fn resource(account: AccountId, name: &UserName) -> Resource {
        user::resource(account, name)
    }

    async fn find(context: &ActionContext, granted: &Permit, name: &UserName) -> Result<Holder, ActionError> {
        Ok(Holder::User(user::find(context, granted, name).await?.id))
    }
}

/// Groups, whose members inherit.
#[derive(Clone, Copy, Debug)]
pub struct OfGroup;

impl Kind for OfGroup {
    type Name = UserGroupName;
    const PARAMETER: &'static str = "GroupName";
    const ONE: &'static str = "group/{GroupName}";
    const ONE_AND_POLICY: &'static str = "group/{GroupName} and policy/{PolicyName}";
    const ATTACH: NameAndAction = ("AttachPolicyToGroup", &[Action::of("ram:AttachPolicyToGroup")]);
    const DETACH: NameAndAction = ("DetachPolicyFromGroup", &[Action::of("ram:DetachPolicyFromGroup")]);
    const LIST: NameAndAction = ("ListPoliciesForGroup", &[Action::of("ram:ListPoliciesForGroup")]);

    fn resource(account: AccountId, name: &UserGroupName) -> Resource {
        user_group::resource(account, name)
    }

    async fn find(context: &ActionContext, granted: &Permit, name: &UserGroupName) -> Result<Holder, ActionError> {
        Ok(Holder::Group(user_group::find(context, granted, name).await?.id))
    }
}

/// Roles, whose sessions have the policy.
#[derive(Clone, Copy, Debug)]
pub struct OfRole;

impl Kind for OfRole {
    type Name = RoleName;
    const PARAMETER: &'static str = "RoleName";
    const ONE: &'static str = "role/{RoleName}";
    const ONE_AND_POLICY: &'static str = "role/{RoleName} and policy/{PolicyName}";
    const ATTACH: NameAndAction = ("AttachPolicyToRole", &[Action::of("ram:AttachPolicyToRole")]);
    const DETACH: NameAndAction = ("DetachPolicyFromRole", &[Action::of("ram:DetachPolicyFromRole")]);
    const LIST: NameAndAction = ("ListPoliciesForRole", &[Action::of("ram:ListPoliciesForRole")]);

    fn resource(account: AccountId, name: &RoleName) -> Resource {
        Resource::Ram(account, RamEntity::Role(name.as_str().into()))
    }

    async fn find(context: &ActionContext, _granted: &Permit, name: &RoleName) -> Result<Holder, ActionError> {
        let role = context.store().role(context.account(), name).await?.map(|role| role.id);
        Ok(Holder::Role(role.ok_or(Code::NoRole)?))
    }
}
