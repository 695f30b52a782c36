"""Why was it refused, what would change, and what is needed: DecodeDiagnosticMessage and our own operations beside it."""

import base64
import contextlib
import json
import re
import signal
import urllib.request

import pytest
from alibabacloud_ram20150501 import models as m
from support import codes, devices, packets, postgres, sdk
from support.packets import Kind
from support.raw import Closed, fresh
from support.server import ACCOUNT, ALIAS, INSTANCE, ROOT_KEY, ROOT_PASSWORD, ROOT_SECRET, access, allow, arn, deny, document, group, topic, until

GROUP = "GID_explain"
PARENT = "explained"
UUID = r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}"
NOWHERE = "6433284F-FBBD-505E-81E1-795938961B32"
ANSWERS = ["ram:DecodeDiagnosticMessage", "ram:SimulatePolicy", "ram:GenerateLeastPrivilegePolicy"]


@pytest.fixture(scope="module", autouse=True)
def place(server):
    """A topic and a group for every test."""
    sdk.generic(server, "CreateMqttTopic", InstanceId=INSTANCE, Topic=PARENT)
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId=GROUP)


def ours(server, operation, key=None, **query):
    query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
    return sdk.generic(server, operation, key, version="2015-05-01", **query)


def explain(server, request_id, key=None):
    return ours(server, "ExplainDecision", key, DeniedRequestId=request_id)


def decode(server, message, key=None):
    request = m.DecodeDiagnosticMessageRequest(encoded_diagnostic_message=message)
    return sdk.ram(server, key).decode_diagnostic_message(request).body.to_map()["DecodedDiagnosticMessage"]


def refused(server, key, operation, **parameters):
    """The refusal of a call of RAM: its request ID and its details."""
    _, reply = server.api("ram", operation, key=key, check=False, **parameters)
    return reply["RequestId"], reply["AccessDeniedDetail"]


def reason(packet):
    """The request ID in a packet's reason string."""
    return re.search(rf" \(request ({UUID})\)$", packet.prop("reason_string")).group(1)


def last_packet(client):
    """The packet with which the server closes."""
    with contextlib.suppress(Closed):
        while True:
            packet = client.read()
            if packet.kind == Kind.DISCONNECT:
                return packet
    raise AssertionError("the server closed without DISCONNECT")


def in_log(server, *parts):
    """The request ID in the log's line of a refusal."""
    def find():
        lines = [line for line in server.log().splitlines() if all(part in line for part in parts)]
        found = [re.search(rf'request_id="?({UUID})', line) for line in lines]
        return next((one.group(1) for one in reversed(found) if one), None)

    return until(find, f"{parts} in the log")


def test_a_refusal_of_the_api_is_decoded_and_explained_as_it_was(server):
    key = server.new_user("apiuser", deny("ram:GetUser", "*"))
    request_id, detail = refused(server, key, "GetUser", UserName="apiuser")
    raw = base64.b64decode(detail["EncodedDiagnosticMessage"])
    assert raw[:2] == b"\x01\x01" and raw[10:].decode() == request_id and len(raw) == 46
    # What comes later changes nothing of it: the policy goes, and the user gets another name.
    server.api("ram", "DetachPolicyFromUser", PolicyType="Custom", PolicyName="apiuser", UserName="apiuser")
    server.api("ram", "DeletePolicy", PolicyName="apiuser")
    server.api("ram", "UpdateUser", UserName="apiuser", NewUserName="renamed")
    decoded = decode(server, detail["EncodedDiagnosticMessage"])
    assert decoded["ExplicitDeny"] is True and decoded["AuthAction"] == "ram:GetUser"
    assert decoded["AuthResource"] == f"acs:ram:*:{ACCOUNT}:user/apiuser"
    assert decoded["NoPermissionPolicyType"] == "AccountLevelIdentityBasedPolicy"
    assert decoded["AuthPrincipal"] == {
        "AuthPrincipalType": "SubUser", "AuthPrincipalOwnerId": ACCOUNT,
        "AuthPrincipalDisplayName": detail["AuthPrincipalDisplayName"],
    }  # fmt: skip
    assert decoded["MatchedPolicies"] == [{
        "Effect": "Deny", "PolicyIdentifier": "apiuser", "PolicyType": "Custom", "PolicyVersion": "v1",
        "AttachedEntityType": "RamUser", "AttachedScope": "Account",
    }]  # fmt: skip
    conditions = {one["ConditionKey"]: one["ConditionValues"] for one in decoded["AuthConditions"]}
    assert conditions["acs:SourceIp"] == ["127.0.0.1"] and conditions["acs:SecureTransport"] == ["false"]
    assert conditions["acs:PrincipalARN"] == [f"acs:ram::{ACCOUNT}:user/apiuser"]
    explained = explain(server, request_id)
    assert explained.pop("RequestId") != request_id
    by_message = ours(server, "ExplainDecision", EncodedDiagnosticMessage=detail["EncodedDiagnosticMessage"])
    assert {name: value for name, value in by_message.items() if name != "RequestId"} == explained
    assert explained["Decision"] == "ExplicitDeny" and explained["Principal"] == f"acs:ram::{ACCOUNT}:user/apiuser"
    assert explained["Action"] == "ram:GetUser" and explained["PolicyType"] == "AccountLevelIdentityBasedPolicy"
    assert (explained["PolicyName"], explained["PolicyVersion"]) == ("apiuser", "v1")
    assert explained["StatementPointer"] == "/Statement/0" and explained["MissingContextKeys"] == []
    assert "policy `apiuser`" in explained["Context"]["sluice:Reason"][0]


