//! The rules as RAM documents, ten statements a policy.

use std::sync::{Arc, atomic::AtomicU64};

use sluice_model::{AccountId, Action, PolicyType, PolicyVersion, Principal, Resource, UnixMs, UserId};
use sluice_policy::{
    Authority, Caller, Context, Credential, Document, Effect, Epoch, Grant, InForce, Policy, PolicySet, PolicySource, Request,
    Standing, decide,
};

use crate::rules::{Asked, INSTANCE, On, Rule};

const NOW: UnixMs = UnixMs(1_767_225_600_000);

struct Fixed(Arc<InForce>);

impl PolicySource for Fixed {
    fn in_force(&self, _: Principal, _: &Credential) -> Option<Arc<InForce>> {
        Some(Arc::clone(&self.0))
    }
}

pub(crate) struct Sluice {
    policies: PolicySet,
    authority: Authority,
    caller: Caller,
    context: Context,
    requests: Vec<(Action, Resource)>,
    grant: Grant,
}

pub(crate) fn document(rules: &[Rule]) -> String {
    let statement = |rule: &Rule| {
        let rest = match &rule.on {
            On::Tree(path) | On::Pattern(path) => format!("topic/{INSTANCE}/{path}"),
            On::Instance => format!("topic/{INSTANCE}/*"),
        };
        let effect = if rule.deny { "Deny" } else { "Allow" };
        serde_json::json!({ "Effect": effect, "Action": rule.actions, "Resource": format!("acs:mq:*:*:{rest}") })
    };
    serde_json::json!({ "Version": "1", "Statement": rules.iter().map(statement).collect::<Vec<_>>() }).to_string()
}

pub(crate) fn compile(document: &str) -> Document {
    Document::parse(document).expect("the bench's own document is valid")
}

impl Sluice {
    pub(crate) fn new(rules: &[Rule], requests: &[Asked]) -> Self {
        let account = AccountId::new(1_234_567_890_123_456).expect("16 digits");
        let user = Principal::User(account, UserId::new(204_738_291_000_000_001).expect("18 digits"));
        let credential = Credential::AccessKey("LTAI0000000000000001".parse().expect("a legal name"));
        let policy = |(number, rules): (usize, &[Rule])| {
            let document = Arc::new(compile(&document(rules)));
            let (policy_type, version) = (PolicyType::Custom, PolicyVersion(1));
            Arc::new(Policy { name: format!("policy-{number}").into(), policy_type, version, document })
        };
        let policies =
            PolicySet { account: rules.chunks(10).enumerate().map(policy).collect(), ..PolicySet::default() };
        let in_force = InForce {
            standing: Standing::Governed(policies.clone()),
            name: "alice".into(),
            epoch: Epoch::new(Arc::new(AtomicU64::new(1)), 1),
            valid_until: UnixMs::NEVER,
        };
        let authority = Authority::new(Arc::new(Fixed(Arc::new(in_force))));
        let caller = Caller::authenticated(user, credential, "192.0.2.7".parse().ok(), true, None);
        let instance = || INSTANCE.parse().expect("a legal name");
        let resource = |asked: &Asked| Resource::Topic(account, instance(), asked.topic.as_str().into());
        let requests: Vec<_> = requests.iter().map(|asked| (Action::of(asked.action), resource(asked))).collect();
        let context = Context::at(NOW);
        let mut granted = requests.iter().filter_map(|(action, on)| authority.authorize(&caller, action, on, &context).ok());
        let grant = granted.next().expect("something is granted").remember();
        Self { policies, authority, caller, context, requests, grant }
    }

    /// Nothing remembered: the compiled documents are read.
    pub(crate) fn decide(&self, place: usize) -> bool {
        let (action, resource) = &self.requests[place];
        let request = Request {
            caller: &self.caller,
            name: "alice",
            actions: std::slice::from_ref(action),
            resource,
            context: &self.context,
            trust: None,
        };
        decide(&request, &self.policies).effect == Effect::Allow
    }

    /// The same with the proof, as every room asks.
    pub(crate) fn authorize(&self, place: usize) -> bool {
        let (action, resource) = &self.requests[place];
        self.authority.authorize(&self.caller, action, resource, &self.context).is_ok()
    }

    /// A remembered yes, asked again so many times.
    pub(crate) fn renew(&self, _: usize, times: usize) -> bool {
        (0..times).all(|_| self.authority.renew(std::hint::black_box(&self.grant), NOW))
    }
}
