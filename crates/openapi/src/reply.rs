//! Replies and errors as the vendor's SDKs read them. Source: openapi/wire.md section 6.
//!
//! Every body is an object with `RequestId`, never empty; errors are `{RequestId, HostId, Code, Message, Recommend}` and, on
//! a refusal, `AccessDeniedDetail`. XML has the root `{Action}Response` or `Error`.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, Uri, header},
    response::IntoResponse,
};
use serde::Serialize;
use serde_json::{Map, Value};
use sluice_actions::{ActionError, Denial, Reply, RequestId, diagnostic_message};
use sluice_model::UnixMs;

use crate::{error::DoorError, wire::Format, xml};

/// Longest `Host` that an error repeats.
const HOST_BYTES_MAX: usize = 255;

/// What every reply needs to know of its request.
pub(crate) struct ReplyTo {
    pub(crate) request_id: RequestId,
    /// The `Host` that was called, for `HostId`.
    pub(crate) host: String,
    pub(crate) format: Format,
}

/// The host that was called: what the header says, or else the address.
pub(crate) fn host_of(header: Option<&HeaderValue>, uri: &Uri) -> String {
    let named = header.and_then(|host| host.to_str().ok());
    let host = named.or_else(|| uri.host()).unwrap_or_default();
    host.chars().filter(|c| c.is_ascii_graphic()).take(HOST_BYTES_MAX).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody<'a> {
    request_id: &'a str,
    host_id: &'a str,
    code: &'a str,
    message: &'a str,
    recommend: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_denied_detail: Option<Detail<'a>>,
}

/// `AccessDeniedDetail`: the vendor's fields, and ours that name the resource and what decided.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Detail<'a> {
    #[serde(flatten)]
    denial: &'a Denial,
    encoded_diagnostic_message: String,
}

impl ReplyTo {
    /// A success.
    pub(crate) fn success(&self, action: &str, reply: &Reply) -> Response<Body> {
        let mut object = match serde_json::to_value(reply) {
            Ok(Value::Object(object)) => object,
            Ok(_) => Map::new(),
            Err(error) => {
                tracing::error!(request_id = %self.request_id, action, %error, "a reply cannot be written");
                return self.refusal(&ActionError::Internal, None);
            }
        };
        object.insert("RequestId".to_owned(), Value::String(self.request_id.to_string()));
        self.write(StatusCode::OK, &format!("{action}Response"), Value::Object(object))
    }

    /// An operation's refusal; `now` goes into the diagnostic message of one for want of a right.
    pub(crate) fn action_error(&self, error: &ActionError, now: UnixMs) -> Response<Body> {
        let detail = error
            .denial()
            .map(|denial| Detail { denial, encoded_diagnostic_message: diagnostic_message(now, &self.request_id) });
        self.refusal(error, detail)
    }

    fn refusal(&self, error: &ActionError, detail: Option<Detail<'_>>) -> Response<Body> {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.error(status, &error.code(), &error.message(), detail)
    }

    /// The door's own refusal.
    pub(crate) fn door_error(&self, error: &DoorError) -> Response<Body> {
        let (code, status) = error.code();
        self.error(status, &code, &error.to_string(), None)
    }

    /// Any error.
    pub(crate) fn error(
        &self,
        status: StatusCode,
        code: &str,
        message: &str,
        detail: Option<Detail<'_>>,
    ) -> Response<Body> {
        let body = ErrorBody {
            request_id: self.request_id.as_str(),
            host_id: &self.host,
            code,
            message,
            recommend: "",
            access_denied_detail: detail,
        };
        let value = serde_json::to_value(body).expect("texts and numbers under text keys are JSON");
        self.write(status, "Error", value)
    }

    fn write(&self, status: StatusCode, root: &str, body: Value) -> Response<Body> {
        let (text, kind) = match self.format {
            Format::Json => (body.to_string(), "application/json;charset=utf-8"),
            Format::Xml => (xml::document(root, &body), "text/xml;charset=utf-8"),
        };
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let id = HeaderValue::from_str(self.request_id.as_str()).expect("a UUID is a legal header value");
        headers.insert("x-acs-request-id", id);
        response
    }
}
