//! From JSON to statements, collecting every fault. Source: facts/ram.md section 1.1 and the vectors of group `malformed`.
//!
//! What the language does not have is refused, never skipped: an element that is read over could be a limit that its
//! author counts on.

use sluice_model::{AccountId, ProviderName, RoleName, UserName};

use crate::{
    DocumentKind, Fault, FaultKind,
    condition::{Condition, Operator},
    json::{Node, child},
    pattern::{ActionPattern, ResourcePattern, Services},
    statement::{Actions, Statement, TrustStatement, TrustedPrincipal},
};

/// What a trust policy may call those whom it trusts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// What can exist: a document that is to be saved.
    Possible,
    /// What was once saved, though nobody can have the name: it trusts nobody, and a role is not lost for it.
    AsSaved,
}

/// Reads a document; what is returned is whole only when no fault was added.
pub(crate) fn document(
    kind: DocumentKind,
    names: Names,
    root: &Node,
    faults: &mut Vec<Fault>,
) -> (Vec<Statement>, Vec<TrustStatement>) {
    let mut reader = Reader { faults, names };
    let (mut statements, mut trust) = (Vec::new(), Vec::new());
    let Some(members) = reader.object(root, "") else { return (statements, trust) };
    reader.refuse_others(members, "", &["Version", "Statement"]);
    match reader.required(members, "", "Version") {
        Some(Node::Text(version)) if version == "1" => {}
        Some(_) => reader.fault("/Version", FaultKind::Value("\"1\"")),
        None => {}
    }
    let list = match reader.required(members, "", "Statement") {
        Some(Node::List(list)) => list.as_slice(),
        Some(_) => {
            reader.fault("/Statement", FaultKind::Type("a list of statements"));
            &[]
        }
        None => &[],
    };
    if list.is_empty() && reader.faults.is_empty() {
        reader.fault("/Statement", FaultKind::Empty);
    }
    for (place, node) in list.iter().enumerate() {
        let pointer = format!("/Statement/{place}");
        let Some(members) = reader.object(node, &pointer) else { continue };
        if kind == DocumentKind::Trust {
            trust.extend(reader.trust_statement(members, &pointer));
        } else {
            statements.extend(reader.statement(members, &pointer));
        }
    }
    (statements, trust)
}

type Members = [(String, Node)];

struct Reader<'f> {
    faults: &'f mut Vec<Fault>,
    names: Names,
}

