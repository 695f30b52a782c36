//! AccessKeys: CreateAccessKey, UpdateAccessKey, ListAccessKeys, DeleteAccessKey, GetAccessKeyLastUsed.
//!
//! Without `UserName` they speak of the caller: a user of its own keys, the account of the account's. A secret leaves the
//! room once, in the reply of CreateAccessKey.

use std::{fmt, sync::Arc};

use secrecy::ExposeSecret;
use serde::Serialize;
use sluice_access::{Change, SEALINGS_MAX, random};
use sluice_model::{AccessKeyId, Action, Principal, RamEntity, Resource, UserName};
use sluice_policy::Permit;
use sluice_store::{AccessKey, By, StoreError};

use super::user::{self, Done};
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, Params, Product, Row,
    operation::{optional, required},
    time::date,
};

/// Whose keys: a named user's, or the caller's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The user of this name.
    Named(UserName),
    /// Whoever calls.
    Caller,
}

impl KeyOwner {
    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(params.optional_name("UserName")?.map_or(Self::Caller, Self::Named))
    }

    /// `user/{name}`; the account's own keys are a setting of the account, `*`.
    pub(crate) fn resource(&self, context: &ActionContext) -> Resource {
        let account = context.account();
        match self.name(context) {
            Some(name) => Resource::Ram(account, RamEntity::User(name)),
            None => Resource::Ram(account, RamEntity::All),
        }
    }

    /// The user's name; `None` for the account itself.
    pub(crate) fn name(&self, context: &ActionContext) -> Option<Arc<str>> {
        match self {
            Self::Named(name) => Some(name.as_str().into()),
            Self::Caller => context.caller_user_name(),
        }
    }

    pub(crate) async fn principal(&self, context: &ActionContext, permit: &Permit) -> Result<Principal, ActionError> {
        match self {
            Self::Caller => match context.caller.principal() {
                // A role has no keys of its own: one that a session made would outlive it.
                Principal::Role(..) => Err(ActionError::Missing("UserName")),
                caller => Ok(caller),
            },
            Self::Named(name) => {
                let user = user::find(context, permit, name).await?;
                Ok(Principal::User(context.account(), user.id))
            }
        }
    }
}

/// A new key with its secret: the one time that it is shown.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewAccessKey {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub access_key_secret: String,
    /// `Active`.
    pub status: &'static str,
    /// When it was made.
    pub create_date: String,
}

impl fmt::Debug for NewAccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAccessKey").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// `{AccessKey}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreatedAccessKey {
    /// The key.
    pub access_key: NewAccessKey,
}

/// Makes a key.
#[derive(Clone, Debug)]
pub struct CreateAccessKey {
    /// For whom.
    pub owner: KeyOwner,
}

impl Act for CreateAccessKey {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "CreateAccessKey",
        actions: &[Action::of("ram:CreateAccessKey")],
        resource: "user/{UserName}, the caller without one",
        parameters: &[optional("UserName")],
    };
    type Output = CreatedAccessKey;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { owner: KeyOwner::read(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(self.owner.resource(context))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<CreatedAccessKey, ActionError> {
        let permit = granted.permit()?;
        let owner = self.owner.principal(context, permit).await?;
        let (id, secret) = (random::access_key_id(), random::access_key_secret());
        let name = self.owner.name(context);
        let mut made = Err(StoreError::SealedBefore);
        for _ in 0..SEALINGS_MAX {
            let sealed_secret = context.access().seal(&id, &secret);
            let key = AccessKey { id: id.clone(), owner, sealed_secret, active: true, created: context.now };
            made = context.store().create_key(By::Permit(permit), name.as_deref(), &key).await;
            if !matches!(made, Err(StoreError::SealedBefore)) {
                break;
            }
            context.access().follow_master_key().await?;
        }
        made?;
        context.changed(Change::Principal(owner)).await;
        let access_key = NewAccessKey {
            access_key_id: id.to_string(),
            access_key_secret: secret.expose_secret().to_owned(),
            status: status(true),
            create_date: date(context.now),
        };
        Ok(CreatedAccessKey { access_key })
    }
}

fn status(active: bool) -> &'static str {
    if active { "Active" } else { "Inactive" }
}

/// Activates or deactivates a key; a deactivated one ends its connections.
#[derive(Clone, Debug)]
pub struct UpdateAccessKey {
    /// Whose.
    pub owner: KeyOwner,
    /// Which.
    pub key: AccessKeyId,
    /// `Active` or `Inactive`.
    pub active: bool,
}

