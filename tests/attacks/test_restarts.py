"""Attacks 2, 5, 7 and 12 to 14 across the end of the server: what a restart brings back is asked again, and a right that was lost stays lost.

The right goes before the end, or right after the start, before anything that was kept is used. The end is SIGKILL, or in order.
"""

import signal

import pytest

from support.devices import (
    another_key, attempt, connected, has_passed, heard, is_offline, is_refused_in_the_log, publish_and_be_closed,
    publish_unreleased, refusal, revoke, say, subscribed, switch_off, until_in,
)  # fmt: skip
from support.packets import Will
from support.raw import close_all, fresh
from support.server import access, group, topic

VERSIONS = (4, 5)
HOW = {"kill": signal.SIGKILL, "term": signal.SIGTERM}
ENDS = pytest.mark.parametrize("how", HOW.values(), ids=HOW)
WHEN = pytest.mark.parametrize("when", ["before", "after"])
# A will waits so long after the start that a right can be lost before.
DELAY_S = 2


@pytest.fixture(autouse=True)
def log_of_a_failure(server):
    """Shows the tail of the server's log with a test that failed."""
    yield
    print("".join(server.log().splitlines(keepends=True)[-20:]))


@pytest.fixture
def across(server, place):
    """Ends the server and starts it again; `lose` is called before or after."""

    def restart(how, when, lose):
        if when == "before":
            lose()
        settle(server, place)
        server.end(how)
        close_all()
        server.start()
        if when == "after":
            lose()

    return restart


def settle(server, place):
    """What clients said without an answer is on disk: a message that was acknowledged came after it."""
    client = connected(server, place.keep, f"GID_mine@@@{fresh('s')}")
    assert client.publish(f"home/{fresh('settle')}", b"x", 1, retain=True).code in (0, 0x10)
    client.cut()


def speakers(server, place, key, name):
    """(text, client) of one who is about to lose the right and one who keeps it, by version."""
    for version in VERSIONS:
        for text, user in (("lost", key), ("kept", place.keep)):
            client = connected(server, user, f"GID_mine@@@{name}-{text}-{version}", version=version, stored=True)
            yield f"{text} {version}", client


KEPT = [f"kept {version}" for version in VERSIONS]


@ENDS
@WHEN
def test_2_a_will_that_a_restart_brings_back_is_asked_again(server, place, guest, across, how, when):
    name = f"will2-{how}-{when}"
    key = guest(name, topic("home"))
    watch = f"GID_watch@@@{name}"
    subscribed(server, place.watch, watch, f"home/{name}/#", qos=2, stored=True)
    for text, user in (("lost", key), ("kept", place.keep)):
        will = Will(f"home/{name}/{text}", text, 1, retain=True, properties={"will_delay": DELAY_S})
        connected(server, user, f"GID_mine@@@{name}-{text}", stored=True, will=will).cut()
        is_offline(server, f"GID_mine@@@{name}-{text}")
    across(how, when, lambda: revoke(server, name, f"{name}-right"))
    back = connected(server, place.watch, watch, stored=True)
    assert back.message().payload == b"kept"
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost")
    assert heard(server, back, f"home/{name}/end") == []
    late = subscribed(server, place.watch, f"{watch}-late", f"home/{name}/#")
    assert heard(server, late, f"home/{name}/end") == ["kept"]


def test_2_a_will_of_a_client_that_was_connected_at_a_kill_is_asked_again(server, place, guest, across):
    name = "will2-connected"
    key = guest(name, topic("home"))
    watch = f"GID_watch@@@{name}"
    subscribed(server, place.watch, watch, f"home/{name}/#", qos=2, stored=True)
    for text, user in (("lost", key), ("kept", place.keep)):
        will = Will(f"home/{name}/{text}", text, 1, properties={"will_delay": DELAY_S})
        connected(server, user, f"GID_mine@@@{name}-{text}", stored=True, will=will)
    across(signal.SIGKILL, "after", lambda: revoke(server, name, f"{name}-right"))
    back = connected(server, place.watch, watch, stored=True)
    assert back.message().payload == b"kept"
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost")
    assert heard(server, back, f"home/{name}/end") == []


