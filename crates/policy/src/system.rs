//! The system policies. Sources: facts/ram.md section 4 (documents and dates); DESIGN section 2, System policies (what
//! is added so that a user of `AliyunMQPubOnlyAccess`, `…SubOnlyAccess` or `…ReadOnlyAccess` can connect and look).
//!
//! Where the vendor's document is not public (`AdministratorAccess`, `ReadOnlyAccess`, `AliyunRAMFullAccess`,
//! `AliyunMQSubOnlyAccess`) it is ours, written from the policy's description. Of `PowerUserAccess` the public copy (the vendor's
//! page `help/en/ram/developer-reference/poweruseraccess`) breaks off in the third statement, after
//! `resourcemanager:ListAutoGroupingRules`, before further actions of `resourcemanager`, which is not served here.

/// A policy that comes with the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemPolicy {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Its document.
    pub document_text: &'static str,
    /// Its default version: 5 is `v5`.
    pub version: u32,
    /// When it was made, `2017-08-11T00:00:00Z`.
    pub create_date: &'static str,
    /// When its document last changed.
    pub update_date: &'static str,
}

/// All system policies, by name.
#[must_use]
pub fn system_policies() -> &'static [SystemPolicy] {
    &SYSTEM_POLICIES
}

const SYSTEM_POLICIES: [SystemPolicy; 10] = [
    SystemPolicy {
        name: "AdministratorAccess",
        description: "Full access to all services and resources of the account.",
        document_text: r#"{"Version":"1","Statement":[{"Action":"*","Effect":"Allow","Resource":"*"}]}"#,
        version: 1,
        create_date: "2015-04-28T00:00:00Z",
        update_date: "2015-04-28T00:00:00Z",
    },
    SystemPolicy {
        name: "AliyunMQFullAccess",
        description: "Full access to message queues: instances, topics, groups and messages.",
        document_text: r#"{"Version":"1","Statement":[{"Action":["mq:*","rocketmq:*","mq-as:*"],"Resource":"*","Effect":"Allow"},{"Action":"ram:CreateServiceLinkedRole","Resource":"*","Effect":"Allow","Condition":{"StringEquals":{"ram:ServiceName":["ons.aliyuncs.com","migration.rmq.aliyuncs.com"]}}}]}"#,
        version: 5,
        create_date: "2017-08-11T00:00:00Z",
        update_date: "2024-12-12T00:00:00Z",
    },
    SystemPolicy {
        name: "AliyunMQPubOnlyAccess",
        description: "Publishes to all topics of the account.",
        document_text: r#"{"Version":"1","Statement":[{"Action":["mq:PUB","mq:OnsInstanceBaseInfo","mq:MqttInstanceAccess"],"Resource":"*","Effect":"Allow"},{"Action":"ram:CreateServiceLinkedRole","Resource":"*","Effect":"Allow","Condition":{"StringEquals":{"ram:ServiceName":"ons.aliyuncs.com"}}}]}"#,
        version: 4,
        create_date: "2017-08-11T00:00:00Z",
        update_date: "2022-08-04T00:00:00Z",
    },
    SystemPolicy {
        name: "AliyunMQReadOnlyAccess",
        description: "Looks at all message queue resources of the account; neither publishes nor subscribes.",
        document_text: r#"{"Version":"1","Statement":[{"Action":["mq:OnsInstanceBaseInfo","mq:List*","mq:Query*","mq:Get*","mq:Download*","mq:Dashboard*","rocketmq:List*","rocketmq:SubmitQuery*","rocketmq:Get*","rocketmq:Download*","mq-as:List*","mq-as:Get*","mq:MqttInstanceAccess","mq:MqttMetaData","mq:Lookup*","mq:BatchQuery*"],"Resource":"*","Effect":"Allow"}]}"#,
        version: 6,
        create_date: "2019-10-23T00:00:00Z",
        update_date: "2025-03-27T00:00:00Z",
    },
    SystemPolicy {
        name: "AliyunMQSubOnlyAccess",
        description: "Subscribes to all topics of the account.",
        document_text: r#"{"Version":"1","Statement":[{"Action":["mq:SUB","mq:OnsInstanceBaseInfo","mq:MqttInstanceAccess"],"Resource":"*","Effect":"Allow"},{"Action":"ram:CreateServiceLinkedRole","Resource":"*","Effect":"Allow","Condition":{"StringEquals":{"ram:ServiceName":"ons.aliyuncs.com"}}}]}"#,
        version: 4,
        create_date: "2017-08-11T00:00:00Z",
        update_date: "2022-08-04T00:00:00Z",
    },
    SystemPolicy {
        name: "AliyunRAMFullAccess",
        description: "Full access to users, groups, roles, keys and policies.",
        document_text: r#"{"Version":"1","Statement":[{"Action":["ram:*","ims:*"],"Resource":"*","Effect":"Allow"}]}"#,
        version: 2,
        create_date: "2015-04-28T00:00:00Z",
        update_date: "2019-09-10T00:00:00Z",
    },
    SystemPolicy {
        name: "AliyunRAMReadOnlyAccess",
        description: "Looks at users, groups, roles, keys and policies.",
        document_text: r#"{"Version":"1","Statement":[{"Action":["ram:Get*","ram:List*","ram:GenerateCredentialReport"],"Resource":"*","Effect":"Allow"},{"Effect":"Allow","Action":["accessanalyzer:Get*","accessanalyzer:List*"],"Resource":"*"}]}"#,
        version: 3,
        create_date: "2015-04-28T00:00:00Z",
        update_date: "2025-12-03T00:00:00Z",
    },
    SystemPolicy {
        name: "AliyunSTSAssumeRoleAccess",
        description: "Assumes roles.",
        document_text: r#"{"Version":"1","Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Resource":"*"}]}"#,
        version: 1,
        create_date: "2015-08-03T00:00:00Z",
        update_date: "2017-04-27T00:00:00Z",
    },
    SystemPolicy {
        name: "PowerUserAccess",
        description: "Full access to all services but those of identities and accounts.",
        document_text: r#"{"Version":"1","Statement":[{"Effect":"Allow","NotAction":["ram:*","ims:*","resourcemanager:*","resourcesharing:*","cloudsso:*","bss:ModifyAccount","bss:ModifyBillingAccount","bss:ModifyPaymentRelationship","bssapi:ModifyAccountRelation"],"Resource":"*"},{"Effect":"Allow","Action":["ram:ListUserBasicInfos","ram:ListRoles","ram:CreateServiceLinkedRole","ram:DeleteServiceLinkedRole","ram:GetServiceLinkedRoleDeletionStatus","ram:CheckServiceLinkedRoleExistence","resourcemanager:GetAccount","resourcemanager:GetFolder","resourcemanager:GetResourceDirectory","resourcemanager:ListAccounts","resourcemanager:ListFoldersForParent","resourcemanager:ListAccountsForParent"],"Resource":"*"},{"Effect":"Allow","Action":["ram:CreateResourceGroup","ram:DeleteResourceGroup","ram:UpdateResourceGroup","ram:LookupResourceGroupEvents","ram:EnableAssociatedTransfer","ram:DisableAssociatedTransfer","ram:UpdateAssociatedTransferSetting","ram:ListAssociatedTransferSetting","resourcemanager:EnableAutoGrouping","resourcemanager:DisableAutoGrouping","resourcemanager:UpdateAutoGroupingConfig","resourcemanager:GetAutoGroupingStatus","resourcemanager:CreateAutoGroupingRule","resourcemanager:DeleteAutoGroupingRule","resourcemanager:UpdateAutoGroupingRule","resourcemanager:ListAutoGroupingRules"],"Resource":"*"}]}"#,
        version: 2,
        create_date: "2025-06-27T00:00:00Z",
        update_date: "2025-09-17T00:00:00Z",
    },
    SystemPolicy {
        name: "ReadOnlyAccess",
        description: "Looks at all services and resources of the account; changes nothing.",
        document_text: r#"{"Version":"1","Statement":[{"Action":["mq:Get*","mq:List*","mq:Describe*","mq:Query*","mq:BatchQuery*","mq:Lookup*","mq:Download*","mq:Dashboard*","mq:OnsInstanceBaseInfo","mq:MqttInstanceAccess","mq:MqttMetaData","ram:Get*","ram:List*","ram:Describe*","ram:Query*","ram:Lookup*","ram:DecodeDiagnosticMessage","sts:Get*","sts:List*","sts:Describe*","sts:Query*"],"Resource":"*","Effect":"Allow"}]}"#,
        version: 1,
        create_date: "2015-04-28T00:00:00Z",
        update_date: "2015-04-28T00:00:00Z",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    #[test]
    fn every_system_policy_is_a_valid_document_under_a_valid_name() {
        for policy in system_policies() {
            assert!(Document::parse(policy.document_text).is_ok(), "{}", policy.name);
            assert!(policy.name.parse::<sluice_model::PolicyName>().is_ok(), "{}", policy.name);
        }
        assert!(system_policies().is_sorted_by_key(|policy| policy.name));
    }
}
