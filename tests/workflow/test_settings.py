"""An instance's settings, topics, sessions and usage, by the generic call of the vendor's SDK."""

import json
import time

import pytest

from support import sdk
from support.mqtt import Client, connack
from support.server import ACCOUNT, INSTANCE, REPOSITORY, ROOT_KEY, ROOT_SECRET, access, allow, arn, group, topic, until

ROOT = (ROOT_KEY, ROOT_SECRET)
CONTRACT = {
    operation["op"]: operation
    for operation in json.loads((REPOSITORY / "contract" / "extra.json").read_text())["operations"]
    if operation["product"] == "OnsMqtt"
}
HOUR_MS = 3_600_000


def now_ms():
    return time.time_ns() // 1_000_000


def refused(server, operation, key=None, **query):
    return sdk.code_of(lambda: sdk.generic(server, operation, key=key, **query))


@pytest.fixture(scope="module")
def place(server):
    """A second instance with a topic, a group and a user who may connect there."""
    instance = sdk.generic(server, "CreateMqttInstance", InstanceName="settings", InstanceId="mqtt-cn-settings")["InstanceId"]
    sdk.generic(server, "CreateMqttTopic", InstanceId=instance, Topic="orders", Remark="first")
    sdk.generic(server, "CreateGroupId", InstanceId=instance, GroupId="GID_orders")
    key = server.new_user(
        "device", access(instance), topic("orders", instance=instance), group("GID_orders", instance=instance)
    )
    return instance, key


def details(server, instance):
    return sdk.generic(server, "GetMqttInstance", InstanceId=instance)["Instance"]


def test_an_instance_shows_its_settings_endpoints_and_limits(server, place):
    shown = details(server, place[0])
    assert (shown["InstanceName"], shown["Edition"], shown["Compatibility"]) == ("settings", "Professional", "Extended")
    assert (shown["DenyAction"], shown["Durability"], shown["Status"]) == ("Close", "Sync", "Running")
    endpoints = {endpoint["Protocol"]: endpoint["Address"] for endpoint in shown["Endpoints"]}
    assert endpoints["mqtt"] == f"127.0.0.1:{server.mqtt_port}"
    assert endpoints["http"] == endpoints["ws"] == f"127.0.0.1:{server.http_port}"
    assert (shown["Limits"]["ClientSubscriptionsMax"], shown["Limits"]["ConnectionsMax"]) == (1000, -1)


def test_settings_change_one_by_one_and_bring_their_limits(server, place):
    instance = place[0]
    sdk.generic(server, "UpdateMqttInstance", InstanceId=instance, Compatibility="Strict")
    sdk.generic(server, "UpdateMqttInstance", InstanceId=instance, Edition="Basic", DenyAction="Respond")
    shown = details(server, instance)
    assert (shown["InstanceName"], shown["Edition"], shown["Compatibility"]) == ("settings", "Basic", "Strict")
    assert (shown["DenyAction"], shown["Durability"]) == ("Respond", "Sync")
    limits = shown["Limits"]
    assert (limits["ConnectionsMax"], limits["ClientSubscriptionsMax"], limits["PayloadBytesMax"]) == (1000, 30, 65536)
    # 25 parent topics: the one that there is, and 24 more.
    for n in range(24):
        sdk.generic(server, "CreateMqttTopic", InstanceId=instance, Topic=f"topic{n}")
    assert refused(server, "CreateMqttTopic", InstanceId=instance, Topic="over")[0] == "LimitExceeded.Topic"
    sdk.generic(
        server, "UpdateMqttInstance", InstanceId=instance, InstanceName="renamed", Edition="Professional",
        Compatibility="Extended", DenyAction="Close", Durability="Relaxed",
    )  # fmt: skip
    assert details(server, instance)["InstanceName"] == "renamed"
    assert details(server, instance)["Durability"] == "Relaxed"
    sdk.generic(server, "CreateMqttTopic", InstanceId=instance, Topic="over")


def test_what_is_kept_for_clients_that_are_away_is_a_setting(server):
    made = lambda name, **query: sdk.generic(server, "CreateMqttInstance", InstanceName=name, **query)["InstanceId"]
    kept = lambda instance: [details(server, instance)["Limits"][name] for name in ("OfflineRetentionSeconds", "OfflineMessagesMax")]
    assert kept(made("kept-default")) == [259200, 1000000]
    instance = made("kept", OfflineRetentionSeconds=3600, OfflineMessagesMax=5)
    assert kept(instance) == [3600, 5]
    sdk.generic(server, "UpdateMqttInstance", InstanceId=instance, OfflineMessagesMax=7, Compatibility="Strict")
    assert kept(instance) == [3600, 7]
    sdk.generic(server, "UpdateMqttInstance", InstanceId=instance, OfflineRetentionSeconds=31536000)
    assert kept(instance) == [31536000, 7]


