"""A SAML identity provider of a test's own: assertions by lxml, signatures by signxml, as real providers make them."""

import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import CanonicalizationMethod, DigestAlgorithm, SignatureMethod, XMLSigner

from support.server import ACCOUNT

P, A, D = "urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:2.0:assertion", "http://www.w3.org/2000/09/xmldsig#"
ENTITY = "https://idp.example.com/metadata"
RECIPIENT = "https://signin.aliyun.com/saml-role/sso"
ATTRIBUTES = "https://www.aliyun.com/SAML-Role/Attributes/"
PROVIDER_ARN = f"acs:ram::{ACCOUNT}:saml-provider/corp"


def role_arn(name="sso", account=ACCOUNT):
    return f"acs:ram::{account}:role/{name}"


def instant(seconds=0):
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Key:
    """A private key with a certificate that it signed itself; long expired, which is no matter."""

    def __init__(self, made):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(made.public_key())
        builder = builder.serial_number(7).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=365))
        self.certificate = builder.sign(made, hashes.SHA256())
        self.private = made
        self.der = base64.encodebytes(self.certificate.public_bytes(serialization.Encoding.DER)).decode()


RSA = Key(rsa.generate_private_key(public_exponent=65537, key_size=2048))
EC = Key(ec.generate_private_key(ec.SECP256R1()))
STRANGER = Key(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def metadata(*keys, entity=ENTITY, use="signing", descriptor="IDPSSODescriptor"):
    usage = f' use="{use}"' if use else ""
    held = "".join(
        f'<KeyDescriptor{usage}><ds:KeyInfo xmlns:ds="{D}"><ds:X509Data><ds:X509Certificate>\n{key.der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>'
        for key in keys
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity}">\n'
        f'  <{descriptor} protocolSupportEnumeration="{P}">{held}\n    <SingleSignOnService Binding="b" Location="https://idp.example.com/sso"/></{descriptor}>\n</EntityDescriptor>'
    )


def encoded(document):
    """Base64 of an element or a text."""
    if not isinstance(document, (str, bytes)):
        document = etree.tostring(document)
    return base64.b64encode(document.encode() if isinstance(document, str) else document).decode()


def assertion(
    roles=None, provider=PROVIDER_ARN, issuer=ENTITY, name_id="alice", audience="urn:alibaba:cloudcomputing", recipient=RECIPIENT,
    since=-5, until=300, confirmed_until=300, issued=-5, session="alice", duration=None, session_until=None, id="_a1", extra="",
    name_format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
):  # fmt: skip
    """An Assertion that is not signed yet."""
    pairs = "".join(f"<saml:AttributeValue>{role},{provider}</saml:AttributeValue>" for role in roles or [role_arn()])

    def attribute(name, values):
        return f'<saml:Attribute Name="{ATTRIBUTES}{name}">{values}</saml:Attribute>'

    def value(text):
        return f'<saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="xs:string">{text}</saml:AttributeValue>'

    ends = f' SessionNotOnOrAfter="{instant(session_until)}"' if session_until else ""
    form = f' Format="{name_format}"' if name_format else ""
    to = f' Recipient="{recipient}"' if recipient else ""
    audiences = f"<saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>" if audience else ""
    return etree.fromstring(
        f'<saml:Assertion xmlns:saml="{A}" ID="{id}" Version="2.0" IssueInstant="{instant(issued)}">'
        f"<saml:Issuer>{issuer}</saml:Issuer>"
        f'<saml:Subject><saml:NameID{form}>{name_id}</saml:NameID>'
        f'<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
        f'<saml:SubjectConfirmationData NotOnOrAfter="{instant(confirmed_until)}"{to}/></saml:SubjectConfirmation></saml:Subject>'
        f'<saml:Conditions NotBefore="{instant(since)}" NotOnOrAfter="{instant(until)}">{audiences}{extra}</saml:Conditions>'
        f'<saml:AuthnStatement AuthnInstant="{instant(issued)}"{ends}/>'
        f'<saml:AttributeStatement>{attribute("Role", pairs)}{attribute("RoleSessionName", value(session))}'
        f'{attribute("SessionDuration", value(duration)) if duration else ""}{attribute("Mail", value("a@example.com"))}</saml:AttributeStatement></saml:Assertion>'
    )


def response(*within, id="_r1", status="Success"):
    """A Response around assertions."""
    made = etree.fromstring(
        f'<samlp:Response xmlns:samlp="{P}" xmlns:saml="{A}" ID="{id}" Version="2.0" IssueInstant="{instant()}">\n  <saml:Issuer>{ENTITY}</saml:Issuer>'
        f'<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{status}"/></samlp:Status></samlp:Response>'
    )
    made.extend(within)
    return made


class Sha1Signer(XMLSigner):
    """signxml refuses to sign with SHA-1; an old provider does not."""

    def check_deprecated_methods(self):
        pass


def signed(element, key=RSA, method="RSA_SHA256", digest="SHA256", c14n="EXCLUSIVE_XML_CANONICALIZATION_1_0", inclusive=None, signer=XMLSigner):
    """The element with a signature after its Issuer, by its ID."""
    made = signer(
        signature_algorithm=SignatureMethod[method], digest_algorithm=DigestAlgorithm[digest], c14n_algorithm=CanonicalizationMethod[c14n],
    )  # fmt: skip
    # One prefix for all of the signature: lxml makes one of two when it moves an element into another tree.
    place = etree.Element(f"{{{D}}}Signature", Id="placeholder", nsmap={"ds": D})
    element.insert(1, place)
    made = made.sign(
        element, key=key.private, cert=[key.certificate], reference_uri=f"#{element.get('ID')}", id_attribute="ID",
        **({"inclusive_ns_prefixes": inclusive} if inclusive else {}),
    )  # fmt: skip
    return declared(reparsed(made), key, inclusive) if inclusive else made


def declared(element, key, inclusive):
    """signxml digests with the inclusive prefixes and does not say so in the transform: said here, and signed again."""
    information = next(element.iter(f"{{{D}}}SignedInfo"))
    transform = list(information.iter(f"{{{D}}}Transform"))[1]
    namespace = transform.get("Algorithm")
    etree.SubElement(transform, f"{{{namespace}}}InclusiveNamespaces", PrefixList=" ".join(inclusive))
    message = etree.tostring(information, method="c14n", exclusive=True, inclusive_ns_prefixes=inclusive, with_tail=False)
    value = key.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    next(element.iter(f"{{{D}}}SignatureValue")).text = base64.b64encode(value).decode()
    return element


def reparsed(element):
    return etree.fromstring(etree.tostring(element))