def test_a_policy_of_a_group_is_told_as_the_groups(server):
    key = server.new_user("member")
    server.api("ram", "CreateGroup", GroupName="watched")
    server.api("ram", "AddUserToGroup", GroupName="watched", UserName="member")
    server.api("ram", "CreatePolicy", PolicyName="of-group", PolicyDocument=document(deny("ram:*", "*")))
    server.api("ram", "AttachPolicyToGroup", PolicyType="Custom", PolicyName="of-group", GroupName="watched")
    _, detail = refused(server, key, "ListUsers")
    (matched,) = decode(server, detail["EncodedDiagnosticMessage"])["MatchedPolicies"]
    assert (matched["PolicyIdentifier"], matched["AttachedEntityType"]) == ("of-group", "RamGroup")


def test_a_missing_condition_key_is_named(server):
    needs = allow("ram:ListUsers", "*") | {"Condition": {"Bool": {"acs:MFAPresent": "true"}}}
    key = server.new_user("keyless", needs)
    request_id, detail = refused(server, key, "ListUsers")
    explained = explain(server, request_id)
    assert (explained["Decision"], explained["MissingContextKeys"]) == ("ImplicitDeny", ["acs:MFAPresent"])
    assert (explained["PolicyName"], explained["StatementPointer"]) == ("", "")
    assert decode(server, detail["EncodedDiagnosticMessage"])["MatchedPolicies"] == []


def test_an_absent_instance_is_explained_like_a_missing_right(server):
    key = server.new_user("looker", allow("mq:*", "*"))
    _, reply = server.api("onsmqtt", "GetMqttInstance", key=key, check=False, InstanceId="mqtt-cn-nowhere")
    explained = explain(server, reply["RequestId"])
    assert (explained["Decision"], explained["Action"]) == ("ImplicitDeny", "mq:MqttInstanceAccess")


def test_refusals_of_mqtt_5_have_a_request_id_in_the_reason_string(server):
    stranger = server.new_user("stranger")
    client = devices.attempt(server, stranger, f"{GROUP}@@@stranger")
    assert client.connack.code == 0x87
    assert explain(server, reason(client.connack))["Action"] == "mq:MqttInstanceAccess"

    key = server.new_user("half", access(), group(GROUP), topic(f"{PARENT}/open"))
    client = devices.connected(server, key, f"{GROUP}@@@half")
    client.send(packets.publish(5, f"{PARENT}/shut", b"x", 1, 1))
    explained = explain(server, reason(last_packet(client)))
    assert (explained["Action"], explained["Decision"]) == ("mq:PUB", "ImplicitDeny")
    assert explained["Resource"] == f"acs:mq:*:{ACCOUNT}:topic/{INSTANCE}/{PARENT}/shut"
    assert explained["Context"]["acs:SourceIp"] == ["127.0.0.1"]

    client = devices.connected(server, key, f"{GROUP}@@@half")
    client.send(packets.subscribe(5, 1, [(f"{PARENT}/shut", 1)]))
    assert explain(server, reason(last_packet(client)))["Action"] == "mq:SUB"

    will = packets.Will(f"{PARENT}/shut", b"x")
    client = devices.attempt(server, key, f"{GROUP}@@@half", will=will)
    assert explain(server, reason(client.connack))["Resource"].endswith(f"{PARENT}/shut")


