"""Servers on PostgreSQL: two processes on one database, and one on a cluster of its own that is stopped hard."""

import types

import pytest

from support import postgres
from support.certificates import Authority
from support.raw import close_all
from support.server import Server


@pytest.fixture(autouse=True)
def connections_end():
    yield
    close_all()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two servers on one empty database. They share the master key, and nothing else."""
    url = postgres.shared().database()
    folder = tmp_path_factory.mktemp("pair")
    one = Server(folder / "one" / "data", database=url)
    other = Server(folder / "other" / "data", "--master-key-file", str(one.folder / "master.key"), database=url)
    yield types.SimpleNamespace(one=one, other=other, both=(one, other), url=url)
    for server in (one, other):
        assert server.stop() == 0, server.log()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Vouches for `db.test` and 127.0.0.1."""
    return Authority(tmp_path_factory.mktemp("authority"), "db.test")


@pytest.fixture(scope="module")
def encrypted(authority):
    """A cluster that serves TLS alone."""
    own = postgres.Cluster(durable=True, authority=authority)
    yield own
    own.remove()


@pytest.fixture
def cluster():
    """A cluster that syncs."""
    own = postgres.Cluster(durable=True)
    yield own
    own.remove()
