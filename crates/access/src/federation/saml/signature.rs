//! The narrow form of an XML signature: enveloped, by its parent's ID, over exclusively canonicalized bytes, by a known key.
//!
//! What the signature names is compared with the element that holds it; nothing is looked up. SHA-1, HMAC, other transforms and
//! keys that the document brings along are refused or passed over. `SignedInfo` is read from the bytes that were verified.

use base64::{Engine, engine::general_purpose::STANDARD};
use roxmltree::Node;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use webpki::{EndEntityCert, ring};

use super::{
    SIGNATURE,
    c14n::{EXCLUSIVE, EXCLUSIVE_WITH_COMMENTS, Form, canonical},
    xml,
};

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const RSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384";
const RSA_SHA512: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512";
const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";

/// The algorithm of a public key that is an RSA one. RFC 3279, section 2.3.1.
const RSA_KEY: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// The algorithm of a public key on P-256. RFC 5480, section 2.1.1.
const P256_KEY: &[u8] =
    &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// The shortest public key of 2,048 bits with its algorithm, bytes.
const RSA_KEY_BYTES_MIN: usize = 290;

/// A key of a provider, in its certificate, whose other parts are not looked at.
#[derive(Clone, Debug)]
pub(super) struct Key(CertificateDer<'static>);

impl Key {
    /// Of a certificate with a key that can be used here.
    pub(super) fn of(der: Vec<u8>) -> Result<Self, &'static str> {
        let der = CertificateDer::from(der);
        let key = EndEntityCert::try_from(&der).map_err(|_| "a certificate cannot be read")?.subject_public_key_info();
        let has = |algorithm: &[u8]| {
            key.get(..32).is_some_and(|head| head.windows(algorithm.len()).any(|at| at == algorithm))
        };
        if has(P256_KEY) || (has(RSA_KEY) && key.len() >= RSA_KEY_BYTES_MIN) {
            Ok(Self(der))
        } else {
            Err("a certificate's key is neither RSA of 2,048 bits or more nor on P-256")
        }
    }

    fn made(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let (verifier, signature): (&dyn SignatureVerificationAlgorithm, _) = match algorithm {
            RSA_SHA256 => (ring::RSA_PKCS1_2048_8192_SHA256, signature.to_vec()),
            RSA_SHA384 => (ring::RSA_PKCS1_2048_8192_SHA384, signature.to_vec()),
            RSA_SHA512 => (ring::RSA_PKCS1_2048_8192_SHA512, signature.to_vec()),
            ECDSA_SHA256 => match der_of_pair(signature) {
                Some(signature) => (ring::ECDSA_P256_SHA256, signature),
                None => return false,
            },
            _ => return false,
        };
        EndEntityCert::try_from(&self.0).is_ok_and(|key| key.verify_signature(verifier, message, &signature).is_ok())
    }
}

/// XML has both numbers of a P-256 signature, 32 bytes each; certificates' tools take them in DER. RFC 4050, section 3.3.
fn der_of_pair(pair: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = pair.split_at_checked(32).filter(|(_, s)| s.len() == 32)?;
    let mut body = Vec::new();
    for number in [r, s] {
        let digits = &number[number.iter().position(|byte| *byte != 0)?..];
        let sign = usize::from(digits[0] >= 0x80);
        body.extend([0x02, u8::try_from(digits.len() + sign).ok()?]);
        body.extend(std::iter::repeat_n(0, sign).chain(digits.iter().copied()));
    }
    let mut der = vec![0x30, u8::try_from(body.len()).ok()?];
    der.append(&mut body);
    Some(der)
}

/// The signature of an element: a child of it.
pub(super) fn of<'a, 'i>(element: Node<'a, 'i>) -> Result<Option<Node<'a, 'i>>, &'static str> {
    xml::at_most_one(element, SIGNATURE, "Signature")
}

/// The canonical text of an element, without its signature, that one of the keys has signed.
pub(super) fn verify<'a>(element: Node<'a, '_>, signature: Node<'a, '_>, keys: &[Key]) -> Result<String, &'static str> {
    let parts: Vec<&str> = elements(signature).map(|part| part.tag_name().name()).collect();
    if !matches!(parts.as_slice(), ["SignedInfo", "SignatureValue"] | ["SignedInfo", "SignatureValue", "KeyInfo"]) {
        return Err("a signature has other parts");
    }
    let information = xml::only(signature, SIGNATURE, "SignedInfo")?;
    let said = SignedInfo::read(information)?;
    let message = canonical(information, None, &said.form)?;
    let value = decoded(xml::only(signature, SIGNATURE, "SignatureValue")?)?;
    if !keys.iter().any(|key| key.made(&said.algorithm, message.as_bytes(), &value)) {
        return Err("no key of the provider made its signature");
    }
    let document = xml::parse(&message)?;
    let said = SignedInfo::read(document.root_element())?;
    let id = element.attribute("ID").filter(|id| !id.is_empty()).ok_or("the signed element has no ID")?;
    if said.reference.strip_prefix('#') != Some(id) {
        return Err("a signature is of another element");
    }
    let signed = canonical(element, Some(signature), &said.reference_form)?;
    let digest = match said.digest_algorithm.as_str() {
        SHA256 => Sha256::digest(&signed).to_vec(),
        SHA384 => Sha384::digest(&signed).to_vec(),
        SHA512 => Sha512::digest(&signed).to_vec(),
        _ => return Err("its digest is none that is taken"),
    };
    if bool::from(digest.ct_eq(&said.digest)) { Ok(signed) } else { Err("it is not what was signed") }
}

