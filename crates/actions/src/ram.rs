//! RAM 2015-05-01: users and what they may.
//!
//! Source: openapi/ram-2015-05-01.json; facts/ram.md section 3. Lists are wrapped twice (`Users.User[]`), dates have seconds.

mod access_key;
mod attachment;
mod login_profile;
mod policy;
mod policy_version;
mod user;

pub use access_key::{AccessKeyList, CreateAccessKey, DeleteAccessKey, ListAccessKeys, UpdateAccessKey};
pub use attachment::{AttachPolicyToUser, DetachPolicyFromUser, ListEntitiesForPolicy, ListPoliciesForUser};
pub use login_profile::{ChangePassword, CreateLoginProfile, DeleteLoginProfile, GetLoginProfile, UpdateLoginProfile};
pub use policy::{CreatePolicy, DeletePolicy, GetPolicy, ListPolicies};
pub use policy_version::{
    CreatePolicyVersion, DeletePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion,
};
pub use user::{CreateUser, DeleteUser, Done, GetUser, ListUsers, UpdateUser};
