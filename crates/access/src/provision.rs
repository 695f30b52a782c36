//! Accounts made by whoever holds the data folder: the first start and `sluice account …`.
//!
//! With `reset-root` (`accounts.rs`) and `CreateAccessKey`'s reply, the one place from which a secret leaves in the clear. DESIGN section 1.

use std::sync::Arc;

use secrecy::SecretString;
use sluice_model::{
    AccessKeyId, AccountAlias, AccountId, Compatibility, DenyAction, Durability, Edition, InstanceId, NameError,
    OfflineRetention, UnixMs,
};
use sluice_policy::SystemTask;
use sluice_store::{Account, Entity, Instance, NewAccount, StoreError};

use crate::{Access, Change, random, rotation::SEALINGS_MAX};

/// The name of the first start's instance.
const FIRST_INSTANCE_NAME: &str = "default";

/// An account to make; what is not given is generated.
#[derive(Debug, Default)]
pub struct AccountDraft {
    /// 16 digits.
    pub account: Option<AccountId>,
    /// Unique; `account-{ID}` when not given.
    pub alias: Option<AccountAlias>,
    /// The account's own console password.
    pub password: Option<SecretString>,
    /// The root AccessKey's ID.
    pub access_key_id: Option<AccessKeyId>,
    /// The root AccessKey's secret.
    pub access_key_secret: Option<SecretString>,
    /// An instance to make with it.
    pub instance: Option<InstanceId>,
}

/// A new account, with its secrets in the clear for the one time that they are told.
#[derive(Debug)]
pub struct Provisioned {
    /// Its ID.
    pub account: AccountId,
    /// Its alias, which is also its logon name.
    pub alias: AccountAlias,
    /// Its console password.
    pub password: SecretString,
    /// Its root AccessKey.
    pub access_key_id: AccessKeyId,
    /// That key's secret.
    pub access_key_secret: SecretString,
}

/// Why an account was not made.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A name breaks its syntax.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The ID is taken.
    #[error("there is an account of this ID already")]
    AccountExists,
    /// The alias is taken.
    #[error("there is an account of this alias already")]
    AliasExists,
    /// The AccessKey ID is taken.
    #[error("there is an AccessKey of this ID already")]
    AccessKeyExists,
    /// The instance ID is taken.
    #[error("there is an instance of this ID already")]
    InstanceExists,
    /// There is no such account.
    #[error("there is no account of this ID or alias")]
    NoAccount,
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ProvisionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists(Entity::AccountAlias) => Self::AliasExists,
            StoreError::AlreadyExists(Entity::AccessKey) => Self::AccessKeyExists,
            StoreError::AlreadyExists(Entity::Instance) => Self::InstanceExists,
            StoreError::AlreadyExists(_) => Self::AccountExists,
            StoreError::NotFound(Entity::Account) => Self::NoAccount,
            other => Self::Store(other),
        }
    }
}

impl Access {
    /// Makes an account and puts it in force.
    ///
    /// # Errors
    /// [`ProvisionError`]; account and instance are made together or not at all.
    pub async fn create_account(
        self: &Arc<Self>,
        task: SystemTask,
        draft: AccountDraft,
    ) -> Result<Provisioned, ProvisionError> {
        let account = draft.account.unwrap_or_else(random::account_id);
        let alias = match draft.alias {
            Some(alias) => alias,
            None => format!("account-{account}").parse()?,
        };
        let provisioned = Provisioned {
            account,
            alias,
            password: draft.password.unwrap_or_else(random::password),
            access_key_id: draft.access_key_id.unwrap_or_else(random::access_key_id),
            access_key_secret: draft.access_key_secret.unwrap_or_else(random::access_key_secret),
        };
        let password_hash = self.passwords().hash(provisioned.password.clone()).await;
        let now = self.clock().now();
        let instance = draft.instance.map(|id| first_instance(account, id, now));
        let mut made = Err(StoreError::SealedBefore);
        for _ in 0..SEALINGS_MAX {
            let new = NewAccount {
                account,
                alias: &provisioned.alias,
                password_hash: &password_hash,
                key: &provisioned.access_key_id,
                sealed_secret: &self.seal(&provisioned.access_key_id, &provisioned.access_key_secret),
                instance: instance.as_ref(),
                created: now,
            };
            made = self.store.create_account(task, &new).await;
            if !matches!(made, Err(StoreError::SealedBefore)) {
                break;
            }
            self.follow_master_key().await?;
        }
        made?;
        self.refresh(Change::Account(account)).await;
        Ok(provisioned)
    }

    /// All accounts, by ID.
    ///
    /// # Errors
    /// [`ProvisionError::Store`].
    pub async fn list_accounts(&self) -> Result<Vec<Account>, ProvisionError> {
        Ok(self.store.accounts().await?)
    }
}

fn first_instance(account: AccountId, id: InstanceId, created: UnixMs) -> Instance {
    Instance {
        id,
        account,
        name: FIRST_INSTANCE_NAME.parse().expect("a legal name"),
        edition: Edition::Professional,
        compatibility: Compatibility::Extended,
        deny_action: DenyAction::Close,
        durability: Durability::Sync,
        retention: OfflineRetention::DEFAULT,
        created,
    }
}
