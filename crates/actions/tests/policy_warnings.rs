//! Warnings about a policy with the account's real names, told to whoever may look at them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use sluice_access::{Access, AccountDraft, Change, Clock, MasterKey};
use sluice_actions::{RequestId, Services, Usage, policy_warnings};
use sluice_broker::Broker;
use sluice_model::{Principal, UnixMs};
use sluice_policy::SystemTask;
use sluice_store::{
    By, Group, Store, Topic,
    log::{MemoryLog, Recovered},
};
use sluice_testkit::{PolicyTable, account, caller, user};

const NOW: UnixMs = UnixMs(1_700_000_000_000);
const INSTANCE: &str = "mqtt-cn-here";

/// An account with one instance, one topic and one group in it, and a user with these rights.
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
        let (account, instance) = (account(1), INSTANCE.parse().unwrap());
        let draft = AccountDraft {
            account: Some(account),
            instance: Some(INSTANCE.parse().unwrap()),
            ..AccountDraft::default()
        };
        access.create_account(SystemTask::FirstStart, draft).await.unwrap();
        let by = || By::Task(SystemTask::FirstStart);
        let topic = Topic { name: "plant".parse().unwrap(), remark: String::new(), created: NOW };
        store.create_topic(by(), (account, &instance), &topic, 10).await.unwrap();
        let group = Group { id: "GID_here".parse().unwrap(), created: NOW };
        store.create_group(by(), (account, &instance), &group, 10).await.unwrap();
        access.refresh(Change::Instance(account, instance)).await;
        let table = PolicyTable::default();
        let authority = table.authority();
        let broker =
            Broker::new(Arc::clone(&access), authority.clone(), Arc::new(MemoryLog::default()), Recovered::default());
        let usage = Usage::new(store.clone(), Arc::clone(&broker), NOW);
        let services = Services { store, access, authority, broker, usage, endpoints: Arc::default() };
        Self { services, table, user: user(account, 1), _folder: folder }
    }

    /// The warnings about an Allow on a resource, to a user with this policy.
    async fn told(&self, rights: &str, resource: &str) -> Vec<String> {
        self.table.set(self.user, &[rights]);
        let context = self.services.context(caller(self.user), RequestId::random(), NOW);
        let text = format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":["mq:SUB","ram:GetUser"],"Resource":"{resource}"}}]}}"#
        );
        let warnings = policy_warnings(&context, &text).await.unwrap();
        warnings.iter().map(|warning| warning.to_string().split(": ").last().unwrap().to_owned()).collect()
    }
}

const ALL: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

#[tokio::test]
async fn a_name_that_is_not_there_is_told() {
    let world = World::new().await;
    for (resource, expected) in [
        ("acs:mq:*:*:topic/mqtt-cn-here/plant/line", None),
        ("acs:mq:*:*:topic/mqtt-cn-here/plants", Some("there is no such topic")),
        ("acs:mq:*:*:topic/mqtt-cn-gone/plant", Some("there is no such instance")),
        ("acs:mq:*:*:topic/no instance/plant", Some("there is no such instance")),
        ("acs:mq:*:*:groupId/mqtt-cn-here/GID_here", None),
        ("acs:mq:*:*:groupId/mqtt-cn-here/GID_gone", Some("there is no such group")),
        ("acs:mq:*:*:mqtt-cn-here%plant", None),
        ("acs:mq:*:*:mqtt-cn-here%plants", Some("there is no such name")),
        ("acs:mq:*:*:plants", None),
        ("acs:ram:*:*:user/nobody", Some("there is no such user")),
        ("acs:ram:*:*:policy/nothing", Some("there is no such policy")),
        ("acs:ram:*:*:policy/AdministratorAccess", None),
        ("acs:ram:*:*:role/nobody", Some("there is no such role")),
        ("acs:ram:*:*:group/nobody", Some("there is no such user group")),
    ] {
        assert_eq!(world.told(ALL, resource).await, expected.into_iter().collect::<Vec<_>>(), "{resource}");
    }
}

#[tokio::test]
async fn nobody_learns_of_a_name_that_they_may_not_look_at() {
    let world = World::new().await;
    let but = |action: &str| {
        format!(r#"{{"Version":"1","Statement":[{{"Effect":"Allow","NotAction":"{action}","Resource":"*"}}]}}"#)
    };
    for (action, resource) in [
        ("mq:MqttInstanceAccess", "acs:mq:*:*:topic/mqtt-cn-gone/plant"),
        ("mq:ListMqttInstance", "acs:mq:*:*:topic/mqtt-cn-gone/plant"),
        ("mq:ListMqttTopic", "acs:mq:*:*:topic/mqtt-cn-here/plants"),
        ("mq:List*GroupId", "acs:mq:*:*:groupId/mqtt-cn-here/GID_gone"),
        ("ram:GetUser", "acs:ram:*:*:user/nobody"),
        ("ram:GetPolicy", "acs:ram:*:*:policy/nothing"),
        ("ram:GetGroup", "acs:ram:*:*:group/nobody"),
        ("ram:GetRole", "acs:ram:*:*:role/nobody"),
    ] {
        assert_eq!(world.told(ALL, resource).await.len(), 1, "{resource}");
        assert_eq!(world.told(&but(action), resource).await, Vec::<String>::new(), "{resource} without {action}");
    }
}
