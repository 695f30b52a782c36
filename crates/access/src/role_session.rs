//! Sessions of roles: the temporary credentials that a proof of `sts:AssumeRole` buys, and who comes with them.
//!
//! The security token is the session: everything that it is stands in it, sealed under the master key, and nothing is kept
//! here. It opens for nobody else and cannot be changed. It ends at its time, and with its role: a role is named in it by
//! its number, which no later role of the same name has.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sluice_model::{AccessKeyId, AccountId, Principal, RoleId, RoleSessionName, UnixMs};
use sluice_policy::{Assumption, Credential, Document, Policy, RoleSession};
use zeroize::Zeroize;

use crate::{Access, random};

/// How the public half of every temporary key begins. Source: facts/ram.md section 2, STS.
pub(crate) const KEY_PREFIX: &str = "STS.";
/// What a token is authenticated as, so that no other sealed text is one.
const SEALED_AS: &str = "security-token";
/// The longest token that is looked at. A session policy of 2,048 characters has 8 KiB at most, and base64 adds a third.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a session shall be; the proof says of which role.
#[derive(Debug)]
pub struct SessionDraft {
    /// Its name.
    pub name: RoleSessionName,
    /// How long it lasts, seconds; whoever asks has compared it with the role's longest.
    pub seconds: u32,
    /// What narrows it: a valid session policy.
    pub policy: Option<String>,
    /// Whom its assumer acts for.
    pub source_identity: Option<Arc<str>>,
}

/// Temporary credentials, in the clear for the one time that they are told.
#[derive(Debug)]
pub struct TemporaryCredentials {
    /// `STS.` and 20 letters or digits.
    pub key: AccessKeyId,
    /// 44 letters or digits.
    pub secret: SecretString,
    /// The session, sealed.
    pub token: String,
    /// When it ends.
    pub expires: UnixMs,
}

/// What stands in a token. The names are short because it travels with each request.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    #[serde(rename = "a")]
    account: u64,
    #[serde(rename = "r")]
    role: u64,
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "k")]
    key: String,
    #[serde(rename = "s")]
    secret: String,
    #[serde(rename = "e")]
    expires: i64,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    source_identity: Option<String>,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// A token that opened: who comes, and with which secret it signs.
pub(crate) struct OpenedToken {
    pub(crate) principal: Principal,
    pub(crate) secret: SecretString,
    pub(crate) session: Arc<RoleSession>,
}

impl OpenedToken {
    pub(crate) fn credential(&self) -> Credential {
        Credential::RoleSession(Arc::clone(&self.session))
    }
}

impl Access {
    /// Makes the credentials of a session of the role that may be assumed. The one maker; the proof is used up.
    ///
    /// # Panics
    /// Never: texts and numbers are JSON.
    #[must_use]
    pub fn open_role_session(
        &self,
        assumption: Assumption,
        draft: SessionDraft,
        now: UnixMs,
    ) -> Option<TemporaryCredentials> {
        let Principal::Role(account, role) = assumption.role().principal else { return None };
        drop(assumption);
        let (key, secret) = (random::session_key_id(), random::session_secret());
        let expires = now.plus_ms(i64::from(draft.seconds) * 1_000);
        let sealed = Sealed {
            account: account.get(),
            role: role.get(),
            name: draft.name.to_string(),
            key: key.to_string(),
            secret: secret.expose_secret().to_owned(),
            expires: expires.0,
            policy: draft.policy,
            source_identity: draft.source_identity.map(|text| text.to_string()),
        };
        let text: SecretString = serde_json::to_string(&sealed).expect("texts and numbers are JSON").into();
        let token = self.master_key.load().seal(SEALED_AS, &text);
        Some(TemporaryCredentials { key, secret, token, expires })
    }

    /// Opens a token; `None` for one that this server did not make. Cost: one AES-GCM opening, and compiling its policy.
    pub(crate) fn open_token(&self, token: &str) -> Option<OpenedToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let text = self.master_key.load().open(SEALED_AS, token).ok()?;
        let sealed: Sealed = serde_json::from_str(text.expose_secret()).ok()?;
        let (account, role) = (AccountId::new(sealed.account).ok()?, RoleId::new(sealed.role).ok()?);
        let policy = match &sealed.policy {
            Some(text) => Some(Arc::new(Policy::of_session(Document::parse_session(text).ok()?))),
            None => None,
        };
        let session = RoleSession {
            key: sealed.key.parse().ok()?,
            name: sealed.name.parse().ok()?,
            policy,
            expires: UnixMs(sealed.expires),
            source_identity: sealed.source_identity.as_deref().map(Arc::from),
        };
        Some(OpenedToken {
            principal: Principal::Role(account, role),
            secret: sealed.secret.as_str().into(),
            session: Arc::new(session),
        })
    }
}
