"""Attacks 2, 5, 7 and 12 to 14 by sessions of roles: a role's policy is taken, a role is deleted, a session is narrower than its role.

Whatever a role's sessions opened, stored or said lives by the role's policies and the session's own, and ends with the role; a
later role of the same name has nothing of it.
"""

import signal

import pytest

from support.devices import (
    attempt, connected, heard, is_offline, is_refused_in_the_log, publish_and_be_closed, refusal, say, subscribe_and_be_closed,
    subscribed,
)  # fmt: skip
from support.packets import Will
from support.raw import close_all
from support.roles import assume, attach, delete_role, make_role, take_role_policy
from support.server import ACCOUNT, access, allow, document, group, topic

BOTH = pytest.mark.parametrize("version", [4, 5])
HOW = pytest.mark.parametrize("how", ["policy", "role"])
ROOT = f"acs:ram::{ACCOUNT}:root"


@pytest.fixture(scope="module")
def assumer(server, place):
    return server.new_user("assumer", allow("sts:AssumeRole", "*"))


@pytest.fixture
def visitor(server, assumer):
    """Makes a role whose sessions may connect and hear `yard`, with further statements in a policy that can be taken; a session of it."""

    def make(name, *statements, **wish):
        make_role(server, name, ROOT, access(), group("GID_mine"), topic("yard", "mq:SUB"))
        attach(server, name, f"{name}-right", *statements)
        return assume(server, assumer, name, **wish)

    return make


def lose(server, how, name):
    """Takes the right back: the policy from the role, or the role, which is made again under its name with every right."""
    take_role_policy(server, name, f"{name}-right")
    if how == "role":
        delete_role(server, name)
        make_role(server, name, ROOT)
        for policy in (f"role-{name}", f"{name}-right"):
            server.api("ram", "AttachPolicyToRole", PolicyType="Custom", PolicyName=policy, RoleName=name)


@BOTH
def test_12_a_live_subscription_stops_with_the_roles_policy(server, place, visitor, version):
    name = f"live12-{version}"
    key = visitor(name, topic("home"))
    client = subscribed(server, key, f"GID_mine@@@{name}", f"home/{name}", version=version)
    say(server, f"home/{name}", "before")
    assert client.message().payload == b"before"
    take_role_policy(server, name, f"{name}-right")
    say(server, f"home/{name}", "after")
    client.ping()
    subscribe_and_be_closed(client, f"home/{name}")


@BOTH
def test_12_14_a_connection_ends_with_its_role_for_good(server, place, visitor, version):
    name = f"gone12-{version}"
    key = visitor(name, topic("home"))
    client = subscribed(server, key, f"GID_mine@@@{name}", f"home/{name}", version=version)
    lose(server, "role", name)
    assert client.ended() == {4: None, 5: 0x87}[version]
    assert refusal(server, key, f"GID_mine@@@{name}", version=version) == {4: 4, 5: 0x86}[version]


@BOTH
@HOW
def test_13_what_an_absent_session_kept_dies_with_the_right(server, place, visitor, assumer, version, how):
    name = f"away13-{version}-{how}"
    key = visitor(name, topic("home"))
    client_id = f"GID_mine@@@{name}"
    subscribed(server, key, client_id, f"home/{name}", qos=1, version=version, stored=True).disconnect()
    is_offline(server, client_id)
    say(server, f"home/{name}", "waits")
    lose(server, how, name)
    # Whoever comes by the role of today: after the role's end the session was another's, and is gone.
    back = connected(server, assume(server, assumer, name), client_id, version=version, stored=True)
    assert back.connack.session_present == (how == "policy")
    back.subscribe(f"yard/{name}", qos=1)
    assert heard(server, back, f"yard/{name}") == []


@BOTH
@HOW
@pytest.mark.parametrize("qos", [1, 2])
def test_5_7_what_a_role_said_is_asked_again_when_it_is_used(server, place, visitor, version, how, qos):
    name = f"said7-{version}-{how}-{qos}"
    key = visitor(name, topic("home"))
    watch = f"GID_watch@@@{name}"
    subscribed(server, place.watch, watch, f"home/{name}/+/queued", qos=2, version=version, stored=True).disconnect()
    is_offline(server, watch)
    for text, user in (("lost", key), ("kept", place.keep)):
        client = connected(server, user, f"GID_mine@@@{name}-{text}", version=version)
        client.publish(f"home/{name}/{text}/queued", text, qos)
        client.publish(f"home/{name}/{text}/retained", text, qos, retain=True)
    lose(server, how, name)
    back = connected(server, place.watch, watch, version=version, stored=True)
    assert heard(server, back, f"home/{name}/end/queued") == ["kept"]
    late = subscribed(server, place.watch, f"{watch}-late", f"home/{name}/+/retained", version=version)
    assert heard(server, late, f"home/{name}/end/retained") == ["kept"]
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost/queued")


