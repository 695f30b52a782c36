"""The workflow: a permission granted, used, explained and taken back, by the vendor's SDKs and ordinary clients.

The tests of this file are one story on one data folder, in order.
"""

import datetime
import json
import subprocess

import pytest
from alibabacloud_onsmqtt20200420 import models as mq
from alibabacloud_ram20150501 import models as m
from aliyunsdkram.request.v20150501 import CreateUserRequest, DeleteUserRequest, GetUserRequest

from support import sdk
from support.mqtt import Client, connack, password
from support.server import (
    ACCOUNT, INSTANCE, REPOSITORY, ROOT_KEY, ROOT_SECRET, SLUICE, access, arn, deny, document, group, topic,
    until,
)  # fmt: skip

STORY = {}


def test_1_users_are_made_changed_listed_and_deleted(server):
    ram = sdk.ram(server)
    user = ram.create_user(m.CreateUserRequest(user_name="alice", display_name="Alice", comments="a")).body.user
    assert user.user_name == "alice" and len(user.user_id) == 18
    assert sdk.code_of(lambda: ram.create_user(m.CreateUserRequest(user_name="alice")))[0] == "EntityAlreadyExists.User"
    assert ram.get_user(m.GetUserRequest(user_name="alice")).body.user.display_name == "Alice"
    ram.update_user(m.UpdateUserRequest(user_name="alice", new_user_name="alicia", new_email="a@example.com"))
    assert sdk.code_of(lambda: ram.get_user(m.GetUserRequest(user_name="alice")))[0] == "EntityNotExist.User"
    for n in range(3):
        ram.create_user(m.CreateUserRequest(user_name=f"u{n}"))
    first = ram.list_users(m.ListUsersRequest(max_items=2)).body
    assert first.is_truncated and [u.user_name for u in first.users.user] == ["alicia", "u0"]
    rest = ram.list_users(m.ListUsersRequest(max_items=2, marker=first.marker)).body
    assert [u.user_name for u in rest.users.user] == ["u1", "u2"] and not rest.is_truncated
    for n in range(3):
        ram.delete_user(m.DeleteUserRequest(user_name=f"u{n}"))
    ram.update_user(m.UpdateUserRequest(user_name="alicia", new_user_name="alice"))


def test_1_the_old_sdk_and_pop_core_sign_in_v1(server):
    request = CreateUserRequest.CreateUserRequest()
    request.set_UserName("old")
    assert sdk.core_call(server, request)["User"]["UserName"] == "old"
    get = GetUserRequest.GetUserRequest()
    get.set_UserName("nobody")
    with pytest.raises(Exception) as refused:
        sdk.core_call(server, get)
    assert refused.value.get_error_code() == "EntityNotExist.User"
    delete = DeleteUserRequest.DeleteUserRequest()
    delete.set_UserName("old")
    sdk.core_call(server, delete)
    script = REPOSITORY / "tests" / "node" / "pop_core.js"
    done = subprocess.run(
        ["node", str(script), server.http, ROOT_KEY, ROOT_SECRET], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"created": "node", "refused": "EntityNotExist.User", "deleted": True}


def test_1_keys_are_made_switched_and_deleted(server):
    ram = sdk.ram(server)
    key = ram.create_access_key(m.CreateAccessKeyRequest(user_name="alice")).body.access_key
    assert len(key.access_key_id) == 24 and len(key.access_key_secret) == 30 and key.status == "Active"
    second = ram.create_access_key(m.CreateAccessKeyRequest(user_name="alice")).body.access_key
    refused = sdk.code_of(lambda: ram.create_access_key(m.CreateAccessKeyRequest(user_name="alice")))
    assert refused[0] == "LimitExceeded.User.AccessKey"
    ram.update_access_key(
        m.UpdateAccessKeyRequest(user_name="alice", user_access_key_id=second.access_key_id, status="Inactive")
    )
    listed = ram.list_access_keys(m.ListAccessKeysRequest(user_name="alice")).body.access_keys.access_key
    assert sorted(k.status for k in listed) == ["Active", "Inactive"]
    inactive = sdk.sts(server, (second.access_key_id, second.access_key_secret))
    assert sdk.code_of(inactive.get_caller_identity)[0] == "InvalidAccessKeyId.Inactive"
    ram.delete_access_key(m.DeleteAccessKeyRequest(user_name="alice", user_access_key_id=second.access_key_id))
    assert sdk.code_of(inactive.get_caller_identity)[0] == "InvalidAccessKeyId.NotFound"
    STORY["alice"] = (key.access_key_id, key.access_key_secret)


