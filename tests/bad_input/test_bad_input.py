"""What must be refused in words: requests, packets, configuration, folders."""

import datetime
import hashlib
import hmac
import http.client
import json
import socket
import subprocess
import urllib.parse
import uuid
import xml.etree.ElementTree

import pytest
from alibabacloud_sts20150401 import models as s
from alibabacloud_tea_openapi.models import OpenApiRequest, Params

from support import sdk
from support.server import ACCOUNT, INSTANCE, REPOSITORY, ROOT_KEY, ROOT_SECRET, SLUICE, environment

EMPTY = hashlib.sha256(b"").hexdigest()
# As long as an assertion may be; over what an address holds.
LONG = {
    "SAMLProviderArn": f"acs:ram::{ACCOUNT}:saml-provider/absent", "RoleArn": f"acs:ram::{ACCOUNT}:role/absent",
    "SAMLAssertion": "A" * 100_000,
}  # fmt: skip


def send(server, method="POST", path="/", headers=None, body=b""):
    """A raw request; status, headers and JSON body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    connection.request(method, path, body=body, headers=headers or {})
    reply = connection.getresponse()
    text = reply.read()
    assert text, "an empty body"
    return reply.status, json.loads(text)


def signed(server, action="GetCallerIdentity", version="2015-04-01", at=None, nonce=None, query="", secret=ROOT_SECRET, key=ROOT_KEY):
    """The headers of a V3 request."""
    at = at or datetime.datetime.now(datetime.timezone.utc)
    headers = {
        "host": f"127.0.0.1:{server.http_port}",
        "x-acs-action": action,
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce or uuid.uuid4().hex,
        "x-acs-version": version,
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n{query}\n{lines}\n{names}\n{EMPTY}"
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"
    return headers


def code(server, **given):
    status, reply = send(server, headers=signed(server, **given))
    assert reply["RequestId"] and reply.get("HostId") is not None
    return status, reply["Code"]


def test_a_right_request_is_answered(server):
    assert send(server, headers=signed(server))[0] == 200


def test_a_request_that_is_wrong_gets_the_vendors_code(server):
    assert code(server, action="NoSuchAction") == (404, "InvalidAction.NotFound")
    assert code(server, version="2001-01-01") == (404, "InvalidAction.NotFound")
    assert code(server, secret="wrong")[1] == "SignatureDoesNotMatch"
    assert code(server, key="LTAIabsentabsentabsent00") == (404, "InvalidAccessKeyId.NotFound")
    assert code(server, action="GetUser", version="2015-05-01") == (400, "MissingUserName")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_timestamp_a_quarter_of_an_hour_off_is_refused(server, minutes):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    assert code(server, at=at) == (400, "InvalidTimeStamp.Expired")


def test_a_nonce_counts_once(server):
    nonce = uuid.uuid4().hex
    assert send(server, headers=signed(server, nonce=nonce))[0] == 200
    assert code(server, nonce=nonce) == (400, "SignatureNonceUsed")


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("GET", "/", b"", None),
        ("POST", "/", b"Action=\xff\xfe&Version=2015-05-01", "application/x-www-form-urlencoded"),
        ("POST", "/", b"%zz=1", "application/x-www-form-urlencoded"),
        ("GET", "/?Action=GetUser&Action=ListUsers&Version=2015-05-01", b"", None),
        ("POST", "/", b"x" * (2 * 1024 * 1024), "application/x-www-form-urlencoded"),
        ("PUT", "/", b"", None),
        ("POST", "/?Action=ListUsers&Version=2015-05-01", b"", None),
        ("GET", "/?Action=ListUsers&Version=2015-05-01&Signature=x", b"", None),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_body(server, method, path, body, kind):
    status, reply = send(server, method, path, {"content-type": kind} if kind else {}, body)
    assert 400 <= status < 500 and reply["Code"] and reply["Message"] and reply["RequestId"]


def test_an_unsigned_header_and_a_changed_body_are_refused(server):
    headers = signed(server)
    headers["Authorization"] = headers["Authorization"].replace("host;", "")
    assert send(server, headers=headers)[1]["Code"] == "IncompleteSignature"
    status, _ = send(server, headers=signed(server), body=b"changed")
    assert status == 400


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothere?Action=ListUsers&Version=2015-05-01", (404, "InvalidApi.NotFound")),
        ("POST", "/x", (404, "InvalidApi.NotFound")),
        ("POST", "//", (404, "InvalidApi.NotFound")),
        ("PUT", "/healthz", (405, "UnsupportedHTTPMethod")),
        ("GET", "/?A=" + "a" * 100_000, (414, "RequestHeadTooLarge")),
        ("GET", "/?A=" + "a" * 1_000_000, (431, "RequestHeadTooLarge")),
    ],
)
def test_an_error_that_no_operation_wrote_has_the_body_of_any(server, method, path, expected):
    status, reply = send(server, method, path)
    assert (status, reply["Code"]) == expected and reply["Message"] and reply["RequestId"] and "HostId" in reply


@pytest.mark.parametrize("headers", [{"x-long": "a" * 1_000_000}, {f"x-{n}": "a" for n in range(200)}])
def test_headers_that_are_too_long_or_too_many_are_refused_with_a_body(server, headers):
    status, reply = send(server, headers=headers)
    assert (status, reply["Code"]) == (431, "RequestHeadTooLarge") and reply["RequestId"]


def test_a_head_that_is_far_too_long_is_answered_before_it_has_ended(server):
    """The server reads on for a while, so that its answer is not lost with the connection."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=15) as peer:
        peer.sendall(b"GET /?A=" + b"a" * 4_000_000)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ") and json.loads(body)["Code"] == "RequestHeadTooLarge"


