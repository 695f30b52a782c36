//! A broker on a real store behind a real socket, with a clock of our own, and who connects to it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod client;
pub mod slow_log;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use secrecy::SecretString;
use sluice_access::{Access, AccountDraft, Change, Clock, MasterKey, SessionDraft, random};
use sluice_broker::{Broker, SessionView};
use sluice_model::{
    AccessKeyId, AccountId, Action, Compatibility, DenyAction, Durability, Edition, InstanceId, OfflineRetention,
    PolicyName, PolicyType, Principal, Resource, TopicName, UnixMs, UserId,
};
use sluice_policy::{Context, Credential, SystemTask};
use sluice_store::{
    AccessKey, By, Group, Holder, Instance, Role, Store, Topic,
    log::{Log, MemoryLog, Recovered},
};
use tokio::net::TcpListener;

const TASK: SystemTask = SystemTask::FirstStart;
const BY: By<'static> = By::Task(TASK);
const MANY: i64 = 1_000;
pub const START: UnixMs = UnixMs(1_700_000_000_000);
/// The instance that closes on a refusal, as the original does.
pub const CLOSES: &str = "mqtt-cn-closes";
/// The instance that answers instead.
pub const ANSWERS: &str = "mqtt-cn-answers";

/// The instance with the original's limits and gaps.
pub const STRICT: &str = "mqtt-cn-strict";

/// The instance of the smallest edition.
pub const BASIC: &str = "mqtt-cn-basic";

/// A user with a key.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: AccessKeyId,
    pub secret: SecretString,
    pub owner: Principal,
    pub name: String,
}