def test_refusals_of_mqtt_3_and_of_deliveries_have_a_request_id_in_the_log(server):
    key = server.new_user(
        "half3", access(), group(GROUP), topic(PARENT), deny("mq:SUB", arn(f"topic/{INSTANCE}/{PARENT}/secret"))
    )
    client = devices.subscribed(server, key, f"{GROUP}@@@half3", f"{PARENT}/#", version=4)
    devices.say(server, f"{PARENT}/secret", "held back")
    explained = explain(server, in_log(server, 'what="delivery"', f"{PARENT}/secret"))
    assert (explained["Decision"], explained["PolicyName"]) == ("ExplicitDeny", "half3")
    assert explained["StatementPointer"] == "/Statement/3"
    server.grant("half3", "half3-no", deny("mq:PUB", arn(f"topic/{INSTANCE}/{PARENT}/three")))
    devices.publish_and_be_closed(client, f"{PARENT}/three", b"x")
    explained = explain(server, in_log(server, 'what="PUBLISH"', f"{PARENT}/three"))
    assert (explained["PolicyName"], explained["Action"]) == ("half3-no", "mq:PUB")


def plain(server, request_id, key=None):
    """A refusal that no policy decided: action, the resource's last part, the reason."""
    explained = explain(server, request_id, key)
    nothing = {name: explained[name] for name in ("PolicyType", "PolicyName", "PolicyVersion", "StatementPointer")}
    assert explained["Decision"] == "NotByPolicy" and set(nothing.values()) == {""} and explained["MissingContextKeys"] == []
    assert explained["Context"]["acs:SourceIp"] == ["127.0.0.1"]
    (reason,) = explained["Context"]["sluice:Reason"]
    return explained["Action"], explained["Resource"].split(":", 4)[4], reason


NO_INSTANCE = "the instance does not exist or belongs to another account"


def test_a_connect_that_no_policy_refuses_is_explained(server):
    key, peer = (server.new_user(name, access(), group(GROUP), topic(PARENT)) for name in ("plain", "plainpeer"))
    devices.connected(server, peer, f"{GROUP}@@@taken")
    here = ("mq:MqttInstanceAccess", f"instance/{INSTANCE}")
    told = lambda client_id, code, **options: plain(server, reason(refused_connect(server, key, client_id, code, **options)))
    assert told(f"{GROUP}@@@taken", 0x87) == (*here, "the client ID is in use by another principal")
    absent = ("mq:SUB", f"groupId/{INSTANCE}/GID_nowhere", "the group does not exist")
    assert told("GID_nowhere@@@a", 0x85) == absent
    will = packets.Will("nowhere/a", b"x")
    absent = ("mq:PUB", f"topic/{INSTANCE}/nowhere/a", "the will's parent topic does not exist")
    assert told(f"{GROUP}@@@a", 0x87, will=will) == absent
    assert told(f"{GROUP}@@@a", 0x8C, props={"auth_method": "x"})[2] == "enhanced authentication is not served"
    devices.switch_off(server, "plain", key)
    assert told(f"{GROUP}@@@a", 0x86) == (*here, "the AccessKey is inactive")
    # By the API it is the same refusal, under the request's own ID.
    code, reply = server.api("ram", "GetUser", key=key, check=False, UserName="plain")
    assert code.startswith("InvalidAccessKeyId.Inactive")
    assert plain(server, reply["RequestId"]) == ("ram:GetUser", "*", "the AccessKey is inactive")


def refused_connect(server, key, client_id, code, **options):
    connack = devices.attempt(server, key, client_id, **options).connack
    assert connack.code == code, connack
    return connack


