"""AssumeRole and what a session of a role may do, by the vendor's SDKs in V3 and V1, and by MQTT clients."""

import base64
import json

import pytest
from alibabacloud_ram20150501 import models as m
from alibabacloud_ram20150501.client import Client as Ram
from alibabacloud_sts20150401 import models as s
from alibabacloud_sts20150401.client import Client as Sts
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkram.request.v20150501 import GetUserRequest

from support import sdk, shape
from support.mqtt import Client, connack, password
from support.roles import assume, make_role, session, trusting
from support.server import ACCOUNT, INSTANCE, access, allow, deny, document, group, topic

ROOT_ARN = f"acs:ram::{ACCOUNT}:root"


def role_arn(name, account=ACCOUNT):
    return f"acs:ram::{account}:role/{name}"


def may_assume(name="*", account="*"):
    return allow("sts:AssumeRole", f"acs:ram:*:{account}:role/{name}")


@pytest.fixture(scope="module")
def place(server):
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="home")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_role")
    make_role(server, "device", ROOT_ARN, access(), topic("home"), group("GID_role"), allow("ram:GetUser", "*"))
    return server.new_user("operator", may_assume())


def refusal(server, key, **fields):
    fields = {"role_arn": role_arn("device"), "role_session_name": "s1"} | fields
    return sdk.code_of(lambda: sdk.sts(server, key).assume_role(s.AssumeRoleRequest(**fields)))


def test_a_session_has_credentials_that_sign_and_end(server, place):
    reply = sdk.sts(server, place).assume_role(
        s.AssumeRoleRequest(role_arn=role_arn("device"), role_session_name="s1", duration_seconds=900, source_identity="ann")
    ).body
    assert reply.assumed_role_user.arn == f"acs:ram::{ACCOUNT}:role/device/s1"
    role_id, name = reply.assumed_role_user.assumed_role_id.split(":")
    assert name == "s1" and reply.source_identity == "ann"
    credentials = reply.credentials
    assert credentials.access_key_id.startswith("STS.") and credentials.expiration.endswith("Z")
    key = (credentials.access_key_id, credentials.access_key_secret, credentials.security_token)
    identity = session(server, key, Sts).get_caller_identity().body
    assert (identity.identity_type, identity.account_id) == ("AssumedRoleUser", ACCOUNT)
    assert identity.arn == f"acs:ram::{ACCOUNT}:assumed-role/device/s1"
    assert (identity.role_id, identity.principal_id, identity.user_id) == (role_id, f"{role_id}:s1", None)


def test_the_token_says_nothing_of_what_it_holds(server, place):
    key = assume(server, place, "device", policy=document(allow("ram:GetUser", "*")))
    sealed = base64.b64decode(key[2].removeprefix("v1."))
    for text in (key[0], key[1], "device", "GetUser", ACCOUNT):
        assert text not in key[2] and text.encode() not in sealed
    assert len(key[2]) < 2000
    largest = document(allow("ram:GetUser", ["acs:ram:*:*:user/" + "x" * 1900]))
    assert len(assume(server, place, "device", policy=largest)[2]) < 5000


def test_a_session_may_what_its_role_may_in_both_signatures(server, place):
    key = assume(server, place, "device")
    ram = session(server, key, Ram)
    assert ram.get_user(m.GetUserRequest(user_name="operator")).body.user.user_name == "operator"
    assert sdk.code_of(lambda: ram.list_users(m.ListUsersRequest())) == ("NoPermission", 403)
    request = GetUserRequest.GetUserRequest()
    request.set_UserName("operator")
    request.set_endpoint(f"127.0.0.1:{server.http_port}")
    request.set_protocol_type("http")
    old = AcsClient(region_id="cn-hangzhou", credential=StsTokenCredential(*key))
    reply = json.loads(old.do_action_with_exception(request))
    shape.record("2015-05-01", "GetUser", reply)
    assert reply["User"]["UserName"] == "operator"
    done = server.run(
        "api", "sts", "GetCallerIdentity", SLUICE_ENDPOINT=server.http, SLUICE_ACCESS_KEY_ID=key[0],
        SLUICE_ACCESS_KEY_SECRET=key[1], SLUICE_SECURITY_TOKEN=key[2],
    )  # fmt: skip
    assert json.loads(done.stdout)["IdentityType"] == "AssumedRoleUser"


