//! Random policies and requests that meet often enough: both are made from the same few names.

use serde_json::{Map, Value, json};
use sluice_model::{Resource, UnixMs};

use crate::{
    case::{ACCOUNT, Ask, account},
    dice::Dice,
    reference::{At, Attached},
};

/// 2026-01-01T00:00:00.250Z.
pub(crate) const NOW: i64 = 1_767_225_600_250;
const OPERATORS: [&str; 21] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "IpAddress",
    "NotIpAddress",
];
const INSTANCES: [&str; 2] = ["post-cn-a1", "mqtt-cn-b2"];
const LEVELS: [&str; 12] =
    ["abc", "abc_1", "plant", "x:y", "", "post-cn-a1", "post-cn-a1%abc", "topic", "é", "GID_abc", "#", ":topic"];
const ACTIONS: [&str; 8] = [
    "mq:PUB",
    "mq:SUB",
    "mq:MqttInstanceAccess",
    "mq:SendMessage",
    "ram:GetUser",
    "ram:CreateUser",
    "sts:AssumeRole",
    "oss:Get",
];
const STRINGS: [&str; 8] = ["a", "A", "ab", "10", "true", "É", "2026-01-01T00:00:00Z", "192.0.2.7"];
const NUMBERS: [&str; 9] = ["0", "-0", "1", "1.0", "10", "9.99", "-10", "+3", "9007199254740993"];
const DATES: [&str; 7] = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.250Z",
    "2026-01-01T00:00:00.251Z",
    "2026-01-01T08:00:00+08:00",
    "2025-12-31T23:59:59Z",
    "2026-01-01T00:00:01Z",
    "2030-02-28T12:00:00-05:30",
];
const NETS: [&str; 9] = [
    "192.0.2.7",
    "192.0.2.0/24",
    "192.0.2.9/29",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/33",
    "2001:db8::1",
    "::ffff:192.0.2.7",
    "::ffff:192.0.0.0/104",
];
const KEYS: [&str; 10] = [
    "acs:CurrentTime",
    "acs:currenttime",
    "acs:SecureTransport",
    "acs:SourceIp",
    "ACS:SourceIP",
    "acs:MFAPresent",
    "acs:PrincipalARN",
    "mq:k",
    "MQ:K",
    "mq:other",
];

/// What the policies and requests of one group are mostly about; without it they hardly ever meet.
#[derive(Debug)]
pub(crate) struct Focus {
    action: &'static str,
    path: String,
    instance: &'static str,
}

impl Focus {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        Self { action: dice.of(&ACTIONS), path: path(dice), instance: dice.of(&INSTANCES) }
    }
}

/// A string of one of these, or of a list of them.
fn one_or_more(dice: &mut Dice, make: &mut dyn FnMut(&mut Dice) -> String) -> Value {
    if dice.percent(60) {
        return make(dice).into();
    }
    (0..=dice.below(3)).map(|_| make(dice)).collect::<Vec<_>>().into()
}

fn any_case(dice: &mut Dice, text: &str) -> String {
    match dice.below(4) {
        0 => text.to_ascii_lowercase(),
        1 => text.to_ascii_uppercase(),
        _ => text.to_owned(),
    }
}

/// Puts `*` in the place of a run, or `?` in that of a character, somewhere after `from`.
fn with_wildcards(dice: &mut Dice, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..dice.below(3) {
        let at = dice.below(chars.len() + 1);
        match dice.below(3) {
            0 if at < chars.len() => chars[at] = '?',
            1 => chars.truncate(at),
            _ => drop(chars.drain(at..(at + dice.below(6)).min(chars.len()))),
        }
        if chars.get(at) != Some(&'?') && dice.percent(85) {
            chars.insert(at.min(chars.len()), '*');
        }
    }
    chars.into_iter().collect()
}

fn action_pattern(dice: &mut Dice, focus: &Focus) -> String {
    let action = if dice.percent(60) { focus.action } else { dice.of(&ACTIONS) };
    let pattern = match dice.below(6) {
        0 => "*".to_owned(),
        1 => action.split_inclusive(':').next().unwrap_or_default().to_owned() + "*",
        2 | 3 => action.to_owned(),
        _ => with_wildcards(dice, action),
    };
    let legal = pattern.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
    if pattern == "*" || legal { any_case(dice, &pattern) } else { "?q:P*".to_owned() }
}

fn path(dice: &mut Dice) -> String {
    (0..=dice.below(4)).map(|_| dice.of(&LEVELS)).collect::<Vec<_>>().join("/")
}