def test_an_absent_instance_and_another_accounts_look_alike_and_nobody_else_is_told(server):
    lines = server.new_account("landlord")
    other = (lines["AccessKeyId"], lines["AccessKeySecret"])
    theirs = sdk.generic(server, "CreateMqttInstance", other, InstanceName="theirs")["InstanceId"]
    absent = theirs[:-1] + ("a" if theirs[-1] != "a" else "b")
    key = server.new_user("tenant", access("*"))
    found = []
    for instance in (theirs, absent):
        connack = refused_connect(server, key, f"{GROUP}@@@a", 0x87, instance=instance)
        request_id = reason(connack)
        explained = explain(server, request_id)
        assert plain(server, request_id) == ("mq:MqttInstanceAccess", f"instance/{instance}", NO_INSTANCE)
        assert explained["Resource"].startswith(f"acs:mq:*:{ACCOUNT}:")
        assert sdk.code_of(lambda: explain(server, request_id, other)) == ("EntityNotExist", 404)
        del explained["RequestId"], explained["Time"], explained["Resource"], explained["Context"]["acs:CurrentTime"]
        found.append((explained, re.sub(UUID, "", connack.prop("reason_string"))))
    assert found[0] == found[1]


def test_a_caller_that_proved_nothing_is_told_no_request_id(server):
    key_id, _ = server.new_user("forged", access(), group(GROUP))
    for key, client_id, code in [
        ((key_id, "x" * 30), f"{GROUP}@@@a", 0x86),
        (("LTAIunknown0000000000000", "x" * 30), f"{GROUP}@@@a", 0x86),
        ((key_id, "x" * 30), "no-group", 0x85),
    ]:
        assert "request" not in refused_connect(server, key, client_id, code).prop("reason_string")
    _, reply = server.api("ram", "ListUsers", key=(key_id, "x" * 30), check=False)
    assert sdk.code_of(lambda: explain(server, reply["RequestId"])) == ("EntityNotExist", 404)


def test_an_absent_topic_and_anothers_point_to_point_topic_are_explained(server):
    key = server.new_user("astray", access(), group(GROUP), topic("*"))
    on = lambda path: f"topic/{INSTANCE}/{path}"
    client = devices.connected(server, key, f"{GROUP}@@@astray")
    client.send(packets.publish(5, "nowhere/a", b"x", 1, 1))
    why = "the parent topic of `nowhere/a` does not exist"
    assert plain(server, reason(last_packet(client))) == ("mq:PUB", on("nowhere/a"), why)
    for path, why in [
        ("nowhere/#", "the parent topic does not exist"),
        (f"{PARENT}/p2p/{GROUP}@@@other", "the filter names another client's point-to-point topic"),
    ]:
        client = devices.connected(server, key, f"{GROUP}@@@astray")
        client.send(packets.subscribe(5, 1, [(path, 1)]))
        assert plain(server, reason(last_packet(client))) == ("mq:SUB", on(path), why)
    # MQTT 3.1.1 is told nothing; the log has the request ID.
    client = devices.connected(server, key, f"{GROUP}@@@astray", version=4)
    devices.publish_and_be_closed(client, "nowhere/three", b"x")
    assert plain(server, in_log(server, 'what="PUBLISH"', "nowhere/three"))[1] == on("nowhere/three")


def test_a_limit_that_was_met_is_explained(server):
    small = sdk.generic(server, "CreateMqttInstance", InstanceName="small", Edition="Basic")["InstanceId"]
    sdk.generic(server, "CreateMqttTopic", InstanceId=small, Topic=PARENT)
    server.api("onsmqtt", "CreateGroupId", InstanceId=small, GroupId=GROUP)
    key = server.new_user("hasty", access(small), group(GROUP, instance=small), topic(f"{PARENT}/a", instance=small))
    client = devices.connected(server, key, f"{GROUP}@@@hasty", instance=small)
    many = b"".join(packets.publish(5, f"{PARENT}/a", b"x", 1, n) for n in range(1, 1500))
    ids = set()
    for _ in range(20):
        client.send(many)
        acks = [client.expect(Kind.PUBACK) for _ in range(1, 1500)]
        over = [ack for ack in acks if ack.code == 0x97]
        ids |= {reason(ack) for ack in over}
        if ids:
            break
    # One a second, however many messages it were.
    assert 1 <= len(ids) <= 3
    why = "the instance has as many messages in this second as it may"
    for request_id in ids:
        assert plain(server, request_id) == ("mq:PUB", f"topic/{small}/{PARENT}/a", why)


