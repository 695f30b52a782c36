"""OIDC providers, and roles that are assumed by their tokens; the issuer is a server of the test's own, its tokens are PyJWT's."""

import hashlib
import http.server
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

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
from support.server import ACCOUNT, Server, allow, document, until

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
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("location", f"{issuer.url}/elsewhere")
                # A body that only the end of the connection ends could be cut off by anybody on the way.
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

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
def server(tmp_path_factory):
    """A server that asks issuers on this host."""
    running = Server(tmp_path_factory.mktemp("data") / "data", "--allow-local-issuers")
    yield running
    assert running.stop() == 0, running.log()


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
    assert sdk.code_of(lambda: ims.list_oidcproviders(i.ListOIDCProvidersRequest(max_items=101))) == ("InvalidParameter.MaxItems", 400)
    assert ims.list_oidcproviders(i.ListOIDCProvidersRequest(max_items=100)).body.is_truncated is False
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
        ("MissingClientIds", {"client_ids": ","}),
        ("MissingClientIds", {"client_ids": " , ,"}),
        ("InvalidParameter.ClientIds.InvalidChars", {"client_ids": ".a"}),
        ("MissingFingerprints", {}),
        ("MissingFingerprints", {"fingerprints": ","}),
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


def made_with(server, ims, name, change):
    """A role of an issuer of its own that answers otherwise; the code of a right token."""
    other = Issuer()
    change(other)
    ims.create_oidcprovider(provider(name, other.url))
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


