"""Attacks on permissions, each by a client that means it. Named after what they are in the literature of other brokers."""

import pytest

from support.mqtt import Client, connack
from support.server import INSTANCE, access, allow, arn, deny, document, group, topic, until


@pytest.fixture(scope="module")
def world(server):
    """Topics, groups and users of two accounts with the same names."""
    for name in ("home", "yard"):
        server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic=name)
    for name in ("GID_one", "GID_two"):
        server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId=name)
    other = server.new_account("rival")
    rival = (other["AccessKeyId"], other["AccessKeySecret"])
    server.api("onsmqtt", "CreateMqttInstance", key=rival, InstanceName="rival", InstanceId="mqtt-cn-rival")
    server.api("onsmqtt", "CreateMqttTopic", key=rival, InstanceId="mqtt-cn-rival", Topic="home")
    server.api("onsmqtt", "CreateGroupId", key=rival, InstanceId="mqtt-cn-rival", GroupId="GID_one")
    return {
        "victim": server.new_user("victim", access(), topic("home"), group("GID_one")),
        "attacker": server.new_user("attacker", access(), topic("home", "mq:PUB"), group("GID_two")),
        "rival": rival,
    }


def test_17_a_client_id_is_not_hijacked_before_authentication(server, world):
    victim = Client(server, world["victim"], "GID_one@@@v")
    victim.subscribe("home/v")
    assert connack(server, (world["victim"][0], "wrong"), "GID_one@@@v") == 0x86
    assert connack(server, world["attacker"], "GID_one@@@v") == 0x87
    assert victim.publish("home/v", "still mine") == 0
    victim.receives("still mine")
    victim.stop()


def test_18_the_same_client_id_in_two_accounts_is_two_clients(server, world):
    mine = Client(server, world["victim"], "GID_one@@@twin")
    theirs = Client(server, world["rival"], "GID_one@@@twin", instance="mqtt-cn-rival")
    assert mine.subscribe("home/#") == [1] and theirs.subscribe("home/#") == [1]
    assert theirs.publish("home/a", "theirs") == 0 and mine.publish("home/a", "mine") == 0
    mine.receives("mine")
    theirs.receives("theirs")
    assert theirs.publish("home/p2p/GID_one@@@twin", "theirs alone") == 0
    theirs.receives("theirs alone")
    assert mine.publish("home/a", "last") == 0
    mine.receives("last")
    assert {m[1] for m in mine.messages} == {"mine", "last"}
    assert {m[1] for m in theirs.messages} == {"theirs", "theirs alone"}
    assert connack(server, world["rival"], "GID_one@@@twin", instance=INSTANCE) == 0x87
    for client in (mine, theirs):
        client.stop()


def test_19_a_group_needs_its_right_and_point_to_point_is_the_targets_alone(server, world):
    # The attacker may use GID_two, not GID_one: CONNECT goes through, SUBSCRIBE does not.
    attacker = Client(server, world["attacker"], "GID_one@@@dev")
    assert attacker.subscribe("home/a") == "closed"
    attacker.stop()
    spy = server.new_user("spy", access(), topic("home"), group("GID_two"))
    client = Client(server, spy, "GID_two@@@spy")
    assert client.subscribe("home/p2p/GID_one@@@v") == "closed"
    client.stop()
    client = Client(server, spy, "GID_two@@@spy")
    victim = Client(server, world["victim"], "GID_one@@@v")
    assert client.subscribe("home/#") == [1]
    assert victim.publish("home/p2p/GID_one@@@v", "for v") == 0
    victim.receives("for v")
    assert victim.publish("home/b", "for all") == 0
    client.receives("for all")
    assert [m[1] for m in client.messages] == ["for all"]
    # A target without the right on its group gets nothing.
    bare = server.new_user("bare", access(), topic("home"))
    target = Client(server, bare, "GID_one@@@bare")
    assert victim.publish("home/p2p/GID_one@@@bare", "not for you") == 0
    line = 'what="delivery"'
    until(lambda: any(line in l and "GID_one@@@bare" in l for l in server.log().splitlines()), "the refusal in the log")
    assert target.messages == []
    for c in (client, victim, target):
        c.stop()


