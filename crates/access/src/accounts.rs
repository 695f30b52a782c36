//! What an operator does to an account that is there: out of force and in again, its own way in anew, its end.
//!
//! The answer goes to the live side's sweep, like that of [`Access::refresh`].

use std::sync::Arc;

use sluice_model::{AccountAlias, AccountId};
use sluice_policy::SystemTask;
use sluice_store::{Account, NewRoot, StoreError};

use crate::{Access, Change, ProvisionError, Provisioned, Touched, random, rotation::SEALINGS_MAX};

/// By what an operator names an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountName {
    /// 16 digits.
    Id(AccountId),
    /// Its alias.
    Alias(AccountAlias),
}

impl Access {
    /// Whether an operator put the account out of force. What it has is all there; the `Authority` says no to all of it.
    #[must_use]
    pub fn is_disabled(&self, account: AccountId) -> bool {
        self.directory.read().disabled.contains(&account)
    }

    /// The account of this name.
    ///
    /// # Errors
    /// [`ProvisionError::NoAccount`], [`ProvisionError::Store`].
    pub async fn account_of(&self, name: &AccountName) -> Result<Account, ProvisionError> {
        let found = match name {
            AccountName::Id(id) => self.store.account(*id).await?,
            AccountName::Alias(alias) => self.store.account_by_alias(alias).await?,
        };
        found.ok_or(ProvisionError::NoAccount)
    }

    /// Puts an account out of force, or in force again. Nothing that it has is touched.
    ///
    /// # Errors
    /// [`ProvisionError::NoAccount`], [`ProvisionError::Store`].
    pub async fn set_account_active(
        self: &Arc<Self>,
        task: SystemTask,
        account: AccountId,
        active: bool,
    ) -> Result<Touched, ProvisionError> {
        self.store.set_account_active(task, account, active).await?;
        Ok(self.refresh(Change::Account(account)).await)
    }

    /// Deletes an account with everything that it has.
    ///
    /// # Errors
    /// [`ProvisionError::NoAccount`], [`ProvisionError::Store`].
    pub async fn delete_account(
        self: &Arc<Self>,
        task: SystemTask,
        account: AccountId,
    ) -> Result<Touched, ProvisionError> {
        self.store.delete_account(task, account).await?;
        Ok(self.refresh(Change::Account(account)).await)
    }

    /// Gives the account itself a new password and one new AccessKey; its other keys and its own console sessions end. Its
    /// users keep theirs.
    ///
    /// # Errors
    /// [`ProvisionError::NoAccount`], [`ProvisionError::Store`].
    pub async fn reset_root(
        self: &Arc<Self>,
        task: SystemTask,
        account: &Account,
    ) -> Result<(Provisioned, Touched), ProvisionError> {
        let provisioned = Provisioned {
            account: account.account,
            alias: account.alias.clone(),
            password: random::password(),
            access_key_id: random::access_key_id(),
            access_key_secret: random::access_key_secret(),
        };
        let password_hash = self.passwords().hash(provisioned.password.clone()).await;
        let key = &provisioned.access_key_id;
        let mut reset = Err(StoreError::SealedBefore);
        for _ in 0..SEALINGS_MAX {
            let sealed_secret = &self.seal(key, &provisioned.access_key_secret);
            let (account, created) = (account.account, self.clock().now());
            let new = NewRoot { account, password_hash: &password_hash, key, sealed_secret, created };
            reset = self.store.reset_root(task, &new).await;
            if !matches!(reset, Err(StoreError::SealedBefore)) {
                break;
            }
            self.follow_master_key().await?;
        }
        reset?;
        // All of the account: the list of addresses of its keys went too.
        let touched = self.refresh(Change::Account(account.account)).await;
        Ok((provisioned, touched))
    }
}
