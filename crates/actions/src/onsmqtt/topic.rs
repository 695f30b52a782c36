//! Parent topics: CreateMqttTopic, DeleteMqttTopic, ListMqttTopic.

use serde::Serialize;
use sluice_access::Change;
use sluice_model::{AccountId, Action, InstanceId, ParentTopic, Resource};
use sluice_store::{By, Topic};

use crate::{
    Act, ActionContext, ActionError, Ask, Granted, NumberedPage, Params, Product, Row, limits,
    operation::{optional, required},
    ram::Done,
};

fn resource(account: AccountId, instance: &InstanceId, topic: &ParentTopic) -> Resource {
    Resource::Topic(account, instance.clone(), topic.as_str().into())
}

/// Makes a parent topic.
#[derive(Clone, Debug)]
pub struct CreateMqttTopic {
    /// Where.
    pub instance: InstanceId,
    /// Its name.
    pub topic: ParentTopic,
    /// Free text.
    pub remark: String,
}

impl Act for CreateMqttTopic {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "CreateMqttTopic",
        actions: &[Action::of("mq:CreateMqttTopic")],
        resource: "topic/{InstanceId}/{Topic}",
        parameters: &[required("InstanceId"), required("Topic"), optional("Remark")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            instance: params.instance("InstanceId")?,
            topic: params.name("Topic").map_err(ActionError::without_rule)?,
            remark: params
                .limited("Remark", limits::REMARK_CHARACTERS_MAX)
                .map_err(ActionError::without_rule)?
                .unwrap_or_default(),
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::OnInstance(self.instance.clone(), resource(context.account(), &self.instance, &self.topic))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let account = context.account();
        let Self { instance, topic: name, remark } = self;
        let topic = Topic { name, remark, created: context.now };
        let (store, by) = (context.store(), By::Permit(granted.permit()?));
        let most = context.limits_of(&instance)?.parent_topics_max.into();
        let created = store.create_topic(by, (account, &instance), &topic, most).await;
        created.map_err(|error| ActionError::of_instance(error, &instance))?;
        context.changed(Change::Topic(account, instance)).await;
        Ok(Done {})
    }
}

/// Changes a parent topic's remark.
#[derive(Clone, Debug)]
pub struct UpdateMqttTopic {
    /// Where.
    pub instance: InstanceId,
    /// Its name.
    pub topic: ParentTopic,
    /// Free text; an absent one stays as it is, an empty one clears.
    pub remark: Option<String>,
}

impl Act for UpdateMqttTopic {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "UpdateMqttTopic",
        actions: &[Action::of("mq:UpdateMqttTopic")],
        resource: "topic/{InstanceId}/{Topic}",
        parameters: &[required("InstanceId"), required("Topic"), optional("Remark")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let remark = params.limited("Remark", limits::REMARK_CHARACTERS_MAX).map_err(ActionError::without_rule)?;
        let topic = params.name("Topic").map_err(ActionError::without_rule)?;
        Ok(Self { instance: params.instance("InstanceId")?, topic, remark })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::OnInstance(self.instance.clone(), resource(context.account(), &self.instance, &self.topic))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let place = (context.account(), &self.instance);
        let by = By::Permit(granted.permit()?);
        // Nothing that is in force reads a remark, so that nobody has to decide again.
        context.store().update_topic(by, place, &self.topic, self.remark.as_deref()).await?;
        Ok(Done {})
    }
}

/// Deletes a parent topic; whoever published or subscribed there is decided again.
#[derive(Clone, Debug)]
pub struct DeleteMqttTopic {
    /// Where.
    pub instance: InstanceId,
    /// Its name.
    pub topic: ParentTopic,
}

impl Act for DeleteMqttTopic {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "DeleteMqttTopic",
        actions: &[Action::of("mq:DeleteMqttTopic")],
        resource: "topic/{InstanceId}/{Topic}",
        parameters: &[required("InstanceId"), required("Topic")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let topic = params.name("Topic").map_err(ActionError::without_rule)?;
        Ok(Self { instance: params.instance("InstanceId")?, topic })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::OnInstance(self.instance.clone(), resource(context.account(), &self.instance, &self.topic))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let account = context.account();
        let by = By::Permit(granted.permit()?);
        context.store().delete_topic(by, (account, &self.instance), &self.topic).await?;
        context.changed(Change::Topic(account, self.instance)).await;
        Ok(Done {})
    }
}

/// Lists parent topics by name.
#[derive(Clone, Debug)]
pub struct ListMqttTopic {
    /// Where.
    pub instance: InstanceId,
    /// Only those whose name holds this text.
    pub contains: Option<String>,
    /// Which page.
    pub page: NumberedPage,
}

/// A parent topic.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TopicReply {
    /// The name.
    pub topic: String,
    /// Free text.
    pub remark: String,
    /// Unix milliseconds.
    pub create_time: i64,
}

/// `{Topics: [], PageNumber, PageSize, TotalCount}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TopicPage {
    /// Which page.
    pub page_number: u32,
    /// Of which size.
    pub page_size: u32,
    /// How many there are.
    pub total_count: usize,
    /// The topics.
    pub topics: Vec<TopicReply>,
}

impl Act for ListMqttTopic {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "ListMqttTopic",
        actions: &[Action::of("mq:ListMqttTopic")],
        resource: "instance/{InstanceId}",
        parameters: &[required("InstanceId"), optional("Topic"), optional("PageNumber"), optional("PageSize")],
    };
    type Output = TopicPage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let contains = params.given("Topic").map(str::to_owned);
        Ok(Self { instance: params.instance("InstanceId")?, contains, page: NumberedPage::read(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::whole_instance(context.account(), &self.instance)
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<TopicPage, ActionError> {
        let mut topics = context.store().topics(context.account(), &self.instance).await?;
        if let Some(text) = &self.contains {
            topics.retain(|topic| topic.name.as_str().contains(text.as_str()));
        }
        let total_count = topics.len();
        let reply = |topic: Topic| TopicReply {
            topic: topic.name.to_string(),
            remark: topic.remark,
            create_time: topic.created.0,
        };
        let topics = self.page.cut(topics).into_iter().map(reply).collect();
        Ok(TopicPage { page_number: self.page.number, page_size: self.page.size, total_count, topics })
    }
}
