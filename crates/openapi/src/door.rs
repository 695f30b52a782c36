//! The routes on `/`: read, know the caller, dispatch, write.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{Method, Response, header, request::Parts},
    response::{IntoResponse, Redirect},
    routing::any,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sluice_access::{Access, AuthError, NotLetIn, Peer, Told};
use sluice_actions::{ActionError, AnonymousContext, Operation, RequestId, Services, find};
use sluice_model::{Action, UnixMs};
use sluice_policy::{Caller, Context};

use crate::{
    error::DoorError,
    reply::{ReplyTo, host_of},
    wire::{self, Call},
};

/// Largest body that is read.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longest that a body may take to arrive.
const BODY_WAIT_S_MAX: u64 = 30;

/// What the door needs.
#[derive(Clone, Debug)]
pub struct OpenApi {
    /// Who is calling, and the clock.
    pub access: Arc<Access>,
    /// What the operations work on.
    pub services: Services,
}

/// `/` for the three products, GET and POST. Whoever serves it puts a [`Peer`] into each request's extensions.
pub fn routes(state: OpenApi) -> Router {
    Router::new().route("/", any(root)).with_state(state)
}

async fn root(State(api): State<OpenApi>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if wire::is_browser(&parts.method, &parts.uri, &parts.headers) {
        return Redirect::to("/console/").into_response();
    }
    let reply = ReplyTo {
        request_id: RequestId::random(),
        host: host_of(parts.headers.get(header::HOST), &parts.uri),
        format: wire::format_asked(&parts.uri, &parts.headers),
    };
    let now = api.access.clock().now();
    let refused = |reply: &ReplyTo, error: &DoorError| log_refusal(reply, error, reply.door_error(error));
    match read(&parts, body).await {
        Ok(call) => answer(&api, &parts, call, reply, now).await,
        Err(error) => refused(&reply, &error),
    }
}

async fn read(parts: &Parts, body: Body) -> Result<Call, DoorError> {
    if parts.method != Method::GET && parts.method != Method::POST {
        return Err(DoorError::Method);
    }
    let body = read_body(body).await?;
    wire::read(&parts.method, &parts.uri, &parts.headers, &body)
}

async fn read_body(body: Body) -> Result<Bytes, DoorError> {
    let all = Limited::new(body, BODY_BYTES_MAX).collect();
    let read = tokio::time::timeout(Duration::from_secs(BODY_WAIT_S_MAX), all).await;
    match read.map_err(|_| DoorError::Body)? {
        Ok(all) => Ok(all.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(DoorError::TooLarge { most_bytes: BODY_BYTES_MAX }),
        Err(_) => Err(DoorError::Body),
    }
}

/// A call that could be read: dispatched on (version, action), then signed for, then run.
async fn answer(api: &OpenApi, parts: &Parts, call: Call, mut reply: ReplyTo, now: UnixMs) -> Response<Body> {
    reply.format = call.format;
    let Some(operation) = find(&call.version, &call.action) else {
        return log_refusal(&reply, &DoorError::UnknownAction, reply.door_error(&DoorError::UnknownAction));
    };
    if call.signed.is_none() && operation.is_anonymous() {
        return answer_anonymous(api, parts, operation, &call, &reply, now).await;
    }
    let caller = match caller_of(api, parts, operation, &call, &reply, now) {
        Ok(Some(caller)) => caller,
        Ok(None) => return reply.action_error(&ActionError::Internal, now),
        Err(error) => return log_refusal(&reply, &error, reply.door_error(&error)),
    };
    let context = api.services.context(caller, reply.request_id.clone(), now);
    match operation.run(&context, &call.params).await {
        Ok(output) => reply.success(operation.row.name, &output),
        Err(error) => reply.action_error(&error, now),
    }
}

/// A call that nobody signed, of an operation that needs no signature.
async fn answer_anonymous(
    api: &OpenApi,
    parts: &Parts,
    operation: &Operation,
    call: &Call,
    reply: &ReplyTo,
    now: UnixMs,
) -> Response<Body> {
    let Some(peer) = parts.extensions.get::<Peer>() else {
        tracing::error!(operation = operation.row.name, "the listener did not say where a request came from");
        return reply.action_error(&ActionError::Internal, now);
    };
    let (request_id, services) = (reply.request_id.clone(), api.services.clone());
    let context = AnonymousContext { peer: *peer, request_id, now, services };
    match operation.run_anonymous(&context, &call.params).await {
        Ok(output) => reply.success(operation.row.name, &output),
        Err(error) => reply.action_error(&error, now),
    }
}

/// Who signed. `Ok(None)` when the listener did not say where the request came from: nothing is decided then.
fn caller_of(
    api: &OpenApi,
    parts: &Parts,
    operation: &Operation,
    call: &Call,
    reply: &ReplyTo,
    now: UnixMs,
) -> Result<Option<Caller>, DoorError> {
    let Some(peer) = parts.extensions.get::<Peer>() else {
        tracing::error!(operation = operation.row.name, "the listener did not say where a request came from");
        return Ok(None);
    };
    let signed = call.signed.as_ref().ok_or_else(|| wire::unsigned(&call.params))?;
    let verified = api.access.authenticate_signed(signed, *peer, now);
    verified.map(Some).map_err(|NotLetIn { why, whose }| {
        if let Some(caller) = whose {
            keep(api, (&caller, operation), &why, &reply.request_id, now);
        }
        DoorError::Auth { cause: why, string_to_sign: signed.string_to_sign.clone() }
    })
}

/// Keeps why a caller whose signature was right is not let in, for its account.
fn keep(api: &OpenApi, asked: (&Caller, &Operation), why: &AuthError, request_id: &RequestId, now: UnixMs) {
    let (caller, Operation { row, .. }) = asked;
    let principal = caller.principal();
    let action = row.actions.first().map_or(row.name, Action::as_str);
    let resource = row.product.whole(principal.account()).to_string();
    let (who, context) = ((caller, api.access.name_of(principal).unwrap_or_default()), Context::at(now));
    let told = Told::without_policy(who, action, resource, why.to_string(), &context);
    api.access.refusals().tell_of_request(told, request_id.as_str());
}

/// Logs that a request was refused before it became an operation; operations log their own refusals.
fn log_refusal(reply: &ReplyTo, error: &DoorError, response: Response<Body>) -> Response<Body> {
    let (code, _) = error.code();
    tracing::info!(request_id = %reply.request_id, code, "an API request was refused");
    response
}