impl Act for UpdateAccessKey {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "UpdateAccessKey",
        actions: &[Action::of("ram:UpdateAccessKey")],
        resource: "user/{UserName}, the caller without one",
        parameters: &[optional("UserName"), required("UserAccessKeyId"), required("Status")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let active = match params.text("Status")? {
            "Active" => true,
            "Inactive" => false,
            _ => return Err(ActionError::invalid("Status")),
        };
        Ok(Self { owner: KeyOwner::read(params)?, key: read_key(params)?, active })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(self.owner.resource(context))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        let owner = self.owner.principal(context, permit).await?;
        let name = self.owner.name(context);
        context.store().set_key_active(By::Permit(permit), owner, name.as_deref(), &self.key, self.active).await?;
        context.changed(Change::Principal(owner)).await;
        Ok(Done {})
    }
}

/// A text that can be no key's ID names a key that is not there.
pub(crate) fn read_key(params: &Params) -> Result<AccessKeyId, ActionError> {
    params.text("UserAccessKeyId")?.parse().map_err(|_| Code::NoAccessKey.into())
}

/// Lists keys, without their secrets.
#[derive(Clone, Debug)]
pub struct ListAccessKeys {
    /// Whose.
    pub owner: KeyOwner,
}

/// A key as lists show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessKeyReply {
    /// The public half.
    pub access_key_id: String,
    /// `Active` or `Inactive`.
    pub status: &'static str,
    /// When it was made.
    pub create_date: String,
}

/// `{AccessKeys: {AccessKey: []}}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessKeyList {
    /// The keys.
    pub access_keys: AccessKeys,
}

/// `{AccessKey: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessKeys {
    /// The keys.
    pub access_key: Vec<AccessKeyReply>,
}

impl Act for ListAccessKeys {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListAccessKeys",
        actions: &[Action::of("ram:ListAccessKeys")],
        resource: "user/{UserName}, the caller without one",
        parameters: &[optional("UserName")],
    };
    type Output = AccessKeyList;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { owner: KeyOwner::read(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(self.owner.resource(context))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<AccessKeyList, ActionError> {
        let owner = self.owner.principal(context, granted.permit()?).await?;
        let keys = context.store().keys(owner).await?;
        let reply = |key: AccessKey| AccessKeyReply {
            access_key_id: key.id.to_string(),
            status: status(key.active),
            create_date: date(key.created),
        };
        Ok(AccessKeyList { access_keys: AccessKeys { access_key: keys.into_iter().map(reply).collect() } })
    }
}

/// Deletes a key and ends its connections.
#[derive(Clone, Debug)]
pub struct DeleteAccessKey {
    /// Whose.
    pub owner: KeyOwner,
    /// Which.
    pub key: AccessKeyId,
}

impl Act for DeleteAccessKey {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DeleteAccessKey",
        actions: &[Action::of("ram:DeleteAccessKey")],
        resource: "user/{UserName}, the caller without one",
        parameters: &[optional("UserName"), required("UserAccessKeyId")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { owner: KeyOwner::read(params)?, key: read_key(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(self.owner.resource(context))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        let owner = self.owner.principal(context, permit).await?;
        let name = self.owner.name(context);
        context.store().delete_key(By::Permit(permit), owner, name.as_deref(), &self.key).await?;
        context.changed(Change::Principal(owner)).await;
        Ok(Done {})
    }
}

/// Shows when a key was last used.
#[derive(Clone, Debug)]
pub struct GetAccessKeyLastUsed {
    /// Whose.
    pub owner: KeyOwner,
    /// Which.
    pub key: AccessKeyId,
}

/// When a key last signed a request or a CONNECT.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LastUsed {
    /// Empty when it never did.
    pub last_used_date: String,
}

/// `{AccessKeyLastUsed}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessKeyLastUsed {
    /// When.
    pub access_key_last_used: LastUsed,
}

impl Act for GetAccessKeyLastUsed {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetAccessKeyLastUsed",
        actions: &[Action::of("ram:GetAccessKeyLastUsed")],
        resource: "user/{UserName}, the caller without one",
        parameters: &[optional("UserName"), required("UserAccessKeyId")],
    };
    type Output = AccessKeyLastUsed;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { owner: KeyOwner::read(params)?, key: read_key(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(self.owner.resource(context))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<AccessKeyLastUsed, ActionError> {
        let owner = self.owner.principal(context, granted.permit()?).await?;
        let keys = context.store().keys(owner).await?;
        if !keys.iter().any(|key| key.id == self.key) {
            return Err(Code::NoAccessKey.into());
        }
        let used = context.access().key_last_used(&self.key).await?;
        Ok(AccessKeyLastUsed { access_key_last_used: LastUsed { last_used_date: used.map(date).unwrap_or_default() } })
    }
}
