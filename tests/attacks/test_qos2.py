"""Attacks by what is under way: parked PUBRELs, second queues, resent packets, topic aliases."""

import pytest

from support import packets
from support.devices import (
    connected, heard, is_refused_in_the_log, publish_and_be_closed, publish_unreleased, revoke, subscribed,
)  # fmt: skip
from support.packets import Kind
from support.raw import Closed
from support.server import access, group, topic

BOTH = pytest.mark.parametrize("version", [4, 5])
# Receive Maximum of an instance: the most that it takes, and the most that MQTT 3.1.1 is sent, unacknowledged.
WINDOW = 100


@BOTH
def test_8_a_withheld_pubrel_routes_nothing_after_the_revocation(server, place, guest, version):
    name = f"park8-{version}"
    key = guest(name, topic("home"))
    watch = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}", qos=2)
    clients = {
        text: connected(server, user, f"GID_mine@@@{name}-{text}", version=version)
        for text, user in (("lost", key), ("kept", place.keep))
    }
    for text, client in clients.items():
        # Routed at PUBLISH: the watcher has it before any PUBREL.
        publish_unreleased(client, f"home/{name}", text, 7)
        assert watch.message().payload == text.encode()
    revoke(server, name, f"{name}-right")
    for client in clients.values():
        client.release(7)
    assert heard(server, watch, f"home/{name}") == []
    publish_unreleased(clients["kept"], f"home/{name}", "again", 7)
    clients["kept"].release(7)
    publish_and_be_closed(clients["lost"], f"home/{name}", "too late", 2)
    assert watch.message().payload == b"again"
    assert heard(server, watch, f"home/{name}") == []


@BOTH
def test_9_no_second_queue_before_the_question(server, place, guest, version):
    """The publisher's side: its window is full of allowed messages when the one on a topic to be revoked comes."""
    name = f"window9-{version}"
    key = guest(name, topic("yard", "mq:PUB"), base=[topic("home", "mq:PUB")])
    watch = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}", f"yard/{name}", qos=1)
    client = connected(server, key, f"GID_mine@@@{name}", version=version)
    for packet_id in range(1, WINDOW + 1):
        publish_unreleased(client, f"home/{name}", f"m{packet_id}", packet_id)
    assert [message.payload.decode() for message in watch.messages(WINDOW)] == [f"m{n}" for n in range(1, WINDOW + 1)]
    client.send(packets.publish(version, f"yard/{name}", "one more", 2, WINDOW + 1))
    if version == 5:
        assert client.ended() == 0x93
        assert heard(server, watch, f"yard/{name}") == []
        return
    # MQTT 3.1.1 has no Receive Maximum: taken and routed at once, or refused; never kept for later.
    try:
        client.expect(Kind.PUBREC)
        taken = True
    except Closed:
        taken = False
    assert heard(server, watch, f"yard/{name}") == (["one more"] if taken else [])
    revoke(server, name, f"{name}-right")
    if taken:
        for packet_id in range(1, WINDOW + 2):
            client.release(packet_id)
    assert heard(server, watch, f"yard/{name}") == []


@BOTH
@pytest.mark.parametrize("qos", [1, 2])
def test_9_what_waits_behind_a_receivers_window_is_asked_again(server, place, guest, version, qos):
    """The receiver's side: the message waits behind a full window while its publisher loses the right."""
    name = f"behind9-{version}-{qos}"
    key = guest(name, topic("home"))
    window = 1 if version == 5 else WINDOW
    props = {"receive_maximum": window} if version == 5 else None
    slow = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}/#", qos=qos, version=version, props=props)
    keep = connected(server, place.keep, f"GID_mine@@@{name}-kept")
    for number in range(window):
        keep.publish(f"home/{name}/kept", f"m{number}", qos)
    unanswered = slow.messages(window, answer=False)
    lost = connected(server, key, f"GID_mine@@@{name}-lost")
    lost.publish(f"home/{name}/lost", "lost", qos)
    keep.publish(f"home/{name}/kept", "kept", qos)
    revoke(server, name, f"{name}-right")
    for message in unanswered:
        slow.answer(message)
    assert slow.message().payload == b"kept"
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost")
    assert heard(server, slow, f"home/{name}/kept") == []