def test_a_quota_of_the_api_is_explained(server):
    server.new_user("keyful")
    devices.another_key(server, "keyful")
    code, reply = server.api("ram", "CreateAccessKey", check=False, UserName="keyful")
    assert code.startswith("LimitExceeded.User.AccessKey")
    why = ("ram:CreateAccessKey", "user/keyful", "There are as many AccessKeys as there may be.")
    assert plain(server, reply["RequestId"]) == why
    # What is not found or wrong is no refusal.
    _, reply = server.api("ram", "GetUser", check=False, UserName="nobody-here")
    assert sdk.code_of(lambda: explain(server, reply["RequestId"])) == ("EntityNotExist", 404)


def test_what_a_page_may_offer_is_asked_and_is_no_refusal(server):
    key = server.new_user("looks", allow(["ram:Get*", "ram:List*"], "*"))
    server.api("ram", "CreateLoginProfile", UserName="looks", Password=ROOT_PASSWORD)
    browser = codes.Browser(server)
    assert browser.sign_in(f"looks@{ALIAS}", ROOT_PASSWORD).status_code == 303
    before, counted = server.log(), refusals_counted(server)
    assert browser.page("/ram/users/looks").status_code == 200
    assert "refused" not in server.log()[len(before) :] and refusals_counted(server) == counted
    # In earnest it is one.
    code, reply = server.api("ram", "DeleteUser", key, check=False, UserName="looks")
    assert code == "NoPermission" and reply["RequestId"] in server.log()[len(before) :]
    assert refusals_counted(server) == counted + 1


# What each may do, and the pages that have a part which it may not see and say so in their own words.
LEAVING_OUT = {
    "grants": (["ram:ListUsers", "ram:ListPolicies", "ram:ListEntitiesForPolicy"], ["/ram/grants", "/ram/grant"]),
    "grants-unseen": (["ram:ListUsers", "ram:ListPolicies"], ["/ram/grants"]),
    "joins": (["ram:GetUser", "ram:ListGroupsForUser"], ["/ram/users/joins?tab=groups"]),
    "gathers": (["ram:GetGroup", "ram:ListUsersForGroup"], ["/ram/groups/gathered?tab=members"]),
    "creates": (["ram:CreatePolicy"], ["/ram/create-policy"]),
    "bare": (["ram:GetAccountAlias"], ["/", "/security"]),
}


@pytest.mark.parametrize("name", LEAVING_OUT)
def test_what_a_page_leaves_out_is_no_refusal(server, name):
    actions, pages = LEAVING_OUT[name]
    server.new_user(name, allow(actions, "*"))
    if name == "gathers":
        server.api("ram", "CreateGroup", GroupName="gathered")
    server.api("ram", "CreateLoginProfile", UserName=name, Password=ROOT_PASSWORD)
    browser = codes.Browser(server)
    assert browser.sign_in(f"{name}@{ALIAS}", ROOT_PASSWORD).status_code == 303
    before, counted = server.log(), refusals_counted(server)
    assert [browser.page(page).status_code for page in pages] == [200] * len(pages)
    assert "refused" not in server.log()[len(before) :] and refusals_counted(server) == counted


def refusals_counted(server):
    text = urllib.request.urlopen(f"{server.http}/metrics").read().decode()
    return float(re.search(r"^sluice_refusals_total (\S+)$", text, re.M)[1])


def test_what_was_refused_is_explained_after_a_restart(server):
    key = server.new_user("survivor")
    request_id, detail = refused(server, key, "ListUsers")
    server.end(signal.SIGTERM)
    server.start()
    assert explain(server, request_id)["Principal"].endswith("user/survivor")
    assert decode(server, detail["EncodedDiagnosticMessage"])["AuthAction"] == "ram:ListUsers"


def test_a_refusal_of_another_account_and_none_at_all_answer_alike(server):
    lines = server.new_account("neighbour")
    other = (lines["AccessKeyId"], lines["AccessKeySecret"])
    request_id, detail = refused(server, server.new_user("ours"), "ListUsers")
    calls = [
        lambda: explain(server, request_id, other),
        lambda: explain(server, NOWHERE, other),
        lambda: explain(server, NOWHERE),
        lambda: decode(server, detail["EncodedDiagnosticMessage"], other),
    ]
    assert [sdk.code_of(call) for call in calls] == [("EntityNotExist", 404)] * 4


