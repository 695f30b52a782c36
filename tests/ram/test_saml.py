"""SAML providers, and roles that are assumed by their assertions; what a forger may send, and what a provider may sign, is refused or has no effect."""

import base64
import copy
import datetime
import json
import pathlib

import pytest
import requests
from alibabacloud_ims20190815 import models as i
from alibabacloud_ims20190815.client import Client as Ims
from alibabacloud_ram20150501 import models as m
from alibabacloud_ram20150501.client import Client as Ram
from alibabacloud_sts20150401 import models as s
from alibabacloud_sts20150401.client import Client as Sts
from lxml import etree

from support import saml, sdk
from support.roles import attach, session, trusting
from support.saml import EC, RSA, STRANGER, A, D, assertion, encoded, metadata, reparsed, response, role_arn, signed
from support.server import ACCOUNT, allow, document

INVALID, EXPIRED = ("AuthenticationFail.SAMLAssertion.Invalid", 401), ("AuthenticationFail.SAMLAssertion.Expired", 401)
UNREADABLE, DENIED = ("AuthenticationFail.IDPMetadata.Invalid", 401), ("NoPermission", 403)
VECTORS = pathlib.Path(__file__).resolve().parents[2] / "crates/access/src/federation/saml/c14n_vectors.json"


def provider(name, text, **more):
    return i.CreateSAMLProviderRequest(samlprovider_name=name, encoded_samlmetadata_document=encoded(text), **more)


@pytest.fixture(scope="module")
def ims(server):
    made = Ims(sdk.config(server))
    made.create_samlprovider(provider("corp", metadata(RSA, EC), description="staff"))
    return made


@pytest.fixture(scope="module")
def role(server, ims):
    """A role that trusts the provider, for what was sent to the usual recipient."""
    condition = {"StringEquals": {"saml:recipient": saml.RECIPIENT}}
    trust = trusting(saml.PROVIDER_ARN, "Federated", Condition=condition)
    server.api("ram", "CreateRole", RoleName="sso", AssumeRolePolicyDocument=trust)
    attach(server, "sso", "sso-reads", allow("ram:GetUser", "*"))
    return role_arn()


def assume(server, said, role=role_arn(), **more):
    wish = {"samlprovider_arn": saml.PROVIDER_ARN, "role_arn": role, "samlassertion": said if isinstance(said, str) else encoded(said)} | more
    return sdk.sts(server).assume_role_with_saml(s.AssumeRoleWithSAMLRequest(**wish)).body


def refusal(server, said, role=role_arn(), **more):
    return sdk.code_of(lambda: assume(server, said, role, **more))


