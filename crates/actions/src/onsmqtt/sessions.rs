//! Sessions of an instance, connected and stored: ListMqttSession, ListMqttSubscription, DeleteMqttSession.

use std::collections::HashSet;

use serde::Serialize;
use sluice_broker::{SessionView, SubscriptionView};
use sluice_model::{Action, ClientId, GroupId, InstanceId, TopicFilter, TopicName};

use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, NumberedPage, Params, Product, Row,
    operation::{optional, required},
    principal,
    ram::Done,
};

/// A client as a parameter names it; the open listener's clients, which have no group, too.
fn client(name: &'static str, text: &str) -> Result<ClientId, ActionError> {
    let client = text.parse().or_else(|_| ClientId::ungrouped(text));
    client.map_err(|fault| ActionError::of_name(name, fault).without_rule())
}

fn optional_client(params: &Params) -> Result<Option<ClientId>, ActionError> {
    params.given("ClientId").map(|text| client("ClientId", text)).transpose()
}

/// Whether a subscription is one to this topic: its filter's text, with or without its `$share/{group}/`, or a topic name
/// that it matches. No subscription matches a point-to-point topic. DESIGN section 2, P2P.
fn concerns(filter: &TopicFilter, topic: &str) -> bool {
    let is_text = filter.as_str() == topic || filter.plain() == topic;
    let name = topic.parse::<TopicName>().ok().filter(|name| name.p2p_target().is_none());
    is_text || name.is_some_and(|name| filter.matches(name.as_str()))
}

/// Lists sessions by client ID.
#[derive(Clone, Debug)]
pub struct ListMqttSession {
    /// Where.
    pub instance: InstanceId,
    /// Only clients of this group.
    pub group: Option<GroupId>,
    /// Only this client.
    pub client: Option<ClientId>,
    /// Only those with a subscription to this topic: the filter's text, or a topic that it matches.
    pub topic: Option<String>,
    /// Only those that are connected, or that are not.
    pub online: Option<bool>,
    /// Which page.
    pub page: NumberedPage,
}

/// A session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionReply {
    /// Its client.
    pub client_id: String,
    /// Connected now.
    pub online: bool,
    /// Its owner: `acs:ram::{account}:root` or `acs:ram::{account}:user/{name}`.
    pub principal: String,
    /// How the owner proved itself.
    pub mode: &'static str,
    /// 3, 4 or 5.
    pub protocol_version: u8,
    /// From where it last connected; empty when not known.
    pub client_ip: String,
    /// When it last connected, Unix milliseconds.
    pub connect_time: i64,
    /// Its subscriptions.
    pub subscription_count: usize,
    /// Messages that wait for it.
    pub queued_count: usize,
    /// Messages that it has not acknowledged.
    pub inflight_count: usize,
    /// When it ends by itself, Unix milliseconds; 0: not while it is connected, or never.
    pub expire_time: i64,
}

/// `{Sessions: [], PageNumber, PageSize, TotalCount}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionPage {
    /// Which page.
    pub page_number: u32,
    /// Of which size.
    pub page_size: u32,
    /// How many there are.
    pub total_count: usize,
    /// The sessions.
    pub sessions: Vec<SessionReply>,
}

impl Act for ListMqttSession {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "ListMqttSession",
        actions: &[Action::of("mq:ListMqttSession")],
        resource: "instance/{InstanceId}",
        parameters: &[
            required("InstanceId"),
            optional("GroupId"),
            optional("ClientId"),
            optional("Topic"),
            optional("Online"),
            optional("PageNumber"),
            optional("PageSize"),
        ],
    };
    type Output = SessionPage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            instance: params.instance("InstanceId")?,
            group: params.optional_name("GroupId").map_err(ActionError::without_rule)?,
            client: optional_client(params)?,
            topic: params.given("Topic").map(str::to_owned),
            online: params.boolean("Online")?,
            page: NumberedPage::read(params)?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::whole_instance(context.account(), &self.instance)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<SessionPage, ActionError> {
        let permit = granted.permit()?;
        let broker = &context.services.broker;
        let subscribers: Option<HashSet<ClientId>> = self.topic.as_deref().map(|topic| {
            let subscriptions = broker.subscriptions(permit, &self.instance, context.now).into_iter();
            subscriptions.filter(|view| concerns(&view.filter, topic)).map(|view| view.client).collect()
        });
        let mut sessions = broker.sessions(permit, &self.instance);
        sessions.retain(|view| {
            self.group.as_ref().is_none_or(|group| view.client.group_str() == group.as_str())
                && self.client.as_ref().is_none_or(|client| view.client == *client)
                && subscribers.as_ref().is_none_or(|clients| clients.contains(&view.client))
                && self.online.is_none_or(|online| view.online == online)
        });
        sessions.sort_by(|a, b| a.client.cmp(&b.client));
        let total_count = sessions.len();
        let sessions = self.page.cut(sessions).into_iter().map(|view| session(context, &view)).collect();
        Ok(SessionPage { page_number: self.page.number, page_size: self.page.size, total_count, sessions })
    }
}