@BOTH
@HOW
def test_2_the_will_of_a_role_that_lost_its_right_is_not_published(server, place, visitor, version, how):
    name = f"will2-{version}-{how}"
    key = visitor(name, topic("home"))
    watcher = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}", version=version)
    will = Will(f"home/{name}", "lost", 1)
    client = connected(server, key, f"GID_mine@@@{name}", version=version, will=will)
    lose(server, how, name)
    if how == "policy":
        client.cut()
        is_offline(server, f"GID_mine@@@{name}")
        is_refused_in_the_log(server, "mq:PUB", f"home/{name}")
    else:
        client.ended()
    assert heard(server, watcher, f"home/{name}") == []


@BOTH
def test_a_session_policy_binds_on_every_way(server, place, visitor, assumer, version):
    name = f"narrow-{version}"
    policy = document(access(), group("GID_mine"), topic("home", "mq:SUB"))
    key = visitor(name, topic("home"), topic("yard"), policy=policy)
    client = subscribed(server, key, f"GID_mine@@@{name}", "home/#", version=version)
    publish_and_be_closed(client, "home/a", "x")
    client = connected(server, key, f"GID_mine@@@{name}", version=version)
    subscribe_and_be_closed(client, "yard/a")
    will = Will("home/a", "x", 1)
    refused = attempt(server, key, f"GID_mine@@@{name}-w", version=version, will=will)
    assert refused.connack.code == {4: 5, 5: 0x87}[version]
    # The role itself may: another session of it, without a policy.
    whole = connected(server, assume(server, assumer, name), f"GID_mine@@@{name}-whole", version=version)
    assert whole.publish("yard/a", b"x", 1).code in (0, 0x10)
    no_access = assume(server, assumer, name, policy=document(topic("home")))
    assert refusal(server, no_access, f"GID_mine@@@{name}-no", version=version) == {4: 5, 5: 0x87}[version]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
@pytest.mark.parametrize("when", ["before", "after"])
@HOW
def test_5_7_13_a_restart_brings_back_nothing_of_a_role_that_lost_its_right(server, place, visitor, assumer, end, when, how):
    name = f"restart-{'kill' if end == signal.SIGKILL else 'term'}-{when}-{how}"
    key = visitor(name, topic("home"))
    narrow = assume(server, assumer, name, policy=document(access(), group("GID_mine"), topic("home", "mq:SUB")))
    watch = f"GID_watch@@@{name}"
    subscribed(server, place.watch, watch, f"home/{name}/+/queued", qos=2, stored=True).disconnect()
    subscribed(server, narrow, f"GID_mine@@@{name}", f"home/{name}/mine", qos=1, stored=True).disconnect()
    for text, user in (("lost", key), ("kept", place.keep)):
        client = connected(server, user, f"GID_mine@@@{name}-{text}")
        client.publish(f"home/{name}/{text}/queued", text, 1)
        client.publish(f"home/{name}/{text}/retained", text, 1, retain=True)
    say(server, f"home/{name}/mine", "waits")
    if when == "before":
        lose(server, how, name)
    server.end(end)
    close_all()
    server.start()
    if when == "after":
        lose(server, how, name)
    back = connected(server, place.watch, watch, stored=True)
    assert heard(server, back, f"home/{name}/end/queued") == ["kept"]
    late = subscribed(server, place.watch, f"{watch}-late", f"home/{name}/+/retained")
    assert heard(server, late, f"home/{name}/end/retained") == ["kept"]
    mine = attempt(server, assume(server, assumer, name), f"GID_mine@@@{name}", stored=True)
    assert mine.connack.code == 0 and mine.connack.session_present == (how == "policy")
    mine.subscribe(f"yard/{name}", qos=1)
    assert heard(server, mine, f"yard/{name}") == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_a_token_and_what_its_session_kept_outlive_a_restart(server, place, visitor, end):
    name = f"lives-{'kill' if end == signal.SIGKILL else 'term'}"
    narrow = document(access(), group("GID_mine"), topic("home"))
    key = visitor(name, topic("home"), policy=narrow)
    client_id = f"GID_mine@@@{name}"
    client = subscribed(server, key, client_id, f"home/{name}", qos=1, stored=True)
    client.publish(f"home/{name}/kept", "kept", 1, retain=True)
    client.disconnect()
    is_offline(server, client_id)
    say(server, f"home/{name}", "waits")
    server.end(end)
    close_all()
    server.start()
    back = connected(server, key, client_id, stored=True)
    assert back.connack.session_present and back.message().payload == b"waits"
    late = subscribed(server, place.watch, f"GID_watch@@@{name}", f"home/{name}/kept")
    assert late.message().payload == b"kept"
