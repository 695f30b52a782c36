//! Who is in which group: AddUserToGroup, RemoveUserFromGroup, ListUsersForGroup, ListGroupsForUser.
//!
//! A membership is asked on both: whoever may change a group cannot take in every user, and the other way round.

use serde::Serialize;
use sluice_access::Change;
use sluice_model::{Action, Principal, UserGroupName, UserName};
use sluice_store::{By, JoinedGroup, Member};

use super::{user, user::Done, user_group};
use crate::{
    Act, ActionContext, ActionError, Ask, Granted, NextPage, Page, Params, Product, Row, limits,
    operation::{Parameter, optional, required},
    time::date,
};

/// One group and one user, as both operations name them.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The group.
    pub group: UserGroupName,
    /// The user.
    pub user: UserName,
}

impl Membership {
    const RESOURCE: &'static str = "group/{GroupName} and user/{UserName}";
    const PARAMETERS: &'static [Parameter] = &[required("UserName"), required("GroupName")];

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { group: params.name("GroupName")?, user: params.name("UserName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let account = context.account();
        Ask::Both(user_group::resource(account, &self.group), user::resource(account, &self.user))
    }
}

/// Puts a user in a group: it may from now on what the group may.
#[derive(Clone, Debug)]
pub struct AddUserToGroup(pub Membership);

impl Act for AddUserToGroup {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "AddUserToGroup",
        actions: &[Action::of("ram:AddUserToGroup")],
        resource: Membership::RESOURCE,
        parameters: Membership::PARAMETERS,
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Membership::read(params).map(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        self.0.ask(context)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let by = [By::Permit(granted.permit()?), By::Permit(granted.second()?)];
        let (account, pair, most) = (context.account(), (&self.0.group, &self.0.user), limits::GROUPS_OF_USER_MAX);
        let user = context.store().add_member(by, account, pair, context.now, most).await?;
        context.changed(Change::Principal(Principal::User(account, user))).await;
        Ok(Done {})
    }
}

/// Takes a user out of a group; sessions that lived by the group's rights end.
#[derive(Clone, Debug)]
pub struct RemoveUserFromGroup(pub Membership);

impl Act for RemoveUserFromGroup {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "RemoveUserFromGroup",
        actions: &[Action::of("ram:RemoveUserFromGroup")],
        resource: Membership::RESOURCE,
        parameters: Membership::PARAMETERS,
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Membership::read(params).map(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        self.0.ask(context)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let by = [By::Permit(granted.permit()?), By::Permit(granted.second()?)];
        let account = context.account();
        let user = context.store().remove_member(by, account, (&self.0.group, &self.0.user)).await?;
        context.changed(Change::Principal(Principal::User(account, user))).await;
        Ok(Done {})
    }
}

/// Lists the members of a group by name.
#[derive(Clone, Debug)]
pub struct ListUsersForGroup {
    /// The group.
    pub group: UserGroupName,
    /// Which page.
    pub page: Page,
}

/// A member.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MemberReply {
    /// The name.
    pub user_name: String,
    /// The name to show.
    pub display_name: String,
    /// Since when.
    pub join_date: String,
}

impl MemberReply {
    fn of(member: Member) -> Self {
        Self { user_name: member.name.to_string(), display_name: member.display_name, join_date: date(member.joined) }
    }
}

/// `{Users: {User: []}, IsTruncated, Marker}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MemberPage {
    /// The members.
    pub users: MemberList,
    /// Whether there is a next page, and what leads to it.
    #[serde(flatten)]
    pub next: NextPage,
}

/// `{User: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MemberList {
    /// The members.
    pub user: Vec<MemberReply>,
}

impl Act for ListUsersForGroup {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListUsersForGroup",
        actions: &[Action::of("ram:ListUsersForGroup")],
        resource: "group/{GroupName}",
        parameters: &[required("GroupName"), optional("Marker"), optional("MaxItems")],
    };
    type Output = MemberPage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { group: params.name("GroupName")?, page: Page::read(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user_group::resource(context.account(), &self.group))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<MemberPage, ActionError> {
        let group = user_group::find(context, granted.permit()?, &self.group).await?;
        let (after, most) = self.page.to_read();
        let members = context.store().members(context.account(), &group.id, after, most).await?;
        let (members, next) = self.page.cut(members, |member| member.name.to_string());
        let user = members.into_iter().map(MemberReply::of).collect();
        Ok(MemberPage { users: MemberList { user }, next })
    }
}

/// Lists the groups of a user by name.
#[derive(Clone, Debug)]
pub struct ListGroupsForUser {
    /// The user.
    pub user: UserName,
}

/// A group that the user is in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JoinedGroupReply {
    /// `g-` and 16 letters or digits.
    pub group_id: String,
    /// The name.
    pub group_name: String,
    /// Free text.
    pub comments: String,
    /// Since when.
    pub join_date: String,
}

impl JoinedGroupReply {
    fn of(joined: JoinedGroup) -> Self {
        Self {
            group_id: joined.group.id.to_string(),
            group_name: joined.group.name.to_string(),
            comments: joined.group.comments,
            join_date: date(joined.joined),
        }
    }
}

/// `{Groups: {Group: []}}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JoinedGroups {
    /// The groups.
    pub groups: JoinedGroupList,
}

/// `{Group: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JoinedGroupList {
    /// The groups.
    pub group: Vec<JoinedGroupReply>,
}

impl Act for ListGroupsForUser {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListGroupsForUser",
        actions: &[Action::of("ram:ListGroupsForUser")],
        resource: "user/{UserName}",
        parameters: &[required("UserName")],
    };
    type Output = JoinedGroups;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { user: params.name("UserName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.user))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<JoinedGroups, ActionError> {
        let user = user::find(context, granted.permit()?, &self.user).await?;
        let groups = context.store().groups_of_user(context.account(), user.id).await?;
        Ok(JoinedGroups { groups: JoinedGroupList { group: groups.into_iter().map(JoinedGroupReply::of).collect() } })
    }
}