/// One account, with two instances that have the topics `home` and `yard` and the groups `GID_one` and `GID_two`.
pub struct World {
    pub store: Store,
    pub access: Arc<Access>,
    pub broker: Arc<Broker>,
    pub account: AccountId,
    pub port: u16,
    /// Milliseconds since the beginning.
    passed: Arc<AtomicI64>,
    /// What the wall clock shows beyond these.
    wall_ahead: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::on(Arc::new(MemoryLog::default())).await
    }

    /// On a log of the test's own.
    pub async fn on(log: Arc<dyn Log>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}", folder.path().join("db").display())).await.unwrap();
        let (passed, wall_ahead) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(START.0)));
        let (elapsed, now) = (Arc::clone(&passed), (Arc::clone(&passed), Arc::clone(&wall_ahead)));
        let clock = Clock::with_jumps(
            move || UnixMs(now.0.load(Ordering::Relaxed) + now.1.load(Ordering::Relaxed)),
            move || elapsed.load(Ordering::Relaxed),
            |_by_ms| {},
        );
        let master_key = MasterKey::from_hex(&MasterKey::generate_hex()).unwrap();
        let access = Arc::new(Access::open(store.clone(), master_key, clock).await.unwrap());
        let account = access.create_account(TASK, AccountDraft::default()).await.unwrap().account;
        let broker = Broker::new(
            Arc::clone(&access),
            sluice_testkit::authority_over(access.policy_source()),
            log,
            Recovered::default(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(sluice_mqtt::serve(listener, Arc::clone(&broker)));
        let world = Self { store, access, broker, account, port, passed, wall_ahead, _folder: folder };
        world.instance(account, CLOSES, DenyAction::Close).await;
        world.instance(account, ANSWERS, DenyAction::Respond).await;
        let strict = (Edition::Professional, Compatibility::Strict);
        world.instance_like(account, STRICT, DenyAction::Close, strict).await;
        world.instance_like(account, BASIC, DenyAction::Respond, (Edition::Basic, Compatibility::Extended)).await;
        world
    }

    /// Another broker in the place of the first, with what a log says; nobody can connect to it.
    pub fn restart(&mut self, recovered: Recovered) {
        let authority = sluice_testkit::authority_over(self.access.policy_source());
        self.broker = Broker::new(Arc::clone(&self.access), authority, Arc::new(MemoryLog::default()), recovered);
    }

    /// An instance with topics and groups.
    pub async fn instance(&self, account: AccountId, id: &str, deny_action: DenyAction) {
        let roomy = (Edition::Professional, Compatibility::Extended);
        self.instance_like(account, id, deny_action, roomy).await;
    }

    async fn instance_like(
        &self,
        account: AccountId,
        id: &str,
        deny_action: DenyAction,
        (edition, compatibility): (Edition, Compatibility),
    ) {
        let id: InstanceId = id.parse().unwrap();
        let instance = Instance {
            id: id.clone(),
            account,
            name: id.as_str().parse().unwrap(),
            edition,
            compatibility,
            deny_action,
            durability: Durability::Sync,
            retention: OfflineRetention::DEFAULT,
            created: START,
        };
        self.store.create_instance(BY, &instance).await.unwrap();
        for name in ["home", "yard"] {
            let topic = Topic { name: name.parse().unwrap(), remark: String::new(), created: START };
            self.store.create_topic(BY, (account, &id), &topic, MANY).await.unwrap();
        }
        for name in ["GID_one", "GID_two"] {
            let group = Group { id: name.parse().unwrap(), created: START };
            self.store.create_group(BY, (account, &id), &group, MANY).await.unwrap();
        }
        self.change(Change::Account(account)).await;
    }

    /// Another account, with its own key.
    pub async fn rival(&self, instance: &str) -> Key {
        let rival = self.access.create_account(TASK, AccountDraft::default()).await.unwrap();
        self.instance(rival.account, instance, DenyAction::Close).await;
        Key {
            id: rival.access_key_id,
            secret: rival.access_key_secret,
            owner: Principal::Account(rival.account),
            name: "root".to_owned(),
        }
    }

    /// A user with one policy, named as the user, of these statements.
    pub async fn user(&self, name: &str, statements: &[String]) -> Key {
        let id = random::user_id();
        let new = sluice_testkit::new_user(id, name, START);
        self.store.create_user(BY, self.account, &new, MANY).await.unwrap();
        let owner = Principal::User(self.account, id);
        let (id, secret) = (random::access_key_id(), random::access_key_secret());
        let sealed_secret = self.access.seal(&id, &secret);
        let row = AccessKey { id: id.clone(), owner, sealed_secret, active: true, created: START };
        self.store.create_key(BY, Some(name), &row).await.unwrap();
        let key = Key { id, secret, owner, name: name.to_owned() };
        self.grant(&key, name, statements).await;
        key
    }

    /// A session of a new role of these statements that lasts so many seconds: its key, and the token beside it.
    pub async fn role_session(&self, role: &str, statements: &[String], seconds: u32) -> (Key, String) {
        let id = random::role_id();
        let trust = format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"RAM":"acs:ram::{}:root"}}}}]}}"#,
            self.account
        );
        let new = Role {
            id,
            name: role.parse().unwrap(),
            description: String::new(),
            trust_document: trust,
            session_s_max: 43_200,
            allow_console_login: false,
            service_name: String::new(),
            created: START,
            updated: START,
        };
        self.store.create_role(BY, self.account, &new, MANY).await.unwrap();
        let (owner, name): (_, PolicyName) = (Principal::Role(self.account, id), role.parse().unwrap());
        let document = format!(r#"{{"Version":"1","Statement":[{}]}}"#, statements.join(","));
        self.store.create_policy(BY, self.account, &name, ("", &document), START, MANY).await.unwrap();
        let to = (self.account, &Holder::Role(id), role);
        self.store.attach(BY, to, (PolicyType::Custom, &name), START, MANY).await.unwrap();
        self.change(Change::Principal(owner)).await;
        self.another_session(role, "s1", seconds).await
    }

    /// A further session of a role.
    pub async fn another_session(&self, role: &str, name: &str, seconds: u32) -> (Key, String) {
        let assumer = self
            .user(
                &format!("assumer-{role}-{name}"),
                &[r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#.to_owned()],
            )
            .await;
        let credential = Credential::AccessKey(assumer.id);
        let caller = self.access.caller_of_before(assumer.owner, credential, None, false, None);
        let (authority, now) = (sluice_testkit::authority_over(self.access.policy_source()), self.access.clock().now());
        let assumption = authority.assume_role(&caller, (self.account, role), &Context::at(now)).unwrap();
        let owner = assumption.role().principal;
        let draft = SessionDraft { name: name.parse().unwrap(), seconds, policy: None, source_identity: None };
        let opened = self.access.open_role_session(assumption, draft, now).unwrap();
        (Key { id: opened.key, secret: opened.secret, owner, name: role.to_owned() }, opened.token)
    }

    /// Makes a policy and attaches it.
    pub async fn grant(&self, key: &Key, policy: &str, statements: &[String]) {
        let document = format!(r#"{{"Version":"1","Statement":[{}]}}"#, statements.join(","));
        let name: PolicyName = policy.parse().unwrap();
        self.store.create_policy(BY, self.account, &name, ("", &document), START, MANY).await.unwrap();
        let to = (self.account, &Holder::User(user_id(key)), key.name.as_str());
        self.store.attach(BY, to, (PolicyType::Custom, &name), START, MANY).await.unwrap();
        self.change(Change::Principal(key.owner)).await;
    }

    /// Detaches a policy.
    pub async fn revoke(&self, key: &Key, policy: &str) {
        let name: PolicyName = policy.parse().unwrap();
        let to = (self.account, &Holder::User(user_id(key)), key.name.as_str());
        self.store.detach(BY, to, (PolicyType::Custom, &name)).await.unwrap();
        self.change(Change::Principal(key.owner)).await;
    }

    /// Makes a key inactive.
    pub async fn deactivate(&self, key: &Key) {
        self.store.set_key_active(BY, key.owner, Some(&key.name), &key.id, false).await.unwrap();
        self.change(Change::Principal(key.owner)).await;
    }

    pub async fn delete_topic(&self, instance: &str, topic: &str) {
        let instance: InstanceId = instance.parse().unwrap();
        self.store.delete_topic(BY, (self.account, &instance), &topic.parse().unwrap()).await.unwrap();
        self.change(Change::Topic(self.account, instance)).await;
    }

    pub async fn delete_group(&self, instance: &str, group: &str) {
        let instance: InstanceId = instance.parse().unwrap();
        self.store.delete_group(BY, (self.account, &instance), &group.parse().unwrap()).await.unwrap();
        self.change(Change::Group(self.account, instance, group.parse().unwrap())).await;
    }

    /// Puts a change in force, as `actions` does.
    pub async fn change(&self, change: Change) {
        let touched = self.access.refresh(change).await;
        self.broker.sweep(&touched);
    }

    /// The account itself sends a message, as the operation SendMessage does.
    pub async fn send(&self, instance: &str, topic: &str, payload: &str) {
        let instance: InstanceId = instance.parse().unwrap();
        let topic: TopicName = topic.parse().unwrap();
        let resource = Resource::Topic(self.account, instance.clone(), topic.shared());
        let authority = sluice_testkit::allow_all();
        let caller = sluice_testkit::caller(Principal::Account(self.account));
        let now = self.access.clock().now();
        let permit = authority.authorize(&caller, &Action::SEND_MESSAGE, &resource, &Context::at(now)).unwrap();
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        self.broker.send_message((&permit, &caller), &instance, topic, payload, now).await.unwrap();
    }

    /// A session as the operations show it.
    pub fn session(&self, instance: &str, client: &str) -> Option<SessionView> {
        let instance: InstanceId = instance.parse().unwrap();
        let caller = sluice_testkit::caller(Principal::Account(self.account));
        let resource = Resource::Instance(self.account, instance.clone());
        let now = Context::at(self.access.clock().now());
        let permit = sluice_testkit::allow_all().authorize(&caller, &Action::INSTANCE_ACCESS, &resource, &now).unwrap();
        let client = client.parse().unwrap();
        self.broker.sessions(&permit, &instance).into_iter().find(|session| session.client == client)
    }

    /// Time passes, on every clock.
    pub fn pass(&self, milliseconds: i64) {
        self.passed.fetch_add(milliseconds, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    pub fn jump(&self, milliseconds: i64) {
        self.wall_ahead.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

fn user_id(key: &Key) -> UserId {
    match key.owner {
        Principal::User(_, id) => id,
        other => panic!("{other} is no user"),
    }
}

/// A statement on resources `instance/…`, `topic/…`, `groupId/…`.
pub fn statement(effect: &str, actions: &str, resources: &[&str]) -> String {
    let resources: Vec<_> = resources.iter().map(|resource| format!(r#""acs:mq:*:*:{resource}""#)).collect();
    let actions: Vec<_> = actions.split(',').map(|action| format!(r#""mq:{action}""#)).collect();
    format!(r#"{{"Effect":"{effect}","Action":[{}],"Resource":[{}]}}"#, actions.join(","), resources.join(","))
}

pub fn allow(actions: &str, resources: &[&str]) -> String {
    statement("Allow", actions, resources)
}

pub fn deny(actions: &str, resources: &[&str]) -> String {
    statement("Deny", actions, resources)
}

/// All that a client of `GID_one` needs, on `home` of both instances.
pub fn member() -> Vec<String> {
    vec![
        allow("MqttInstanceAccess", &["instance/*"]),
        allow("PUB,SUB", &["topic/*/home"]),
        allow("SUB", &["groupId/*/GID_one"]),
    ]
}