def test_a_deny_action_holds_for_who_is_connected(server, place):
    instance, key = place
    client = Client(server, key, "GID_orders@@@deny", instance=instance)
    sdk.generic(server, "UpdateMqttInstance", InstanceId=instance, DenyAction="Respond")
    assert client.publish("alerts/a", "x") == 0x87
    sdk.generic(server, "UpdateMqttInstance", InstanceId=instance, DenyAction="Close")
    assert client.publish("alerts/a", "x") == "closed"
    client.stop()


def test_a_topics_remark_is_changed_cleared_and_left(server, place):
    instance = place[0]
    remark = lambda: sdk.generic(server, "ListMqttTopic", InstanceId=instance, Topic="orders")["Topics"][0]["Remark"]
    sdk.generic(server, "UpdateMqttTopic", InstanceId=instance, Topic="orders")
    assert remark() == "first"
    sdk.generic(server, "UpdateMqttTopic", InstanceId=instance, Topic="orders", Remark="second")
    assert remark() == "second"
    server.api("onsmqtt", "UpdateMqttTopic", InstanceId=instance, Topic="orders", Remark="")
    assert remark() == ""
    assert refused(server, "UpdateMqttTopic", InstanceId=instance, Topic="absent")[0] == "TopicNotFound"
    assert refused(server, "UpdateMqttTopic", InstanceId=instance, Topic="orders", Remark="x" * 129)[0] == "InvalidParameter.Remark"


def test_sessions_and_subscriptions_are_listed_and_ended(server, place):
    instance, key = place
    first = Client(server, key, "GID_orders@@@1", instance=instance)
    second = Client(server, ROOT, "GID_orders@@@2", version=4, instance=instance)
    assert first.subscribe("orders/#") == [1] and first.subscribe("orders/eu") == [1] and second.subscribe("orders/us") == [1]
    sessions = lambda **query: sdk.generic(server, "ListMqttSession", InstanceId=instance, **query)
    ids = lambda **query: [session["ClientId"] for session in sessions(**query)["Sessions"]]
    one, two = sessions(Online=True)["Sessions"]
    assert (one["ClientId"], one["Online"], one["Mode"], one["ProtocolVersion"]) == ("GID_orders@@@1", True, "Signature", 5)
    assert one["Principal"] == f"acs:ram::{ACCOUNT}:user/device" and two["Principal"] == f"acs:ram::{ACCOUNT}:root"
    assert (one["ClientIp"], one["SubscriptionCount"], two["ProtocolVersion"]) == ("127.0.0.1", 2, 4)
    assert abs(one["ConnectTime"] - now_ms()) < 60_000
    assert ids(ClientId="GID_orders@@@2") == ["GID_orders@@@2"] and ids(GroupId="GID_orders") == ["GID_orders@@@1", "GID_orders@@@2"]
    assert ids(GroupId="GID_other") == [] and ids(Online=False) == []
    assert ids(Topic="orders/us") == ["GID_orders@@@1", "GID_orders@@@2"] and ids(Topic="orders/#") == ["GID_orders@@@1"]
    page = sessions(PageNumber=2, PageSize=1)
    assert (page["TotalCount"], [session["ClientId"] for session in page["Sessions"]]) == (2, ["GID_orders@@@2"])
    rows = sdk.generic(server, "ListMqttSubscription", InstanceId=instance)["Subscriptions"]
    assert [(row["ClientId"], row["TopicFilter"], row["Qos"], row["Allowed"]) for row in rows] == [
        ("GID_orders@@@1", "orders/#", 1, True), ("GID_orders@@@1", "orders/eu", 1, True),
        ("GID_orders@@@2", "orders/us", 1, True),
    ]  # fmt: skip
    of_topic = sdk.generic(server, "ListMqttSubscription", InstanceId=instance, Topic="orders/eu")["Subscriptions"]
    assert [row["TopicFilter"] for row in of_topic] == ["orders/#", "orders/eu"]
    sdk.generic(server, "DeleteMqttSession", InstanceId=instance, ClientId="GID_orders@@@1")
    assert first.is_closed() == 0x98
    until(lambda: ids() == ["GID_orders@@@2"], "the end of the session")
    assert refused(server, "DeleteMqttSession", InstanceId=instance, ClientId="GID_orders@@@1")[0] == "SessionNotFound"
    assert refused(server, "DeleteMqttSession", InstanceId=instance, ClientId="no @@@ group")[0] == "InvalidParameter.ClientId"
    first.stop()
    second.stop()


