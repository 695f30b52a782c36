//! Principals as replies show them and parameters name them.

use sluice_model::{AccountId, Principal, UserId, UserName};
use sluice_store::StoreError;

use crate::{ActionContext, ActionError};

/// `acs:ram::{account}:root`, `…:user/{name}` or `…:role/{name}`. A user or role that is gone is named
/// by its ID, which is never used again.
pub(crate) fn shown(context: &ActionContext, principal: Principal) -> String {
    match context.access().name_of(principal) {
        Some(name) => principal.arn(&name),
        None => principal.arn_by_id(),
    }
}

/// A principal as a parameter names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The account itself.
    Root(AccountId),
    /// A user by name or, when nobody has that name, by ID.
    User(Option<AccountId>, UserName),
}

impl Named {
    /// Reads what [`shown`] writes, an account's ID, or a user's name or ID alone.
    pub(crate) fn read(name: &'static str, text: &str) -> Result<Self, ActionError> {
        let wrong = || ActionError::invalid(name);
        let user = |text: &str| text.parse().map_err(|_| wrong());
        let Some(rest) = text.strip_prefix("acs:ram::") else {
            return match text.parse() {
                Ok(account) => Ok(Self::Root(account)),
                Err(_) => Ok(Self::User(None, user(text)?)),
            };
        };
        let (account, entity) = rest.split_once(':').ok_or_else(wrong)?;
        let account = account.parse().map_err(|_| wrong())?;
        match entity.strip_prefix("user/") {
            Some(text) => Ok(Self::User(Some(account), user(text)?)),
            None if entity == "root" => Ok(Self::Root(account)),
            None => Err(wrong()),
        }
    }

    /// Whom it names in the caller's account; another account's and an absent one are nobody.
    pub(crate) async fn find(&self, context: &ActionContext) -> Result<Option<Principal>, StoreError> {
        let own = context.account();
        match self {
            Self::Root(account) => Ok((*account == own).then_some(Principal::Account(own))),
            Self::User(Some(account), _) if *account != own => Ok(None),
            Self::User(_, name) => {
                let by_name = context.store().user(own, name).await?.map(|user| user.id);
                let by_id = || name.as_str().parse().ok().and_then(|number| UserId::new(number).ok());
                Ok(by_name.or_else(by_id).map(|id| Principal::User(own, id)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_asked_for() {
        let account = sluice_testkit::account(1);
        let read = |text: &str| Named::read("Principal", text);
        let alice = "alice".parse::<UserName>().unwrap();
        assert_eq!(read(&format!("acs:ram::{account}:root")), Ok(Named::Root(account)));
        assert_eq!(read(&format!("acs:ram::{account}:user/alice")), Ok(Named::User(Some(account), alice.clone())));
        assert_eq!(read(&account.to_string()), Ok(Named::Root(account)));
        assert_eq!(read("alice"), Ok(Named::User(None, alice)));
        for bad in ["", "a b", "acs:ram::1:root", "acs:ram::x", &format!("acs:ram::{account}:role/r")] {
            assert_eq!(read(bad).unwrap_err().code(), "InvalidParameter.Principal", "{bad}");
        }
    }
}
