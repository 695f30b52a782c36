//! Users: CreateUser, GetUser, UpdateUser, ListUsers, DeleteUser.

use serde::Serialize;
use sluice_access::{Change, random};
use sluice_model::{AccountId, Action, Principal, RamEntity, Resource, UserName};
use sluice_policy::Permit;
use sluice_store::{By, NewUser, User, UserChange};

use crate::{
    Act, ActionContext, ActionError, Ask, Code, Fault, Granted, NextPage, Page, Params, Product, Row, limits,
    operation::{optional, required},
    time::date,
};

/// What is asked on one user, by its name.
pub(super) fn resource(account: AccountId, name: &UserName) -> Resource {
    Resource::Ram(account, RamEntity::User(name.as_str().into()))
}

/// The user of a name, after the question was answered with yes.
pub(super) async fn find(context: &ActionContext, _granted: &Permit, name: &UserName) -> Result<User, ActionError> {
    let user = context.store().user(context.account(), name).await?;
    user.ok_or(Code::NoUser.into())
}

/// A user as replies show it. `None` and empty members are left out, as the vendor does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserReply {
    /// 18 digits.
    pub user_id: String,
    /// The name.
    pub user_name: String,
    /// The name to show.
    pub display_name: String,
    /// `{country}-{number}`.
    pub mobile_phone: String,
    /// The address.
    pub email: String,
    /// Free text.
    pub comments: String,
    /// When it was made.
    pub create_date: String,
    /// When it was last changed; not in CreateUser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_date: Option<String>,
    /// The last console sign-in; GetUser alone has it, empty when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login_date: Option<String>,
}

impl UserReply {
    fn of(user: User) -> Self {
        Self {
            user_id: user.id.to_string(),
            user_name: user.name.to_string(),
            display_name: user.display_name,
            mobile_phone: user.mobile_phone,
            email: user.email,
            comments: user.comments,
            create_date: date(user.created),
            update_date: Some(date(user.updated)),
            last_login_date: None,
        }
    }

    /// As CreateUser shows it. Not read back: another client may have deleted it by then.
    fn of_new(user: NewUser) -> Self {
        Self {
            user_id: user.id.to_string(),
            user_name: user.name.to_string(),
            display_name: user.display_name,
            mobile_phone: user.mobile_phone,
            email: user.email,
            comments: user.comments,
            create_date: date(user.created),
            update_date: None,
            last_login_date: None,
        }
    }
}

/// `{User}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneUser {
    /// The user.
    pub user: UserReply,
}

/// A reply with nothing but `RequestId`.
#[derive(Debug, Serialize)]
pub struct Done {}

/// The name to show: letters and digits of any alphabet, and `@._-`, as the error table has it; blanks besides, because people's
/// names have them and the newer pages tell a length alone. Source: facts/ram.md section 8, 4.
fn display_name(params: &Params, name: &'static str) -> Result<Option<String>, ActionError> {
    let text = params.limited(name, limits::DISPLAY_NAME_CHARACTERS_MAX)?;
    let legal = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '@' | '.' | '_' | '-');
    match text {
        Some(text) if !text.chars().all(legal) => Err(ActionError::Invalid { name, fault: Fault::InvalidChars }),
        other => Ok(other),
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '@' | '<' | '>' | '"');
    let plain = |part: &str| !part.is_empty() && !part.contains(odd);
    plain(local) && plain(domain) && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
}

/// `{country code}-{number}`. Source: facts/ram.md section 2.
fn is_mobile_phone(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('-').is_some_and(|(country, number)| digits(country) && country.len() <= 4 && digits(number))
}

/// Creates a user, without any right.
#[derive(Clone, Debug)]
pub struct CreateUser {
    /// The name.
    pub name: UserName,
    /// The name to show; the name when absent.
    pub display_name: Option<String>,
    /// `{country}-{number}`.
    pub mobile_phone: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// Free text.
    pub comments: Option<String>,
}

impl Act for CreateUser {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "CreateUser",
        actions: &[Action::of("ram:CreateUser")],
        resource: "user/{UserName}",
        parameters: &[
            required("UserName"),
            optional("DisplayName"),
            optional("MobilePhone"),
            optional("Email"),
            optional("Comments"),
        ],
    };
    type Output = OneUser;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            name: params.name("UserName")?,
            display_name: display_name(params, "DisplayName")?,
            mobile_phone: params.formed("MobilePhone", limits::MOBILE_PHONE_CHARACTERS_MAX, is_mobile_phone)?,
            email: params.formed("Email", limits::EMAIL_CHARACTERS_MAX, is_email)?,
            comments: params.limited("Comments", limits::COMMENTS_CHARACTERS_MAX)?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneUser, ActionError> {
        let permit = granted.permit()?;
        let account = context.account();
        let name = self.name.to_string();
        let new = NewUser {
            id: random::user_id(),
            name: self.name,
            display_name: self.display_name.filter(|text| !text.is_empty()).unwrap_or(name),
            mobile_phone: self.mobile_phone.unwrap_or_default(),
            email: self.email.unwrap_or_default(),
            comments: self.comments.unwrap_or_default(),
            created: context.now,
        };
        context.store().create_user(By::Permit(permit), account, &new, limits::USERS_MAX).await?;
        context.changed(Change::Principal(Principal::User(account, new.id))).await;
        Ok(OneUser { user: UserReply::of_new(new) })
    }
}

