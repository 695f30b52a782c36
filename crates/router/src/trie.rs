//! Filters with a wildcard: a trie of levels, in one arena, walked without recursion, so that a topic of many levels
//! costs no stack.

use std::collections::HashMap;

use sluice_model::TopicFilter;
use smallvec::SmallVec;

use crate::interest::{Found, Interest};

/// Above this many, the children of a node are found by hash.
const LISTED_MAX: usize = 8;
/// The node that stands before the first level.
const ROOT: NodeId = 0;

/// A place in the arena. 2^32 nodes are more than memory holds.
type NodeId = u32;

/// A filter that ends at a node.
#[derive(Debug)]
struct End {
    /// As first entered, so that its text is held once: a direct subscriber's, if there was one.
    filter: TopicFilter,
    interest: Interest,
}

/// The literal levels below a node.
#[derive(Debug)]
enum Children {
    Few(SmallVec<[(Box<str>, NodeId); 1]>),
    #[expect(clippy::box_collection, reason = "few nodes have many children, and the box keeps the others small")]
    Many(Box<HashMap<Box<str>, NodeId, ahash::RandomState>>),
}

impl Children {
    fn get(&self, level: &str) -> Option<NodeId> {
        match self {
            Self::Few(list) => list.iter().find(|(name, _)| &**name == level).map(|(_, id)| *id),
            Self::Many(map) => map.get(level).copied(),
        }
    }

    fn insert(&mut self, level: &str, id: NodeId) {
        match self {
            Self::Few(list) if list.len() < LISTED_MAX => list.push((level.into(), id)),
            Self::Few(list) => {
                let mut map: HashMap<_, _, _> = list.drain(..).collect();
                map.insert(level.into(), id);
                *self = Self::Many(Box::new(map));
            }
            Self::Many(map) => {
                map.insert(level.into(), id);
            }
        }
    }

    fn remove(&mut self, level: &str) {
        match self {
            Self::Few(list) => list.retain(|(name, _)| &**name != level),
            Self::Many(map) => {
                map.remove(level);
                if map.len() <= LISTED_MAX / 2 {
                    *self = Self::Few(map.drain().collect());
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Few(list) => list.is_empty(),
            Self::Many(map) => map.is_empty(),
        }
    }
}

/// One level of one or more filters.
#[derive(Debug)]
struct Node {
    children: Children,
    plus: Option<NodeId>,
    /// Filters that end here.
    here: Option<Box<End>>,
    /// Filters that end here with `/#`.
    below: Option<Box<End>>,
}

impl Default for Node {
    fn default() -> Self {
        Self { children: Children::Few(SmallVec::new()), plus: None, here: None, below: None }
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_none() && self.below.is_none()
    }

    fn child(&self, level: &str) -> Option<NodeId> {
        if level == "+" { self.plus } else { self.children.get(level) }
    }

    fn end(&self, filter: &TopicFilter) -> Option<&End> {
        if ends_with_hash(filter) { self.below.as_deref() } else { self.here.as_deref() }
    }

    fn end_mut(&mut self, filter: &TopicFilter) -> &mut Option<Box<End>> {
        if ends_with_hash(filter) { &mut self.below } else { &mut self.here }
    }
}

/// Wildcard filters and who has them; no node is empty but the root.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    /// Places in `nodes` that can be used again.
    free: Vec<NodeId>,
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], free: Vec::new() }
    }
}

impl Trie {
    /// Who has `filter`, and the filter as first entered.
    pub(crate) fn entry(&mut self, filter: &TopicFilter) -> (&mut Interest, TopicFilter) {
        let mut at = ROOT;
        for level in node_levels(filter) {
            at = match self.nodes[at as usize].child(level) {
                Some(child) => child,
                None => self.add_child(at, level),
            };
        }
        let end = self.nodes[at as usize]
            .end_mut(filter)
            .get_or_insert_with(|| Box::new(End { filter: filter.clone(), interest: Interest::default() }));
        if filter.share().is_none() && end.filter.share().is_some() {
            end.filter = filter.clone();
        }
        let interned = if end.filter.share() == filter.share() { &end.filter } else { filter };
        (&mut end.interest, interned.clone())
    }