def test_1_a_caller_learns_who_it_is(server):
    me = sdk.sts(server, STORY["alice"]).get_caller_identity().body
    assert (me.identity_type, me.account_id) == ("RAMUser", ACCOUNT) and me.arn.endswith(":user/alice")
    root = sdk.sts(server).get_caller_identity().body
    assert root.identity_type == "Account"


def test_1_a_user_without_rights_may_not_make_users(server):
    ram = sdk.ram(server, STORY["alice"])
    refused = server.api("ram", "CreateUser", key=STORY["alice"], check=False, UserName="eve")
    assert refused[0] == "NoPermission"
    detail = refused[1]["AccessDeniedDetail"]
    assert detail["AuthAction"] == "ram:CreateUser" and detail["NoPermissionType"] == "ImplicitDeny"
    assert sdk.code_of(lambda: ram.create_user(m.CreateUserRequest(user_name="eve"))) == ("NoPermission", 403)


def test_1_login_profiles_are_made_changed_and_deleted(server):
    ram = sdk.ram(server)
    weak = lambda: ram.create_login_profile(m.CreateLoginProfileRequest(user_name="alice", password="short"))
    assert sdk.code_of(weak)[0] == "InvalidParameter.Password.TooWeak"
    made = ram.create_login_profile(
        m.CreateLoginProfileRequest(user_name="alice", password="first-password", password_reset_required=True)
    )
    assert made.body.login_profile.password_reset_required
    ram.update_login_profile(m.UpdateLoginProfileRequest(user_name="alice", password_reset_required=False))
    shown = ram.get_login_profile(m.GetLoginProfileRequest(user_name="alice")).body.login_profile
    assert not shown.password_reset_required
    change = m.ChangePasswordRequest(old_password="first-password", new_password="second-password")
    sdk.ram(server, STORY["alice"]).change_password(change)
    ram.delete_login_profile(m.DeleteLoginProfileRequest(user_name="alice"))
    gone = lambda: ram.get_login_profile(m.GetLoginProfileRequest(user_name="alice"))
    assert sdk.code_of(gone)[0] == "EntityNotExist.User.LoginProfile"


