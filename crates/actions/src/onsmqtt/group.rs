//! Groups: CreateGroupId, DeleteGroupId, ListGroupId.

use serde::Serialize;
use sluice_access::Change;
use sluice_model::{AccountId, Action, GroupId, InstanceId, Resource};
use sluice_store::{By, Group};

use crate::{
    Act, ActionContext, ActionError, Ask, Granted, Params, Product, Row, gate,
    operation::{not_served, required},
    ram::Done,
};

fn resource(account: AccountId, instance: &InstanceId, group: &GroupId) -> Resource {
    Resource::Group(account, instance.clone(), group.clone())
}

fn read(params: &Params) -> Result<(InstanceId, GroupId), ActionError> {
    let instance = params.instance("InstanceId").map_err(ActionError::into_field)?;
    Ok((instance, params.name("GroupId").map_err(ActionError::into_field)?))
}

/// Makes a group.
#[derive(Clone, Debug)]
pub struct CreateGroupId {
    /// Where.
    pub instance: InstanceId,
    /// Its name.
    pub group: GroupId,
}

impl Act for CreateGroupId {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "CreateGroupId",
        actions: &[Action::of("mq:CreateGroupId"), Action::of("mq:CreateMqttGroupId")],
        resource: "groupId/{InstanceId}/{GroupId}",
        parameters: &[required("InstanceId"), required("GroupId"), not_served("Tags")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let (instance, group) = read(params)?;
        Ok(Self { instance, group })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::OnInstance(self.instance.clone(), resource(context.account(), &self.instance, &self.group))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let account = context.account();
        let Self { instance, group: id } = self;
        let group = Group { id: id.clone(), created: context.now };
        let (store, by) = (context.store(), By::Permit(granted.permit()?));
        let most = context.limits_of(&instance)?.groups_max.into();
        let created = store.create_group(by, (account, &instance), &group, most).await;
        created.map_err(|error| ActionError::of_instance(error, &instance))?;
        context.changed(Change::Group(account, instance, id)).await;
        Ok(Done {})
    }
}

/// Deletes a group; its clients are closed.
#[derive(Clone, Debug)]
pub struct DeleteGroupId {
    /// Where.
    pub instance: InstanceId,
    /// Its name.
    pub group: GroupId,
}

impl Act for DeleteGroupId {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "DeleteGroupId",
        actions: &[Action::of("mq:DeleteGroupId"), Action::of("mq:DeleteMqttGroupId")],
        resource: "groupId/{InstanceId}/{GroupId}",
        parameters: &[required("InstanceId"), required("GroupId")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let (instance, group) = read(params)?;
        Ok(Self { instance, group })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::OnInstance(self.instance.clone(), resource(context.account(), &self.instance, &self.group))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let account = context.account();
        let by = By::Permit(granted.permit()?);
        context.store().delete_group(by, (account, &self.instance), &self.group).await?;
        context.changed(Change::Group(account, self.instance, self.group)).await;
        Ok(Done {})
    }
}

/// Lists the groups that the caller may see.
#[derive(Clone, Debug)]
pub struct ListGroupId {
    /// Where.
    pub instance: InstanceId,
}

/// A group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupReply {
    /// The name.
    pub group_id: String,
    /// Where.
    pub instance_id: String,
    /// Whether names are the instance's own: always.
    pub independent_naming: bool,
    /// Unix milliseconds.
    pub create_time: i64,
    /// Unix milliseconds; a group does not change.
    pub update_time: i64,
}

/// `{Data: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupList {
    /// The groups.
    pub data: Vec<GroupReply>,
}

impl Act for ListGroupId {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "ListGroupId",
        actions: &[Action::of("mq:ListGroupId"), Action::of("mq:ListMqttGroupId")],
        resource: "instance/{InstanceId}, or groupId/{InstanceId}/{GroupId} for each row",
        parameters: &[required("InstanceId"), not_served("Tags")],
    };
    type Output = GroupList;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { instance: params.instance("InstanceId").map_err(ActionError::into_field)? })
    }

    fn ask(&self, _context: &ActionContext) -> Ask {
        Ask::RowsOfInstance(self.instance.clone())
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<GroupList, ActionError> {
        let account = context.account();
        let groups = context.store().groups(account, &self.instance).await?;
        let whole = Resource::Instance(account, self.instance.clone());
        let groups =
            gate::rows(context, &Self::ROW, &whole, groups, |group| resource(account, &self.instance, &group.id))?;
        let reply = |group: Group| GroupReply {
            group_id: group.id.to_string(),
            instance_id: self.instance.to_string(),
            independent_naming: true,
            create_time: group.created.0,
            update_time: group.created.0,
        };
        Ok(GroupList { data: groups.into_iter().map(reply).collect() })
    }
}