def test_an_issuer_over_tls_is_known_by_the_certificate_that_is_pinned(server, ims, tmp_path):
    mine, strange = Authority(tmp_path, "idp.example.com"), tmp_path / "strange"
    strange.mkdir()
    strange = Authority(strange, "idp.example.com")
    chain = tmp_path / "chain.pem"
    chain.write_bytes(mine.cert.read_bytes() + mine.ca.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, mine.key)
    digest = lambda path, how: hashlib.new(how, ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()
    for name, prints, opens in (
        ("sha256", digest(mine.ca, "sha256"), True),
        ("sha1", digest(mine.ca, "sha1").upper(), True),
        ("strange", digest(strange.ca, "sha256"), False),
    ):
        other = Issuer(context)
        ims.create_oidcprovider(provider(f"tls-{name}", other.url, fingerprints=prints))
        arn = f"acs:ram::{ACCOUNT}:oidc-provider/tls-{name}"
        role = f"tls-{name}"
        server.api("ram", "CreateRole", RoleName=role, AssumeRolePolicyDocument=trusting(arn, "Federated"))
        if opens:
            assert assume(server, other.token(), f"acs:ram::{ACCOUNT}:role/{role}", arn)
        else:
            refused = refusal(server, other.token(), f"acs:ram::{ACCOUNT}:role/{role}", arn)
            assert refused == ("AuthenticationFail.IDPMetadata.Invalid", 401) and other.asked == []
        other.server.shutdown()


def test_keys_are_kept_and_an_unknown_one_asks_again_at_a_bounded_rate(server, issuer, role):
    assume(server, issuer.token(), role)
    before = len(issuer.asked)
    for _ in range(5):
        assume(server, issuer.token(), role)
        assert refusal(server, issuer.token(kid="unknown"), role)[0] == "AuthenticationFail.OIDCToken.Invalid"
    # One look is two documents.
    assert len(issuer.asked) - before <= 2


def unsigned(server, token, role, arn=ISSUER_ARN):
    """AssumeRoleWithOIDC as a stranger calls it: the status and the whole reply."""
    fields = {
        "Action": "AssumeRoleWithOIDC", "Version": "2015-04-01", "Format": "JSON", "OIDCProviderArn": arn, "RoleArn": role, "OIDCToken": token,
        "RoleSessionName": "job", "SignatureNonce": str(uuid.uuid4()), "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip
    try:
        with urllib.request.urlopen(f"{server.http}/", urllib.parse.urlencode(fields).encode(), timeout=20) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_whom_a_role_does_not_trust_is_told_nothing_and_the_account_everything(server, issuer, role):
    conditional = trusting(ISSUER_ARN, "Federated", **conditions(iss=issuer.url, nothing="x"))
    forbidding = json.dumps({"Version": "1", "Statement": [
        {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": {"Federated": [ISSUER_ARN]}},
    ]})  # fmt: skip
    server.api("ram", "CreateRole", RoleName="conditional", AssumeRolePolicyDocument=conditional)
    server.api("ram", "CreateRole", RoleName="forbidding", AssumeRolePolicyDocument=forbidding)
    replies = {}
    for name in ("deployer", "conditional", "forbidding", "never-made"):
        status, reply = unsigned(server, issuer.token(sub="repo:other"), f"acs:ram::{ACCOUNT}:role/{name}")
        replies[name] = reply["RequestId"]
        assert (status, reply["Code"], "AccessDeniedDetail" in reply) == (403, "NoPermission", False)
        bare = {key: value for key, value in reply.items() if key not in ("RequestId", "Recommend")}
        assert bare == replies.setdefault("bare", bare), name
    why = {name: server.api("ram", "ExplainDecision", DeniedRequestId=replies[name]) for name in replies if name != "bare"}
    for name, shown in why.items():
        assert (shown["Principal"], shown["Action"]) == (ISSUER_ARN, "sts:AssumeRole")
        assert shown["Resource"] == f"acs:ram:*:{ACCOUNT}:role/{name}" and shown["Context"]["oidc:sub"] == ["repo:other"]
    assert [why[name]["Decision"] for name in why] == ["ImplicitDeny", "ImplicitDeny", "ExplicitDeny", "ImplicitDeny"]
    assert why["conditional"]["MissingContextKeys"] == ["oidc:nothing"]


def test_nobody_comes_into_an_account_that_is_out_of_force_and_its_issuer_is_not_asked(server):
    other, mine = Issuer(), server.new_account("out-of-force")
    key, account = (mine["AccessKeyId"], mine["AccessKeySecret"]), mine["AccountId"]
    arn, role = f"acs:ram::{account}:oidc-provider/ci", f"acs:ram::{account}:role/open"
    Ims(sdk.config(server, key)).create_oidcprovider(provider("ci", other.url))
    server.api("ram", "CreateRole", key, RoleName="open", AssumeRolePolicyDocument=trusting(arn, "Federated"))
    switch = lambda verb: server.run("account", verb, "--id", account, "--data-dir", str(server.folder))
    switch("disable")
    assert unsigned(server, other.token(), role, arn)[0] == 403 and other.asked == []
    switch("enable")
    until(lambda: unsigned(server, other.token(), role, arn)[0] == 200, "an account in force again lets in")
    other.server.shutdown()


def test_local_issuers_are_the_operators_choice(tmp_path):
    strict, other = Server(tmp_path / "data"), Issuer()
    try:
        ims = Ims(sdk.config(strict))
        prints = "ab" * 20
        for url in (other.url, "https://127.0.0.1:1", "https://10.0.0.1", "https://169.254.169.254", "https://[fd00::1]"):
            refused = sdk.code_of(lambda: ims.create_oidcprovider(provider("ci", url, fingerprints=prints)))
            assert refused == ("InvalidParameter.IssuerUrl.Format", 400), url
        # A name says where it leads only when it is asked.
        port = other.server.server_address[1]
        ims.create_oidcprovider(provider("named", f"https://localhost:{port}", fingerprints=prints))
        arn = f"acs:ram::{ACCOUNT}:oidc-provider/named"
        assert refusal(strict, other.token(), f"acs:ram::{ACCOUNT}:role/x", arn) == ("AuthenticationFail.IDPMetadata.Invalid", 401)
        assert "no public address" in strict.log()
        # One that was made while it was allowed is not asked either.
        strict.end()
        strict.flags = ("--allow-local-issuers",)
        strict.start()
        Ims(sdk.config(strict)).create_oidcprovider(provider("ci", other.url))
        strict.end()
        strict.flags = ()
        strict.start()
        assert refusal(strict, other.token(), f"acs:ram::{ACCOUNT}:role/x")[0] == "AuthenticationFail.IDPMetadata.Invalid"
        assert other.asked == []
    finally:
        strict.kill()
        other.server.shutdown()


def test_all_who_come_while_the_keys_are_fetched_get_in(server, ims):
    other, go_on = Issuer(), threading.Event()
    answers = other.answers
    other.answers = lambda: go_on.wait(20) and answers()
    ims.create_oidcprovider(provider("slow", other.url))
    arn = f"acs:ram::{ACCOUNT}:oidc-provider/slow"
    server.api("ram", "CreateRole", RoleName="slow", AssumeRolePolicyDocument=trusting(arn, "Federated"))
    came = []
    call = lambda: came.append(unsigned(server, other.token(), f"acs:ram::{ACCOUNT}:role/slow", arn)[0])
    callers = [threading.Thread(target=call) for _ in range(5)]
    callers[0].start()
    until(lambda: other.asked, "the issuer is asked")
    for caller in callers[1:]:
        caller.start()
    go_on.set()
    for caller in callers:
        caller.join(20)
    assert came == [200] * 5 and len(other.asked) == 2
    other.server.shutdown()