impl Reader<'_> {
    fn fault(&mut self, pointer: &str, kind: FaultKind) {
        self.faults.push(Fault::new(pointer, kind));
    }

    fn statement(&mut self, members: &Members, at: &str) -> Option<Statement> {
        self.refuse_others(members, at, &["Effect", "Action", "NotAction", "Resource", "Condition"]);
        let deny = self.effect(members, at);
        let actions = self.actions(members, at);
        let resources =
            self.required(members, at, "Resource").and_then(|node| self.resources(node, &child(at, "Resource")));
        let conditions = self.conditions(members, at);
        Some(Statement { deny: deny?, actions: actions?, resources: resources?, conditions })
    }

    fn trust_statement(&mut self, members: &Members, at: &str) -> Option<TrustStatement> {
        self.refuse_others(members, at, &["Effect", "Action", "Principal", "Condition"]);
        let deny = self.effect(members, at);
        let actions = self.actions(members, at);
        let principals =
            self.required(members, at, "Principal").and_then(|node| self.principals(node, &child(at, "Principal")));
        let conditions = self.conditions(members, at);
        Some(TrustStatement { deny: deny?, actions: actions?, principals: principals?, conditions })
    }

    /// Whether it is a Deny.
    fn effect(&mut self, members: &Members, at: &str) -> Option<bool> {
        match self.required(members, at, "Effect")? {
            Node::Text(text) if text == "Allow" => Some(false),
            Node::Text(text) if text == "Deny" => Some(true),
            _ => {
                self.fault(&child(at, "Effect"), FaultKind::Value("\"Allow\" or \"Deny\""));
                None
            }
        }
    }

    fn actions(&mut self, members: &Members, at: &str) -> Option<Actions> {
        let (name, node, not) = match (find(members, "Action"), find(members, "NotAction")) {
            (Some(node), None) => ("Action", node, false),
            (None, Some(node)) => ("NotAction", node, true),
            (Some(_), Some(_)) => {
                self.fault(at, FaultKind::Both("Action", "NotAction"));
                return None;
            }
            (None, None) => {
                self.fault(at, FaultKind::Missing("Action"));
                return None;
            }
        };
        let mut services = if not { Services::ALL } else { Services::NONE };
        let mut patterns = Vec::new();
        for (pointer, text) in self.strings(node, &child(at, name))? {
            if !legal_action(text) {
                self.fault(&pointer, FaultKind::Action(text.to_owned()));
                continue;
            }
            let lower = text.to_ascii_lowercase();
            services = services.and(Services::of(&lower));
            patterns.push(ActionPattern::new(&lower));
        }
        Some(Actions { services, not, patterns: patterns.into() })
    }

    fn resources(&mut self, node: &Node, at: &str) -> Option<Box<[ResourcePattern]>> {
        let mut patterns = Vec::new();
        for (pointer, text) in self.strings(node, at)? {
            if text == "*" || text.starts_with("acs:") {
                patterns.push(ResourcePattern::new(text));
            } else {
                self.fault(&pointer, FaultKind::Resource(text.to_owned()));
            }
        }
        Some(patterns.into())
    }

    fn principals(&mut self, node: &Node, at: &str) -> Option<Box<[TrustedPrincipal]>> {
        let kinds = self.object(node, at)?;
        if kinds.is_empty() {
            self.fault(at, FaultKind::Empty);
        }
        let mut principals = Vec::new();
        for (kind, names) in kinds {
            let pointer = child(at, kind);
            if !["RAM", "Service", "Federated"].contains(&kind.as_str()) {
                self.fault(&pointer, FaultKind::Unknown(kind.clone()));
                continue;
            }
            for (pointer, name) in self.strings(names, &pointer)? {
                let (principal, expected) = match kind.as_str() {
                    "RAM" => (trusted(name), "an ARN such as `acs:ram::{AccountId}:root`; an AccountId has 16 digits"),
                    "Federated" => (provider(name), "an ARN such as `acs:ram::{AccountId}:saml-provider/{name}`"),
                    _ => (service(name), "the name of a service such as `ecs.aliyuncs.com`"),
                };
                match principal {
                    Some(principal) => principals.push(principal),
                    None if self.names == Names::AsSaved => principals.push(TrustedPrincipal::Foreign),
                    None => self.fault(&pointer, FaultKind::Value(expected)),
                }
            }
        }
        Some(principals.into())
    }

    fn conditions(&mut self, members: &Members, at: &str) -> Box<[Condition]> {
        let mut conditions = Vec::new();
        let at = child(at, "Condition");
        let operators = find(members, "Condition").and_then(|node| self.object(node, &at)).unwrap_or_default();
        for (name, keys) in operators {
            let pointer = child(&at, name);
            let Some(operator) = Operator::parse(name) else {
                self.fault(&pointer, FaultKind::Operator(name.clone()));
                continue;
            };
            let Some(keys) = self.object(keys, &pointer) else { continue };
            if keys.is_empty() {
                self.fault(&pointer, FaultKind::Empty);
            }
            for (key, values) in keys {
                conditions.extend(self.condition(operator, key, values, &child(&pointer, key)));
            }
        }
        conditions.into()
    }

    fn condition(&mut self, operator: Operator, key: &str, values: &Node, at: &str) -> Option<Condition> {
        if key.is_empty() {
            self.fault(at, FaultKind::Value("a condition key"));
        }
        let values = self.strings(values, at)?;
        for (pointer, value) in &values {
            if !operator.accepts(value) {
                let expected = operator.expects();
                self.fault(pointer, FaultKind::Operand { value: (*value).to_owned(), expected });
            }
        }
        Condition::new(operator, key, &values.iter().map(|(_, value)| *value).collect::<Vec<_>>())
    }

    /// A string or a list of one and more, each with its place.
    fn strings<'n>(&mut self, node: &'n Node, at: &str) -> Option<Vec<(String, &'n str)>> {
        match node {
            Node::Text(text) => Some(vec![(at.to_owned(), text.as_str())]),
            Node::List(list) if list.is_empty() => {
                self.fault(at, FaultKind::Empty);
                None
            }
            Node::List(list) => {
                let mut strings = Vec::with_capacity(list.len());
                for (place, node) in list.iter().enumerate() {
                    let pointer = child(at, &place.to_string());
                    match node {
                        Node::Text(text) => strings.push((pointer, text.as_str())),
                        _ => self.fault(&pointer, FaultKind::Type("a string")),
                    }
                }
                Some(strings)
            }
            Node::Object(_) | Node::Other => {
                self.fault(at, FaultKind::Type("a string or a list of strings"));
                None
            }
        }
    }

    fn object<'n>(&mut self, node: &'n Node, at: &str) -> Option<&'n Members> {
        if let Node::Object(members) = node {
            return Some(members);
        }
        self.fault(at, FaultKind::Type("a JSON object"));
        None
    }

    fn required<'n>(&mut self, members: &'n Members, at: &str, name: &'static str) -> Option<&'n Node> {
        let found = find(members, name);
        if found.is_none() {
            self.fault(at, FaultKind::Missing(name));
        }
        found
    }

    fn refuse_others(&mut self, members: &Members, at: &str, known: &[&str]) {
        for (name, _) in members {
            if !known.contains(&name.as_str()) {
                self.fault(&child(at, name), FaultKind::Unknown(name.clone()));
            }
        }
    }
}

