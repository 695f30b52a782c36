//! Statements that change nothing because of another one of their document.
//!
//! Both are matched by the same questions, so that it is enough to compare what they are written with: actions, resources
//! and conditions of the one must each be within those of the other.

use crate::{
    condition::Operator,
    glob::{are_apart, includes},
    lint::{
        Found, WarningKind,
        rule::{Clause, Rule, Written},
    },
    pattern::is_old_form,
};

/// Adds a warning for each statement that another one makes useless. Those of `never` do nothing and hide nothing.
///
/// What hides a statement is never hidden itself, so that all statements told can be taken away together. Of two that say
/// the same the earlier one stays.
pub(super) fn find(rules: &[Rule], never: &[bool], found: &mut Found) {
    let mut stays: Vec<bool> = never.iter().map(|never| !never).collect();
    let hides = |by: usize, place: usize| {
        let (other, rule) = (&rules[by], &rules[place]);
        by != place && (other.deny || !rule.deny) && says_all_of(other, rule)
    };
    let mut hidden = Vec::new();
    for place in (0..rules.len()).rev().filter(|&place| !never[place]) {
        if let Some(by) = (0..rules.len()).find(|&by| stays[by] && hides(by, place)) {
            stays[place] = false;
            hidden.push((place, by));
        }
    }
    for (place, first) in hidden {
        // What hid it may have been found hidden itself since; then the last of the chain is told, when it is seen to be.
        let by = (0..rules.len()).find(|&by| stays[by] && hides(by, place)).unwrap_or(first);
        let kind = if rules[by].deny && !rules[place].deny {
            WarningKind::Forbidden { by }
        } else {
            WarningKind::Shadowed { effect: rules[place].effect(), by }
        };
        found.push((rules[place].pointer.clone(), kind));
    }
}

/// Whether `wide` applies to every request that `narrow` applies to.
fn says_all_of(wide: &Rule, narrow: &Rule) -> bool {
    let within = |narrow: &Written| wide.resources.iter().any(|wide| resource_includes(&wide.text, &narrow.text));
    actions_include(wide, narrow)
        && narrow.resources.iter().all(within)
        && wide.clauses.iter().all(|wide| narrow.clauses.iter().any(|narrow| follows(wide, narrow)))
}

fn actions_include(wide: &Rule, narrow: &Rule) -> bool {
    let each_within = |inner: &Rule, outer: &Rule| {
        inner.actions.iter().all(|inner| outer.actions.iter().any(|outer| includes(&outer.lower(), &inner.lower())))
    };
    match (wide.not, narrow.not) {
        (false, false) => each_within(narrow, wide),
        // What is left out of the wide one must be left out of the narrow one.
        (true, true) => each_within(wide, narrow),
        (true, false) => narrow
            .actions
            .iter()
            .all(|action| wide.actions.iter().all(|left_out| are_apart(&left_out.lower(), &action.lower()))),
        (false, true) => wide.actions.iter().any(|action| action.text == "*"),
    }
}

/// Whether a pattern reaches every resource that the other reaches: as text, or part by part, as `pattern.rs` matches.
fn resource_includes(wide: &str, narrow: &str) -> bool {
    if wide == "*" || wide == narrow {
        return true;
    }
    let parts = |pattern: &'_ str| pattern.splitn(5, ':').map(str::to_owned).collect::<Vec<_>>();
    let (wide, narrow) = (parts(wide), parts(narrow));
    let ([.., wide_rest], [.., narrow_rest]) = (&wide[..], &narrow[..]) else { return false };
    // An old form does not reach the middle of a topic's name, where another pattern does.
    let forms_fit = !is_old_form(wide_rest) || is_old_form(narrow_rest);
    wide.len() == 5
        && narrow.len() == 5
        && forms_fit
        && wide.iter().zip(&narrow).all(|(wide, narrow)| includes(wide, narrow))
}

/// Whether the wide condition holds wherever the narrow one does: the same operator on the same key, with fewer values to
/// meet or, negated, more to avoid.
fn follows(wide: &Clause, narrow: &Clause) -> bool {
    let Operator { negated, .. } = wide.operator;
    let (few, many) = if negated { (&wide.values, &narrow.values) } else { (&narrow.values, &wide.values) };
    wide.operator == narrow.operator
        && wide.key.lower() == narrow.key.lower()
        && few.iter().all(|value| many.contains(value))
}
