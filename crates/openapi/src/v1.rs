//! V1: HMAC-SHA1 over the RPC parameters. Source: openapi/wire.md section 2.

use axum::http::Method;
use sluice_access::{Scheme, SignedRequest};
use sluice_actions::Params;

use crate::{error::DoorError, parameters::canonical_query, percent};

/// The parameter that carries the signature and is not signed itself.
pub(crate) const SIGNATURE: &str = "Signature";

/// What must have been signed.
pub(crate) fn string_to_sign(method: &Method, params: &Params) -> String {
    let query = canonical_query(params, Some(SIGNATURE));
    format!("{method}&%2F&{}", percent::encode(&query))
}

/// Reads the parts of a V1 signature.
///
/// # Errors
/// [`DoorError::Missing`] for an absent part, [`DoorError::SignatureMethod`] for another algorithm.
pub(crate) fn read(method: &Method, params: &Params) -> Result<SignedRequest, DoorError> {
    let part = |name: &'static str| match params.get(name) {
        Some(value) if !value.is_empty() => Ok(value.to_owned()),
        _ => Err(DoorError::Missing(name)),
    };
    let request = SignedRequest {
        scheme: Scheme::V1,
        access_key_id: part("AccessKeyId")?,
        signature: part(SIGNATURE)?,
        timestamp: part("Timestamp")?,
        nonce: part("SignatureNonce")?,
        security_token: params.get("SecurityToken").map(str::to_owned),
        string_to_sign: string_to_sign(method, params),
    };
    let as_said = part("SignatureMethod")?.eq_ignore_ascii_case("HMAC-SHA1") && part("SignatureVersion")? == "1.0";
    if as_said { Ok(request) } else { Err(DoorError::SignatureMethod) }
}
