//! One question about some policies, put to the engine and to the reference.

use std::{fmt, net::IpAddr, sync::Arc};

use sluice_model::{
    AccountId, Action, PolicyType, PolicyVersion, Principal, RamEntity, Resource, RoleId, UnixMs, UserId,
};
use sluice_policy::{Caller, Context, Credential, Document, DocumentKind, Policy, PolicySet, Request, decide};

use crate::reference::{Answer, Arn, At, Attached, Held, Question, evaluate};

pub(crate) const ACCOUNT: &str = "1234567890123456";

pub(crate) fn account() -> AccountId {
    ACCOUNT.parse().expect("16 digits")
}

pub(crate) fn ram_entity(rest: &str) -> RamEntity {
    match rest.split_once('/') {
        Some(("user", name)) => RamEntity::User(name.into()),
        Some(("policy", name)) => RamEntity::Policy(name.into()),
        Some(("role", name)) => RamEntity::Role(name.into()),
        Some(("group", name)) => RamEntity::Group(name.into()),
        Some((_, name)) => RamEntity::SystemPolicy(name.into()),
        None => RamEntity::All,
    }
}

/// What is asked, by whom.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) actions: Vec<String>,
    pub(crate) resource: Resource,
    /// `account`, `user` or `role`.
    pub(crate) by: &'static str,
    pub(crate) name: String,
    pub(crate) ip: Option<String>,
    pub(crate) secure: bool,
    pub(crate) mfa: Option<bool>,
    pub(crate) now: UnixMs,
    pub(crate) keys: Vec<(String, Vec<String>)>,
}

/// Policies as the engine has them.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    set: PolicySet,
    trust: Option<Arc<Policy>>,
}

