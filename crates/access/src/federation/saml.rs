//! SAML 2.0: whether an assertion is the identity provider's, in time, for this service, and what it says.
//!
//! Way through it: [`xml`] takes the text apart under bounds; [`signature`] verifies the one signed element by the keys of the
//! provider's [`metadata`] and gives the bytes that were digested ([`c14n`]); [`assertion`] reads these bytes, parsed anew, and
//! nothing else. What was not signed is never read, so that a moved or doubled element has no effect.
//!
//! The form that is taken is narrow: one Response or Assertion, one Assertion in it, signatures as a child of the element that they
//! cover. Sources: SAML 2.0 core and profiles; W3C XML Signature; the vendor's page on assertions of role-based SSO.

mod assertion;
mod c14n;
mod metadata;
mod signature;
mod xml;

use base64::{Engine, engine::general_purpose::STANDARD};
use roxmltree::Node;
use sluice_model::UnixMs;

pub use assertion::SamlClaims;
pub use metadata::{METADATA_BYTES_MAX, check_metadata};

/// The longest assertion, characters of base64. Source: the vendor's page on AssumeRoleWithSAML.
const ASSERTION_CHARACTERS_MAX: usize = 100_000;

const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// Why an assertion is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamlFault {
    /// It is not this provider's, not what was signed, or not for this service.
    #[error("the SAML assertion is not valid: {0}")]
    Invalid(&'static str),
    /// Its time is over.
    #[error("the SAML assertion is expired")]
    Expired,
    /// The provider's metadata has no key that can be used.
    #[error("the metadata of the identity provider cannot be used: {0}")]
    Metadata(&'static str),
}

/// What a base64 text with a Response or an Assertion says, once it was verified.
pub(super) fn verify(metadata: &str, encoded: &str, now: UnixMs) -> Result<SamlClaims, SamlFault> {
    let provider = metadata::read(metadata).map_err(SamlFault::Metadata)?;
    if encoded.len() > ASSERTION_CHARACTERS_MAX {
        return Err(SamlFault::Invalid("it is too long"));
    }
    // The browser's form breaks lines.
    let encoded: String = encoded.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let decoded = STANDARD.decode(encoded).map_err(|_| SamlFault::Invalid("it is no base64"))?;
    let text = String::from_utf8(decoded).map_err(|_| SamlFault::Invalid("it is no UTF-8"))?;
    let signed = signed_bytes(&text, &provider.keys).map_err(SamlFault::Invalid)?;
    let document = xml::parse(&signed).map_err(SamlFault::Invalid)?;
    let root = document.root_element();
    let assertion = if is_response(root) { only_assertion(root).map_err(SamlFault::Invalid)? } else { root };
    assertion::read(assertion, &provider.entity_id, now)
}

/// The canonical text of the signed element: the Assertion when it is signed, or else the Response around it.
fn signed_bytes(text: &str, keys: &[signature::Key]) -> Result<String, &'static str> {
    let document = xml::parse(text)?;
    let root = document.root_element();
    xml::ids_are_unique(root)?;
    let assertion = only_assertion(root)?;
    let is_within = is_response(root);
    if is_within {
        let status = xml::only(xml::only(root, PROTOCOL, "Status")?, PROTOCOL, "StatusCode")?;
        if status.attribute("Value") != Some(SUCCESS) {
            return Err("its status is not Success");
        }
    }
    let mut signatures = 0;
    for node in root.descendants().filter(|node| node.has_tag_name((SIGNATURE, "Signature"))) {
        if node.parent_element() != Some(assertion) && node.parent_element() != Some(root) {
            return Err("a signature is in another place");
        }
        signatures += 1;
    }
    // Each signature that is there must be right: of one that is not, nobody knows what it meant.
    let response = if is_within { signature::of(root)?.map(|node| signature::verify(root, node, keys)) } else { None };
    let response = response.transpose()?;
    let inner = signature::of(assertion)?.map(|node| signature::verify(assertion, node, keys)).transpose()?;
    if signatures != usize::from(response.is_some()) + usize::from(inner.is_some()) {
        return Err("it has more signatures than one of an element");
    }
    inner.or(response).ok_or("it is not signed")
}

fn is_response(root: Node<'_, '_>) -> bool {
    root.has_tag_name((PROTOCOL, "Response"))
}

/// The only Assertion of a document: its root, or a child of the Response that is its root.
fn only_assertion<'a, 'i>(root: Node<'a, 'i>) -> Result<Node<'a, 'i>, &'static str> {
    let local = |name: &'static str| root.descendants().filter(move |node| node.tag_name().name() == name);
    if local("EncryptedAssertion").chain(local("EncryptedID")).chain(local("EncryptedAttribute")).next().is_some() {
        return Err("a part of it is encrypted");
    }
    if local("Response").count() > usize::from(is_response(root)) {
        return Err("it has a Response inside");
    }
    let mut found = local("Assertion");
    let (Some(assertion), None) = (found.next(), found.next()) else { return Err("it has not exactly one Assertion") };
    let is_placed = assertion == root || (is_response(root) && assertion.parent_element() == Some(root));
    if !is_placed || !assertion.has_tag_name((ASSERTION, "Assertion")) {
        return Err("it is neither a Response with an Assertion nor an Assertion");
    }
    Ok(assertion)
}