fn session(context: &ActionContext, view: &SessionView) -> SessionReply {
    SessionReply {
        client_id: view.client.to_string(),
        online: view.online,
        principal: principal::shown(context, view.principal),
        mode: view.mode,
        protocol_version: view.protocol_version,
        client_ip: view.source_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        connect_time: view.connected.0,
        subscription_count: view.subscriptions,
        queued_count: view.queued,
        inflight_count: view.in_flight,
        expire_time: view.expires.map_or(0, |at| at.0),
    }
}

/// Lists subscriptions by client ID, then filter.
#[derive(Clone, Debug)]
pub struct ListMqttSubscription {
    /// Where.
    pub instance: InstanceId,
    /// Only this client's.
    pub client: Option<ClientId>,
    /// Only those to this topic: the filter's text, or a topic that it matches.
    pub topic: Option<String>,
    /// Which page.
    pub page: NumberedPage,
}

/// A subscription.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SubscriptionReply {
    /// Whose.
    pub client_id: String,
    /// `$share/{group}/` included.
    pub topic_filter: String,
    /// As granted.
    pub qos: u8,
    /// Whether the owner may hold it now.
    pub allowed: bool,
}

/// `{Subscriptions: [], PageNumber, PageSize, TotalCount}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SubscriptionPage {
    /// Which page.
    pub page_number: u32,
    /// Of which size.
    pub page_size: u32,
    /// How many there are.
    pub total_count: usize,
    /// The subscriptions.
    pub subscriptions: Vec<SubscriptionReply>,
}

impl Act for ListMqttSubscription {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "ListMqttSubscription",
        actions: &[Action::of("mq:ListMqttSubscription")],
        resource: "instance/{InstanceId}",
        parameters: &[
            required("InstanceId"),
            optional("ClientId"),
            optional("Topic"),
            optional("PageNumber"),
            optional("PageSize"),
        ],
    };
    type Output = SubscriptionPage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            instance: params.instance("InstanceId")?,
            client: optional_client(params)?,
            topic: params.given("Topic").map(str::to_owned),
            page: NumberedPage::read(params)?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::whole_instance(context.account(), &self.instance)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<SubscriptionPage, ActionError> {
        let broker = &context.services.broker;
        let mut subscriptions = broker.subscriptions(granted.permit()?, &self.instance, context.now);
        subscriptions.retain(|view| {
            self.client.as_ref().is_none_or(|client| view.client == *client)
                && self.topic.as_deref().is_none_or(|topic| concerns(&view.filter, topic))
        });
        subscriptions.sort_by(|a, b| (&a.client, a.filter.as_str()).cmp(&(&b.client, b.filter.as_str())));
        let total_count = subscriptions.len();
        let reply = |view: SubscriptionView| SubscriptionReply {
            client_id: view.client.to_string(),
            topic_filter: view.filter.as_str().to_owned(),
            qos: view.qos.bits(),
            allowed: view.allowed,
        };
        let subscriptions = self.page.cut(subscriptions).into_iter().map(reply).collect();
        Ok(SubscriptionPage { page_number: self.page.number, page_size: self.page.size, total_count, subscriptions })
    }
}

/// Ends a client's session with all that waits in it; a connected client is closed.
#[derive(Clone, Debug)]
pub struct DeleteMqttSession {
    /// Where.
    pub instance: InstanceId,
    /// Whose.
    pub client: ClientId,
}

impl Act for DeleteMqttSession {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "DeleteMqttSession",
        actions: &[Action::of("mq:DeleteMqttSession")],
        resource: "instance/{InstanceId}",
        parameters: &[required("InstanceId"), required("ClientId")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let client = client("ClientId", params.text("ClientId")?)?;
        Ok(Self { instance: params.instance("InstanceId")?, client })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::whole_instance(context.account(), &self.instance)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        match context.services.broker.delete_session(permit, &self.instance, &self.client, context.now).await {
            Ok(true) => Ok(Done {}),
            Ok(false) => Err(Code::NoSession.into()),
            Err(fault) => {
                tracing::error!(request_id = %context.request_id, %fault, "the end of a session is not in the log");
                Err(ActionError::Internal)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_asks_for_a_filters_text_or_for_what_it_matches() {
        let concerns = |filter: &str, topic: &str| concerns(&filter.parse().unwrap(), topic);
        for (filter, topic) in [
            ("orders/#", "orders/#"),
            ("orders/#", "orders/eu/1"),
            ("orders/#", "orders"),
            ("orders/+/1", "orders/eu/1"),
            ("$share/g/orders/#", "orders/eu"),
            ("$share/g/orders/#", "orders/#"),
            ("$share/g/orders/#", "$share/g/orders/#"),
            ("orders/p2p/GID_aaa@@@1", "orders/p2p/GID_aaa@@@1"),
        ] {
            assert!(concerns(filter, topic), "{filter} for {topic}");
        }
        for (filter, topic) in
            [("orders/#", "orders/+"), ("orders/a", "orders"), ("orders/#", "orders/p2p/GID_aaa@@@1")]
        {
            assert!(!concerns(filter, topic), "{filter} for {topic}");
        }
    }

    #[test]
    fn a_client_of_the_open_listener_can_be_named() {
        assert!(client("ClientId", "sensor 7").is_ok());
        assert_eq!(client("ClientId", "GID_a@@@").unwrap_err().code(), "InvalidParameter.ClientId");
    }
}
