//! Why a request never became an operation, with the vendor's code and status.
//!
//! Source: openapi/errors.json `common`; openapi/wire.md sections 4 and 6.

use axum::http::StatusCode;
use sluice_access::AuthError;

/// What the door itself refuses. The peer's fault, each of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DoorError {
    /// A broken percent escape or text that is not UTF-8.
    #[error("a parameter is not percent-encoded UTF-8")]
    Encoding,
    /// Twice the same name, in the query, in the form or in both.
    #[error("a parameter is given more than once")]
    Duplicate,
    /// More than [`crate::parameters::PARAMETERS_MAX`].
    #[error("too many parameters")]
    TooManyParameters,
    /// A common parameter is absent.
    #[error("{0} is mandatory for this action")]
    Missing(&'static str),
    /// A part of a V3 signature is absent, unsigned, given twice or no text.
    #[error("the signature does not hold or cover `{0}`")]
    Incomplete(&'static str),
    /// Neither HMAC-SHA1 version 1.0 nor ACS3-HMAC-SHA256.
    #[error("the signature method is not supported")]
    SignatureMethod,
    /// The hash that was signed is not that of the body.
    #[error(
        "Specified signature is not matched with our calculation. server string to sign is:the body's SHA-256 differs from x-acs-content-sha256"
    )]
    BodyHash,
    /// No such operation in that version.
    #[error("the specified API is not found, please check the Action and Version")]
    UnknownAction,
    /// A method other than GET and POST.
    #[error("only GET and POST are served")]
    Method,
    /// A body over [`crate::door::BODY_BYTES_MAX`].
    #[error("the body is over the limit of {most_bytes} bytes")]
    TooLarge { most_bytes: usize },
    /// The body did not arrive, whole or in time.
    #[error("the body did not arrive")]
    Body,
    /// Whoever calls is not who it says.
    #[error("{}", auth_message(.cause, .string_to_sign))]
    Auth { cause: AuthError, string_to_sign: String },
}

impl DoorError {
    /// Code and HTTP status.
    pub(crate) fn code(&self) -> (String, StatusCode) {
        let bad = StatusCode::BAD_REQUEST;
        let (code, status) = match self {
            Self::Encoding | Self::Duplicate | Self::TooManyParameters => ("InvalidParameter", bad),
            Self::Missing(name) => return (format!("Missing{name}"), bad),
            Self::Incomplete(_) => ("IncompleteSignature", bad),
            Self::SignatureMethod => ("InvalidSignatureMethod", bad),
            Self::BodyHash => ("SignatureDoesNotMatch", bad),
            Self::UnknownAction => ("InvalidAction.NotFound", StatusCode::NOT_FOUND),
            Self::Method => ("UnsupportedHTTPMethod", bad),
            Self::TooLarge { .. } => ("RequestEntityTooLarge", StatusCode::PAYLOAD_TOO_LARGE),
            Self::Body => ("RequestTimeout", StatusCode::REQUEST_TIMEOUT),
            Self::Auth { cause, .. } => auth_code(cause),
        };
        (code.to_owned(), status)
    }
}

fn auth_code(cause: &AuthError) -> (&'static str, StatusCode) {
    let bad = StatusCode::BAD_REQUEST;
    match cause {
        AuthError::UnknownKey => ("InvalidAccessKeyId.NotFound", StatusCode::NOT_FOUND),
        AuthError::InactiveKey => ("InvalidAccessKeyId.Inactive", bad),
        // Ours: the vendor names no code for it. docs/compatibility.md.
        AuthError::SourceNotAllowed => ("InvalidAccessKeyId.SourceIpNotAllowed", StatusCode::FORBIDDEN),
        // The code of RAM's pages for a service that is not active. errors.json, ram_pages.
        AuthError::DisabledAccount => ("Inactive", StatusCode::FORBIDDEN),
        AuthError::SignatureMismatch => ("SignatureDoesNotMatch", bad),
        AuthError::TimestampFormat => ("InvalidTimeStamp.Format", bad),
        AuthError::TimestampExpired => ("InvalidTimeStamp.Expired", bad),
        AuthError::NonceUsed => ("SignatureNonceUsed", bad),
        AuthError::NonceForm => ("IncompleteSignature", bad),
        AuthError::TooManyNonces => ("Throttling", bad),
        AuthError::TokenMissing => ("MissingSecurityToken", bad),
        AuthError::UnknownToken => ("InvalidSecurityToken.Malformed", bad),
        AuthError::Unavailable => ("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE),
        AuthError::TokenMismatch => ("InvalidSecurityToken.MismatchWithAccessKey", bad),
        AuthError::TokenExpired | AuthError::TokenOrphaned => ("InvalidSecurityToken.Expired", bad),
        AuthError::SealedSecret => ("InternalError", StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The old core SDK takes what follows the first colon and compares it with its own string. wire.md section 6.
fn auth_message(cause: &AuthError, string_to_sign: &str) -> String {
    match cause {
        AuthError::SignatureMismatch => format!(
            "Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}"
        ),
        AuthError::SealedSecret => "an internal error occurred".to_owned(),
        other => other.to_string(),
    }
}