fn find<'n>(members: &'n Members, name: &str) -> Option<&'n Node> {
    members.iter().find(|(have, _)| have == name).map(|(_, node)| node)
}

/// `*` or `service:Operation` without blanks.
fn legal_action(text: &str) -> bool {
    let parts = text.split_once(':');
    let named = parts.is_some_and(|(service, operation)| !service.is_empty() && !operation.is_empty());
    (text == "*" || named) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The account and the rest of `acs:ram::{AccountId}:{rest}`; the region may be `*` too.
fn in_account(arn: &str) -> Option<(AccountId, &str)> {
    let (account, rest) = arn.strip_prefix("acs:ram::").or_else(|| arn.strip_prefix("acs:ram:*:"))?.split_once(':')?;
    Some((account.parse().ok()?, rest))
}

/// `acs:ram::{AccountId}:root`, `:user/{name}` or `:role/{name}`.
fn trusted(arn: &str) -> Option<TrustedPrincipal> {
    let (account, rest) = in_account(arn)?;
    if rest == "root" {
        return Some(TrustedPrincipal::Account(account.to_string().into()));
    }
    let is_name = match rest.split_once('/')? {
        ("user", name) => name.parse::<UserName>().is_ok(),
        ("role", name) => name.parse::<RoleName>().is_ok(),
        _ => false,
    };
    is_name.then(|| TrustedPrincipal::Arn(format!("acs:ram::{account}:{rest}").into()))
}

/// `acs:ram::{AccountId}:saml-provider/{name}` or `:oidc-provider/{name}`. No user or role has such an ARN.
fn provider(arn: &str) -> Option<TrustedPrincipal> {
    let (account, rest) = in_account(arn)?;
    let name = rest.strip_prefix("saml-provider/").or_else(|| rest.strip_prefix("oidc-provider/"))?;
    name.parse::<ProviderName>().ok()?;
    Some(TrustedPrincipal::Provider(format!("acs:ram::{account}:{rest}").into()))
}

/// `ecs.aliyuncs.com`, or `{AccountId}@dts.aliyuncs.com`: the service as it acts for another account, which the vendor's pages
/// on ActionTrail and DTS have. Never one of our callers.
fn service(name: &str) -> Option<TrustedPrincipal> {
    let host = match name.split_once('@') {
        Some((account, host)) => account.parse::<AccountId>().ok().map(|_| host)?,
        None => name,
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    (host.contains('.') && host.split('.').all(is_label)).then_some(TrustedPrincipal::Foreign)
}
