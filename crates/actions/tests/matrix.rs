//! The authorization matrix: who may do what on which resource, as one file to be read: `authorization-matrix.txt`.
//!
//! A change of it is a change of what the system policies and typical custom ones give; it is reviewed like code.
//! `SLUICE_WRITE_MATRIX=1 cargo test -p sluice-actions --test matrix` writes the file anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;

use sluice_actions::{ActionError, OPERATIONS, Operation, Params};
use sluice_model::{Action, InstanceId, Resource};
use sluice_policy::{Context, Reason, system_policies};
use sluice_testkit::caller;
use support::{INSTANCE, NOW, SECOND_INSTANCE, World, parameters};

const MATRIX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/authorization-matrix.txt");

/// Typical custom policies; the columns before the system policies.
const CUSTOM: &[(&str, &str)] = &[
    ("nothing", r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"mq:Nothing","Resource":"*"}]}"#),
    (
        "publisher of something",
        r#"{"Version":"1","Statement":[
            {"Effect":"Allow","Action":"mq:MqttInstanceAccess","Resource":"acs:mq:*:*:instance/mqtt-cn-here"},
            {"Effect":"Allow","Action":["mq:PUB","mq:SendMessage"],"Resource":["acs:mq:*:*:topic/mqtt-cn-here/something",
             "acs:mq:*:*:topic/mqtt-cn-here/some"]}]}"#,
    ),
    (
        "subscriber of something",
        r#"{"Version":"1","Statement":[
            {"Effect":"Allow","Action":"mq:MqttInstanceAccess","Resource":"acs:mq:*:*:instance/mqtt-cn-here"},
            {"Effect":"Allow","Action":"mq:SUB","Resource":["acs:mq:*:*:topic/mqtt-cn-here/something",
             "acs:mq:*:*:groupId/mqtt-cn-here/GID_some"]}]}"#,
    ),
    (
        "operator of mqtt-cn-here",
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"mq:*",
            "Resource":["acs:mq:*:*:instance/mqtt-cn-here","acs:mq:*:*:*/mqtt-cn-here/*"]}]}"#,
    ),
    (
        "keeper of something",
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"ram:*","Resource":["acs:ram:*:*:user/something",
            "acs:ram:*:*:group/something","acs:ram:*:*:role/something","acs:ram:*:*:policy/something",
            "acs:ram:*:*:mfa/something"]}]}"#,
    ),
    (
        "all but what deletes",
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
            {"Effect":"Deny","Action":["ram:Delete*","mq:Delete*"],"Resource":"*"}]}"#,
    ),
];

fn columns() -> Vec<(&'static str, &'static str)> {
    let system = system_policies().iter().map(|policy| (policy.name, policy.document_text));
    CUSTOM.iter().copied().chain(system).collect()
}

fn mark(explicit: Option<bool>) -> char {
    match explicit {
        None => 'Y',
        Some(false) => '.',
        Some(true) => 'X',
    }
}

fn mark_of(outcome: &Result<(), ActionError>) -> char {
    let denial = outcome.as_ref().err().and_then(ActionError::denial);
    mark(denial.map(|denial| denial.no_permission_type == "ExplicitDeny"))
}

/// The same call about other things of the account.
fn about_others(operation: &Operation) -> Params {
    let mut others = Params::default();
    for (name, value) in parameters(operation).iter() {
        let value = match value {
            INSTANCE => SECOND_INSTANCE,
            "something" => "another",
            "GID_some" => "GID_other",
            other => other,
        };
        assert!(others.insert(name.to_owned(), value.to_owned()));
    }
    others
}