@BOTH
def test_10_a_refused_packet_is_not_known_when_it_is_resent(server, place, version):
    name = f"resend10-{version}"
    key = server.new_user(name, access(), group("GID_mine"))
    watch = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}", qos=2)
    for dup in (False, True, True):
        client = connected(server, key, f"GID_mine@@@{name}", version=version, stored=True)
        publish_and_be_closed(client, f"home/{name}", "refused", 2, packet_id=7, dup=dup)
    client = connected(server, key, f"GID_mine@@@{name}", version=version, stored=True)
    assert client.release(7).code == (0x92 if version == 5 else 0)
    assert heard(server, watch, f"home/{name}") == []
    # With the right the same packet, resent, is a new one: what was refused left no trace.
    server.grant(name, f"{name}-right", topic("home", "mq:PUB"))
    publish_unreleased(client, f"home/{name}", "allowed", 7, dup=True)
    publish_unreleased(client, f"home/{name}", "allowed", 7, dup=True)
    client.release(7)
    assert watch.message().payload == b"allowed"
    assert heard(server, watch, f"home/{name}") == []


@pytest.fixture(scope="module")
def responding(server):
    """An instance that answers a refusal instead of closing."""
    instance = "mqtt-cn-respond"
    server.api("onsmqtt", "CreateMqttInstance", InstanceName="respond", InstanceId=instance, DenyAction="Respond")
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=instance, Topic="home")
    server.api("onsmqtt", "CreateGroupId", InstanceId=instance, GroupId="GID_mine")
    watch = server.new_user("respond-watch", access(instance), topic("home", instance=instance), group("GID_mine", instance))
    return instance, watch


@BOTH
def test_10_a_refused_packet_is_answered_again_and_again(server, responding, version):
    instance, watch_key = responding
    name = f"answer10-{version}"
    key = server.new_user(name, access(instance), group("GID_mine", instance))
    watch = subscribed(server, watch_key, f"GID_mine@@@{name}-w", f"home/{name}", qos=2, instance=instance)
    client = connected(server, key, f"GID_mine@@@{name}", version=version, stored=True, instance=instance)
    for dup in (False, True):
        answer = publish_unreleased(client, f"home/{name}", "refused", 7, dup=dup)
        assert version == 4 or answer.code == 0x87
    assert client.release(7).code == (0x92 if version == 5 else 0)
    assert heard(server, watch, f"home/{name}", instance) == []
    server.grant(name, f"{name}-right", topic("home", "mq:PUB", instance=instance))
    publish_unreleased(client, f"home/{name}", "allowed", 7, dup=True)
    client.release(7)
    assert watch.message().payload == b"allowed"
    assert heard(server, watch, f"home/{name}", instance) == []


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_11_a_topic_alias_is_resolved_before_the_question(server, place, guest, qos):
    name = f"alias11-{qos}"
    key = guest(name, topic("home"))
    watch = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}", qos=2)
    alias = {"topic_alias": 1}
    clients = {text: connected(server, user, f"GID_mine@@@{name}-{text}") for text, user in (("lost", key), ("kept", place.keep))}
    for text, client in clients.items():
        client.publish(f"home/{name}", f"{text} named", qos, props=alias)
        assert watch.message().payload == f"{text} named".encode()
        client.publish("", f"{text} by alias", qos, props=alias)
        assert watch.message().payload == f"{text} by alias".encode()
    revoke(server, name, f"{name}-right")
    publish_and_be_closed(clients["lost"], "", "too late", qos, props=alias)
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}")
    clients["kept"].publish("", "still", qos, props=alias)
    assert watch.message().payload == b"still"
    assert heard(server, watch, f"home/{name}") == []


def test_11_an_alias_of_a_refused_topic_is_no_way_in(server, responding):
    instance, watch_key = responding
    key = server.new_user("alias11", access(instance), group("GID_mine", instance))
    watch = subscribed(server, watch_key, "GID_mine@@@alias11-w", "home/#", instance=instance)
    client = connected(server, key, "GID_mine@@@alias11", instance=instance)
    alias = {"topic_alias": 1}
    assert client.publish("home/alias11", "refused", 1, props=alias).code == 0x87
    assert client.publish("", "refused", 1, props=alias).code == 0x87
    assert heard(server, watch, "home/end", instance) == []
    server.grant("alias11", "alias11-right", topic("home", "mq:PUB", instance=instance))
    assert client.publish("", "allowed", 1, props=alias).code in (0, 0x10)
    assert watch.message().payload == b"allowed"
