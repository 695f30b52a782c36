//! From what was used to the smallest policy document that allows it.
//!
//! Every action is in one statement, with exactly the resources that it was used on; actions with the same resources share one.
//! What a topic's subtree includes is left out. Wider than what was used it is in these steps only, in this order:
//!
//! 1. A subscription with wildcards is written as its topics (`a/#` as `topic/I/a`, `a/+/c` as `topic/I/a/*/c`).
//! 2. Only when the document is over its length: point-to-point topics of one parent become `{parent}/p2p/*`;
//! 3. then topics that differ in levels with a digit get `*` for these levels;
//! 4. then topics of one parent become the parent; 5. then all topics of the instance.
//!
//! None of them goes beyond what is in force: each is taken only where the principal has all of it today.
//!
//! Pure: values in, text out.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};
use sluice_model::{Action, InstanceId, Resource, TopicFilter};

use crate::limits;

/// Whether the principal has everything that a filter can match.
pub(super) type HasAll<'a> = &'a dyn Fn(&Action, &InstanceId, &TopicFilter) -> bool;

/// A request that was allowed: the action by its first name, and on what.
#[derive(Clone, Debug)]
pub(super) struct Used {
    pub(super) action: Action,
    pub(super) resource: Resource,
}

/// What was used does not fit a document, however wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// The document; `None` when nothing was used, which no document says.
///
/// # Errors
/// [`TooLong`].
pub(super) fn document(used: &[Used], has_all: HasAll<'_>) -> Result<Option<String>, TooLong> {
    let mut grants = Grants::default();
    for one in used {
        grants.add(one, has_all);
    }
    if grants.0.is_empty() {
        return Ok(None);
    }
    grants.drop_included();
    for step in [None, Some(Step::PointToPoint), Some(Step::Numbered), Some(Step::Parent), Some(Step::Instance)] {
        if let Some(step) = step {
            grants.widen(step, has_all);
            grants.drop_included();
        }
        let text = grants.text();
        if text.chars().count() <= limits::DOCUMENT_CHARACTERS_MAX {
            return Ok(Some(text));
        }
    }
    Err(TooLong)
}

/// How topics are made one.
#[derive(Clone, Copy)]
enum Step {
    PointToPoint,
    Numbered,
    Parent,
    Instance,
}

impl Step {
    /// The wider pattern of a topic, and a filter that matches all that it does; `None` where the step does not speak of it.
    fn of(self, path: &str) -> Option<(String, String)> {
        let levels: Vec<&str> = path.split('/').collect();
        let parent = levels[0];
        match self {
            Self::PointToPoint if levels.len() == 3 && levels[1] == "p2p" => {
                Some((format!("{parent}/p2p/*"), format!("{parent}/p2p/#")))
            }
            Self::Numbered => {
                let is_numbered = |level: &&str| level.bytes().any(|byte| byte.is_ascii_digit());
                let first = levels.iter().skip(1).position(is_numbered)? + 1;
                let wide = |(place, level): (usize, &&str)| {
                    if place >= first && is_numbered(level) { "*".to_owned() } else { (*level).to_owned() }
                };
                let pattern: Vec<String> = levels.iter().enumerate().map(wide).collect();
                Some((pattern.join("/"), format!("{}/#", levels[..first].join("/"))))
            }
            Self::Parent => Some((parent.to_owned(), format!("{parent}/#"))),
            Self::Instance => Some(("*".to_owned(), "#".to_owned())),
            Self::PointToPoint => None,
        }
    }
}

/// A resource of the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pattern {
    /// A topic's path on an instance, with `*` and `?`; what comes before it in the ARN.
    Topic { before: String, instance: InstanceId, path: String },
    /// Any other ARN.
    Other(String),
}

impl Pattern {
    /// What comes before a topic's path, and the path.
    fn topic(&self) -> Option<(&str, &str)> {
        match self {
            Self::Topic { before, path, .. } => Some((before, path)),
            Self::Other(_) => None,
        }
    }

    fn arn(&self) -> String {
        match self {
            Self::Topic { before, path, .. } => format!("{before}{path}"),
            Self::Other(arn) => arn.clone(),
        }
    }
}

