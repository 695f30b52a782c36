"""One server for the whole suite, spoken to over its open listener.

`SLUICE_CONFORMANCE_AT=HOST:PORT` runs the tests against another broker instead, which is a check of the tests themselves; what only Sluice
promises is skipped then.
"""

import os

import pytest

from support.open_listener import OpenBroker
from support.raw import Broker, close_all

ELSEWHERE = os.environ.get("SLUICE_CONFORMANCE_AT")


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    if ELSEWHERE:
        host, port = ELSEWHERE.rsplit(":", 1)
        yield Broker(host, int(port))
        return
    running = OpenBroker(tmp_path_factory.mktemp("conformance") / "data")
    yield running
    assert running.server.stop() == 0, running.server.log()


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
