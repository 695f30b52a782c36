//! What a verified assertion says: who, for whom, until when, which roles.
//!
//! Source: SAML 2.0 core, sections 2.3 to 2.7; profiles, section 4.1.4.2; the vendor's page on assertions of role-based SSO.

use roxmltree::Node;
use sluice_model::UnixMs;

use super::{ASSERTION, SamlFault, xml};

/// How far the provider's clock and ours may be apart, milliseconds; ours.
const SKEW_MS: i64 = 60 * 1000;
/// For whom an assertion may be: the entity IDs of the vendor's two sites, which identity providers are set up with.
const AUDIENCES: [&str; 2] = ["urn:alibaba:cloudcomputing", "urn:alibaba:cloudcomputing:international"];
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// What is left out of the `NameID`'s format. Source: the vendor's SDK of STS 2015-04-01.
const SAML2_FORMAT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:";
/// The format of a `NameID` that has none. SAML 2.0 core, section 2.2.2.
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
const ROLE: &str = "https://www.aliyun.com/SAML-Role/Attributes/Role";
const SESSION_NAME: &str = "https://www.aliyun.com/SAML-Role/Attributes/RoleSessionName";
const SESSION_DURATION: &str = "https://www.aliyun.com/SAML-Role/Attributes/SessionDuration";

/// What an assertion says, once it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamlClaims {
    /// The provider's entity ID.
    pub issuer: String,
    /// The `NameID`.
    pub subject: String,
    /// Its format, without [`SAML2_FORMAT`]: `persistent`, `transient`, `urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress`…
    pub subject_type: String,
    /// To where it was sent, the value of `saml:recipient`.
    pub recipient: String,
    /// The session's name, as it was said.
    pub session_name: String,
    /// Pairs of a role's ARN and a provider's, as they were said.
    pub roles: Vec<(String, String)>,
    /// How long a session may be, seconds.
    pub session_s: Option<u32>,
    /// When the session at the provider ends.
    pub session_until: Option<UnixMs>,
}

pub(super) fn read(assertion: Node<'_, '_>, entity_id: &str, now: UnixMs) -> Result<SamlClaims, SamlFault> {
    if assertion.attribute("Version") != Some("2.0") {
        return Err(SamlFault::Invalid("it is of another version"));
    }
    let issued = instant(assertion, "IssueInstant")?.ok_or(SamlFault::Invalid("it has no IssueInstant"))?;
    if issued.0 > now.0.saturating_add(SKEW_MS) {
        return Err(SamlFault::Invalid("it is not valid yet"));
    }
    let issuer = text(only(assertion, "Issuer")?)?;
    if issuer != entity_id {
        return Err(SamlFault::Invalid("another provider issued it"));
    }
    is_for_us(only(assertion, "Conditions")?, now)?;
    let (subject, subject_type, recipient) = subject(only(assertion, "Subject")?, now)?;
    let mut claims = SamlClaims {
        issuer,
        subject,
        subject_type,
        recipient,
        session_name: String::new(),
        roles: Vec::new(),
        session_s: None,
        session_until: None,
    };
    for statement in xml::children(assertion, ASSERTION, "AuthnStatement") {
        let until = instant(statement, "SessionNotOnOrAfter")?;
        claims.session_until = [claims.session_until, until].into_iter().flatten().min_by_key(|until| until.0);
    }
    if claims.session_until.is_some_and(|until| until <= now) {
        return Err(SamlFault::Expired);
    }
    attributes(assertion, &mut claims)?;
    Ok(claims)
}

fn only<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Result<Node<'a, 'i>, SamlFault> {
    xml::only(node, ASSERTION, name).map_err(SamlFault::Invalid)
}

/// The text of an element, which is not empty.
fn text(node: Node<'_, '_>) -> Result<String, SamlFault> {
    let text = xml::text(node).map_err(SamlFault::Invalid)?;
    if text.trim().is_empty() { Err(SamlFault::Invalid("a text is empty")) } else { Ok(text) }
}

/// An instant of an attribute. SAML 2.0 core, section 1.3.3.
fn instant(node: Node<'_, '_>, name: &str) -> Result<Option<UnixMs>, SamlFault> {
    let parsed = node.attribute(name).map(str::parse::<jiff::Timestamp>).transpose();
    let parsed = parsed.map_err(|_| SamlFault::Invalid("an instant cannot be read"))?;
    Ok(parsed.map(|instant| UnixMs(instant.as_millisecond())))
}

