//! OIDC: whether an identity provider's token is what it says, by the provider's published keys.
//!
//! What is checked: the signature by a key of the issuer, `iss`, `aud` among the provider's client IDs, `exp`, `nbf`, `iat` not
//! longer ago than the provider allows. The algorithms are RSA and ECDSA ones of the list below; `none` and shared secrets are
//! none of them. Keys come from the issuer's discovery document ([`super::issuer`]).
//!
//! Signatures are ring's, which TLS uses here too: the token's form is three texts with dots between them. Why no library does it:
//! docs/adr/0009-federation-by-ring.md.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature;
use serde::Deserialize;
use sluice_model::UnixMs;

/// The longest token that is looked at, bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How far the provider's clock may be ahead, milliseconds.
const AHEAD_MS_MAX: i64 = 5 * 60 * 1000;

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcFault {
    /// It is not this provider's, or not what was signed.
    #[error("the OIDC token is not valid: {0}")]
    Invalid(&'static str),
    /// Its time is over.
    #[error("the OIDC token is expired")]
    Expired,
    /// The provider's keys cannot be had.
    #[error("the keys of the identity provider cannot be read: {0}")]
    Provider(String),
}

/// What a token says, once it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcClaims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// Those of `aud`.
    pub audiences: Vec<String>,
    /// `iat`.
    pub issued: UnixMs,
    /// `exp`.
    pub expires: UnixMs,
}

/// What a token has to be for a provider.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_ids: &'a [String],
    pub(crate) issued_ms_max: i64,
    pub(crate) now: UnixMs,
}

/// A published key, as a JSON Web Key.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Jwk {
    pub(crate) kid: Option<String>,
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that whoever does not know them must refuse. RFC 7515, section 4.1.11.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// A token taken apart; nothing of it is believed yet.
pub(crate) struct Token<'t> {
    signed: &'t str,
    signature: Vec<u8>,
    header: Header,
    payload: Vec<u8>,
}

impl<'t> Token<'t> {
    pub(crate) fn read(text: &'t str) -> Result<Self, OidcFault> {
        let wrong = || OidcFault::Invalid("it is no JSON Web Token");
        if text.len() > TOKEN_BYTES_MAX {
            return Err(wrong());
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(wrong)?;
        let (header, payload) = signed.split_once('.').ok_or_else(wrong)?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| wrong());
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| wrong())?;
        if header.crit.is_some() {
            return Err(OidcFault::Invalid("it has critical extensions"));
        }
        Ok(Self { signed, signature: decoded(signature)?, header, payload: decoded(payload)? })
    }

    /// Which key signed it, as it says.
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Whether one of these keys may have signed it, by their names.
    pub(crate) fn names_one_of(&self, keys: &[Jwk]) -> bool {
        keys.iter().any(|key| key.kid.as_deref() == self.key_id())
    }

    /// Verifies the signature by one of the keys, then compares what it says.
    pub(crate) fn verify(&self, keys: &[Jwk], expected: &Expected<'_>) -> Result<OidcClaims, OidcFault> {
        let named = keys.iter().filter(|key| self.key_id().is_none() || key.kid.as_deref() == self.key_id());
        if !named
            .filter(|key| key.usage.as_deref().is_none_or(|usage| usage == "sig"))
            .any(|key| self.is_signed_by(key))
        {
            return Err(OidcFault::Invalid("no key of the issuer made its signature"));
        }
        let claims: Claims = serde_json::from_slice(&self.payload)
            .map_err(|_| OidcFault::Invalid("iss, sub, aud, exp or iat is missing or of another type"))?;
        let at = |seconds: i64| UnixMs(seconds.saturating_mul(1_000));
        let (expires, issued, now) = (at(claims.exp), at(claims.iat), expected.now);
        if claims.iss != expected.issuer {
            return Err(OidcFault::Invalid("another issuer made it"));
        }
        let audiences = match claims.aud {
            Audience::One(one) => vec![one],
            Audience::Many(many) => many,
        };
        if !audiences.iter().any(|audience| expected.client_ids.contains(audience)) {
            return Err(OidcFault::Invalid("it is for none of the provider's client IDs"));
        }
        if expires <= now {
            return Err(OidcFault::Expired);
        }
        let latest = now.0.saturating_add(AHEAD_MS_MAX);
        if issued.0 > latest || claims.nbf.is_some_and(|not_before| at(not_before).0 > latest) {
            return Err(OidcFault::Invalid("it is not valid yet"));
        }
        if now.0.saturating_sub(issued.0) > expected.issued_ms_max {
            return Err(OidcFault::Expired);
        }
        if claims.sub.is_empty() {
            return Err(OidcFault::Invalid("its subject is empty"));
        }
        Ok(OidcClaims { issuer: claims.iss, subject: claims.sub, audiences, issued, expires })
    }

    fn is_signed_by(&self, key: &Jwk) -> bool {
        let part = |text: &Option<String>| text.as_deref().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let message = self.signed.as_bytes();
        match (self.header.alg.as_str(), key.kty.as_str(), key.crv.as_deref()) {
            (alg, "RSA", _) => {
                let Some(algorithm) = rsa(alg) else { return false };
                let (Some(n), Some(e)) = (part(&key.n), part(&key.e)) else { return false };
                signature::RsaPublicKeyComponents { n, e }.verify(algorithm, message, &self.signature).is_ok()
            }
            (alg @ ("ES256" | "ES384"), "EC", Some(curve)) => {
                let algorithm: &signature::EcdsaVerificationAlgorithm = match (alg, curve) {
                    ("ES256", "P-256") => &signature::ECDSA_P256_SHA256_FIXED,
                    ("ES384", "P-384") => &signature::ECDSA_P384_SHA384_FIXED,
                    _ => return false,
                };
                let (Some(x), Some(y)) = (part(&key.x), part(&key.y)) else { return false };
                // An uncompressed point. SEC 1, section 2.3.3.
                let point = [&[4][..], &x, &y].concat();
                signature::UnparsedPublicKey::new(algorithm, point).verify(message, &self.signature).is_ok()
            }
            _ => false,
        }
    }
}

fn rsa(alg: &str) -> Option<&'static signature::RsaParameters> {
    Some(match alg {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