def test_a_provider_is_made_shown_listed_and_deleted(ims):
    made = ims.create_samlprovider(provider("idp", metadata(RSA, use=None), description="d")).body.samlprovider
    assert (made.arn, made.samlprovider_name, made.description) == (f"acs:ram::{ACCOUNT}:saml-provider/idp", "idp", "d")
    shown = ims.get_samlprovider(i.GetSAMLProviderRequest(samlprovider_name="idp")).body.samlprovider
    assert base64.b64decode(shown.encoded_samlmetadata_document).decode() == metadata(RSA, use=None)
    assert (shown.create_date, shown.update_date) == (made.create_date, made.update_date)
    page = ims.list_samlproviders(i.ListSAMLProvidersRequest(max_items=1)).body
    assert page.is_truncated and [one.samlprovider_name for one in page.samlproviders.samlprovider] == ["corp"]
    page = ims.list_samlproviders(i.ListSAMLProvidersRequest(max_items=1, marker=page.marker)).body
    assert not page.is_truncated and [one.samlprovider_name for one in page.samlproviders.samlprovider] == ["idp"]
    assert sdk.code_of(lambda: ims.list_samlproviders(i.ListSAMLProvidersRequest(max_items=101))) == ("InvalidParameter.MaxItems", 400)
    assert ims.list_samlproviders(i.ListSAMLProvidersRequest(max_items=100)).body.is_truncated is False
    assert sdk.code_of(lambda: ims.create_samlprovider(provider("idp", metadata(RSA)))) == ("EntityAlreadyExists.SAMLProvider", 409)
    ims.delete_samlprovider(i.DeleteSAMLProviderRequest(samlprovider_name="idp"))
    for call in (
        lambda: ims.get_samlprovider(i.GetSAMLProviderRequest(samlprovider_name="idp")),
        lambda: ims.delete_samlprovider(i.DeleteSAMLProviderRequest(samlprovider_name="idp")),
    ):
        assert sdk.code_of(call) == ("EntityNotExist.SAMLProvider", 404)


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("InvalidParameter.SAMLProviderName.Format", {"samlprovider_name": "-a"}),
        ("InvalidParameter.SAMLProviderName.InvalidChars", {"samlprovider_name": "a b"}),
        ("MissingSAMLProviderName", {"samlprovider_name": None}),
        ("MissingEncodedSAMLMetadataDocument", {"encoded_samlmetadata_document": None}),
        ("InvalidParameter.EncodedSAMLMetadataDocument.Format", {"encoded_samlmetadata_document": "<xml/>"}),
        ("InvalidParameter.AuthnSignAlgo", {"authn_sign_algo": "rsa-sha256"}),
    ],
)
def test_a_provider_that_breaks_a_rule_is_refused(ims, code, fields):
    wish = {"samlprovider_name": "wrong", "encoded_samlmetadata_document": encoded(metadata(RSA))} | fields
    assert sdk.code_of(lambda: ims.create_samlprovider(i.CreateSAMLProviderRequest(**wish))) == (code, 400)


def test_metadata_by_which_nothing_can_be_verified_is_refused(ims):
    good = metadata(RSA)
    for text in (
        "<a/>", "", good.replace(' entityID="', ' entity="'), metadata(), metadata(RSA, use="encryption"), metadata(RSA, descriptor="SPSSODescriptor"),
        metadata(RSA, entity=""), good.replace(RSA.der, "AAAA"), good.replace("<?xml", "<!DOCTYPE a><?xml"), good.replace("?>\n<Ent", "?>\n<!DOCTYPE a [<!ENTITY e 'x'>]><Ent"),
        good.replace("<EntityDescriptor", "<?p x?><EntityDescriptor"), metadata(*[RSA] * 11),
    ):  # fmt: skip
        made = provider("wrong", text) if text else None
        if made:
            assert sdk.code_of(lambda made=made: ims.create_samlprovider(made)) == UNREADABLE, text[:200]


def test_whoever_has_no_right_is_refused_each_operation(server, ims):
    nobody = Ims(sdk.config(server, server.new_user("nobody-saml")))
    for call in (
        lambda: nobody.create_samlprovider(provider("x", metadata(RSA))),
        lambda: nobody.get_samlprovider(i.GetSAMLProviderRequest(samlprovider_name="corp")),
        lambda: nobody.list_samlproviders(i.ListSAMLProvidersRequest()),
        lambda: nobody.delete_samlprovider(i.DeleteSAMLProviderRequest(samlprovider_name="corp")),
    ):
        assert sdk.code_of(call) == DENIED


def both():
    return signed(response(signed(assertion())))


@pytest.mark.parametrize(
    "make",
    [
        lambda: signed(assertion()),
        lambda: response(reparsed(signed(assertion()))),
        lambda: signed(response(assertion())),
        both,
        lambda: signed(assertion(), method="RSA_SHA512", digest="SHA512"),
        lambda: signed(assertion(), EC, "ECDSA_SHA256"),
        lambda: signed(assertion(), c14n="EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS"),
        lambda: signed(response(assertion()), inclusive=["xs", "saml"]),
        lambda: signed(assertion(audience="urn:alibaba:cloudcomputing:international")),
        lambda: signed(assertion(since=30, issued=30, until=-30)),
    ],
    ids=["assertion", "in a response", "response", "both", "sha512", "ecdsa", "with comments", "inclusive prefixes", "international", "clock apart"],
)
def test_an_assertion_of_the_provider_opens_a_session(server, role, make):
    reply = assume(server, make(), duration_seconds=900)
    info = reply.samlassertion_info
    assert (info.issuer, info.subject, info.subject_type, info.recipient) == (saml.ENTITY, "alice", "persistent", saml.RECIPIENT)
    assert reply.assumed_role_user.arn == f"acs:ram::{ACCOUNT}:role/sso/alice"
    given = reply.credentials
    credentials = (given.access_key_id, given.access_key_secret, given.security_token)
    assert session(server, credentials, Sts).get_caller_identity().body.arn == f"acs:ram::{ACCOUNT}:assumed-role/sso/alice"