def test_1_policies_and_versions_are_made_and_attached(server):
    ram = sdk.ram(server)
    bad = lambda: ram.create_policy(m.CreatePolicyRequest(policy_name="bad", policy_document="{}"))
    assert sdk.code_of(bad)[0] == "MalformedPolicyDocument"
    first = document(access())
    ram.create_policy(m.CreatePolicyRequest(policy_name="device", policy_document=first, description="d"))
    second = document(access(), topic("orders"), group("GID_orders"))
    version = ram.create_policy_version(
        m.CreatePolicyVersionRequest(policy_name="device", policy_document=second, set_as_default=False)
    ).body.policy_version
    assert version.version_id == "v2" and not version.is_default_version
    shown = ram.get_policy(m.GetPolicyRequest(policy_name="device", policy_type="Custom")).body
    assert shown.default_policy_version.policy_document == first
    ram.set_default_policy_version(m.SetDefaultPolicyVersionRequest(policy_name="device", version_id="v2"))
    got = ram.get_policy_version(
        m.GetPolicyVersionRequest(policy_name="device", policy_type="Custom", version_id="v2")
    ).body.policy_version
    assert got.is_default_version and got.policy_document == second
    in_force = lambda: ram.delete_policy_version(m.DeletePolicyVersionRequest(policy_name="device", version_id="v2"))
    assert sdk.code_of(in_force)[0] == "DeleteConflict.Policy.Version.Default"
    ram.delete_policy_version(m.DeletePolicyVersionRequest(policy_name="device", version_id="v1"))
    versions = ram.list_policy_versions(
        m.ListPolicyVersionsRequest(policy_name="device", policy_type="Custom")
    ).body.policy_versions.policy_version
    assert [v.version_id for v in versions] == ["v2"]
    names = [p.policy_name for p in ram.list_policies(m.ListPoliciesRequest(policy_type="System")).body.policies.policy]
    for name in ("AliyunMQFullAccess", "AliyunMQPubOnlyAccess", "AliyunMQSubOnlyAccess", "AliyunMQReadOnlyAccess",
                 "AdministratorAccess", "ReadOnlyAccess", "AliyunRAMFullAccess", "AliyunRAMReadOnlyAccess",
                 "AliyunSTSAssumeRoleAccess"):  # fmt: skip
        assert name in names
    attach = m.AttachPolicyToUserRequest(policy_type="Custom", policy_name="device", user_name="alice")
    ram.attach_policy_to_user(attach)
    assert sdk.code_of(lambda: ram.attach_policy_to_user(attach))[0] == "EntityAlreadyExists.User.Policy"
    mine = ram.list_policies_for_user(m.ListPoliciesForUserRequest(user_name="alice")).body.policies.policy
    assert [p.policy_name for p in mine] == ["device"]
    users = ram.list_entities_for_policy(
        m.ListEntitiesForPolicyRequest(policy_name="device", policy_type="Custom")
    ).body.users.user
    assert [u.user_name for u in users] == ["alice"]
    attached = lambda: ram.delete_policy(m.DeletePolicyRequest(policy_name="device"))
    assert sdk.code_of(attached)[0] == "DeleteConflict.Policy.User"
    ram.create_policy(m.CreatePolicyRequest(policy_name="unused", policy_document=first))
    ram.delete_policy(m.DeletePolicyRequest(policy_name="unused"))


def test_1_a_second_account_sees_none_of_it(server):
    other = server.new_account("other")
    key = (other["AccessKeyId"], other["AccessKeySecret"])
    assert [u.user_name for u in sdk.ram(server, key).list_users(m.ListUsersRequest()).body.users.user] == []
    absent = lambda: sdk.ram(server, key).get_user(m.GetUserRequest(user_name="alice"))
    assert sdk.code_of(absent)[0] == "EntityNotExist.User"
    foreign, absent = (
        server.api("onsmqtt", "ListGroupId", key=key, check=False, InstanceId=instance)[0]
        for instance in (INSTANCE, "mqtt-cn-absent")
    )
    assert foreign == absent == "InstancePermissionCheckFailed"
    assert f"AccountId={other['AccountId']}" in server.run("account", "list", "--data-dir", str(server.folder)).stdout
    STORY["other"] = key


