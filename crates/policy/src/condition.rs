//! Conditions: 21 operators over typed operands. Source: facts/ram.md sections 1.4 and 1.5.
//!
//! Operators and keys are joined by AND, values of one key by OR; a negated operator is the negation of its positive
//! form. So an absent key makes a positive operator false and a negated one true.

use std::{borrow::Cow, cmp::Ordering, sync::Arc};

use ipnet::IpNet;
use sluice_model::UnixMs;

use crate::{
    facts::{Facts, Key, Value},
    glob::Glob,
    operand::{Decimal, date_text, parse_bool, parse_date, parse_ip, parse_net},
};

/// One operator on one key.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) key: Key,
    negated: bool,
    test: Test,
}

/// A positive operator with its operands.
#[derive(Debug)]
enum Test {
    Equals(Box<[Box<str>]>),
    EqualsIgnoreCase(Box<[Box<str>]>),
    Like(Box<[Glob]>),
    Number(Order, Box<[Decimal]>),
    Date(Order, Box<[i64]>),
    Bool(Box<[bool]>),
    Address(Box<[IpNet]>),
}

/// How a request's value must stand to an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// An operator's name, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Operator {
    pub(crate) kind: Kind,
    pub(crate) negated: bool,
}

/// What an operator compares, and how; a negated one is the negation of its positive form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Equals,
    EqualsIgnoreCase,
    Like,
    Number(Order),
    Date(Order),
    Bool,
    Address,
}

impl Operator {
    /// By its exact name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        use Order::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        let (kind, negated) = match name {
            "StringEquals" => (Kind::Equals, false),
            "StringNotEquals" => (Kind::Equals, true),
            "StringEqualsIgnoreCase" => (Kind::EqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Kind::EqualsIgnoreCase, true),
            "StringLike" => (Kind::Like, false),
            "StringNotLike" => (Kind::Like, true),
            "NumericEquals" => (Kind::Number(Equal), false),
            "NumericNotEquals" => (Kind::Number(Equal), true),
            "NumericLessThan" => (Kind::Number(Less), false),
            "NumericLessThanEquals" => (Kind::Number(LessOrEqual), false),
            "NumericGreaterThan" => (Kind::Number(Greater), false),
            "NumericGreaterThanEquals" => (Kind::Number(GreaterOrEqual), false),
            "DateEquals" => (Kind::Date(Equal), false),
            "DateNotEquals" => (Kind::Date(Equal), true),
            "DateLessThan" => (Kind::Date(Less), false),
            "DateLessThanEquals" => (Kind::Date(LessOrEqual), false),
            "DateGreaterThan" => (Kind::Date(Greater), false),
            "DateGreaterThanEquals" => (Kind::Date(GreaterOrEqual), false),
            "Bool" => (Kind::Bool, false),
            "IpAddress" => (Kind::Address, false),
            "NotIpAddress" => (Kind::Address, true),
            _ => return None,
        };
        Some(Self { kind, negated })
    }

    /// What an operand must be.
    pub(crate) fn expects(self) -> &'static str {
        match self.kind {
            Kind::Equals | Kind::EqualsIgnoreCase | Kind::Like => "a string",
            Kind::Number(_) => "a number",
            Kind::Date(_) => "a date such as `2026-01-31T17:00:00Z` or `2026-01-31T17:00:00+08:00`",
            Kind::Bool => "`true` or `false`",
            Kind::Address => "an IP address or a CIDR block",
        }
    }

    /// Whether an operand can be read.
    pub(crate) fn accepts(self, value: &str) -> bool {
        match self.kind {
            Kind::Equals | Kind::EqualsIgnoreCase | Kind::Like => true,
            Kind::Number(_) => Decimal::parse(value).is_some(),
            Kind::Date(_) => parse_date(value).is_some(),
            Kind::Bool => parse_bool(value).is_some(),
            Kind::Address => parse_net(value).is_some(),
        }
    }
}

impl Condition {
    /// The condition, when every operand can be read; the parser has said which cannot.
    pub(crate) fn new(operator: Operator, key: &str, values: &[&str]) -> Option<Self> {
        let texts = || values.iter().map(|&value| value.into()).collect();
        let test = match operator.kind {
            Kind::Equals => Test::Equals(texts()),
            Kind::EqualsIgnoreCase => Test::EqualsIgnoreCase(values.iter().map(|v| v.to_lowercase().into()).collect()),
            Kind::Like => Test::Like(values.iter().map(|value| Glob::new(value)).collect()),
            Kind::Number(order) => Test::Number(order, all(values, Decimal::parse)?),
            Kind::Date(order) => Test::Date(order, all(values, parse_date)?),
            Kind::Bool => Test::Bool(all(values, parse_bool)?),
            Kind::Address => Test::Address(all(values, parse_net)?),
        };
        Some(Self { key: Key::new(key), negated: operator.negated, test })
    }

