//! Which actions there are, for the checker's warnings: those that the operations served ask, and those that the vendor
//! documents. A name that is missing here makes a warning wrong, one too many makes a warning missing: so it is generous.
//!
//! Sources: the registry; facts/apsaramq-for-mqtt.md section 3.3; openapi/*.json, whose operations are asked under their own
//! names; the operations of IMS 2019-08-15, which RAM's code covers; facts/ram.md sections 1.5 and 4.

use std::sync::LazyLock;

use sluice_policy::Catalogue;

use crate::OPERATIONS;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let served = OPERATIONS.iter().flat_map(|operation| operation.row.actions).map(|action| action.as_str().to_owned());
    let of =
        |code: &'static str, names: &'static str| names.split_whitespace().map(move |name| format!("{code}:{name}"));
    let vendor = of("mq", MQ_CLIENTS)
        .chain(of("mq", MQ_API))
        .chain(of("mq", MQ_CONSOLE))
        .chain(of("ram", RAM_API))
        .chain(of("ram", IMS_API))
        .chain(of("ram", RAM_OTHER))
        .chain(of("ram", RESOURCE_GROUPS))
        .chain(of("sts", STS_API));
    let all: Vec<String> = served.chain(vendor).collect();
    Catalogue::new(all.iter().map(String::as_str))
});

/// All actions of `mq`, `ram` and `sts` that are known.
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    &CATALOGUE
}

/// What clients are asked.
const MQ_CLIENTS: &str = "PUB SUB MqttInstanceAccess";

/// By the names of the API's operations, and those that the facts name beside them.
const MQ_API: &str = "ActiveCaCertificate ActiveDeviceCertificate AddCustomAuthConnectBlack AddCustomAuthIdentity
    AddCustomAuthPermission ApplyToken BatchQuerySessionByClientIds CloseConnection CreateGroupId DeleteCaCertificate
    DeleteCustomAuthConnectBlack DeleteCustomAuthIdentity DeleteCustomAuthPermission DeleteDeviceCertificate DeleteGroupId
    DisasterDowngrade DisasterRecovery GetCaCertificate GetDeviceCertificate GetDeviceCredential GetRegisterCode
    InactivateCaCertificate InactivateDeviceCertificate ListCaCertificate ListDeviceCertificate ListDeviceCertificateByCaSn
    ListDeviceCredentialClientId ListGroupId ListInstances ListTagResources QueryCustomAuthConnectBlack
    QueryCustomAuthIdentity QueryCustomAuthPermission QueryMqttTraceDevice QueryMqttTraceMessageOfClient
    QueryMqttTraceMessagePublish QueryMqttTraceMessageSubscribe QuerySessionByClientId QueryToken RefreshDeviceCredential
    RegisterCaCertificate RegisterDeviceCredential RevokeToken SendMessage SetSniConfig TagResources
    UnRegisterDeviceCredential UntagResources UpdateCustomAuthIdentity UpdateCustomAuthPermission CreateMqttGroupId
    DeleteMqttGroupId ListMqttGroupId QueryMqttDeviceTrace QueryMqttPubTrace QueryMqttSubTrace UnregisterCaCertificate
    RegisterCa LookupMqttEvents";

/// What the vendor's console asks. The middle of its list is not public, so that all of `mq:Ons…`, the names of the previous
/// generation and of RocketMQ, counts as known.
const MQ_CONSOLE: &str =
    "MqttMetaData ListMqttInstance CreateMqttInstance UpdateMqttInstance DeleteMqttInstance GetMqttInstance
    CreateMqttTopic DeleteMqttTopic ListMqttTopic UpdateMqttTopic SendMqttMessageByConsole
    CreateMqttOutboundRule DeleteMqttOutboundRule ListMqttOutboundRule UpdateMqttOutboundRule ListMqttOutboundRuleInPage
    CreateMqttInboundRule DeleteMqttInboundRule ListMqttInboundRule UpdateMqttInboundRule ListMqttInboundRuleInPage
    CreateClientStatusNotifyRule DeleteClientStatusNotifyRule ListClientStatusNotifyRule UpdateClientStatusNotifyRule
    CreateMqttClientStatusNotifyRule DeleteMqttClientStatusNotifyRule ListMqttClientStatusNotifyRule
    UpdateMqttClientStatusNotifyRule Ons*";

const RAM_API: &str = "AddUserToGroup AttachPolicyToGroup AttachPolicyToRole AttachPolicyToUser BindMFADevice ChangePassword
    ClearAccountAlias CreateAccessKey CreateGroup CreateLoginProfile CreatePolicy CreatePolicyVersion CreateRole
    CreateServiceLinkedRole CreateUser CreateVirtualMFADevice DecodeDiagnosticMessage DeleteAccessKey DeleteGroup
    DeleteLoginProfile DeletePolicy DeletePolicyVersion DeleteRole DeleteServiceLinkedRole DeleteUser DeleteVirtualMFADevice
    DetachPolicyFromGroup DetachPolicyFromRole DetachPolicyFromUser GetAccessKeyLastUsed GetAccountAlias GetGroup
    GetLoginProfile GetPasswordPolicy GetPolicy GetPolicyVersion GetRole GetSecurityPreference GetServiceLinkedRoleTemplate
    GetUser GetUserMFAInfo ListAccessKeys ListEntitiesForPolicy ListGroups ListGroupsForUser ListPolicies
    ListPoliciesForGroup ListPoliciesForRole ListPoliciesForUser ListPolicyVersions ListRoles ListTagResources ListUsers
    ListUsersForGroup ListVirtualMFADevices RemoveUserFromGroup SetAccountAlias SetDefaultPolicyVersion SetPasswordPolicy
    SetSecurityPreference TagResources UnbindMFADevice UntagResources UpdateAccessKey UpdateGroup UpdateLoginProfile
    UpdatePolicyDescription UpdateRole UpdateUser SimulatePolicy GenerateLeastPrivilegePolicy";