def test_20_a_wildcard_does_not_beat_a_literal_deny(server, world):
    half = server.new_user(
        "half", access(), allow(["mq:SUB"], [arn(f"topic/{INSTANCE}/*"), arn(f"groupId/{INSTANCE}/GID_one")]),
        deny("mq:SUB", arn(f"topic/{INSTANCE}/home/lock")),
    )  # fmt: skip
    for filter in ("home/#", "home/+", "+/lock", "#"):
        client = Client(server, half, "GID_one@@@half")
        assert client.subscribe(filter) == [1], filter
        for path in ("home/lock", "yard/lock", "home/light"):
            server.api("onsmqtt", "SendMessage", InstanceId=INSTANCE, MqttTopic=path, Payload=path)
        server.api("onsmqtt", "SendMessage", InstanceId=INSTANCE, MqttTopic="home/p2p/GID_one@@@half", Payload="end")
        client.receives("end")
        got = {m[1] for m in client.messages}
        assert "home/lock" not in got and got & {"yard/lock", "home/light"}, filter
        client.stop()
    literal = Client(server, half, "GID_one@@@half")
    assert literal.subscribe("home/lock") == "closed"
    literal.stop()


@pytest.mark.parametrize("name", ["#", "+", "a/b", "a*b", "a?", "..", "a.*", "${x}", "a b", "ä", "a@@@b"])
def test_21_identities_hold_no_characters_of_patterns(server, world, name):
    assert connack(server, world["victim"], f"GID_one@@@{name}") == 0x85
    if "@" not in name and name not in ("..", "a.*"):
        code, _ = server.api("ram", "CreateUser", check=False, UserName=name)
        assert code.startswith("InvalidParameter.UserName"), code
        code, _ = server.api("onsmqtt", "CreateMqttTopic", check=False, InstanceId=INSTANCE, Topic=name)
        assert code == "InvalidParameter.Topic", code


def test_21_a_star_in_a_topic_is_a_character_not_a_pattern(server, world):
    key = server.new_user("starry", access(), topic("home/x", "mq:PUB"), group("GID_one"))
    client = Client(server, key, "GID_one@@@starry")
    assert client.publish("home/*", "no") == "closed"
    client.stop()


def test_23_a_remembered_yes_is_nobody_elses_and_dies_with_its_right(server, world):
    key = server.new_user("brief", access(), topic("home", "mq:PUB"), group("GID_one"))
    yes = Client(server, key, "GID_one@@@yes")
    no = Client(server, server.new_user("nothing", access(), group("GID_one")), "GID_one@@@no")
    assert yes.publish("home/a", "remembered") == 0
    assert no.publish("home/a", "not mine") == "closed"
    assert yes.publish("home/a", "again") == 0
    server.api("ram", "CreatePolicyVersion", PolicyName="brief", SetAsDefault="true", PolicyDocument=document(access()))
    assert yes.publish("home/a", "too late") == "closed"
    for client in (yes, no):
        client.stop()


def test_26_no_list_and_no_operation_reaches_across_accounts(server, world):
    victim = Client(server, world["victim"], "GID_one@@@seen")
    rival = world["rival"]
    for operation, parameters in (
        ("QuerySessionByClientId", {"ClientId": "GID_one@@@seen"}),
        ("CloseConnection", {"ClientId": "GID_one@@@seen"}),
        ("ListGroupId", {}),
        ("ListMqttTopic", {}),
        ("SendMessage", {"MqttTopic": "home/a", "Payload": "x"}),
    ):
        code, _ = server.api("onsmqtt", operation, key=rival, check=False, InstanceId=INSTANCE, **parameters)
        assert code == "InstancePermissionCheckFailed", operation
        absent, _ = server.api("onsmqtt", operation, key=rival, check=False, InstanceId="mqtt-cn-absent", **parameters)
        assert absent == code, operation
    listed = server.api("onsmqtt", "ListMqttInstance", key=rival)["Instances"]
    assert [i["InstanceId"] for i in listed] == ["mqtt-cn-rival"]
    assert server.api("onsmqtt", "GetMqttMetaData", key=rival)["ConnectionCount"] == 0
    taken, _ = server.api(
        "onsmqtt", "CreateMqttInstance", key=rival, check=False, InstanceName="mine", InstanceId=INSTANCE
    )
    assert taken == "InvalidParameter.InstanceId"
    assert victim.publish("home/a", "undisturbed") == 0
    victim.stop()


def test_29_a_topic_is_no_secret(server, world):
    key = server.new_user("guesser", access(), group("GID_one"))
    for path in ("home/5f4dcc3b5aa765d61d8327deb882cf99", "home", "#", "+/+", "absent/x"):
        client = Client(server, key, "GID_one@@@guesser")
        assert client.subscribe(path) == "closed", path
        client.stop()
