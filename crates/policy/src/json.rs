//! JSON as written: members keep their order and their duplicates, which a map would swallow.
//!
//! A parser that lets the last of two `Effect` members win can be made to read another document than its author's.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use crate::{Fault, FaultKind, place::Place};

/// One JSON value.
#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
    /// `null`, a Boolean or a number: no element of the language is one.
    Other,
}

/// Parses a text that must be one JSON value; nesting is bounded by `serde_json` at 128.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    serde_json::from_str(text).map_err(|error| {
        let full = error.to_string();
        let what = full.split(" at line ").next().unwrap_or_default().to_owned();
        Fault::new("", FaultKind::Json(what)).at(place_of(text, error.line(), error.column()))
    })
}

/// The place that `serde_json` names: it counts a line's bytes up to and with the one that it stopped at.
fn place_of(text: &str, line: usize, column_bytes: usize) -> Place {
    let line_start = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
    Place::of(text, (line_start + column_bytes.saturating_sub(1)).min(text.len()))
}

/// Adds a fault for each member that an object has twice, at any depth.
pub(crate) fn find_duplicates(node: &Node, pointer: &str, faults: &mut Vec<Fault>) {
    match node {
        Node::List(values) => {
            for (place, value) in values.iter().enumerate() {
                find_duplicates(value, &child(pointer, &place.to_string()), faults);
            }
        }
        Node::Object(members) => {
            let mut seen = std::collections::HashSet::new();
            for (name, value) in members {
                let here = child(pointer, name);
                if !seen.insert(name.as_str()) {
                    faults.push(Fault::new(&here, FaultKind::Duplicate(name.clone())));
                }
                find_duplicates(value, &here, faults);
            }
        }
        Node::Text(_) | Node::Other => {}
    }
}

/// The pointer to a member or place below `pointer`. RFC 6901: `~` is `~0`, `/` is `~1`.
pub(crate) fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Node::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Object(members))
    }
}
