//! Console passwords: CreateLoginProfile, GetLoginProfile, UpdateLoginProfile, DeleteLoginProfile, ChangePassword.

use secrecy::SecretString;
use serde::Serialize;
use sluice_access::{Change, ChangePasswordError, is_strong_enough};
use sluice_model::{Action, Principal, UserId, UserName};
use sluice_store::{By, LoginProfile};

use super::user::{self, Done};
use crate::{
    Act, ActionContext, ActionError, Ask, Code, Fault, Granted, Params, Product, Row,
    operation::{not_served, optional, required},
    time::date,
};

/// A login profile as replies show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoginProfileReply {
    /// Whose.
    pub user_name: String,
    /// Whether the password must be changed at the next sign-in.
    pub password_reset_required: bool,
    /// Whether a second factor must be bound.
    #[serde(rename = "MFABindRequired")]
    pub mfa_bind_required: bool,
    /// When it was made.
    pub create_date: String,
}

/// `{LoginProfile}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct OneLoginProfile {
    /// The profile.
    pub login_profile: LoginProfileReply,
}

impl OneLoginProfile {
    fn of(name: &UserName, profile: &LoginProfile) -> Self {
        let login_profile = LoginProfileReply {
            user_name: name.to_string(),
            password_reset_required: profile.password_reset_required,
            mfa_bind_required: profile.mfa_bind_required,
            create_date: date(profile.created),
        };
        Self { login_profile }
    }
}

/// A new password that complies with the password policy.
fn password(params: &Params, name: &'static str) -> Result<Option<SecretString>, ActionError> {
    let Some(text) = params.given(name) else { return Ok(None) };
    let password = SecretString::from(text);
    if is_strong_enough(&password) {
        Ok(Some(password))
    } else {
        Err(ActionError::Invalid { name, fault: Fault::TooWeak })
    }
}

/// The MFA of sign-in comes with a later version: a demand for it is refused, not forgotten.
fn no_mfa(params: &Params) -> Result<(), ActionError> {
    if params.boolean("MFABindRequired")? == Some(true) {
        Err(ActionError::NotServed("MFABindRequired"))
    } else {
        Ok(())
    }
}

/// Lets a user sign in to the console.
#[derive(Clone, Debug)]
pub struct CreateLoginProfile {
    /// Who.
    pub name: UserName,
    /// With which password.
    pub password: SecretString,
    /// Whether it must be changed at the first sign-in.
    pub reset_required: bool,
}

