//! Why an operation was not done, and the one table of codes, statuses and texts.
//!
//! Codes and statuses are the vendor's (openapi/errors.json; facts/ram.md section 3.4); texts are ours.

use sluice_model::{InstanceId, NameError};
use sluice_store::{Entity, StoreError};

use crate::Denial;

/// What is wrong with a parameter: the last part of RAM's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `InvalidParameter.{Name}`.
    Value,
    /// `InvalidParameter.{Name}.Length`.
    Length,
    /// `InvalidParameter.{Name}.InvalidChars`.
    InvalidChars,
    /// `InvalidParameter.{Name}.Format`.
    Format,
    /// `InvalidParameter.{Name}.Range`.
    Range,
    /// `InvalidParameter.{Name}.TooWeak`.
    TooWeak,
    /// `InvalidParameter.{Name}.ReusePrevention`.
    ReusePrevention,
    /// `InvalidParameter.{Name}.Incorrect`.
    Incorrect,
    /// A password that its age makes useless: `InvalidParameter.{Name}.Incorrect`, the nearest of the vendor's codes.
    Expired,
}

impl Fault {
    fn suffix(self) -> &'static str {
        match self {
            Self::Value => "",
            Self::Length => ".Length",
            Self::InvalidChars => ".InvalidChars",
            Self::Format => ".Format",
            Self::Range => ".Range",
            Self::TooWeak => ".TooWeak",
            Self::ReusePrevention => ".ReusePrevention",
            Self::Incorrect | Self::Expired => ".Incorrect",
        }
    }
}

/// How a product words a right that is missing, or a parameter that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedAs {
    /// RAM and STS: `NoPermission`, 403.
    NoPermission,
    /// OnsMqtt, the instance right or the instance itself: `InstancePermissionCheckFailed`, 400.
    Instance,
    /// OnsMqtt, any other right: `PermissionCheckFailed`, 400.
    Permission,
}

