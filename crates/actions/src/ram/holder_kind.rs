//! The kinds of those to whom a policy can be attached: users, groups of users, roles.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use sluice_model::{AccountId, Action, NameError, RamEntity, Resource, RoleName, UserGroupName, UserName};
use sluice_policy::Permit;
use sluice_store::Holder;

use super::{user, user_group};
use crate::{
    ActionContext, ActionError, Code, Product, Row,
    operation::{Parameter, optional, required},
};

/// A kind of those to whom a policy can be attached.
pub trait Kind: Debug + Clone + Copy + Send + Sync + 'static {
    /// What names one.
    type Name: FromStr<Err = NameError> + Display + Clone + Debug + Send + Sync;
    /// The parameter that does.
    const PARAMETER: &'static str;
    /// The row of the operation that attaches.
    const ATTACH: Row;
    /// The row of the one that detaches.
    const DETACH: Row;
    /// The row of the list of what is attached.
    const LIST: Row;

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

const OF_USER: &[Parameter] =
    &[required("PolicyType"), required("PolicyName"), required("UserName"), optional("ResourceGroupId")];

impl Kind for OfUser {
    type Name = UserName;
    const PARAMETER: &'static str = "UserName";
    const ATTACH: Row = Row {
        product: Product::Ram,
        name: "AttachPolicyToUser",
        actions: &[Action::of("ram:AttachPolicyToUser")],
        resource: "user/{UserName} and policy/{PolicyName}",
        parameters: OF_USER,
    };
    const DETACH: Row = Row {
        product: Product::Ram,
        name: "DetachPolicyFromUser",
        actions: &[Action::of("ram:DetachPolicyFromUser")],
        resource: "user/{UserName} and policy/{PolicyName}",
        parameters: OF_USER,
    };
    const LIST: Row = Row {
        product: Product::Ram,
        name: "ListPoliciesForUser",
        actions: &[Action::of("ram:ListPoliciesForUser")],
        resource: "user/{UserName}",
        parameters: &[required("UserName")],
    };

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

const OF_GROUP: &[Parameter] =
    &[required("PolicyType"), required("PolicyName"), required("GroupName"), optional("ResourceGroupId")];

impl Kind for OfGroup {
    type Name = UserGroupName;
    const PARAMETER: &'static str = "GroupName";
    const ATTACH: Row = Row {
        product: Product::Ram,
        name: "AttachPolicyToGroup",
        actions: &[Action::of("ram:AttachPolicyToGroup")],
        resource: "group/{GroupName} and policy/{PolicyName}",
        parameters: OF_GROUP,
    };
    const DETACH: Row = Row {
        product: Product::Ram,
        name: "DetachPolicyFromGroup",
        actions: &[Action::of("ram:DetachPolicyFromGroup")],
        resource: "group/{GroupName} and policy/{PolicyName}",
        parameters: OF_GROUP,
    };
    const LIST: Row = Row {
        product: Product::Ram,
        name: "ListPoliciesForGroup",
        actions: &[Action::of("ram:ListPoliciesForGroup")],
        resource: "group/{GroupName}",
        parameters: &[required("GroupName")],
    };

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

const OF_ROLE: &[Parameter] =
    &[required("PolicyType"), required("PolicyName"), required("RoleName"), optional("ResourceGroupId")];

impl Kind for OfRole {
    type Name = RoleName;
    const PARAMETER: &'static str = "RoleName";
    const ATTACH: Row = Row {
        product: Product::Ram,
        name: "AttachPolicyToRole",
        actions: &[Action::of("ram:AttachPolicyToRole")],
        resource: "role/{RoleName} and policy/{PolicyName}",
        parameters: OF_ROLE,
    };
    const DETACH: Row = Row {
        product: Product::Ram,
        name: "DetachPolicyFromRole",
        actions: &[Action::of("ram:DetachPolicyFromRole")],
        resource: "role/{RoleName} and policy/{PolicyName}",
        parameters: OF_ROLE,
    };
    const LIST: Row = Row {
        product: Product::Ram,
        name: "ListPoliciesForRole",
        actions: &[Action::of("ram:ListPoliciesForRole")],
        resource: "role/{RoleName}",
        parameters: &[required("RoleName")],
    };

    fn resource(account: AccountId, name: &RoleName) -> Resource {
        Resource::Ram(account, RamEntity::Role(name.as_str().into()))
    }

    async fn find(context: &ActionContext, _granted: &Permit, name: &RoleName) -> Result<Holder, ActionError> {
        let role = context.store().role(context.account(), name).await?.map(|role| role.id);
        Ok(Holder::Role(role.ok_or(Code::NoRole)?))
    }
}
