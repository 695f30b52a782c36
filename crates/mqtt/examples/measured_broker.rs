//! The message path alone, to measure what asking for permission costs: `measured_broker asked` decides by the policies of
//! a RAM user, `measured_broker allow-all` by an authority that always says yes. Prints `port key secret instance`.
//!
//! A second argument chooses the runtime: `work-stealing` (as the server), or `per-core=N`: N current-thread runtimes, each
//! with its own listener of the same address, so that a connection never leaves the thread that accepted it.

#![allow(clippy::unwrap_used, reason = "a tool that fails by panicking")]

use std::{io::Write, sync::Arc, time::UNIX_EPOCH};

use secrecy::ExposeSecret;
use sluice_access::{Access, AccountDraft, Change, Clock, MasterKey, random};
use sluice_broker::Broker;
use sluice_model::{InstanceId, PolicyType, Principal, UnixMs};
use sluice_policy::SystemTask;
use sluice_store::{
    AccessKey, By, Group, Holder, Store, Topic,
    log::{MemoryLog, Recovered},
};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LOOPBACK: std::net::SocketAddr =
    std::net::SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0));
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
    let user = sluice_testkit::new_user(random::user_id(), "fleet", now);
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
        let to = (account, &Holder::User(user.id), "fleet");
        store.attach(by, to, (PolicyType::Custom, &name), now, MANY).await.unwrap();
    }
    access.refresh(Change::Account(account)).await;
    (id.to_string(), secret.expose_secret().to_owned())
}

/// What the clients of a run need.
struct Seeded {
    broker: Arc<Broker>,
    login: String,
    _folder: tempfile::TempDir,
}

async fn open(authority: &str) -> Seeded {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}", folder.path().join("db").display())).await.unwrap();
    let master_key = MasterKey::from_hex(&MasterKey::generate_hex()).unwrap();
    let access = Arc::new(Access::open(store.clone(), master_key, clock()).await.unwrap());
    let instance: InstanceId = "mqtt-cn-bench".parse().unwrap();
    let (key, secret) = seed(&store, &access, &instance).await;
    let authority = match authority {
        "asked" => sluice_testkit::authority_over(access.policy_source()),
        "allow-all" => sluice_testkit::allow_all(),
        other => panic!("measured_broker asked|allow-all, not {other}"),
    };
    Seeded {
        broker: Broker::new(access, authority, Arc::new(MemoryLog::default()), Recovered::default()),
        login: format!("{key} {secret} {instance}"),
        _folder: folder,
    }
}

fn say(listener: &TcpListener, login: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{} {login}", listener.local_addr().unwrap().port()).unwrap();
}

fn work_stealing(authority: &str) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let seeded = open(authority).await;
        let listener = sluice_mqtt::bind(LOOPBACK, false).unwrap();
        say(&listener, &seeded.login);
        sluice_mqtt::serve(listener, Arc::clone(&seeded.broker)).await;
    });
}

fn per_core(authority: &str, cores: usize) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // What is not a connection runs here, as it would in the server.
    let first = runtime();
    let seeded = first.block_on(open(authority));
    let listener = first.block_on(async { sluice_mqtt::bind(LOOPBACK, true).unwrap() });
    let address = listener.local_addr().unwrap();
    let (bound, all_bound) = std::sync::mpsc::channel();
    for _ in 1..cores {
        let (broker, bound) = (Arc::clone(&seeded.broker), bound.clone());
        std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = sluice_mqtt::bind(address, true).unwrap();
                bound.send(()).unwrap();
                sluice_mqtt::serve(listener, broker).await;
            });
        });
    }
    for _ in 1..cores {
        all_bound.recv().unwrap();
    }
    say(&listener, &seeded.login);
    first.block_on(sluice_mqtt::serve(listener, Arc::clone(&seeded.broker)));
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [authority] | [authority, "work-stealing"] => work_stealing(authority),
        [authority, runtime] => {
            let cores = runtime.strip_prefix("per-core=").expect("work-stealing or per-core=N");
            per_core(authority, cores.parse().unwrap());
        }
        _ => panic!("measured_broker asked|allow-all [work-stealing|per-core=N]"),
    }
}
