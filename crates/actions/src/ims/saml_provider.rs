//! SAML providers: CreateSAMLProvider, GetSAMLProvider, ListSAMLProviders, DeleteSAMLProvider.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use sluice_access::{METADATA_BYTES_MAX, check_metadata};
use sluice_model::{AccountId, Action, ProviderName, RamEntity, Resource};
use sluice_store::{By, IdentityProvider, ProviderKind};

use crate::{
    Act, ActionContext, ActionError, Ask, Code, Fault, Granted, NextPage, Page, Params, Product, Row, limits,
    operation::{optional, required},
    ram::Done,
    time::date,
};

fn resource(account: AccountId, name: &str) -> Resource {
    Resource::Ram(account, RamEntity::SamlProvider(name.into()))
}

/// The metadata as XML. Whether an identity provider can be verified by it is seen when the right to make one was found.
fn metadata(params: &Params) -> Result<String, ActionError> {
    const NAME: &str = "EncodedSAMLMetadataDocument";
    let encoded: String = params.text(NAME)?.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if encoded.len() > METADATA_BYTES_MAX.div_ceil(3) * 4 {
        return Err(ActionError::Invalid { name: NAME, fault: Fault::Length });
    }
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or(ActionError::Invalid { name: NAME, fault: Fault::Format })
}

/// A provider as replies show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProviderReply {
    /// Its name.
    #[serde(rename = "SAMLProviderName")]
    pub name: String,
    /// `acs:ram::{account}:saml-provider/{name}`.
    pub arn: String,
    /// Free text.
    pub description: String,
    /// When it was made.
    pub create_date: String,
    /// When it last changed.
    pub update_date: String,
}

impl ProviderReply {
    fn of(account: AccountId, provider: &IdentityProvider) -> Self {
        Self {
            arn: format!("acs:ram::{account}:saml-provider/{}", provider.name),
            name: provider.name.to_string(),
            description: provider.description.clone(),
            create_date: date(provider.created),
            update_date: date(provider.updated),
        }
    }
}

/// `{SAMLProvider}`.
#[derive(Debug, Serialize)]
pub struct OneProvider<P: Serialize> {
    /// The provider.
    #[serde(rename = "SAMLProvider")]
    pub provider: P,
}

/// A provider with its metadata.
#[derive(Debug, Serialize)]
pub struct WholeProvider {
    /// As everywhere.
    #[serde(flatten)]
    pub provider: ProviderReply,
    /// The metadata in base64.
    #[serde(rename = "EncodedSAMLMetadataDocument")]
    pub metadata: String,
}

/// Makes a SAML provider.
#[derive(Clone, Debug)]
pub struct CreateSAMLProvider {
    /// Its name.
    pub name: ProviderName,
    /// Free text.
    pub description: String,
    /// The XML.
    pub metadata: String,
}

impl Act for CreateSAMLProvider {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "CreateSAMLProvider",
        actions: &[Action::of("ram:CreateSAMLProvider")],
        resource: "saml-provider/{SAMLProviderName}",
        parameters: &[
            required("SAMLProviderName"),
            required("EncodedSAMLMetadataDocument"),
            optional("Description"),
            optional("AuthnSignAlgo"),
        ],
    };
    type Output = OneProvider<ProviderReply>;

    fn read(params: &Params) -> Result<Self, ActionError> {
        // It is for the requests of a sign-in page to the provider. There is none, and nothing that is given is ignored.
        const REQUESTS: &str = "AuthnSignAlgo";
        if params.given(REQUESTS).is_some() {
            return Err(ActionError::NotServed(REQUESTS));
        }
        Ok(Self {
            name: params.name("SAMLProviderName")?,
            description: params.limited("Description", 256)?.unwrap_or_default(),
            metadata: metadata(params)?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), self.name.as_str()))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Self::Output, ActionError> {
        let (permit, account) = (granted.permit()?, context.account());
        check_metadata(&self.metadata).map_err(|why| {
            tracing::debug!(%account, provider = %self.name, why, "metadata is refused");
            Code::IdpMetadataInvalid
        })?;
        let new = IdentityProvider {
            name: self.name,
            description: self.description,
            kind: ProviderKind::Saml { metadata: self.metadata },
            created: context.now,
            updated: context.now,
        };
        let most = limits::IDENTITY_PROVIDERS_MAX;
        context.store().create_identity_provider(By::Permit(permit), account, &new, most).await?;
        Ok(OneProvider { provider: ProviderReply::of(account, &new) })
    }
}

/// Shows a SAML provider.
#[derive(Clone, Debug)]
pub struct GetSAMLProvider {
    /// Its name.
    pub name: ProviderName,
}

impl Act for GetSAMLProvider {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "GetSAMLProvider",
        actions: &[Action::of("ram:GetSAMLProvider")],
        resource: "saml-provider/{SAMLProviderName}",
        parameters: &[required("SAMLProviderName")],
    };
    type Output = OneProvider<WholeProvider>;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("SAMLProviderName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), self.name.as_str()))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<Self::Output, ActionError> {
        let found = context.store().identity_provider(context.account(), false, &self.name).await?;
        let found = found.ok_or(Code::NoSamlProvider)?;
        let provider = ProviderReply::of(context.account(), &found);
        let ProviderKind::Saml { metadata } = found.kind else { return Err(ActionError::Internal) };
        Ok(OneProvider { provider: WholeProvider { provider, metadata: STANDARD.encode(metadata) } })
    }
}

/// Lists SAML providers by name.
#[derive(Clone, Debug)]
pub struct ListSAMLProviders {
    /// Which page.
    pub page: Page,
}

/// `{SAMLProviders: {SAMLProvider: []}, IsTruncated, Marker}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProviderPage {
    /// The providers.
    #[serde(rename = "SAMLProviders")]
    pub providers: ProviderList,
    /// Whether there is a next page, and what leads to it.
    #[serde(flatten)]
    pub next: NextPage,
}

/// `{SAMLProvider: []}`.
#[derive(Debug, Serialize)]
pub struct ProviderList {
    /// The providers.
    #[serde(rename = "SAMLProvider")]
    pub provider: Vec<ProviderReply>,
}

impl Act for ListSAMLProviders {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "ListSAMLProviders",
        actions: &[Action::of("ram:ListSAMLProviders")],
        resource: "saml-provider/*",
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
        let found = context.store().identity_providers(account, false, after, most).await?;
        let (found, next) = self.page.cut(found, |provider| provider.name.to_string());
        let provider = found.iter().map(|one| ProviderReply::of(account, one)).collect();
        Ok(ProviderPage { providers: ProviderList { provider }, next })
    }
}

/// Deletes a SAML provider; nobody comes by it any more.
#[derive(Clone, Debug)]
pub struct DeleteSAMLProvider {
    /// Its name.
    pub name: ProviderName,
}

impl Act for DeleteSAMLProvider {
    const ROW: Row = Row {
        product: Product::Ims,
        name: "DeleteSAMLProvider",
        actions: &[Action::of("ram:DeleteSAMLProvider")],
        resource: "saml-provider/{SAMLProviderName}",
        parameters: &[required("SAMLProviderName")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("SAMLProviderName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), self.name.as_str()))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let by = By::Permit(granted.permit()?);
        context.store().delete_identity_provider(by, context.account(), false, &self.name).await?;
        Ok(Done {})
    }
}
