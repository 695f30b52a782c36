//! A server without doors: one account with two instances, and policies set at will.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use sluice_access::{Access, AccountDraft, Change, Clock, MasterKey};
use sluice_actions::{ActionContext, ActionError, Need, Operation, Params, RequestId, Services, Usage};
use sluice_broker::Broker;
use sluice_model::{Compatibility, DenyAction, Durability, Edition, InstanceId, OfflineRetention, Principal, UnixMs};
use sluice_policy::SystemTask;
use sluice_store::{
    By, Instance, Store, Topic,
    log::{MemoryLog, Recovered},
};
use sluice_testkit::{PolicyTable, account, caller, user};

pub(crate) const NOW: UnixMs = UnixMs(1_700_000_000_000);
pub(crate) const INSTANCE: &str = "mqtt-cn-here";
/// The instance that is deleted, so that the other operations keep theirs.
pub(crate) const SECOND_INSTANCE: &str = "mqtt-cn-second";
pub(crate) const ALLOW_ALL: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ons.aliyuncs.com"}}]}"#;

/// A server without doors, and what is in force for its one user.
pub(crate) struct World {
    pub(crate) services: Services,
    pub(crate) table: PolicyTable,
    pub(crate) user: Principal,
    _folder: tempfile::TempDir,
}

/// A file in the folder; under `scripts/with-postgres`, a database of its own in that cluster.
async fn database(folder: &std::path::Path) -> String {
    let Ok(cluster) = std::env::var("SLUICE_TEST_POSTGRES") else {
        return format!("sqlite://{}", folder.join("db").display());
    };
    let of = |name: &str| cluster.replace("/?", &format!("/{name}?"));
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&of("postgres")).await.unwrap();
    // The folder's name is its own, over all processes of a run.
    let name: String = folder.display().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let sql = format!("CREATE DATABASE {name}{}", std::process::id());
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    pool.close().await;
    of(&format!("{name}{}", std::process::id()))
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&database(folder.path()).await).await.unwrap();
        let master_key = MasterKey::from_hex(&MasterKey::generate_hex()).unwrap();
        let access = Arc::new(Access::open(store.clone(), master_key, Clock::new(|| NOW)).await.unwrap());
        let account = account(1);
        let draft = AccountDraft {
            account: Some(account),
            instance: Some(INSTANCE.parse().unwrap()),
            ..AccountDraft::default()
        };
        access.create_account(SystemTask::FirstStart, draft).await.unwrap();
        let second = Instance {
            id: SECOND_INSTANCE.parse().unwrap(),
            account,
            name: "second".parse().unwrap(),
            edition: Edition::Professional,
            compatibility: Compatibility::Extended,
            deny_action: DenyAction::Close,
            durability: Durability::Sync,
            retention: OfflineRetention::DEFAULT,
            created: NOW,
        };
        store.create_instance(By::Task(SystemTask::FirstStart), &second).await.unwrap();
        access.refresh(Change::Instance(account, second.id)).await;
        let table = PolicyTable::default();
        let authority = table.authority();
        let broker =
            Broker::new(Arc::clone(&access), authority.clone(), Arc::new(MemoryLog::default()), Recovered::default());
        let usage = Usage::new(store.clone(), Arc::clone(&broker), NOW);
        let services = Services { store, access, authority, broker, usage, endpoints: Arc::default() };
        Self { services, table, user: user(account, 1), _folder: folder }
    }

    /// Makes a parent topic.
    pub(crate) async fn with_topic(&self, instance: &str, name: &str) {
        let (account, instance): (_, InstanceId) = (self.user.account(), instance.parse().unwrap());
        let topic = Topic { name: name.parse().unwrap(), remark: String::new(), created: NOW };
        let by = By::Task(SystemTask::FirstStart);
        self.services.store.create_topic(by, (account, &instance), &topic, 10).await.unwrap();
        self.services.access.refresh(Change::Topic(account, instance)).await;
    }

    /// Runs an operation as the user, with these documents in force and legal parameters.
    pub(crate) async fn run(&self, operation: &Operation, documents: &[&str]) -> Result<(), ActionError> {
        self.run_with(operation, documents, &parameters(operation)).await
    }

    /// As [`World::run`], with other parameters.
    pub(crate) async fn run_with(
        &self,
        operation: &Operation,
        documents: &[&str],
        params: &Params,
    ) -> Result<(), ActionError> {
        self.table.set(self.user, documents);
        let context: ActionContext = self.services.context(caller(self.user), RequestId::random(), NOW);
        operation.run(&context, params).await.map(drop)
    }
}

/// Legal values for what an operation requires.
pub(crate) fn parameters(operation: &Operation) -> Params {
    let mut params = Params::default();
    for parameter in operation.row.parameters.iter().filter(|parameter| parameter.need == Need::Required) {
        let value = match parameter.name {
            "InstanceId" if operation.row.name == "DeleteMqttInstance" => SECOND_INSTANCE,
            "InstanceId" => INSTANCE,
            "PolicyType" => "Custom",
            "PolicyDocument" => ALLOW_ALL,
            "ResourceType" => "policy",
            "ResourceNames" => r#"["something"]"#,
            "Tag" => r#"[{"Key":"team","Value":"dev"}]"#,
            "AssumeRolePolicyDocument" => TRUST,
            "RoleArn" => "acs:ram::1000000000000001:role/some",
            "OIDCProviderArn" => "acs:ram::1000000000000001:oidc-provider/some",
            "SAMLProviderArn" => "acs:ram::1000000000000001:saml-provider/some",
            "EncodedSAMLMetadataDocument" | "SAMLAssertion" => "PGEvPg==",
            "IssuerUrl" => "https://idp.example.com",
            "ServiceName" => "ons.aliyuncs.com",
            "VersionId" => "v1",
            "Status" => "Active",
            "UserAccessKeyId" => "LTAIsomekey0000000000000",
            "AccessKeyPolicy" => r#"{"Version":1,"Status":"Inactive","Statements":[]}"#,
            "Password" | "NewPassword" | "OldPassword" => "a-good-password",
            "SerialNumber" => "acs:ram::1000000000000001:mfa/some",
            "AuthenticationCode1" | "AuthenticationCode2" => "123456",
            "GroupId" => "GID_some",
            "BeginTime" => "1699999999999",
            "EndTime" => "1700000000001",
            "ClientId" => "GID_some@@@1",
            "EncodedDiagnosticMessage" => "AQEAAAAAaKPfwjY0MzMyODRGLUZCQkQtNTA1RS04MUUxLTc5NTkzODk2MUIzMg==",
            "PrincipalType" => "User",
            "Actions" => r#"["mq:PUB"]"#,
            "Resources" => r#"["acs:mq:*:*:topic/mqtt-cn-here/a"]"#,
            "MqttTopic" => "some/topic",
            _ => "something",
        };
        assert!(params.insert(parameter.name.to_owned(), value.to_owned()));
    }
    if operation.row.name == "UntagResources" {
        // It needs keys or this.
        assert!(params.insert("All".to_owned(), "true".to_owned()));
    }
    params
}