/// What a client asks: the action, and on what in an instance.
fn client_questions(world: &World, place: &Place) -> Vec<(&'static str, Action, Resource)> {
    let (account, instance) = (world.user.account(), place.instance.parse::<InstanceId>().unwrap());
    let on_topic = Resource::Topic(account, instance.clone(), place.topic.into());
    vec![
        ("CONNECT", Action::INSTANCE_ACCESS, Resource::Instance(account, instance.clone())),
        ("PUBLISH", Action::of("mq:PUB"), on_topic.clone()),
        ("SUBSCRIBE, topic", Action::of("mq:SUB"), on_topic),
        ("SUBSCRIBE, group", Action::of("mq:SUB"), Resource::Group(account, instance, place.group.parse().unwrap())),
    ]
}

/// The marks of one document over all questions, in the order of [`questions`].
async fn column(document: &str, place: &Place) -> Vec<char> {
    // A world of its own: what is allowed is done, and deletes.
    let world = World::new().await;
    for instance in [INSTANCE, SECOND_INSTANCE] {
        world.with_topic(instance, "some").await;
    }
    world.table.set(world.user, &[document]);
    let context = Context::at(NOW);
    let ask = |(_, action, resource): (&str, Action, Resource)| {
        let asked = world.services.authority.authorize(&caller(world.user), &action, &resource, &context);
        mark(asked.err().map(|denied| matches!(denied.reason, Reason::Explicit(_))))
    };
    let mut marks: Vec<char> = client_questions(&world, place).into_iter().map(ask).collect();
    for operation in operations() {
        let params = if place.is_named { parameters(operation) } else { about_others(operation) };
        marks.push(mark_of(&world.run_with(operation, &[document], &params).await));
    }
    marks
}

/// Every operation; the one that takes the instance away comes last.
fn operations() -> impl Iterator<Item = &'static Operation> {
    let ends_all = |operation: &&Operation| operation.row.name == "DeleteMqttInstance";
    OPERATIONS.iter().filter(move |o| !ends_all(o)).chain(OPERATIONS.iter().filter(ends_all))
}

/// What the questions are about.
struct Place {
    title: &'static str,
    /// Whether it is what the custom policies name.
    is_named: bool,
    instance: &'static str,
    topic: &'static str,
    group: &'static str,
}

const PLACES: [Place; 2] = [
    Place {
        title: "About `something` in mqtt-cn-here",
        is_named: true,
        instance: INSTANCE,
        topic: "something/x",
        group: "GID_some",
    },
    Place {
        title: "About `another` in mqtt-cn-second",
        is_named: false,
        instance: SECOND_INSTANCE,
        topic: "another/x",
        group: "GID_other",
    },
];

async fn matrix() -> String {
    let mut text = String::from("Y allowed, . not allowed, X denied by a statement; columns from left to right:\n");
    let columns = columns();
    for (place, (name, _)) in columns.iter().enumerate() {
        writeln!(text, "{:>3}  {name}", place + 1).unwrap();
    }
    for place in &PLACES {
        writeln!(text, "\n{}", place.title).unwrap();
        let mut marks = Vec::new();
        for (_, document) in &columns {
            marks.push(column(document, place).await);
        }
        let named = client_questions(&World::new().await, place).into_iter().map(|(name, ..)| name.to_owned());
        let called =
            operations().map(|operation| format!("{} {}", operation.row.product.version(), operation.row.name));
        for (row, name) in named.chain(called).enumerate() {
            let cells: String = marks.iter().map(|column| column[row]).collect();
            writeln!(text, "{cells}  {name}").unwrap();
        }
    }
    text
}

#[tokio::test]
async fn the_authorization_matrix_is_as_reviewed() {
    let now = matrix().await;
    if std::env::var_os("SLUICE_WRITE_MATRIX").is_some() {
        std::fs::write(MATRIX, &now).unwrap();
    }
    let reviewed = std::fs::read_to_string(MATRIX).unwrap();
    for (line, (reviewed, now)) in reviewed.lines().zip(now.lines()).enumerate() {
        assert_eq!(reviewed, now, "line {} of the matrix", line + 1);
    }
    assert_eq!(reviewed, now);
}
