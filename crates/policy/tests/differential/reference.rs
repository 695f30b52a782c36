//! A second evaluator: slow, obvious, written from facts/ram.md sections 1.1 to 1.7 and DESIGN section 2, over documents as
//! JSON values. It shares no code with the engine; where the two disagree, one of them is wrong.

use serde_json::Value;

use crate::values::{address, date, date_text, glob, number, within};

/// Where a policy is attached; in the order of the evaluation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum At {
    Control,
    Session,
    Account,
    ResourceGroup,
    Trust,
}

/// A document under its name.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    pub(crate) at: At,
    pub(crate) name: String,
    pub(crate) document: Value,
}

/// One ARN that a resource reads as.
#[derive(Clone, Debug)]
pub(crate) struct Arn {
    pub(crate) text: String,
    /// Ours have no region: `text` has `*` in its place, and any region of a pattern matches.
    pub(crate) any_region: bool,
    /// `topic/…`, `instance/…`, `groupId/…` and everything of RAM; `false` for the older forms without a kind.
    pub(crate) current: bool,
    /// An older form of a name that no parent topic can have: for a Deny alone.
    pub(crate) deny_only: bool,
}

/// A value of a condition key.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Time(i64),
    Texts(Vec<String>),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) actions: Vec<String>,
    pub(crate) arns: Vec<Arn>,
    /// Of whoever asks: the digits of the account, and the ARN.
    pub(crate) account: String,
    pub(crate) principal: String,
    /// Condition keys in lower case.
    pub(crate) keys: Vec<(String, Held)>,
}

/// The answer: how, by what scope, by which statement of which policy, and which keys an Allow missed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) effect: &'static str,
    pub(crate) at: &'static str,
    pub(crate) by: Option<(String, usize)>,
    pub(crate) missing: Vec<String>,
}

const ALLOW: &str = "Allow";
const EXPLICIT: &str = "ExplicitDeny";
const IMPLICIT: &str = "ImplicitDeny";

/// facts/ram.md section 1.6.
pub(crate) fn evaluate(policies: &[Attached], question: &Question) -> Answer {
    let of = |at: At| policies.iter().filter(|policy| policy.at == at).collect::<Vec<_>>();
    for at in [At::Control, At::Session] {
        let answer = stage(&of(at), at, question);
        if !of(at).is_empty() && answer.effect != ALLOW {
            return answer;
        }
    }
    let mut identity = stage(&of(At::Account), At::Account, question);
    if identity.effect == IMPLICIT {
        let group = stage(&of(At::ResourceGroup), At::ResourceGroup, question);
        if group.effect == IMPLICIT {
            identity.missing.extend(group.missing);
            identity.missing.sort();
            identity.missing.dedup();
        } else {
            identity = group;
        }
    }
    let assumes = question.actions.iter().any(|action| action.eq_ignore_ascii_case("sts:AssumeRole"));
    if !assumes || of(At::Trust).is_empty() {
        return identity;
    }
    let trust = stage(&of(At::Trust), At::Trust, question);
    match (identity.effect, trust.effect) {
        (EXPLICIT, _) => identity,
        (_, EXPLICIT) => trust,
        (ALLOW, _) => trust,
        _ => identity,
    }
}

fn stage(policies: &[&Attached], at: At, question: &Question) -> Answer {
    let at_name = match at {
        At::Control => "ControlPolicy",
        At::Session => "SessionPolicy",
        At::Account => "AccountLevelIdentityBasedPolicy",
        At::ResourceGroup => "ResourceGroupLevelIdentityBasedPolicy",
        At::Trust => "AssumeRolePolicy",
    };
    let (mut allowed, mut denied, mut missing) = (None, None, Vec::new());
    for policy in policies {
        for (place, statement) in policy.document["Statement"].as_array().into_iter().flatten().enumerate() {
            let deny = statement["Effect"] == "Deny";
            if !speaks_of(statement, deny, at, question) {
                continue;
            }
            let by = Some((policy.name.clone(), place));
            match (conditions_hold(statement, question), deny) {
                (true, true) => denied = denied.or(by),
                (true, false) => allowed = allowed.or(by),
                (false, true) => {}
                (false, false) => missing.extend(missing_keys(statement, question)),
            }
        }
    }
    missing.sort();
    missing.dedup();
    match (denied, allowed) {
        (Some(by), _) => Answer { effect: EXPLICIT, at: at_name, by: Some(by), missing: Vec::new() },
        (None, Some(by)) => Answer { effect: ALLOW, at: at_name, by: Some(by), missing: Vec::new() },
        (None, None) => Answer { effect: IMPLICIT, at: at_name, by: None, missing },
    }
}

/// A string or a list of strings.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    }
}

fn speaks_of(statement: &Value, deny: bool, at: At, question: &Question) -> bool {
    let named = |action: &String| {
        let matches = |patterns: &Value| {
            strings(patterns).iter().any(|pattern| glob(&pattern.to_lowercase(), &action.to_lowercase()))
        };
        match statement.get("NotAction") {
            Some(patterns) => !matches(patterns),
            None => matches(&statement["Action"]),
        }
    };
    if !question.actions.iter().any(named) {
        return false;
    }
    if at == At::Trust {
        return trusts(&statement["Principal"], question);
    }
    let reached = |pattern: &&str| question.arns.iter().any(|arn| reaches(pattern, arn, deny));
    strings(&statement["Resource"]).iter().any(reached)
}

