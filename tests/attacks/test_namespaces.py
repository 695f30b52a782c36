"""Attacks by reserved names and by the groups of shared subscriptions."""

import collections

import pytest

from support import packets
from support.devices import (
    DENIED, connected, heard, is_refused_in_the_log, publish_and_be_closed, subscribe_and_be_closed, subscribed,
)  # fmt: skip
from support.raw import Closed
from support.server import INSTANCE, ROOT_KEY, ROOT_SECRET, access, allow, arn, deny, group, topic

BOTH = pytest.mark.parametrize("version", [4, 5])
PREFIXES = ("$SYS", "$queue", "$exclusive", "$delayed/1", "$share/g", "$MQTT", "$events")
MESSAGES = 30


@BOTH
@pytest.mark.parametrize("prefix", PREFIXES)
def test_24_a_prefix_is_no_way_around_the_question(server, place, version, prefix):
    name = f"prefix24-{version}-{prefix.strip('$').replace('/', '-')}"
    watch = subscribed(server, place.watch, f"GID_watch@@@{name}", "home/#", "#", version=version)
    # Somebody without any topic, and the account itself, which may do everything.
    poor = server.new_user(name, access(), group("GID_mine"))
    for number, key in enumerate((poor, (ROOT_KEY, ROOT_SECRET))):
        client = connected(server, key, f"GID_mine@@@{name}-{number}", version=version)
        publish_and_be_closed(client, f"{prefix}/home/{name}", "around")
    client = connected(server, poor, f"GID_mine@@@{name}-s", version=version)
    subscribe_and_be_closed(client, f"{prefix}/home/{name}")
    assert heard(server, watch, "home/end") == []


@BOTH
def test_24_the_servers_own_topics_are_nobodys(server, place, version):
    for number, filter in enumerate(("$SYS/#", "$SYS/broker/+", "$share/g/$SYS/#")):
        client = connected(server, (ROOT_KEY, ROOT_SECRET), f"GID_mine@@@sys24-{version}-{number}", version=version)
        try:
            assert client.subscribe(filter, qos=1).codes[0] >= 0x80, filter
        except Closed as closed:
            assert (closed.last and closed.last.code) == DENIED[version], filter


@BOTH
def test_24_a_shared_filter_is_asked_as_its_filter(server, place, version):
    name = f"share24-{version}"
    key = server.new_user(name, access(), topic("yard"), group("GID_mine"))
    publisher = connected(server, place.keep, f"GID_mine@@@{name}-p")
    for filter in ("$share/g/home/#", f"$share/g/home/{name}", "$share/yard/home/#", "$share/g/#"):
        client = connected(server, key, f"GID_mine@@@{name}", version=version)
        subscribe_and_be_closed(client, filter)
    client = connected(server, key, f"GID_mine@@@{name}", version=version)
    assert client.subscribe("$share/home/yard/#", qos=1).codes == [1]
    publisher.publish(f"home/{name}", "not yours", 1)
    publisher.publish(f"yard/{name}", "yours", 1)
    assert client.message().payload == b"yours"
    assert heard(server, client, "yard/end") == []


@BOTH
@pytest.mark.parametrize("qos", [1, 2])
def test_25_who_joins_a_group_steals_nothing_that_it_may_not_read(server, place, version, qos):
    name = f"crash25-{version}-{qos}"
    everything = [arn(f"topic/{INSTANCE}/home"), arn(f"groupId/{INSTANCE}/GID_other")]
    key = server.new_user(name, access(), allow("mq:SUB", everything), deny("mq:SUB", arn(f"topic/{INSTANCE}/home/{name}/secret")))
    shared = f"$share/{name}/home/{name}/#"
    owner = subscribed(server, place.watch, f"GID_watch@@@{name}", shared, f"yard/{name}", qos=qos, version=version)
    joined = subscribed(server, key, f"GID_other@@@{name}", shared, qos=qos, version=version)
    publisher = connected(server, place.keep, f"GID_mine@@@{name}-p")
    for number in range(MESSAGES):
        publisher.publish(f"home/{name}/open", f"open {number}", qos)
        publisher.publish(f"home/{name}/secret", f"secret {number}", qos)
    server.api("onsmqtt", "SendMessage", InstanceId=INSTANCE, MqttTopic=f"home/p2p/GID_other@@@{name}", Payload="end")
    stolen = []
    while (payload := joined.message().payload.decode()) != "end":
        stolen.append(payload)
    kept = []
    while len(stolen) + len(kept) < 2 * MESSAGES:
        kept.append(owner.message().payload.decode())
    assert heard(server, owner, f"yard/{name}") == []
    assert [payload for payload in stolen if payload.startswith("secret")] == []
    times = collections.Counter(stolen + kept)
    assert set(times.values()) == {1} and len(times) == 2 * MESSAGES
    # Both are members: the open messages were shared, and only the question kept the secret ones together.
    assert stolen and [payload for payload in kept if payload.startswith("open")]
    is_refused_in_the_log(server, "mq:SUB", f"home/{name}/secret")


def test_25_a_group_of_the_same_name_in_another_account_is_another_group(server, place):
    other = server.new_account("crasher")
    rival, instance = (other["AccessKeyId"], other["AccessKeySecret"]), "mqtt-cn-crasher"
    server.api("onsmqtt", "CreateMqttInstance", key=rival, InstanceName="crasher", InstanceId=instance)
    server.api("onsmqtt", "CreateMqttTopic", key=rival, InstanceId=instance, Topic="home")
    server.api("onsmqtt", "CreateGroupId", key=rival, InstanceId=instance, GroupId="GID_mine")
    mine = subscribed(server, place.keep, "GID_mine@@@wall25", "$share/g/home/#")
    theirs = subscribed(server, rival, "GID_mine@@@wall25", "$share/g/home/#", instance=instance)
    publisher = connected(server, place.keep, "GID_mine@@@wall25-p")
    foreign = connected(server, rival, "GID_mine@@@wall25-p", instance=instance)
    for number in range(MESSAGES):
        publisher.publish("home/a", f"mine {number}", 1)
        foreign.publish("home/a", f"theirs {number}", 1)
    assert [message.payload.decode() for message in mine.messages(MESSAGES)] == [f"mine {n}" for n in range(MESSAGES)]
    assert [message.payload.decode() for message in theirs.messages(MESSAGES)] == [f"theirs {n}" for n in range(MESSAGES)]
    for client in (mine, theirs):
        client.send(packets.PINGREQ)
        client.ping()
        assert client.holds_nothing()
