//! What the store's refusals are called in the API.

use sluice_store::{Entity, StoreError};

use crate::{ActionError, Code};

impl From<StoreError> for ActionError {
    /// What is no refusal is logged here and answered as internal.
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NotFound(entity) => absent(*entity),
            StoreError::AlreadyExists(entity) => exists(*entity),
            StoreError::Limit(entity) => too_many(*entity),
            StoreError::Conflict(entity) => conflict(*entity),
            StoreError::PermitOutdated => return Self::PermitOutdated,
            StoreError::Unavailable(why) => {
                tracing::warn!(why, "the database cannot be reached; an operation is answered 503");
                return Self::Code(Code::ServiceUnavailable);
            }
            _ => None,
        };
        code.map_or_else(
            || {
                tracing::error!(%error, "the store failed an operation");
                Self::Internal
            },
            Self::Code,
        )
    }
}

fn absent(entity: Entity) -> Option<Code> {
    Some(match entity {
        Entity::User => Code::NoUser,
        Entity::AccessKey => Code::NoAccessKey,
        Entity::LoginProfile => Code::NoLoginProfile,
        Entity::Policy => Code::NoPolicy,
        Entity::PolicyVersion => Code::NoPolicyVersion,
        Entity::Attachment => Code::NoUserPolicy,
        Entity::MfaDevice => Code::NoMfaDevice,
        Entity::MfaBinding => Code::NoUserMfaDevice,
        Entity::UserGroup => Code::NoUserGroup,
        Entity::Membership => Code::NotInGroup,
        Entity::GroupAttachment => Code::NoGroupPolicy,
        Entity::Role => Code::NoRole,
        Entity::ServiceLinkedRole => Code::NoServiceLinkedRole,
        Entity::OidcProvider => Code::NoOidcProvider,
        Entity::SamlProvider => Code::NoSamlProvider,
        Entity::RoleAttachment => Code::NoRolePolicy,
        Entity::Topic => Code::NoTopic,
        Entity::Group => Code::NoGroup,
        _ => return None,
    })
}

fn exists(entity: Entity) -> Option<Code> {
    Some(match entity {
        Entity::User => Code::UserExists,
        Entity::LoginProfile => Code::LoginProfileExists,
        Entity::Policy => Code::PolicyExists,
        Entity::Attachment => Code::UserPolicyExists,
        Entity::MfaDevice => Code::MfaDeviceExists,
        Entity::MfaBinding => Code::UserMfaDeviceExists,
        Entity::MfaDeviceBinding => Code::MfaDeviceIsTaken,
        Entity::AccountAlias => Code::AccountAliasExists,
        Entity::UserGroup => Code::UserGroupExists,
        Entity::Membership => Code::AlreadyInGroup,
        Entity::GroupAttachment => Code::GroupPolicyExists,
        Entity::Role => Code::RoleExists,
        Entity::OidcProvider => Code::OidcProviderExists,
        Entity::SamlProvider => Code::SamlProviderExists,
        Entity::RoleAttachment => Code::RolePolicyExists,
        Entity::Topic => Code::TopicExists,
        Entity::Group => Code::GroupExists,
        _ => return None,
    })
}

fn too_many(entity: Entity) -> Option<Code> {
    Some(match entity {
        Entity::User => Code::TooManyUsers,
        Entity::AccessKey => Code::TooManyAccessKeys,
        Entity::Policy => Code::TooManyPolicies,
        Entity::PolicyVersion => Code::TooManyVersions,
        Entity::Attachment => Code::TooManyUserPolicies,
        Entity::MfaDevice => Code::TooManyMfaDevices,
        Entity::UserGroup => Code::TooManyUserGroups,
        Entity::Membership => Code::TooManyGroupsOfUser,
        Entity::Tag => Code::TooManyTags,
        Entity::GroupAttachment => Code::TooManyGroupPolicies,
        Entity::Role => Code::TooManyRoles,
        Entity::OidcProvider | Entity::SamlProvider => Code::TooManyProviders,
        Entity::RoleAttachment => Code::TooManyRolePolicies,
        Entity::Topic => Code::TooManyTopics,
        Entity::Group => Code::TooManyGroups,
        _ => return None,
    })
}

fn conflict(entity: Entity) -> Option<Code> {
    Some(match entity {
        Entity::AccessKey => Code::UserHasAccessKey,
        Entity::LoginProfile => Code::UserHasLoginProfile,
        Entity::MfaDevice => Code::UserHasMfaDevice,
        Entity::MfaBinding => Code::MfaDeviceHasUser,
        Entity::Attachment => Code::UserHasPolicy,
        Entity::User => Code::PolicyHasUser,
        Entity::UserGroup => Code::PolicyHasGroup,
        Entity::Role => Code::PolicyHasRole,
        Entity::Membership => Code::UserIsInGroup,
        Entity::Member => Code::GroupHasUser,
        Entity::GroupAttachment => Code::GroupHasPolicy,
        Entity::RoleAttachment => Code::RoleHasPolicy,
        Entity::ServiceLinkedRole => Code::IsServiceLinkedRole,
        Entity::PolicyVersion => Code::PolicyHasVersion,
        Entity::DefaultPolicyVersion => Code::VersionIsDefault,
        _ => return None,
    })
}