impl Act for CreateLoginProfile {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "CreateLoginProfile",
        actions: &[Action::of("ram:CreateLoginProfile")],
        resource: "user/{UserName}",
        parameters: &[
            required("UserName"),
            required("Password"),
            optional("PasswordResetRequired"),
            optional("MFABindRequired"),
        ],
    };
    type Output = OneLoginProfile;

    fn read(params: &Params) -> Result<Self, ActionError> {
        no_mfa(params)?;
        Ok(Self {
            name: params.name("UserName")?,
            password: password(params, "Password")?.ok_or(ActionError::Missing("Password"))?,
            reset_required: params.boolean("PasswordResetRequired")?.unwrap_or(false),
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneLoginProfile, ActionError> {
        let permit = granted.permit()?;
        let user = user::find(context, permit, &self.name).await?;
        let password_hash = context.access().passwords().hash(self.password).await;
        let profile = LoginProfile {
            password_reset_required: self.reset_required,
            mfa_bind_required: false,
            created: context.now,
        };
        let of = (context.account(), user.id, self.name.as_str());
        context.store().create_login_profile(By::Permit(permit), of, &profile, &password_hash).await?;
        context.changed(Change::Principal(Principal::User(context.account(), user.id))).await;
        Ok(OneLoginProfile::of(&self.name, &profile))
    }
}

async fn profile_of(context: &ActionContext, user: UserId) -> Result<LoginProfile, ActionError> {
    let profile = context.store().login_profile(context.account(), user).await?;
    profile.ok_or(Code::NoLoginProfile.into())
}

/// Shows whether and how a user may sign in.
#[derive(Clone, Debug)]
pub struct GetLoginProfile {
    /// Who.
    pub name: UserName,
}

impl Act for GetLoginProfile {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "GetLoginProfile",
        actions: &[Action::of("ram:GetLoginProfile")],
        resource: "user/{UserName}",
        parameters: &[required("UserName")],
    };
    type Output = OneLoginProfile;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("UserName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneLoginProfile, ActionError> {
        let user = user::find(context, granted.permit()?, &self.name).await?;
        let profile = profile_of(context, user.id).await?;
        Ok(OneLoginProfile::of(&self.name, &profile))
    }
}

/// Changes the password or what is demanded at sign-in; what is `None` stays.
#[derive(Clone, Debug)]
pub struct UpdateLoginProfile {
    /// Who.
    pub name: UserName,
    /// Another password; the failures that locked the user are forgotten.
    pub password: Option<SecretString>,
    /// Whether it must be changed at the next sign-in.
    pub reset_required: Option<bool>,
}

impl Act for UpdateLoginProfile {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "UpdateLoginProfile",
        actions: &[Action::of("ram:UpdateLoginProfile")],
        resource: "user/{UserName}",
        parameters: &[
            required("UserName"),
            optional("Password"),
            optional("PasswordResetRequired"),
            optional("MFABindRequired"),
        ],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        no_mfa(params)?;
        Ok(Self {
            name: params.name("UserName")?,
            password: password(params, "Password")?,
            reset_required: params.boolean("PasswordResetRequired")?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        let user = user::find(context, permit, &self.name).await?;
        let password_hash = match self.password {
            Some(password) => Some(context.access().passwords().hash(password).await),
            None => None,
        };
        let (of, flags) = ((context.account(), user.id, self.name.as_str()), (self.reset_required, None));
        context.store().update_login_profile(By::Permit(permit), of, flags, password_hash.as_deref()).await?;
        context.changed(Change::Principal(Principal::User(context.account(), user.id))).await;
        Ok(Done {})
    }
}

/// Ends a user's sign-in and its console sessions.
#[derive(Clone, Debug)]
pub struct DeleteLoginProfile {
    /// Who.
    pub name: UserName,
}

impl Act for DeleteLoginProfile {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "DeleteLoginProfile",
        actions: &[Action::of("ram:DeleteLoginProfile")],
        resource: "user/{UserName}",
        parameters: &[required("UserName")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { name: params.name("UserName")? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        let user = user::find(context, permit, &self.name).await?;
        let of = (context.account(), user.id, self.name.as_str());
        context.store().delete_login_profile(By::Permit(permit), of).await?;
        context.changed(Change::Principal(Principal::User(context.account(), user.id))).await;
        Ok(Done {})
    }
}

/// A user changes its own password; no right is needed but the password in use.
#[derive(Clone, Debug)]
pub struct ChangePassword {
    /// The password in use.
    pub old: SecretString,
    /// The next one.
    pub new: SecretString,
}

impl Act for ChangePassword {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ChangePassword",
        actions: &[],
        resource: "the caller",
        parameters: &[required("OldPassword"), required("NewPassword"), not_served("UserName")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let old = SecretString::from(params.text("OldPassword")?);
        let new = password(params, "NewPassword")?.ok_or(ActionError::Missing("NewPassword"))?;
        Ok(Self { old, new })
    }

    fn ask(&self, _context: &ActionContext) -> Ask {
        Ask::Nothing
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<Done, ActionError> {
        let Principal::User(account, user) = context.caller.principal() else {
            return Err(Code::AccountHasNoPassword.into());
        };
        let changed = context.access().change_password_of((account, user), self.old, self.new, context.now).await;
        changed.map_err(|error| match error {
            ChangePasswordError::WrongPassword => ActionError::Invalid { name: "OldPassword", fault: Fault::Incorrect },
            ChangePasswordError::Same => ActionError::Invalid { name: "NewPassword", fault: Fault::ReusePrevention },
            ChangePasswordError::TooWeak => ActionError::Invalid { name: "NewPassword", fault: Fault::TooWeak },
            ChangePasswordError::Account => Code::AccountHasNoPassword.into(),
            ChangePasswordError::NoSession => Code::NoLoginProfile.into(),
            ChangePasswordError::Store(error) => error.into(),
        })?;
        context.changed(Change::Principal(Principal::User(account, user))).await;
        Ok(Done {})
    }
}
