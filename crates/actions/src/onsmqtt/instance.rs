//! Instances: CreateMqttInstance, ListMqttInstance, and the vendor's own ListInstances.

use serde::Serialize;
use sluice_access::{Change, random};
use sluice_model::{
    Action, Compatibility, DenyAction, Durability, Edition, InstanceId, InstanceName, OfflineRetention, Resource,
    Service,
};
use sluice_store::{By, Instance, StoreError};

use crate::{
    Act, ActionContext, ActionError, Ask, Granted, NumberedPage, Params, Product, Row, gate,
    operation::{not_served, optional, required},
};

/// Makes an instance.
#[derive(Clone, Debug)]
pub struct CreateMqttInstance {
    /// The name.
    pub name: InstanceName,
    /// The vendor's edition.
    pub edition: Edition,
    /// Whose limits and gaps hold.
    pub compatibility: Compatibility,
    /// What a refusal does.
    pub deny_action: DenyAction,
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// What waits for clients that are away.
    pub retention: OfflineRetention,
    /// Its ID; drawn when absent.
    pub instance: Option<InstanceId>,
}

/// `{InstanceId}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreatedInstance {
    /// The ID.
    pub instance_id: String,
}

impl Act for CreateMqttInstance {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "CreateMqttInstance",
        actions: &[Action::of("mq:CreateMqttInstance")],
        resource: "*",
        parameters: &[
            required("InstanceName"),
            optional("Edition"),
            optional("Compatibility"),
            optional("DenyAction"),
            optional("Durability"),
            optional("OfflineRetentionSeconds"),
            optional("OfflineMessagesMax"),
            optional("InstanceId"),
        ],
    };
    type Output = CreatedInstance;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            name: params.name("InstanceName").map_err(ActionError::without_rule)?,
            edition: params.word("Edition", Edition::Professional)?,
            compatibility: params.word("Compatibility", Compatibility::Extended)?,
            deny_action: params.word("DenyAction", DenyAction::Close)?,
            durability: params.word("Durability", Durability::Sync)?,
            retention: OfflineRetention {
                seconds: params.integer(
                    "OfflineRetentionSeconds",
                    OfflineRetention::SECONDS,
                    OfflineRetention::DEFAULT.seconds,
                )?,
                messages_max: params.integer(
                    "OfflineMessagesMax",
                    OfflineRetention::MESSAGES_MAX,
                    OfflineRetention::DEFAULT.messages_max,
                )?,
            },
            instance: params.optional_name("InstanceId").map_err(ActionError::without_rule)?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Service(context.account(), Service::Mq))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<CreatedInstance, ActionError> {
        let account = context.account();
        let instance = Instance {
            account,
            id: self.instance.unwrap_or_else(random::instance_id),
            name: self.name,
            edition: self.edition,
            compatibility: self.compatibility,
            deny_action: self.deny_action,
            durability: self.durability,
            retention: self.retention,
            created: context.now,
        };
        let written = context.store().create_instance(By::Permit(granted.permit()?), &instance).await;
        written.map_err(|error| match error {
            // Taken, by whichever account: IDs are unique over all.
            StoreError::AlreadyExists(_) => ActionError::invalid("InstanceId"),
            other => other.into(),
        })?;
        let instance_id = instance.id.to_string();
        context.changed(Change::Instance(account, instance.id)).await;
        Ok(CreatedInstance { instance_id })
    }
}

/// The instances of the account that the caller may see, by ID. `whole` is asked once; it decides alone when there are none.
async fn visible(context: &ActionContext, row: &Row) -> Result<Vec<Instance>, ActionError> {
    let account = context.account();
    let instances = context.store().instances(account).await?;
    let whole = Resource::Service(account, Service::Mq);
    gate::rows(context, row, &whole, instances, |instance| Resource::Instance(account, instance.id.clone()))
}

/// Lists the instances that the caller may see.
#[derive(Clone, Copy, Debug)]
pub struct ListMqttInstance {
    /// Which page.
    pub page: NumberedPage,
}