def test_without_the_right_nothing_is_explained_simulated_or_generated(server):
    key = server.new_user("curious", allow("ram:ListUsers", "*"))
    request_id, detail = refused(server, key, "ListPolicies")
    calls = [
        lambda: explain(server, request_id, key),
        lambda: decode(server, detail["EncodedDiagnosticMessage"], key),
        lambda: ours(server, "SimulatePolicy", key, PrincipalType="User", PrincipalName="curious", Actions=[], Resources=[]),
        lambda: ours(server, "GenerateLeastPrivilegePolicy", key, PrincipalType="User", PrincipalName="curious"),
    ]
    assert [sdk.code_of(call) for call in calls] == [("NoPermission", 403)] * 4
    server.grant("curious", "answers", allow(ANSWERS, "*"))
    assert explain(server, request_id, key)["Action"] == "ram:ListPolicies"


def test_what_is_no_message_or_names_none_is_invalid(server):
    long_form, wrong = base64.b64encode(b"\x01\x02\x01 sealed").decode(), "InvalidParameter.EncodedDiagnosticMessage"
    old = base64.b64encode(b"\x01\x01" + (1).to_bytes(8, "big") + NOWHERE.encode()).decode()
    assert sdk.code_of(lambda: decode(server, "no message")) == (wrong, 400)
    assert sdk.code_of(lambda: decode(server, long_form)) == ("NotSupport", 400)
    assert sdk.code_of(lambda: decode(server, old)) == ("EncodedMessageExpire", 400)
    assert sdk.code_of(lambda: decode(server, None)) == ("MissingEncodedDiagnosticMessage", 400)
    assert sdk.code_of(lambda: ours(server, "ExplainDecision")) == ("MissingEncodedDiagnosticMessage", 400)
    both = lambda: ours(server, "ExplainDecision", EncodedDiagnosticMessage=old, DeniedRequestId=NOWHERE)
    assert sdk.code_of(both) == ("InvalidParameter.DeniedRequestId", 400)
    assert sdk.code_of(lambda: explain(server, "nothing")) == ("InvalidParameter.DeniedRequestId", 400)


def simulated(server, actions, resources, **query):
    reply = ours(server, "SimulatePolicy", Actions=actions, Resources=resources, **query)
    return [(one["Decision"], one["PolicyName"], one["PolicyVersion"], one["StatementPointer"]) for one in reply["Results"]]


def test_a_simulation_answers_as_enforcement_does(server):
    server.new_user("sim", access(), topic(f"{PARENT}/a"), deny("mq:PUB", arn(f"topic/{INSTANCE}/{PARENT}/a/no")))
    who = {"PrincipalType": "User", "PrincipalName": "sim"}
    paths = [f"{PARENT}/a/b", f"{PARENT}/a/no/deep", f"{PARENT}/b"]
    found = simulated(server, ["mq:PUB"], [arn(f"topic/{INSTANCE}/{path}") for path in paths], **who)
    assert found == [
        ("Allowed", "sim", "v1", "/Statement/1"), ("ExplicitDeny", "sim", "v1", "/Statement/2"), ("ImplicitDeny", "", "", ""),
    ]  # fmt: skip
    instance = [arn(f"instance/{INSTANCE}")]
    assert simulated(server, ["mq:MqttInstanceAccess"], instance, **who)[0][0] == "Allowed"
    # Another account's resources are behind the wall, for the account itself too.
    foreign = ["acs:mq:*:1999999999999999:instance/mqtt-cn-x"]
    root = {"PrincipalType": "User", "PrincipalName": f"acs:ram::{ACCOUNT}:root"}
    assert simulated(server, ["mq:Any"], foreign + instance, **root) == [("ImplicitDeny", "", "", ""), ("Allowed", "", "", "")]


def test_documents_alone_and_conditions_are_simulated(server):
    night = allow("mq:PUB", "*") | {"Condition": {"IpAddress": {"acs:SourceIp": "192.0.2.0/24"}, "StringEquals": {"x:y": "z"}}}
    documents = [json.loads(document(deny("mq:SUB", "*"))), document(night)]
    where = [arn(f"topic/{INSTANCE}/{PARENT}")]
    alone = {"PolicyDocuments": documents}
    context = {"acs:SourceIp": "192.0.2.7", "x:y": ["a", "z"]}
    reply = ours(server, "SimulatePolicy", Actions=["mq:PUB", "mq:SUB"], Resources=where, Context=context, **alone)
    assert [(one["Action"], one["Decision"], one["PolicyName"]) for one in reply["Results"]] == [
        ("mq:PUB", "Allowed", "PolicyDocuments[1]"), ("mq:SUB", "ExplicitDeny", "PolicyDocuments[0]"),
    ]  # fmt: skip
    (without,) = ours(server, "SimulatePolicy", Actions=["mq:PUB"], Resources=where, **alone)["Results"]
    assert (without["Decision"], without["MissingContextKeys"]) == ("ImplicitDeny", ["acs:SourceIp", "x:y"])


