//! One policy document: text in, compiled statements out.

use crate::{
    Fault, FaultKind, fault, is_too_long, json,
    parse::{self, Names},
    sieve::{self, Sieve},
    statement::{Statement, TrustStatement, TrustedPrincipal},
};

/// What a document is for; decides its elements, its limit and how a fault of it is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DocumentKind {
    /// A permission policy: CreatePolicy, CreatePolicyVersion.
    Permission,
    /// Who may assume a role: CreateRole, UpdateRole.
    Trust,
    /// What narrows a role session: AssumeRole.
    Session,
}

impl DocumentKind {
    /// Most characters. Source: facts/ram.md section 1.3; for trust policies the permission policies' is taken.
    #[must_use]
    pub fn characters_max(self) -> usize {
        match self {
            Self::Permission | Self::Trust => 6_144,
            Self::Session => 2_048,
        }
    }

    /// The API's error code for a document with these faults. Source: facts/ram.md section 3.
    #[must_use]
    pub fn error_code(self, faults: &[Fault]) -> &'static str {
        match (self, is_too_long(faults)) {
            (Self::Session, true) => "InvalidParameter.PolicySize",
            (Self::Session, false) => "InvalidParameter.PolicyGrammar",
            (Self::Permission, true) => "InvalidParameter.PolicyDocument.Length",
            (Self::Trust, true) => "InvalidParameter.AssumeRolePolicyDocument.Length",
            (Self::Permission | Self::Trust, false) => "MalformedPolicyDocument",
        }
    }
}

/// A valid policy document, compiled, with its text as given.
#[derive(Debug)]
pub struct Document {
    text: Box<str>,
    /// In the order of the text; empty for a trust policy.
    pub(crate) statements: Vec<Statement>,
    /// Which of them a request need not be held against.
    pub(crate) sieves: Box<[Sieve]>,
    /// In the order of the text; empty but for a trust policy.
    pub(crate) trust: Vec<TrustStatement>,
}

impl Document {
    /// Parses a permission policy, as CreatePolicy takes it.
    ///
    /// # Errors
    /// Every fault found, each with its place.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        Self::parse_kind(DocumentKind::Permission, text)
    }

    /// Parses a role's trust policy that is to be saved.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_trust(text: &str) -> Result<Self, Vec<Fault>> {
        Self::parse_kind(DocumentKind::Trust, text)
    }

    /// Parses a role's trust policy that was saved, by an older program maybe: a name that nobody can have is no fault, and
    /// trusts nobody.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn load_trust(text: &str) -> Result<Self, Vec<Fault>> {
        Self::read(DocumentKind::Trust, Names::AsSaved, text)
    }

    /// Parses the policy of a role session.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_session(text: &str) -> Result<Self, Vec<Fault>> {
        Self::parse_kind(DocumentKind::Session, text)
    }

    /// Parses a document of any kind.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_kind(kind: DocumentKind, text: &str) -> Result<Self, Vec<Fault>> {
        Self::read(kind, Names::Possible, text)
    }

    fn read(kind: DocumentKind, names: Names, text: &str) -> Result<Self, Vec<Fault>> {
        let (have, most) = (text.chars().count(), kind.characters_max());
        if have == 0 || have > most {
            return Err(vec![Fault::new("", FaultKind::Length { have, most })]);
        }
        let root = json::parse(text).map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        json::find_duplicates(&root, "", &mut faults);
        let (statements, trust) = parse::document(kind, names, &root, &mut faults);
        if faults.is_empty() {
            Ok(Self { text: text.into(), sieves: sieve::sieves(&statements), statements, trust })
        } else {
            Err(fault::locate(text, faults))
        }
    }

    /// The users, roles and identity providers that a trust policy names, as `acs:ram::{AccountId}:{kind}/{name}`.
    pub fn trusted_arns(&self) -> impl Iterator<Item = &str> {
        self.trust.iter().flat_map(|statement| &statement.principals).filter_map(|principal| match principal {
            TrustedPrincipal::Arn(arn) | TrustedPrincipal::Provider(arn) => Some(&**arn),
            TrustedPrincipal::Account(_) | TrustedPrincipal::Foreign => None,
        })
    }

    /// The places of the statements that allow.
    pub fn allows(&self) -> impl Iterator<Item = usize> {
        self.statements.iter().enumerate().filter(|(_, statement)| !statement.deny).map(|(place, _)| place)
    }

    /// The text, byte for byte as given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Checks a permission policy; for `sluice policy check`.
///
/// # Errors
/// As [`Document::parse`].
pub fn check(text: &str) -> Result<(), Vec<Fault>> {
    Document::parse(text).map(|_| ())
}
