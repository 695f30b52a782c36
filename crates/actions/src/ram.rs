//! RAM 2015-05-01: users and what they may.
//!
//! Source: openapi/ram-2015-05-01.json; facts/ram.md section 3. Lists are wrapped twice (`Users.User[]`), dates have seconds.

mod access_key;
mod account_alias;
mod attachment;
mod explain;
mod generate;
mod holder_kind;
mod least_privilege;
mod login_profile;
mod membership;
mod mfa_device;
mod password_policy;
mod policy;
mod policy_version;
mod role;
mod security_preference;
mod service_linked_role;
mod simulate;
mod subject;
mod tag;
mod user;
mod user_group;

pub(crate) use access_key::read_key;
pub use access_key::{
    AccessKeyList, AccessKeyReply, CreateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed, KeyOwner, ListAccessKeys,
    UpdateAccessKey,
};
pub use account_alias::{ClearAccountAlias, GetAccountAlias, SetAccountAlias};
pub use attachment::{
    Attach, AttachPolicyToGroup, AttachPolicyToRole, AttachPolicyToUser, Detach, DetachPolicyFromGroup,
    DetachPolicyFromRole, DetachPolicyFromUser, ListEntitiesForPolicy, ListPoliciesFor, ListPoliciesForGroup,
    ListPoliciesForRole, ListPoliciesForUser, Pair,
};
pub use explain::{DecodeDiagnosticMessage, ExplainDecision, Explained, REASON_KEY};
pub use generate::GenerateLeastPrivilegePolicy;
pub use holder_kind::{Kind, OfGroup, OfRole, OfUser};
pub use login_profile::{ChangePassword, CreateLoginProfile, DeleteLoginProfile, GetLoginProfile, UpdateLoginProfile};
pub use membership::{AddUserToGroup, ListGroupsForUser, ListUsersForGroup, Membership, RemoveUserFromGroup};
pub use mfa_device::{
    BindMfaDevice, CreateVirtualMfaDevice, DeleteVirtualMfaDevice, GetUserMfaInfo, ListVirtualMfaDevices, SerialNumber,
    UnbindMfaDevice,
};
pub use password_policy::{GetPasswordPolicy, PasswordPolicyReply, SetPasswordPolicy};
pub use policy::{CreatePolicy, DeletePolicy, GetPolicy, ListPolicies, UpdatePolicyDescription};
pub use policy_version::{
    CreatePolicyVersion, DeletePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion,
};
pub use role::{CreateRole, DeleteRole, GetRole, ListRoles, RoleReply, UpdateRole};
pub use security_preference::{GetSecurityPreference, SecurityPreferenceReply, SetSecurityPreference};
pub use service_linked_role::{CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleTemplate};
pub use simulate::SimulatePolicy;
pub use subject::{Subject, SubjectType};
pub use tag::{ListTagResources, TagResources, Tagged, UntagResources};
pub use user::{CreateUser, DeleteUser, Done, GetUser, ListUsers, UpdateUser};
pub use user_group::{CreateGroup, DeleteGroup, GetGroup, ListGroups, UpdateGroup};
/// Replies that the console's pages hold on to.
pub use {
    attachment::{AttachedPolicy, Entities},
    membership::{JoinedGroupReply, MemberReply},
    policy::PolicyReply,
    user::UserReply,
    user_group::UserGroupReply,
};