def test_what_cannot_be_simulated_is_invalid(server):
    code = lambda **query: sdk.code_of(
        lambda: ours(server, "SimulatePolicy", **({"Actions": ["mq:PUB"], "Resources": ["*"]} | query))
    )
    alone = {"PolicyDocuments": [document(allow("*", "*"))]}
    faulty = document({"Effect": "Perhaps", "Action": "mq:PUB", "Resource": "*"})
    assert code() == ("MissingPrincipalName", 400) and code(RecentHours=1, **alone) == ("MissingPrincipalName", 400)
    assert code(PolicyDocuments=[faulty]) == ("MalformedPolicyDocument", 400)
    with pytest.raises(Exception, match=r"PolicyDocuments\[0\].*/Statement/0/Effect"):
        ours(server, "SimulatePolicy", Actions=["mq:PUB"], Resources=["*"], PolicyDocuments=[faulty])
    assert code(PrincipalType="User", PrincipalName="nobody-here") == ("EntityNotExist.User", 404)
    assert code(PrincipalType="Role", PrincipalName="nobody-here") == ("EntityNotExist.Role", 404)
    assert code(PrincipalType="Group", PrincipalName="x") == ("InvalidParameter.PrincipalType", 400)
    assert code(Actions="mq:PUB", **alone) == ("InvalidParameter.Actions", 400)
    assert code(Actions=["PUB"], **alone) == ("InvalidParameter.Actions", 400)
    assert code(Resources=["*"] * 101, **alone) == ("InvalidParameter.Resources.Length", 400)
    assert code(Context={"acs:SourceIp": "home"}, **alone) == ("InvalidParameter.Context", 400)
    assert code(RecentHours=169, PrincipalType="User", PrincipalName="x") == ("InvalidParameter.RecentHours", 400)


def test_a_change_is_held_against_what_was_really_asked(server):
    key = server.new_user("busy", access(), group(GROUP), topic(f"{PARENT}/work"), allow("ram:ListUsers", "*"))
    client = devices.subscribed(server, key, f"{GROUP}@@@busy", f"{PARENT}/work", version=4)
    for _ in range(3):
        client.publish(f"{PARENT}/work", b"x", 1)
    for _ in range(2):
        server.api("ram", "ListUsers", key=key)
    refused(server, key, "ListPolicies")
    who = {"PrincipalType": "User", "PrincipalName": "busy", "RecentHours": 1, "Actions": [], "Resources": []}
    kept = [access(), group(GROUP), topic(f"{PARENT}/work", "mq:SUB"), allow("ram:List*", "*")]
    reply = ours(server, "SimulatePolicy", PolicyDocuments=[document(*kept)], **who)
    assert reply["Results"] == []
    changes = {one["Action"]: (one["Before"], one["After"], one["Count"], one["Principal"]) for one in reply["Changes"]}
    shown = f"acs:ram::{ACCOUNT}:user/busy"
    # Decisions are counted, not messages: three messages were one.
    assert changes == {
        "mq:PUB": ("Allowed", "ImplicitDeny", 1, shown), "ram:ListPolicies": ("ImplicitDeny", "Allowed", 1, shown),
    }  # fmt: skip
    besides = ours(server, "SimulatePolicy", AddPolicyDocuments=[document(deny("ram:ListUsers", "*"))], **who)["Changes"]
    assert [(one["Action"], one["After"], one["Count"]) for one in besides] == [("ram:ListUsers", "ExplicitDeny", 2)]