/// The last part of an ARN, in a form of today or an old one.
fn rest(dice: &mut Dice, focus: &Focus) -> String {
    let near = dice.percent(60);
    let (instance, path) = if near { (focus.instance, focus.path.clone()) } else { (dice.of(&INSTANCES), path(dice)) };
    let parent = path.split('/').next().unwrap_or_default();
    match dice.below(9) {
        0 => format!("instance/{instance}"),
        1 => format!("groupId/{instance}/GID_abc"),
        2 => format!("{instance}%{parent}"),
        3 => parent.to_owned(),
        4 => dice.of(&["GID_abc", "post-cn-a1", "user/alice", "policy/p", "role/alice", "*"]).to_owned(),
        _ => format!("topic/{instance}/{path}"),
    }
}

fn resource_pattern(dice: &mut Dice, focus: &Focus) -> String {
    if dice.percent(8) {
        let odd = [
            "*",
            "acs:*",
            "acs:mq:*",
            "acs:mq:*abc",
            "acs:*plant*",
            "acs:mq:cn-*abc",
            "acs:mq:cn-x:*abc",
            "acs:?q:x",
            "acs:",
        ];
        return dice.of(&odd).to_owned();
    }
    let service = dice.of(&["mq", "mq", "mq", "mq", "*", "m?", "ram"]);
    let region = dice.of(&["*", "*", "*", "", "cn-x", "cn-*", "?"]);
    let account = dice.of(&["*", "*", "*", ACCOUNT, "123*", "999", "system", ""]);
    let mut last = rest(dice, focus);
    if dice.percent(70) {
        last = with_wildcards(dice, &last);
    }
    format!("acs:{service}:{region}:{account}:{last}")
}

pub(crate) fn operand(dice: &mut Dice, operator: &str) -> String {
    match operator.replacen("Not", "", 1).as_str() {
        "StringLike" => {
            let text =
                dice.of(&["a", "2026-01-01T00:00:00Z", "192.0.2.7", "acs:ram::1234567890123456:user/alice", "true"]);
            with_wildcards(dice, text)
        }
        "Bool" => dice.of(&["true", "false"]).to_owned(),
        "IpAddress" => dice.of(&NETS).to_owned(),
        name if name.starts_with("Numeric") => dice.of(&NUMBERS).to_owned(),
        name if name.starts_with("Date") => dice.of(&DATES).to_owned(),
        _ if dice.percent(20) => "acs:ram::1234567890123456:user/alice".to_owned(),
        _ => dice.of(&STRINGS).to_owned(),
    }
}

/// Mostly an operator on a key that it was made for.
fn condition(dice: &mut Dice) -> Value {
    let mut operators = Map::new();
    for _ in 0..=dice.below(2) {
        let operator = dice.of(&OPERATORS);
        let mut keys = Map::new();
        for _ in 0..=usize::from(dice.percent(25)) {
            let fitting = match operator {
                _ if dice.percent(40) => dice.of(&KEYS),
                name if name.contains("Ip") => dice.of(&["acs:SourceIp", "acs:sourceip"]),
                name if name.starts_with("Date") => dice.of(&["acs:CurrentTime", "acs:currenttime"]),
                "Bool" => dice.of(&["acs:SecureTransport", "acs:MFAPresent"]),
                name if name.starts_with("Numeric") => dice.of(&["mq:k", "mq:K"]),
                _ => dice.of(&["acs:PrincipalARN", "mq:k", "mq:other"]),
            };
            keys.insert(fitting.to_owned(), one_or_more(dice, &mut |dice| operand(dice, operator)));
        }
        operators.insert(operator.to_owned(), Value::Object(keys));
    }
    Value::Object(operators)
}

pub(crate) fn statement(dice: &mut Dice, at: At, focus: &Focus) -> Value {
    let mut statement = json!({ "Effect": if dice.percent(30) { "Deny" } else { "Allow" } });
    let trust = at == At::Trust;
    let name = if !trust && dice.percent(12) { "NotAction" } else { "Action" };
    let mut action = |dice: &mut Dice| {
        if trust && dice.percent(80) { "sts:AssumeRole".to_owned() } else { action_pattern(dice, focus) }
    };
    statement[name] = one_or_more(dice, &mut action);
    if trust {
        let mut principal = |dice: &mut Dice| {
            let names = [
                "1234567890123456:root",
                "1234567890123456:user/alice",
                "9999999999999999:root",
                "1234567890123456:role/alice",
            ];
            format!("acs:ram:{}:{}", dice.of(&["", "*"]), dice.of(&names))
        };
        statement["Principal"] = if dice.percent(90) {
            json!({ "RAM": one_or_more(dice, &mut principal) })
        } else {
            json!({ "Service": "ecs.aliyuncs.com" })
        };
    } else {
        statement["Resource"] = one_or_more(dice, &mut |dice| resource_pattern(dice, focus));
    }
    if dice.percent(35) {
        statement["Condition"] = condition(dice);
    }
    statement
}