pub(crate) fn compile(policies: &[Attached]) -> Compiled {
    let mut compiled = Compiled::default();
    for Attached { at, name, document } in policies {
        let kind = match at {
            At::Trust => DocumentKind::Trust,
            At::Session => DocumentKind::Session,
            At::Control | At::Account | At::ResourceGroup => DocumentKind::Permission,
        };
        let text = document.to_string();
        let document = Document::parse_kind(kind, &text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        let (policy_type, version) = (PolicyType::Custom, PolicyVersion(1));
        let policy =
            Arc::new(Policy { name: name.as_str().into(), policy_type, version, document: Arc::new(document) });
        match at {
            At::Control => compiled.set.control.push(policy),
            At::Session => compiled.set.session = Some(policy),
            At::Account => compiled.set.account.push(policy),
            At::ResourceGroup => compiled.set.resource_group.push(policy),
            At::Trust => compiled.trust = Some(policy),
        }
    }
    compiled
}

/// The engine's answer.
pub(crate) fn engine(policies: &Compiled, ask: &Ask) -> Answer {
    let user = UserId::new(204_738_291_000_000_001).expect("18 digits");
    let principal = match ask.by {
        "account" => Principal::Account(account()),
        "user" => Principal::User(account(), user),
        _ => Principal::Role(account(), RoleId::new(312_345_678_901_234_567).expect("18 digits")),
    };
    let credential = Credential::AccessKey("LTAI0000000000000001".parse().expect("a legal name"));
    let ip = ask.ip.as_ref().map(|ip| ip.parse::<IpAddr>().expect("an address"));
    let caller = Caller::authenticated(principal, credential, ip, ask.secure, ask.mfa);
    let actions: Vec<Action> = ask.actions.iter().map(|action| Action::parse(action).expect("an action")).collect();
    let mut context = Context::at(ask.now);
    for (key, values) in &ask.keys {
        context = context.with(key, &values.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let request = Request {
        caller: &caller,
        name: &ask.name,
        actions: &actions,
        resource: &ask.resource,
        context: &context,
        trust: policies.trust.as_deref(),
    };
    let decision = decide(&request, &policies.set);
    Answer {
        effect: decision.effect.as_str(),
        at: decision.scope.as_str(),
        by: decision.statement.map(|by| (by.policy.to_string(), by.statement)),
        missing: decision.missing_context_keys.iter().map(ToString::to_string).collect(),
    }
}

/// The reference's answer.
pub(crate) fn reference(policies: &[Attached], ask: &Ask) -> Answer {
    let principal = match ask.by {
        "account" => format!("acs:ram::{ACCOUNT}:root"),
        kind => format!("acs:ram::{ACCOUNT}:{kind}/{}", ask.name),
    };
    let text = |text: &str| Held::Texts(vec![text.to_owned()]);
    let mut keys = vec![
        ("acs:currenttime".to_owned(), Held::Time(ask.now.0)),
        ("acs:securetransport".to_owned(), text(&ask.secure.to_string())),
        ("acs:principalarn".to_owned(), text(&principal)),
    ];
    // An IPv4 address that came over an IPv6 socket is the IPv4 address.
    let ip = ask.ip.as_ref().map(|ip| text(ip.trim_start_matches("::ffff:")));
    keys.extend(ip.map(|ip| ("acs:sourceip".to_owned(), ip)));
    keys.extend(ask.mfa.map(|mfa| ("acs:mfapresent".to_owned(), text(&mfa.to_string()))));
    for (key, values) in ask.keys.iter().filter(|(key, values)| !key.starts_with("acs:") && !values.is_empty()) {
        keys.push((key.to_lowercase(), Held::Texts(values.clone())));
    }
    let (actions, arns) = (ask.actions.clone(), arns(&ask.resource));
    evaluate(policies, &Question { actions, arns, account: ACCOUNT.to_owned(), principal, keys })
}

/// How a resource reads as ARNs. DESIGN section 2, Topic resources are a tree, ARN candidates.
fn arns(resource: &Resource) -> Vec<Arn> {
    let own = |service: &str, current: bool, rest: String| Arn {
        text: format!("acs:{service}:*:{ACCOUNT}:{rest}"),
        any_region: true,
        current,
        deny_only: false,
    };
    match resource {
        Resource::Service(_, service) => vec![own(service.code(), true, "*".into())],
        Resource::Instance(_, id) => {
            vec![own("mq", true, format!("instance/{id}")), own("mq", false, id.to_string())]
        }
        Resource::Group(_, id, group) => vec![
            own("mq", true, format!("groupId/{id}/{group}")),
            own("mq", false, format!("{id}%{group}")),
            own("mq", false, group.to_string()),
        ],
        Resource::Topic(_, id, path) => {
            let levels: Vec<&str> = path.split('/').collect();
            let depth = |depth: usize| own("mq", true, format!("topic/{id}/{}", levels[..depth].join("/")));
            let deny_only = !may_be_created(levels[0]);
            let old = |rest: String| Arn { deny_only, ..own("mq", false, rest) };
            let mut all: Vec<Arn> = (1..=levels.len()).map(depth).collect();
            all.extend([old(format!("{id}%{}", levels[0])), old(levels[0].to_owned())]);
            all
        }
        Resource::Ram(_, entity) => vec![match entity {
            RamEntity::User(name) => own("ram", true, format!("user/{name}")),
            RamEntity::Policy(name) => own("ram", true, format!("policy/{name}")),
            RamEntity::Role(name) => own("ram", true, format!("role/{name}")),
            RamEntity::Group(name) => own("ram", true, format!("group/{name}")),
            RamEntity::SystemPolicy(name) => {
                Arn { text: format!("acs:ram:*:system:policy/{name}"), ..own("ram", true, String::new()) }
            }
            _ => own("ram", true, "*".into()),
        }],
        Resource::Arn(_, text) => {
            vec![Arn { text: text.to_string(), any_region: false, current: false, deny_only: false }]
        }
    }
}

/// Whether a parent topic can have this name: 3 to 64 of letters, digits, `_` and `-`, and nothing that reads as another
/// kind of resource.
fn may_be_created(parent: &str) -> bool {
    let legal = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    (3..=64).contains(&parent.len())
        && parent.chars().all(legal)
        && !["instance", "topic", "groupId", "rule"].contains(&parent)
        && !["post-", "mqtt-", "GID_", "GID-"].iter().any(|start| parent.starts_with(start))
}

/// A question on which the two disagree.
pub(crate) struct Disagreement<'a> {
    pub(crate) policies: &'a [Attached],
    pub(crate) ask: &'a Ask,
}

impl fmt::Display for Disagreement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Attached { at, name, document } in self.policies {
            writeln!(f, "{name} at {at:?}: {}", document["Statement"])?;
        }
        writeln!(f, "{:#?}", self.ask)?;
        writeln!(f, "engine:    {:?}", engine(&compile(self.policies), self.ask))?;
        write!(f, "reference: {:?}", reference(self.policies, self.ask))
    }
}