def test_lines_may_be_broken_and_one_assertion_serves_as_long_as_it_lives(server, role):
    said = base64.encodebytes(etree.tostring(signed(assertion()))).decode()
    assert assume(server, said) and assume(server, said)


def changed(element, change):
    """The element as somebody on the way changed it."""
    element = reparsed(element)
    change(element)
    return element


def find(element, name, namespace=A):
    return next(element.iter(f"{{{namespace}}}{name}"))


def forged(id="_evil"):
    return assertion(name_id="admin", session="admin", id=id)


def wrapped():
    """Signature wrapping, XSW1 to XSW8 of Somorovsky and others: the signed element moved, a forged one where it is read."""
    whole, part = signed(response(assertion())), response(reparsed(signed(assertion())))

    def evil_response():
        return response(forged())

    def of(element):
        return reparsed(element), find(reparsed(element), "Signature", D)

    # 1, 2: a forged Response with the original in its signature, or beside it.
    original, _ = of(whole)
    one = evil_response()
    one.append(copy.deepcopy(find(original, "Signature", D)))
    bare = copy.deepcopy(original)
    bare.remove(find(bare, "Signature", D))
    one[-1].append(copy.deepcopy(bare))
    yield "1", one
    two = evil_response()
    two.append(bare)
    two.append(copy.deepcopy(find(original, "Signature", D)))
    yield "2", two
    # 3, 4: a forged Assertion before the original, or around it.
    yield "3", changed(part, lambda r: r.insert(2, forged()))
    four = reparsed(part)
    inner = find(four, "Assertion")
    four.remove(inner)
    around = forged()
    around.append(inner)
    four.append(around)
    yield "4", four
    # 5, 6: the forged one has the signature, and the original is beside it or in it.
    for name, place in (("5", lambda r, bare, evil: r.append(bare)), ("6", lambda r, bare, evil: find(evil, "Signature", D).append(bare))):
        made = reparsed(part)
        inner = find(made, "Assertion")
        signature = find(inner, "Signature", D)
        evil = forged()
        evil.insert(1, copy.deepcopy(signature))
        inner.remove(signature)
        made.replace(inner, evil)
        place(made, inner, evil)
        yield name, made
    # 7: the original in Extensions; 8: in an Object of the forged one's signature.
    made = reparsed(part)
    inner = find(made, "Assertion")
    extensions = etree.Element(f"{{{saml.P}}}Extensions")
    made.replace(inner, forged())
    extensions.append(inner)
    made.insert(1, extensions)
    yield "7", made
    made = reparsed(part)
    inner = find(made, "Assertion")
    signature = copy.deepcopy(find(inner, "Signature", D))
    inner.remove(find(inner, "Signature", D))
    evil = forged()
    evil.insert(1, signature)
    made.replace(inner, evil)
    etree.SubElement(signature, f"{{{D}}}Object").append(inner)
    yield "8", made
    # The same with the forged one under the original's ID, or of another namespace, so that it is not counted.
    yield "same ID", changed(part, lambda r: r.insert(2, forged("_a1")))
    yield "forged ID", changed(signed(assertion()), lambda a: a.set("ID", "_evil"))
    other = etree.fromstring(etree.tostring(forged()).replace(A.encode(), b"urn:other"))
    yield "another namespace", changed(part, lambda r: r.insert(2, other))
    yield "a response in a response", response(reparsed(part), id="_outer")


