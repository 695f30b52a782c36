//! What a condition can read of a request.

use std::{cell::OnceCell, net::IpAddr, sync::Arc};

use sluice_model::UnixMs;

use crate::Caller;

/// A condition key; compared without case. Source: facts/ram.md section 1.5.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// `acs:CurrentTime`
    CurrentTime,
    /// `acs:SecureTransport`
    SecureTransport,
    /// `acs:SourceIp`
    SourceIp,
    /// `acs:MFAPresent`
    MfaPresent,
    /// `acs:PrincipalARN`
    PrincipalArn,
    /// Any other, in lower case, and as written for messages.
    Other { lower: Box<str>, written: Arc<str> },
}

impl Key {
    pub(crate) fn new(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "acs:currenttime" => Self::CurrentTime,
            "acs:securetransport" => Self::SecureTransport,
            "acs:sourceip" => Self::SourceIp,
            "acs:mfapresent" => Self::MfaPresent,
            "acs:principalarn" => Self::PrincipalArn,
            _ => Self::Other { lower: lower.into(), written: name.into() },
        }
    }

    /// The name to show.
    pub(crate) fn name(&self) -> Arc<str> {
        match self {
            Self::CurrentTime => "acs:CurrentTime".into(),
            Self::SecureTransport => "acs:SecureTransport".into(),
            Self::SourceIp => "acs:SourceIp".into(),
            Self::MfaPresent => "acs:MFAPresent".into(),
            Self::PrincipalArn => "acs:PrincipalARN".into(),
            Self::Other { written, .. } => Arc::clone(written),
        }
    }

    /// The name in lower case, by which keys are compared.
    pub(crate) fn lower(&self) -> &str {
        match self {
            Self::CurrentTime => "acs:currenttime",
            Self::SecureTransport => "acs:securetransport",
            Self::SourceIp => "acs:sourceip",
            Self::MfaPresent => "acs:mfapresent",
            Self::PrincipalArn => "acs:principalarn",
            Self::Other { lower, .. } => lower,
        }
    }
}

/// A request's value of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Absent,
    Time(UnixMs),
    Bool(bool),
    Address(IpAddr),
    Text(&'a str),
    Texts(&'a [Arc<str>]),
}

/// The caller's ARN, written out when it is read: most policies never do.
#[derive(Debug)]
pub(crate) struct LazyArn<'a> {
    caller: &'a Caller,
    name: &'a str,
    text: OnceCell<String>,
}

impl<'a> LazyArn<'a> {
    pub(crate) fn new(caller: &'a Caller, name: &'a str) -> Self {
        Self { caller, name, text: OnceCell::new() }
    }

    pub(crate) fn get(&self) -> &str {
        self.text.get_or_init(|| self.caller.principal().arn(self.name))
    }
}

/// An ARN as text, or when it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ArnFact<'a> {
    Text(&'a str),
    Lazy(&'a LazyArn<'a>),
}

/// What is known of a request. A field that is `None` is looked up among the extra keys, as vectors need it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) now: Option<UnixMs>,
    pub(crate) secure_transport: Option<bool>,
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) mfa_present: Option<bool>,
    pub(crate) principal_arn: Option<ArnFact<'a>>,
    /// Keys in lower case with their values.
    pub(crate) extra: &'a [(Arc<str>, Vec<Arc<str>>)],
    /// Whether the five keys above may be read from `extra` too.
    pub(crate) extra_answers_all: bool,
}

impl<'a> Facts<'a> {
    pub(crate) fn read(&self, key: &Key) -> Value<'a> {
        let own = match key {
            Key::CurrentTime => self.now.map(Value::Time),
            Key::SecureTransport => self.secure_transport.map(Value::Bool),
            Key::SourceIp => self.source_ip.map(Value::Address),
            Key::MfaPresent => self.mfa_present.map(Value::Bool),
            Key::PrincipalArn => self.principal_arn.map(|arn| match arn {
                ArnFact::Text(text) => Value::Text(text),
                ArnFact::Lazy(arn) => Value::Text(arn.get()),
            }),
            Key::Other { .. } => return self.read_extra(key),
        };
        match own {
            Some(value) => value,
            None if self.extra_answers_all => self.read_extra(key),
            None => Value::Absent,
        }
    }

    fn read_extra(&self, key: &Key) -> Value<'a> {
        let found = self.extra.iter().find(|(name, _)| **name == *key.lower());
        // A key without a value is an absent key.
        found.filter(|(_, values)| !values.is_empty()).map_or(Value::Absent, |(_, values)| Value::Texts(values))
    }
}
