"""OIDC providers, and roles that are assumed by their tokens; the issuer is a server of the test's own, its tokens are PyJWT's."""

import http.server
import json
import ssl
import threading
import time

import jwt
import pytest
from alibabacloud_ims20190815 import models as i
from alibabacloud_ims20190815.client import Client as Ims
from alibabacloud_sts20150401 import models as s
from alibabacloud_sts20150401.client import Client as Sts
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from support import sdk
from support.certificates import Authority
from support.roles import session, trusting
from support.server import ACCOUNT, allow, document

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER_ARN = f"acs:ram::{ACCOUNT}:oidc-provider/ci"


def jwk(key, kid, algorithm):
    of = jwt.algorithms.RSAAlgorithm if algorithm == "RS256" else jwt.algorithms.ECAlgorithm
    return json.loads(of.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": algorithm}


class Issuer:
    """An issuer on a loopback port, whose answers a test may change."""

    def __init__(self, tls=None):
        issuer = self
        self.asked = []
        self.keys = [jwk(RSA, "rsa", "RS256"), jwk(EC, "ec", "ES256")]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                status, body = issuer.answers().get(self.path, (404, {}))
                self.send_response(status)
                self.send_header("location", f"{issuer.url}/elsewhere")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_address[1]}"
        self.issuer, self.jwks_uri, self.status = self.url, f"{self.url}/keys", 200
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answers(self):
        discovery = {"issuer": self.issuer, "jwks_uri": self.jwks_uri}
        return {
            "/.well-known/openid-configuration": (self.status, discovery),
            "/keys": (200, {"keys": [*self.keys, {"kty": "unknown"}]}),
        }

    def token(self, key=RSA, kid="rsa", algorithm="RS256", **claims):
        now = int(time.time())
        said = {"iss": self.url, "sub": "repo:device", "aud": "sluice", "iat": now, "exp": now + 600} | claims
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.server.shutdown()


def provider(name, url, **more):
    return i.CreateOIDCProviderRequest(oidcprovider_name=name, issuer_url=url, client_ids="sluice,other", **more)


@pytest.fixture(scope="module")
def ims(server, issuer):
    made = Ims(sdk.config(server))
    made.create_oidcprovider(provider("ci", issuer.url, issuance_limit_time=1))
    return made


def conditions(**keys):
    return {"Condition": {"StringEquals": {f"oidc:{name}": value for name, value in keys.items()}}}


@pytest.fixture(scope="module")
def role(server, issuer, ims):
    trust = trusting(ISSUER_ARN, "Federated", **conditions(iss=issuer.url, aud="sluice", sub="repo:device"))
    server.api("ram", "CreateRole", RoleName="deployer", AssumeRolePolicyDocument=trust)
    return f"acs:ram::{ACCOUNT}:role/deployer"


def assume(server, token, role, arn=ISSUER_ARN, **more):
    wish = {"oidcprovider_arn": arn, "role_arn": role, "oidctoken": token, "role_session_name": "job"} | more
    return sdk.sts(server).assume_role_with_oidc(s.AssumeRoleWithOIDCRequest(**wish)).body


def refusal(server, token, role, arn=ISSUER_ARN, **more):
    return sdk.code_of(lambda: assume(server, token, role, arn, **more))