@pytest.mark.parametrize(("name", "said"), list(wrapped()), ids=lambda one: one if isinstance(one, str) else "")
def test_a_wrapped_signature_opens_nothing(server, role, name, said):
    assert refusal(server, said) == INVALID


def set_text(name, text, namespace=A):
    return lambda element: setattr(find(element, name, namespace), "text", text)


def comment_in(element):
    """`alice` becomes `al<!---->ice`."""
    name = find(element, "NameID")
    name.text = "al"
    name.append(etree.Comment(" x "))
    name[0].tail = "ice"


def doubled_signature(element):
    element.insert(1, copy.deepcopy(find(element, "Signature", D)))


def algorithm(name, value):
    return lambda element: find(element, name, D).set("Algorithm", value)


def encrypted(element):
    etree.SubElement(element, f"{{{A}}}EncryptedAssertion")


@pytest.mark.parametrize(
    "change",
    [
        set_text("NameID", "admin"),
        set_text("AttributeValue", f"{role_arn('admin')},{saml.PROVIDER_ARN}"),
        lambda a: find(a, "SubjectConfirmationData").set("Recipient", "https://evil.example.com"),
        lambda a: find(a, "Conditions").set("NotOnOrAfter", saml.instant(90_000)),
        lambda a: a.set("extra", "1"),
        lambda a: a.remove(find(a, "Signature", D)),
        doubled_signature,
        set_text("DigestValue", "AAAA", D),
        set_text("SignatureValue", "AAAA", D),
        lambda a: find(a, "Reference", D).set("URI", ""),
        lambda a: find(a, "Reference", D).set("URI", "#other"),
        algorithm("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        algorithm("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        algorithm("DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1"),
        algorithm("CanonicalizationMethod", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        algorithm("Transform", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        lambda a: find(a, "Transforms", D).append(etree.Element(f"{{{D}}}Transform", Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116")),
        lambda a: find(a, "SignedInfo", D).append(copy.deepcopy(find(a, "Reference", D))),
        lambda a: find(a, "DigestValue", D).insert(0, etree.Comment("AAAA")),
        encrypted,
        lambda a: find(a, "Subject").append(etree.ProcessingInstruction("p", "x")),
    ],
)  # fmt: skip
def test_a_changed_assertion_opens_nothing(server, role, change):
    assert refusal(server, changed(signed(assertion()), change)) == INVALID
    assert refusal(server, response(changed(signed(assertion()), change))) == INVALID


def test_a_comment_in_a_text_cuts_nothing_off(server, role):
    # Canonical bytes without comments are the signed ones: the name is whole. With comments they are others.
    assert assume(server, changed(signed(assertion()), comment_in)).samlassertion_info.subject == "alice"
    kept = "EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS"
    assert refusal(server, changed(signed(assertion(), c14n=kept), comment_in)) == INVALID
    commented = assertion()
    comment_in(commented)
    assert refusal(server, signed(commented, c14n=kept)) == INVALID


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: assertion(), INVALID),
        (lambda: response(assertion()), INVALID),
        (lambda: signed(assertion(), STRANGER), INVALID),
        (lambda: signed(response(signed(assertion(), STRANGER))), INVALID),
        (lambda: signed(response(reparsed(signed(assertion()))), STRANGER), INVALID),
        (lambda: signed(assertion(), method="RSA_SHA1", digest="SHA1", signer=saml.Sha1Signer), INVALID),
        (lambda: signed(assertion(), digest="SHA1", signer=saml.Sha1Signer), INVALID),
        (lambda: signed(assertion(), c14n="CANONICAL_XML_1_0"), INVALID),
        (lambda: signed(response(assertion(), assertion(id="_a2"))), INVALID),
        (lambda: changed(signed(response(assertion())), lambda r: find(r, "Assertion").set("ID", "_r1")), INVALID),
        (lambda: signed(response(assertion(), status="Requester")), INVALID),
        (lambda: signed(response()), INVALID),
        (lambda: signed(etree.fromstring(f'<x ID="_x"><i/>{etree.tostring(assertion()).decode()}</x>')), INVALID),
        (lambda: signed(assertion(until=-120)), EXPIRED),
        (lambda: signed(assertion(confirmed_until=-120)), EXPIRED),
        (lambda: signed(assertion(session_until=-1)), EXPIRED),
        (lambda: signed(assertion(since=300)), INVALID),
        (lambda: signed(assertion(issued=300)), INVALID),
        (lambda: signed(assertion(issuer="https://other.example.com")), INVALID),
        (lambda: signed(assertion(audience="urn:amazon:webservices")), INVALID),
        (lambda: signed(assertion(audience=None)), INVALID),
        (lambda: signed(assertion(recipient=None)), INVALID),
        (lambda: signed(assertion(extra="<saml:OneTimeUse/>")), INVALID),
        (lambda: signed(assertion(extra="<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>")), INVALID),
        (lambda: signed(assertion(name_id="")), INVALID),
        (lambda: signed(assertion(roles=[role_arn("other")])), INVALID),
        (lambda: signed(assertion(provider=f"acs:ram::{ACCOUNT}:saml-provider/other")), INVALID),
        (lambda: signed(assertion(provider="acs:ram::1000000000000009:saml-provider/corp")), INVALID),
        (lambda: signed(assertion(duration="x")), INVALID),
        (lambda: signed(assertion(duration="60")), INVALID),
        (lambda: signed(assertion(session="a b")), ("InvalidParameter.RoleSessionName", 400)),
        (lambda: signed(assertion(recipient="https://evil.example.com")), DENIED),
    ],
)  # fmt: skip
def test_an_assertion_that_is_not_for_this_is_refused(server, role, make, code):
    assert refusal(server, make()) == code


def posted(server, said):
    """The code of an assertion that no URL can hold: the SDK puts it there, a form has room for the vendor's 100,000 characters."""
    wish = {"Action": "AssumeRoleWithSAML", "Version": "2015-04-01", "Format": "JSON", "SAMLProviderArn": saml.PROVIDER_ARN, "RoleArn": role_arn(), "SAMLAssertion": said}
    reply = requests.post(f"http://127.0.0.1:{server.http_port}/", data=wish, timeout=20)
    return reply.json().get("Code"), reply.status_code


def test_an_assertion_may_be_as_long_as_the_vendors(server, role):
    long = signed(assertion(recipient=saml.RECIPIENT, extra=f"<!--{'x' * 70_000}-->"))
    assert len(encoded(long)) > 90_000 and posted(server, encoded(long)) == (None, 200)
    assert posted(server, encoded(signed(assertion(extra=f"<!--{'x' * 75_000}-->")))) == INVALID


def test_what_is_no_plain_document_is_refused(server, role):
    good = etree.tostring(signed(assertion())).decode()
    for said in (
        "x", "AAAA", encoded(b"\xff\xfe"), encoded("<a/>"), encoded(good.replace("<saml:Issuer>", "<saml:Issuer><![CDATA[]]>&e;", 1)),
        encoded(f"<!DOCTYPE saml:Assertion []>{good}"), encoded(f"<!DOCTYPE a [<!ENTITY e 'x'>]>{good}"), encoded(f"<?p x?>{good}"),
        encoded(good + good), encoded("<a>" * 20_000), encoded("<a>" * 9_000 + "</a>" * 9_000), "A" * 100_004,
        encoded("<a " + " ".join(f'a{n}=""' for n in range(8_000)) + "/>"), encoded(good.replace("<saml:Issuer>", "<saml:Issuer>" + "x" * 80_000, 1)),
    ):  # fmt: skip
        assert posted(server, said) == INVALID, said[:60]


def test_the_trust_policy_alone_decides(server, role):
    server.api("ram", "CreateRole", RoleName="any-recipient", AssumeRolePolicyDocument=trusting(saml.PROVIDER_ARN, "Federated"))
    arn = role_arn("any-recipient")
    said = signed(assertion([role, arn, role_arn("absent"), role_arn("untrusting")], recipient="https://sluice.example.com/saml"))
    assert assume(server, said, arn).samlassertion_info.recipient == "https://sluice.example.com/saml"
    assert refusal(server, said) == DENIED
    assert refusal(server, said, role_arn("absent")) == ("EntityNotExist.RoleArn", 404)
    server.api("ram", "CreateRole", RoleName="untrusting", AssumeRolePolicyDocument=trusting(f"acs:ram::{ACCOUNT}:root"))
    assert refusal(server, said, role_arn("untrusting")) == DENIED


def test_another_accounts_provider_and_role_open_nothing(server, role):
    other = server.new_account("saml-neighbour")
    theirs = (other["AccessKeyId"], other["AccessKeySecret"])
    account = other["AccountId"]
    their_ims = Ims(sdk.config(server, theirs))
    their_ims.create_samlprovider(provider("corp", metadata(RSA)))
    their_provider = f"acs:ram::{account}:saml-provider/corp"
    # Their provider has the same keys and name: what it says of our role is refused, by whichever provider it comes.
    said = signed(assertion(provider=their_provider))
    assert refusal(server, said) == INVALID
    assert refusal(server, said, samlprovider_arn=their_provider) == DENIED
    server.api("ram", "CreateRole", theirs, RoleName="open", AssumeRolePolicyDocument=trusting(saml.PROVIDER_ARN, "Federated"))
    foreign = role_arn("open", account)
    assert refusal(server, signed(assertion([foreign])), foreign) == DENIED
    assert refusal(server, signed(assertion()), samlprovider_arn=f"acs:ram::{ACCOUNT}:saml-provider/none") == ("EntityNotExist.SAMLProvider", 404)


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("InvalidParameter.SAMLProviderArn", {"samlprovider_arn": "corp"}),
        ("InvalidParameter.SAMLProviderArn", {"samlprovider_arn": f"acs:ram::{ACCOUNT}:oidc-provider/corp"}),
        ("InvalidParameter.RoleArn", {"role_arn": "sso"}),
        ("MissingParameter.SAMLProviderArn", {"samlprovider_arn": None}),
        ("MissingParameter.RoleArn", {"role_arn": None}),
        ("MissingParameter.SAMLAssertion", {"samlassertion": None}),
        ("InvalidParameter.DurationSeconds", {"duration_seconds": 1}),
        ("InvalidParameter.DurationSeconds", {"duration_seconds": 3601}),
        ("InvalidParameter.PolicyGrammar", {"policy": "{}"}),
        ("InvalidParameter.PolicySize", {"policy": document(allow("ram:GetUser", "x" * 2100))}),
    ],
)
def test_a_wish_that_breaks_a_rule_is_refused(server, role, code, fields):
    assert refusal(server, signed(assertion()), **fields) == (code, 400)


