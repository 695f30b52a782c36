//! One operation: its row, its typed input and output, and the one way through it.
//!
//! Invariant: nothing of an operation runs, and nothing is read for it, before [`gate::authorize`] has said yes to the
//! row's actions on what [`Act::ask`] names. [`call`] is the only caller of [`Act::run`]; doors reach it by the registry,
//! the console by [`call`] with a typed input.

use std::{fmt, pin::Pin};

use serde::{Serialize, Serializer};
use sluice_access::Peer;
use sluice_model::{AccountId, Action, Resource, Service};

use crate::{ActionContext, ActionError, AnonymousContext, Params, gate, gate::Ask, gate::Granted};

/// How often an operation is asked for, while its caller's rights change at each try.
const ASKED_MAX: u32 = 5;

/// The products served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Resource Access Management.
    Ram,
    /// Security Token Service.
    Sts,
    /// ApsaraMQ for MQTT.
    OnsMqtt,
    /// Identity Management Service: the providers that vouch for others.
    Ims,
}

impl Product {
    /// The API version, which with the action's name finds an operation.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Ram => "2015-05-01",
            Self::Sts => "2015-04-01",
            Self::OnsMqtt => "2020-04-20",
            Self::Ims => "2019-08-15",
        }
    }

    /// All of it in an account, where an operation names nothing closer.
    #[must_use]
    pub fn whole(self, account: AccountId) -> Resource {
        match self {
            Self::OnsMqtt => Resource::Service(account, Service::Mq),
            Self::Ram | Self::Ims => Resource::Service(account, Service::Ram),
            Self::Sts => Resource::Service(account, Service::Sts),
        }
    }
}

/// Whether a parameter must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Its absence is an error.
    Required,
    /// It may be absent.
    Optional,
    /// The vendor has it, this version does not: giving it is an error, so that it is never silently ignored.
    NotServed,
}

/// One parameter of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As on the wire.
    pub name: &'static str,
    /// Whether it must be given.
    pub need: Need,
}

/// A required parameter.
pub(crate) const fn required(name: &'static str) -> Parameter {
    Parameter { name, need: Need::Required }
}

/// An optional parameter.
pub(crate) const fn optional(name: &'static str) -> Parameter {
    Parameter { name, need: Need::Optional }
}

/// A parameter that is refused.
pub(crate) const fn not_served(name: &'static str) -> Parameter {
    Parameter { name, need: Need::NotServed }
}

/// What the registry knows of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Whose operation it is.
    pub product: Product,
    /// The `Action` on the wire.
    pub name: &'static str,
    /// RAM actions asked: an Allow of any grants, a Deny of any forbids. Empty: every caller may, for itself alone.
    pub actions: &'static [Action],
    /// On what they are asked, in words with the parameters' names.
    pub resource: &'static str,
    /// The parameters.
    pub parameters: &'static [Parameter],
}

/// An operation as a type: the value is its input.
pub trait Act: Clone + Send + Sync {
    /// Its row.
    const ROW: Row;
    /// Its reply, without `RequestId`.
    type Output: Serialize + Send + 'static;

    /// Reads the input; nothing but syntax is checked.
    ///
    /// # Errors
    /// What is missing or wrong.
    fn read(params: &Params) -> Result<Self, ActionError>;

    /// On what the row's actions are asked.
    fn ask(&self, context: &ActionContext) -> Ask;

    /// Does it. Called by [`call`] alone, with the permits that [`Act::ask`] led to.
    fn run(
        self,
        context: &ActionContext,
        granted: Granted,
    ) -> impl Future<Output = Result<Self::Output, ActionError>> + Send;
}

/// An operation that nobody signs: it proves by its own parameters who comes, and asks what that gives. The value is its input.
pub trait Anonymous: Sized + Send + Sync {
    /// Its row; it names no actions.
    const ROW: Row;
    /// Its reply, without `RequestId`.
    type Output: Serialize + Send + 'static;

    /// Reads the input; nothing but syntax is checked.
    ///
    /// # Errors
    /// What is missing or wrong.
    fn read(params: &Params) -> Result<Self, ActionError>;

    /// Verifies the proof, asks, does.
    fn run(self, context: &AnonymousContext) -> impl Future<Output = Result<Self::Output, ActionError>> + Send;
}

/// Asks, then does: what every door goes through.
///
/// # Errors
/// [`ActionError::Denied`] before anything is read; then what the operation answers.
pub async fn call<A: Act>(context: &ActionContext, input: A) -> Result<A::Output, ActionError> {
    let ask = input.ask(context);
    let mut asking = context.clone();
    let mut asked = 0;
    let outcome = loop {
        let granted = gate::authorize(&asking, &A::ROW, &ask)?;
        let outcome = input.clone().run(&asking, granted).await.map_err(|error| gate::hide(&asking, &A::ROW, error));
        asked += 1;
        if asked == ASKED_MAX || !matches!(outcome, Err(ActionError::PermitOutdated)) {
            break outcome;
        }
        // It waited, for a hash or for its turn in the account: it is asked as if it came now.
        asking.now = context.access().clock().now();
    };
    let (operation, request_id) = (A::ROW.name, context.request_id());
    let principal = context.caller().principal();
    match &outcome {
        Ok(_) => tracing::debug!(operation, %principal, %request_id, "done"),
        Err(ActionError::Internal) => tracing::error!(operation, %principal, %request_id, "an operation failed"),
        Err(ActionError::Code(code)) if code.is_refusal() => gate::tell_refused(context, &A::ROW, &ask, *code),
        Err(error) => tracing::debug!(operation, %principal, %request_id, code = error.code(), "not done"),
    }
    outcome
}