@ENDS
@WHEN
@pytest.mark.parametrize("by", ["policy", "key"])
def test_5_7_what_was_kept_of_a_publisher_dies_with_its_right(server, place, guest, across, how, when, by):
    """Retained messages, and what waits for an absent client, at QoS 1 and 2."""
    name = f"kept5-{how}-{when}-{by}"
    key = guest(name, topic("home"))
    watch = f"GID_watch@@@{name}"
    subscribed(server, place.watch, watch, f"home/{name}/+/queued", qos=2, stored=True).disconnect()
    for text, client in speakers(server, place, key, name):
        for qos in (1, 2):
            client.publish(f"home/{name}/{text[0:4]}/queued", f"{text} {qos}", qos)
        client.publish(f"home/{name}/{text.replace(' ', '')}/kept", text, 1, retain=True)
    lose = lambda: revoke(server, name, f"{name}-right") if by == "policy" else switch_off(server, name, key)
    across(how, when, lose)
    back = connected(server, place.watch, watch, stored=True)
    assert back.connack.session_present
    assert heard(server, back, f"home/{name}/end/queued") == [f"{text} {qos}" for text in KEPT for qos in (1, 2)]
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost/queued")
    late = subscribed(server, place.watch, f"{watch}-late", f"home/{name}/+/kept")
    assert sorted(heard(server, late, f"home/{name}/end/kept")) == KEPT
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost4/kept")


@ENDS
@WHEN
def test_7_a_message_in_flight_is_asked_again_for_its_publisher(server, place, guest, across, how, when):
    """Written once and not acknowledged: what is sent again is asked for again."""
    name = f"flight7-{how}-{when}"
    key = guest(name, topic("home"))
    watch = f"GID_watch@@@{name}"
    held = subscribed(server, place.watch, watch, f"home/{name}/#", qos=2, stored=True)
    for text, client in speakers(server, place, key, name):
        client.publish(f"home/{name}/{text[0:4]}", text, 1)
    held.messages(4, answer=False)
    across(how, when, lambda: revoke(server, name, f"{name}-right"))
    back = connected(server, place.watch, watch, stored=True)
    assert heard(server, back, f"home/{name}/end") == KEPT
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost")


@ENDS
@WHEN
def test_7_what_is_denied_while_in_flight_does_not_swallow_a_later_message(server, place, guest, across, how, when):
    """A client that has a QoS 2 message, and whose PUBREC was lost, takes the next message with that identifier for the same one."""
    name = f"swallow7-{how}-{when}"
    key = guest(name, topic("home"))
    watch = f"GID_watch@@@{name}"
    held = subscribed(server, place.watch, watch, f"home/{name}/#", qos=2, stored=True)
    client = connected(server, key, f"GID_mine@@@{name}")
    client.publish(f"home/{name}", "lost", 2)
    taken = {held.message(answer=False).packet_id}
    across(how, when, lambda: revoke(server, name, f"{name}-right"))
    back = connected(server, place.watch, watch, stored=True)
    say(server, f"home/{name}", "end")
    assert read_as_a_durable_client(back, taken).payload == b"end"
    # A second restart, with nothing in flight: identifiers begin again.
    across(how, "before", lambda: None)
    back = connected(server, place.watch, watch, stored=True)
    keep = connected(server, place.keep, f"GID_mine@@@{name}-kept")
    for number in range(5):
        keep.publish(f"home/{name}", f"{number}", 2)
    for number in range(5):
        message = read_as_a_durable_client(back, taken)
        assert message.payload.decode() == f"{number}"


def read_as_a_durable_client(client, taken):
    """The next message that is new to a client which took these identifiers; it answers everything. [MQTT-4.3.3-10]"""
    while True:
        packet = client.waiting.pop(0) if client.waiting else client.read()
        match packet.kind.name:
            case "PUBLISH" if packet.qos == 1:
                client.answer(packet)
                return packet
            case "PUBLISH":
                client.ack(packet.kind.PUBREC, packet.packet_id)
                if packet.packet_id not in taken:
                    taken.add(packet.packet_id)
                    return packet
            case "PUBREL":
                taken.discard(packet.packet_id)
                client.ack(packet.kind.PUBCOMP, packet.packet_id)
            case other:
                raise AssertionError(f"{other} was not asked for")


