//! One instance: GetMqttInstance, UpdateMqttInstance, DeleteMqttInstance.

use serde::{Serialize, Serializer};
use sluice_access::Change;
use sluice_broker::StockFigures;
use sluice_model::{
    Action, Compatibility, DenyAction, Durability, Edition, InstanceId, InstanceName, Limits, OfflineRetention,
};
use sluice_store::{By, Instance, InstanceChange, StoreError};

use crate::{
    Act, ActionContext, ActionError, Ask, Endpoint, Granted, Params, Product, Row,
    onsmqtt::instance::MqttInstance,
    operation::{optional, required},
    ram::Done,
};

/// Shows an instance with its endpoints and limits.
#[derive(Clone, Debug)]
pub struct GetMqttInstance {
    /// Which.
    pub instance: InstanceId,
}

/// `{Instance: {}}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceReply {
    /// The instance.
    pub instance: InstanceDetail,
}

/// An instance with all that there is to know of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceDetail {
    /// As the list shows it.
    #[serde(flatten)]
    pub summary: MqttInstance,
    /// Where this node listens.
    pub endpoints: Vec<Endpoint>,
    /// What the instance and its clients may have at most, by name; -1 is no limit, 1 and 0 are served and not served.
    #[serde(serialize_with = "by_name")]
    pub limits: Limits,
    /// What it keeps now.
    pub stored: Stored,
}

/// Messages that an instance keeps.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Stored {
    /// That wait for somebody or are retained, each counted once.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// That made room for newer ones since the server started, because the instance had as many as it may.
    pub given_up: u64,
    /// That waited longer than they may since the server started, once for each receiver.
    pub expired: u64,
}

impl From<StockFigures> for Stored {
    fn from(stock: StockFigures) -> Self {
        Self { messages: stock.messages, bytes: stock.bytes, given_up: stock.given_up, expired: stock.expired }
    }
}

fn by_name<S: Serializer>(limits: &Limits, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(limits.named())
}

impl Act for GetMqttInstance {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "GetMqttInstance",
        actions: &[Action::of("mq:GetMqttInstance")],
        resource: "instance/{InstanceId}",
        parameters: &[required("InstanceId")],
    };
    type Output = InstanceReply;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { instance: params.instance("InstanceId")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::whole_instance(context.account(), &self.instance)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<InstanceReply, ActionError> {
        let found = context.store().instance(context.account(), &self.instance).await?;
        let instance: Instance = found.ok_or_else(|| ActionError::AbsentInstance(self.instance.to_string()))?;
        let limits = Limits::of(instance.edition, instance.compatibility).keeping(instance.retention);
        let endpoints = context.services.endpoints.to_vec();
        let stored = context.services.broker.stock(granted.permit()?, &self.instance).into();
        Ok(InstanceReply { instance: InstanceDetail { summary: instance.into(), endpoints, limits, stored } })
    }
}

/// Changes an instance's settings; they hold for connected clients from the reply on.
#[derive(Clone, Debug)]
pub struct UpdateMqttInstance {
    /// Which.
    pub instance: InstanceId,
    /// What of it.
    pub change: InstanceChange,
}

impl Act for UpdateMqttInstance {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "UpdateMqttInstance",
        actions: &[Action::of("mq:UpdateMqttInstance")],
        resource: "instance/{InstanceId}",
        parameters: &[
            required("InstanceId"),
            optional("InstanceName"),
            optional("Edition"),
            optional("Compatibility"),
            optional("DenyAction"),
            optional("Durability"),
            optional("OfflineRetentionSeconds"),
            optional("OfflineMessagesMax"),
        ],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let name = params.optional_name::<InstanceName>("InstanceName").map_err(ActionError::without_rule)?;
        let change = InstanceChange {
            name,
            edition: params.optional_word::<Edition>("Edition")?,
            compatibility: params.optional_word::<Compatibility>("Compatibility")?,
            deny_action: params.optional_word::<DenyAction>("DenyAction")?,
            durability: params.optional_word::<Durability>("Durability")?,
            retention_s: params.optional_integer("OfflineRetentionSeconds", OfflineRetention::SECONDS)?,
            offline_messages_max: params.optional_integer("OfflineMessagesMax", OfflineRetention::MESSAGES_MAX)?,
        };
        Ok(Self { instance: params.instance("InstanceId")?, change })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::whole_instance(context.account(), &self.instance)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let account = context.account();
        let (store, by) = (context.store(), By::Permit(granted.permit()?));
        store.update_instance(by, (account, &self.instance), &self.change).await.map_err(|error| match error {
            StoreError::AlreadyExists(_) => ActionError::invalid("InstanceName"),
            other => ActionError::of_instance(other, &self.instance),
        })?;
        context.changed(Change::Instance(account, self.instance)).await;
        Ok(Done {})
    }
}

/// Deletes an instance with its topics and groups; its clients are closed.
#[derive(Clone, Debug)]
pub struct DeleteMqttInstance {
    /// Which.
    pub instance: InstanceId,
}

impl Act for DeleteMqttInstance {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "DeleteMqttInstance",
        actions: &[Action::of("mq:DeleteMqttInstance")],
        resource: "instance/{InstanceId}",
        parameters: &[required("InstanceId")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { instance: params.instance("InstanceId")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::whole_instance(context.account(), &self.instance)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let account = context.account();
        let deleted = context.store().delete_instance(By::Permit(granted.permit()?), account, &self.instance).await;
        deleted.map_err(|error| ActionError::of_instance(error, &self.instance))?;
        context.changed(Change::Instance(account, self.instance)).await;
        Ok(Done {})
    }
}