def usage(server, key=None, **query):
    times = {"BeginTime": now_ms() - HOUR_MS, "EndTime": now_ms() + HOUR_MS}
    return sdk.generic(server, "QueryMqttUsage", key=key, **(times | query))["Items"]


def total(items, field):
    return sum(item[field] for item in items)


def test_calls_and_connections_are_metered_to_who_made_them_and_add_up(server, place):
    instance, key = place
    server.new_user("meter", access(instance), allow("mq:ListMqttTopic", arn(f"instance/{instance}")))
    meter = lambda: usage(server, Principal="meter", InstanceId=instance)
    caller = server.api("ram", "CreateAccessKey", UserName="meter")["AccessKey"]
    caller = (caller["AccessKeyId"], caller["AccessKeySecret"])
    for _ in range(3):
        sdk.generic(server, "ListMqttTopic", key=caller, InstanceId=instance)
    # Refused calls are not counted.
    assert refused(server, "DeleteMqttInstance", key=caller, InstanceId=instance)[0] == "PermissionCheckFailed"
    sdk.sts(server, caller).get_caller_identity()
    assert total(meter(), "ApiCalls") == total(meter(), "BilledTps") == 3
    assert {item["Principal"] for item in meter()} == {f"acs:ram::{ACCOUNT}:user/meter"}
    client = Client(server, key, "GID_orders@@@metered", instance=instance)
    by = {by: usage(server, GroupBy=by) for by in ("Principal", "Instance")}
    peaks = [item["ConnectionsPeak"] for item in by["Principal"] if item["Principal"].endswith(":user/device")]
    assert max(peaks) >= 1
    assert {item["InstanceId"] for item in by["Instance"]} >= {"", instance}
    client.stop()
    # One call more each time it is asked: the query before.
    whole = [total(usage(server, GroupBy=by), "ApiCalls") for by in ("Account", "Principal", "Instance")]
    assert whole == [whole[0], whole[0] + 1, whole[0] + 2] and whole[0] > 3
    hours = [item["Hour"] for item in usage(server)]
    assert hours == sorted(hours) and all(hour % HOUR_MS == 0 for hour in hours)
    assert usage(server, BeginTime=0, EndTime=HOUR_MS) == []
    for principal in (f"acs:ram::{ACCOUNT}:user/nobody", "nobody", "acs:ram::9999999999999999:root"):
        assert usage(server, Principal=principal) == []


def test_usage_survives_a_restart_to_the_last_call(server, place):
    before = total(usage(server), "ApiCalls")
    for _ in range(5):
        sdk.generic(server, "GetMqttMetaData")
    assert server.stop() == 0
    server.start()
    # The query of before counts too.
    assert total(usage(server), "ApiCalls") == before + 6


def test_usage_of_a_wrong_time_or_word_is_refused(server):
    now = now_ms()
    code = lambda **query: refused(server, "QueryMqttUsage", **query)[0]
    assert code(BeginTime=now) == "MissingEndTime" and code(EndTime=now) == "MissingBeginTime"
    assert code(BeginTime=now, EndTime=now) == "InvalidParameter.EndTime"
    assert code(BeginTime=-1, EndTime=now) == "InvalidParameter.BeginTime"
    assert code(BeginTime=0, EndTime=now, GroupBy="Hour") == "InvalidParameter.GroupBy"
    assert code(BeginTime=0, EndTime=now, Principal="a b") == "InvalidParameter.Principal"
    assert code(BeginTime=0, EndTime=now, InstanceId="mqtt-cn-absent") == "InstancePermissionCheckFailed"


def test_a_name_that_is_taken_and_a_word_that_is_none_are_refused(server, place):
    taken = details(server, INSTANCE)["InstanceName"]
    code = lambda **query: refused(server, "UpdateMqttInstance", InstanceId=place[0], **query)[0]
    assert code(InstanceName=taken) == "InvalidParameter.InstanceName"
    assert code(InstanceName="a b") == "InvalidParameter.InstanceName"