@ENDS
@WHEN
def test_7_a_revoked_publisher_goes_on_with_nothing_after_a_restart(server, place, guest, across, how, when):
    """Neither a PUBLISH that it sends again nor a new one; a QoS 2 message that was taken before is only completed."""
    name = f"again7-{how}-{when}"
    key = guest(name, topic("home"))
    watch = f"GID_watch@@@{name}"
    subscribed(server, place.watch, watch, f"home/{name}", qos=2, stored=True).disconnect()
    is_offline(server, watch)
    for version in VERSIONS:
        client = connected(server, key, f"GID_mine@@@{name}-{version}", version=version, stored=True)
        publish_unreleased(client, f"home/{name}", "lost", 7)
    across(how, when, lambda: revoke(server, name, f"{name}-right"))
    for version in VERSIONS:
        for qos, packet_id in ((1, 8), (2, 9)):
            client = connected(server, key, f"GID_mine@@@{name}-{version}", version=version, stored=True)
            assert client.connack.session_present
            publish_and_be_closed(client, f"home/{name}", "too late", qos, packet_id=packet_id, dup=True)
            is_offline(server, client.client_id)
        client = connected(server, key, f"GID_mine@@@{name}-{version}", version=version, stored=True)
        assert client.release(7).code == 0
    back = connected(server, place.watch, watch, stored=True)
    assert heard(server, back, f"home/{name}") == []


@ENDS
@WHEN
@pytest.mark.parametrize("right", ["topic", "group"])
def test_12_13_a_subscription_that_a_restart_brings_back_is_asked_again(server, place, across, how, when, right):
    """Of a client that was connected (12) and of one that was away (13), with a message that waits and one that comes after."""
    name = f"sub13-{how}-{when}-{right}"
    rights = {"topic": topic("home", "mq:SUB"), "group": group("GID_other")}
    key = server.new_user(name, access(), *[statement for kind, statement in rights.items() if kind != right])
    server.grant(name, f"{name}-right", rights[right])
    server.grant(name, f"{name}-yard", topic("yard", "mq:SUB"))
    clients = {f"{where}-{version}": (where, version) for where in ("here", "away") for version in VERSIONS}
    for text, (where, version) in clients.items():
        filters = (f"home/{name}", f"yard/{name}/{text}")
        client = subscribed(server, key, f"GID_other@@@{name}-{text}", *filters, version=version, stored=True)
        if where == "away":
            client.disconnect()
            is_offline(server, client.client_id)
    subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}", stored=True).disconnect()
    say_waiting = lambda: connected(server, place.keep, f"GID_mine@@@{name}-p").publish(f"home/{name}", "waiting", 1)
    if when == "after":
        close_all()
        for text in clients:
            is_offline(server, f"GID_other@@@{name}-{text}")
        say_waiting()
    across(how, when, lambda: revoke(server, name, f"{name}-right"))
    connected(server, place.keep, f"GID_mine@@@{name}-p2").publish(f"home/{name}", "after", 1)
    back = connected(server, place.watch, f"GID_watch@@@{name}", stored=True)
    assert [message.payload for message in back.messages(2 if when == "after" else 1)][-1] == b"after"
    for text, (_, version) in clients.items():
        client = connected(server, key, f"GID_other@@@{name}-{text}", version=version, stored=True)
        if right == "group":
            # Nothing at all comes without the group, so it is given back; what waited without it is gone.
            server.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName=f"{name}-right", UserName=name)
            assert client.subscribe(f"yard/{name}/{text}", qos=1).codes == [1]
        assert heard(server, client, f"yard/{name}/{text}") == []
        if right == "group":
            revoke(server, name, f"{name}-right")


