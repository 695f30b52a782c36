"""From where AccessKeys may be used: the four operations by the vendor's SDK, and what a list does to calls, connections and what waits.

Clients come from 127.0.0.1; a list of 10.0.0.0/8 forbids them, one of 127.0.0.0/8 allows them.
"""

import json
import time

import pytest
from alibabacloud_ims20190815 import models as i
from alibabacloud_ims20190815.client import Client as Ims
from alibabacloud_ram20150501.client import Client as Ram
from alibabacloud_sts20150401.client import Client as Sts
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdksts.request.v20150401.GetCallerIdentityRequest import GetCallerIdentityRequest

from support import sdk
from support.devices import attempt, connected, refusal, subscribed
from support.roles import assume, make_role, session
from support.server import ACCOUNT, ALIAS, INSTANCE, access, allow, group, topic, until

HERE, ELSEWHERE = ["127.0.0.0/8"], ["10.0.0.0/8", "2001:db8::/32"]
NOT_FROM_HERE = ("InvalidAccessKeyId.SourceIpNotAllowed", 403)
CLOSED_WITHIN_S = 1
NONE = {"Version": 1, "Status": "Inactive", "Statements": []}


def policy(addresses, status="Active", kind="ClassicWhiteList"):
    return json.dumps({"Version": 1, "Status": status, "Statements": [{"Type": kind, "IPList": addresses}]})


def named(user, domain=ALIAS):
    return f"{user}@{domain}.onaliyun.com"


def set_policy(server, user, key, text, by=None):
    request = i.SetAccessKeyPolicyRequest(access_key_policy=text, user_access_key_id=key[0], user_principal_name=named(user))
    return Ims(sdk.config(server, by)).set_access_key_policy(request).body


def get_policy(server, user, key, by=None):
    request = i.GetAccessKeyPolicyRequest(user_access_key_id=key[0], user_principal_name=named(user))
    return json.loads(Ims(sdk.config(server, by)).get_access_key_policy(request).body.access_key_policy)


def set_for_account(server, text, by=None):
    return Ims(sdk.config(server, by)).set_access_key_policy_for_account(i.SetAccessKeyPolicyForAccountRequest(access_key_policy=text))


def get_for_account(server, by=None):
    request = i.GetAccessKeyPolicyForAccountRequest()
    return json.loads(Ims(sdk.config(server, by)).get_access_key_policy_for_account(request).body.access_key_policy)


@pytest.fixture(scope="module", autouse=True)
def place(server):
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="home")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_home")


@pytest.fixture
def user(server, request):
    """A user of the test's own with a key that may all on `home`; its name and key."""
    name = f"u{abs(hash(request.node.name)) % 10**8}"
    return name, server.new_user(name, access(), topic("home"), topic("home/#"), group("GID_home"), allow("ram:GetUser", "*"))


def says(server, key):
    """What a V3 call with the key is answered; None when it is done."""
    try:
        sdk.sts(server, key).get_caller_identity()
    except Exception as error:  # The SDK raises several types.
        return error.code, error.status_code
    return None


def test_a_policy_is_set_read_back_and_taken_away(server, user):
    name, key = user
    assert get_policy(server, name, key) == NONE
    body = set_policy(server, name, key, policy(HERE))
    assert body.access_key_id == key[0] and json.loads(body.access_key_policy) == json.loads(policy(HERE))
    assert get_policy(server, name, key) == json.loads(policy(HERE))
    set_policy(server, name, key, json.dumps(NONE))
    assert get_policy(server, name, key) == NONE


def test_an_accounts_policy_is_set_read_back_and_taken_away(server):
    set_for_account(server, policy(HERE))
    assert get_for_account(server) == json.loads(policy(HERE))
    set_for_account(server, json.dumps(NONE))
    assert get_for_account(server) == NONE


@pytest.mark.parametrize(
    "text",
    (
        "", "x", "[]", json.dumps({"Version": 1, "Status": "Active", "Statements": None}), policy(["300.0.0.1"]), policy(["10.0.0.0/33"]),
        policy(HERE, status="On"), policy(HERE, kind="BlackList"), json.dumps({"Version": 2, "Status": "Active", "Statements": []}),
    ),
)  # fmt: skip
def test_a_malformed_policy_is_refused(server, user, text):
    code, status = sdk.code_of(lambda: set_policy(server, *user, text))
    assert status == 400 and (code.startswith("InvalidParameter.AccessKeyPolicy") or code == "MissingAccessKeyPolicy")
    assert get_policy(server, *user) == NONE