    pub(crate) fn get(&self, filter: &TopicFilter) -> Option<&Interest> {
        let mut at = ROOT;
        for level in node_levels(filter) {
            at = self.nodes[at as usize].child(level)?;
        }
        self.nodes[at as usize].end(filter).map(|end| &end.interest)
    }

    /// Runs `change` on who has `filter` and drops the nodes that are left empty.
    pub(crate) fn change<R>(
        &mut self,
        filter: &TopicFilter,
        change: impl FnOnce(&mut Interest) -> Option<R>,
    ) -> Option<R> {
        let mut path: SmallVec<[NodeId; 16]> = SmallVec::new();
        let mut at = ROOT;
        for level in node_levels(filter) {
            path.push(at);
            at = self.nodes[at as usize].child(level)?;
        }
        let slot = self.nodes[at as usize].end_mut(filter);
        let end = slot.as_mut()?;
        let changed = change(&mut end.interest);
        if end.interest.is_empty() {
            *slot = None;
            self.prune(filter, at, path);
        }
        changed
    }

    /// Appends who has a filter that matches.
    pub(crate) fn collect_into(&self, topic: &str, found: &mut Found) {
        let mut collect = |end: &Option<Box<End>>| {
            if let Some(end) = end {
                found.by_wildcard = true;
                end.interest.collect_into(found);
            }
        };
        // A node still to visit, and the levels left below it.
        let mut todo: SmallVec<[(NodeId, Option<&str>); 16]> = SmallVec::new();
        // [MQTT-4.7.2-1]: a leading wildcard does not match a topic that begins with `$`.
        let reserved = topic.starts_with('$');
        todo.push((ROOT, Some(topic)));
        while let Some((at, rest)) = todo.pop() {
            let node = &self.nodes[at as usize];
            let wildcards = !(reserved && at == ROOT);
            if wildcards {
                collect(&node.below);
            }
            let Some(rest) = rest else {
                collect(&node.here);
                continue;
            };
            let (level, left) = rest.split_once('/').map_or((rest, None), |(level, left)| (level, Some(left)));
            if let Some(child) = node.children.get(level) {
                todo.push((child, left));
            }
            if let Some(child) = node.plus.filter(|_| wildcards) {
                todo.push((child, left));
            }
        }
    }

    fn add_child(&mut self, parent: NodeId, level: &str) -> NodeId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            NodeId::try_from(self.nodes.len() - 1).expect("2^32 nodes need more memory than there is")
        });
        let node = &mut self.nodes[parent as usize];
        if level == "+" {
            node.plus = Some(id);
        } else {
            node.children.insert(level, id);
        }
        id
    }

    /// Drops the node `at` of `filter` if it is empty, then its parents in `path` likewise, from below.
    fn prune(&mut self, filter: &TopicFilter, mut at: NodeId, mut path: SmallVec<[NodeId; 16]>) {
        let mut levels = node_levels(filter).rev();
        while let (true, Some(parent), Some(level)) = (self.nodes[at as usize].is_empty(), path.pop(), levels.next()) {
            self.nodes[at as usize] = Node::default();
            self.free.push(at);
            let node = &mut self.nodes[parent as usize];
            if level == "+" {
                node.plus = None;
            } else {
                node.children.remove(level);
            }
            at = parent;
        }
        // Only the root is left, perhaps with `#`, and stays.
        if self.free.len() + 1 == self.nodes.len() {
            self.nodes.truncate(1);
            self.nodes.shrink_to_fit();
            self.free = Vec::new();
        }
    }

    /// Nodes in use besides the root, for the tests of pruning.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - 1 - self.free.len()
    }
}

fn ends_with_hash(filter: &TopicFilter) -> bool {
    filter.plain().ends_with('#')
}

/// The levels that have a node: all but a last `#`.
fn node_levels(filter: &TopicFilter) -> impl DoubleEndedIterator<Item = &str> {
    let plain = filter.plain();
    let levels = match plain.strip_suffix('#') {
        Some(prefix) => prefix.strip_suffix('/').or((!prefix.is_empty()).then_some(prefix)),
        None => Some(plain),
    };
    levels.into_iter().flat_map(|levels| levels.split('/'))
}
