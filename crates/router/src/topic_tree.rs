//! Topic names and what is kept under them, searched with a filter: retained messages.
//!
//! One ordered map, walked by seeking: a name that does not match says which is the next that can, so that whole
//! branches are passed over in one step (facts/broker-techniques.md, 6 and 14).

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use sluice_model::TopicFilter;
use smallvec::SmallVec;

/// Most names that one call of [`TopicTree::matching`] looks at: a few hundred nanoseconds each among a million.
pub const STEPS_MAX: usize = 4_096;

/// Topic names, each with a value, in byte order.
#[derive(Debug, Clone)]
pub struct TopicTree<T> {
    names: BTreeMap<Arc<str>, T>,
}

/// A part of what a filter matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching<T> {
    /// Names and values, in byte order of the names.
    pub found: Vec<(Arc<str>, T)>,
    /// The `after` of the call that goes on; `None` when there is no more. It need not be a name that matches.
    pub resume_after: Option<Arc<str>>,
}

impl<T> Default for TopicTree<T> {
    fn default() -> Self {
        Self { names: BTreeMap::new() }
    }
}

impl<T> TopicTree<T> {
    /// Keeps a value under a topic name; gives back the one that was there.
    pub fn insert(&mut self, topic: Arc<str>, value: T) -> Option<T> {
        self.names.insert(topic, value)
    }

    /// Takes the value of a topic name away.
    pub fn remove(&mut self, topic: &str) -> Option<T> {
        self.names.remove(topic)
    }

    /// The value of a topic name.
    #[must_use]
    pub fn get(&self, topic: &str) -> Option<&T> {
        self.names.get(topic)
    }

    /// Topic names held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The first name after `after`, in byte order, or the first of all behind the last.
    pub(crate) fn next_or_first(&self, after: &str) -> Option<&Arc<str>> {
        let next = self.names.range::<str, _>((Bound::Excluded(after), Bound::Unbounded)).next();
        next.or_else(|| self.names.first_key_value()).map(|(name, _)| name)
    }

    /// At most `most` names (at least one) after `after` that the filter matches, by its plain part, in byte order. One call looks at
    /// no more than [`STEPS_MAX`] names; [`Matching::resume_after`] says where to go on, also when names came or went
    /// meanwhile.
    ///
    /// Cost: a lookup for each match and for each distinct beginning that the filter's wildcards leave open: `a/#`
    /// walks its matches, `+/x` looks once or twice at each first level.
    #[must_use]
    pub fn matching(&self, filter: &TopicFilter, after: Option<&str>, most: usize) -> Matching<T>
    where
        T: Clone,
    {
        let most = most.max(1);
        let mut found = Vec::new();
        let resume_after = self.walk(filter, after, STEPS_MAX, |name, value| {
            found.push((Arc::clone(name), value.clone()));
            found.len() < most
        });
        Matching { found, resume_after }
    }

    /// Calls `visit` for each name after `after` that the filter matches, until it says `false` or `steps_max` names
    /// were looked at; gives the last one looked at, and `None` at the end of all.
    pub(crate) fn walk(
        &self,
        filter: &TopicFilter,
        after: Option<&str>,
        steps_max: usize,
        mut visit: impl FnMut(&Arc<str>, &T) -> bool,
    ) -> Option<Arc<str>> {
        let levels: SmallVec<[&str; 16]> = filter.plain().split('/').collect();
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut names = self.names.range::<str, _>((first, Bound::Unbounded));
        let mut target = String::new();
        let mut steps = 0;
        while let Some((name, value)) = names.next() {
            steps += 1;
            match next_of(&levels, name, &mut target) {
                Next::Matches if !visit(name, value) => return Some(Arc::clone(name)),
                Next::Matches | Next::Step => {}
                Next::Seek => names = self.names.range::<str, _>((Bound::Included(&*target), Bound::Unbounded)),
                Next::Nothing => return None,
            }
            if steps == steps_max {
                return Some(Arc::clone(name));
            }
        }
        None
    }
}

/// What follows a name.
enum Next {
    /// It matches; the next name may, too.
    Matches,
    /// It does not; the next name may.
    Step,
    /// It does not, and no name before the target does.
    Seek,
    /// It does not, and none after it does.
    Nothing,
}

/// Compares a name with a filter's levels; for [`Next::Seek`] writes the target, which is after `name`.
fn next_of(levels: &[&str], name: &str, target: &mut String) -> Next {
    // [MQTT-4.7.2-1]: a leading wildcard does not match a topic that begins with `$`.
    if name.starts_with('$') && matches!(levels[0], "+" | "#") {
        return seek(target, &["%"]);
    }
    // Where the level begins in `name`.
    let mut at = 0;
    for (place, &level) in levels.iter().enumerate() {
        if level == "#" {
            return Next::Matches;
        }
        let Some(rest) = name.get(at..) else {
            // The name ends before the filter: what matches is below it, or beside it where a wildcard stands, since
            // `a-/b` is between `a` and `a/b`.
            if levels[place - 1] == "+" {
                return Next::Step;
            }
            let literal = if level == "+" { "" } else { level };
            return seek(target, &[name, "/", literal]);
        };
        let own = rest.split('/').next().unwrap_or_default();
        if level != "+" && level != own {
            return seek_literal(&levels[..=place], &name[..at], name, target);
        }
        at += own.len() + 1;
        if place + 1 == levels.len() && at <= name.len() {
            // The name goes on where the filter ends; what is beside its last level may match if that is a wildcard.
            let (passed, prefix) = if level == "+" { (place + 1, at) } else { (place, at - level.len() - 1) };
            return seek_beyond(&levels[..passed], &name[..prefix], target);
        }
    }
    Next::Matches
}

/// `name` begins with `prefix`, which is what all of `levels` but the last match; the last is a literal and differs.
fn seek_literal(levels: &[&str], prefix: &str, name: &str, target: &mut String) -> Next {
    let Some((level, passed)) = levels.split_last() else { return Next::Nothing };
    // In byte order: `prefix level`, then names such as `prefix level-`, then `prefix level/…`.
    seek(target, &[prefix, level]);
    if target.as_str() > name {
        return Next::Seek;
    }
    target.push('/');
    if target.as_str() > name {
        return Next::Seek;
    }
    seek_beyond(passed, prefix, target)
}

/// To the first name after all that begin with `prefix`, which is what `passed` match, with a `/` at its end.
fn seek_beyond(passed: &[&str], prefix: &str, target: &mut String) -> Next {
    match prefix.strip_suffix('/') {
        // `0` is the byte after `/`.
        Some(beginning) if passed.contains(&"+") => seek(target, &[beginning, "0"]),
        // No other beginning matches.
        _ => Next::Nothing,
    }
}

fn seek(target: &mut String, parts: &[&str]) -> Next {
    target.clear();
    target.extend(parts.iter().copied());
    Next::Seek
}

#[cfg(test)]
mod tests;
