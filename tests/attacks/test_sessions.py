"""Attacks on the sessions of others: who may resume, end or disturb one."""

import pytest

from support.devices import NOT_AUTHORIZED, connected, heard, is_offline, refusal, subscribed
from support.server import access, group, topic

BOTH = pytest.mark.parametrize("version", [4, 5])
# CONNECTs in a row of somebody who tries to keep the owner out.
ATTEMPTS = 25


@pytest.fixture(scope="module")
def thieves(server, place):
    """Two users with logins and topics of their own: one of the victim's group, one of another."""
    return {
        "group": server.new_user("thief-group", access(), topic("home"), topic("yard"), group("GID_mine")),
        "other": server.new_user("thief-other", access(), topic("home"), topic("yard"), group("GID_other")),
    }


@BOTH
@pytest.mark.parametrize("thief", ["group", "other"])
@pytest.mark.parametrize("stored", [True, False], ids=["resume_15", "clean_16"])
def test_15_16_an_absent_clients_session_is_its_owners(server, place, thieves, version, thief, stored):
    name = f"absent15-{version}-{thief}-{stored}"
    victim = f"GID_mine@@@{name}"
    subscribed(server, place.keep, victim, f"home/{name}", qos=2, version=version, stored=True).disconnect()
    is_offline(server, victim)
    publisher = connected(server, place.keep, f"GID_mine@@@{name}-p")
    publisher.publish(f"home/{name}", "for its owner", 1)
    for attacking in (4, 5):
        assert refusal(server, thieves[thief], victim, version=attacking, stored=stored) == NOT_AUTHORIZED[attacking]
    publisher.publish(f"home/{name}", "and this", 2)
    back = connected(server, place.keep, victim, version=version, stored=True)
    assert back.connack.session_present
    assert heard(server, back, f"home/{name}") == ["for its owner", "and this"]


@BOTH
@pytest.mark.parametrize("thief", ["group", "other"])
def test_16_a_connected_client_is_not_kicked_and_not_jailed(server, place, thieves, version, thief):
    name = f"kick16-{version}-{thief}"
    victim = f"GID_mine@@@{name}"
    client = subscribed(server, place.keep, victim, f"home/{name}", version=version, stored=True)
    for number in range(ATTEMPTS):
        assert refusal(server, thieves[thief], victim, version=version, stored=bool(number % 2)) == NOT_AUTHORIZED[version]
    assert heard(server, client, f"home/{name}") == []
    client.cut()
    # What the thief tried does not count against the owner: it is back at once, with its session.
    back = connected(server, place.keep, victim, version=version, stored=True)
    assert back.connack.session_present
    # What was cut off before it was acknowledged comes again.
    assert [payload for payload in heard(server, back, f"home/{name}") if not payload.startswith("end")] == []


@BOTH
def test_15_the_owner_takes_over_its_own_session(server, place, version):
    victim = f"GID_mine@@@own15-{version}"
    first = subscribed(server, place.keep, victim, "home/own15", version=version, stored=True)
    second = connected(server, place.keep, victim, version=version, stored=True)
    assert first.ended() == {4: None, 5: 0x8E}[version]
    assert second.connack.session_present
    publisher = connected(server, place.keep, f"GID_mine@@@own15-{version}-p")
    publisher.publish("home/own15", "mine", 1)
    assert second.message().payload == b"mine"


@BOTH
def test_15_a_session_that_was_ended_belongs_to_whoever_comes(server, place, thieves, version):
    device = f"GID_mine@@@left15-{version}"
    subscribed(server, place.keep, device, "home/left15", version=version, stored=True).disconnect()
    connected(server, place.keep, device, version=version).disconnect()
    is_offline(server, device)
    other = connected(server, thieves["group"], device, version=version, stored=True)
    assert not other.connack.session_present
    assert other.subscribe("yard/left15", qos=1).codes == [1]
    connected(server, place.keep, f"GID_mine@@@left15-{version}-p").publish("home/left15", "not for you", 1)
    assert heard(server, other, "yard/left15") == []
