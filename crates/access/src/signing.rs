//! Who is calling: a signed API request or an MQTT login in Signature mode.

use std::net::IpAddr;

use secrecy::SecretString;
use sluice_model::{AccessKeyId, ClientId, InstanceId, Principal, UnixMs};
use sluice_policy::{Caller, Credential, PolicySource};
use std::sync::Arc;
use subtle::ConstantTimeEq;

use crate::{
    Access, InstanceSettings,
    directory::KeyView,
    nonce::{NONCE_BYTES_MAX, NonceUse},
    role_session::KEY_PREFIX,
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// The key may not be used from the client's address.
    #[error("the AccessKey may not be used from this address")]
    SourceNotAllowed,
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
    /// The key's security token is absent, another's, expired, or its role is gone.
    #[error("{0}")]
    Token(AuthError),
    /// The open listener's user does not exist (yet): return code 3, 0x88.
    #[error("the user of the open listener does not exist")]
    NoListenerUser,
}

impl AuthRefusal {
    /// As the same fault of a key is told at CONNECT.
    fn of(cause: AuthError) -> Self {
        match cause {
            AuthError::UnknownKey => Self::UnknownKey,
            AuthError::InactiveKey => Self::InactiveKey,
            AuthError::SealedSecret => Self::SealedSecret,
            AuthError::Unavailable => Self::Unavailable,
            AuthError::DisabledAccount => Self::DisabledAccount,
            AuthError::SourceNotAllowed => Self::SourceNotAllowed,
            other => Self::Token(other),
        }
    }
}

/// Why nobody is let in, and who it was where the secret was proved: what such a caller is told can be kept for its account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotLetIn<E: std::error::Error> {
    /// Why not.
    pub why: E,
    /// Whose signature was right all the same: to be named in what is kept of the refusal, and never to be asked for. A
    /// question would be refused for a void key, which is not in force, but not for a nonce too many or an absent instance.
    pub whose: Option<Box<Caller>>,
}

impl<E: std::error::Error> From<E> for NotLetIn<E> {
    fn from(why: E) -> Self {
        Self { why, whose: None }
    }
}

/// Who claims to sign, with what the claim is compared.
struct Signer {
    principal: Principal,
    credential: Credential,
    secret: SecretString,
    /// Why it may not act all the same.
    void: Option<AuthError>,
}

impl Signer {
    /// Whose signature was right; whether something voids the key is not asked here. Who is let in has passed
    /// [`Access::void`]; of whoever is not, [`Signer::void`] makes one, to be named in what is kept of the refusal.
    fn caller(self, peer: Peer) -> Caller {
        Caller::authenticated(self.principal, self.credential, Some(peer.addr), peer.secure, None)
    }

    /// Not let in, though the signature was right.
    fn void<E: std::error::Error>(self, why: E, peer: Peer) -> NotLetIn<E> {
        NotLetIn { why, whose: Some(Box::new(self.caller(peer))) }
    }
}

impl Access {
    /// Who signed this request. Order: key, timestamp, signature, nonce; a nonce counts only under a right signature.
    ///
    /// # Errors
    /// [`AuthError`], each the API code to answer with.
    pub fn authenticate_signed(
        &self,
        request: &SignedRequest,
        peer: Peer,
        now: UnixMs,
    ) -> Result<Caller, NotLetIn<AuthError>> {
        if request.nonce.is_empty() || request.nonce.len() > NONCE_BYTES_MAX {
            return Err(AuthError::NonceForm.into());
        }
        check_timestamp(&request.timestamp, now)?;
        let id = key_id(&request.access_key_id)?;
        let token = request.security_token.as_deref().filter(|token| !token.is_empty());
        let signer = self.signer(&id, token, now)?;
        if !matches(request, &signer.secret) {
            return Err(AuthError::SignatureMismatch.into());
        }
        if let Some(void) = self.void(&signer, peer) {
            return Err(signer.void(void, peer));
        }
        match self.nonces.use_once(signer.principal.account(), &id, &request.nonce, now) {
            NonceUse::Fresh => {
                if let Credential::AccessKey(id) = &signer.credential {
                    self.key_uses.note(id, signer.principal.account(), now);
                }
                Ok(signer.caller(peer))
            }
            // Perhaps of somebody who heard the request.
            NonceUse::Repeated => Err(AuthError::NonceUsed.into()),
            NonceUse::Full => Err(signer.void(AuthError::TooManyNonces, peer)),
        }
    }

