//! What a statement's `Action` and `Resource` match.
//!
//! A resource pattern of five parts and more is matched part by part for an Allow, so that no `*` takes a `:` and with it
//! the border between parts: `acs:mq:*:*:TopicA` never grants `topic/I/Secret/x:y:TopicA`. A Deny is wider: the glob
//! over the whole text counts too.

use crate::{
    candidates::{Candidate, Form, Parts},
    glob::Glob,
};

/// The services that a statement speaks of, one bit each; to pass over statements quickly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Services(u8);

impl Services {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(u8::MAX);

    /// The service of an action or action pattern, in lower case.
    pub(crate) fn of(action: &str) -> Self {
        match action.split_once(':').map_or(action, |(service, _)| service) {
            service if service.contains(['*', '?']) => Self::ALL,
            "mq" => Self(1),
            "ram" => Self(2),
            "sts" => Self(4),
            _ => Self(8),
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// An action pattern, in lower case: actions are compared without case.
#[derive(Debug)]
pub(crate) enum ActionPattern {
    Any,
    Exact(Box<str>),
    Glob(Glob),
}

impl ActionPattern {
    /// `lower` is in lower case.
    pub(crate) fn new(lower: &str) -> Self {
        if lower == "*" {
            Self::Any
        } else if lower.contains(['*', '?']) {
            Self::Glob(Glob::new(lower))
        } else {
            Self::Exact(lower.into())
        }
    }

    /// `action` is in lower case.
    pub(crate) fn matches(&self, action: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *action,
            Self::Glob(glob) => glob.matches(action),
        }
    }
}

/// A resource pattern. Compared with case.
#[derive(Debug)]
pub(crate) struct ResourcePattern {
    /// Over the whole text; `None` for `*`, which matches everything.
    whole: Option<Glob>,
    by_parts: Option<ByParts>,
    /// For resources without a region: the pattern after its region, over `account:rest`.
    after_region: Option<(Glob, Glob)>,
    /// Whether it has a `/`: then it reaches no old form of a topic, which is the parent alone.
    has_slash: bool,
}

/// A pattern of five parts and more.
#[derive(Debug)]
struct ByParts {
    service: Glob,
    region: Glob,
    account: Glob,
    rest: Glob,
    /// `x%y` without a `/` before the `%`: an old form, not to be found in the middle of a topic's name.
    old_form: bool,
}

impl ResourcePattern {
    pub(crate) fn new(pattern: &str) -> Self {
        if pattern == "*" {
            return Self { whole: None, by_parts: None, after_region: None, has_slash: false };
        }
        let parts: Vec<&str> = pattern.splitn(5, ':').collect();
        let by_parts = match parts[..] {
            [_, service, region, account, rest] => Some(ByParts {
                service: Glob::new(service),
                region: Glob::new(region),
                account: Glob::new(account),
                rest: Glob::new(rest),
                old_form: is_old_form(rest),
            }),
            _ => None,
        };
        let after_region = match parts[..] {
            [_, service, _, account, rest] => Some((Glob::new(service), Glob::new(&format!("{account}:{rest}")))),
            [_, service, _, rest] => Some((Glob::new(service), Glob::new(rest))),
            // `acs:mq:cn-*`: the region's name ends somewhere in the `*`.
            [_, service, last] => last.find('*').map(|star| (Glob::new(service), Glob::new(&last[star..]))),
            _ => None,
        };
        Self { whole: Some(Glob::new(pattern)), by_parts, after_region, has_slash: pattern.contains('/') }
    }

    /// How the last part of every ARN begins that a pattern of five parts matches; `None` for another pattern. A Deny
    /// matches as one text too, which for an ARN without a further `:` is the same.
    pub(crate) fn literal_start(&self) -> Option<&[u8]> {
        self.by_parts.as_ref().map(|parts| parts.rest.literal_start())
    }

    /// Whether an Allow on this pattern reaches the ARN.
    pub(crate) fn allows(&self, candidate: &Candidate) -> bool {
        if candidate.form == Form::OldDenyOnly {
            return false;
        }
        match (&self.by_parts, candidate.parts) {
            (Some(pattern), Some(parts)) => pattern.matches(candidate, parts),
            _ => self.matches_whole(candidate),
        }
    }

    /// Whether a Deny on this pattern reaches the ARN.
    pub(crate) fn denies(&self, candidate: &Candidate) -> bool {
        let by_parts = match (&self.by_parts, candidate.parts) {
            (Some(pattern), Some(parts)) => pattern.matches(candidate, parts),
            _ => false,
        };
        by_parts || self.matches_whole(candidate)
    }

    /// Whether an Allow on this pattern reaches every ARN that begins as `base` does.
    pub(crate) fn allows_all_below(&self, base: &Candidate) -> bool {
        match (&self.by_parts, base.parts) {
            (Some(pattern), Some(parts)) => {
                !(pattern.old_form && base.form == Form::Current)
                    && pattern.reaches_below(base, parts, Glob::takes_all_after)
            }
            _ => self.whole_reaches_below(base, Glob::takes_all_after),
        }
    }

    /// Whether a Deny on this pattern reaches some ARN that begins as `base` does; without `colons`, some ARN that goes on
    /// without a `:`. Then the colons of a pattern of five parts can only be those between the ARN's parts, and matching
    /// the whole text is matching the parts.
    pub(crate) fn may_deny_below(&self, base: &Candidate, colons: bool) -> bool {
        if base.form != Form::Current && self.has_slash {
            return false;
        }
        match (&self.by_parts, base.parts) {
            (Some(pattern), Some(parts)) => {
                pattern.reaches_below(base, parts, Glob::may_go_on_after)
                    || (colons && self.whole_reaches_below(base, Glob::may_go_on_after))
            }
            _ => self.whole_reaches_below(base, Glob::may_go_on_after),
        }
    }

    fn whole_reaches_below(&self, base: &Candidate, reaches: fn(&Glob, &str) -> bool) -> bool {
        let Some(whole) = &self.whole else { return true };
        if reaches(whole, &base.text) {
            return true;
        }
        match (&self.after_region, base.parts) {
            (Some((service, after)), Some(parts)) if base.any_region => {
                reaches(after, &base.text[parts.account..])
                    && service.matches(&base.text[parts.service..parts.region - 1])
            }
            _ => false,
        }
    }

    fn matches_whole(&self, candidate: &Candidate) -> bool {
        let Some(whole) = &self.whole else { return true };
        let Candidate { text, ends, .. } = candidate;
        if whole.matches_to(text, ends.iter().copied()) {
            return true;
        }
        match (&self.after_region, candidate.parts) {
            (Some((service, after)), Some(parts)) if candidate.any_region => {
                after.matches_to(&text[parts.account..], ends.iter().map(|end| end - parts.account))
                    && service.matches(&text[parts.service..parts.region - 1])
            }
            _ => false,
        }
    }
}

/// Whether the last part of a pattern is `x%y` without a `/` before the `%`.
pub(crate) fn is_old_form(rest: &str) -> bool {
    rest.split_once('%').is_some_and(|(before, _)| !before.contains('/'))
}

impl ByParts {
    fn reaches_below(&self, base: &Candidate, parts: Parts, reaches: fn(&Glob, &str) -> bool) -> bool {
        let text = &base.text;
        reaches(&self.rest, &text[parts.rest..])
            && self.service.matches(&text[parts.service..parts.region - 1])
            && self.account.matches(&text[parts.account..parts.rest - 1])
            && (base.any_region || self.region.matches(&text[parts.region..parts.account - 1]))
    }

    fn matches(&self, candidate: &Candidate, parts: Parts) -> bool {
        let Candidate { text, ends, .. } = candidate;
        if self.old_form && candidate.form == Form::Current {
            return false;
        }
        // The rest first: it is what most patterns differ in.
        self.rest.matches_to(&text[parts.rest..], ends.iter().map(|end| end - parts.rest))
            && self.service.matches(&text[parts.service..parts.region - 1])
            && self.account.matches(&text[parts.account..parts.rest - 1])
            && (candidate.any_region || self.region.matches(&text[parts.region..parts.account - 1]))
    }
}
