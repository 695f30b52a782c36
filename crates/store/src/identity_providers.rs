//! Identity providers that an account trusts to vouch for whoever assumes its roles: OIDC issuers and SAML providers.
//!
//! No snapshot holds them: they are read when somebody comes with a token or an assertion.

use sluice_model::{AccountId, ProviderName, UnixMs};

use crate::{By, Entity, Store, StoreError, by::Target, row::Columns};

/// Which protocol a provider speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    /// An OIDC issuer.
    Oidc {
        /// `iss` of its tokens.
        issuer_url: String,
        /// For whom its tokens may be.
        client_ids: Vec<String>,
        /// Of certificates of its host, lower-case hex.
        fingerprints: Vec<String>,
        /// How long ago a token may have been made, hours.
        issuance_limit_h: u32,
    },
    /// A SAML provider, by its metadata.
    Saml {
        /// The XML as given.
        metadata: String,
    },
}

impl ProviderKind {
    fn word(&self) -> &'static str {
        match self {
            Self::Oidc { .. } => OIDC,
            Self::Saml { .. } => SAML,
        }
    }
}

const OIDC: &str = "Oidc";
const SAML: &str = "Saml";

/// A provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// Its name; an OIDC and a SAML provider may have the same.
    pub name: ProviderName,
    /// Free text.
    pub description: String,
    /// What it is.
    pub kind: ProviderKind,
    /// When it was made.
    pub created: UnixMs,
    /// When it was changed last.
    pub updated: UnixMs,
}

const COLUMNS: &str = "account_id, kind, name, description, issuer_url, client_ids, fingerprints, issuance_limit_h, \
                       metadata_document, created, updated";

/// Texts of a list: none of them has a comma.
fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn provider(columns: &Columns<'_>) -> Result<IdentityProvider, StoreError> {
    let kind = match columns.text("kind")?.as_str() {
        OIDC => ProviderKind::Oidc {
            issuer_url: columns.text("issuer_url")?,
            client_ids: list(&columns.text("client_ids")?),
            fingerprints: list(&columns.text("fingerprints")?),
            issuance_limit_h: columns.small("issuance_limit_h")?,
        },
        SAML => ProviderKind::Saml { metadata: columns.text("metadata_document")? },
        other => return Err(columns.damaged(format!("`{other}` is no kind of provider"))),
    };
    Ok(IdentityProvider {
        name: columns.parsed("name")?,
        description: columns.text("description")?,
        kind,
        created: columns.time("created")?,
        updated: columns.time("updated")?,
    })
}

/// The kind's word and what is not there of it, for `is_oidc`.
fn of_kind(is_oidc: bool) -> (&'static str, Entity) {
    if is_oidc { (OIDC, Entity::OidcProvider) } else { (SAML, Entity::SamlProvider) }
}

impl Store {
    /// Makes a provider; `most` is the account's limit for both kinds together.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] of the name or the issuer, [`StoreError::Limit`], [`StoreError::PermitMismatch`].
    pub async fn create_identity_provider(
        &self,
        by: By<'_>,
        account: AccountId,
        new: &IdentityProvider,
        most: i64,
    ) -> Result<(), StoreError> {
        let name = new.name.as_str();
        let is_oidc = matches!(new.kind, ProviderKind::Oidc { .. });
        by.check(account, &if is_oidc { Target::OidcProvider(name) } else { Target::SamlProvider(name) })?;
        let (_, entity) = of_kind(is_oidc);
        let mut write = self.write(by, account).await?;
        // A SAML provider has no issuer URL; its name keeps the index's rows apart.
        let (issuer, clients, prints, hours, metadata) = match &new.kind {
            ProviderKind::Oidc { issuer_url, client_ids, fingerprints, issuance_limit_h } => {
                (issuer_url.as_str(), client_ids.join(","), fingerprints.join(","), *issuance_limit_h, "")
            }
            ProviderKind::Saml { metadata } => (name, String::new(), String::new(), 0, metadata.as_str()),
        };
        write
            .insert(
                "INSERT INTO identity_providers (account_id, kind, name, description, issuer_url, client_ids, fingerprints, \
                 issuance_limit_h, metadata_document, created, updated) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
                &[
                    account.into(),
                    new.kind.word().into(),
                    name.into(),
                    new.description.as_str().into(),
                    issuer.into(),
                    clients.as_str().into(),
                    prints.as_str().into(),
                    i64::from(hours).into(),
                    metadata.into(),
                    new.created.into(),
                ],
                entity,
            )
            .await?;
        let sql = "SELECT COUNT(*) AS n FROM identity_providers WHERE account_id = $1";
        if write.count(sql, &[account.into()]).await? > most {
            return Err(StoreError::Limit(entity));
        }
        write.commit_unseen().await
    }

    /// The provider of a kind and name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn identity_provider(
        &self,
        account: AccountId,
        is_oidc: bool,
        name: &ProviderName,
    ) -> Result<Option<IdentityProvider>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM identity_providers WHERE account_id = $1 AND kind = $2 AND name = $3");
        let row = self.one(&sql, &[account.into(), of_kind(is_oidc).0.into(), name.as_str().into()]).await?;
        row.as_ref().map(|row| provider(&Columns { row, table: "identity_providers" })).transpose()
    }

    /// Providers of a kind in bytewise order of names, after `after`, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn identity_providers(
        &self,
        account: AccountId,
        is_oidc: bool,
        after: &str,
        most: i64,
    ) -> Result<Vec<IdentityProvider>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM identity_providers WHERE account_id = $1 AND kind = $2 AND name > $3 \
             ORDER BY name LIMIT $4"
        );
        let binds = [account.into(), of_kind(is_oidc).0.into(), after.into(), most.into()];
        let rows = self.all(&sql, &binds).await?;
        rows.iter().map(|row| provider(&Columns { row, table: "identity_providers" })).collect()
    }

    /// Deletes a provider. Sessions that it vouched for live on, as those of any assumer.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::PermitMismatch`].
    pub async fn delete_identity_provider(
        &self,
        by: By<'_>,
        account: AccountId,
        is_oidc: bool,
        name: &ProviderName,
    ) -> Result<(), StoreError> {
        let text = name.as_str();
        by.check(account, &if is_oidc { Target::OidcProvider(text) } else { Target::SamlProvider(text) })?;
        let (kind, entity) = of_kind(is_oidc);
        let mut write = self.write(by, account).await?;
        let sql = "DELETE FROM identity_providers WHERE account_id = $1 AND kind = $2 AND name = $3";
        if write.run(sql, &[account.into(), kind.into(), text.into()]).await? == 0 {
            return Err(StoreError::NotFound(entity));
        }
        write.commit_unseen().await
    }
}