def lifetime(reply):
    until = datetime.datetime.fromisoformat(reply.credentials.expiration)
    return (until - datetime.datetime.now(datetime.UTC)).total_seconds()


def test_a_session_is_no_longer_than_the_assertion_says(server, role):
    assert 3500 < lifetime(assume(server, signed(assertion()))) <= 3600
    assert 1100 < lifetime(assume(server, signed(assertion(duration="1200")))) <= 1200
    assert 1100 < lifetime(assume(server, signed(assertion(duration="1200")), duration_seconds=1800)) <= 1200
    assert 800 < lifetime(assume(server, signed(assertion(duration="1200")), duration_seconds=900)) <= 900
    assert 500 < lifetime(assume(server, signed(assertion(session_until=600)))) <= 600


def test_what_the_assertion_says_is_cut_to_what_the_role_allows(server, ims):
    server.api("ram", "CreateRole", RoleName="longer", MaxSessionDuration=7200, AssumeRolePolicyDocument=trusting(saml.PROVIDER_ARN, "Federated"))
    usual, longer = role_arn(), role_arn("longer")
    said = signed(assertion([usual, longer], duration="43200"))
    assert 3500 < lifetime(assume(server, said)) <= 3600
    assert 7100 < lifetime(assume(server, said, longer)) <= 7200
    assert 3500 < lifetime(assume(server, signed(assertion([longer])), longer)) <= 3600
    assert 5000 < lifetime(assume(server, signed(assertion([longer], duration="43200", session_until=5100)), longer)) <= 5100
    # What was sent is refused, though the assertion would cut it.
    assert refusal(server, signed(assertion(duration="900")), duration_seconds=3601) == ("InvalidParameter.DurationSeconds", 400)