def test_an_address_that_is_not_served_is_refused_in_xml_where_xml_is_asked_for(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    connection.request("GET", "/nothere?Action=ListUsers&Format=XML")
    reply = connection.getresponse()
    root = xml.etree.ElementTree.fromstring(reply.read())
    assert (reply.status, reply.headers["content-type"]) == (404, "text/xml;charset=utf-8")
    assert (root.tag, root.findtext("Code")) == ("Error", "InvalidApi.NotFound") and root.findtext("RequestId")
    assert root.findtext("RequestId") == reply.headers["x-acs-request-id"]


def test_the_sdk_reads_that_its_address_is_too_long_and_a_form_carries_it(server):
    request = s.AssumeRoleWithSAMLRequest(
        samlprovider_arn=LONG["SAMLProviderArn"], role_arn=LONG["RoleArn"], samlassertion=LONG["SAMLAssertion"]
    )
    assert sdk.code_of(lambda: sdk.sts(server).assume_role_with_saml(request))[0] == "RequestHeadTooLarge"
    as_form = Params(
        action="AssumeRoleWithSAML", version="2015-04-01", protocol="HTTP", method="POST", auth_type="AK", style="RPC",
        pathname="/", req_body_type="formData", body_type="json",
    )  # fmt: skip
    call = lambda: sdk.sts(server).call_api(as_form, OpenApiRequest(body=LONG), sdk.RUNTIME)
    assert sdk.code_of(call)[0] == read_with(server, LONG)


def read_with(server, parameters):
    """The code that `sluice api` gets for an assertion that was read, and is none."""
    code, reply = server.api("sts", "AssumeRoleWithSAML", check=False, **parameters)
    assert reply["RequestId"] and code.startswith(("AuthenticationFail.", "EntityNotExist.", "NoPermission")), code
    return code


def test_sluice_api_sends_what_no_address_holds(server):
    allow = {"Effect": "Allow", "Action": "mq:PUB", "Resource": [f"acs:mq:*:*:topic/{INSTANCE}/{'a' * 60}/{n}" for n in range(60)]}
    documents = json.dumps([{"Version": "1", "Statement": [allow]}] * 20)
    assert len(documents) > 65_536
    done = server.api(
        "ram", "SimulatePolicy", PolicyDocuments=documents, Actions='["mq:PUB"]', Resources=json.dumps(allow["Resource"][:1])
    )
    assert [one["Decision"] for one in done["Results"]] == ["Allowed"]


@pytest.mark.parametrize("absent", ["Action", "Version", "AccessKeyId", "Signature", "Timestamp", "SignatureNonce", "SignatureMethod", "SignatureVersion"])
def test_an_absent_common_parameter_is_named(server, absent):
    parameters = {
        "Action": "ListUsers", "Version": "2015-05-01", "AccessKeyId": ROOT_KEY, "Signature": "x", "Timestamp": "2026-01-02T03:04:05Z",
        "SignatureNonce": "n", "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0",
    }  # fmt: skip
    del parameters[absent]
    status, reply = send(server, "GET", "/?" + urllib.parse.urlencode(parameters))
    assert (status, reply["Code"]) == (400, f"Missing{absent}")


@pytest.mark.parametrize("absent", ["Authorization", "x-acs-version", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"])
def test_an_absent_header_of_a_signature_is_told_as_incomplete(server, absent):
    headers = signed(server)
    del headers[absent]
    status, reply = send(server, headers=headers)
    assert (status, reply["Code"]) == (400, "IncompleteSignature") and absent in reply["Message"]


def test_parameters_out_of_bounds_are_refused(server):
    for operation, parameters, expected in (
        ("ListUsers", {"MaxItems": "0"}, "InvalidParameter.MaxItems"),
        ("ListUsers", {"MaxItems": "1001"}, "InvalidParameter.MaxItems"),
        ("ListUsers", {"Marker": "nonsense"}, "InvalidParameter.Marker"),
        ("CreateUser", {"UserName": "a" * 65}, "InvalidParameter.UserName.Length"),
        ("CreatePolicy", {"PolicyName": "p", "PolicyDocument": "not json"}, "MalformedPolicyDocument"),
        ("GetPolicy", {"PolicyName": "p", "PolicyType": "Other"}, "InvalidParameter.PolicyType"),
        ("DeleteUser", {"UserName": "nobody"}, "EntityNotExist.User"),
        ("SetPasswordPolicy", {"MinimumPasswordLength": "-1"}, "InvalidParameter.MinimumPasswordLength.Range"),
        ("SetPasswordPolicy", {"MinimumPasswordLength": "99999999999"}, "InvalidParameter.MinimumPasswordLength.Range"),
        ("SetPasswordPolicy", {"MinimumPasswordLength": "eight"}, "InvalidParameter.MinimumPasswordLength"),
        ("SetPasswordPolicy", {"MaxPasswordAge": "4294967296"}, "InvalidParameter.MaxPasswordAge.Range"),
        ("SetSecurityPreference", {"LoginSessionDuration": "-1"}, "InvalidParameter.LoginSessionDuration.Range"),
    ):
        assert server.api("ram", operation, check=False, **parameters)[0] == expected, operation


def test_a_topic_of_too_many_levels_is_refused_before_it_is_decided(server):
    deep = {"InstanceId": INSTANCE, "MqttTopic": "a/" * 128 + "a", "Payload": "x"}
    assert server.api("onsmqtt", "SendMessage", check=False, **deep)[0] == "InvalidParameter.MqttTopic"


def test_bytes_that_are_no_mqtt_close_the_connection_alone(server):
    for attack in (b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff", b"\x00" * 64, b"\x10\xff\xff\xff\x7f", b"\x30\x00"):
        with socket.create_connection(("127.0.0.1", server.mqtt_port), timeout=15) as peer:
            peer.sendall(attack)
            assert peer.recv(64) in (b"", b"\x20\x02\x00\x01"), attack
    assert server.api("sts", "GetCallerIdentity")["IdentityType"] == "Account"


def test_the_corpus_of_malformed_packets_meets_the_expected_reactions(server, tmp_path):
    script = REPOSITORY.parent / "shared" / "conformance" / "malformed.py"
    if not script.exists():
        pytest.skip("the conformance suite is not beside the repository")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_conf")
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="conf")
    result = tmp_path / "result.json"
    subprocess.run(
        ["python3", str(script), "--host", "127.0.0.1", "--port", str(server.mqtt_port), "--auth", "signature",
         "--ak", ROOT_KEY, "--secret", ROOT_SECRET, "--instance", INSTANCE, "--client-id-template", "GID_conf@@@{id}",
         "--topic-prefix", "conf/", "--json", str(result)],
        timeout=300, check=False, capture_output=True,
    )  # fmt: skip
    outcome = json.loads(result.read_text())
    outcome = outcome.get("summary", outcome)
    assert outcome["total"] == 485 and outcome["failing"] == []


@pytest.mark.parametrize(
    ("text", "key"), [("mqqt = 'x'", "mqqt"), ("http = 5", "http"), ("log-format = 'loud'", "log-format"), ("= =", "line 1")]
)
def test_a_damaged_configuration_names_the_key(tmp_path, text, key):
    path = tmp_path / "sluice.toml"
    path.write_text(text)
    done = subprocess.run(
        [SLUICE, "serve", "--config", str(path)], env=environment(), capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 2 and key in done.stderr


def test_an_unknown_flag_and_a_wrong_variable_are_refused(tmp_path):
    done = subprocess.run([SLUICE, "serve", "--datebase", "x"], env=environment(), capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "--datebase" in done.stderr
    wrong = environment() | {"SLUICE_ACCOUNT_ID": "12"}
    arguments = [SLUICE, "serve", "--data-dir", str(tmp_path / "d"), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    done = subprocess.run(arguments, env=wrong, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "SLUICE_ACCOUNT_ID" in done.stderr


def test_a_policy_file_is_checked_with_pointers(server, tmp_path):
    path = tmp_path / "policy.json"
    path.write_text('{"Version": "1", "Statement": [{"Effect": "Maybe", "Action": "mq:*", "Resource": "*"}]}')
    done = server.run("policy", "check", str(path), check=False)
    assert done.returncode == 1 and done.stdout == '/Statement/0/Effect: line 1, column 43: must be "Allow" or "Deny"\n'
    path.write_text('{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "mq:*", "Resource": "*"}]}')
    assert server.run("policy", "check", str(path)).stdout.strip() == "ok"
    allow = '{"Effect": "Allow", "Action": "%s", "Resource": "*"}'
    path.write_text('{"Version": "1", "Statement": [\n%s,\n%s]}' % (allow % "mq:PUBB", allow % "*"))
    done = server.run("policy", "check", str(path))
    assert done.stdout.splitlines() == [
        "warning: /Statement/0: line 2, column 1: this Allow changes nothing: the Allow at /Statement/1 says all of it",
        "warning: /Statement/0/Action: line 2, column 31: `mq` has no action `mq:PUBB` that is known",
        "ok",
    ]
