//! OIDC providers: CreateOIDCProvider, GetOIDCProvider, ListOIDCProviders, DeleteOIDCProvider.

use serde::Serialize;
use sluice_access::{is_https, is_issuer_url};
use sluice_model::{AccountId, Action, ProviderName, RamEntity, Resource};
use sluice_store::{By, IdentityProvider, ProviderKind};

use crate::{
    Act, ActionContext, ActionError, Ask, Code, Fault, Granted, NextPage, Page, Params, Product, Row, limits,
    operation::{optional, required},
    ram::Done,
    time::date,
};

fn resource(account: AccountId, name: &str) -> Resource {
    Resource::Ram(account, RamEntity::OidcProvider(name.into()))
}

/// Values with commas between them, each once; commas alone are none.
fn values(params: &Params, name: &'static str, most: usize) -> Result<Vec<String>, ActionError> {
    let mut values: Vec<String> = Vec::new();
    for value in params.given(name).unwrap_or_default().split(',').map(str::trim).filter(|value| !value.is_empty()) {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/');
        if value.len() > limits::PROVIDER_VALUE_CHARACTERS_MAX {
            return Err(ActionError::Invalid { name, fault: Fault::Length });
        }
        if !value.chars().all(legal) || !value.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(ActionError::Invalid { name, fault: Fault::InvalidChars });
        }
        if !values.iter().any(|have| have == value) {
            values.push(value.to_owned());
        }
    }
    if values.len() > most { Err(ActionError::Invalid { name, fault: Fault::Length }) } else { Ok(values) }
}

/// A certificate's SHA-1 or SHA-256 as hex digits, with or without colons.
fn fingerprint(text: &str) -> Option<String> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    let is_digest = matches!(digits.len(), 40 | 64) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then_some(digits)
}

/// A provider as replies show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProviderReply {
    /// Its name.
    #[serde(rename = "OIDCProviderName")]
    pub name: String,
    /// `acs:ram::{account}:oidc-provider/{name}`.
    pub arn: String,
    /// Free text.
    pub description: String,
    /// `iss` of its tokens.
    pub issuer_url: String,
    /// With commas between them.
    pub client_ids: String,
    /// With commas between them.
    pub fingerprints: String,
    /// Hours.
    pub issuance_limit_time: u32,
    /// When it was made.
    pub create_date: String,
    /// When it last changed.
    pub update_date: String,
    /// When it was made, Unix milliseconds in digits.
    pub gmt_create: String,
    /// When it last changed, Unix milliseconds in digits.
    pub gmt_modified: String,
}

impl ProviderReply {
    fn of(account: AccountId, provider: IdentityProvider) -> Result<Self, ActionError> {
        let ProviderKind::Oidc { issuer_url, client_ids, fingerprints, issuance_limit_h } = provider.kind else {
            return Err(ActionError::Internal);
        };
        Ok(Self {
            arn: format!("acs:ram::{account}:oidc-provider/{}", provider.name),
            name: provider.name.to_string(),
            description: provider.description,
            issuer_url,
            client_ids: client_ids.join(","),
            fingerprints: fingerprints.join(","),
            issuance_limit_time: issuance_limit_h,
            create_date: date(provider.created),
            update_date: date(provider.updated),
            gmt_create: provider.created.0.to_string(),
            gmt_modified: provider.updated.0.to_string(),
        })
    }
}

/// `{OIDCProvider}`.
#[derive(Debug, Serialize)]
pub struct OneProvider {
    /// The provider.
    #[serde(rename = "OIDCProvider")]
    pub provider: ProviderReply,
}

/// Makes an OIDC provider.
#[derive(Clone, Debug)]
pub struct CreateOIDCProvider {
    /// Its name.
    pub name: ProviderName,
    /// Free text.
    pub description: String,
    /// `iss` of its tokens.
    pub issuer_url: String,
    /// For whom its tokens may be.
    pub client_ids: Vec<String>,
    /// Of certificates of its host.
    pub fingerprints: Vec<String>,
    /// How long ago a token may have been made, hours.
    pub issuance_limit_h: u32,
}

