"""Attacks by wills: who may have one, when it is asked again, and who may set it off."""

import pytest

from support.devices import (
    BAD_CREDENTIALS, NOT_AUTHORIZED, WAYS_TO_HOLD, connected, heard, is_offline, is_refused_in_the_log, refusal, revoke,
    subscribed,
)  # fmt: skip
from support.packets import Will
from support.server import access, group, topic

HELD = WAYS_TO_HOLD
BOTH = pytest.mark.parametrize("version", [4, 5])


def watcher(place, name):
    return subscribed(place.server, place.watch, f"GID_watch@@@{name}", "home/#", "yard/#", qos=2)


@BOTH
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_1_a_will_needs_the_publish_right_at_connect(server, place, version, qos):
    name = f"will1-{version}-{qos}"
    key = server.new_user(name, access(), group("GID_mine"), topic("yard", "mq:PUB"))
    watch = watcher(place, name)
    for retain in (False, True):
        forbidden = Will(f"home/{name}", b"forbidden", qos, retain)
        assert refusal(server, key, f"GID_mine@@@{name}", version=version, will=forbidden) == NOT_AUTHORIZED[version]
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}")
    allowed = Will(f"yard/{name}", b"allowed", qos)
    connected(server, key, f"GID_mine@@@{name}", version=version, will=allowed).cut()
    assert watch.message().payload == b"allowed"
    assert heard(server, watch, "home/end") == []


@BOTH
def test_2_a_will_is_asked_again_when_it_fires(server, place, guest, version):
    name = f"will2-{version}"
    key, watch = guest(name, topic("home")), watcher(place, name)
    will = lambda text: Will(f"home/{name}/{text}", text.encode(), 1)
    lost = connected(server, key, f"GID_mine@@@{name}-lost", version=version, will=will("lost"))
    revoke(server, name, f"{name}-right")
    lost.ping()
    lost.cut()
    is_refused_in_the_log(server, "mq:PUB", f"home/{name}/lost")
    is_offline(server, f"GID_mine@@@{name}-lost")
    kept = connected(server, place.keep, f"GID_mine@@@{name}-kept", version=version, will=will("kept"))
    kept.cut()
    assert watch.message().payload == b"kept"
    assert heard(server, watch, "home/end") == []


def test_2_a_delayed_will_is_asked_again_when_its_delay_ends(server, place, guest):
    key, watch = guest("will2-late", topic("home")), watcher(place, "will2-late")
    will = lambda text: Will(f"home/late/{text}", text.encode(), 1, properties={"will_delay": 1})
    for user, text in ((key, "lost"), (place.keep, "kept")):
        connected(server, user, f"GID_mine@@@late-{text}", stored=True, will=will(text)).cut()
    revoke(server, "will2-late", "will2-late-right")
    assert watch.message().payload == b"kept"
    is_refused_in_the_log(server, "mq:PUB", "home/late/lost")
    assert heard(server, watch, "home/end") == []


@BOTH
def test_3_a_refused_client_has_no_will(server, place, version):
    name = f"will3-{version}"
    watch, will = watcher(place, name), Will(f"home/{name}", b"spoken", 1)
    wrong = (place.keep[0], "wrong")
    assert refusal(server, wrong, f"GID_mine@@@{name}", version=version, will=will) == BAD_CREDENTIALS[version]
    assert refusal(server, place.keep, f"GID_none@@@{name}", version=version, will=will) == {4: 2, 5: 0x85}[version]
    assert heard(server, watch, "home/end") == []
    connected(server, place.keep, f"GID_mine@@@{name}", version=version, will=will).cut()
    assert watch.message().payload == b"spoken"


@BOTH
@pytest.mark.parametrize("stored", [False, True], ids=["clean", "stored"])
def test_4_nobody_sets_off_the_will_of_another(server, place, version, stored):
    name = f"will4-{version}-{stored}"
    key = server.new_user(name, access(), topic("home"), group("GID_mine"))
    watch, will = watcher(place, name), Will(f"home/{name}", b"by its owner", 1)
    victim = connected(server, place.keep, f"GID_mine@@@{name}", version=version, will=will)
    assert refusal(server, key, f"GID_mine@@@{name}", version=version, stored=stored) == NOT_AUTHORIZED[version]
    victim.ping()
    assert heard(server, watch, "home/end") == []
    victim.cut()
    assert watch.message().payload == b"by its owner"
