//! Who is looking: the session that a cookie names.

use axum::{
    extract::FromRequestParts,
    http::{Method, request::Parts},
    response::{IntoResponse, Response},
};
use sluice_access::{ConsoleCaller, Peer};
use sluice_actions::{ActionContext, ActionError, RequestId, Services};

mod fields;

pub(crate) use fields::{Asked, Fields, Posted, known};

use crate::{
    cookies,
    frame::{Frame, Place},
    pages::sign_in,
    parts::Sheet,
    respond,
};

/// Where a request comes from.
pub(crate) struct From(pub(crate) Peer);

impl<S: Sync> FromRequestParts<S> for From {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let peer = parts.extensions.get::<Peer>().copied();
        peer.map(Self).ok_or_else(|| respond::failed(&"the listener did not say where a request came from"))
    }
}

/// Somebody who is signed in, of whom nothing is demanded first.
pub(crate) struct SignedIn {
    pub(crate) console: ConsoleCaller,
    pub(crate) context: ActionContext,
    /// Something was to be done, not a page to be opened.
    is_deed: bool,
}

impl SignedIn {
    /// The frame of a page.
    pub(crate) fn frame(&self, place: Place) -> Frame {
        Frame::of(&self.console, &self.context, place, self.is_deed)
    }

    /// A page, or what stands in its place: a refusal with what is missing, an error of the operation.
    pub(crate) fn answer(&self, place: Place, title: &str, outcome: Result<Sheet, ActionError>) -> Response {
        respond::sheet(self.frame(place), title, outcome)
    }
}

/// Somebody who is signed in; perhaps only to change the password or to bind a device.
pub(crate) struct AnySession {
    pub(crate) console: ConsoleCaller,
    pub(crate) token: String,
    pub(crate) peer: Peer,
}

impl AnySession {
    /// For calls; not to be used while something is demanded of whoever is signed in.
    pub(crate) fn context(&self, services: &Services) -> ActionContext {
        services.context(self.console.caller.clone(), RequestId::random(), services.access.clock().now())
    }
}

impl FromRequestParts<Services> for AnySession {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, services: &Services) -> Result<Self, Response> {
        let From(peer) = From::from_request_parts(parts, services).await?;
        let Some(token) = cookies::read(&parts.headers, cookies::SESSION).map(str::to_owned) else {
            return Err(sign_in::page(&parts.headers, peer, false));
        };
        let now = services.access.clock().now();
        match services.access.console_caller(&token, peer, now).await {
            Ok(Some(console)) => Ok(Self { console, token, peer }),
            Ok(None) => Err(sign_in::page(&parts.headers, peer, false)),
            Err(error) => Err(respond::failed(&error)),
        }
    }
}

impl FromRequestParts<Services> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, services: &Services) -> Result<Self, Response> {
        let AnySession { console, .. } = AnySession::from_request_parts(parts, services).await?;
        if console.must_change_password {
            return Err(respond::see_other("/console/password").into_response());
        }
        if console.must_bind_mfa {
            return Err(respond::see_other("/console/mfa/bind").into_response());
        }
        let now = services.access.clock().now();
        let context = services.context(console.caller.clone(), RequestId::random(), now);
        Ok(Self { console, context, is_deed: parts.method == Method::POST })
    }
}