impl Act for CreateOIDCProvider {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "CreateOIDCProvider",
        actions: &[Action::of("ram:CreateOIDCProvider")],
        resource: "oidc-provider/{OIDCProviderName}",
        parameters: &[
            required("OIDCProviderName"),
            required("IssuerUrl"),
            required("ClientIds"),
            optional("Fingerprints"),
            optional("Description"),
            optional("IssuanceLimitTime"),
        ],
    };
    type Output = OneProvider;

    fn read(params: &Params) -> Result<Self, ActionError> {
        const URL: &str = "IssuerUrl";
        let issuer_url = params.text(URL)?;
        if issuer_url.len() > limits::ISSUER_URL_CHARACTERS_MAX {
            return Err(ActionError::Invalid { name: URL, fault: Fault::Length });
        }
        if !is_issuer_url(issuer_url) {
            return Err(ActionError::Invalid { name: URL, fault: Fault::Format });
        }
        let client_ids = values(params, "ClientIds", limits::CLIENT_IDS_MAX)?;
        if client_ids.is_empty() {
            return Err(ActionError::Missing("ClientIds"));
        }
        let prints = values(params, "Fingerprints", limits::FINGERPRINTS_MAX)?;
        let fingerprints: Option<Vec<String>> = prints.iter().map(|text| fingerprint(text)).collect();
        let hours = params.integer("IssuanceLimitTime", limits::ISSUANCE_H_MAX, limits::ISSUANCE_H_DEFAULT)?;
        Ok(Self {
            name: params.name("OIDCProviderName")?,
            description: params.limited("Description", 256)?.unwrap_or_default(),
            issuer_url: issuer_url.to_owned(),
            client_ids,
            fingerprints: fingerprints.ok_or(ActionError::Invalid { name: "Fingerprints", fault: Fault::Format })?,
            issuance_limit_h: hours,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), self.name.as_str()))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneProvider, ActionError> {
        if !context.access().asks_issuer(&self.issuer_url) {
            return Err(ActionError::Invalid { name: "IssuerUrl", fault: Fault::Format });
        }
        if is_https(&self.issuer_url) && self.fingerprints.is_empty() {
            return Err(ActionError::Missing("Fingerprints"));
        }
        let (permit, account) = (granted.permit()?, context.account());
        let new = IdentityProvider {
            name: self.name,
            description: self.description,
            kind: ProviderKind::Oidc {
                issuer_url: self.issuer_url,
                client_ids: self.client_ids,
                fingerprints: self.fingerprints,
                issuance_limit_h: self.issuance_limit_h,
            },
            created: context.now,
            updated: context.now,
        };
        let most = limits::IDENTITY_PROVIDERS_MAX;
        context.store().create_identity_provider(By::Permit(permit), account, &new, most).await?;
        Ok(OneProvider { provider: ProviderReply::of(account, new)? })
    }
}

/// Shows an OIDC provider.
#[derive(Clone, Debug)]
pub struct GetOIDCProvider {
    /// Its name.
    pub name: ProviderName,
}

impl Act for GetOIDCProvider {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "GetOIDCProvider",
        actions: &[Action::of("ram:GetOIDCProvider")],
        resource: "oidc-provider/{OIDCProviderName}",
        parameters: &[required("OIDCProviderName")],
    };
    type Output = OneProvider;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("OIDCProviderName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), self.name.as_str()))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<OneProvider, ActionError> {
        let provider = context.store().identity_provider(context.account(), true, &self.name).await?;
        let provider = ProviderReply::of(context.account(), provider.ok_or(Code::NoOidcProvider)?)?;
        Ok(OneProvider { provider })
    }
}

/// Lists OIDC providers by name.
#[derive(Clone, Debug)]
pub struct ListOIDCProviders {
    /// Which page.
    pub page: Page,
}

/// `{OIDCProviders: {OIDCProvider: []}, IsTruncated, Marker}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProviderPage {
    /// The providers.
    #[serde(rename = "OIDCProviders")]
    pub providers: ProviderList,
    /// Whether there is a next page, and what leads to it.
    #[serde(flatten)]
    pub next: NextPage,
}

/// `{OIDCProvider: []}`.
#[derive(Debug, Serialize)]
pub struct ProviderList {
    /// The providers.
    #[serde(rename = "OIDCProvider")]
    pub provider: Vec<ProviderReply>,
}

impl Act for ListOIDCProviders {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "ListOIDCProviders",
        actions: &[Action::of("ram:ListOIDCProviders")],
        resource: "oidc-provider/*",
        parameters: &[optional("Marker"), optional("MaxItems")],
    };
    type Output = ProviderPage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { page: Page::read_of(params, limits::LIST_PROVIDERS_ITEMS_MAX)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), "*"))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<ProviderPage, ActionError> {
        let (account, (after, most)) = (context.account(), self.page.to_read());
        let found = context.store().identity_providers(account, true, after, most).await?;
        let (found, next) = self.page.cut(found, |provider| provider.name.to_string());
        let provider: Result<_, _> = found.into_iter().map(|one| ProviderReply::of(account, one)).collect();
        Ok(ProviderPage { providers: ProviderList { provider: provider? }, next })
    }
}

/// Deletes an OIDC provider; nobody comes by it any more.
#[derive(Clone, Debug)]
pub struct DeleteOIDCProvider {
    /// Its name.
    pub name: ProviderName,
}

impl Act for DeleteOIDCProvider {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "DeleteOIDCProvider",
        actions: &[Action::of("ram:DeleteOIDCProvider")],
        resource: "oidc-provider/{OIDCProviderName}",
        parameters: &[required("OIDCProviderName")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("OIDCProviderName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), self.name.as_str()))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let by = By::Permit(granted.permit()?);
        context.store().delete_identity_provider(by, context.account(), true, &self.name).await?;
        Ok(Done {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_a_digest_with_or_without_colons() {
        assert_eq!(fingerprint(&"AB:".repeat(19).replace("AB:AB", "AB:ab")), None);
        assert_eq!(fingerprint(&"Ab".repeat(20)), Some("ab".repeat(20)));
        assert_eq!(fingerprint(&vec!["0F"; 32].join(":")), Some("0f".repeat(32)));
        assert_eq!(fingerprint(&"x".repeat(40)), None);
    }
}
