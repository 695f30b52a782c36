//! The message path alone, to measure what asking for permission costs: `measured_broker asked` decides by the policies of
//! a RAM user, `measured_broker allow-all` by an authority that always says yes. Prints `port key secret instance`.

#![allow(clippy::unwrap_used, reason = "a tool that fails by panicking")]

use std::{io::Write, sync::Arc, time::UNIX_EPOCH};

use secrecy::ExposeSecret;
use sluice_access::{Access, AccountDraft, Change, Clock, MasterKey, random};
use sluice_broker::Broker;
use sluice_model::{InstanceId, PolicyType, Principal, UnixMs};
use sluice_policy::SystemTask;
use sluice_store::{AccessKey, By, Group, NewUser, Store, Topic};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TASK: SystemTask = SystemTask::FirstStart;
const MANY: i64 = 1_000;
/// Policies of the user besides the one that grants, so that a first decision has something to read.
const OTHER_POLICIES: usize = 9;

#[expect(clippy::disallowed_methods, reason = "as the server does")]
fn clock() -> Clock {
    Clock::new(|| {
        UnixMs(i64::try_from(std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap())
    })
}

async fn seed(store: &Store, access: &Arc<Access>, instance: &InstanceId) -> (String, String) {
    let draft = AccountDraft { instance: Some(instance.clone()), ..AccountDraft::default() };
    let account = access.create_account(TASK, draft).await.unwrap().account;
    let (by, now, place) = (By::Task(TASK), access.clock().now(), (account, instance));
    let topic = Topic { name: "bench".parse().unwrap(), remark: String::new(), created: now };
    store.create_topic(by, place, &topic, MANY).await.unwrap();
    store.create_group(by, place, &Group { id: "GID_bench".parse().unwrap(), created: now }, MANY).await.unwrap();
    let text = String::new;
    let user = NewUser {
        id: random::user_id(),
        name: "fleet".parse().unwrap(),
        display_name: text(),
        mobile_phone: text(),
        email: text(),
        comments: text(),
        created: now,
    };
    store.create_user(by, account, &user, MANY).await.unwrap();
    let owner = Principal::User(account, user.id);
    let (id, secret) = (random::access_key_id(), random::access_key_secret());
    let sealed_secret = access.seal(&id, &secret);
    let key = AccessKey { id: id.clone(), owner, sealed_secret, active: true, created: now };
    store.create_key(by, Some("fleet"), &key).await.unwrap();
    for n in 0..=OTHER_POLICIES {
        let name = format!("p{n}").parse().unwrap();
        let topic = if n == OTHER_POLICIES { "bench".to_owned() } else { format!("other{n}") };
        let resources = format!(
            r#"["acs:mq:*:*:instance/{instance}","acs:mq:*:*:topic/{instance}/{topic}","acs:mq:*:*:groupId/{instance}/GID_bench"]"#
        );
        let document = format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":["mq:MqttInstanceAccess","mq:PUB","mq:SUB"],"Resource":{resources}}}]}}"#
        );
        store.create_policy(by, account, &name, ("", &document), now, MANY).await.unwrap();
        let to = (account, user.id, "fleet");
        store.attach(by, to, (PolicyType::Custom, &name), now, MANY).await.unwrap();
    }
    access.refresh(Change::Account(account)).await;
    (id.to_string(), secret.expose_secret().to_owned())
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}", folder.path().join("db").display())).await.unwrap();
    let master_key = MasterKey::from_hex(&MasterKey::generate_hex()).unwrap();
    let access = Arc::new(Access::open(store.clone(), master_key, clock()).await.unwrap());
    let instance: InstanceId = "mqtt-cn-bench".parse().unwrap();
    let (key, secret) = seed(&store, &access, &instance).await;
    let authority = match std::env::args().nth(1).as_deref() {
        Some("asked") => sluice_testkit::authority_over(access.policy_source()),
        Some("allow-all") => sluice_testkit::allow_all(),
        other => panic!("measured_broker asked|allow-all, not {other:?}"),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "{} {key} {secret} {instance}", listener.local_addr().unwrap().port()).unwrap();
    sluice_mqtt::serve(listener, Broker::new(access, authority)).await;
}