def test_the_least_privilege_is_what_was_used_and_enough_for_it(server):
    grants = [
        access(), group(GROUP), topic("*"), allow(["ram:ListUsers", "ram:GetUser"], "*"), allow("ram:CreateUser", "*"),
        deny("ram:DeleteUser", "*"),
    ]  # fmt: skip
    key = server.new_user("wide", *grants)

    def work():
        client = devices.subscribed(server, key, f"{GROUP}@@@wide", f"{PARENT}/in/#")
        assert client.publish(f"{PARENT}/out/1", b"x", 1).code in (0, 0x10)
        devices.say(server, f"{PARENT}/in/deep", "to be heard")
        assert client.message().payload == b"to be heard"
        server.api("ram", "GetUser", key=key, UserName="wide")
        server.api("onsmqtt", "GetMqttInstance", key=key, check=False, InstanceId=INSTANCE)

    work()
    least = ours(server, "GenerateLeastPrivilegePolicy", PrincipalType="User", PrincipalName="wide", Days=1)
    assert least["UnusedGrants"] == [{"PolicyName": "wide", "StatementPointer": "/Statement/4"}]
    statements = json.loads(least["PolicyDocument"])["Statement"]
    resources = {}
    for statement in statements:
        named = lambda value: [value] if isinstance(value, str) else value
        for action in named(statement["Action"]):
            resources[action] = [one.split(":", 4)[4] for one in named(statement["Resource"])]
    assert resources == {
        "mq:MqttInstanceAccess": [f"instance/{INSTANCE}"],
        "mq:SUB": [f"groupId/{INSTANCE}/{GROUP}", f"topic/{INSTANCE}/{PARENT}/in"],
        "mq:PUB": [f"topic/{INSTANCE}/{PARENT}/out/1"],
        "ram:GetUser": ["user/wide"],
    }
    assert least["UsedActions"] == len(resources)
    # It alone is enough for the same work, and for nothing else.
    server.api("ram", "CreatePolicy", PolicyName="least", PolicyDocument=least["PolicyDocument"])
    server.api("ram", "DetachPolicyFromUser", PolicyType="Custom", PolicyName="wide", UserName="wide")
    server.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName="least", UserName="wide")
    work()
    assert server.api("ram", "ListUsers", key=key, check=False)[0].startswith("NoPermission")


def test_who_used_nothing_needs_nothing_and_who_is_nobody_is_not_found(server):
    server.new_user("idle", access())
    least = ours(server, "GenerateLeastPrivilegePolicy", PrincipalType="User", PrincipalName="idle")
    assert (least["PolicyDocument"], least["UsedActions"]) == ("", 0)
    assert least["UnusedGrants"] == [{"PolicyName": "idle", "StatementPointer": "/Statement/0"}]
    code = lambda **query: sdk.code_of(lambda: ours(server, "GenerateLeastPrivilegePolicy", PrincipalType="User", **query))
    assert code(PrincipalName="nobody-here") == ("EntityNotExist.User", 404)
    assert code() == ("MissingPrincipalName", 400)
    assert code(PrincipalName="idle", Days=91) == ("InvalidParameter.Days", 400)
    assert code(PrincipalName=f"acs:ram::{ACCOUNT}:root") == ("InvalidParameter.PrincipalName", 400)


def test_what_is_seen_outlives_a_restart_and_no_record_has_a_secret(server):
    key = server.new_user(fresh("seen"), allow("ram:ListUsers", "*"))
    server.api("ram", "ListUsers", key=key)
    refused(server, key, "ListPolicies")
    server.end(signal.SIGTERM)
    server.start()
    user = next(user for user in server.api("ram", "ListUsers")["Users"]["User"] if user["UserName"].startswith("seen"))
    least = ours(server, "GenerateLeastPrivilegePolicy", PrincipalType="User", PrincipalName=user["UserName"])
    assert (least["UsedActions"], json.loads(least["PolicyDocument"])["Statement"][0]["Action"]) == (1, "ram:ListUsers")
    if server.database:
        # PostgreSQL's own files are not looked into: every row that may hold such a text.
        rows = "SELECT row_to_json(r)::text FROM refusals r UNION ALL SELECT row_to_json(s)::text FROM seen_decisions s UNION ALL SELECT row_to_json(k)::text FROM access_keys k"
        kept = postgres.shared().sql(server.database, rows).encode()
    else:
        kept = b"".join(path.read_bytes() for path in server.folder.glob("sluice.db*"))
    assert b"ram:ListPolicies" in kept
    assert not any(secret.encode() in kept for secret in (key[1], ROOT_SECRET))
    assert ROOT_KEY.encode() in kept