/// facts/ram.md section 1.7.
fn trusts(principals: &Value, question: &Question) -> bool {
    strings(&principals["RAM"]).iter().any(|named| {
        let named = named.replacen("acs:ram:*:", "acs:ram::", 1);
        named == question.principal || named == format!("acs:ram::{}:root", question.account)
    })
}

/// Whether a resource pattern reaches an ARN. docs/compatibility.md, Resource patterns and Region.
fn reaches(pattern: &str, arn: &Arn, deny: bool) -> bool {
    if !deny && arn.deny_only {
        return false;
    }
    if pattern == "*" {
        return true;
    }
    let pattern_parts: Vec<&str> = pattern.splitn(5, ':').collect();
    let arn_parts: Vec<&str> = arn.text.splitn(5, ':').collect();
    if pattern_parts.len() == 5 && arn_parts.len() == 5 && arn_parts[0] == "acs" {
        if part_by_part(&pattern_parts, &arn_parts, arn) {
            return true;
        }
        if !deny {
            return false;
        }
    }
    as_one_text(pattern, &pattern_parts, &arn_parts, arn)
}

fn part_by_part(pattern: &[&str], arn_parts: &[&str], arn: &Arn) -> bool {
    // `I%topic` is a form of its own, not to be found in the middle of a topic's name.
    let old_form = pattern[4].find('%').is_some_and(|at| !pattern[4][..at].contains('/'));
    if old_form && arn.any_region && arn.current {
        return false;
    }
    (0..5).all(|part| (part == 2 && arn.any_region) || glob(pattern[part], arn_parts[part]))
}

/// The text with `*` for its region; or, where the pattern has a region, what stands around it.
fn as_one_text(pattern: &str, pattern_parts: &[&str], arn_parts: &[&str], arn: &Arn) -> bool {
    if glob(pattern, &arn.text) {
        return true;
    }
    if !arn.any_region || pattern_parts.len() < 3 || !glob(pattern_parts[1], arn_parts[1]) {
        return false;
    }
    let after_region = match pattern_parts.len() {
        // The region's name goes as far as the first `*`.
        3 => match pattern_parts[2].find('*') {
            Some(star) => pattern_parts[2][star..].to_owned(),
            None => return false,
        },
        _ => pattern_parts[3..].join(":"),
    };
    glob(&after_region, &arn_parts[3..].join(":"))
}

fn conditions_hold(statement: &Value, question: &Question) -> bool {
    conditions(statement).all(|(operator, key, operands)| holds(operator, key, &strings(operands), question))
}

fn conditions(statement: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    operators.flat_map(|(operator, keys)| {
        keys.as_object().into_iter().flatten().map(move |(key, operands)| (operator, key, operands))
    })
}

/// facts/ram.md section 1.4: a negated operator is the negation of the other; several values of a request are met by any.
fn holds(operator: &str, key: &str, operands: &[&str], question: &Question) -> bool {
    let positive = operator.replacen("Not", "", 1);
    let met = match question.keys.iter().find(|(name, _)| *name == key.to_lowercase()) {
        None => false,
        Some((_, Held::Texts(values))) => {
            values.iter().any(|value| operands.iter().any(|operand| meets(&positive, value, operand)))
        }
        Some((_, Held::Time(at))) if positive.starts_with("Date") => {
            operands.iter().any(|operand| date(operand).is_some_and(|operand| compare(&positive, at, &operand)))
        }
        Some((_, Held::Time(at))) => operands.iter().any(|operand| meets(&positive, &date_text(*at), operand)),
    };
    met != operator.contains("Not")
}

fn meets(operator: &str, value: &str, operand: &str) -> bool {
    match operator {
        "StringEquals" => value == operand,
        "StringEqualsIgnoreCase" => value.to_lowercase() == operand.to_lowercase(),
        "StringLike" => glob(operand, value),
        "Bool" => ["true", "false"].contains(&value) && value == operand,
        "IpAddress" => address(value).and_then(|inside| within(operand, inside)).unwrap_or(false),
        _ if operator.starts_with("Numeric") => match (number(value), number(operand)) {
            (Some(value), Some(operand)) => compare(operator, &value, &operand),
            _ => false,
        },
        _ if operator.starts_with("Date") => match (date(value), date(operand)) {
            (Some(value), Some(operand)) => compare(operator, &value, &operand),
            _ => false,
        },
        _ => panic!("no operator of the language: {operator}"),
    }
}

fn compare<T: PartialOrd>(operator: &str, value: &T, operand: &T) -> bool {
    match operator.trim_start_matches("Numeric").trim_start_matches("Date") {
        "Equals" => value == operand,
        "LessThan" => value < operand,
        "LessThanEquals" => value <= operand,
        "GreaterThan" => value > operand,
        "GreaterThanEquals" => value >= operand,
        other => panic!("no comparison of the language: {other}"),
    }
}

/// The keys that conditions ask for and the request does not have, as messages spell them.
fn missing_keys(statement: &Value, question: &Question) -> Vec<String> {
    let absent = |key: &str| question.keys.iter().all(|(name, _)| *name != key.to_lowercase());
    conditions(statement)
        .filter(|(operator, key, _)| !operator.contains("Not") && absent(key))
        .map(|(_, key, _)| {
            let usual =
                ["acs:CurrentTime", "acs:SecureTransport", "acs:SourceIp", "acs:MFAPresent", "acs:PrincipalARN"];
            usual.iter().find(|usual| usual.eq_ignore_ascii_case(key)).map_or(key.clone(), |usual| (*usual).to_owned())
        })
        .collect()
}
