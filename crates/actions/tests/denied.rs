//! Every operation of the registry is refused without its right, by a Deny of its own action, and not for lack of a right
//! when everything is allowed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use sluice_access::{Access, AccountDraft, Change, Clock, MasterKey};
use sluice_actions::{ActionContext, ActionError, Need, OPERATIONS, Operation, Params, RequestId, Services, Usage};
use sluice_broker::Broker;
use sluice_model::{Compatibility, DenyAction, Durability, Edition, OfflineRetention, Principal, UnixMs};
use sluice_policy::SystemTask;
use sluice_store::{
    By, Instance, Store,
    log::{MemoryLog, Recovered},
};
use sluice_testkit::{PolicyTable, account, caller, user};

const NOW: UnixMs = UnixMs(1_700_000_000_000);
const INSTANCE: &str = "mqtt-cn-here";
/// The instance that is deleted, so that the other operations keep theirs.
const SECOND_INSTANCE: &str = "mqtt-cn-second";
const ALLOW_ALL: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// A server without doors, and what is in force for its one user.
struct World {
    services: Services,
    table: PolicyTable,
    user: Principal,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}", folder.path().join("db").display())).await.unwrap();
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

    /// Runs an operation as the user, with these documents in force.
    async fn run(&self, operation: &Operation, documents: &[&str]) -> Result<(), ActionError> {
        self.table.set(self.user, documents);
        let context: ActionContext = self.services.context(caller(self.user), RequestId::random(), NOW);
        operation.run(&context, &parameters(operation)).await.map(drop)
    }
}

/// Legal values for what an operation requires.
fn parameters(operation: &Operation) -> Params {
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
            "VersionId" => "v1",
            "Status" => "Active",
            "UserAccessKeyId" => "LTAIsomekey0000000000000",
            "Password" | "NewPassword" | "OldPassword" => "a-good-password",
            "GroupId" => "GID_some",
            "BeginTime" => "1699999999999",
            "EndTime" => "1700000000001",
            "ClientId" => "GID_some@@@1",
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

fn is_denied(outcome: &Result<(), ActionError>, kind: &str) -> bool {
    outcome.as_ref().err().and_then(ActionError::denial).is_some_and(|denial| denial.no_permission_type == kind)
}

/// The operations that every caller may, for itself alone.
fn asks_nothing(operation: &Operation) -> bool {
    operation.row.actions.is_empty()
}

#[tokio::test]
async fn without_any_policy_every_operation_is_refused() {
    let world = World::new().await;
    for operation in OPERATIONS.iter().filter(|operation| !asks_nothing(operation)) {
        let outcome = world.run(operation, &[]).await;
        assert!(is_denied(&outcome, "ImplicitDeny"), "{}: {outcome:?}", operation.row.name);
    }
}

#[tokio::test]
async fn a_deny_of_its_own_action_refuses_each_operation_whatever_else_is_allowed() {
    let world = World::new().await;
    for operation in OPERATIONS.iter().filter(|operation| !asks_nothing(operation)) {
        for action in operation.row.actions {
            let deny =
                format!(r#"{{"Version":"1","Statement":[{{"Effect":"Deny","Action":"{action}","Resource":"*"}}]}}"#);
            let outcome = world.run(operation, &[ALLOW_ALL, &deny]).await;
            assert!(is_denied(&outcome, "ExplicitDeny"), "{} by {action}: {outcome:?}", operation.row.name);
        }
    }
}

#[tokio::test]
async fn with_everything_allowed_no_operation_is_refused_by_a_policy() {
    let world = World::new().await;
    for operation in OPERATIONS {
        let outcome = world.run(operation, &[ALLOW_ALL]).await;
        assert!(!is_denied(&outcome, "ExplicitDeny"), "{}: {outcome:?}", operation.row.name);
        // The parent topic of SendMessage does not exist, which reads like a missing right.
        let is_hidden = operation.row.name == "SendMessage";
        assert!(is_hidden || !is_denied(&outcome, "ImplicitDeny"), "{}: {outcome:?}", operation.row.name);
        assert!(!matches!(outcome, Err(ActionError::Internal)), "{}", operation.row.name);
    }
}

#[tokio::test]
async fn what_every_caller_may_is_listed_here() {
    let free: Vec<&str> = OPERATIONS.iter().filter(|o| asks_nothing(o)).map(|o| o.row.name).collect();
    assert_eq!(free, ["ChangePassword", "GetCallerIdentity"]);
}