LEGAL = {
    "Topic": "orders", "ClientId": "GID_orders@@@absent", "InstanceName": "another", "BeginTime": "0",
    "EndTime": "9999999999999", "Remark": "r", "GroupId": "GID_orders",
}  # fmt: skip


def required_of(operation, instance):
    named = [param["name"] for param in CONTRACT[operation]["params"] if param["required"]]
    return {name: instance if name == "InstanceId" else LEGAL[name] for name in named}


@pytest.mark.parametrize("operation", CONTRACT)
def test_each_operation_is_refused_without_its_right_and_with_a_wrong_parameter(server, place, operation):
    """The refusals that the contract leads to, for each operation alike."""
    instance, key = place
    given = required_of(operation, instance)
    code, status = refused(server, operation, key=key, **given)
    assert (code, status) == ("PermissionCheckFailed", 400)
    if "InstanceId" in given:
        for other in (INSTANCE, "mqtt-cn-absent", "nowhere"):
            code = refused(server, operation, key=key, **(given | {"InstanceId": other}))
            assert code == ("InstancePermissionCheckFailed", 400)
    for name in given:
        without = {other: value for other, value in given.items() if other != name}
        assert refused(server, operation, **without)[0] == f"Missing{name}"
    for param in CONTRACT[operation]["params"]:
        wrong = ["Nonsense"] if "enum" in param else []
        wrong += [str(param["minimum"] - 1)] if "minimum" in param else []
        wrong += [str(param["maximum"] + 1)] if "maximum" in param else []
        wrong += ["maybe"] if param["type"] in ("integer", "boolean") else []
        for value in wrong:
            code = refused(server, operation, **(given | {param["name"]: value}))[0]
            assert code == f"InvalidParameter.{param['name']}", (param["name"], value)


def paths(value, path=""):
    """The paths of a reply in the contract's form; what is in `Limits` is free."""
    found = {path} if path and not isinstance(value, dict) or path == "Instance.Limits" else set()
    if isinstance(value, dict) and path != "Instance.Limits":
        for name, member in value.items():
            found |= paths(member, f"{path}.{name}" if path else name)
    if isinstance(value, list):
        for entry in value:
            found |= {below for below in paths(entry, f"{path}[]") if below != f"{path}[]"}
    return found


@pytest.mark.parametrize("operation", CONTRACT)
def test_each_reply_has_the_fields_of_the_contract_and_no_other(server, place, operation):
    instance, key = place
    client = Client(server, key, "GID_orders@@@fields", instance=instance)
    assert client.subscribe("orders/#") == [1]
    sdk.generic(server, "GetMqttMetaData")
    given = required_of(operation, instance)
    if operation == "CreateMqttTopic":
        given["Topic"] = "fields"
    if operation == "DeleteMqttTopic":
        given["Topic"] = "over"
    if operation == "DeleteMqttSession":
        given["ClientId"] = "GID_orders@@@fields"
    if operation == "DeleteMqttInstance":
        given["InstanceId"] = sdk.generic(server, "CreateMqttInstance", InstanceName="to-delete")["InstanceId"]
    reply = sdk.generic(server, operation, **given)
    assert paths(reply) == set(CONTRACT[operation]["response"])
    client.stop()


def test_an_instance_goes_with_all_that_is_in_it(server, place):
    instance, key = place
    client = Client(server, key, "GID_orders@@@last", instance=instance)
    assert client.subscribe("orders/#") == [1]
    sdk.generic(server, "DeleteMqttInstance", InstanceId=instance)
    assert client.is_closed() == 0x87
    client.stop()
    assert connack(server, key, "GID_orders@@@last", instance=instance) == 0x87
    for operation in ("GetMqttInstance", "DeleteMqttInstance", "ListMqttTopic", "ListMqttSession"):
        assert refused(server, operation, InstanceId=instance)[0] == "InstancePermissionCheckFailed"
    assert instance not in {row["InstanceId"] for row in sdk.generic(server, "ListMqttInstance")["Instances"]}
    # What it used stays counted.
    assert instance in {item["InstanceId"] for item in usage(server, GroupBy="Instance")}
    sdk.generic(server, "CreateMqttInstance", InstanceName="renamed", InstanceId=instance)
    assert sdk.generic(server, "ListMqttTopic", InstanceId=instance)["Topics"] == []
