//! What a decision costs. Targets: a remembered yes 100 ns, a first decision over 20 policies of 10 statements 20 us.

use std::{
    hint::black_box,
    sync::{Arc, atomic::AtomicU64},
};

use criterion::{Criterion, criterion_group, criterion_main};
use sluice_model::{AccountId, Action, PolicyType, PolicyVersion, Principal, Resource, UnixMs, UserId};
use sluice_policy::{
    Authority, Caller, Catalogue, Context, Credential, Document, Epoch, InForce, Policy, PolicySet, PolicySource,
    Request, Standing, decide, warnings,
};

struct Fixed(Arc<InForce>);

impl PolicySource for Fixed {
    fn in_force(&self, _: Principal, _: &Credential) -> Option<Arc<InForce>> {
        Some(Arc::clone(&self.0))
    }
}

/// 10 statements of two actions and two topics each; only the last of the last policy fits.
fn policy(number: usize) -> Arc<Policy> {
    let statements: Vec<_> = (0..10)
        .map(|place| {
            let topic = |name: &str| format!("acs:mq:*:*:topic/post-cn-09k1noy0001/{name}_{number}_{place}");
            let mut statement = serde_json::json!({
                "Effect": if place % 5 == 4 { "Deny" } else { "Allow" },
                "Action": ["mq:PUB", "mq:SU?"],
                "Resource": [topic("plant"), topic("line*/x")],
            });
            if place % 2 == 0 {
                statement["Condition"] = serde_json::json!({ "IpAddress": { "acs:SourceIp": "192.0.2.0/24" } });
            }
            if (number, place) == (19, 8) {
                statement["Resource"] = "acs:mq:*:*:topic/post-cn-09k1noy0001/plant".into();
            }
            statement
        })
        .collect();
    let text = serde_json::json!({ "Version": "1", "Statement": statements }).to_string();
    let document = Arc::new(Document::parse(&text).expect("the bench's own document is valid"));
    let (policy_type, version) = (PolicyType::Custom, PolicyVersion(1));
    Arc::new(Policy { name: format!("policy-{number}").into(), policy_type, version, document })
}

fn decisions(criterion: &mut Criterion) {
    let account = AccountId::new(1_234_567_890_123_456).expect("16 digits");
    let user = Principal::User(account, UserId::new(204_738_291_000_000_001).expect("18 digits"));
    let credential = Credential::AccessKey("LTAI0000000000000001".parse().expect("a legal name"));
    let caller = Caller::authenticated(user, credential, "192.0.2.7".parse().ok(), true, None);
    let instance = "post-cn-09k1noy0001".parse().expect("a legal name");
    let granted = Resource::Topic(account, instance, "plant/line/7/temperature".into());
    let refused = Resource::Ram(account, sluice_model::RamEntity::All);
    let set = PolicySet { account: (0..20).map(policy).collect(), ..PolicySet::default() };
    let authority = Authority::new(Arc::new(Fixed(Arc::new(InForce {
        standing: Standing::Governed(set),
        name: "alice".into(),
        epoch: Epoch::new(Arc::new(AtomicU64::new(1)), 1),
        valid_until: UnixMs::NEVER,
        sources: None,
    }))));
    let now = UnixMs(1_767_225_600_000);
    let context = Context::at(now);
    let grant = authority.authorize(&caller, &Action::PUB, &granted, &context).expect("granted").remember();

    criterion.bench_function("renew", |bench| bench.iter(|| authority.renew(black_box(&grant), black_box(now))));
    criterion.bench_function("first decision, 20 policies x 10 statements", |bench| {
        bench.iter(|| authority.authorize(&caller, &Action::PUB, black_box(&granted), &context).is_ok());
    });
    let action = Action::of("ram:CreateUser");
    criterion.bench_function("refusal, no statement of the service", |bench| {
        bench.iter(|| authority.authorize(&caller, &action, black_box(&refused), &context).is_ok());
    });
}

/// What a save costs: reading a document of the longest length, and telling its warnings.
fn documents(criterion: &mut Criterion) {
    let mut statements: Vec<serde_json::Value> = Vec::new();
    let text =
        |statements: &[serde_json::Value]| serde_json::json!({ "Version": "1", "Statement": statements }).to_string();
    let statement = |place: usize| {
        serde_json::json!({
            "Effect": if place % 5 == 4 { "Deny" } else { "Allow" },
            "Action": ["mq:PUB", "mq:SU?"],
            "Resource": [format!("acs:mq:*:*:topic/post-cn-09k1noy0001/plant_{place}"), "acs:mq:*:*:topic/*/x"],
            "Condition": { "IpAddress": { "acs:SourceIp": "192.0.2.0/24" } },
        })
    };
    while text(&statements).len() < 5_900 {
        statements.push(statement(statements.len()));
    }
    let text = text(&statements);
    assert!(text.len() <= 6_144, "{} characters", text.len());
    criterion.bench_function("read a document of 6,000 characters", |bench| {
        bench.iter(|| Document::parse(black_box(&text)).is_ok());
    });
    let catalogue = Catalogue::new(["mq:PUB", "mq:SUB"]);
    criterion.bench_function("tell the warnings of a document of 6,000 characters", |bench| {
        bench.iter(|| warnings(black_box(&text), &catalogue, None));
    });
}

/// A first decision over policies of ten statements each.
fn by_statements(criterion: &mut Criterion) {
    let account = AccountId::new(1_234_567_890_123_456).expect("16 digits");
    let user = Principal::User(account, UserId::new(204_738_291_000_000_001).expect("18 digits"));
    let credential = Credential::AccessKey("LTAI0000000000000001".parse().expect("a legal name"));
    let caller = Caller::authenticated(user, credential, "192.0.2.7".parse().ok(), true, None);
    let resource = Resource::Topic(account, "post-cn-09k1noy0001".parse().expect("a legal name"), "plant_0_0/x".into());
    let context = Context::at(UnixMs(1_767_225_600_000));
    for statements in [1, 20, 200] {
        let account = if statements == 1 { vec![one_statement()] } else { (0..statements / 10).map(policy).collect() };
        let set = PolicySet { account, ..PolicySet::default() };
        let actions = [Action::PUB];
        let request = Request {
            caller: &caller,
            name: "alice",
            actions: &actions,
            resource: &resource,
            context: &context,
            trust: None,
        };
        criterion.bench_function(&format!("decide, {statements} statements"), |bench| {
            bench.iter(|| decide(black_box(&request), &set).effect);
        });
    }
}

fn one_statement() -> Arc<Policy> {
    let text = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["mq:PUB"],"Resource":"acs:mq:*:*:topic/post-cn-09k1noy0001/plant_0_0"}]}"#;
    let document = Arc::new(Document::parse(text).expect("the bench's own document is valid"));
    let (policy_type, version) = (PolicyType::Custom, PolicyVersion(1));
    Arc::new(Policy { name: "one".into(), policy_type, version, document })
}

criterion_group!(benches, decisions, by_statements, documents);
criterion_main!(benches);