    /// Who a client is, by `Signature|AccessKeyId|InstanceId` and the signature of its client ID; in a session of a role by
    /// `Signature|STS.…|InstanceId|SecurityToken`. Nothing is looked up or changed but the key and the instance. Cost: one
    /// AES-GCM opening, one HMAC-SHA1.
    ///
    /// # Errors
    /// [`AuthRefusal`].
    pub fn authenticate_mqtt(
        &self,
        username: &str,
        password: &[u8],
        client_id: &ClientId,
        peer: Peer,
        now: UnixMs,
    ) -> Result<MqttLogin, NotLetIn<AuthRefusal>> {
        let mut parts = username.split('|');
        let (Some(mode), Some(key), Some(instance)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(AuthRefusal::MalformedUsername.into());
        };
        let token = parts.next();
        if parts.next().is_some() {
            return Err(AuthRefusal::MalformedUsername.into());
        }
        if mode != "Signature" {
            return Err(AuthRefusal::UnknownMode.into());
        }
        let id: AccessKeyId = key.parse().map_err(|_| AuthRefusal::UnknownKey)?;
        let signer = self.signer(&id, token, now).map_err(AuthRefusal::of)?;
        let expected = mqtt_password(&signer.secret, client_id.as_str());
        if !bool::from(expected.as_bytes().ct_eq(password)) {
            return Err(AuthRefusal::WrongPassword.into());
        }
        if let Some(void) = self.void(&signer, peer) {
            return Err(signer.void(AuthRefusal::of(void), peer));
        }
        let Some(settings) = self.instance_of(signer.principal.account(), instance) else {
            return Err(signer.void(AuthRefusal::NoInstance, peer));
        };
        if let Credential::AccessKey(id) = &signer.credential {
            self.key_uses.note(id, signer.principal.account(), now);
        }
        Ok(MqttLogin { caller: signer.caller(peer), settings })
    }

    /// Why a signer may not act, whose signature was right.
    fn void(&self, signer: &Signer, peer: Peer) -> Option<AuthError> {
        if signer.void.is_some() {
            return signer.void.clone();
        }
        if self.is_disabled(signer.principal.account()) {
            return Some(AuthError::DisabledAccount);
        }
        (!self.is_allowed_from(signer, peer)).then_some(AuthError::SourceNotAllowed)
    }

    /// Whether a key may be used from where its user comes; asked again with every decision.
    fn is_allowed_from(&self, signer: &Signer, peer: Peer) -> bool {
        let in_force = self.directory.in_force(signer.principal, &signer.credential);
        in_force.is_none_or(|in_force| in_force.admits(Some(peer.addr)))
    }

    /// Whose key it is, and the secret to compare with. What voids a key is told once the signature is right.
    fn signer(&self, id: &AccessKeyId, token: Option<&str>, now: UnixMs) -> Result<Signer, AuthError> {
        let key = self.key(id);
        if token.is_none() && self.is_unavailable(key.as_ref().map(|key| key.owner.account())) {
            return Err(AuthError::Unavailable);
        }
        match (token, key) {
            (None, Some(key)) => Ok(Signer {
                principal: key.owner,
                credential: Credential::AccessKey(id.clone()),
                secret: self.secret_of(id, &key).ok_or(AuthError::SealedSecret)?,
                void: (!key.active).then_some(AuthError::InactiveKey),
            }),
            (None, None) if id.as_str().starts_with(KEY_PREFIX) => Err(AuthError::TokenMissing),
            (None, None) => Err(AuthError::UnknownKey),
            (Some(token), _) => {
                let opened = self.open_token(token).ok_or(AuthError::UnknownToken)?;
                if opened.session.key != *id {
                    return Err(AuthError::TokenMismatch);
                }
                if self.is_unavailable(Some(opened.principal.account())) {
                    return Err(AuthError::Unavailable);
                }
                let is_gone = !self.directory.read().principals.contains_key(&opened.principal);
                let void = match (opened.session.expires <= now, is_gone) {
                    (true, _) => Some(AuthError::TokenExpired),
                    (false, true) => Some(AuthError::TokenOrphaned),
                    (false, false) => None,
                };
                let (principal, credential) = (opened.principal, opened.credential());
                Ok(Signer { principal, credential, secret: opened.secret, void })
            }
        }
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