/// Why an operation was not done. Peer's fault but for [`ActionError::Internal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// A required parameter is absent or empty.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A parameter breaks its rule.
    #[error("`{name}` is wrong")]
    Invalid {
        /// The parameter.
        name: &'static str,
        /// Which rule.
        fault: Fault,
    },
    /// OnsMqtt's group operations have one code for each wrong field.
    #[error("the field `{0}` is wrong")]
    Field(&'static str),
    /// A parameter that this version does not serve was given; it is not ignored.
    #[error("`{0}` is not served")]
    NotServed(&'static str),
    /// An instance that cannot exist, as it was named; becomes a refusal like any absent one.
    #[error("no instance `{0}`")]
    AbsentInstance(String),
    /// The right is missing, or the thing is hidden: the two are one.
    #[error("{}", .0.reason)]
    Denied(Box<Denial>, DeniedAs),
    /// A session policy that is none.
    #[error("{faults}")]
    FaultySessionPolicy {
        /// The code, which names no parameter.
        code: &'static str,
        /// The faults in words.
        faults: String,
    },
    /// A policy document that is none; the fault in words.
    #[error("the policy document is invalid: {0}")]
    MalformedPolicyDocument(String),
    /// A code of the table.
    #[error("{}", .0.row().2)]
    Code(Code),
    /// What the caller may do has changed while the operation waited; nothing was written. [`crate::call`] asks again.
    #[error("what the caller may do keeps changing")]
    PermitOutdated,
    /// Ours: the cause is in the log, under the request's ID.
    #[error("an internal error occurred")]
    Internal,
}

impl ActionError {
    pub(crate) fn invalid(name: &'static str) -> Self {
        Self::Invalid { name, fault: Fault::Value }
    }

    pub(crate) fn of_name(name: &'static str, fault: NameError) -> Self {
        let fault = match fault {
            NameError::Length { .. } => Fault::Length,
            NameError::InvalidChars { .. } => Fault::InvalidChars,
            NameError::Format { .. } | NameError::Reserved { .. } => Fault::Format,
        };
        Self::Invalid { name, fault }
    }

    /// The store's refusal, where the instance may have been deleted meanwhile: that reads like any absent one.
    pub(crate) fn of_instance(error: StoreError, instance: &InstanceId) -> Self {
        match error {
            StoreError::NotFound(Entity::Instance) => Self::AbsentInstance(instance.to_string()),
            other => other.into(),
        }
    }

    /// As the group operations of OnsMqtt say it.
    pub(crate) fn into_field(self) -> Self {
        match self {
            Self::Invalid { name, .. } | Self::Missing(name) => Self::Field(name),
            other => other,
        }
    }

    /// As OnsMqtt says it: the parameter, without the rule.
    pub(crate) fn without_rule(self) -> Self {
        match self {
            Self::Invalid { name, .. } => Self::invalid(name),
            other => other,
        }
    }

    /// The refusal behind it, for `AccessDeniedDetail` and the console.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Denied(denial, _) => Some(denial),
            _ => None,
        }
    }

    /// The code as the SDKs read it.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Missing(name) => format!("Missing{name}"),
            Self::Invalid { name, fault } => format!("InvalidParameter.{name}{}", fault.suffix()),
            Self::NotServed(name) => format!("InvalidParameter.{name}"),
            Self::Field(_) => "ParameterFieldCheckFailed".to_owned(),
            Self::AbsentInstance(_) | Self::Denied(_, DeniedAs::Instance) => "InstancePermissionCheckFailed".to_owned(),
            Self::Denied(_, DeniedAs::Permission) => "PermissionCheckFailed".to_owned(),
            Self::Denied(_, DeniedAs::NoPermission) => "NoPermission".to_owned(),
            Self::MalformedPolicyDocument(_) => "MalformedPolicyDocument".to_owned(),
            Self::FaultySessionPolicy { code, .. } => (*code).to_owned(),
            Self::Code(code) => code.row().0.to_owned(),
            Self::PermitOutdated => Code::ServiceUnavailable.row().0.to_owned(),
            Self::Internal => "InternalError".to_owned(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Denied(_, DeniedAs::NoPermission) => 403,
            Self::Code(code) => code.row().1,
            Self::PermitOutdated => Code::ServiceUnavailable.row().1,
            Self::Internal => 500,
            _ => 400,
        }
    }

    /// The text for a person.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Missing(name) => format!("{name} is mandatory for this action."),
            Self::Invalid { name, fault } => {
                let what = match fault {
                    Fault::Value => "is incorrect",
                    Fault::Length => "is beyond the length limit",
                    Fault::InvalidChars => "contains invalid characters",
                    Fault::Format => "does not have the right format",
                    Fault::Range => "is out of its range",
                    Fault::TooWeak => "does not comply with the password policy",
                    Fault::ReusePrevention => "was in use already",
                    Fault::Incorrect => "is not the password in use",
                    Fault::Expired => "has expired; an administrator must set another password",
                };
                format!("The parameter \"{name}\" {what}.")
            }
            Self::FaultySessionPolicy { faults, .. } => format!("The parameter \"Policy\" is invalid: {faults}"),
            Self::Field(name) => format!("The parameter \"{name}\" is missing or incorrect."),
            Self::NotServed(name) => format!("The parameter \"{name}\" is not served."),
            Self::Denied(denial, _) => format!("You are not authorized to do this action: {}.", denial.reason),
            other => other.to_string(),
        }
    }
}

impl From<Code> for ActionError {
    fn from(code: Code) -> Self {
        Self::Code(code)
    }
}

/// The fixed codes that operations answer with.
#[allow(missing_docs, reason = "each variant is the code that `Code::row` spells")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    NoUser,
    NoAccessKey,
    NoLoginProfile,
    NoPolicy,
    NoPolicyVersion,
    NoUserPolicy,
    UserExists,
    LoginProfileExists,
    PolicyExists,
    UserPolicyExists,
    UserHasAccessKey,
    UserHasLoginProfile,
    UserHasPolicy,
    PolicyHasUser,
    PolicyHasVersion,
    VersionIsDefault,
    TooManyUsers,
    TooManyAccessKeys,
    TooManyPolicies,
    TooManyVersions,
    TooManyUserPolicies,
    PolicyTooLong,
    AccountHasNoPassword,
    TooManyPasswords,
    NoMfaDevice,
    NoUserMfaDevice,
    MfaDeviceExists,
    UserMfaDeviceExists,
    MfaDeviceIsTaken,
    UserHasMfaDevice,
    MfaDeviceHasUser,
    TooManyMfaDevices,
    WrongAuthenticationCode,
    AccountAliasExists,
    NoUserGroup,
    NotInGroup,
    NoGroupPolicy,
    UserGroupExists,
    AlreadyInGroup,
    GroupPolicyExists,
    UserIsInGroup,
    GroupHasUser,
    GroupHasPolicy,
    PolicyHasGroup,
    TooManyUserGroups,
    TooManyGroupsOfUser,
    TooManyGroupPolicies,
    /// Ours: the vendor's code is not known.
    TooManyTags,
    NoRole,
    NoServiceLinkedRole,
    NoOidcProvider,
    /// A role does not trust whoever comes by an identity provider, or is not there: the two are one.
    NotTrusted,
    NoSamlProvider,
    OidcProviderExists,
    SamlProviderExists,
    TooManyProviders,
    OidcTokenExpired,
    OidcTokenInvalid,
    SamlAssertionExpired,
    SamlAssertionInvalid,
    /// AssumeRoleWithSAML alone has a code of its own for each parameter that is missing, and for the role.
    MissingSamlProviderArn,
    MissingSamlAssertion,
    MissingRoleArn,
    NoRoleArn,
    IdpMetadataInvalid,
    IsServiceLinkedRole,
    SuffixNotAllowed,
    NoRolePolicy,
    RoleExists,
    RolePolicyExists,
    RoleHasPolicy,
    PolicyHasRole,
    TooManyRoles,
    TooManyRolePolicies,
    NoResourceGroup,
    GroupExists,
    NoGroup,
    TopicExists,
    NoTopic,
    NoSession,
    TooManyTopics,
    TooManyGroups,
    TooManyMessages,
    /// Ours: a message that has to be stored cannot be.
    SendMessageFailed,
    NoRefusal,
    DiagnosticMessageNotSupported,
    DiagnosticMessageExpired,
    /// Ours: what was used does not fit a policy.
    GeneratedTooLong,
    /// Ours: the database cannot be reached, or what is in force cannot be read.
    ServiceUnavailable,
}