/// Whether [`call`] would be let through; for a page that offers only what may be used.
///
/// # Errors
/// The refusal that [`call`] would answer with.
pub fn permitted<A: Act>(context: &ActionContext, input: &A) -> Result<(), ActionError> {
    let asking = ActionContext { in_earnest: false, ..context.clone() };
    gate::authorize(&asking, &A::ROW, &input.ask(context)).map(drop)
}

/// A reply of any operation, for a door to render.
pub struct Reply(Box<dyn erased_serde::Serialize + Send>);

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased_serde::serialize(&*self.0, serializer)
    }
}

impl fmt::Debug for Reply {
    /// A reply may hold a new secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<Reply, ActionError>> + Send + 'a>>;

/// A row with its handler.
pub struct Operation {
    /// The row.
    pub row: Row,
    handler: Handler,
}

/// How an operation is called.
enum Handler {
    Signed(for<'a> fn(&'a ActionContext, &'a Params) -> Outcome<'a>),
    Anonymous(for<'a> fn(&'a AnonymousContext, &'a Params) -> Outcome<'a>),
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.row.fmt(f)
    }
}

impl Operation {
    /// The registry's entry of an operation.
    pub(crate) const fn of<A: Act + 'static>() -> Self {
        Self { row: A::ROW, handler: Handler::Signed(|context, params| Box::pin(handle::<A>(context, params))) }
    }

    /// The registry's entry of an operation that nobody signs.
    pub(crate) const fn of_anonymous<A: Anonymous + 'static>() -> Self {
        let handler = Handler::Anonymous(|context, params| Box::pin(handle_anonymous::<A>(context, params)));
        Self { row: A::ROW, handler }
    }

    /// Whether nobody has to sign it.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.handler, Handler::Anonymous(_))
    }

    /// Runs an operation that nobody signed.
    ///
    /// # Errors
    /// What is wrong with the parameters or the proof; [`ActionError::Internal`] for an operation that needs a signature.
    pub async fn run_anonymous(&self, context: &AnonymousContext, params: &Params) -> Result<Reply, ActionError> {
        match self.handler {
            Handler::Anonymous(handler) => handler(context, params).await,
            Handler::Signed(_) => Err(ActionError::Internal),
        }
    }

    /// Reads the parameters, asks, does.
    ///
    /// # Errors
    /// As [`call`], and what is wrong with the parameters.
    pub async fn run(&self, context: &ActionContext, params: &Params) -> Result<Reply, ActionError> {
        match self.handler {
            Handler::Signed(handler) => handler(context, params).await,
            // A signature more than it needs: it is as if there was none.
            Handler::Anonymous(handler) => {
                let caller = context.caller();
                let addr = caller.source_ip().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
                let anonymous = AnonymousContext {
                    peer: Peer { addr, secure: caller.secure_transport() },
                    request_id: context.request_id.clone(),
                    now: context.now,
                    services: context.services.clone(),
                };
                handler(&anonymous, params).await
            }
        }
    }
}

async fn handle<A: Act>(context: &ActionContext, params: &Params) -> Result<Reply, ActionError> {
    let input = check_served::<A>(params).and_then(|()| A::read(params));
    let input = input.map_err(|error| gate::hide(context, &A::ROW, error))?;
    let instance = input.ask(context).instance();
    let output = call(context, input).await?;
    // Every successful call of the product counts; the console's pages, which call without parameters, are none.
    // facts/apsaramq-for-mqtt.md section 7.
    if A::ROW.product == Product::OnsMqtt {
        context.services.usage.count_call(context.caller().principal(), instance);
    }
    Ok(Reply(Box::new(output)))
}

async fn handle_anonymous<A: Anonymous>(context: &AnonymousContext, params: &Params) -> Result<Reply, ActionError> {
    let outcome = match A::read(params) {
        Ok(input) => input.run(context).await,
        Err(error) => Err(error),
    };
    let (operation, request_id) = (A::ROW.name, &context.request_id);
    match outcome {
        Ok(output) => {
            tracing::debug!(operation, %request_id, "done");
            Ok(Reply(Box::new(output)))
        }
        Err(error) => {
            tracing::debug!(operation, %request_id, code = error.code(), "not done");
            Err(error)
        }
    }
}

fn check_served<A: Act>(params: &Params) -> Result<(), ActionError> {
    let refused = |parameter: &&Parameter| parameter.need == Need::NotServed && params.given(parameter.name).is_some();
    match A::ROW.parameters.iter().find(refused) {
        Some(parameter) => Err(ActionError::NotServed(parameter.name)),
        None => Ok(()),
    }
}
