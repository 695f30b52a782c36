//! Errors that no operation and no page wrote: no such address, a panic, a time that ran out, a head that cannot be read.
//!
//! Whoever serves the doors keeps an [`Asked`] of each request and lets every response through [`Asked::told`]; a refusal of a
//! head, of which there is no request, is [`Asked::default`]'s. Source: openapi/wire.md section 6, which bears no empty body.

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header},
};
use sluice_actions::RequestId;

use crate::{
    reply::{ReplyTo, host_of},
    v3,
    wire::{self, Format},
};

/// What an error about a request needs of it, kept for when the request itself is gone. Cheap to make.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    uri: Uri,
    host: Option<HeaderValue>,
    is_v3: bool,
}

impl Asked {
    /// Of a request that is still whole.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        Self { uri: request.uri().clone(), host: headers.get(header::HOST).cloned(), is_v3: v3::is_claimed(headers) }
    }

    /// The response as it is, or, when it is an error without a body, with a body that says so.
    #[must_use]
    pub fn told(&self, response: Response<Body>) -> Response<Body> {
        let status = response.status();
        let is_error = status.is_client_error() || status.is_server_error();
        if !is_error || response.body().size_hint().exact() != Some(0) {
            return response;
        }
        let mut told = self.error(status);
        for (name, value) in response.headers() {
            if *name != header::CONTENT_LENGTH && !told.headers().contains_key(name) {
                told.headers_mut().append(name, value.clone());
            }
        }
        told
    }

    /// An error of this status: `{RequestId, HostId, Code, Message, Recommend}`, in the format that was asked for.
    #[must_use]
    pub fn error(&self, status: StatusCode) -> Response<Body> {
        let reply = ReplyTo {
            request_id: RequestId::random(),
            host: host_of(self.host.as_ref(), &self.uri),
            format: if self.is_v3 { Format::Json } else { wire::format_asked(&self.uri, &HeaderMap::new()) },
        };
        let (code, message) = words(status);
        tracing::info!(request_id = %reply.request_id, code, status = status.as_u16(), "a request came to no answer of its own");
        reply.error(status, code, message, None)
    }
}

/// Code and message. Source: openapi/errors.json `common`; `Request…` are ours, docs/compatibility.md.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => ("InvalidApi.NotFound", "the specified API is not found, please check the URL"),
        StatusCode::METHOD_NOT_ALLOWED => ("UnsupportedHTTPMethod", "the method is not served at this URL"),
        StatusCode::REQUEST_TIMEOUT => ("RequestTimeout", "the request was not answered in time"),
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
            "RequestHeadTooLarge",
            "the request's line or its headers are too long or too many; parameters can be sent as a form in the body",
        ),
        StatusCode::SERVICE_UNAVAILABLE => ("ServiceUnavailable", "the service is not available"),
        other if other.is_client_error() => ("RequestMalformed", "the request cannot be read"),
        _ => ("InternalError", "an internal error occurred"),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    async fn text(response: Response<Body>) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn asked(uri: &str) -> Asked {
        Asked::of(&Request::builder().uri(uri).header("host", "h").body(()).unwrap())
    }

    #[tokio::test]
    async fn an_error_without_a_body_gets_one_and_keeps_its_headers() {
        let bare = (StatusCode::METHOD_NOT_ALLOWED, [("allow", "GET"), ("content-length", "0")]).into_response();
        let told = asked("/x").told(bare);
        assert_eq!((told.status(), told.headers()["allow"].as_bytes()), (StatusCode::METHOD_NOT_ALLOWED, &b"GET"[..]));
        assert!(!told.headers().contains_key("content-length"));
        let id = told.headers()["x-acs-request-id"].to_str().unwrap().to_owned();
        let body: serde_json::Value = serde_json::from_str(&text(told).await).unwrap();
        assert_eq!(
            (&body["Code"], &body["HostId"], &body["RequestId"]),
            (&"UnsupportedHTTPMethod".into(), &"h".into(), &id.into())
        );
    }

    #[tokio::test]
    async fn an_error_is_xml_where_xml_was_asked_for() {
        let xml = text(asked("/x?Format=xml").told(StatusCode::NOT_FOUND.into_response())).await;
        assert!(xml.contains("<Error><RequestId>") && xml.contains("<Code>InvalidApi.NotFound</Code>"), "{xml}");
        let request = Request::builder().uri("/x?Format=XML").header("authorization", "ACS3-HMAC-SHA256 x");
        let v3 = Asked::of(&request.body(()).unwrap());
        assert!(text(v3.told(StatusCode::NOT_FOUND.into_response())).await.starts_with('{'));
    }

    #[tokio::test]
    async fn what_has_a_body_or_is_no_error_stays_as_it_is() {
        assert_eq!(text(asked("/").told((StatusCode::NOT_FOUND, "a page").into_response())).await, "a page");
        assert_eq!(text(asked("/").told(StatusCode::NO_CONTENT.into_response())).await, "");
    }
}