/// Compares `NotBefore` and `NotOnOrAfter` with now.
fn in_time(node: Node<'_, '_>, now: UnixMs) -> Result<(), SamlFault> {
    if instant(node, "NotBefore")?.is_some_and(|from| from.0 > now.0.saturating_add(SKEW_MS)) {
        return Err(SamlFault::Invalid("it is not valid yet"));
    }
    if instant(node, "NotOnOrAfter")?.is_some_and(|until| until.0 <= now.0.saturating_sub(SKEW_MS)) {
        return Err(SamlFault::Expired);
    }
    Ok(())
}

fn is_for_us(conditions: Node<'_, '_>, now: UnixMs) -> Result<(), SamlFault> {
    in_time(conditions, now)?;
    let mut restrictions = 0;
    for condition in conditions.children().filter(Node::is_element) {
        // A condition that is not understood makes the assertion's validity unknown. SAML 2.0 core, section 2.5.1.1.
        if !condition.has_tag_name((ASSERTION, "AudienceRestriction")) {
            return Err(SamlFault::Invalid("it has a condition that is not known"));
        }
        let mut is_named = false;
        for audience in xml::children(condition, ASSERTION, "Audience") {
            is_named |= AUDIENCES.contains(&text(audience)?.as_str());
        }
        if !is_named {
            return Err(SamlFault::Invalid("it is for another service"));
        }
        restrictions += 1;
    }
    if restrictions == 0 { Err(SamlFault::Invalid("it says not for which service it is")) } else { Ok(()) }
}

/// The subject, its type, and the recipient of what confirms it.
fn subject(subject: Node<'_, '_>, now: UnixMs) -> Result<(String, String, String), SamlFault> {
    let name = only(subject, "NameID")?;
    let format = name.attribute("Format").unwrap_or(UNSPECIFIED);
    let format = format.strip_prefix(SAML2_FORMAT).unwrap_or(format);
    let confirmation = only(subject, "SubjectConfirmation")?;
    if confirmation.attribute("Method") != Some(BEARER) {
        return Err(SamlFault::Invalid("its subject is confirmed in another way"));
    }
    let data = only(confirmation, "SubjectConfirmationData")?;
    in_time(data, now)?;
    // A bearer's must have both. SAML 2.0 profiles, section 4.1.4.2.
    if data.attribute("NotOnOrAfter").is_none() {
        return Err(SamlFault::Invalid("its confirmation has no end"));
    }
    let recipient = data.attribute("Recipient").filter(|recipient| !recipient.is_empty());
    let recipient = recipient.ok_or(SamlFault::Invalid("it has no recipient"))?;
    Ok((text(name)?, format.to_owned(), recipient.to_owned()))
}

fn attributes(assertion: Node<'_, '_>, claims: &mut SamlClaims) -> Result<(), SamlFault> {
    let statement = only(assertion, "AttributeStatement")?;
    let mut seen = Vec::new();
    for attribute in xml::children(statement, ASSERTION, "Attribute") {
        let name = attribute.attribute("Name").unwrap_or_default();
        if ![ROLE, SESSION_NAME, SESSION_DURATION].contains(&name) {
            continue;
        }
        if seen.contains(&name) {
            return Err(SamlFault::Invalid("an attribute is there twice"));
        }
        seen.push(name);
        let values: Result<Vec<String>, SamlFault> =
            xml::children(attribute, ASSERTION, "AttributeValue").map(text).collect();
        let values = values?;
        match (name, values.as_slice()) {
            (ROLE, pairs) => {
                let pair =
                    |pair: &String| pair.split_once(',').map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()));
                claims.roles = pairs.iter().filter_map(pair).collect();
            }
            (SESSION_NAME, [one]) => claims.session_name.clone_from(one),
            (SESSION_DURATION, [one]) => {
                let seconds = one.parse().map_err(|_| SamlFault::Invalid("its SessionDuration is no number"))?;
                claims.session_s = Some(seconds);
            }
            _ => return Err(SamlFault::Invalid("an attribute has not exactly one value")),
        }
    }
    if claims.roles.is_empty() || claims.session_name.is_empty() {
        return Err(SamlFault::Invalid("it names no role or no session"));
    }
    Ok(())
}
