//! AssumeRoleWithOIDC: a session of a role for whom an OIDC issuer vouches. Nobody signs the call: the token is the proof.

use serde::Serialize;
use sluice_access::{OidcFault, OidcProvider};
use sluice_model::{AccountId, ProviderName, RoleSessionName};
use sluice_policy::Context;
use sluice_store::ProviderKind;

use super::assume_role::{Assumed, RoleArn, SessionWish, expect_in_force, open, provider_of_arn, session_name};
use crate::{
    ActionError, Anonymous, AnonymousContext, Code, Params, Product, Row, gate,
    operation::{optional, required},
    time::date,
};

/// Assumes a role by an OIDC token: identity policies have no say, the role's trust policy alone decides.
#[derive(Clone)]
pub struct AssumeRoleWithOIDC {
    /// The role.
    pub role: RoleArn,
    /// The provider's account.
    pub account: AccountId,
    /// The provider's name.
    pub provider: ProviderName,
    /// The token, as it was given.
    pub token: String,
    /// The session's name.
    pub session_name: RoleSessionName,
    /// How long and how narrow.
    pub wish: SessionWish,
}

impl std::fmt::Debug for AssumeRoleWithOIDC {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AssumeRoleWithOIDC({}, {})", self.role.name, self.provider)
    }
}

/// What the token said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TokenInfo {
    /// Those of `aud`, with commas between them.
    pub client_ids: String,
    /// `exp`.
    pub expiration_time: String,
    /// `iat`.
    pub issuance_time: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `Success`.
    pub verification_info: &'static str,
}

/// The session, and what the token said.
#[derive(Debug, Serialize)]
pub struct AssumedWithOidc {
    /// As AssumeRole has it.
    #[serde(flatten)]
    pub assumed: Assumed,
    /// What the token said.
    #[serde(rename = "OIDCTokenInfo")]
    pub token_info: TokenInfo,
}

impl Anonymous for AssumeRoleWithOIDC {
    const ROW: Row = Row {
        product: Product::Sts,
        name: "AssumeRoleWithOIDC",
        actions: &[],
        resource: "the role, whose trust policy alone decides",
        parameters: &[
            required("OIDCProviderArn"),
            required("RoleArn"),
            required("OIDCToken"),
            required("RoleSessionName"),
            optional("DurationSeconds"),
            optional("Policy"),
        ],
    };
    type Output = AssumedWithOidc;

    fn read(params: &Params) -> Result<Self, ActionError> {
        const PROVIDER: &str = "OIDCProviderArn";
        let provider = provider_of_arn(params.text(PROVIDER)?, "oidc");
        let (account, provider) = provider.ok_or(ActionError::invalid(PROVIDER))?;
        Ok(Self {
            role: RoleArn::read(params)?,
            account,
            provider,
            token: params.text("OIDCToken")?.to_owned(),
            session_name: session_name(params)?,
            wish: SessionWish::read(params)?,
        })
    }

    async fn run(self, context: &AnonymousContext) -> Result<AssumedWithOidc, ActionError> {
        let (services, now) = (&context.services, context.now);
        // Before anything is asked of anybody.
        expect_in_force(services, self.account, self.role.account)?;
        let found = services.store.identity_provider(self.account, true, &self.provider).await?;
        let Some(ProviderKind::Oidc { issuer_url, client_ids, fingerprints, issuance_limit_h }) =
            found.map(|provider| provider.kind)
        else {
            return Err(Code::NoOidcProvider.into());
        };
        let provider = OidcProvider {
            account: self.account,
            name: self.provider.as_str(),
            issuer_url: &issuer_url,
            client_ids: &client_ids,
            fingerprints: &fingerprints,
            issuance_limit_h,
        };
        let verified = services.access.verify_oidc(&provider, &self.token, context.peer, now).await;
        let (who, claims) = verified.map_err(|fault| match fault {
            OidcFault::Expired => Code::OidcTokenExpired,
            OidcFault::Invalid(_) => Code::OidcTokenInvalid,
            OidcFault::Provider(_) => Code::IdpMetadataInvalid,
        })?;
        let audiences: Vec<&str> = claims.audiences.iter().map(String::as_str).collect();
        let conditions = Context::at(now)
            .with("oidc:iss", &[&claims.issuer])
            .with("oidc:sub", &[&claims.subject])
            .with("oidc:aud", &audiences);
        let role = (self.role.account, self.role.name.as_str());
        let assumption = services.authority.assume_federated(&who, role, &conditions);
        let assumption = assumption
            .map_err(|reason| gate::refuse_federated(context, &Self::ROW, &who, role, &reason, &conditions))?;
        let assumed = open(services, assumption, self.session_name, self.wish, None, now)?;
        let token_info = TokenInfo {
            client_ids: claims.audiences.join(","),
            expiration_time: date(claims.expires),
            issuance_time: date(claims.issued),
            issuer: claims.issuer,
            subject: claims.subject,
            verification_info: "Success",
        };
        Ok(AssumedWithOidc { assumed, token_info })
    }
}
