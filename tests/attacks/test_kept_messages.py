"""Attacks by what is kept: retained messages, queues of absent clients, and subscriptions that outlive their right."""

import pytest

from support import packets
from support.devices import (
    WAYS_TO_HOLD, another_key, connected, give_back, has_passed, heard, is_offline, is_refused_in_the_log, lend,
    publish_and_be_closed, refusal, revoke, say, subscribed, switch_off, until_in,
)  # fmt: skip
from support.packets import Kind
from support.server import INSTANCE, access, allow, arn, deny, group, topic

HELD = WAYS_TO_HOLD
BOTH = pytest.mark.parametrize("version", [4, 5])


def lose(server, how, name, key):
    """Takes the publish right back: from the user, or with the key."""
    if how == "policy":
        revoke(server, name, f"{name}-right")
    else:
        switch_off(server, name, key)


@BOTH
@pytest.mark.parametrize("how", ["policy", "key"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_5_a_retained_message_dies_with_its_publishers_right(server, place, guest, version, how, qos):
    name = f"kept5-{version}-{how}-{qos}"
    key = guest(name, topic("home"))
    for user, text in ((key, "lost"), (place.keep, "kept")):
        publisher = connected(server, user, f"GID_mine@@@{name}-{text}", version=version)
        publisher.publish(f"home/{name}/{text}", text, qos, retain=True)
        publisher.ping()
    late = lambda number: subscribed(server, place.watch, f"GID_watch@@@{name}-{number}", f"home/{name}/#", version=version)
    first = late(1)
    assert {message.payload for message in first.messages(2)} == {b"lost", b"kept"}
    lose(server, how, name, key)
    second = late(2)
    assert heard(server, second, f"home/{name}/end") == ["kept"]
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost")


@BOTH
def test_5_a_deleted_user_leaves_no_retained_message(server, place, version):
    name = f"gone5-{version}"
    key = server.new_user(name, access(), topic("home"), group("GID_mine"))
    publisher = connected(server, key, f"GID_mine@@@{name}", version=version)
    publisher.publish(f"home/{name}", "lost", 1, retain=True)
    publisher.disconnect()
    first = subscribed(server, place.watch, f"GID_watch@@@{name}-1", f"home/{name}", version=version)
    assert first.message().payload == b"lost"
    revoke(server, name, name)
    server.api("ram", "DeleteAccessKey", UserName=name, UserAccessKeyId=key[0])
    server.api("ram", "DeleteUser", UserName=name)
    second = subscribed(server, place.watch, f"GID_watch@@@{name}-2", f"home/{name}", version=version)
    assert heard(server, second, f"home/{name}") == []


@BOTH
@pytest.mark.parametrize("filter", ["home/#", "home/+/{}", "+/+/{}", "#", "home/lock/{}"])
def test_6_a_retained_message_is_read_by_who_may_read_its_topic(server, place, version, filter):
    name = f"read6-{version}-{''.join(c for c in filter if c.isalpha())}{filter.count('+')}"
    half = server.new_user(
        name, access(), allow("mq:SUB", [arn(f"topic/{INSTANCE}/*"), arn(f"groupId/{INSTANCE}/GID_mine")]),
        deny("mq:SUB", arn(f"topic/{INSTANCE}/home/lock")),
    )  # fmt: skip
    publisher = connected(server, place.keep, f"GID_mine@@@{name}-p", version=version)
    for place_ in ("lock", "light"):
        publisher.publish(f"home/{place_}/{name}", f"{place_} {name}", 1, retain=True)
    whole = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/+/{name}", version=version)
    assert {message.payload.decode() for message in whole.messages(2)} == {f"lock {name}", f"light {name}"}
    client = connected(server, half, f"GID_mine@@@{name}", version=version)
    if filter == "home/lock/{}":
        client.send(packets.subscribe(version, 1, [(filter.format(name), 1)]))
        assert client.ended() == {4: None, 5: 0x87}[version]
        return
    assert client.subscribe(filter.format(name), qos=1).codes == [1]
    got = [payload for payload in heard(server, client, f"home/light/{name}") if payload.endswith(name)]
    assert got == [f"light {name}"]
    for place_ in ("lock", "light"):
        publisher.publish(f"home/{place_}/{name}", b"", 1, retain=True)


@BOTH
@pytest.mark.parametrize("how", ["policy", "key"])
def test_7_what_waits_for_an_absent_client_is_asked_again_for_its_publisher(server, place, guest, version, how):
    name = f"queue7-{version}-{how}"
    key = guest(name, topic("home"))
    absent = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}/#", qos=2, version=version, stored=True)
    absent.disconnect()
    for user, text in ((key, "lost"), (place.keep, "kept")):
        publisher = connected(server, user, f"GID_mine@@@{name}-{text}", version=version)
        for qos in (1, 2):
            publisher.publish(f"home/{name}/{text}", f"{text} {qos}", qos)
    lose(server, how, name, key)
    back = connected(server, place.watch, f"GID_watch@@@{name}", version=version, stored=True)
    assert back.connack.session_present
    assert heard(server, back, f"home/{name}/end") == ["kept 1", "kept 2"]
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost")


@BOTH
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_12_a_live_subscription_ends_with_its_right(server, place, guest, version, qos):
    name = f"live12-{version}-{qos}"
    key = guest(name, topic("home", "mq:SUB"), base=[topic("yard", "mq:SUB")])
    lost = subscribed(server, key, f"GID_mine@@@{name}", f"home/{name}", "yard/#", qos=qos, version=version)
    kept = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}", qos=qos, version=version)
    publisher = connected(server, place.keep, f"GID_mine@@@{name}-p", version=version)
    publisher.publish(f"home/{name}", "before", qos)
    assert lost.message().payload == kept.message().payload == b"before"
    revoke(server, name, f"{name}-right")
    publisher.publish(f"home/{name}", "after", qos)
    assert kept.message().payload == b"after"
    assert heard(server, lost, "yard/end") == []