const IMS_API: &str = "AddClientIdToOIDCProvider AddFingerprintToOIDCProvider CreateAppSecret CreateApplication CreateOIDCProvider
    CreateSAMLProvider CreateServiceCredential DeleteAccessKeyInRecycleBin DeleteAppSecret DeleteApplication
    DeleteOIDCProvider DeletePasskey DeleteSAMLProvider DeleteServiceCredential DeleteUserInRecycleBin DeprovisionApplication
    DeprovisionExternalApplication DisableVirtualMFA GenerateCredentialReport GenerateGovernanceReport
    GetAccessKeyInfoInRecycleBin GetAccessKeyPolicy GetAccessKeyPolicyForAccount GetAccountMFAInfo
    GetAccountSecurityPracticeReport GetAccountSummary GetAppSecret GetApplication GetApplicationProvisionInfo
    GetCredentialReport GetDefaultDomain GetExternalApplication GetGovernanceItemReport GetGovernanceReportStatus
    GetOIDCProvider GetSAMLProvider GetServiceCredential GetUserInRecycleBin GetUserSsoSettings GetVerificationInfo
    ListAccessKeysInRecycleBin ListAppSecretIds ListApplicationProvisionInfos ListApplications ListExternalApplications
    ListOIDCProviders ListPasskeys ListPredefinedScopes ListRecentGovernanceMetrics ListSAMLProviders ListServiceCredentials
    ListUserBasicInfos ListUsersInRecycleBin ProvisionApplication ProvisionExternalApplication
    RemoveClientIdFromOIDCProvider RemoveFingerprintFromOIDCProvider RestoreAccessKeyFromRecycleBin
    RestoreUserFromRecycleBin SetAccessKeyPolicy SetAccessKeyPolicyForAccount SetDefaultDomain SetUserSsoSettings
    SetVerificationInfo UnbindVerification UpdateApplication UpdateOIDCProvider UpdatePasskey UpdateSAMLProvider
    UpdateServiceCredential";

/// Asked by other operations than those of the same name.
const RAM_OTHER: &str =
    "PassRole UpdateAssumeRolePolicy CheckServiceLinkedRoleExistence GetServiceLinkedRoleDeletionStatus";

/// Resource groups, which another product of the vendor manages under RAM's code.
const RESOURCE_GROUPS: &str =
    "CreateResourceGroup DeleteResourceGroup UpdateResourceGroup GetResourceGroup ListResourceGroups
    LookupResourceGroupEvents EnableAssociatedTransfer DisableAssociatedTransfer UpdateAssociatedTransferSetting
    ListAssociatedTransferSetting";

const STS_API: &str = "AssumeRole AssumeRoleWithOIDC AssumeRoleWithSAML GetCallerIdentity";

#[cfg(test)]
mod tests {
    use sluice_policy::{system_policies, warnings};

    use super::*;

    fn unknown(action: &str) -> bool {
        let text =
            format!(r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#);
        !warnings(&text, catalogue(), None).is_empty()
    }

    #[test]
    fn every_action_that_is_asked_is_known_and_a_misspelt_one_is_not() {
        for operation in OPERATIONS {
            assert!(operation.row.actions.iter().all(|action| !unknown(action.as_str())), "{}", operation.row.name);
        }
        for known in
            ["mq:pub", "mq:MqttInstanceAccess", "mq:OnsTopicCreate", "ram:PassRole", "sts:AssumeRole", "ecs:X", "mq:X*"]
        {
            assert!(!unknown(known), "{known}");
        }
        for misspelt in ["mq:PUBLISH", "mq:Subscribe", "ram:CreateUsers", "sts:Assume"] {
            assert!(unknown(misspelt), "{misspelt}");
        }
    }

    #[test]
    fn no_example_is_warned_of() {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/policies");
        let files: Vec<_> = std::fs::read_dir(examples).expect("the examples").flatten().collect();
        assert!(!files.is_empty());
        for file in files {
            let text = std::fs::read_to_string(file.path()).expect("a text");
            assert_eq!(sluice_policy::check(&text), Ok(()), "{}", file.path().display());
            assert_eq!(warnings(&text, catalogue(), None), [], "{}", file.path().display());
        }
    }

    #[test]
    fn no_system_policy_names_an_unknown_action() {
        for policy in system_policies() {
            assert_eq!(warnings(policy.document_text, catalogue(), None), [], "{}", policy.name);
        }
    }
}
