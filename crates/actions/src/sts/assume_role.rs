//! AssumeRole: the temporary credentials of a session of a role.

use std::sync::Arc;

use serde::Serialize;
use sluice_access::{SessionDraft, TemporaryCredentials};
use sluice_model::{AccountId, Action, ProviderName, RoleName, RoleSessionName};
use sluice_policy::{Assumption, Document, DocumentKind, describe_faults};

use crate::{
    Act, ActionContext, ActionError, Ask, Code, Granted, Params, Product, Row, Services, limits,
    operation::{optional, required},
    time::date,
};

/// The condition key of a trust policy that asks for what only the right customer knows. Source: facts/ram.md section 1.5.
const EXTERNAL_ID_KEY: &str = "sts:ExternalId";

/// What every way of assuming a role asks for.
#[derive(Clone, Debug)]
pub struct SessionWish {
    /// How long, seconds.
    pub seconds: u32,
    /// What narrows it, a valid session policy.
    pub policy: Option<String>,
}

impl SessionWish {
    pub(super) fn read(params: &Params) -> Result<Self, ActionError> {
        const NAME: &str = "DurationSeconds";
        let longest = *limits::SESSION_S_MAX.end();
        let seconds = params.integer(NAME, limits::SESSION_S_MIN..=longest, limits::SESSION_S_DEFAULT)?;
        Ok(Self { seconds, policy: session_policy(params)? })
    }
}

/// A role as a parameter names it.
#[derive(Clone, Debug)]
pub struct RoleArn {
    /// Whose.
    pub account: AccountId,
    /// Its name.
    pub name: RoleName,
}

impl RoleArn {
    /// `acs:ram::{account}:role/{name}`; the region may be `*` too.
    pub(super) fn read(params: &Params) -> Result<Self, ActionError> {
        let text = params.text("RoleArn")?;
        let rest = text.strip_prefix("acs:ram::").or_else(|| text.strip_prefix("acs:ram:*:"));
        let parsed = rest.and_then(|rest| {
            let (account, entity) = rest.split_once(':')?;
            Some(Self { account: account.parse().ok()?, name: entity.strip_prefix("role/")?.parse().ok()? })
        });
        parsed.ok_or(ActionError::invalid("RoleArn"))
    }
}

/// The provider of `acs:ram::{account}:{kind}-provider/{name}`.
pub(super) fn provider_of_arn(text: &str, kind: &str) -> Option<(AccountId, ProviderName)> {
    let (account, entity) = text.strip_prefix("acs:ram::")?.split_once(':')?;
    let name = entity.strip_prefix(kind)?.strip_prefix("-provider/")?;
    Some((account.parse().ok()?, name.parse().ok()?))
}

/// Whom a provider vouches for comes neither into an account that is out of force nor by it.
pub(super) fn expect_in_force(
    services: &Services,
    of_provider: AccountId,
    of_role: AccountId,
) -> Result<(), ActionError> {
    let is_disabled = [of_provider, of_role].into_iter().any(|account| services.access.is_disabled(account));
    if is_disabled { Err(Code::NotTrusted.into()) } else { Ok(()) }
}

/// A session policy; its codes name the fault, not the parameter. Source: facts/ram.md section 3.4, STS.
fn session_policy(params: &Params) -> Result<Option<String>, ActionError> {
    let Some(text) = params.given("Policy") else { return Ok(None) };
    match Document::parse_session(text) {
        Ok(_) => Ok(Some(text.to_owned())),
        Err(faults) => {
            let code = DocumentKind::Session.error_code(&faults);
            Err(ActionError::FaultySessionPolicy { code, faults: describe_faults(&faults) })
        }
    }
}

pub(super) fn session_name(params: &Params) -> Result<RoleSessionName, ActionError> {
    params.text("RoleSessionName")?.parse().map_err(|_| ActionError::invalid("RoleSessionName"))
}

/// An optional text of a length, of letters, digits, `_` and some signs.
fn signs(
    params: &Params,
    name: &'static str,
    (least, most): (usize, usize),
    signs: &str,
) -> Result<Option<String>, ActionError> {
    let Some(text) = params.given(name) else { return Ok(None) };
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || signs.contains(c);
    if text.len() < least || text.len() > most || !text.chars().all(legal) {
        return Err(ActionError::invalid(name));
    }
    Ok(Some(text.to_owned()))
}