    /// Whether the request meets it.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> bool {
        self.test.holds(&facts.read(&self.key)) != self.negated
    }

    /// The answer when it is the same for as long as a connection and its principal's policies last; `None` when it may
    /// change: with the time, or with a key of which nothing is known.
    pub(crate) fn lasting_answer(&self, facts: &Facts<'_>) -> Option<bool> {
        match self.key {
            Key::SecureTransport | Key::SourceIp | Key::MfaPresent | Key::PrincipalArn => Some(self.holds(facts)),
            Key::CurrentTime | Key::Other { .. } => None,
        }
    }

    /// Whether it fails only for want of a value.
    pub(crate) fn misses_its_key(&self, facts: &Facts<'_>) -> bool {
        !self.negated && matches!(facts.read(&self.key), Value::Absent)
    }

    /// The first instant after `now` at which [`Condition::holds`] may answer otherwise for the same request.
    pub(crate) fn changes_at(&self, now: UnixMs) -> UnixMs {
        if self.key != Key::CurrentTime {
            return UnixMs::NEVER;
        }
        match &self.test {
            // `<` and `>=` change at the operand, `<=` and `>` one step later, `=` at both.
            Test::Date(order, operands) => operands
                .iter()
                .flat_map(|&at| match order {
                    Order::Less | Order::GreaterOrEqual => [Some(at), None],
                    Order::LessOrEqual | Order::Greater => [at.checked_add(1), None],
                    Order::Equal => [Some(at), at.checked_add(1)],
                })
                .flatten()
                .filter(|&at| at > now.0)
                .min()
                .map_or(UnixMs::NEVER, UnixMs),
            // As text the time changes with every second.
            _ => UnixMs((now.0.div_euclid(1000) + 1).saturating_mul(1000)),
        }
    }
}

fn all<T>(values: &[&str], parse: impl Fn(&str) -> Option<T>) -> Option<Box<[T]>> {
    values.iter().map(|value| parse(value)).collect()
}

impl Test {
    /// Whether any value of the request meets any operand.
    fn holds(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Equals(operands) => any_text(value, |text| operands.iter().any(|operand| **operand == *text)),
            Self::EqualsIgnoreCase(operands) => any_text(value, |text| {
                let lower = text.to_lowercase();
                operands.iter().any(|operand| **operand == *lower)
            }),
            Self::Like(operands) => any_text(value, |text| operands.iter().any(|operand| operand.matches(text))),
            Self::Number(order, operands) => any_text(value, |text| {
                Decimal::parse(text)
                    .is_some_and(|number| operands.iter().any(|operand| order.holds(number.cmp(operand))))
            }),
            Self::Date(order, operands) => {
                let meets = |at: i64| operands.iter().any(|operand| order.holds(at.cmp(operand)));
                match value {
                    Value::Time(now) => meets(now.0),
                    other => any_text(other, |text| parse_date(text).is_some_and(meets)),
                }
            }
            Self::Bool(operands) => match value {
                Value::Bool(yes) => operands.contains(yes),
                other => any_text(other, |text| parse_bool(text).is_some_and(|yes| operands.contains(&yes))),
            },
            Self::Address(operands) => {
                let inside = |ip: std::net::IpAddr| operands.iter().any(|net| net.contains(&ip));
                match value {
                    Value::Address(ip) => inside(*ip),
                    other => any_text(other, |text| parse_ip(text).is_some_and(inside)),
                }
            }
        }
    }
}

fn any_text(value: &Value<'_>, meets: impl Fn(&str) -> bool) -> bool {
    let text: Cow<'_, str> = match value {
        Value::Absent => return false,
        Value::Texts(texts) => return texts.iter().any(|text: &Arc<str>| meets(text)),
        Value::Text(text) => Cow::Borrowed(text),
        Value::Time(now) => date_text(now.0).into(),
        Value::Bool(yes) => yes.to_string().into(),
        Value::Address(ip) => ip.to_string().into(),
    };
    meets(&text)
}