def test_a_provider_is_made_shown_listed_and_deleted(ims):
    made = ims.create_oidcprovider(provider("idp", "https://idp.example.com", fingerprints="AB" * 20, description="d"))
    made = made.body.oidcprovider
    assert made.arn == f"acs:ram::{ACCOUNT}:oidc-provider/idp" and made.client_ids == "sluice,other"
    assert (made.fingerprints, made.issuance_limit_time) == ("ab" * 20, 12)
    shown = ims.get_oidcprovider(i.GetOIDCProviderRequest(oidcprovider_name="idp")).body.oidcprovider
    assert (shown.issuer_url, shown.description) == ("https://idp.example.com", "d")
    page = ims.list_oidcproviders(i.ListOIDCProvidersRequest(max_items=1)).body
    assert page.is_truncated and [one.oidcprovider_name for one in page.oidcproviders.oidcprovider] == ["ci"]
    page = ims.list_oidcproviders(i.ListOIDCProvidersRequest(max_items=1, marker=page.marker)).body
    assert [one.oidcprovider_name for one in page.oidcproviders.oidcprovider] == ["idp"]
    same = provider("other", "https://idp.example.com", fingerprints="AB" * 20)
    assert sdk.code_of(lambda: ims.create_oidcprovider(same)) == ("EntityAlreadyExists.OIDCProvider", 409)
    same = provider("idp", "https://other.example.com", fingerprints="AB" * 20)
    assert sdk.code_of(lambda: ims.create_oidcprovider(same)) == ("EntityAlreadyExists.OIDCProvider", 409)
    ims.delete_oidcprovider(i.DeleteOIDCProviderRequest(oidcprovider_name="idp"))
    for call in (
        lambda: ims.get_oidcprovider(i.GetOIDCProviderRequest(oidcprovider_name="idp")),
        lambda: ims.delete_oidcprovider(i.DeleteOIDCProviderRequest(oidcprovider_name="idp")),
    ):
        assert sdk.code_of(call) == ("EntityNotExist.OIDCProvider", 404)


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("InvalidParameter.OIDCProviderName.Format", {"oidcprovider_name": "-a"}),
        ("InvalidParameter.OIDCProviderName.InvalidChars", {"oidcprovider_name": "a b"}),
        ("InvalidParameter.IssuerUrl.Format", {"issuer_url": "http://idp.example.com"}),
        ("InvalidParameter.IssuerUrl.Format", {"issuer_url": "http://10.0.0.1"}),
        ("InvalidParameter.IssuerUrl.Format", {"issuer_url": "https://u@idp.example.com"}),
        ("InvalidParameter.IssuerUrl.Length", {"issuer_url": "https://" + "a" * 250}),
        ("MissingClientIds", {"client_ids": None}),
        ("InvalidParameter.ClientIds.InvalidChars", {"client_ids": ".a"}),
        ("MissingFingerprints", {}),
        ("InvalidParameter.Fingerprints.Format", {"fingerprints": "abc"}),
        ("InvalidParameter.IssuanceLimitTime", {"issuance_limit_time": 169, "fingerprints": "ab" * 20}),
    ],
)
def test_a_provider_that_breaks_a_rule_is_refused(ims, code, fields):
    wish = {"oidcprovider_name": "wrong", "issuer_url": "https://w.example.com", "client_ids": "a"} | fields
    assert sdk.code_of(lambda: ims.create_oidcprovider(i.CreateOIDCProviderRequest(**wish))) == (code, 400)


def test_whoever_has_no_right_is_refused_each_operation(server, ims):
    nobody = Ims(sdk.config(server, server.new_user("nobody")))
    for call in (
        lambda: nobody.create_oidcprovider(provider("x", "https://x.example.com", fingerprints="ab" * 20)),
        lambda: nobody.get_oidcprovider(i.GetOIDCProviderRequest(oidcprovider_name="ci")),
        lambda: nobody.list_oidcproviders(i.ListOIDCProvidersRequest()),
        lambda: nobody.delete_oidcprovider(i.DeleteOIDCProviderRequest(oidcprovider_name="ci")),
    ):
        assert sdk.code_of(call) == ("NoPermission", 403)


@pytest.mark.parametrize(("key", "kid", "algorithm"), [(RSA, "rsa", "RS256"), (RSA, "rsa", "PS256"), (EC, "ec", "ES256"), (RSA, None, "RS256")])
def test_a_token_of_the_issuer_opens_a_session(server, issuer, role, key, kid, algorithm):
    reply = assume(server, issuer.token(key, kid, algorithm), role, duration_seconds=900)
    info = reply.oidctoken_info
    assert (info.issuer, info.subject, info.client_ids) == (issuer.url, "repo:device", "sluice")
    assert reply.assumed_role_user.arn == f"acs:ram::{ACCOUNT}:role/deployer/job"
    given = reply.credentials
    credentials = (given.access_key_id, given.access_key_secret, given.security_token)
    identity = session(server, credentials, Sts).get_caller_identity().body
    assert identity.arn == f"acs:ram::{ACCOUNT}:assumed-role/deployer/job"


def test_a_token_that_is_not_what_it_says_opens_nothing(server, issuer, role):
    now = int(time.time())
    invalid, expired = ("AuthenticationFail.OIDCToken.Invalid", 401), ("AuthenticationFail.OIDCToken.Expired", 401)
    good = issuer.token()
    head, body, signature = good.split(".")
    forged = issuer.token(sub="repo:admin").split(".")[1]
    none = jwt.encode({"iss": issuer.url, "sub": "repo:device", "aud": "sluice", "iat": now, "exp": now + 60}, None, algorithm="none")
    for token in (
        "x", "a.b.c", f"{head}.{forged}.{signature}", f"{head}.{body}.", none, issuer.token(STRANGER), issuer.token(STRANGER, kid=None),
        issuer.token(RSA, "ec"), issuer.token(iss="https://other.example.com"), issuer.token(aud="stranger"), issuer.token(sub=None),
        issuer.token(exp=None), issuer.token(iat=None), issuer.token(iat=now + 3600), issuer.token(nbf=now + 3600), "x" * 20_000,
        jwt.encode({"iss": issuer.url, "sub": "repo:device", "aud": "sluice", "iat": now, "exp": now + 60}, "secret" * 8, algorithm="HS256", headers={"kid": "rsa"}),
    ):  # fmt: skip
        assert refusal(server, token, role) == invalid, token
    assert refusal(server, issuer.token(exp=now - 1), role) == expired
    # The provider takes tokens of the last hour.
    assert refusal(server, issuer.token(iat=now - 3700), role) == expired


