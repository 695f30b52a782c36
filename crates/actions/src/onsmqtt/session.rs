//! One client's connection: QuerySessionByClientId, CloseConnection.

use serde::Serialize;
use sluice_model::{Action, ClientId, InstanceId};

use crate::{Act, ActionContext, ActionError, Ask, Granted, Params, Product, Row, operation::required};

fn read(params: &Params) -> Result<(InstanceId, ClientId), ActionError> {
    Ok((params.instance("InstanceId")?, params.name("ClientId").map_err(ActionError::without_rule)?))
}

/// Whether a client is connected.
#[derive(Clone, Debug)]
pub struct QuerySessionByClientId {
    /// Where.
    pub instance: InstanceId,
    /// Which.
    pub client: ClientId,
}

/// `{OnlineStatus}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OnlineStatus {
    /// Connected now.
    pub online_status: bool,
}

impl Act for QuerySessionByClientId {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "QuerySessionByClientId",
        actions: &[Action::INSTANCE_ACCESS],
        resource: "instance/{InstanceId}",
        parameters: &[required("InstanceId"), required("ClientId")],
    };
    type Output = OnlineStatus;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let (instance, client) = read(params)?;
        Ok(Self { instance, client })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::whole_instance(context.account(), &self.instance)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OnlineStatus, ActionError> {
        let permit = granted.permit()?;
        let online_status = context.services.broker.is_online(permit, &self.instance, &self.client);
        Ok(OnlineStatus { online_status })
    }
}

/// Closes a client's connection. The client may come back.
#[derive(Clone, Debug)]
pub struct CloseConnection {
    /// Where.
    pub instance: InstanceId,
    /// Which.
    pub client: ClientId,
}

/// `{Code, Success, Message}`. The code must be 200, or pop-core throws. wire.md section 6.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Closed {
    /// 200.
    pub code: u32,
    /// `true`: afterwards there is no such connection.
    pub success: bool,
    /// Whether there was one before.
    pub message: &'static str,
}

impl Act for CloseConnection {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "CloseConnection",
        actions: &[Action::of("mq:CloseConnection")],
        resource: "instance/{InstanceId}",
        parameters: &[required("InstanceId"), required("ClientId")],
    };
    type Output = Closed;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let (instance, client) = read(params)?;
        Ok(Self { instance, client })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::whole_instance(context.account(), &self.instance)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Closed, ActionError> {
        let permit = granted.permit()?;
        let was_open = context.services.broker.close_connection(permit, &self.instance, &self.client);
        let message = if was_open { "operation success." } else { "the client was not connected." };
        Ok(Closed { code: 200, success: true, message })
    }
}