@pytest.mark.parametrize(
    ("name_format", "shown"),
    [
        ("urn:oasis:names:tc:SAML:2.0:nameid-format:transient", "transient"),
        ("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent/transient", "persistent/transient"),
        ("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"),
        ("https://idp.example.com:8443/name", "https://idp.example.com:8443/name"),
        (None, "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"),
    ],
)
def test_a_subjects_type_is_its_format_without_the_prefix_of_saml_2(server, role, name_format, shown):
    assert assume(server, signed(assertion(name_format=name_format))).samlassertion_info.subject_type == shown


def test_a_session_acts_by_its_role_and_dies_with_it(server, ims):
    server.api("ram", "CreateRole", RoleName="short-lived", AssumeRolePolicyDocument=trusting(saml.PROVIDER_ARN, "Federated"))
    attach(server, "short-lived", "short-lived-reads", allow("ram:GetUser", "*"))
    server.new_user("seen-by-saml")
    arn = role_arn("short-lived")
    given = assume(server, signed(assertion([arn])), arn).credentials
    client = session(server, (given.access_key_id, given.access_key_secret, given.security_token), Ram)
    wish = m.GetUserRequest(user_name="seen-by-saml")
    assert client.get_user(wish).body.user.user_name == "seen-by-saml"
    assert sdk.code_of(lambda: client.list_users(m.ListUsersRequest())) == DENIED
    # What narrows it.
    narrowed = assume(server, signed(assertion([arn])), arn, policy=document(allow("ram:ListUsers", "*"))).credentials
    narrow = session(server, (narrowed.access_key_id, narrowed.access_key_secret, narrowed.security_token), Ram)
    assert sdk.code_of(lambda: narrow.get_user(wish)) == DENIED
    server.api("ram", "DetachPolicyFromRole", PolicyType="Custom", PolicyName="short-lived-reads", RoleName="short-lived")
    assert sdk.code_of(lambda: client.get_user(wish)) == DENIED
    server.api("ram", "DeleteRole", RoleName="short-lived")
    assert sdk.code_of(lambda: client.get_user(wish)) == ("InvalidSecurityToken.Expired", 400)