def test_2_instances_topics_and_groups(server):
    onsmqtt = sdk.onsmqtt(server)
    assert [i.instance_id for i in onsmqtt.list_instances(mq.ListInstancesRequest()).body.instances] == [INSTANCE]
    onsmqtt.create_group_id(mq.CreateGroupIdRequest(instance_id=INSTANCE, group_id="GID_orders"))
    again = lambda: onsmqtt.create_group_id(mq.CreateGroupIdRequest(instance_id=INSTANCE, group_id="GID_orders"))
    assert sdk.code_of(again)[0] == "GroupIdAlreadyExsited"
    onsmqtt.create_group_id(mq.CreateGroupIdRequest(instance_id=INSTANCE, group_id="GID_gone"))
    onsmqtt.delete_group_id(mq.DeleteGroupIdRequest(instance_id=INSTANCE, group_id="GID_gone"))
    groups = onsmqtt.list_group_id(mq.ListGroupIdRequest(instance_id=INSTANCE)).body.data
    assert [g.group_id for g in groups] == ["GID_orders"]
    for name in ("orders", "alerts"):
        sdk.generic(server, "CreateMqttTopic", InstanceId=INSTANCE, Topic=name)
    made = sdk.generic(server, "CreateMqttInstance", InstanceName="second")["InstanceId"]
    listed = sdk.generic(server, "ListMqttInstance")
    assert {i["InstanceId"] for i in listed["Instances"]} == {INSTANCE, made}
    topics = sdk.generic(server, "ListMqttTopic", InstanceId=INSTANCE)["Topics"]
    assert [t["Topic"] for t in topics] == ["alerts", "orders"]
    data = sdk.generic(server, "GetMqttMetaData")
    assert (data["InstanceCount"], data["TopicCount"], data["GroupCount"]) == (2, 2, 1)
    refused = lambda: sdk.generic(server, "CreateMqttTopic", key=STORY["alice"], InstanceId=INSTANCE, Topic="mine")
    assert sdk.code_of(refused)[0] == "PermissionCheckFailed"
    unseen = lambda: sdk.generic(server, "ListMqttInstance", key=STORY["alice"])
    assert sdk.code_of(unseen)[0] == "PermissionCheckFailed"


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_3_messages_by_paho(server, version, transport):
    alice = Client(server, STORY["alice"], "GID_orders@@@alice", version=version, transport=transport)
    assert alice.subscribe("orders/#") == [1]
    assert alice.publish("orders/eu", "by paho") == 0
    assert alice.receives("by paho") == ("orders/eu", "by paho", 1)
    assert alice.publish("orders/p2p/GID_orders@@@alice", "to myself") == 0
    assert alice.receives("to myself")[0] == "orders/p2p/GID_orders@@@alice"
    onsmqtt = sdk.onsmqtt(server)
    online = onsmqtt.query_session_by_client_id(
        mq.QuerySessionByClientIdRequest(client_id="GID_orders@@@alice", instance_id=INSTANCE)
    )
    assert online.body.online_status
    onsmqtt.send_message(
        mq.SendMessageRequest(instance_id=INSTANCE, mqtt_topic="orders/api", payload="by SendMessage")
    )
    assert alice.receives("by SendMessage")[0] == "orders/api"
    if version == 5:
        # What is absent is served: QoS 2, retained messages, shared subscriptions.
        announced = alice.properties.json()
        assert not announced.keys() & {"MaximumQoS", "RetainAvailable", "SharedSubscriptionAvailable"}, announced
    closed = onsmqtt.close_connection(
        mq.CloseConnectionRequest(client_id="GID_orders@@@alice", instance_id=INSTANCE)
    )
    assert closed.body.code == 200 and closed.body.success
    ended = alice.is_closed()
    assert version != 5 or ended == 0x98
    alice.stop()