impl ListMqttInstance {
    /// Whether the list would be shown, for a menu that leads to it; nothing counts as used by it. Of the instances in memory:
    /// the store is not asked.
    ///
    /// # Errors
    /// The refusal that the list would answer with.
    pub fn permitted(context: &ActionContext) -> Result<(), ActionError> {
        let (asking, account) = (ActionContext { in_earnest: false, ..context.clone() }, context.account());
        let of = |id| Resource::Instance(account, id);
        let instances = || context.access().instance_ids(account).into_iter().map(of).collect();
        gate::some_row(&asking, &<Self as Act>::ROW, &Resource::Service(account, Service::Mq), instances)
    }
}

/// An instance as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MqttInstance {
    /// The ID.
    pub instance_id: String,
    /// The name.
    pub instance_name: String,
    /// The vendor's edition.
    pub edition: &'static str,
    /// Whose limits and gaps hold.
    pub compatibility: &'static str,
    /// What a refusal does.
    pub deny_action: &'static str,
    /// What an acknowledgement promises.
    pub durability: &'static str,
    /// Unix milliseconds.
    pub create_time: i64,
    /// `Running`.
    pub status: &'static str,
}

impl From<Instance> for MqttInstance {
    fn from(instance: Instance) -> Self {
        Self {
            instance_id: instance.id.to_string(),
            instance_name: instance.name.to_string(),
            edition: instance.edition.as_str(),
            compatibility: instance.compatibility.as_str(),
            deny_action: instance.deny_action.as_str(),
            durability: instance.durability.as_str(),
            create_time: instance.created.0,
            status: "Running",
        }
    }
}

/// `{Instances: [], PageNumber, PageSize, TotalCount}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstancePage {
    /// Which page.
    pub page_number: u32,
    /// Of which size.
    pub page_size: u32,
    /// How many the caller may see.
    pub total_count: usize,
    /// The instances.
    pub instances: Vec<MqttInstance>,
}

impl Act for ListMqttInstance {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "ListMqttInstance",
        actions: &[Action::of("mq:ListMqttInstance")],
        resource: "instance/{InstanceId} for each row",
        parameters: &[optional("PageNumber"), optional("PageSize")],
    };
    type Output = InstancePage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { page: NumberedPage::read(params)? })
    }

    fn ask(&self, _context: &ActionContext) -> Ask {
        Ask::Rows
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<InstancePage, ActionError> {
        let instances = visible(context, &Self::ROW).await?;
        let total_count = instances.len();
        let instances = self.page.cut(instances).into_iter().map(MqttInstance::from).collect();
        Ok(InstancePage { page_number: self.page.number, page_size: self.page.size, total_count, instances })
    }
}

/// The vendor's list of instances.
#[derive(Clone, Copy, Debug)]
pub struct ListInstances;

/// An instance as the vendor's list shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VendorInstance {
    /// The ID.
    pub instance_id: String,
    /// The name.
    pub instance_name: String,
    /// 5: running. Source: facts/apsaramq-for-mqtt.md.
    pub instance_status: u32,
    /// Its edition as a number: 1 Basic, 2 Professional, 3 Platinum, 4 Serverless.
    pub instance_type: u32,
    /// Unix milliseconds.
    pub create_time: i64,
}

/// `{Instances: [], Code, Success, Message}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VendorInstanceList {
    /// `200`.
    pub code: &'static str,
    /// `true`, as text.
    pub success: &'static str,
    /// A sentence.
    pub message: &'static str,
    /// The instances.
    pub instances: Vec<VendorInstance>,
}

impl Act for ListInstances {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "ListInstances",
        actions: &[Action::of("mq:ListMqttInstance"), Action::of("mq:ListInstances")],
        resource: "instance/{InstanceId} for each row",
        parameters: &[not_served("Tags")],
    };
    type Output = VendorInstanceList;

    fn read(_params: &Params) -> Result<Self, ActionError> {
        Ok(Self)
    }

    fn ask(&self, _context: &ActionContext) -> Ask {
        Ask::Rows
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<VendorInstanceList, ActionError> {
        let reply = |instance: Instance| VendorInstance {
            instance_id: instance.id.to_string(),
            instance_name: instance.name.to_string(),
            instance_status: 5,
            instance_type: match instance.edition {
                Edition::Basic => 1,
                Edition::Professional => 2,
                Edition::Platinum => 3,
                Edition::Serverless => 4,
            },
            create_time: instance.created.0,
        };
        let instances = visible(context, &Self::ROW).await?.into_iter().map(reply).collect();
        Ok(VendorInstanceList { code: "200", success: "true", message: "operation success.", instances })
    }
}
