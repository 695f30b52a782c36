//! V3: ACS3-HMAC-SHA256 over method, path, query, headers and body. Source: openapi/wire.md section 3.

use axum::http::{HeaderMap, HeaderName, Method, header};
use sha2::{Digest, Sha256};
use sluice_access::{Scheme, SignedRequest};
use sluice_actions::Params;

use crate::{error::DoorError, parameters::canonical_query};

/// The one algorithm served; the others of the vendor's client code are off by default there.
const ALGORITHM: &str = "ACS3-HMAC-SHA256";
/// What a signature must cover, so that nothing that is read here can be changed under it.
const MUST_SIGN: [&str; 6] =
    ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"];
/// Signed when it is there at all.
const SECURITY_TOKEN: &str = "x-acs-security-token";

/// Whether the request claims to be signed in this scheme.
pub(crate) fn is_claimed(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
}

/// The parts of the `Authorization` header.
struct Claim<'h> {
    access_key_id: &'h str,
    signed_headers: Vec<&'h str>,
    signature: &'h str,
}

impl<'h> Claim<'h> {
    fn read(headers: &'h HeaderMap) -> Result<Self, DoorError> {
        let text = single(headers, &header::AUTHORIZATION)?;
        let (algorithm, rest) = text.split_once(' ').unwrap_or((text, ""));
        if algorithm != ALGORITHM {
            return Err(DoorError::SignatureMethod);
        }
        let (mut access_key_id, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',') {
            match part.trim().split_once('=') {
                Some(("Credential", value)) => access_key_id = Some(value),
                Some(("SignedHeaders", value)) => signed = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                _ => return Err(DoorError::Incomplete("Authorization")),
            }
        }
        let part =
            |value: Option<&'h str>, name| value.filter(|text| !text.is_empty()).ok_or(DoorError::Incomplete(name));
        Ok(Self {
            access_key_id: part(access_key_id, "Credential")?,
            signed_headers: part(signed, "SignedHeaders")?.split(';').collect(),
            signature: part(signature, "Signature")?,
        })
    }
}

/// The one value of a header: two of a name would leave open which one was signed.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, DoorError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| DoorError::Incomplete("a header's text")),
        _ => Err(DoorError::Incomplete("one value a signed header")),
    }
}

/// The one value of a header named in text.
///
/// # Errors
/// [`DoorError::Incomplete`] when it is absent, given twice or no text.
pub(crate) fn value<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, DoorError> {
    single(headers, &HeaderName::from_static(name)).map_err(|_| DoorError::Incomplete(name))
}

/// The request in canonical form; `body_hash` is that of the body as received.
fn canonical_request(
    method: &Method,
    query: &Params,
    headers: &HeaderMap,
    signed: &[&str],
    body_hash: &str,
) -> Result<String, DoorError> {
    let mut lines = format!("{method}\n/\n{}\n", canonical_query(query, None));
    for name in signed {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| DoorError::Incomplete("SignedHeaders"))?;
        lines.push_str(header.as_str());
        lines.push(':');
        lines.push_str(single(headers, &header)?.trim());
        lines.push('\n');
    }
    lines.push('\n');
    lines.push_str(&signed.join(";").to_ascii_lowercase());
    lines.push('\n');
    lines.push_str(body_hash);
    Ok(lines)
}

/// Reads the parts of a V3 signature.
///
/// # Errors
/// [`DoorError::SignatureMethod`] for another algorithm, [`DoorError::Incomplete`] for an absent or unsigned part,
/// [`DoorError::BodyHash`] when the body is not the one that was signed.
pub(crate) fn read(
    method: &Method,
    query: &Params,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<SignedRequest, DoorError> {
    let claim = Claim::read(headers)?;
    let signs = |name: &str| claim.signed_headers.iter().any(|signed| signed.eq_ignore_ascii_case(name));
    let unsigned = MUST_SIGN.into_iter().find(|name| !signs(name));
    let unsigned =
        unsigned.or_else(|| (headers.contains_key(SECURITY_TOKEN) && !signs(SECURITY_TOKEN)).then_some(SECURITY_TOKEN));
    if let Some(name) = unsigned {
        return Err(DoorError::Incomplete(name));
    }
    for name in MUST_SIGN {
        value(headers, name)?;
    }
    let body_hash = hex::encode(Sha256::digest(body));
    if value(headers, "x-acs-content-sha256")? != body_hash {
        return Err(DoorError::BodyHash);
    }
    let canonical = canonical_request(method, query, headers, &claim.signed_headers, &body_hash)?;
    let token = headers.get(SECURITY_TOKEN).map(|_| value(headers, SECURITY_TOKEN)).transpose()?;
    Ok(SignedRequest {
        scheme: Scheme::V3,
        access_key_id: claim.access_key_id.to_owned(),
        string_to_sign: format!("{ALGORITHM}\n{}", hex::encode(Sha256::digest(canonical))),
        signature: claim.signature.to_owned(),
        timestamp: value(headers, "x-acs-date")?.to_owned(),
        nonce: value(headers, "x-acs-signature-nonce")?.to_owned(),
        security_token: token.map(str::to_owned),
    })
}