/// Shows a user.
#[derive(Clone, Debug)]
pub struct GetUser {
    /// The name.
    pub name: UserName,
}

impl Act for GetUser {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetUser",
        actions: &[Action::of("ram:GetUser")],
        resource: "user/{UserName}",
        parameters: &[required("UserName")],
    };
    type Output = OneUser;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("UserName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneUser, ActionError> {
        let user = find(context, granted.permit()?, &self.name).await?;
        let last_login_date = Some(user.last_login.map(date).unwrap_or_default());
        Ok(OneUser { user: UserReply { last_login_date, ..UserReply::of(user) } })
    }
}

/// Changes a user; what is `None` stays, an empty text clears.
#[derive(Clone, Debug)]
pub struct UpdateUser {
    /// The name now.
    pub name: UserName,
    /// Another name; the user keeps its ID, keys and policies.
    pub new_name: Option<UserName>,
    /// The name to show.
    pub new_display_name: Option<String>,
    /// `{country}-{number}`.
    pub new_mobile_phone: Option<String>,
    /// The address.
    pub new_email: Option<String>,
    /// Free text.
    pub new_comments: Option<String>,
}

impl Act for UpdateUser {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "UpdateUser",
        actions: &[Action::of("ram:UpdateUser")],
        resource: "user/{UserName}, and user/{NewUserName} when it is renamed",
        parameters: &[
            required("UserName"),
            optional("NewUserName"),
            optional("NewDisplayName"),
            optional("NewMobilePhone"),
            optional("NewEmail"),
            optional("NewComments"),
        ],
    };
    type Output = OneUser;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self {
            name: params.name("UserName")?,
            new_name: params.optional_name("NewUserName")?,
            new_display_name: display_name(params, "NewDisplayName")?,
            new_mobile_phone: params.formed("NewMobilePhone", limits::MOBILE_PHONE_CHARACTERS_MAX, is_mobile_phone)?,
            new_email: params.formed("NewEmail", limits::EMAIL_CHARACTERS_MAX, is_email)?,
            new_comments: params.limited("NewComments", limits::COMMENTS_CHARACTERS_MAX)?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let of = |name| resource(context.account(), name);
        Ask::renaming(of(&self.name), self.new_name.as_ref().map(of))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneUser, ActionError> {
        let permit = granted.permit()?;
        let account = context.account();
        let change = UserChange {
            name: self.new_name.filter(|new| *new != self.name),
            display_name: self.new_display_name,
            mobile_phone: self.new_mobile_phone,
            email: self.new_email,
            comments: self.new_comments,
        };
        let by = By::Permit(permit);
        let user = context.store().update_user(by, account, &self.name, &change, context.now).await?;
        context.changed(Change::Principal(Principal::User(account, user.id))).await;
        Ok(OneUser { user: UserReply::of(user) })
    }
}

/// Lists users by name.
#[derive(Clone, Debug)]
pub struct ListUsers {
    /// Which page.
    pub page: Page,
}

/// `{Users: {User: []}, IsTruncated, Marker}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserPage {
    /// The users.
    pub users: UserList,
    /// Whether there is a next page, and what leads to it.
    #[serde(flatten)]
    pub next: NextPage,
}

/// `{User: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserList {
    /// The users.
    pub user: Vec<UserReply>,
}

impl Act for ListUsers {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListUsers",
        actions: &[Action::of("ram:ListUsers")],
        resource: "user/*",
        parameters: &[optional("Marker"), optional("MaxItems")],
    };
    type Output = UserPage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { page: Page::read(params)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(Resource::Ram(context.account(), RamEntity::User("*".into())))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<UserPage, ActionError> {
        let (after, most) = self.page.to_read();
        let users = context.store().users(context.account(), after, most).await?;
        let (users, next) = self.page.cut(users, |user| user.name.to_string());
        let user = users.into_iter().map(UserReply::of).collect();
        Ok(UserPage { users: UserList { user }, next })
    }
}

/// Deletes a user that has nothing left.
#[derive(Clone, Debug)]
pub struct DeleteUser {
    /// The name.
    pub name: UserName,
}

impl Act for DeleteUser {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DeleteUser",
        actions: &[Action::of("ram:DeleteUser")],
        resource: "user/{UserName}",
        parameters: &[required("UserName")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("UserName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        let id = context.store().delete_user(By::Permit(permit), context.account(), &self.name).await?;
        context.changed(Change::Principal(Principal::User(context.account(), id))).await;
        Ok(Done {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_numbers_have_a_form() {
        assert!(is_email("a.b@example.com"));
        for bad in ["a", "@b.c", "a@", "a@b", "a@@b.c", "a b@c.d", "a\u{1}@b.c", "a\u{a0}@b.c", "a@.c", "a@c."] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(is_mobile_phone("86-18600008888"));
        for bad in ["18600008888", "86-", "-1", "86-1a", "12345-1", "+86-1"] {
            assert!(!is_mobile_phone(bad), "{bad}");
        }
    }
}