def test_a_policy_has_its_limits(server, user):
    many = policy([f"10.0.0.{n}" for n in range(51)])
    statement = {"Type": "ClassicWhiteList", "IPList": HERE}
    long = json.dumps({"Version": 1, "Status": "Active", "Statements": [statement] * 9})
    for text in (many, long):
        assert sdk.code_of(lambda: set_policy(server, *user, text)) == ("InvalidParameter.AccessKeyPolicy.Length", 400)
    set_policy(server, *user, policy([f"127.0.0.{n}" for n in range(50)]))


@pytest.mark.parametrize("domain", [ALIAS, ACCOUNT, f"{ALIAS}.onaliyun.com", f"{ACCOUNT}.onaliyun.com"])
def test_a_user_is_named_in_every_form_of_a_logon_name(server, user, domain):
    (name, key), ims = user, Ims(sdk.config(server))
    of = {"user_access_key_id": key[0], "user_principal_name": f"{name}@{domain}"}
    ims.set_access_key_policy(i.SetAccessKeyPolicyRequest(access_key_policy=policy(HERE), **of))
    assert json.loads(ims.get_access_key_policy(i.GetAccessKeyPolicyRequest(**of)).body.access_key_policy) == json.loads(policy(HERE))


@pytest.mark.parametrize(
    ("logon_name", "code"),
    [
        ("@another", ("EntityNotExist.User", 404)),
        ("@another.onaliyun.com", ("EntityNotExist.User", 404)),
        ("@1000000000000009", ("EntityNotExist.User", 404)),
        ("", ("InvalidParameter.UserPrincipalName.Format", 400)),
        ("@", ("InvalidParameter.UserPrincipalName.Format", 400)),
        ("@.onaliyun.com", ("InvalidParameter.UserPrincipalName.Format", 400)),
        (f"@{ALIAS.upper()}", ("InvalidParameter.UserPrincipalName.Format", 400)),
        ("@idp.example.com", ("InvalidParameter.UserPrincipalName.Format", 400)),
        (f" b@{ALIAS}", ("InvalidParameter.UserPrincipalName.InvalidChars", 400)),
    ],
)
def test_a_logon_name_of_nobody_here_is_refused(server, user, logon_name, code):
    (name, key), ims = user, Ims(sdk.config(server))
    of = {"user_access_key_id": key[0], "user_principal_name": f"{name}{logon_name}"}
    assert sdk.code_of(lambda: ims.get_access_key_policy(i.GetAccessKeyPolicyRequest(**of))) == code
    assert sdk.code_of(lambda: ims.set_access_key_policy(i.SetAccessKeyPolicyRequest(access_key_policy=policy(HERE), **of))) == code
    assert get_policy(server, *user) == NONE


def test_who_may_not_is_refused_and_foreign_names_are_nobodys(server, user):
    name, key = user
    nobody = server.new_user(f"{name}-nobody")
    for call in (
        lambda: set_policy(server, name, key, policy(HERE), nobody), lambda: get_policy(server, name, key, nobody),
        lambda: set_for_account(server, policy(HERE), nobody), lambda: get_for_account(server, nobody),
    ):  # fmt: skip
        assert sdk.code_of(call) == ("NoPermission", 403)
    request = i.GetAccessKeyPolicyRequest(user_access_key_id=key[0], user_principal_name=named(name, "another"))
    assert sdk.code_of(lambda: Ims(sdk.config(server)).get_access_key_policy(request)) == ("EntityNotExist.User", 404)
    assert sdk.code_of(lambda: get_policy(server, name, nobody)) == ("EntityNotExist.User.AccessKey", 404)


