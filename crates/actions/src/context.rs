//! Who asks, under which request, and what operations work on.

use std::{fmt, str::FromStr, sync::Arc};

use serde::Serialize;
use sluice_access::{Access, Change, Peer};
use sluice_broker::Broker;
use sluice_model::{AccountId, InstanceId, Limits, NameError, Principal, UnixMs};
use sluice_policy::{Authority, Caller, Context};
use sluice_store::Store;

use crate::{ActionError, Usage};

/// Where a client reaches this node, as `GetMqttInstance` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Endpoint {
    /// `mqtt`, `mqtts`, `ws`, `wss`, `http`, `https`.
    pub protocol: &'static str,
    /// `HOST:PORT`; MQTT over WebSocket is at `/mqtt` there.
    pub address: String,
}

/// What every operation works on. Cloned cheaply; one for all doors.
#[derive(Clone)]
pub struct Services {
    /// Metadata.
    pub store: Store,
    /// Who is calling, and what is in force.
    pub access: Arc<Access>,
    /// May they.
    pub authority: Authority,
    /// Sessions and messages.
    pub broker: Arc<Broker>,
    /// What is used.
    pub usage: Arc<Usage>,
    /// Where clients reach this node.
    pub endpoints: Arc<[Endpoint]>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Services")
    }
}

impl Services {
    /// The context of one request.
    #[must_use]
    pub fn context(&self, caller: Caller, request_id: RequestId, now: UnixMs) -> ActionContext {
        ActionContext { caller, request_id, now, in_earnest: true, services: self.clone() }
    }
}

/// The context of a request that nobody signed: what proves who comes is among its parameters.
#[derive(Clone, Debug)]
pub struct AnonymousContext {
    /// From where it came.
    pub peer: Peer,
    /// Under which ID.
    pub request_id: RequestId,
    /// When it arrived.
    pub now: UnixMs,
    /// What operations work on.
    pub services: Services,
}

/// The context of one request: first argument of every operation.
#[derive(Clone, Debug)]
pub struct ActionContext {
    pub(crate) caller: Caller,
    pub(crate) request_id: RequestId,
    pub(crate) now: UnixMs,
    /// Whether the operation is wanted, not only asked about.
    pub(crate) in_earnest: bool,
    pub(crate) services: Services,
}

impl ActionContext {
    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Under which ID.
    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// What the conditions of a question under this request read besides its caller.
    pub(crate) fn conditions(&self) -> Context {
        Context { in_earnest: self.in_earnest, ..Context::at(self.now) }
    }

    pub(crate) fn account(&self) -> AccountId {
        self.caller.principal().account()
    }

    /// The name of the user who calls; `None` for the account itself, a role, and a user who is gone.
    pub(crate) fn caller_user_name(&self) -> Option<Arc<str>> {
        match self.caller.principal() {
            principal @ Principal::User(..) => self.services.access.name_of(principal),
            Principal::Account(_) | Principal::Role(..) => None,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.services.store
    }

    pub(crate) fn access(&self) -> &Arc<Access> {
        &self.services.access
    }

    /// What an instance may have. One that was deleted since it was asked for is absent.
    pub(crate) fn limits_of(&self, instance: &InstanceId) -> Result<Limits, ActionError> {
        let settings = self.access().instance(self.account(), instance);
        settings.map(|settings| settings.limits).ok_or_else(|| ActionError::AbsentInstance(instance.to_string()))
    }

    /// The one way from a write to its effect: puts what was written in force, then has the live side decide again.
    /// Every operation that writes ends here, before its reply.
    pub(crate) async fn changed(&self, change: Change) {
        let touched = self.services.access.refresh(change).await;
        if !touched.is_empty() {
            self.services.broker.sweep(&touched);
        }
    }
}

/// A request's ID: a UUID in capitals. Source: facts/ram.md section 3.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().hyphenated().to_string().to_ascii_uppercase().into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RequestId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match uuid::Uuid::try_parse(text) {
            Ok(id) => Ok(Self(id.hyphenated().to_string().to_ascii_uppercase().into())),
            Err(_) => Err(NameError::Format { what: "RequestId" }),
        }
    }
}