def test_nobody_comes_by_a_provider_that_was_deleted(server, ims):
    ims.create_samlprovider(provider("leaving", metadata(RSA)))
    arn, of = role_arn("leavers"), f"acs:ram::{ACCOUNT}:saml-provider/leaving"
    server.api("ram", "CreateRole", RoleName="leavers", AssumeRolePolicyDocument=trusting(of, "Federated"))
    said = signed(assertion([arn], provider=of))
    assert assume(server, said, arn, samlprovider_arn=of)
    ims.delete_samlprovider(i.DeleteSAMLProviderRequest(samlprovider_name="leaving"))
    assert refusal(server, said, arn, samlprovider_arn=of) == ("EntityNotExist.SAMLProvider", 404)


def test_the_vectors_of_the_canonical_form_are_what_lxml_writes():
    for vector in json.loads(VECTORS.read_text()):
        root = etree.fromstring(vector["source"].encode())
        element = next(node for node in root.iter() if isinstance(node.tag, str) and etree.QName(node).localname == "e")
        inclusive = [prefix or "#default" for prefix in vector["inclusive"]]
        written = etree.tostring(
            element, method="c14n", exclusive=True, with_comments=vector["with_comments"], inclusive_ns_prefixes=inclusive or None, with_tail=False,
        )  # fmt: skip
        assert written.decode() == vector["canonical"], vector["source"]