@BOTH
@pytest.mark.parametrize("right", ["topic", "group"])
def test_13_an_absent_clients_subscription_ends_with_its_right(server, place, version, right):
    name = f"absent13-{version}-{right}"
    rights = {"topic": topic("home", "mq:SUB"), "group": group("GID_other")}
    key = server.new_user(name, access(), *[statement for kind, statement in rights.items() if kind != right])
    lend(server, name, f"{name}-right", rights[right])
    server.grant(name, f"{name}-yard", topic("yard", "mq:SUB"))
    clients = {"lost": (key, "GID_other"), "kept": (place.watch, "GID_watch")}
    for text, (user, gid) in clients.items():
        subscribed(server, user, f"{gid}@@@{name}-{text}", f"home/{name}", "yard/#", version=version, stored=True).disconnect()
    publisher = connected(server, place.keep, f"GID_mine@@@{name}-p", version=version)
    publisher.publish(f"home/{name}", "before", 1)
    revoke(server, name, f"{name}-right")
    publisher.publish(f"home/{name}", "after", 1)
    back = {text: connected(server, user, f"{gid}@@@{name}-{text}", version=version, stored=True) for text, (user, gid) in clients.items()}
    publisher.publish(f"home/{name}", "later", 1)
    assert [message.payload for message in back["kept"].messages(3)] == [b"before", b"after", b"later"]
    if right == "group":
        # Without the group nothing at all is delivered: with it, what comes is what is subscribed anew.
        give_back(server, name, f"{name}-right")
        assert back["lost"].subscribe("yard/#", qos=1).codes == [1]
    assert heard(server, back["lost"], "yard/end") == []


@BOTH
def test_13_an_absent_clients_session_opens_to_nobody_without_the_instance(server, place, version):
    name = f"shut13-{version}"
    key = server.new_user(name, topic("home"), group("GID_mine"))
    lend(server, name, f"{name}-right", access())
    subscribed(server, key, f"GID_mine@@@{name}", f"home/{name}", version=version, stored=True).disconnect()
    say(server, f"home/{name}", "waiting")
    revoke(server, name, f"{name}-right")
    assert refusal(server, key, f"GID_mine@@@{name}", version=version, stored=True) == {4: 5, 5: 0x87}[version]
    give_back(server, name, f"{name}-right")
    # The right is back before the message was asked for: the session may keep it or have lost it, and works again.
    back = connected(server, key, f"GID_mine@@@{name}", version=version, stored=True)
    assert back.subscribe(f"home/{name}", qos=1).codes == [1]
    assert heard(server, back, f"home/{name}") in ([], ["waiting"])


def test_14_a_session_outlives_its_key_and_not_its_right(server, place):
    name = "key14"
    key = server.new_user(name, access(), topic("yard"), group("GID_mine"))
    rotated, publisher = another_key(server, name), connected(server, place.keep, f"GID_mine@@@{name}-p")
    condition, end = until_in(4)
    lend(server, name, f"{name}-right", topic("home", "mq:SUB") | {"Condition": condition})
    for version in (4, 5):
        device = f"GID_mine@@@{name}-{version}"
        subscribed(server, key, device, f"home/{name}", f"yard/{name}/{version}", version=version, stored=True).disconnect()
        publisher.publish(f"home/{name}", "until the end", 1)
        publisher.publish(f"yard/{name}/{version}", "without an end", 1)
    switch_off(server, name, key)
    has_passed(end)
    for version in (4, 5):
        device = f"GID_mine@@@{name}-{version}"
        assert refusal(server, key, device, version=version, stored=True) == {4: 4, 5: 0x86}[version]
        back = connected(server, rotated, device, version=version, stored=True)
        assert back.connack.session_present
        assert heard(server, back, f"yard/{name}/{version}") == ["without an end"]


@BOTH
def test_14_a_publisher_whose_key_is_off_publishes_nothing_more(server, place, version):
    name = f"off14-{version}"
    key = server.new_user(name, access(), topic("home"), group("GID_mine"))
    watch = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}", version=version)
    client = connected(server, key, f"GID_mine@@@{name}", version=version)
    client.publish(f"home/{name}", "before", 1)
    assert watch.message().payload == b"before"
    switch_off(server, name, key)
    assert client.ended() == {4: None, 5: 0x87}[version]
    assert heard(server, watch, f"home/{name}") == []


@BOTH
def test_7_a_revoked_publisher_cannot_add_to_a_queue(server, place, guest, version):
    name = f"add7-{version}"
    key = guest(name, topic("home"))
    subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}", version=version, stored=True).disconnect()
    client = connected(server, key, f"GID_mine@@@{name}", version=version)
    revoke(server, name, f"{name}-right")
    publish_and_be_closed(client, f"home/{name}", "too late")
    is_offline(server, f"GID_mine@@@{name}")
    publisher = connected(server, place.keep, f"GID_mine@@@{name}-p", version=version)
    publisher.publish(f"home/{name}", "kept", 1)
    back = connected(server, place.watch, f"GID_watch@@@{name}", version=version, stored=True)
    packet = back.message()
    assert (packet.kind, packet.payload) == (Kind.PUBLISH, b"kept")
