//! GetMqttMetaData: what the console's Overview shows.

use serde::Serialize;
use sluice_model::{Action, Resource, Service};

use crate::{Act, ActionContext, ActionError, Ask, Granted, Params, Product, Row};

/// Counts what the account has.
#[derive(Clone, Copy, Debug)]
pub struct GetMqttMetaData;

/// The counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetaData {
    /// Instances.
    pub instance_count: i64,
    /// Parent topics.
    pub topic_count: i64,
    /// Groups.
    pub group_count: i64,
    /// Connected clients.
    pub connection_count: u64,
    /// Subscriptions.
    pub subscription_count: u64,
}

impl Act for GetMqttMetaData {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "GetMqttMetaData",
        actions: &[Action::of("mq:MqttMetaData")],
        resource: "*",
        parameters: &[],
    };
    type Output = MetaData;

    fn read(_params: &Params) -> Result<Self, ActionError> {
        Ok(Self)
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Service(context.account(), Service::Mq))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<MetaData, ActionError> {
        let counted = context.store().counts(context.account()).await?;
        let live = context.services.broker.counts(granted.permit()?);
        Ok(MetaData {
            instance_count: counted.instances,
            topic_count: counted.topics,
            group_count: counted.groups,
            connection_count: live.connections,
            subscription_count: live.subscriptions,
        })
    }
}
