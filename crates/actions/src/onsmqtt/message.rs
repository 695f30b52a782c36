//! SendMessage: publishes without a client, by the same conductor as a PUBLISH.

use std::fmt;

use bytes::Bytes;
use rand::RngExt;
use serde::Serialize;
use sluice_broker::SendFault;
use sluice_model::{Action, InstanceId, LEVELS_MAX, Resource, TopicName, level_count};

use crate::{
    Act, ActionContext, ActionError, Ask, Code, DeniedAs, Granted, Params, Product, Row, gate, operation::required,
};

/// Sends one message at QoS 1.
#[derive(Clone)]
pub struct SendMessage {
    /// Where.
    pub instance: InstanceId,
    /// To which topic; the point-to-point form too.
    pub topic: TopicName,
    /// What; may be empty.
    pub payload: Bytes,
}

impl fmt::Debug for SendMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendMessage").field("topic", &self.topic).field("payload_bytes", &self.payload.len()).finish()
    }
}

/// `{MsgId}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SentMessage {
    /// 32 hexadecimal digits.
    pub msg_id: String,
}

impl Act for SendMessage {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "SendMessage",
        actions: &[Action::SEND_MESSAGE],
        resource: "topic/{InstanceId}/{MqttTopic}",
        parameters: &[required("InstanceId"), required("MqttTopic"), required("Payload")],
    };
    type Output = SentMessage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let payload = params.get("Payload").ok_or(ActionError::Missing("Payload"))?;
        let topic: TopicName = params.name("MqttTopic").map_err(ActionError::without_rule)?;
        if level_count(topic.as_str()) > LEVELS_MAX {
            return Err(ActionError::invalid("MqttTopic"));
        }
        Ok(Self {
            instance: params.instance("InstanceId")?,
            topic,
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let topic = Resource::Topic(context.account(), self.instance.clone(), self.topic.shared());
        Ask::OnInstance(self.instance.clone(), topic)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<SentMessage, ActionError> {
        let permit = granted.permit()?;
        let refused =
            || gate::absent(context, &Self::ROW, permit.action(), permit.resource().to_string(), DeniedAs::Permission);
        if !context.access().topic_exists(context.account(), &self.instance, self.topic.parent()) {
            return Err(refused());
        }
        let broker = &context.services.broker;
        let sent =
            broker.send_message((permit, context.caller()), &self.instance, self.topic, self.payload, context.now);
        match sent.await {
            Ok(()) => Ok(SentMessage { msg_id: format!("{:032X}", rand::rng().random::<u128>()) }),
            Err(SendFault::Refused) => Err(refused()),
            Err(SendFault::Topic) => Err(ActionError::invalid("MqttTopic")),
            Err(SendFault::TooMany) => Err(Code::TooManyMessages.into()),
            Err(SendFault::NotStored(fault)) => {
                tracing::error!(request_id = %context.request_id, %fault, "a message is not stored");
                Err(Code::SendMessageFailed.into())
            }
            Err(SendFault::TooLarge) => Err(ActionError::invalid("Payload")),
        }
    }
}
