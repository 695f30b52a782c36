//! The signature of an API request, V1 and V3. Source: openapi/wire.md sections 2 to 4.
//!
//! The door builds the string to sign from the wire; this room holds the secret, the clock and the nonces.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::Sha256;
use sluice_model::{AccessKeyId, UnixMs};
use subtle::ConstantTimeEq;

/// Farthest that a request's timestamp may be from the present: 15 minutes.
pub const TIMESTAMP_SKEW_MS_MAX: i64 = 15 * 60 * 1000;

/// Which of the two schemes signed the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HMAC-SHA1 over the RPC parameters, key `secret&`, base64.
    V1,
    /// ACS3-HMAC-SHA256, key `secret`, lower-case hex.
    V3,
}

/// What a door read from a signed request.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    /// The scheme.
    pub scheme: Scheme,
    /// Who claims to sign.
    pub access_key_id: String,
    /// What must have been signed, built by the door.
    pub string_to_sign: String,
    /// The signature as sent.
    pub signature: String,
    /// `Timestamp` or `x-acs-date` as sent.
    pub timestamp: String,
    /// The nonce as sent.
    pub nonce: String,
    /// A security token, when one came with it.
    pub security_token: Option<String>,
}

/// Why a caller is not known. Each names the API code that a door answers with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// `InvalidAccessKeyId.NotFound`.
    #[error("the AccessKey ID does not exist")]
    UnknownKey,
    /// `InvalidAccessKeyId.Inactive`.
    #[error("the AccessKey is inactive")]
    InactiveKey,
    /// `InvalidAccessKeyId.SourceIpNotAllowed`.
    #[error("the AccessKey may not be used from this address")]
    SourceNotAllowed,
    /// `Inactive`: an operator disabled the account.
    #[error("the account is disabled")]
    DisabledAccount,
    /// `SignatureDoesNotMatch`.
    #[error("the signature does not match")]
    SignatureMismatch,
    /// `InvalidTimeStamp.Format`.
    #[error("the timestamp is not of the form `yyyy-MM-ddTHH:mm:ssZ`")]
    TimestampFormat,
    /// `InvalidTimeStamp.Expired`.
    #[error("the timestamp is more than 15 minutes away")]
    TimestampExpired,
    /// `SignatureNonceUsed`.
    #[error("the nonce was used before")]
    NonceUsed,
    /// `IncompleteSignature`: no nonce or one that is too long.
    #[error("the nonce must have 1 to 128 bytes")]
    NonceForm,
    /// `Throttling`: the account has used up its room of nonces.
    #[error("the account signs more requests than nonces are remembered of it")]
    TooManyNonces,
    /// `MissingSecurityToken`: a temporary key is nothing without its token.
    #[error("a temporary AccessKey needs its security token")]
    TokenMissing,
    /// `InvalidSecurityToken.Malformed`: this server did not make it.
    #[error("the security token is not one of this service")]
    UnknownToken,
    /// `ServiceUnavailable`: the keys in force cannot be read at present.
    #[error("what is in force cannot be read at present")]
    Unavailable,
    /// `InvalidSecurityToken.MismatchWithAccessKey`.
    #[error("the security token belongs to another AccessKey")]
    TokenMismatch,
    /// `InvalidSecurityToken.Expired`.
    #[error("the security token is expired")]
    TokenExpired,
    /// `InvalidSecurityToken.Expired` too: its role is gone.
    #[error("the role of the security token does not exist any more")]
    TokenOrphaned,
    /// `InternalError`: the stored secret does not open.
    #[error("the stored secret does not open")]
    SealedSecret,
}

/// Whether the signature is the one that `secret` makes. Constant time in the signature.
pub(crate) fn matches(request: &SignedRequest, secret: &SecretString) -> bool {
    let expected = match request.scheme {
        Scheme::V1 => {
            let mut mac = Hmac::<Sha1>::new_from_slice(format!("{}&", secret.expose_secret()).as_bytes())
                .expect("HMAC takes a key of any length");
            mac.update(request.string_to_sign.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        }
        Scheme::V3 => {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
                .expect("HMAC takes a key of any length");
            mac.update(request.string_to_sign.as_bytes());
            hex::encode(mac.finalize().into_bytes())
        }
    };
    expected.as_bytes().ct_eq(request.signature.as_bytes()).into()
}

/// Reads `yyyy-MM-ddTHH:mm:ssZ` and compares it with the present.
pub(crate) fn check_timestamp(text: &str, now: UnixMs) -> Result<(), AuthError> {
    let form = text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T';
    let at: jiff::Timestamp = text.parse().map_err(|_| AuthError::TimestampFormat)?;
    if !form {
        return Err(AuthError::TimestampFormat);
    }
    let distance_ms = at.as_millisecond().saturating_sub(now.0).saturating_abs();
    if distance_ms > TIMESTAMP_SKEW_MS_MAX { Err(AuthError::TimestampExpired) } else { Ok(()) }
}

/// The password of MQTT Signature mode: base64 of HMAC-SHA1 of the client ID.
/// Source: facts/apsaramq-for-mqtt.md section 2.
///
/// # Panics
/// Never: HMAC takes a key of any length.
#[must_use]
pub fn mqtt_password(secret: &SecretString, client_id: &str) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(client_id.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Parses an AccessKey ID; one that cannot exist is unknown.
pub(crate) fn key_id(text: &str) -> Result<AccessKeyId, AuthError> {
    text.parse().map_err(|_| AuthError::UnknownKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_passwords_are_the_published_vectors() {
        for (secret, client, expected) in [
            ("XXXXX", "GID_Test@@@0001", "vI009IZJZVGRwBwZvnbwjfuXxVM="),
            ("XXXXX", "GID_AAA@@@BBB001", "WDZKW3yHyb9fiCKeChtgQGLVPMo="),
            ("testSecret", "GID_test@@@0001", "hs25jrBOugn5TdqWlmVzl7f6WSQ="),
        ] {
            assert_eq!(mqtt_password(&secret.into(), client), expected);
        }
    }

    #[test]
    fn a_timestamp_may_be_fifteen_minutes_off_and_no_more() {
        let now = UnixMs(1_767_323_045_000); // 2026-01-02T03:04:05Z
        assert_eq!(check_timestamp("2026-01-02T03:04:05Z", now), Ok(()));
        assert_eq!(check_timestamp("2026-01-02T03:19:05Z", now), Ok(()));
        assert_eq!(check_timestamp("2026-01-02T03:19:06Z", now), Err(AuthError::TimestampExpired));
        assert_eq!(check_timestamp("2026-01-02T02:49:04Z", now), Err(AuthError::TimestampExpired));
        for bad in
            ["", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-13-02T03:04:05Z", "yesterday"]
        {
            assert_eq!(check_timestamp(bad, now), Err(AuthError::TimestampFormat), "{bad}");
        }
    }
}
