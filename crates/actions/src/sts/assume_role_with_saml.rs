//! AssumeRoleWithSAML: a session of a role for whom a SAML provider vouches. Nobody signs the call: the assertion is the proof.

use serde::Serialize;
use sluice_access::{SamlClaims, SamlFault};
use sluice_model::{AccountId, ProviderName, RoleSessionName, UnixMs};
use sluice_policy::Context;
use sluice_store::ProviderKind;

use super::assume_role::{Assumed, RoleArn, SessionWish, expect_in_force, open, provider_of_arn};
use crate::{
    ActionError, Anonymous, AnonymousContext, Code, Params, Product, Row, gate, limits,
    operation::{optional, required},
};

/// Assumes a role by a SAML assertion: identity policies have no say, the role's trust policy alone decides.
#[derive(Clone)]
pub struct AssumeRoleWithSAML {
    /// The role.
    pub role: RoleArn,
    /// The provider's account.
    pub account: AccountId,
    /// The provider's name.
    pub provider: ProviderName,
    /// The Response or Assertion, base64.
    pub assertion: String,
    /// How long and how narrow.
    pub wish: SessionWish,
    /// Whether `DurationSeconds` was given.
    pub is_duration_said: bool,
}

impl std::fmt::Debug for AssumeRoleWithSAML {
    /// Without the assertion.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AssumeRoleWithSAML({}, {})", self.role.name, self.provider)
    }
}

/// What the assertion said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssertionInfo {
    /// The provider's entity ID.
    pub issuer: String,
    /// To where it was sent.
    pub recipient: String,
    /// The `NameID`.
    pub subject: String,
    /// Its format, without the prefix of the formats of SAML 2.0.
    pub subject_type: String,
}

/// The session, and what the assertion said.
#[derive(Debug, Serialize)]
pub struct AssumedWithSaml {
    /// As AssumeRole has it.
    #[serde(flatten)]
    pub assumed: Assumed,
    /// What the assertion said.
    #[serde(rename = "SAMLAssertionInfo")]
    pub assertion_info: AssertionInfo,
}

impl AssumeRoleWithSAML {
    /// The assertion must name this very role with this very provider.
    fn is_named_by(&self, claims: &SamlClaims) -> bool {
        let role = format!("acs:ram::{}:role/{}", self.role.account, self.role.name);
        claims.roles.iter().any(|(named, provider)| {
            *named == role
                && provider_of_arn(provider, "saml").is_some_and(|(a, name)| a == self.account && name == self.provider)
        })
    }

    /// How long the session is: what was wished, or else what the assertion says, and in no case beyond the assertion or the
    /// role's `of_role_max`. Only what was sent is refused for being beyond the role's.
    fn seconds(&self, claims: &SamlClaims, of_role_max: u32, now: UnixMs) -> Result<u32, ActionError> {
        let of_assertion = claims.session_s.unwrap_or(u32::MAX);
        if of_assertion < limits::SESSION_S_MIN {
            return Err(Code::SamlAssertionInvalid.into());
        }
        let wished = match claims.session_s {
            Some(seconds) if !self.is_duration_said => seconds,
            _ => self.wish.seconds,
        };
        if self.is_duration_said && wished > of_role_max {
            return Err(ActionError::invalid("DurationSeconds"));
        }
        let left = claims.session_until.map_or(i64::MAX, |until| until.0.saturating_sub(now.0) / 1_000);
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let seconds = wished.min(of_role_max).min(of_assertion).min(left);
        if seconds == 0 { Err(Code::SamlAssertionExpired.into()) } else { Ok(seconds) }
    }
}

impl Anonymous for AssumeRoleWithSAML {
    const ROW: Row = Row {
        product: Product::Sts,
        name: "AssumeRoleWithSAML",
        actions: &[],
        resource: "the role, whose trust policy alone decides",
        parameters: &[
            required("SAMLProviderArn"),
            required("RoleArn"),
            required("SAMLAssertion"),
            optional("DurationSeconds"),
            optional("Policy"),
        ],
    };
    type Output = AssumedWithSaml;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let given = |name: &'static str, missing: Code| params.given(name).ok_or(ActionError::from(missing));
        let provider = given("SAMLProviderArn", Code::MissingSamlProviderArn)?;
        given("RoleArn", Code::MissingRoleArn)?;
        let assertion = given("SAMLAssertion", Code::MissingSamlAssertion)?;
        let (account, provider) = provider_of_arn(provider, "saml").ok_or(ActionError::invalid("SAMLProviderArn"))?;
        Ok(Self {
            role: RoleArn::read(params)?,
            account,
            provider,
            assertion: assertion.to_owned(),
            wish: SessionWish::read(params)?,
            is_duration_said: params.given("DurationSeconds").is_some(),
        })
    }

    async fn run(self, context: &AnonymousContext) -> Result<AssumedWithSaml, ActionError> {
        let (services, now) = (&context.services, context.now);
        expect_in_force(services, self.account, self.role.account)?;
        let found = services.store.identity_provider(self.account, false, &self.provider).await?;
        let Some(ProviderKind::Saml { metadata }) = found.map(|provider| provider.kind) else {
            return Err(Code::NoSamlProvider.into());
        };
        let of = (self.account, self.provider.as_str());
        let (who, claims) =
            services.access.verify_saml(of, &metadata, &self.assertion, context.peer, now).map_err(|fault| {
                tracing::debug!(account = %self.account, provider = %self.provider, %fault, "an assertion is refused");
                match fault {
                    SamlFault::Expired => Code::SamlAssertionExpired,
                    SamlFault::Invalid(_) => Code::SamlAssertionInvalid,
                    SamlFault::Metadata(_) => Code::IdpMetadataInvalid,
                }
            })?;
        if !self.is_named_by(&claims) {
            return Err(Code::SamlAssertionInvalid.into());
        }
        let name: RoleSessionName = claims.session_name.parse().map_err(|_| ActionError::invalid("RoleSessionName"))?;
        // The provider has named the role: that its own account has none tells it nothing new.
        if self.role.account == self.account && services.store.role(self.account, &self.role.name).await?.is_none() {
            return Err(Code::NoRoleArn.into());
        }
        let conditions = Context::at(now).with("saml:recipient", &[&claims.recipient]);
        let role = (self.role.account, self.role.name.as_str());
        let assumption = services.authority.assume_federated(&who, role, &conditions);
        let assumption = assumption
            .map_err(|reason| gate::refuse_federated(context, &Self::ROW, &who, role, &reason, &conditions))?;
        let seconds = self.seconds(&claims, assumption.role().session_s_max, now)?;
        let wish = SessionWish { seconds, ..self.wish };
        let assumed = open(services, assumption, name, wish, None, now)?;
        let SamlClaims { issuer, subject, subject_type, recipient, .. } = claims;
        Ok(AssumedWithSaml { assumed, assertion_info: AssertionInfo { issuer, recipient, subject, subject_type } })
    }
}
