"""What the attacks share: topics, groups, a watcher who may hear everything, and the end of every raw connection."""

import types

import pytest

from support.raw import close_all
from support.devices import lend
from support.server import INSTANCE, Server, access, allow, arn, group, topic


@pytest.fixture(autouse=True)
def connections_end():
    yield
    close_all()


def pytest_generate_tests(metafunc):
    """A module with `HELD` runs once for each way in which a user has a right that it loses."""
    if "held" in metafunc.fixturenames and hasattr(metafunc.module, "HELD"):
        metafunc.parametrize("held", metafunc.module.HELD, indirect=True, scope="module")


@pytest.fixture(scope="module")
def held(request):
    return getattr(request, "param", "itself")


@pytest.fixture(scope="module")
def server(held, tmp_path_factory):
    """A server of its own for each module, and in it for each way to have a right."""
    running = Server(tmp_path_factory.mktemp("data") / "data")
    running.held = held
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture(scope="module")
def place(server):
    """An instance with two topics and three groups. `keep` has the publish right for good; `watch` may hear everything."""
    for name in ("home", "yard"):
        server.api("onsmqtt", "CreateMqttTopic", check=False, InstanceId=INSTANCE, Topic=name)
    for name in ("GID_watch", "GID_mine", "GID_other"):
        server.api("onsmqtt", "CreateGroupId", check=False, InstanceId=INSTANCE, GroupId=name)
    everything = allow(["mq:PUB", "mq:SUB"], arn(f"topic/{INSTANCE}/*"))
    return types.SimpleNamespace(
        server=server,
        watch=server.new_user("watch", access(), everything, group("GID_watch")),
        keep=server.new_user("keep", access(), topic("home"), topic("yard"), group("GID_mine")),
    )


@pytest.fixture
def guest(server, place):
    """Makes a user who may connect, whose further statements are a policy of their own that can be taken back."""

    def make(name, *statements, base=()):
        key = server.new_user(name, access(), group("GID_mine"), *base)
        lend(server, name, f"{name}-right", *statements)
        return key

    return make
