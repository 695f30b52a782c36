//! The rules as Cedar policies: a topic is an entity below its levels and its instance.

use std::collections::{BTreeMap, HashSet};

use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression};

use crate::rules::{Asked, INSTANCE, On, Rule};

pub(crate) struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    requests: Vec<Request>,
}

pub(crate) fn document(rules: &[Rule]) -> String {
    let policy = |rule: &Rule| {
        let effect = if rule.deny { "forbid" } else { "permit" };
        let actions: Vec<String> = rule.actions.iter().map(|action| format!("Action::\"{action}\"")).collect();
        let (resource, condition) = match &rule.on {
            On::Tree(path) => (format!("resource in Topic::\"{path}\""), String::new()),
            On::Instance => (format!("resource in Instance::\"{INSTANCE}\""), String::new()),
            On::Pattern(pattern) => {
                (format!("resource in Instance::\"{INSTANCE}\""), format!(" when {{ resource.name like \"{pattern}\" }}"))
            }
        };
        format!("{effect}(principal == User::\"alice\", action in [{}], {resource}){condition};\n", actions.join(", "))
    };
    rules.iter().map(policy).collect()
}

pub(crate) fn compile(document: &str) -> PolicySet {
    document.parse().expect("the bench's own policies are valid")
}

fn uid(kind: &str, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.parse().expect("a type"), name.parse().expect("any text is an ID"))
}

/// A topic under the level above it, the first level under the instance.
fn entity(path: &str) -> Entity {
    let parent = match path.rsplit_once('/') {
        Some((above, _)) => uid("Topic", above),
        None => uid("Instance", INSTANCE),
    };
    let name = [("name".to_owned(), RestrictedExpression::new_string(path.to_owned()))];
    Entity::new(uid("Topic", path), name.into(), HashSet::from([parent])).expect("a string is a valid attribute")
}

impl Cedar {
    pub(crate) fn new(rules: &[Rule], requests: &[Asked]) -> Self {
        let mut topics = BTreeMap::new();
        for Asked { topic, .. } in requests {
            for end in topic.match_indices('/').map(|(at, _)| at).chain([topic.len()]) {
                topics.entry(topic[..end].to_owned()).or_insert_with(|| entity(&topic[..end]));
            }
        }
        let others = [Entity::with_uid(uid("Instance", INSTANCE)), Entity::with_uid(uid("User", "alice"))];
        let entities = Entities::from_entities(topics.into_values().chain(others), None).expect("a tree");
        let request = |asked: &Asked| {
            let (action, topic) = (uid("Action", asked.action), uid("Topic", &asked.topic));
            Request::new(uid("User", "alice"), action, topic, Context::empty(), None).expect("no schema to break")
        };
        let requests = requests.iter().map(request).collect();
        Self { authorizer: Authorizer::new(), policies: compile(&document(rules)), entities, requests }
    }

    pub(crate) fn decide(&self, place: usize) -> bool {
        let response = self.authorizer.is_authorized(&self.requests[place], &self.policies, &self.entities);
        response.decision() == Decision::Allow
    }
}
