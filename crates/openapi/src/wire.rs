//! What came over HTTP, read as one call: which operation, which parameters, signed how.
//!
//! Telling the schemes apart: an `Authorization` header is V3, a `Signature` parameter is V1, neither is anonymous.
//! Source: openapi/wire.md section 1.

use axum::http::{HeaderMap, Method, Uri, header};
use sluice_access::SignedRequest;
use sluice_actions::Params;

use crate::{error::DoorError, parameters::add_pairs, v1, v3};

/// How the reply is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The default, and all that V3 has.
    Json,
    /// On `Format=XML`, without regard to case.
    Xml,
}

/// One call as it came.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) version: String,
    pub(crate) action: String,
    pub(crate) params: Params,
    /// `None` for an anonymous call.
    pub(crate) signed: Option<SignedRequest>,
    pub(crate) format: Format,
}

/// Reads a call from its parts.
///
/// # Errors
/// What of it is malformed or absent; nothing of it has been verified yet.
pub(crate) fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Call, DoorError> {
    let mut query = Params::default();
    add_pairs(&mut query, uri.query().unwrap_or_default().as_bytes())?;
    if v3::is_claimed(headers) {
        let signed = v3::read(method, &query, headers, body)?;
        let version = v3::value(headers, "x-acs-version")?.to_owned();
        let action = v3::value(headers, "x-acs-action")?.to_owned();
        let params = with_form(query, headers, body)?;
        return Ok(Call { version, action, params, signed: Some(signed), format: Format::Json });
    }
    let params = with_form(query, headers, body)?;
    let part = |name: &'static str| match params.get(name) {
        Some(value) if !value.is_empty() => Ok(value.to_owned()),
        _ => Err(DoorError::Missing(name)),
    };
    if part("Action").is_err() && headers.contains_key("x-acs-action") {
        // The headers of V3 alone, and nothing that signs them: V1 clients send this one besides the parameter.
        return Err(DoorError::Incomplete("Authorization"));
    }
    let (action, version) = (part("Action")?, part("Version")?);
    let signed = params.get(v1::SIGNATURE).map(|_| v1::read(method, &params)).transpose()?;
    let format = format_of(&params);
    Ok(Call { version, action, params, signed, format })
}

/// What is missing of a call that nobody signed and somebody has to. One that names its key has forgotten the signature.
pub(crate) fn unsigned(params: &Params) -> DoorError {
    let names_key = params.get("AccessKeyId").is_some_and(|key| !key.is_empty());
    DoorError::Missing(if names_key { v1::SIGNATURE } else { "AccessKeyId" })
}

/// The format that a call asks for, as far as it can be read: an error about the rest is written in it too.
pub(crate) fn format_asked(uri: &Uri, headers: &HeaderMap) -> Format {
    let mut query = Params::default();
    if v3::is_claimed(headers) || add_pairs(&mut query, uri.query().unwrap_or_default().as_bytes()).is_err() {
        return Format::Json;
    }
    format_of(&query)
}

/// Whether this is a browser that came without a call.
pub(crate) fn is_browser(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let accepts_html = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
    let mut query = Params::default();
    let called =
        add_pairs(&mut query, uri.query().unwrap_or_default().as_bytes()).is_ok() && query.get("Action").is_some();
    method == Method::GET && accepts_html && !called && !v3::is_claimed(headers)
}

fn format_of(params: &Params) -> Format {
    if params.get("Format").is_some_and(|format| format.eq_ignore_ascii_case("xml")) {
        Format::Xml
    } else {
        Format::Json
    }
}

/// Merges the form body, if the body is one. Any other body takes no part in dispatch.
fn with_form(mut params: Params, headers: &HeaderMap, body: &[u8]) -> Result<Params, DoorError> {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM)));
    if is_form {
        add_pairs(&mut params, body)?;
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const V1: &str = "Action=ListUsers&Version=2015-05-01&AccessKeyId=k&Signature=s&Timestamp=t&SignatureNonce=n&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0";

    fn refused(query: &str, headers: &HeaderMap) -> String {
        let uri: Uri = format!("/?{query}").parse().unwrap();
        let error = match read(&Method::GET, &uri, headers, b"") {
            Ok(call) if call.signed.is_none() => unsigned(&call.params),
            Ok(call) => panic!("{call:?} was read"),
            Err(error) => error,
        };
        assert_eq!(error.code().1, 400);
        error.code().0
    }

    #[test]
    fn each_part_of_v1_that_is_absent_or_empty_is_named() {
        for part in V1.split('&') {
            let (name, _) = part.split_once('=').unwrap();
            let others: Vec<&str> = V1.split('&').filter(|other| *other != part).collect();
            let others = others.join("&");
            assert_eq!(refused(&others, &HeaderMap::new()), format!("Missing{name}"));
            assert_eq!(refused(&format!("{others}&{name}="), &HeaderMap::new()), format!("Missing{name}"));
        }
        assert_eq!(refused("Action=ListUsers&Version=2015-05-01", &HeaderMap::new()), "MissingAccessKeyId");
    }

    #[test]
    fn each_part_of_v3_that_is_absent_is_told_as_incomplete() {
        let of = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            let header = |(name, value): &(&'static str, &'static str)| {
                (axum::http::HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            pairs.iter().map(header).collect()
        };
        assert_eq!(
            refused("", &of(&[("x-acs-action", "ListUsers"), ("x-acs-version", "2015-05-01")])),
            "IncompleteSignature"
        );
        for claim in [
            "ACS3-HMAC-SHA256",
            "ACS3-HMAC-SHA256 ",
            "ACS3-HMAC-SHA256 SignedHeaders=host,Signature=s",
            "ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=s",
            "ACS3-HMAC-SHA256 Credential=k,Signature=s",
            "ACS3-HMAC-SHA256 Credential=k,SignedHeaders=host",
            "ACS3-HMAC-SHA256 Credential=k,SignedHeaders=host,Signature=",
            "ACS3-HMAC-SHA256 Credential=k,SignedHeaders=host,Signature=s",
            "ACS3-HMAC-SHA256 Credential=k,SignedHeaders=host;x-acs-action;x-acs-version;x-acs-date;x-acs-signature-nonce;x-acs-content-sha256,Signature=s",
        ] {
            assert_eq!(refused("", &of(&[("host", "h"), ("authorization", claim)])), "IncompleteSignature", "{claim}");
        }
        assert_eq!(refused("", &of(&[("authorization", "Bearer x")])), "InvalidSignatureMethod");
    }
}
