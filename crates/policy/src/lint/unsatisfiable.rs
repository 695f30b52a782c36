//! Conditions that no request can meet together.
//!
//! Two ways to show it. A value that must be one of a set and none of a wider set cannot be, whatever the key and however many
//! values a request has of it. And for the five keys of which a request has one value at most (`facts.rs`) the conditions
//! themselves are tried on values of which one would meet them if any could.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sluice_model::UnixMs;

use crate::{
    condition::{Kind, Order},
    facts::{ArnFact, Facts, Key},
    glob::{Glob, includes},
    lint::rule::Clause,
    operand::{Decimal, parse_date, parse_net},
};

/// The key of conditions that exclude each other.
pub(super) fn key_of(clauses: &[Clause]) -> Option<String> {
    let clash = |clause: &&Clause| {
        let same: Vec<&Clause> = clauses.iter().filter(|other| other.key.lower() == clause.key.lower()).collect();
        let excluded = !clause.operator.negated && same.iter().any(|other| excludes(other, clause));
        // Once a key: it may be spelt in many ways.
        let is_first = same.first().is_some_and(|first| std::ptr::eq(*first, *clause));
        excluded || (is_first && none_meets(&clause.key, &same))
    };
    clauses.iter().find(clash).map(|clause| clause.key.name().to_string())
}

/// Whether a negated condition forbids every value that a positive one asks for.
fn excludes(negated: &Clause, positive: &Clause) -> bool {
    if !negated.operator.negated {
        return false;
    }
    let each = |forbidden: &dyn Fn(&str) -> bool| positive.values.iter().all(|value| forbidden(value));
    let others = || negated.values.iter();
    match (positive.operator.kind, negated.operator.kind) {
        (Kind::Equals, Kind::Equals) => each(&|value| others().any(|other| other == value)),
        (Kind::Equals, Kind::Like) => each(&|value| others().any(|other| Glob::new(other).matches(value))),
        (Kind::Equals | Kind::EqualsIgnoreCase, Kind::EqualsIgnoreCase) => {
            each(&|value| others().any(|other| other.to_lowercase() == value.to_lowercase()))
        }
        (Kind::Like, Kind::Like) => each(&|value| others().any(|other| includes(other, value))),
        (Kind::Number(Order::Equal), Kind::Number(Order::Equal)) => {
            each(&|value| others().any(|other| Decimal::parse(other) == Decimal::parse(value)))
        }
        (Kind::Date(Order::Equal), Kind::Date(Order::Equal)) => {
            each(&|value| others().any(|other| parse_date(other) == parse_date(value)))
        }
        (Kind::Address, Kind::Address) => each(&|value| {
            let within = |other: &String| Some(parse_net(other)?.contains(&parse_net(value)?));
            others().any(|other| within(other) == Some(true))
        }),
        _ => false,
    }
}

/// Whether no value of a key that has one value at most meets all conditions on it.
fn none_meets(key: &Key, clauses: &[&Clause]) -> bool {
    let tries = match key {
        Key::CurrentTime => times(clauses),
        Key::SourceIp => addresses(clauses),
        Key::PrincipalArn => names(clauses),
        Key::SecureTransport => {
            Some([true, false].map(|yes| Facts { secure_transport: Some(yes), ..Facts::default() }).into())
        }
        Key::MfaPresent => {
            Some([None, Some(true), Some(false)].map(|mfa_present| Facts { mfa_present, ..Facts::default() }).into())
        }
        Key::Other { .. } => None,
    };
    let meets = |facts: &Facts<'_>| clauses.iter().all(|clause| clause.condition.holds(facts));
    tries.is_some_and(|tries| !tries.iter().any(meets))
}

fn all_of(clauses: &[&Clause], kind: impl Fn(Kind) -> bool) -> bool {
    clauses.iter().all(|clause| kind(clause.operator.kind))
}

fn values<'c>(clauses: &'c [&Clause]) -> impl Iterator<Item = &'c str> {
    clauses.iter().flat_map(|clause| clause.values.iter().map(String::as_str))
}

/// An instant on, before and after each date: between two dates the answer does not change.
fn times<'a>(clauses: &[&Clause]) -> Option<Vec<Facts<'a>>> {
    let fact = |at: i64| Facts { now: Some(UnixMs(at)), ..Facts::default() };
    let around = |at: i64| [at.saturating_sub(1), at, at.saturating_add(1)].map(fact);
    all_of(clauses, |kind| matches!(kind, Kind::Date(_)))
        .then(|| values(clauses).filter_map(parse_date).flat_map(around).collect())
}

/// No address, and the first of each run of addresses for which the answer does not change: a block's first, the one after
/// its last, and the first of all.
fn addresses<'a>(clauses: &[&Clause]) -> Option<Vec<Facts<'a>>> {
    let first = |text: &str| parse_net(text).map(|net| net.network());
    let after = |text: &str| match parse_net(text)?.broadcast() {
        IpAddr::V4(last) => u32::from(last).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(last) => u128::from(last).checked_add(1).map(|next| IpAddr::V6(next.into())),
    };
    let ends = values(clauses).flat_map(|text| [first(text), after(text)]).flatten();
    let start = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let fact = |source_ip| Facts { source_ip, ..Facts::default() };
    all_of(clauses, |kind| kind == Kind::Address)
        .then(|| std::iter::once(None).chain(start.into_iter().chain(ends).map(Some)).map(fact).collect())
}

/// The names of a condition that asks for one of them; `None` when any name may do.
fn names<'c>(clauses: &[&'c Clause]) -> Option<Vec<Facts<'c>>> {
    let named = clauses.iter().find(|clause| clause.operator.kind == Kind::Equals && !clause.operator.negated)?;
    let fact = |name: &'c String| Facts { principal_arn: Some(ArnFact::Text(name)), ..Facts::default() };
    Some(named.values.iter().map(fact).collect())
}