fn document(dice: &mut Dice, at: At, statements: usize, focus: &Focus) -> Value {
    let mut statements: Vec<Value> = (0..statements).map(|_| statement(dice, at, focus)).collect();
    // A gate that lets nothing through hides what is behind it.
    if [At::Control, At::Session].contains(&at) && dice.percent(70) {
        statements.push(json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }));
    }
    json!({ "Version": "1", "Statement": statements })
}

/// A group of policies as they bind one principal; mostly those of the account.
pub(crate) fn policies(dice: &mut Dice, focus: &Focus) -> Vec<Attached> {
    let mut policies = Vec::new();
    let mut attach = |dice: &mut Dice, at: At, statements: usize| {
        let name = format!("p{}", policies.len());
        policies.push(Attached { at, name, document: document(dice, at, statements, focus) });
    };
    for _ in 0..dice.below(4) {
        let statements = 1 + dice.below(4);
        attach(dice, At::Account, statements);
    }
    for (at, percent) in [(At::ResourceGroup, 20), (At::Session, 12), (At::Control, 12), (At::Trust, 20)] {
        if dice.percent(percent) {
            let statements = 1 + dice.below(3);
            attach(dice, at, statements);
        }
    }
    policies
}

fn resource(dice: &mut Dice, focus: &Focus) -> Resource {
    let near = dice.percent(70);
    let instance = if near { focus.instance } else { dice.of(&INSTANCES) }.parse().expect("a legal instance");
    match dice.below(10) {
        0 => Resource::Instance(account(), instance),
        1 => Resource::Group(account(), instance, dice.of(&["GID_abc", "GID_abcd"]).parse().expect("a legal group")),
        2 => Resource::Ram(
            account(),
            crate::case::ram_entity(dice.of(&[
                "user/alice",
                "user/*",
                "policy/p",
                "role/alice",
                "group/g",
                "system/p",
                "*",
            ])),
        ),
        3 => Resource::Service(account(), sluice_model::Service::Mq),
        4 => {
            let region = dice.of(&["*", "cn-x", ""]);
            let text = match dice.below(6) {
                0 => "*".to_owned(),
                1 => "acs:mq:cn-x".to_owned(),
                _ => format!("acs:{}:{region}:{ACCOUNT}:{}", dice.of(&["mq", "oss"]), rest(dice, focus)),
            };
            Resource::Arn(account(), text.into())
        }
        _ if near => Resource::Topic(account(), instance, focus.path.as_str().into()),
        _ => Resource::Topic(account(), instance, path(dice).into()),
    }
}

/// A request, made of the same names.
pub(crate) fn ask(dice: &mut Dice, focus: &Focus) -> Ask {
    let mut actions = vec![if dice.percent(70) { focus.action } else { dice.of(&ACTIONS) }];
    if dice.percent(10) {
        actions.push(dice.of(&ACTIONS));
    }
    let mut keys: Vec<(String, Vec<String>)> = Vec::new();
    // The third is a key that the caller answers: it must not be read from here.
    for (key, percent) in [("mq:k", 60), ("mq:other", 20), ("acs:SourceIp", 10)] {
        if dice.percent(percent) {
            let count = dice.of(&[&1, &1, &1, &2, &0]);
            let all = || STRINGS.iter().chain(&NUMBERS).chain(&["yesterday", "2026-01-01T00:00:00.250Z", "::1"]);
            let values = (0..*count).map(|_| (*all().nth(dice.below(20)).expect("as many")).to_owned());
            keys.push((key.to_owned(), values.collect()));
        }
    }
    Ask {
        actions: actions.into_iter().map(|action| any_case(dice, action)).collect(),
        resource: resource(dice, focus),
        by: dice.of(&["user", "user", "user", "user", "role", "role", "account"]),
        name: dice.of(&["alice", "alice", "bob"]).to_owned(),
        ip: dice
            .of(&[&Some("192.0.2.7"), &Some("192.0.2.200"), &Some("2001:db8::1"), &Some("::ffff:192.0.2.7"), &None])
            .map(str::to_owned),
        secure: dice.percent(50),
        mfa: *dice.of(&[&None, &Some(true), &Some(false)]),
        now: UnixMs(*dice.of(&[&NOW, &(NOW + 1), &(NOW - 251), &(NOW + 750)])),
        keys,
    }
}