/// `{Credentials}` and `{AssumedRoleUser}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Assumed {
    /// Whom the session is.
    pub assumed_role_user: AssumedRoleUser,
    /// What it signs with.
    pub credentials: CredentialsReply,
    /// Whom its assumer acts for; only when somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
}

/// A session as replies name it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssumedRoleUser {
    /// `acs:ram::{account}:role/{role}/{session}`.
    pub arn: String,
    /// `{RoleId}:{session}`.
    pub assumed_role_id: String,
}

/// Temporary credentials in the clear, this once.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CredentialsReply {
    /// `STS.…`.
    pub access_key_id: String,
    /// The secret half.
    pub access_key_secret: String,
    /// The session, sealed.
    pub security_token: String,
    /// When it ends.
    pub expiration: String,
}

impl std::fmt::Debug for CredentialsReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CredentialsReply({})", self.access_key_id)
    }
}

/// Turns a proof into a session.
pub(super) fn open(
    services: &Services,
    assumption: Assumption,
    name: RoleSessionName,
    wish: SessionWish,
    source_identity: Option<Arc<str>>,
    now: sluice_model::UnixMs,
) -> Result<Assumed, ActionError> {
    use secrecy::ExposeSecret;
    let role = assumption.role();
    let chained_s_max = if assumption.is_chained() { limits::CHAINED_SESSION_S_MAX } else { u32::MAX };
    if wish.seconds > role.session_s_max.min(chained_s_max) {
        return Err(ActionError::invalid("DurationSeconds"));
    }
    let sluice_model::Principal::Role(account, id) = role.principal else { return Err(ActionError::Internal) };
    let assumed_role_user = AssumedRoleUser {
        arn: format!("acs:ram::{account}:role/{}/{name}", role.name),
        assumed_role_id: format!("{id}:{name}"),
    };
    let draft =
        SessionDraft { name, seconds: wish.seconds, policy: wish.policy, source_identity: source_identity.clone() };
    let opened = services.access.open_role_session(assumption, draft, now).ok_or(ActionError::Internal)?;
    let TemporaryCredentials { key, secret, token, expires } = opened;
    Ok(Assumed {
        assumed_role_user,
        credentials: CredentialsReply {
            access_key_id: key.to_string(),
            access_key_secret: secret.expose_secret().to_owned(),
            security_token: token,
            expiration: date(expires),
        },
        source_identity: source_identity.map(|text| text.to_string()),
    })
}

/// Assumes a role of this account or of another that trusts the caller.
#[derive(Clone, Debug)]
pub struct AssumeRole {
    /// The role.
    pub role: RoleArn,
    /// The session's name.
    pub session_name: RoleSessionName,
    /// How long and how narrow.
    pub wish: SessionWish,
    /// What the trust policy may ask for.
    pub external_id: Option<String>,
    /// Whom the caller acts for.
    pub source_identity: Option<String>,
}

impl Act for AssumeRole {
    const ROW: Row = Row {
        product: Product::Sts,
        name: "AssumeRole",
        actions: &[Action::of("sts:AssumeRole")],
        resource: "the role, which must trust the caller besides",
        parameters: &[
            required("RoleArn"),
            required("RoleSessionName"),
            optional("DurationSeconds"),
            optional("Policy"),
            optional("ExternalId"),
            optional("SourceIdentity"),
        ],
    };
    type Output = Assumed;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            role: RoleArn::read(params)?,
            session_name: session_name(params)?,
            wish: SessionWish::read(params)?,
            external_id: signs(params, "ExternalId", (2, 1_224), "+=,.@:/-")?,
            source_identity: signs(params, "SourceIdentity", (2, 64), "+=,.@-")?,
        })
    }

    fn ask(&self, _context: &ActionContext) -> Ask {
        let key = self.external_id.clone().map(|external_id| (EXTERNAL_ID_KEY.to_owned(), external_id));
        Ask::ToAssume(self.role.account, self.role.name.clone()).with(key.into_iter().collect())
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Assumed, ActionError> {
        let assumption = granted.into_assumption()?;
        let given = self.source_identity.map(Arc::from);
        // Whom a chain of roles acts for was said at its beginning, and is not said anew.
        let source_identity = match (assumption.source_identity().cloned(), given) {
            (Some(first), Some(given)) if first != given => return Err(ActionError::invalid("SourceIdentity")),
            (first, given) => first.or(given),
        };
        open(&context.services, assumption, self.session_name, self.wish, source_identity, context.now)
    }
}
