//! Groups of users: CreateGroup, GetGroup, UpdateGroup, DeleteGroup, ListGroups.
//!
//! A group is no principal: its members inherit what is attached to it. Who is in one is in `membership`.

use serde::Serialize;
use sluice_access::random;
use sluice_model::{AccountId, Action, RamEntity, Resource, UserGroupName};
use sluice_policy::Permit;
use sluice_store::{By, UserGroup, UserGroupChange};

use super::user::Done;
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, NextPage, Page, Params, Product, Row, limits,
    operation::{optional, required},
    time::date,
};

/// What is asked on one group, by its name.
pub(super) fn resource(account: AccountId, name: &UserGroupName) -> Resource {
    Resource::Ram(account, RamEntity::Group(name.as_str().into()))
}

/// The group of a name, after the question was answered with yes.
pub(super) async fn find(
    context: &ActionContext,
    _granted: &Permit,
    name: &UserGroupName,
) -> Result<UserGroup, ActionError> {
    let group = context.store().user_group(context.account(), name).await?;
    group.ok_or(Code::NoUserGroup.into())
}

/// A group as replies show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserGroupReply {
    /// `g-` and 16 letters or digits.
    pub group_id: String,
    /// The name.
    pub group_name: String,
    /// Free text.
    pub comments: String,
    /// When it was made.
    pub create_date: String,
    /// When it was last changed; not in CreateGroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_date: Option<String>,
}

impl UserGroupReply {
    fn of(group: UserGroup) -> Self {
        Self {
            group_id: group.id.to_string(),
            group_name: group.name.to_string(),
            comments: group.comments,
            create_date: date(group.created),
            update_date: Some(date(group.updated)),
        }
    }
}

/// `{Group}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneUserGroup {
    /// The group.
    pub group: UserGroupReply,
}

/// Makes a group, without members and without any right.
#[derive(Clone, Debug)]
pub struct CreateGroup {
    /// The name.
    pub name: UserGroupName,
    /// Free text.
    pub comments: Option<String>,
}

impl Act for CreateGroup {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "CreateGroup",
        actions: &[Action::of("ram:CreateGroup")],
        resource: "group/{GroupName}",
        parameters: &[required("GroupName"), optional("Comments")],
    };
    type Output = OneUserGroup;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let comments = params.limited("Comments", limits::COMMENTS_CHARACTERS_MAX)?;
        Ok(Self { name: params.name("GroupName")?, comments })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneUserGroup, ActionError> {
        let group = UserGroup {
            id: random::user_group_id(),
            name: self.name,
            comments: self.comments.unwrap_or_default(),
            created: context.now,
            updated: context.now,
        };
        let by = By::Permit(granted.permit()?);
        context.store().create_user_group(by, context.account(), &group, limits::USER_GROUPS_MAX).await?;
        Ok(OneUserGroup { group: UserGroupReply { update_date: None, ..UserGroupReply::of(group) } })
    }
}

/// Shows a group.
#[derive(Clone, Debug)]
pub struct GetGroup {
    /// The name.
    pub name: UserGroupName,
}

impl Act for GetGroup {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetGroup",
        actions: &[Action::of("ram:GetGroup")],
        resource: "group/{GroupName}",
        parameters: &[required("GroupName")],
    };
    type Output = OneUserGroup;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("GroupName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneUserGroup, ActionError> {
        let group = find(context, granted.permit()?, &self.name).await?;
        Ok(OneUserGroup { group: UserGroupReply::of(group) })
    }
}

/// Changes a group; what is `None` stays, an empty text clears.
#[derive(Clone, Debug)]
pub struct UpdateGroup {
    /// The name now.
    pub name: UserGroupName,
    /// Another name; the group keeps its ID, members and policies.
    pub new_name: Option<UserGroupName>,
    /// Free text.
    pub new_comments: Option<String>,
}

impl Act for UpdateGroup {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "UpdateGroup",
        actions: &[Action::of("ram:UpdateGroup")],
        resource: "group/{GroupName}, and group/{NewGroupName} when it is renamed",
        parameters: &[required("GroupName"), optional("NewGroupName"), optional("NewComments")],
    };
    type Output = OneUserGroup;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            name: params.name("GroupName")?,
            new_name: params.optional_name("NewGroupName")?,
            new_comments: params.limited("NewComments", limits::COMMENTS_CHARACTERS_MAX)?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let of = |name| resource(context.account(), name);
        Ask::renaming(of(&self.name), self.new_name.as_ref().map(of))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneUserGroup, ActionError> {
        let (permit, account) = (granted.permit()?, context.account());
        let change =
            UserGroupChange { name: self.new_name.filter(|new| *new != self.name), comments: self.new_comments };
        let by = By::Permit(permit);
        let group = context.store().update_user_group(by, account, &self.name, &change, context.now).await?;
        Ok(OneUserGroup { group: UserGroupReply::of(group) })
    }
}

/// Lists groups by name.
#[derive(Clone, Debug)]
pub struct ListGroups {
    /// Which page.
    pub page: Page,
}

/// `{Groups: {Group: []}, IsTruncated, Marker}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserGroupPage {
    /// The groups.
    pub groups: UserGroupList,
    /// Whether there is a next page, and what leads to it.
    #[serde(flatten)]
    pub next: NextPage,
}

/// `{Group: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserGroupList {
    /// The groups.
    pub group: Vec<UserGroupReply>,
}

impl Act for ListGroups {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListGroups",
        actions: &[Action::of("ram:ListGroups")],
        resource: "group/*",
        parameters: &[optional("Marker"), optional("MaxItems")],
    };
    type Output = UserGroupPage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { page: Page::read_of(params, limits::LIST_GROUPS_ITEMS_MAX)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::Group("*".into())))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<UserGroupPage, ActionError> {
        let (after, most) = self.page.to_read();
        let groups = context.store().user_groups(context.account(), after, most).await?;
        let (groups, next) = self.page.cut(groups, |group| group.name.to_string());
        let group = groups.into_iter().map(UserGroupReply::of).collect();
        Ok(UserGroupPage { groups: UserGroupList { group }, next })
    }
}

/// Deletes a group that has no member and no policy.
#[derive(Clone, Debug)]
pub struct DeleteGroup {
    /// The name.
    pub name: UserGroupName,
}

impl Act for DeleteGroup {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DeleteGroup",
        actions: &[Action::of("ram:DeleteGroup")],
        resource: "group/{GroupName}",
        parameters: &[required("GroupName")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("GroupName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name))
    }

    /// Nobody's rights change: it has no member.
    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        context.store().delete_user_group(By::Permit(permit), context.account(), &self.name).await?;
        Ok(Done {})
    }
}
