"""Fixtures: a server of its own for each module, on a fresh data folder. Every reply of the API that a test gets is held to its table."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support import shape  # noqa: E402
from support.server import DATABASE, Server  # noqa: E402

COVERAGE = "test_shape_coverage.py"
# Where the vendor's SDKs are driven, operation by operation.
SDK_TESTS = ("ram", "workflow")
# That a run may hold after a module, its own and those of clients that were not stopped; select's end is 1,024.
DESCRIPTORS_MAX = 400

shape.install()
# A copy of the data folder and the files of earlier versions hold SQLite's database.
# Servers that share a database change its master key in another way than one alone.
collect_ignore = ["backup", "formats", "ram/test_master_key.py"] if DATABASE == "postgres" else []


@pytest.fixture(autouse=True)
def replies_have_the_shape_of_their_tables():
    """Fails a test in which a reply was not as its table has it."""
    yield
    faults = shape.take_faults()
    assert not faults, "\n".join(faults)


def pytest_collection_modifyitems(config, items):
    """The account of what was checked comes last, and only of a run in which all that drives the SDKs takes part."""
    folder = pathlib.Path(__file__).parent
    wanted = {path for name in SDK_TESTS for path in (folder / name).glob("test_*.py")}
    whole = wanted <= {item.path for item in items} and not config.option.keyword
    last = [item for item in items if item.path.name == COVERAGE and whole]
    left_out = [item for item in items if item.path.name == COVERAGE and not whole]
    items[:] = [item for item in items if item.path.name != COVERAGE] + last
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True, scope="module")
def descriptors_are_given_back():
    """Fails where a module's files pile up: paho waits by select, which cannot see a descriptor over 1,023, and is silent about it."""
    yield
    held = len(os.listdir("/proc/self/fd"))
    assert held < DESCRIPTORS_MAX, f"{held} descriptors are open after the module"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server on a fresh folder; it must end with exit 0 when it is told to."""
    running = Server(tmp_path_factory.mktemp("data") / "data")
    yield running
    assert running.stop() == 0, running.log()