/// By action, what it is allowed on.
#[derive(Default)]
struct Grants(BTreeMap<String, (Action, BTreeSet<Pattern>)>);

impl Grants {
    fn add(&mut self, used: &Used, has_all: HasAll<'_>) {
        let Used { action, resource } = used;
        let pattern = match resource {
            Resource::Topic(account, instance, path) => Pattern::Topic {
                before: format!("acs:mq:*:{account}:topic/{instance}/"),
                instance: instance.clone(),
                path: topics_of_filter(action, instance, path, has_all).unwrap_or_else(|| literal(path)),
            },
            other => Pattern::Other(other.to_string()),
        };
        let entry = self.0.entry(action.as_str().to_owned()).or_insert_with(|| (action.clone(), BTreeSet::new()));
        entry.1.insert(pattern);
    }

    /// Leaves out what lies below another pattern of the same action. Cost: a look-up for each level of each topic.
    fn drop_included(&mut self) {
        for (_, patterns) in self.0.values_mut() {
            let topics = || patterns.iter().filter_map(Pattern::topic);
            let plain = |path: &str| !path.contains(['*', '?']);
            // A path speaks of all below it; `a/*` and `*` of all that begin so.
            let paths: HashSet<(String, String)> = topics()
                .filter(|(_, path)| plain(path))
                .map(|(before, path)| (before.to_owned(), path.to_owned()))
                .collect();
            let starts: HashSet<(String, String)> = topics()
                .filter_map(|(before, path)| Some((before, path.strip_suffix('*').filter(|start| plain(start))?)))
                .map(|(before, start)| (before.to_owned(), start.to_owned()))
                .collect();
            let has = |set: &HashSet<(String, String)>, before: &str, path: &str| {
                set.contains(&(before.to_owned(), path.to_owned()))
            };
            patterns.retain(|pattern| {
                let Some((before, path)) = pattern.topic() else { return true };
                let below_path = |at: usize| has(&paths, before, &path[..at]);
                let below_start = |end: usize| path[end..] != *"*" && has(&starts, before, &path[..end]);
                let slashes = || path.match_indices('/').map(|(at, _)| at);
                !(slashes().any(|at| below_path(at) || below_start(at + 1)) || below_start(0))
            });
        }
    }

    /// Puts one pattern in the place of several, where the principal has all of it.
    fn widen(&mut self, step: Step, has_all: HasAll<'_>) {
        for (action, patterns) in self.0.values_mut() {
            let mut wider: BTreeMap<Pattern, (TopicFilter, BTreeSet<Pattern>)> = BTreeMap::new();
            for one in patterns.iter() {
                let Pattern::Topic { before, instance, path } = one else { continue };
                let Some((path, filter)) = step.of(path) else { continue };
                let Ok(filter) = filter.parse::<TopicFilter>() else { continue };
                let wide = Pattern::Topic { before: before.clone(), instance: instance.clone(), path };
                wider.entry(wide).or_insert_with(|| (filter, BTreeSet::new())).1.insert(one.clone());
            }
            for (wide, (filter, narrow)) in wider {
                let Pattern::Topic { instance, .. } = &wide else { continue };
                if narrow.len() > 1 && has_all(action, instance, &filter) {
                    patterns.retain(|one| !narrow.contains(one));
                    patterns.insert(wide);
                }
            }
        }
    }

    fn text(&self) -> String {
        let mut actions_on: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
        for (action, patterns) in self.0.values() {
            let arns: BTreeSet<String> = patterns.iter().map(Pattern::arn).collect();
            actions_on.entry(arns.into_iter().collect()).or_default().push(action.as_str());
        }
        let one_or_list = |list: Value| match list {
            Value::Array(mut items) if items.len() == 1 => items.remove(0),
            list => list,
        };
        let statements: Vec<Value> = actions_on
            .into_iter()
            .map(|(arns, actions)| json!({ "Effect": "Allow", "Action": one_or_list(json!(actions)), "Resource": one_or_list(json!(arns)) }))
            .collect();
        json!({ "Version": "1", "Statement": statements }).to_string()
    }
}

