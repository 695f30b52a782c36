//! Who is calling: a signed API request or an MQTT login in Signature mode.

use std::net::IpAddr;

use secrecy::SecretString;
use sluice_model::{AccessKeyId, ClientId, InstanceId, UnixMs};
use sluice_policy::{Caller, Credential};
use std::sync::Arc;
use subtle::ConstantTimeEq;

use crate::{
    Access, InstanceSettings,
    directory::KeyView,
    nonce::{NONCE_BYTES_MAX, NonceUse},
    signed_request::{AuthError, SignedRequest, check_timestamp, key_id, matches, mqtt_password},
};

/// From where a caller comes: the one canonical peer address, and whether TLS carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address that `acs:SourceIp` reads.
    pub addr: IpAddr,
    /// What `acs:SecureTransport` reads.
    pub secure: bool,
}

/// A client that has proved who it is.
#[derive(Clone, Debug)]
pub struct MqttLogin {
    /// Who acts.
    pub caller: Caller,
    /// The instance that it named; it belongs to the caller's account.
    pub settings: Arc<InstanceSettings>,
}

/// Why a CONNECT was refused before any permission was asked. DESIGN section 2, Order at CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthRefusal {
    /// The username is not `Mode|AccessKeyId|InstanceId`.
    #[error("the username is not of the form `Signature|AccessKeyId|InstanceId`")]
    MalformedUsername,
    /// A mode that is not served.
    #[error("the authentication mode is not served")]
    UnknownMode,
    /// No such key.
    #[error("the AccessKey does not exist")]
    UnknownKey,
    /// The key is inactive.
    #[error("the AccessKey is inactive")]
    InactiveKey,
    /// An operator disabled the account.
    #[error("the account is disabled")]
    DisabledAccount,
    /// The password is not the signature of the client ID.
    #[error("the password is not the signature of the client ID")]
    WrongPassword,
    /// The instance is absent or another account's; both answer alike.
    #[error("the instance does not exist or belongs to another account")]
    NoInstance,
    /// The stored secret does not open under the master key.
    #[error("the stored secret does not open")]
    SealedSecret,
    /// What is in force cannot be read at present: return code 3, 0x88.
    #[error("what is in force cannot be read at present")]
    Unavailable,
    /// The open listener's user does not exist (yet): return code 3, 0x88.
    #[error("the user of the open listener does not exist")]
    NoListenerUser,
}

impl Access {
    /// Who signed this request. Order: key, timestamp, signature, nonce; a nonce counts only under a right signature.
    ///
    /// # Errors
    /// [`AuthError`], each the API code to answer with.
    pub fn authenticate_signed(&self, request: &SignedRequest, peer: Peer, now: UnixMs) -> Result<Caller, AuthError> {
        if request.security_token.as_deref().is_some_and(|token| !token.is_empty()) {
            return Err(AuthError::UnknownToken);
        }
        if request.nonce.is_empty() || request.nonce.len() > NONCE_BYTES_MAX {
            return Err(AuthError::NonceForm);
        }
        check_timestamp(&request.timestamp, now)?;
        let id = key_id(&request.access_key_id)?;
        let key = self.key(&id);
        if self.is_unavailable(key.as_ref().map(|key| key.owner.account())) {
            return Err(AuthError::Unavailable);
        }
        let key = key.ok_or(AuthError::UnknownKey)?;
        if !matches(request, &self.secret_of(&id, &key).ok_or(AuthError::SealedSecret)?) {
            return Err(AuthError::SignatureMismatch);
        }
        if !key.active {
            return Err(AuthError::InactiveKey);
        }
        if self.is_disabled(key.owner.account()) {
            return Err(AuthError::DisabledAccount);
        }
        match self.nonces.use_once(&id, &request.nonce, now) {
            NonceUse::Fresh => {
                self.key_uses.note(&id, key.owner.account(), now);
                Ok(Caller::authenticated(key.owner, Credential::AccessKey(id), Some(peer.addr), peer.secure, None))
            }
            NonceUse::Repeated => Err(AuthError::NonceUsed),
            NonceUse::Full => Err(AuthError::TooManyNonces),
        }
    }

    /// Who a client is, by `Signature|AccessKeyId|InstanceId` and the signature of its client ID. Nothing is looked up
    /// or changed but the key and the instance. Cost: one AES-GCM opening, one HMAC-SHA1.
    ///
    /// # Errors
    /// [`AuthRefusal`].
    pub fn authenticate_mqtt(
        &self,
        username: &str,
        password: &[u8],
        client_id: &ClientId,
        peer: Peer,
    ) -> Result<MqttLogin, AuthRefusal> {
        let mut parts = username.split('|');
        let (Some(mode), Some(key), Some(instance), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(AuthRefusal::MalformedUsername);
        };
        if mode != "Signature" {
            return Err(AuthRefusal::UnknownMode);
        }
        let id: AccessKeyId = key.parse().map_err(|_| AuthRefusal::UnknownKey)?;
        let key = self.key(&id);
        if self.is_unavailable(key.as_ref().map(|key| key.owner.account())) {
            return Err(AuthRefusal::Unavailable);
        }
        let key = key.ok_or(AuthRefusal::UnknownKey)?;
        let secret = self.secret_of(&id, &key).ok_or(AuthRefusal::SealedSecret)?;
        let expected = mqtt_password(&secret, client_id.as_str());
        if !bool::from(expected.as_bytes().ct_eq(password)) {
            return Err(AuthRefusal::WrongPassword);
        }
        if !key.active {
            return Err(AuthRefusal::InactiveKey);
        }
        if self.is_disabled(key.owner.account()) {
            return Err(AuthRefusal::DisabledAccount);
        }
        let settings = self.instance_of(key.owner.account(), instance).ok_or(AuthRefusal::NoInstance)?;
        self.key_uses.note(&id, key.owner.account(), self.clock.now());
        let caller = Caller::authenticated(key.owner, Credential::AccessKey(id), Some(peer.addr), peer.secure, None);
        Ok(MqttLogin { caller, settings })
    }

    fn instance_of(&self, account: sluice_model::AccountId, instance: &str) -> Option<Arc<InstanceSettings>> {
        let instance: InstanceId = instance.parse().ok()?;
        self.instance(account, &instance)
    }

    fn key(&self, id: &AccessKeyId) -> Option<Arc<KeyView>> {
        self.directory.read().keys.get(id).cloned()
    }

    fn secret_of(&self, id: &AccessKeyId, key: &KeyView) -> Option<SecretString> {
        match self.master_key.load().open(id.as_str(), &key.sealed_secret) {
            Ok(secret) => Some(secret),
            Err(error) => {
                tracing::error!(access_key_id = %id, %error, "a stored secret does not open");
                None
            }
        }
    }
}
