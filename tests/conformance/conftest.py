"""One server for the whole suite, spoken to over its open listener.

`SLUICE_CONFORMANCE_AT=HOST:PORT` runs the tests against another broker instead, which is a check of the tests themselves; what only Sluice
promises is skipped then.
"""

import os

import pytest

from support.raw import DENIED, Broker, close_all
from support.server import INSTANCE, Server, arn, deny

ELSEWHERE = os.environ.get("SLUICE_CONFORMANCE_AT")
USER = "open"


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    if ELSEWHERE:
        host, port = ELSEWHERE.rsplit(":", 1)
        yield Broker(host, int(port))
        return
    flags = ["--open-mqtt", "127.0.0.1:0", "--open-instance", INSTANCE, "--open-user", USER]
    running = Server(tmp_path_factory.mktemp("conformance") / "data", *flags)
    running.api("ram", "CreateUser", UserName=USER)
    running.api("ram", "AttachPolicyToUser", PolicyType="System", PolicyName="AliyunMQFullAccess", UserName=USER)
    running.grant(USER, "no-denied", deny(["mq:PUB", "mq:SUB"], arn(f"topic/{INSTANCE}/{DENIED}")))
    host, port = running.addresses["open-mqtt"].rsplit(":", 1)
    yield Broker(host, int(port), running)
    assert running.stop() == 0, running.log()


@pytest.fixture
def sluice(broker):
    """The broker, when it is Sluice: for what the standard leaves to the server."""
    if broker.server is None:
        pytest.skip("a promise of Sluice, not of the standard")
    return broker


@pytest.fixture(autouse=True)
def connections_end():
    yield
    close_all()