def test_a_list_decides_calls_of_both_signatures_and_connects(server, user):
    name, key = user
    set_policy(server, name, key, policy(ELSEWHERE))
    assert says(server, key) == NOT_FROM_HERE
    with pytest.raises(ServerException) as refused:
        sdk.core_call(server, GetCallerIdentityRequest(), key)
    assert refused.value.error_code == NOT_FROM_HERE[0]
    assert refusal(server, key, "GID_home@@@new") == 0x87 and refusal(server, key, "GID_home@@@new", version=4) == 5
    # A wrong signature is not told of a list.
    assert says(server, (key[0], "x" * 30))[0] == "SignatureDoesNotMatch"
    set_policy(server, name, key, policy(HERE))
    assert says(server, key) is None and refusal(server, key, "GID_home@@@new") == 0
    # Nothing comes out of a private network of the vendor's here.
    set_policy(server, name, key, json.dumps({"Version": 1, "Status": "Active", "Statements": [
        {"Type": "VPCWhiteList", "Value": "AllowAllVPC", "IPList": HERE}]}))  # fmt: skip
    assert says(server, key) == NOT_FROM_HERE
    # Inactive replaces nothing.
    set_policy(server, name, key, policy(ELSEWHERE, status="Inactive"))
    assert says(server, key) is None


def test_a_new_list_closes_connections_and_stops_what_waits(server, user):
    name, key = user
    listener = server.new_user(f"{name}-l", access(), topic("home"), topic("home/#"), group("GID_home"))
    away = subscribed(server, listener, f"GID_home@@@{name}", "home/#", stored=True)
    away.disconnect()
    live = [connected(server, key, f"GID_home@@@{name}-{n}") for n in range(10)]
    assert live[0].publish("home/a", b"waits", 1).code == 0
    assert live[0].publish("home/kept", b"retained", 1, retain=True).code == 0
    before = time.monotonic()
    set_policy(server, name, key, policy(ELSEWHERE))
    for client in live:
        assert client.ended(CLOSED_WITHIN_S) == 0x87
    assert time.monotonic() - before < CLOSED_WITHIN_S + 1
    # What its key said from an address that is not listed any more is not delivered.
    back = attempt(server, listener, f"GID_home@@@{name}", stored=True)
    assert back.connack.session_present
    back.quiet(0.2)
    late = subscribed(server, listener, f"GID_home@@@{name}-late", "home/kept")
    late.quiet(0.2)
    set_policy(server, name, key, json.dumps(NONE))
    assert connected(server, key, f"GID_home@@@{name}-0")


def test_a_keys_list_stands_in_the_place_of_the_accounts(server, user):
    name, key = user
    other = server.new_user(f"{name}-o", access(), topic("home"), group("GID_home"))
    set_policy(server, name, key, policy(HERE))
    # The account keeps a way in for itself, or it could not take the list away.
    root = server.api("ram", "ListAccessKeys")["AccessKeys"]["AccessKey"][0]["AccessKeyId"]
    request = i.SetAccessKeyPolicyRequest(access_key_policy=policy(HERE), user_access_key_id=root)
    Ims(sdk.config(server)).set_access_key_policy(request)
    client = connected(server, other, f"GID_home@@@{name}-o")
    try:
        set_for_account(server, policy(ELSEWHERE))
        assert says(server, other) == NOT_FROM_HERE and client.ended(CLOSED_WITHIN_S) == 0x87
        assert says(server, key) is None and connected(server, key, f"GID_home@@@{name}")
    finally:
        set_for_account(server, json.dumps(NONE))
    assert says(server, other) is None


def test_a_session_of_a_role_knows_no_list(server, user):
    name, key = user
    server.grant(name, f"{name}-assumes", allow("sts:AssumeRole", "*"))
    make_role(server, f"{name}-role", f"acs:ram::{ACCOUNT}:root", allow("ram:GetUser", "*"))
    given = assume(server, key, f"{name}-role")
    set_policy(server, name, key, policy(ELSEWHERE))
    assert sdk.code_of(lambda: assume(server, key, f"{name}-role")) == NOT_FROM_HERE
    assert session(server, given, Sts).get_caller_identity().body.identity_type == "AssumedRoleUser"
    assert session(server, given, Ram)


def test_a_list_outlives_a_restart_and_goes_with_its_key(server, user):
    name, key = user
    set_policy(server, name, key, policy(ELSEWHERE))
    server.end()
    server.start()
    assert says(server, key) == NOT_FROM_HERE and refusal(server, key, f"GID_home@@@{name}") == 0x87
    server.api("ram", "DeleteAccessKey", UserName=name, UserAccessKeyId=key[0])
    until(lambda: says(server, key)[0] == "InvalidAccessKeyId.NotFound", "the end of the key")