/// The topics of a filter with wildcards, where the principal has all of them: then its deliveries were decided with the
/// SUBSCRIBE, and nobody saw them. Elsewhere each topic was decided, and is there by itself.
fn topics_of_filter(action: &Action, instance: &InstanceId, path: &str, has_all: HasAll<'_>) -> Option<String> {
    let filter: TopicFilter = path.parse().ok()?;
    if *action != Action::SUB || !filter.has_wildcard() || !has_all(action, instance, &filter) {
        return None;
    }
    let mut levels: Vec<String> =
        path.split('/').map(|level| if level == "+" { "*".to_owned() } else { literal(level) }).collect();
    if levels.last().is_some_and(|last| last == "#") {
        levels.pop();
    }
    Some(if levels.is_empty() { "*".to_owned() } else { levels.join("/") })
}

/// A text as a pattern: the language cannot write a literal `*`, and `?` is one character.
fn literal(text: &str) -> String {
    text.replace('*', "?")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};
    use sluice_model::{PolicyType, PolicyVersion, UnixMs};
    use sluice_policy::{Context, Decision, Document, Effect, Policy, PolicySet, Request, decide};
    use sluice_testkit::{account, caller, user};

    use super::*;

    const INSTANCE: &str = "mqtt-cn-a";
    const NOTHING: HasAll<'static> = &|_, _, _| false;
    const EVERYTHING: HasAll<'static> = &|_, _, _| true;

    fn topic(path: &str) -> Resource {
        Resource::Topic(account(1), INSTANCE.parse().unwrap(), path.into())
    }

    fn used(action: &'static str, resource: Resource) -> Used {
        Used { action: Action::of(action), resource }
    }

    fn allows(document: &str, action: &str, resource: &Resource) -> bool {
        allowed_by(&Arc::new(Document::parse(document).unwrap()), action, resource)
    }

    fn allowed_by(document: &Arc<Document>, action: &str, resource: &Resource) -> bool {
        let document = Arc::clone(document);
        let policy = Policy { name: "p".into(), policy_type: PolicyType::Custom, version: PolicyVersion(1), document };
        let set = PolicySet { account: vec![Arc::new(policy)], ..PolicySet::default() };
        let (caller, context) = (caller(user(account(1), 1)), Context::at(UnixMs(0)));
        let actions = [Action::parse(action).unwrap()];
        let request =
            Request { caller: &caller, name: "a", actions: &actions, resource, context: &context, trust: None };
        matches!(decide(&request, &set), Decision { effect: Effect::Allow, .. })
    }

    fn resources(document: &str) -> Vec<String> {
        let value: Value = serde_json::from_str(document).unwrap();
        let statements = value["Statement"].as_array().unwrap();
        let of = |statement: &Value| match &statement["Resource"] {
            Value::Array(list) => list.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
            one => vec![one.as_str().unwrap().to_owned()],
        };
        statements.iter().flat_map(of).map(|arn| arn.rsplit(':').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn actions_with_the_same_resources_share_a_statement_and_what_is_below_is_left_out() {
        let all = [
            used("mq:PUB", topic("a/b")),
            used("mq:PUB", topic("a")),
            used("mq:SUB", topic("a")),
            used("mq:PUB", topic("ab")),
            used("mq:MqttInstanceAccess", Resource::Instance(account(1), INSTANCE.parse().unwrap())),
        ];
        let text = document(&all, NOTHING).unwrap().unwrap();
        assert_eq!(
            resources(&text),
            ["instance/mqtt-cn-a", "topic/mqtt-cn-a/a", "topic/mqtt-cn-a/a", "topic/mqtt-cn-a/ab"]
        );
        assert!(allows(&text, "mq:PUB", &topic("a/b")) && !allows(&text, "mq:SUB", &topic("ab")));
        assert_eq!(document(&[], EVERYTHING), Ok(None));
    }

    #[test]
    fn a_subscription_is_its_topics_where_the_principal_has_all_of_them() {
        for (filter, topics) in
            [("a/#", "a"), ("a/+/c", "a/*/c"), ("#", "*"), ("+/x", "*/x"), ("a/+/#", "a/*"), ("a", "a")]
        {
            let all = [used("mq:SUB", topic(filter))];
            let text = document(&all, EVERYTHING).unwrap().unwrap();
            assert_eq!(resources(&text), [format!("topic/{INSTANCE}/{topics}")]);
            assert!(allows(&text, "mq:SUB", &topic(filter)), "{filter}");
            let text = document(&all, NOTHING).unwrap().unwrap();
            assert_eq!(resources(&text), [format!("topic/{INSTANCE}/{filter}")]);
            assert!(allows(&text, "mq:SUB", &topic(filter)), "{filter}");
        }
    }

    #[test]
    fn a_crowd_of_devices_is_made_one_step_by_step_and_never_beyond_what_is_in_force() {
        let crowd = |path: &dyn Fn(usize) -> String| -> Vec<Used> {
            (0..500).map(|n| used("mq:PUB", topic(&path(n)))).collect()
        };
        let p2p = crowd(&|n| format!("a/p2p/GID_x@@@{n}"));
        let numbered = crowd(&|n| format!("site/{n}/dev{n}/temperature"));
        let words = crowd(&|n| format!("a/{}", "x".repeat(n + 1)));
        let parents = crowd(&|n| format!("parent-{}", "y".repeat(n % 60) + &"z".repeat(n / 60)));
        for (crowd, one) in [(&p2p, "a/p2p/*"), (&numbered, "site/*/*/temperature"), (&words, "a"), (&parents, "*")] {
            let text = document(crowd, EVERYTHING).unwrap().unwrap();
            assert_eq!(resources(&text), [format!("topic/{INSTANCE}/{one}")]);
            assert_eq!(document(crowd, NOTHING), Err(TooLong));
            let text = Arc::new(Document::parse(&text).unwrap());
            assert!(crowd.iter().all(|used| allowed_by(&text, "mq:PUB", &used.resource)));
        }
        // A few are not made one.
        let few = document(&p2p[..3], EVERYTHING).unwrap().unwrap();
        assert_eq!(resources(&few).len(), 3);
    }

    fn any_used() -> impl Strategy<Value = Used> {
        let level =
            prop_oneof![Just("a"), Just("b"), Just("p2p"), Just("d1"), Just("d*"), Just("+"), Just("x?"), Just("")];
        let path = proptest::collection::vec(level, 1..5).prop_map(|levels| {
            let path = levels.join("/");
            if path.is_empty() { "a".to_owned() } else { path }
        });
        let action = prop_oneof![Just("mq:PUB"), Just("mq:SUB"), Just("mq:SendMessage")];
        let group = || Resource::Group(account(1), INSTANCE.parse().unwrap(), "GID_alpha".parse().unwrap());
        (action, path, any::<u8>())
            .prop_map(move |(action, path, kind)| used(action, if kind < 30 { group() } else { topic(&path) }))
    }

    proptest! {
        #[test]
        fn every_request_that_was_seen_is_allowed_and_no_action_that_was_not(
            all in proptest::collection::vec(any_used(), 1..40), wide in any::<bool>()
        ) {
            let text = document(&all, if wide { EVERYTHING } else { NOTHING }).unwrap().unwrap();
            prop_assert!(sluice_policy::warnings(&text, &sluice_policy::Catalogue::default(), None).is_empty(), "{text}");
            for one in &all {
                prop_assert!(allows(&text, one.action.as_str(), &one.resource), "{one:?} by {text}");
                prop_assert!(!allows(&text, "mq:MqttInstanceAccess", &one.resource));
                prop_assert!(!allows(&text, one.action.as_str(), &topic("elsewhere")) || text.contains("mqtt-cn-a/*"));
            }
        }

        /// Without a crowd and without wildcards, allowed is what was seen and what lies below it.
        #[test]
        fn nothing_else_is_allowed(all in proptest::collection::vec(any_used(), 1..20), other in any_used()) {
            let text = document(&all, NOTHING).unwrap().unwrap();
            let is_below = |seen: &Used| {
                let (seen_text, text) = (seen.resource.to_string().replace('*', "?"), other.resource.to_string().replace('*', "?"));
                let pattern_is_plain = !seen.resource.to_string()[20..].contains(['*', '?']);
                seen.action == other.action && (!pattern_is_plain || text == seen_text || text.starts_with(&format!("{seen_text}/")))
            };
            let is_allowed = allows(&text, other.action.as_str(), &other.resource);
            prop_assert!(!is_allowed || all.iter().any(is_below), "{other:?} by {text}");
        }
    }
}