def test_3_messages_by_mqtt_js(server):
    script = REPOSITORY / "tests" / "node" / "mqtt_js.js"
    for url in (f"mqtt://127.0.0.1:{server.mqtt_port}", f"ws://127.0.0.1:{server.http_port}/mqtt", f"ws://127.0.0.1:{server.http_port}/"):
        arguments = [url, *STORY["alice"], INSTANCE, "GID_orders@@@node"]
        done = subprocess.run(["node", str(script), *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"topic": "orders/node", "payload": "by mqtt.js"}


def test_3_messages_by_mosquitto_and_the_printed_login(server):
    login = server.run(
        "mqtt-login", "--access-key-id", STORY["alice"][0], "--access-key-secret", STORY["alice"][1],
        "--instance", INSTANCE, "--client-id", "GID_orders@@@sub",
    ).stdout  # fmt: skip
    names = dict(line.split("=", 1) for line in login.splitlines())
    assert names["Password"] == password(STORY["alice"][1], "GID_orders@@@sub")
    before = sdk.generic(server, "GetMqttMetaData")["SubscriptionCount"]
    common = ["-h", "127.0.0.1", "-p", str(server.mqtt_port), "-q", "1", "-t", "orders/mosquitto"]
    sub = subprocess.Popen(
        ["mosquitto_sub", *common, "-C", "1", "-W", "20", "-i", "GID_orders@@@sub", "-u", names["Username"], "-P", names["Password"]],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: sdk.generic(server, "GetMqttMetaData")["SubscriptionCount"] == before + 1, "the subscription")
    pub = password(STORY["alice"][1], "GID_orders@@@pub")
    subprocess.run(
        ["mosquitto_pub", *common, "-m", "by mosquitto", "-i", "GID_orders@@@pub", "-u", names["Username"], "-P", pub],
        check=True, timeout=20,
    )  # fmt: skip
    assert "by mosquitto" in sub.communicate(timeout=20)[0]


def test_3_the_owner_takes_over_and_nobody_else(server):
    first = Client(server, STORY["alice"], "GID_orders@@@same")
    second = Client(server, STORY["alice"], "GID_orders@@@same")
    assert first.is_closed() == 0x8E
    bob = server.new_user("bob", access(), group("GID_orders"))
    assert connack(server, bob, "GID_orders@@@same") == 0x87
    assert second.publish("orders/a", "still here") == 0
    # With one exception: a holder of the group takes over from one without.
    squatter = server.new_user("squatter", access())
    squatting = Client(server, squatter, "GID_orders@@@squatted")
    owner = Client(server, bob, "GID_orders@@@squatted")
    assert squatting.is_closed() == 0x8E
    assert connack(server, squatter, "GID_orders@@@squatted") == 0x87
    for client in (first, second, squatting, owner):
        client.stop()


def test_3_an_instance_with_the_originals_gaps_refuses_them_in_the_protocols_words(server):
    strict = "mqtt-cn-strict"
    server.api("onsmqtt", "CreateMqttInstance", InstanceName="strict", Compatibility="Strict", InstanceId=strict)
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=strict, Topic="orders")
    server.api("onsmqtt", "CreateGroupId", InstanceId=strict, GroupId="GID_orders")
    client = Client(server, (ROOT_KEY, ROOT_SECRET), "GID_orders@@@limits", instance=strict)
    announced = client.properties
    assert (announced.RetainAvailable, announced.SharedSubscriptionAvailable) == (0, 0)
    assert client.subscribe("$share/g/orders/#") == [0x9E]
    client.paho.publish("orders/a", "kept", qos=1, retain=True)
    assert client.is_closed() == 0x9A
    client.stop()


@pytest.mark.parametrize(("version", "codes"), [(4, (2, 4, 5)), (5, (0x85, 0x86, 0x87))])
def test_3_connect_is_refused_with_the_right_code(server, version, codes):
    syntax, credential, right = codes
    expected = {4: {2: 0x85, 4: 0x86, 5: 0x87}, 5: {}}[version]
    of = lambda code: expected.get(code, code)
    key = STORY["alice"]
    assert connack(server, key, "no-group", version=version) == of(syntax)
    assert connack(server, key, "GID_absent@@@1", version=version) == of(syntax)
    assert connack(server, (key[0], "wrong"), "GID_orders@@@1", version=version) == of(credential)
    assert connack(server, ("LTAIabsentabsentabsent00", "x"), "GID_orders@@@1", version=version) == of(credential)
    assert connack(server, key, "GID_orders@@@1", version=version, instance="mqtt-cn-absent") == of(right)
    assert connack(server, STORY["other"], "GID_orders@@@1", version=version) == of(right)


def test_4_a_refusal_says_who_what_on_which_resource_and_why(server):
    client = Client(server, STORY["alice"], "GID_orders@@@alerts")
    assert client.publish("alerts/a", "no") == "closed"
    assert client.is_closed() == 0x87
    assert "mq:PUB" in client.end_properties.ReasonString
    client.stop()
    line = until(lambda: next((l for l in server.log().splitlines() if "topic/mqtt-cn-first/alerts/a" in l), None), "a log line")
    for part in ("user `alice`", "mq:PUB", "none of the 1 policies in force allows it", "GID_orders@@@alerts"):
        assert part in line.replace("policy in force", "policies in force"), line
    server.grant("alice", "no-secrets", deny(["mq:PUB", "mq:SUB"], arn(f"topic/{INSTANCE}/orders/secret")))
    client = Client(server, STORY["alice"], "GID_orders@@@deny")
    assert client.subscribe("orders/#") == [1]
    sdk.generic(server, "SendMessage", InstanceId=INSTANCE, MqttTopic="orders/secret", Payload="hidden")
    sdk.generic(server, "SendMessage", InstanceId=INSTANCE, MqttTopic="orders/open", Payload="seen")
    client.receives("seen")
    assert all(payload != "hidden" for _, payload, _ in client.messages)
    assert client.publish("orders/secret/deep", "no") == "closed"
    assert "no-secrets" in client.end_properties.ReasonString and "/Statement/0" in client.end_properties.ReasonString
    client.stop()


