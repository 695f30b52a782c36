//! Who is not a principal of an account, and for whom an identity provider vouches: OIDC tokens and SAML assertions.
//!
//! What comes out is a [`Federated`], which only this module makes, after the provider's signature was verified, with what the
//! provider says; whether a role trusts it is `policy`'s question.

use sluice_model::{AccountId, UnixMs};
use sluice_policy::Federated;

use crate::{Access, Peer};

mod documents;
mod issuer;
mod oidc;
mod pinned;
mod saml;

pub use documents::{is_https, is_issuer_url};
pub(crate) use issuer::Issuers;
pub use oidc::{OidcClaims, OidcFault};
pub use saml::{METADATA_BYTES_MAX, SamlClaims, SamlFault, check_metadata};

const HOUR_MS: i64 = 60 * 60 * 1000;

/// An OIDC provider as an account has it.
#[derive(Clone, Copy, Debug)]
pub struct OidcProvider<'a> {
    /// Whose.
    pub account: AccountId,
    /// Its name.
    pub name: &'a str,
    /// `iss` of its tokens.
    pub issuer_url: &'a str,
    /// For whom its tokens may be.
    pub client_ids: &'a [String],
    /// Of certificates of its host, lower-case hex.
    pub fingerprints: &'a [String],
    /// How long ago a token may have been made, hours.
    pub issuance_limit_h: u32,
}

impl Access {
    /// Has issuers of loopback, private and link-local addresses be asked, and plain `http` ones; off at first. The operator's
    /// choice: a tenant names the issuer.
    pub fn allow_local_issuers(&self, allows: bool) {
        self.issuers.allow_local(allows);
    }

    /// Whether this server asks an issuer of this URL. Where a name leads is looked at when it is asked.
    #[must_use]
    pub fn asks_issuer(&self, url: &str) -> bool {
        self.issuers.asks(url)
    }

    /// Whether an OIDC token is the provider's and in time; who comes, and what the token says.
    ///
    /// # Errors
    /// [`OidcFault`].
    pub async fn verify_oidc(
        &self,
        provider: &OidcProvider<'_>,
        token: &str,
        peer: Peer,
        now: UnixMs,
    ) -> Result<(Federated, OidcClaims), OidcFault> {
        let token = oidc::Token::read(token)?;
        let issuer = issuer::Issuer {
            account: provider.account,
            url: provider.issuer_url.to_owned(),
            fingerprints: provider.fingerprints.to_vec(),
        };
        let keys = self.issuers.keys(&issuer, self.clock.steady(now), |keys| token.names_one_of(keys)).await;
        let keys = keys.map_err(OidcFault::Provider)?;
        let expected = oidc::Expected {
            issuer: provider.issuer_url,
            client_ids: provider.client_ids,
            issued_ms_max: i64::from(provider.issuance_limit_h) * HOUR_MS,
            now,
        };
        let claims = token.verify(&keys, &expected)?;
        let named = format!("oidc-provider/{}", provider.name);
        Ok((Federated::verified(provider.account, &named, Some(peer.addr), peer.secure), claims))
    }

    /// Whether a SAML Response or Assertion, in base64, is the provider's, in time and for this service; who comes, and what it says.
    ///
    /// `metadata` is that of the account's provider `name`. An assertion is taken as often as it comes within its life.
    ///
    /// # Errors
    /// [`SamlFault`].
    pub fn verify_saml(
        &self,
        (account, name): (AccountId, &str),
        metadata: &str,
        assertion: &str,
        peer: Peer,
        now: UnixMs,
    ) -> Result<(Federated, SamlClaims), SamlFault> {
        let claims = saml::verify(metadata, assertion, now)?;
        let named = format!("saml-provider/{name}");
        Ok((Federated::verified(account, &named, Some(peer.addr), peer.secure), claims))
    }
}