def test_a_refusal_names_the_session(server, place):
    ram = session(server, assume(server, place, "device"), Ram)
    with pytest.raises(Exception) as refused:
        ram.list_users(m.ListUsersRequest())
    detail = refused.value.data["AccessDeniedDetail"]
    assert (detail["AuthPrincipalType"], detail["AuthPrincipalDisplayName"]) == ("AssumedRoleUser", "device:s1")


def test_a_token_and_a_key_belong_together(server, place):
    one, two = assume(server, place, "device"), assume(server, place, "device")
    code = lambda *key: sdk.code_of(lambda: session(server, key, Sts).get_caller_identity())
    assert code(one[0], one[1], two[2]) == ("InvalidSecurityToken.MismatchWithAccessKey", 400)
    assert code(one[0], two[1], one[2])[0] == "SignatureDoesNotMatch"
    assert code(place[0], place[1], one[2]) == ("InvalidSecurityToken.MismatchWithAccessKey", 400)
    middle = len(one[2]) // 2
    flipped = one[2][:middle] + ("A" if one[2][middle] != "A" else "B") + one[2][middle + 1 :]
    for token in (flipped, "nonsense", "v1.AAAA", "x" * 20_000):
        assert code(one[0], one[1], token) == ("InvalidSecurityToken.Malformed", 400)
    assert code(one[0], one[1], None) == ("MissingSecurityToken", 400)
    assert code("STS.unknown0unknown0unkn", one[1], None) == ("MissingSecurityToken", 400)


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("InvalidParameter.RoleArn", {"role_arn": "device"}),
        ("InvalidParameter.RoleArn", {"role_arn": f"acs:ram::{ACCOUNT}:user/operator"}),
        ("MissingRoleArn", {"role_arn": None}),
        ("InvalidParameter.RoleSessionName", {"role_session_name": "x"}),
        ("InvalidParameter.RoleSessionName", {"role_session_name": "x" * 65}),
        ("InvalidParameter.RoleSessionName", {"role_session_name": "a b"}),
        ("InvalidParameter.DurationSeconds", {"duration_seconds": 899}),
        ("InvalidParameter.DurationSeconds", {"duration_seconds": 3601}),
        ("InvalidParameter.PolicyGrammar", {"policy": "{}"}),
        ("InvalidParameter.PolicySize", {"policy": document(allow("*", "*")) + " " * 2048}),
        ("InvalidParameter.ExternalId", {"external_id": "x"}),
        ("InvalidParameter.ExternalId", {"external_id": "a b"}),
        ("InvalidParameter.SourceIdentity", {"source_identity": "a b"}),
    ],
)
def test_a_wish_that_breaks_a_rule_is_refused(server, place, code, fields):
    assert refusal(server, place, **fields) == (code, 400)


def test_a_faulty_session_policy_is_told_with_the_place_of_each_fault(server, place):
    def message(policy):
        wish = s.AssumeRoleRequest(role_arn=role_arn("device"), role_session_name="s1", policy=policy)
        with pytest.raises(Exception) as refused:
            sdk.sts(server, place).assume_role(wish)
        return refused.value.message

    faulty = '{"Version":"1","Statement":[{"Effect":"allow","Action":"mq:PUB","Resource":"*"}]}'
    told = message(faulty)
    assert 'The parameter "Policy" is invalid' in told and "/Statement/0/Effect (line 1, column 39)" in told, told
    assert "1 to 2048 are allowed" in message(document(allow("*", "*")) + " " * 2048)