@pytest.mark.parametrize("version", [4, 5])
def test_4_an_instance_may_answer_a_refusal_instead_of_closing(server, version):
    instance = f"mqtt-cn-respond{version}"
    root = lambda operation, **given: sdk.generic(server, operation, InstanceId=instance, **given)
    root("CreateMqttInstance", InstanceName=f"respond-{version}", DenyAction="Respond")
    root("CreateMqttTopic", Topic="open")
    root("CreateMqttTopic", Topic="shut")
    root("CreateGroupId", GroupId="GID_respond")
    key = server.new_user(
        f"respond{version}", access(instance), topic("open", instance=instance), group("GID_respond", instance=instance)
    )
    client = Client(server, key, "GID_respond@@@1", version=version, instance=instance)
    assert client.subscribe("shut/#") == [0x80 if version == 4 else 0x87]
    assert client.publish("shut/a", "no") == (0 if version == 4 else 0x87)
    assert client.subscribe("open/#") == [1]
    assert client.publish("open/a", "yes") == 0
    client.receives("yes")
    assert [m[0] for m in client.messages] == ["open/a"]
    client.stop()


def test_4_a_right_that_ends_by_itself_ends_what_lived_by_it(server):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    until_end = {"DateLessThan": {"acs:CurrentTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    server.api("ram", "CreateUser", UserName="guest")
    server.grant("guest", "guest", access() | {"Condition": until_end}, topic("orders"), group("GID_orders"))
    made = server.api("ram", "CreateAccessKey", UserName="guest")["AccessKey"]
    key = (made["AccessKeyId"], made["AccessKeySecret"])
    client = Client(server, key, "GID_orders@@@guest")
    assert client.subscribe("orders/#") == [1]
    assert client.is_closed() == 0x87
    assert connack(server, key, "GID_orders@@@guest") == 0x87
    client.stop()


def test_4_the_policy_vectors_pass_whole(server):
    done = server.run("policy", "test", str(REPOSITORY / "contract" / "ram-policy.json"))
    last = done.stdout.splitlines()[-1]
    assert last.endswith(" passed, 0 failed") and not last.startswith("0 ")


def test_5_taking_a_right_back_ends_what_lived_by_it(server):
    ram = sdk.ram(server)
    of_device = dict(policy_type="Custom", policy_name="device", user_name="alice")
    client = Client(server, STORY["alice"], "GID_orders@@@revoked")
    assert client.subscribe("orders/#") == [1]
    ram.detach_policy_from_user(m.DetachPolicyFromUserRequest(**of_device))
    assert client.is_closed() == 0x87
    client.stop()
    assert connack(server, STORY["alice"], "GID_orders@@@revoked") == 0x87
    ram.attach_policy_to_user(m.AttachPolicyToUserRequest(**of_device))
    assert connack(server, STORY["alice"], "GID_orders@@@revoked") == 0


def test_6_the_story_survives_a_restart(server):
    assert server.stop() == 0
    server.start()
    assert connack(server, STORY["alice"], "GID_orders@@@again") == 0
    second = subprocess.run([SLUICE, "serve", "--data-dir", str(server.folder)], capture_output=True, text=True, timeout=20)
    assert second.returncode == 1 and "another sluice process uses the data folder" in second.stderr


def test_6_no_secret_is_in_the_log(server):
    log = server.log()
    for secret in (ROOT_SECRET, STORY["alice"][1], STORY["other"][1], "root-password-1", "first-password"):
        assert secret not in log

