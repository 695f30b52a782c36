//! Resources that name a thing which is not there.
//!
//! Told of names that are written out: what has a `*` or `?` may be meant for things to come. A statement that speaks of
//! an operation which makes things may name what it is going to make.

use crate::{
    Catalogue, Existing, NamedThing,
    glob::Glob,
    lint::{Found, WarningKind, rule::Rule},
    system_policies,
};

/// Adds a warning for each resource of a statement that names something which is not there.
pub(super) fn find(rule: &Rule, catalogue: &Catalogue, existing: &dyn Existing, found: &mut Found) {
    let creates = |pattern: &str| !pattern.ends_with(":*") && pattern != "*" && catalogue.creates(pattern);
    if !rule.not && rule.actions.iter().any(|action| creates(&action.lower())) {
        return;
    }
    for resource in &rule.resources {
        if let Some(what) = missing(&resource.text, existing) {
            let kind = WarningKind::NothingThere { resource: resource.text.clone(), what };
            found.push((resource.pointer.clone(), kind));
        }
    }
}

/// What of a pattern is not there.
fn missing(pattern: &str, existing: &dyn Existing) -> Option<&'static str> {
    let parts: Vec<&str> = pattern.splitn(5, ':').collect();
    let ["acs", service, _, account, rest] = parts[..] else { return None };
    // Another account's thing is not ours to know: a role is assumed across accounts.
    let own = Glob::new(account).matches(existing.account());
    match service {
        "mq" if own => of_mq(rest, existing),
        "ram" => of_ram(rest, own, Glob::new(account).matches("system"), existing),
        _ => None,
    }
}

fn of_mq(rest: &str, existing: &dyn Existing) -> Option<&'static str> {
    let absent = |thing| existing.exists(thing) == Some(false);
    let levels: Vec<&str> = rest.split('/').collect();
    let [kind, instance, below @ ..] = &levels[..] else { return old_form(rest, existing) };
    if is_open(kind) || is_open(instance) || !["instance", "topic", "groupId"].contains(kind) {
        return None;
    }
    if absent(NamedThing::Instance(instance)) {
        return Some("instance");
    }
    let name = below.first().filter(|name| !is_open(name))?;
    let (thing, what) = match *kind {
        "topic" => (NamedThing::Topic(instance, name), "topic"),
        "groupId" => (NamedThing::Group(instance, name), "group"),
        _ => return None,
    };
    absent(thing).then_some(what)
}

/// `{I}%{topic or group}`, or a name alone.
fn old_form(rest: &str, existing: &dyn Existing) -> Option<&'static str> {
    let absent = |thing| existing.exists(thing) == Some(false);
    if is_open(rest) {
        return None;
    }
    match rest.split_once('%') {
        Some((instance, _)) if absent(NamedThing::Instance(instance)) => Some("instance"),
        Some((instance, name)) => {
            // Both are asked for, whatever the first answer is: whoever answers may collect the questions.
            let absent = [NamedThing::Topic(instance, name), NamedThing::Group(instance, name)].map(absent);
            (absent == [true, true]).then_some("name")
        }
        None => absent(NamedThing::Anywhere(rest)).then_some("name"),
    }
}

fn of_ram(rest: &str, own: bool, of_system: bool, existing: &dyn Existing) -> Option<&'static str> {
    let (kind, name) = rest.split_once('/')?;
    if is_open(rest) || !(own || of_system) {
        return None;
    }
    let (thing, what) = match kind {
        "user" => (NamedThing::User(name), "user"),
        "group" => (NamedThing::UserGroup(name), "user group"),
        "role" => (NamedThing::Role(name), "role"),
        "policy" => (NamedThing::Policy(name), "policy"),
        _ => return None,
    };
    let is_system = kind == "policy" && of_system && system_policies().iter().any(|policy| policy.name == name);
    let absent = !own || existing.exists(thing) == Some(false);
    // Of the pseudo account there is nothing but its policies.
    (absent && !is_system).then_some(what)
}

fn is_open(text: &str) -> bool {
    text.contains(['*', '?'])
}
