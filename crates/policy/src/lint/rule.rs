//! Statements as written, which the compiled form does not keep: patterns as text, each with its pointer.

use crate::{
    condition::{Condition, Operator},
    facts::Key,
    json::{self, Node, child},
};

/// A pattern and where it stands.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) pointer: String,
    pub(super) text: String,
}

impl Written {
    pub(super) fn lower(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

/// One operator on one key.
#[derive(Debug)]
pub(super) struct Clause {
    pub(super) operator: Operator,
    pub(super) key: Key,
    pub(super) values: Vec<String>,
    pub(super) condition: Condition,
}

/// One statement.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) pointer: String,
    pub(super) deny: bool,
    /// Whether it is a `NotAction`.
    pub(super) not: bool,
    pub(super) actions: Vec<Written>,
    pub(super) resources: Vec<Written>,
    pub(super) clauses: Vec<Clause>,
}

impl Rule {
    pub(super) fn effect(&self) -> &'static str {
        if self.deny { "Deny" } else { "Allow" }
    }
}

/// The statements of a document that was found valid.
pub(super) fn read(text: &str) -> Vec<Rule> {
    let Ok(root) = json::parse(text) else { return Vec::new() };
    let Some(Node::List(list)) = member(&root, "Statement") else { return Vec::new() };
    list.iter().enumerate().map(|(place, node)| rule(node, format!("/Statement/{place}"))).collect()
}

fn rule(node: &Node, pointer: String) -> Rule {
    let not = member(node, "NotAction").is_some();
    let strings = |name: &str| member(node, name).map(|node| strings(node, &child(&pointer, name))).unwrap_or_default();
    Rule {
        deny: matches!(member(node, "Effect"), Some(Node::Text(effect)) if effect == "Deny"),
        not,
        actions: strings(if not { "NotAction" } else { "Action" }),
        resources: strings("Resource"),
        clauses: member(node, "Condition").map(clauses).unwrap_or_default(),
        pointer,
    }
}

fn clauses(node: &Node) -> Vec<Clause> {
    let keyed = |(name, keys): &(String, Node)| {
        let operator = Operator::parse(name)?;
        let clause = |(key, values): &(String, Node)| {
            let values: Vec<String> = strings(values, "").into_iter().map(|value| value.text).collect();
            let condition = Condition::new(operator, key, &values.iter().map(String::as_str).collect::<Vec<_>>())?;
            Some(Clause { operator, key: Key::new(key), values, condition })
        };
        Some(members(keys).iter().filter_map(clause).collect::<Vec<_>>())
    };
    members(node).iter().filter_map(keyed).flatten().collect()
}

fn members(node: &Node) -> &[(String, Node)] {
    if let Node::Object(members) = node { members } else { &[] }
}

fn member<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    members(node).iter().find(|(have, _)| have == name).map(|(_, node)| node)
}

fn strings(node: &Node, pointer: &str) -> Vec<Written> {
    match node {
        Node::Text(text) => vec![Written { pointer: pointer.to_owned(), text: text.clone() }],
        Node::List(list) => {
            list.iter().enumerate().flat_map(|(n, node)| strings(node, &child(pointer, &n.to_string()))).collect()
        }
        Node::Object(_) | Node::Other => Vec::new(),
    }
}
