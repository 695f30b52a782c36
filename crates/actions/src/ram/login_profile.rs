//! Console passwords: CreateLoginProfile, GetLoginProfile, UpdateLoginProfile, DeleteLoginProfile, ChangePassword.

use secrecy::SecretString;
use serde::Serialize;
use sluice_access::{Change, ChangePasswordError};
use sluice_model::{Action, Principal, RamEntity, Resource, UserId, UserName};
use sluice_store::{By, LoginProfile, NewPassword};

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

/// Hashes a password that complies with the account's policy; an administrator who sets one of the last ones hears the same
/// as of a weak one.
async fn hashed(context: &ActionContext, user: UserId, password: SecretString) -> Result<String, ActionError> {
    let admitted = context.access().passwords().admit(context.caller.principal()).ok_or(Code::TooManyPasswords)?;
    match context.access().password_fault(&admitted, context.account(), user, &password).await? {
        Some(_) => Err(ActionError::Invalid { name: "Password", fault: Fault::TooWeak }),
        None => Ok(admitted.hash(password).await),
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
    /// Whether an MFA device must be bound at the next sign-in without one.
    pub mfa_bind_required: bool,
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
        Ok(Self {
            name: params.name("UserName")?,
            password: params.text("Password")?.into(),
            reset_required: params.boolean("PasswordResetRequired")?.unwrap_or(false),
            mfa_bind_required: params.boolean("MFABindRequired")?.unwrap_or(false),
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<OneLoginProfile, ActionError> {
        let permit = granted.permit()?;
        let user = user::find(context, permit, &self.name).await?;
        let password_hash = hashed(context, user.id, self.password).await?;
        let profile = LoginProfile {
            password_reset_required: self.reset_required,
            mfa_bind_required: self.mfa_bind_required,
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
    /// Whether an MFA device must be bound at the next sign-in without one.
    pub mfa_bind_required: Option<bool>,
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
        Ok(Self {
            name: params.name("UserName")?,
            password: params.given("Password").map(SecretString::from),
            reset_required: params.boolean("PasswordResetRequired")?,
            mfa_bind_required: params.boolean("MFABindRequired")?,
        })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        Ask::On(user::resource(context.account(), &self.name))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let permit = granted.permit()?;
        let user = user::find(context, permit, &self.name).await?;
        let password_hash = match self.password {
            Some(password) => Some(hashed(context, user.id, password).await?),
            None => None,
        };
        let password = password_hash.as_deref().map(|hash| NewPassword { hash, now: context.now, keep: None });
        let of = (context.account(), user.id, self.name.as_str());
        let flags = (self.reset_required, self.mfa_bind_required);
        context.store().update_login_profile(By::Permit(permit), of, flags, password).await?;
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

/// A user changes its own password, as far as the security preference or a policy lets it. Other users' are for
/// UpdateLoginProfile.
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
        actions: &[Action::of("ram:ChangePassword")],
        resource: "user/{the caller}",
        parameters: &[required("OldPassword"), required("NewPassword"), not_served("UserName")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { old: params.text("OldPassword")?.into(), new: params.text("NewPassword")?.into() })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let entity = context.caller_user_name().map_or(RamEntity::All, RamEntity::User);
        Ask::On(Resource::Ram(context.account(), entity))
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<Done, ActionError> {
        let Principal::User(account, user) = context.caller.principal() else {
            return Err(Code::AccountHasNoPassword.into());
        };
        let (passwords, credential) = ((self.old, self.new), context.caller.credential());
        let changed = context.access().change_password_of((account, user), credential, passwords, context.now).await;
        changed.map_err(|error| match error {
            ChangePasswordError::WrongPassword => ActionError::Invalid { name: "OldPassword", fault: Fault::Incorrect },
            ChangePasswordError::Expired => ActionError::Invalid { name: "OldPassword", fault: Fault::Expired },
            ChangePasswordError::Reused => ActionError::Invalid { name: "NewPassword", fault: Fault::ReusePrevention },
            ChangePasswordError::TooWeak(_) => ActionError::Invalid { name: "NewPassword", fault: Fault::TooWeak },
            ChangePasswordError::Account => Code::AccountHasNoPassword.into(),
            ChangePasswordError::NoSession => Code::NoLoginProfile.into(),
            ChangePasswordError::Busy => Code::TooManyPasswords.into(),
            ChangePasswordError::Store(error) => error.into(),
        })?;
        context.changed(Change::Principal(Principal::User(account, user))).await;
        Ok(Done {})
    }
}