/// What is signed, and how.
struct SignedInfo {
    form: Form,
    algorithm: String,
    reference: String,
    reference_form: Form,
    digest_algorithm: String,
    digest: Vec<u8>,
}

impl SignedInfo {
    fn read(node: Node<'_, '_>) -> Result<Self, &'static str> {
        let parts: Vec<Node<'_, '_>> = elements(node).collect();
        let [method, algorithm, reference] = parts.as_slice() else { return Err("it has not exactly one reference") };
        named(*method, "CanonicalizationMethod")?;
        named(*algorithm, "SignatureMethod")?;
        named(*reference, "Reference")?;
        let parts: Vec<Node<'_, '_>> = elements(*reference).collect();
        let [transforms, digest_method, digest] = parts.as_slice() else { return Err("a reference has other parts") };
        named(*transforms, "Transforms")?;
        named(*digest_method, "DigestMethod")?;
        named(*digest, "DigestValue")?;
        let parts: Vec<Node<'_, '_>> = elements(*transforms).collect();
        let [enveloped, form] = parts.as_slice() else { return Err("it has other transforms") };
        named(*enveloped, "Transform")?;
        named(*form, "Transform")?;
        if enveloped.attribute("Algorithm") != Some(ENVELOPED) || elements(*enveloped).next().is_some() {
            return Err("it has other transforms");
        }
        Ok(Self {
            form: form_of(*method)?,
            algorithm: plain_algorithm(*algorithm)?,
            reference: reference.attribute("URI").ok_or("a reference names nothing")?.to_owned(),
            reference_form: form_of(*form)?,
            digest_algorithm: plain_algorithm(*digest_method)?,
            digest: decoded(*digest)?,
        })
    }
}

fn elements<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(Node::is_element)
}

fn named(node: Node<'_, '_>, name: &'static str) -> Result<(), &'static str> {
    if node.has_tag_name((SIGNATURE, name)) { Ok(()) } else { Err("a signature has other parts") }
}

/// An algorithm without parameters.
fn plain_algorithm(node: Node<'_, '_>) -> Result<String, &'static str> {
    if node.has_children() {
        return Err("an algorithm has parameters");
    }
    Ok(node.attribute("Algorithm").ok_or("an algorithm is missing")?.to_owned())
}

/// How bytes are made of an element.
fn form_of(node: Node<'_, '_>) -> Result<Form, &'static str> {
    let with_comments = match node.attribute("Algorithm") {
        Some(EXCLUSIVE) => false,
        Some(EXCLUSIVE_WITH_COMMENTS) => true,
        _ => return Err("its canonical form is none that is taken"),
    };
    let parts: Vec<Node<'_, '_>> = elements(node).collect();
    let list = match parts.as_slice() {
        [] => "",
        [list] if list.has_tag_name((EXCLUSIVE, "InclusiveNamespaces")) => list.attribute("PrefixList").unwrap_or(""),
        _ => return Err("its canonical form has other parameters"),
    };
    let inclusive = list.split_ascii_whitespace().map(|prefix| if prefix == "#default" { "" } else { prefix });
    Ok(Form { with_comments, inclusive: inclusive.map(str::to_owned).collect() })
}

/// Base64 with line breaks.
pub(super) fn decoded(node: Node<'_, '_>) -> Result<Vec<u8>, &'static str> {
    let text: String = xml::text(node)?.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).map_err(|_| "a value is no base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_of_a_signature_become_der() {
        let mut pair = [0_u8; 64];
        (pair[31], pair[32]) = (1, 0x80);
        let der = der_of_pair(&pair).unwrap();
        assert_eq!(der[..7], [0x30, 38, 0x02, 1, 1, 0x02, 33]);
        assert_eq!((der[7], der[8], der.len()), (0, 0x80, 40));
        assert_eq!(der_of_pair(&[1; 63]), None);
        assert_eq!(der_of_pair(&[0; 64]), None);
    }
}