@ENDS
@WHEN
def test_13_a_session_opens_to_nobody_without_the_instance(server, place, across, how, when):
    name = f"shut13-{how}-{when}"
    key = server.new_user(name, topic("home"), group("GID_mine"))
    server.grant(name, f"{name}-right", access())
    for version in VERSIONS:
        subscribed(server, key, f"GID_mine@@@{name}-{version}", f"home/{name}", version=version, stored=True).disconnect()
    say(server, f"home/{name}", "waiting")
    across(how, when, lambda: revoke(server, name, f"{name}-right"))
    for version in VERSIONS:
        assert refusal(server, key, f"GID_mine@@@{name}-{version}", version=version, stored=True) == {4: 5, 5: 0x87}[version]


@ENDS
@WHEN
def test_14_a_key_that_died_opens_no_session_and_its_successor_does(server, place, across, how, when):
    name = f"key14-{how}-{when}"
    key = server.new_user(name, access(), topic("home"), group("GID_mine"))
    rotated = another_key(server, name)
    for version in VERSIONS:
        subscribed(server, key, f"GID_mine@@@{name}-{version}", f"home/{name}", version=version, stored=True).disconnect()
    say(server, f"home/{name}", "waiting")
    across(how, when, lambda: switch_off(server, name, key))
    for version in VERSIONS:
        device = f"GID_mine@@@{name}-{version}"
        assert refusal(server, key, device, version=version, stored=True) == {4: 4, 5: 0x86}[version]
        # The owner of a session is the principal, also of one that was read from disk.
        assert attempt(server, place.keep, device, version=version, stored=True).connack.code == {4: 5, 5: 0x87}[version]
        back = connected(server, rotated, device, version=version, stored=True)
        assert back.connack.session_present
        assert back.message().payload == b"waiting"


@ENDS
@WHEN
def test_14_the_session_of_a_user_who_was_deleted_is_nobodys(server, place, across, how, when):
    """Its name made again is another principal, who gets neither the session nor what waits in it."""
    name = f"gone14-{how}-{when}"
    key = server.new_user(name, access(), topic("home"), group("GID_mine"))
    device = f"GID_mine@@@{name}"
    subscribed(server, key, device, f"home/{name}", stored=True).disconnect()
    say(server, f"home/{name}", "waiting")

    def delete():
        revoke(server, name, name)
        server.api("ram", "DeleteAccessKey", UserName=name, UserAccessKeyId=key[0])
        server.api("ram", "DeleteUser", UserName=name)

    across(how, when, delete)
    server.api("ram", "CreateUser", UserName=name)
    server.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName=name, UserName=name)
    again = another_key(server, name)
    client = connected(server, again, device, stored=True)
    assert not client.connack.session_present
    assert client.subscribe(f"home/{name}/new", qos=1).codes == [1]
    assert heard(server, client, f"home/{name}/new") == []


@ENDS
def test_14_a_right_that_ended_during_the_downtime_is_gone(server, place, how):
    name = f"end14-{how}"
    key = server.new_user(name, access(), topic("yard"), group("GID_mine"))
    condition, end = until_in(4)
    server.grant(name, f"{name}-right", topic("home") | {"Condition": condition})
    device, watch = f"GID_mine@@@{name}", f"GID_watch@@@{name}"
    subscribed(server, key, device, f"home/{name}", f"yard/{name}", stored=True)
    subscribed(server, place.watch, watch, f"home/{name}/own", stored=True).disconnect()
    connected(server, key, f"{device}-p").publish(f"home/{name}/own", "of its own", 1, retain=True)
    close_all()
    is_offline(server, device)
    keep = connected(server, place.keep, f"{device}-keep")
    keep.publish(f"home/{name}", "until the end", 1)
    keep.publish(f"home/{name}/own", "kept", 1)
    close_all()
    server.end(how)
    has_passed(end)
    server.start()
    back = connected(server, key, device, stored=True)
    assert back.connack.session_present
    assert heard(server, back, f"yard/{name}") == []
    assert heard(server, connected(server, place.watch, watch, stored=True), f"home/{name}/own") == ["kept"]
    late = subscribed(server, place.watch, f"{watch}-late", f"home/{name}/own")
    assert heard(server, late, f"home/{name}/own") == []
