//! An identity provider's metadata: its name and the keys that it signs with.
//!
//! Keys are taken as they are: neither the dates of their certificates nor who issued them is looked at, as in SAML's metadata
//! interoperability profile. Whoever may make the provider vouches for the document.

use super::{METADATA, SIGNATURE, signature, signature::Key, xml};

/// The longest document, bytes; ours. Those of large providers have some 70 KB.
pub const METADATA_BYTES_MAX: usize = 128 * 1024;
/// Keys that a provider signs with.
const KEYS_MAX: usize = 10;
/// Characters of a provider's name. SAML 2.0 core, section 8.3.6.
const ENTITY_ID_CHARACTERS_MAX: usize = 1_024;

/// What an assertion is compared with.
pub(super) struct Provider {
    pub(super) entity_id: String,
    pub(super) keys: Vec<Key>,
}

/// Whether a document is an identity provider's metadata with a key to verify by.
///
/// # Errors
/// What is wrong with it.
pub fn check_metadata(text: &str) -> Result<(), &'static str> {
    read(text).map(drop)
}

pub(super) fn read(text: &str) -> Result<Provider, &'static str> {
    if text.len() > METADATA_BYTES_MAX {
        return Err("it is too long");
    }
    let document = xml::parse(text)?;
    let root = document.root_element();
    if !root.has_tag_name((METADATA, "EntityDescriptor")) {
        return Err("it is no EntityDescriptor");
    }
    let entity_id = root.attribute("entityID").filter(|id| !id.is_empty()).ok_or("it has no entityID")?;
    if entity_id.chars().count() > ENTITY_ID_CHARACTERS_MAX {
        return Err("its entityID is too long");
    }
    let descriptor = xml::only(root, METADATA, "IDPSSODescriptor")?;
    let mut keys = Vec::new();
    for key in xml::children(descriptor, METADATA, "KeyDescriptor") {
        // Without a use it is for both. SAML 2.0 metadata, section 2.4.1.1.
        if key.attribute("use").is_some_and(|usage| usage != "signing") {
            continue;
        }
        let data = xml::only(xml::only(key, SIGNATURE, "KeyInfo")?, SIGNATURE, "X509Data")?;
        let certificate = xml::children(data, SIGNATURE, "X509Certificate").next().ok_or("a key has no certificate")?;
        keys.push(Key::of(signature::decoded(certificate)?)?);
    }
    if keys.is_empty() || keys.len() > KEYS_MAX {
        return Err("it has no key to verify by, or too many");
    }
    Ok(Provider { entity_id: entity_id.to_owned(), keys })
}