def test_the_trust_policy_alone_decides(server, issuer, role):
    denied = ("NoPermission", 403)
    assert refusal(server, issuer.token(sub="repo:other"), role) == denied
    assert refusal(server, issuer.token(aud="other"), role) == denied
    assert assume(server, issuer.token(aud=["other", "sluice"]), role)
    assert refusal(server, issuer.token(), f"acs:ram::{ACCOUNT}:role/absent") == denied
    server.api("ram", "CreateRole", RoleName="not-federated", AssumeRolePolicyDocument=trusting(f"acs:ram::{ACCOUNT}:root"))
    assert refusal(server, issuer.token(), f"acs:ram::{ACCOUNT}:role/not-federated") == denied
    assert refusal(server, issuer.token(), role, f"acs:ram::{ACCOUNT}:oidc-provider/none") == ("EntityNotExist.OIDCProvider", 404)
    other = server.new_account("neighbour")
    theirs = (other["AccessKeyId"], other["AccessKeySecret"])
    server.api("ram", "CreateRole", theirs, RoleName="open", AssumeRolePolicyDocument=trusting(ISSUER_ARN, "Federated"))
    assert refusal(server, issuer.token(), f"acs:ram::{other['AccountId']}:role/open") == denied


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("InvalidParameter.OIDCProviderArn", {"oidcprovider_arn": "ci"}),
        ("InvalidParameter.RoleArn", {"role_arn": "deployer"}),
        ("MissingOIDCToken", {"oidctoken": None}),
        ("InvalidParameter.RoleSessionName", {"role_session_name": "x"}),
        ("InvalidParameter.DurationSeconds", {"duration_seconds": 1}),
        ("InvalidParameter.DurationSeconds", {"duration_seconds": 3601}),
        ("InvalidParameter.PolicyGrammar", {"policy": "{}"}),
    ],
)
def test_a_wish_that_breaks_a_rule_is_refused(server, issuer, role, code, fields):
    assert refusal(server, issuer.token(), role, **fields) == (code, 400)


def test_a_session_policy_narrows_a_federated_session(server, issuer, role):
    assert assume(server, issuer.token(), role, policy=document(allow("ram:GetUser", "*")))


def made_with(server, ims, name, change, **more):
    """A role of an issuer of its own that answers otherwise; the code of a right token."""
    other = Issuer(**more)
    change(other)
    prints = {"fingerprints": more["prints"]} if "prints" in more else {}
    ims.create_oidcprovider(provider(name, other.url, **prints))
    arn = f"acs:ram::{ACCOUNT}:oidc-provider/{name}"
    server.api("ram", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trusting(arn, "Federated"))
    code = refusal(server, other.token(), f"acs:ram::{ACCOUNT}:role/{name}", arn)
    other.server.shutdown()
    return code, other.asked


def test_an_issuer_that_answers_otherwise_is_not_believed_nor_followed(server, ims):
    unreadable = ("AuthenticationFail.IDPMetadata.Invalid", 401)
    first = "/.well-known/openid-configuration"

    def redirect(other):
        other.status = 302

    def elsewhere(other):
        other.jwks_uri = "http://127.0.0.1:1/keys"

    def another(other):
        other.issuer = "https://another.example.com"

    for name, change in (("redirects", redirect), ("elsewhere", elsewhere), ("another", another)):
        assert made_with(server, ims, name, change) == (unreadable, [first])


def test_keys_are_kept_and_an_unknown_one_asks_again_at_a_bounded_rate(server, issuer, role):
    assume(server, issuer.token(), role)
    before = len(issuer.asked)
    for _ in range(5):
        assume(server, issuer.token(), role)
        assert refusal(server, issuer.token(kid="unknown"), role)[0] == "AuthenticationFail.OIDCToken.Invalid"
    # One look is two documents.
    assert len(issuer.asked) - before <= 2
