//! GetCallerIdentity: who am I.

use serde::Serialize;
use sluice_model::Principal;
use sluice_policy::Credential;

use crate::{Act, ActionContext, ActionError, Ask, Code, Granted, Params, Product, Row};

/// Says who calls. Every caller may ask it, of itself alone.
#[derive(Clone, Copy, Debug)]
pub struct GetCallerIdentity;

/// The caller. Source: facts/ram.md section 2; DESIGN section 2, API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CallerIdentity {
    /// `Account`, `RAMUser` or `AssumedRoleUser`.
    pub identity_type: &'static str,
    /// The account.
    pub account_id: String,
    /// The user's ID, `{RoleId}:{session}` of a role, the account's for itself.
    pub principal_id: String,
    /// Users only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Roles only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_id: Option<String>,
    /// `acs:ram::{account}:user/{name}`, `…:assumed-role/{role}/{session}` or `acs:ram::{account}:root`.
    pub arn: String,
}

impl Act for GetCallerIdentity {
    const ROW: Row =
        Row { product: Product::Sts, name: "GetCallerIdentity", actions: &[], resource: "the caller", parameters: &[] };
    type Output = CallerIdentity;

    fn read(_params: &Params) -> Result<Self, ActionError> {
        Ok(Self)
    }

    fn ask(&self, _context: &ActionContext) -> Ask {
        Ask::Nothing
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<CallerIdentity, ActionError> {
        let account_id = context.account().to_string();
        let principal = context.caller.principal();
        Ok(match principal {
            Principal::Account(_) => CallerIdentity {
                identity_type: "Account",
                principal_id: account_id.clone(),
                user_id: None,
                role_id: None,
                arn: principal.arn_by_id(),
                account_id,
            },
            Principal::Role(_, role) => {
                let Credential::RoleSession(session) = context.caller.credential() else {
                    return Err(ActionError::Internal);
                };
                let name = context.access().name_of(principal).ok_or(Code::NoRole)?;
                CallerIdentity {
                    identity_type: "AssumedRoleUser",
                    principal_id: format!("{role}:{}", session.name),
                    user_id: None,
                    role_id: Some(role.to_string()),
                    arn: format!("acs:ram::{account_id}:assumed-role/{name}/{}", session.name),
                    account_id,
                }
            }
            Principal::User(_, user) => {
                let name = context.caller_user_name().ok_or(Code::NoUser)?;
                CallerIdentity {
                    identity_type: "RAMUser",
                    principal_id: user.to_string(),
                    user_id: Some(user.to_string()),
                    role_id: None,
                    arn: principal.arn(&name),
                    account_id,
                }
            }
        })
    }
}