impl Code {
    /// Whether somebody who may is refused all the same, by a limit or because the thing is its owner's: what ExplainDecision
    /// answers for, without a policy. What an operation does not find, has twice or cannot read is no refusal.
    pub(crate) fn is_refusal(self) -> bool {
        let (code, ..) = self.row();
        code.starts_with("LimitExceeded.")
            || matches!(self, Self::TooManyMessages | Self::NoGroup | Self::IsServiceLinkedRole)
    }

    /// In words.
    pub(crate) fn text(self) -> &'static str {
        self.row().2
    }

    /// Code, HTTP status, text.
    #[allow(clippy::too_many_lines, reason = "a table, one row a code")]
    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::TooManyMessages => {
                ("Throttling.User", 400, "The instance has as many messages in this second as it may.")
            }
            Self::NoUser => ("EntityNotExist.User", 404, "The user does not exist."),
            Self::NoAccessKey => ("EntityNotExist.User.AccessKey", 404, "The AccessKey does not exist."),
            Self::NoLoginProfile => ("EntityNotExist.User.LoginProfile", 404, "The login profile does not exist."),
            Self::NoPolicy => ("EntityNotExist.Policy", 404, "The policy does not exist."),
            Self::NoPolicyVersion => ("EntityNotExist.Policy.Version", 404, "The policy version does not exist."),
            Self::NoUserPolicy => ("EntityNotExist.User.Policy", 404, "The policy is not attached to the user."),
            Self::UserExists => ("EntityAlreadyExists.User", 409, "The user exists already."),
            Self::LoginProfileExists => {
                ("EntityAlreadyExists.User.LoginProfile", 409, "The user has a login profile already.")
            }
            Self::PolicyExists => ("EntityAlreadyExists.Policy", 409, "The policy exists already."),
            Self::UserPolicyExists => {
                ("EntityAlreadyExists.User.Policy", 409, "The policy is attached to the user already.")
            }
            Self::UserHasAccessKey => ("DeleteConflict.User.AccessKey", 409, "The user still has an AccessKey."),
            Self::UserHasLoginProfile => {
                ("DeleteConflict.User.LoginProfile", 409, "The user still has a login profile.")
            }
            Self::UserHasPolicy => ("DeleteConflict.User.Policy", 409, "The user still has an attached policy."),
            Self::PolicyHasUser => ("DeleteConflict.Policy.User", 409, "The policy is still attached to a user."),
            Self::PolicyHasVersion => {
                ("DeleteConflict.Policy.Version", 409, "The policy still has a version besides the default one.")
            }
            Self::VersionIsDefault => {
                ("DeleteConflict.Policy.Version.Default", 409, "The default version cannot be deleted.")
            }
            Self::TooManyUsers => ("LimitExceeded.User", 409, "The account has as many users as it may."),
            Self::TooManyAccessKeys => {
                ("LimitExceeded.User.AccessKey", 409, "There are as many AccessKeys as there may be.")
            }
            Self::TooManyPolicies => ("LimitExceeded.Policy", 409, "The account has as many policies as it may."),
            Self::TooManyVersions => {
                ("LimitExceeded.Policy.Version", 409, "The policy has as many versions as it may.")
            }
            Self::TooManyUserPolicies => {
                ("LimitExceeded.User.Policy", 409, "The user has as many policies of this type as it may.")
            }
            Self::PolicyTooLong => (
                "InvalidParameter.PolicyDocument.Length",
                400,
                "The parameter \"PolicyDocument\" is beyond the length limit.",
            ),
            Self::AccountHasNoPassword => ("NotSupport.Account", 400, "Only a RAM user can change its password here."),
            Self::TooManyPasswords => {
                ("Throttling.User", 400, "Too many passwords of the user or its account are being checked or hashed.")
            }
            Self::NoMfaDevice => ("EntityNotExist.VirtualMFADevice", 404, "The virtual MFA device does not exist."),
            Self::NoUserMfaDevice => ("EntityNotExist.User.MFADevice", 404, "The user has no MFA device."),
            Self::MfaDeviceExists => {
                ("EntityAlreadyExists.VirtualMFADevice", 409, "The virtual MFA device exists already.")
            }
            Self::UserMfaDeviceExists => {
                ("EntityAlreadyExists.User.MFADevice", 409, "The user has an MFA device already.")
            }
            Self::MfaDeviceIsTaken => {
                ("EntityAlreadyExists.VirtualMFADevice.User", 409, "The virtual MFA device is bound to a user already.")
            }
            Self::UserHasMfaDevice => ("DeleteConflict.User.MFADevice", 409, "The user still has an MFA device."),
            Self::MfaDeviceHasUser => {
                ("DeleteConflict.VirtualMFADevice.User", 409, "The virtual MFA device is still bound to a user.")
            }
            Self::TooManyMfaDevices => {
                ("LimitExceeded.VirtualMFADevice", 409, "The account has as many virtual MFA devices as it may.")
            }
            Self::WrongAuthenticationCode => {
                ("CheckAuthenticationCodeFail", 403, "The codes are not two of the device that follow each other.")
            }
            Self::AccountAliasExists => {
                ("EntityAlreadyExists.AccountAlias", 409, "The alias is another account's already.")
            }
            Self::NoUserGroup => ("EntityNotExist.Group", 404, "The user group does not exist."),
            Self::NotInGroup => ("EntityNotExist.User.Group", 404, "The user is not in the group."),
            Self::NoGroupPolicy => ("EntityNotExist.Group.Policy", 404, "The policy is not attached to the group."),
            Self::UserGroupExists => ("EntityAlreadyExists.Group", 409, "The user group exists already."),
            Self::AlreadyInGroup => ("EntityAlreadyExists.User.Group", 409, "The user is in the group already."),
            Self::GroupPolicyExists => {
                ("EntityAlreadyExists.Group.Policy", 409, "The policy is attached to the group already.")
            }
            Self::UserIsInGroup => ("DeleteConflict.User.Group", 409, "The user is still in a group."),
            Self::GroupHasUser => ("DeleteConflict.Group.User", 409, "The group still has a user."),
            Self::GroupHasPolicy => ("DeleteConflict.Group.Policy", 409, "The group still has an attached policy."),
            Self::PolicyHasGroup => ("DeleteConflict.Policy.Group", 409, "The policy is still attached to a group."),
            Self::TooManyUserGroups => ("LimitExceeded.Group", 409, "The account has as many user groups as it may."),
            Self::TooManyGroupsOfUser => ("LimitExceeded.User.Group", 409, "The user is in as many groups as it may."),
            Self::TooManyGroupPolicies => {
                ("LimitExceeded.Group.Policy", 409, "The group has as many policies of this type as it may.")
            }
            Self::TooManyTags => ("LimitExceeded.Tag", 409, "The policy or role has as many tags as it may."),
            Self::NoRole => ("EntityNotExist.Role", 404, "The role does not exist."),
            Self::NotTrusted => (
                "NoPermission",
                403,
                "The role does not trust whoever the identity provider vouches for, or it does not exist.",
            ),
            Self::NoOidcProvider => ("EntityNotExist.OIDCProvider", 404, "The OIDC provider does not exist."),
            Self::NoSamlProvider => ("EntityNotExist.SAMLProvider", 404, "The SAML provider does not exist."),
            Self::OidcProviderExists => {
                ("EntityAlreadyExists.OIDCProvider", 409, "An OIDC provider of this name or issuer exists already.")
            }
            Self::SamlProviderExists => ("EntityAlreadyExists.SAMLProvider", 409, "The SAML provider exists already."),
            Self::TooManyProviders => {
                ("LimitExceeded.IdentityProvider", 409, "The account has as many identity providers as it may.")
            }
            Self::OidcTokenExpired => ("AuthenticationFail.OIDCToken.Expired", 401, "The OIDC token is expired."),
            Self::OidcTokenInvalid => ("AuthenticationFail.OIDCToken.Invalid", 401, "The OIDC token is not valid."),
            Self::SamlAssertionExpired => {
                ("AuthenticationFail.SAMLAssertion.Expired", 401, "The SAML assertion is expired.")
            }
            Self::SamlAssertionInvalid => {
                ("AuthenticationFail.SAMLAssertion.Invalid", 401, "The SAML assertion is not valid.")
            }
            Self::MissingSamlProviderArn => {
                ("MissingParameter.SAMLProviderArn", 400, "The parameter SAMLProviderArn is missing.")
            }
            Self::MissingSamlAssertion => {
                ("MissingParameter.SAMLAssertion", 400, "The parameter SAMLAssertion is missing.")
            }
            Self::MissingRoleArn => ("MissingParameter.RoleArn", 400, "The parameter RoleArn is missing."),
            Self::NoRoleArn => ("EntityNotExist.RoleArn", 404, "The role does not exist."),
            Self::IdpMetadataInvalid => (
                "AuthenticationFail.IDPMetadata.Invalid",
                401,
                "The identity provider's metadata or keys cannot be read.",
            ),
            Self::NoServiceLinkedRole => {
                ("EntityNotExist.ServiceLinkedRole", 404, "The role exists and is not linked to a service.")
            }
            // The vendor's code is not public.
            Self::IsServiceLinkedRole => {
                ("NotSupport.ServiceLinkedRole", 400, "The role is its service's; only the service changes it.")
            }
            Self::SuffixNotAllowed => {
                ("InvalidParameter.CustomSuffix.NotAllowed", 400, "The service has one role, without a suffix.")
            }
            Self::NoRolePolicy => ("EntityNotExist.Role.Policy", 404, "The policy is not attached to the role."),
            Self::RoleExists => ("EntityAlreadyExists.Role", 409, "The role exists already."),
            Self::RolePolicyExists => {
                ("EntityAlreadyExists.Role.Policy", 409, "The policy is attached to the role already.")
            }
            Self::RoleHasPolicy => ("DeleteConflict.Role.Policy", 409, "The role still has an attached policy."),
            Self::PolicyHasRole => ("DeleteConflict.Policy.Role", 409, "The policy is still attached to a role."),
            Self::TooManyRoles => ("LimitExceeded.Role", 409, "The account has as many roles as it may."),
            Self::TooManyRolePolicies => {
                ("LimitExceeded.Role.Policy", 409, "The role has as many policies of this type as it may.")
            }
            Self::NoResourceGroup => ("EntityNotExist.ResourceGroup", 404, "The resource group does not exist."),
            Self::GroupExists => ("GroupIdAlreadyExsited", 400, "The group exists already."),
            Self::NoGroup => ("ResourcePermissionCheckFailed", 400, "The group does not exist."),
            Self::TopicExists => ("TopicAlreadyExisted", 400, "The topic exists already."),
            Self::NoTopic => ("TopicNotFound", 400, "The topic does not exist."),
            Self::SendMessageFailed => ("SendMessageFailed", 500, "The message cannot be stored now."),
            Self::ServiceUnavailable => ("ServiceUnavailable", 503, "The service is unavailable now. Try again later."),
            Self::NoRefusal => ("EntityNotExist", 404, "No refusal of this request is kept."),
            Self::DiagnosticMessageNotSupported => {
                ("NotSupport", 400, "This form of a diagnostic message is not served.")
            }
            Self::DiagnosticMessageExpired => {
                ("EncodedMessageExpire", 400, "The refusal is older than 7 days and is not kept any more.")
            }
            Self::GeneratedTooLong => (
                "LimitExceeded.PolicyDocument",
                409,
                "What was used does not fit a policy document of 6,144 characters; ask for fewer days.",
            ),
            Self::NoSession => ("SessionNotFound", 400, "The client has no session."),
            Self::TooManyTopics => ("LimitExceeded.Topic", 400, "The instance has as many topics as it may."),
            Self::TooManyGroups => ("LimitExceeded.GroupId", 400, "The instance has as many groups as it may."),
        }
    }
}
