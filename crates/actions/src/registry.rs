//! One row an operation: routes, documents and coverage tests come from here.

use crate::{Operation, ims, onsmqtt, ram, sts};

/// Every operation served.
pub static OPERATIONS: &[Operation] = &[
    Operation::of::<ram::CreateUser>(),
    Operation::of::<ram::GetUser>(),
    Operation::of::<ram::UpdateUser>(),
    Operation::of::<ram::ListUsers>(),
    Operation::of::<ram::DeleteUser>(),
    Operation::of::<ram::CreateGroup>(),
    Operation::of::<ram::GetGroup>(),
    Operation::of::<ram::UpdateGroup>(),
    Operation::of::<ram::ListGroups>(),
    Operation::of::<ram::DeleteGroup>(),
    Operation::of::<ram::AddUserToGroup>(),
    Operation::of::<ram::RemoveUserFromGroup>(),
    Operation::of::<ram::ListUsersForGroup>(),
    Operation::of::<ram::ListGroupsForUser>(),
    Operation::of::<ram::CreateAccessKey>(),
    Operation::of::<ram::UpdateAccessKey>(),
    Operation::of::<ram::ListAccessKeys>(),
    Operation::of::<ram::DeleteAccessKey>(),
    Operation::of::<ram::GetAccessKeyLastUsed>(),
    Operation::of::<ram::CreateLoginProfile>(),
    Operation::of::<ram::GetLoginProfile>(),
    Operation::of::<ram::UpdateLoginProfile>(),
    Operation::of::<ram::DeleteLoginProfile>(),
    Operation::of::<ram::ChangePassword>(),
    Operation::of::<ram::SetPasswordPolicy>(),
    Operation::of::<ram::GetPasswordPolicy>(),
    Operation::of::<ram::SetSecurityPreference>(),
    Operation::of::<ram::GetSecurityPreference>(),
    Operation::of::<ram::SetAccountAlias>(),
    Operation::of::<ram::GetAccountAlias>(),
    Operation::of::<ram::ClearAccountAlias>(),
    Operation::of::<ram::CreateVirtualMfaDevice>(),
    Operation::of::<ram::ListVirtualMfaDevices>(),
    Operation::of::<ram::DeleteVirtualMfaDevice>(),
    Operation::of::<ram::BindMfaDevice>(),
    Operation::of::<ram::UnbindMfaDevice>(),
    Operation::of::<ram::GetUserMfaInfo>(),
    Operation::of::<ram::CreatePolicy>(),
    Operation::of::<ram::GetPolicy>(),
    Operation::of::<ram::ListPolicies>(),
    Operation::of::<ram::UpdatePolicyDescription>(),
    Operation::of::<ram::DeletePolicy>(),
    Operation::of::<ram::CreatePolicyVersion>(),
    Operation::of::<ram::GetPolicyVersion>(),
    Operation::of::<ram::SetDefaultPolicyVersion>(),
    Operation::of::<ram::DeletePolicyVersion>(),
    Operation::of::<ram::ListPolicyVersions>(),
    Operation::of::<ram::AttachPolicyToUser>(),
    Operation::of::<ram::AttachPolicyToGroup>(),
    Operation::of::<ram::AttachPolicyToRole>(),
    Operation::of::<ram::DetachPolicyFromUser>(),
    Operation::of::<ram::DetachPolicyFromGroup>(),
    Operation::of::<ram::DetachPolicyFromRole>(),
    Operation::of::<ram::ListPoliciesForUser>(),
    Operation::of::<ram::ListPoliciesForGroup>(),
    Operation::of::<ram::ListPoliciesForRole>(),
    Operation::of::<ram::ListEntitiesForPolicy>(),
    Operation::of::<ram::TagResources>(),
    Operation::of::<ram::UntagResources>(),
    Operation::of::<ram::ListTagResources>(),
    Operation::of::<ram::CreateRole>(),
    Operation::of::<ram::GetRole>(),
    Operation::of::<ram::UpdateRole>(),
    Operation::of::<ram::ListRoles>(),
    Operation::of::<ram::DeleteRole>(),
    Operation::of::<ram::CreateServiceLinkedRole>(),
    Operation::of::<ram::DeleteServiceLinkedRole>(),
    Operation::of::<ram::GetServiceLinkedRoleTemplate>(),
    Operation::of::<sts::AssumeRole>(),
    Operation::of::<ram::DecodeDiagnosticMessage>(),
    Operation::of::<ram::ExplainDecision>(),
    Operation::of::<ram::SimulatePolicy>(),
    Operation::of::<ram::GenerateLeastPrivilegePolicy>(),
    Operation::of_anonymous::<sts::AssumeRoleWithOIDC>(),
    Operation::of_anonymous::<sts::AssumeRoleWithSAML>(),
    Operation::of::<sts::GetCallerIdentity>(),
    Operation::of::<ims::CreateOIDCProvider>(),
    Operation::of::<ims::GetOIDCProvider>(),
    Operation::of::<ims::ListOIDCProviders>(),
    Operation::of::<ims::DeleteOIDCProvider>(),
    Operation::of::<ims::CreateSAMLProvider>(),
    Operation::of::<ims::GetSAMLProvider>(),
    Operation::of::<ims::ListSAMLProviders>(),
    Operation::of::<ims::DeleteSAMLProvider>(),
    Operation::of::<ims::SetAccessKeyPolicy>(),
    Operation::of::<ims::GetAccessKeyPolicy>(),
    Operation::of::<ims::SetAccessKeyPolicyForAccount>(),
    Operation::of::<ims::GetAccessKeyPolicyForAccount>(),
    Operation::of::<onsmqtt::ListInstances>(),
    Operation::of::<onsmqtt::CreateMqttInstance>(),
    Operation::of::<onsmqtt::UpdateMqttInstance>(),
    Operation::of::<onsmqtt::DeleteMqttInstance>(),
    Operation::of::<onsmqtt::GetMqttInstance>(),
    Operation::of::<onsmqtt::ListMqttInstance>(),
    Operation::of::<onsmqtt::GetMqttMetaData>(),
    Operation::of::<onsmqtt::QueryMqttUsage>(),
    Operation::of::<onsmqtt::CreateMqttTopic>(),
    Operation::of::<onsmqtt::UpdateMqttTopic>(),
    Operation::of::<onsmqtt::DeleteMqttTopic>(),
    Operation::of::<onsmqtt::ListMqttTopic>(),
    Operation::of::<onsmqtt::CreateGroupId>(),
    Operation::of::<onsmqtt::DeleteGroupId>(),
    Operation::of::<onsmqtt::ListGroupId>(),
    Operation::of::<onsmqtt::SendMessage>(),
    Operation::of::<onsmqtt::QuerySessionByClientId>(),
    Operation::of::<onsmqtt::CloseConnection>(),
    Operation::of::<onsmqtt::ListMqttSession>(),
    Operation::of::<onsmqtt::ListMqttSubscription>(),
    Operation::of::<onsmqtt::DeleteMqttSession>(),
];

/// The operation of a version and an action's name; both compared exactly.
#[must_use]
pub fn find(version: &str, name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.row.name == name && operation.row.product.version() == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_own_version_and_name() {
        for operation in OPERATIONS {
            let row = &operation.row;
            let found = find(row.product.version(), row.name).expect("the row is in the registry");
            assert!(std::ptr::eq(found, operation), "{} is twice in the registry", row.name);
        }
        assert!(find("2015-05-01", "GetCallerIdentity").is_none());
    }
}