def test_both_sides_have_to_say_yes(server, place):
    assert refusal(server, place, role_arn=role_arn("absent")) == ("EntityNotExist.Role", 404)
    no_right = server.new_user("no-right", allow("ram:*", "*"))
    assert refusal(server, no_right) == ("NoPermission", 403)
    assert refusal(server, no_right, role_arn=role_arn("absent")) == ("NoPermission", 403)
    assert refusal(server, None) == ("NoPermission", 403)
    make_role(server, "for-ann", f"acs:ram::{ACCOUNT}:user/operator")
    other = server.new_user("other", may_assume())
    assert refusal(server, other, role_arn=role_arn("for-ann")) == ("NoPermission", 403)
    assert assume(server, place, "for-ann")
    forbidden = server.new_user("forbidden", may_assume(), deny("sts:AssumeRole", f"acs:ram:*:{ACCOUNT}:role/device"))
    assert refusal(server, forbidden) == ("NoPermission", 403)
    service = json.dumps({"Version": "1", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs.aliyuncs.com"}}]})
    server.api("ram", "CreateRole", RoleName="for-ecs", AssumeRolePolicyDocument=service)
    assert refusal(server, place, role_arn=role_arn("for-ecs")) == ("NoPermission", 403)
    server.api("ram", "UpdateRole", RoleName="for-ann", NewAssumeRolePolicyDocument=trusting(f"acs:ram::{ACCOUNT}:user/other"))
    assert refusal(server, place, role_arn=role_arn("for-ann")) == ("NoPermission", 403)
    assert assume(server, other, "for-ann")


def test_a_trust_policy_reads_conditions(server, place):
    def role(name, operator, key, value):
        statement = {"Condition": {operator: {key: value}}}
        server.api("ram", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trusting(ROOT_ARN, **statement))

    role("external", "StringEquals", "sts:ExternalId", "secret-7")
    assert refusal(server, place, role_arn=role_arn("external"), external_id="secret-8")[0] == "NoPermission"
    assert refusal(server, place, role_arn=role_arn("external"))[0] == "NoPermission"
    assert assume(server, place, "external", external_id="secret-7")
    for name, operator, key, right, wrong in (
        ("ip", "IpAddress", "acs:SourceIp", "127.0.0.0/8", "192.0.2.0/24"),
        ("tls", "Bool", "acs:SecureTransport", "false", "true"),
        ("time", "DateLessThan", "acs:CurrentTime", "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"),
        ("who", "StringEquals", "acs:PrincipalARN", f"acs:ram::{ACCOUNT}:user/operator", f"acs:ram::{ACCOUNT}:user/x"),
    ):
        role(f"{name}-right", operator, key, right)
        role(f"{name}-wrong", operator, key, wrong)
        assert assume(server, place, f"{name}-right")
        assert refusal(server, place, role_arn=role_arn(f"{name}-wrong"))[0] == "NoPermission"
    role("mfa", "Bool", "acs:MFAPresent", "true")
    assert refusal(server, place, role_arn=role_arn("mfa"))[0] == "NoPermission"


def test_a_role_of_another_account_is_assumed_when_it_trusts_the_caller(server, place):
    other = server.new_account("landlord")
    theirs = (other["AccessKeyId"], other["AccessKeySecret"])
    make_role(server, "guest", ROOT_ARN, allow("ram:ListUsers", "*"), key=theirs)
    make_role(server, "closed", f"acs:ram::{other['AccountId']}:root", key=theirs)
    arn_ = lambda name: role_arn(name, other["AccountId"])
    key = assume(server, place, "guest", account=other["AccountId"])
    identity = session(server, key, Sts).get_caller_identity().body
    assert identity.account_id == other["AccountId"]
    assert session(server, key, Ram).list_users(m.ListUsersRequest()).body.users.user == []
    # What does not trust the caller, and what is not there, are one answer.
    for name in ("closed", "absent"):
        with pytest.raises(Exception) as refused:
            sdk.sts(server, place).assume_role(s.AssumeRoleRequest(role_arn=arn_(name), role_session_name="s1"))
        assert refused.value.code == "NoPermission" and "another account" in refused.value.message
    # Without a right of its own nobody leaves the account.
    own_only = server.new_user("own-only", may_assume(account=ACCOUNT))
    assert refusal(server, own_only, role_arn=arn_("guest")) == ("NoPermission", 403)


def test_who_may_assume_nothing_learns_of_no_role_of_another_account(server):
    other = server.new_account("neighbour")
    theirs = (other["AccessKeyId"], other["AccessKeySecret"])
    own = {"RAM": [f"acs:ram::{other['AccountId']}:root"]}
    rows = [("Deny", {"RAM": [ROOT_ARN]}), ("Allow", own)]
    statements = [{"Effect": effect, "Action": "sts:AssumeRole", "Principal": whom} for effect, whom in rows]
    trust = json.dumps({"Version": "1", "Statement": statements})
    server.api("ram", "CreateRole", key=theirs, RoleName="secret", AssumeRolePolicyDocument=trust)
    may_nothing = server.new_user("may-nothing")

    def answer(name, key):
        with pytest.raises(Exception) as refused:
            sdk.sts(server, key).assume_role(
                s.AssumeRoleRequest(role_arn=role_arn(name, other["AccountId"]), role_session_name="s1")
            )
        detail = refused.value.data["AccessDeniedDetail"]
        # The one field that is another with each refusal is what names it.
        detail.pop("EncodedDiagnosticMessage")
        message = refused.value.message.split(" request id:")[0]
        return refused.value.code, json.loads(json.dumps([message, detail]).replace(name, "a-role"))

    there, absent = answer("secret", may_nothing), answer("absent", may_nothing)
    assert there == absent and "another account" not in json.dumps(there), (there, absent)
    explicit = server.new_user("may-not", deny("sts:AssumeRole", "*"))
    assert answer("secret", explicit) == answer("absent", explicit)


def test_a_session_assumes_another_role_for_an_hour_at_most(server, place):
    make_role(server, "first", ROOT_ARN, may_assume())
    server.api(
        "ram", "CreateRole", RoleName="second", MaxSessionDuration=7200,
        AssumeRolePolicyDocument=trusting(f"acs:ram::{ACCOUNT}:role/first"),
    )  # fmt: skip
    assert refusal(server, place, role_arn=role_arn("second"))[0] == "NoPermission"
    first = assume(server, place, "first", source_identity="ann")
    sts = session(server, first, Sts)
    ask = lambda **more: sts.assume_role(s.AssumeRoleRequest(role_arn=role_arn("second"), role_session_name="s2", **more))
    assert ask(duration_seconds=3600).body.source_identity == "ann"
    assert sdk.code_of(lambda: ask(duration_seconds=3601)) == ("InvalidParameter.DurationSeconds", 400)
    assert sdk.code_of(lambda: ask(source_identity="bob")) == ("InvalidParameter.SourceIdentity", 400)
    narrowed = session(server, assume(server, place, "first", policy=document(allow("ram:*", "*"))), Sts)
    wish = s.AssumeRoleRequest(role_arn=role_arn("second"), role_session_name="s2")
    assert sdk.code_of(lambda: narrowed.assume_role(wish)) == ("NoPermission", 403)


def test_a_session_policy_narrows_and_never_widens(server, place):
    policy = document(allow("ram:*", "*"), deny("ram:GetUser", "acs:ram:*:*:user/secret"))
    ram = session(server, assume(server, place, "device", policy=policy), Ram)
    assert ram.get_user(m.GetUserRequest(user_name="operator")).body.user
    assert sdk.code_of(lambda: ram.get_user(m.GetUserRequest(user_name="secret"))) == ("NoPermission", 403)
    assert sdk.code_of(lambda: ram.list_users(m.ListUsersRequest())) == ("NoPermission", 403)
    nothing = session(server, assume(server, place, "device", policy=document(allow("mq:PUB", "*"))), Ram)
    assert sdk.code_of(lambda: nothing.get_user(m.GetUserRequest(user_name="operator"))) == ("NoPermission", 403)


def test_a_token_dies_with_its_role_for_good(server, place):
    make_role(server, "mortal", ROOT_ARN)
    key = assume(server, place, "mortal")
    call = lambda: session(server, key, Sts).get_caller_identity()
    assert call().body.arn.endswith("mortal/s1")
    server.api("ram", "DeleteRole", RoleName="mortal")
    assert sdk.code_of(call) == ("InvalidSecurityToken.Expired", 400)
    make_role(server, "mortal", ROOT_ARN)
    assert sdk.code_of(call) == ("InvalidSecurityToken.Expired", 400)


def test_a_nonce_is_good_once_for_each_temporary_key(server, place, monkeypatch):
    key = assume(server, place, "device")
    request = GetUserRequest.GetUserRequest()
    request.set_UserName("operator")
    request.set_endpoint(f"127.0.0.1:{server.http_port}")
    request.set_protocol_type("http")
    monkeypatch.setattr("aliyunsdkcore.utils.parameter_helper.get_uuid", lambda: "the-same-nonce")
    old = AcsClient(region_id="cn-hangzhou", credential=StsTokenCredential(*key))
    old.do_action_with_exception(request)
    with pytest.raises(Exception) as refused:
        old.do_action_with_exception(request)
    assert refused.value.get_error_code() == "SignatureNonceUsed"
    second = AcsClient(region_id="cn-hangzhou", credential=StsTokenCredential(*assume(server, place, "device")))
    second.do_action_with_exception(request)


@pytest.mark.parametrize("version", [4, 5])
def test_a_session_connects_publishes_and_is_shown(server, place, version):
    client_id = f"GID_role@@@mqtt-{version}"
    client = Client(server, assume(server, place, "device"), client_id, version=version)
    assert client.subscribe("home/#") == [1]
    assert client.publish("home/a", "hello") == 0
    client.receives("hello")
    rows = server.api("onsmqtt", "ListMqttSession", InstanceId=INSTANCE)["Sessions"]
    row = next(row for row in rows if row["ClientId"] == client_id)
    assert (row["Principal"], row["Mode"]) == (role_arn("device"), "Role"), row
    # The role owns the client ID: another session of it takes over, a user does not.
    again = Client(server, assume(server, place, "device"), client_id, version=version)
    client.is_closed()
    everything = allow("mq:*", "*")
    name = f"everything-{version}"
    assert connack(server, server.new_user(name, everything), client_id, version=version) == {4: 0x87, 5: 0x87}[version]
    again.stop()


@pytest.mark.parametrize("version", [4, 5])
def test_a_session_that_does_not_prove_itself_does_not_connect(server, place, version):
    one, two = assume(server, place, "device"), assume(server, place, "device")
    permanent = server.new_user(f"permanent-{version}", access())
    bad = {4: 0x86, 5: 0x86}[version]
    client_id = f"GID_role@@@bad-{version}"
    for key in ((one[0], one[1]), (one[0], one[1], two[2]), (one[0], two[1], one[2]), (one[0], one[1], "x"), (*permanent, one[2])):
        assert connack(server, key, client_id, version=version) == bad, key[0]
    assert connack(server, one, client_id, version=version) == 0


def test_mqtt_login_prints_what_a_session_connects_with(server, place):
    key = assume(server, place, "device")
    done = server.run(
        "mqtt-login", "--access-key-id", key[0], "--access-key-secret", key[1], "--security-token", key[2],
        "--instance", INSTANCE, "--client-id", "GID_role@@@cli",
    )  # fmt: skip
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert lines["Username"] == f"Signature|{key[0]}|{INSTANCE}|{key[2]}"
    assert lines["Password"] == password(key[1], "GID_role@@@cli")
