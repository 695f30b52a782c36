"""Fixtures: a server of its own for each module, on a fresh data folder."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support.server import Server  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server on a fresh folder; it must end with exit 0 when it is told to."""
    running = Server(tmp_path_factory.mktemp("data") / "data")
    yield running
    assert running.stop() == 0, running.log()
