"""One server with every transport, the programs built, every cell run side by side, and the matrix printed at the end."""

import concurrent.futures
import os
import subprocess

import pytest

from clients import matrix
from support.certificates import Authority
from support.server import INSTANCE, REPOSITORY, Server, access, group, topic

# Cells at a time: each is several processes that mostly wait.
CELLS_AT_ONCE = 6
OUTCOMES = []


def build():
    """Builds the programs that are not scripts. Cargo and cc do nothing, or little, when nothing changed."""
    here = matrix.HERE
    (REPOSITORY / "target" / "clients").mkdir(parents=True, exist_ok=True)
    paho_c = REPOSITORY / "target" / "clients" / "paho_c"
    commands = (
        ["cc", "-Wall", "-Wextra", "-Werror", "-o", paho_c, here / "programs" / "paho_c.c", "-lpaho-mqtt3cs"],
        [os.environ.get("CARGO", "cargo"), "build", "--quiet", "--locked", "--manifest-path", here / "rumqttc" / "Cargo.toml",
         "--target-dir", REPOSITORY / "target" / "rumqttc"],
    )  # fmt: skip
    for command in commands:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")
    authority = Authority(folder, "localhost")
    ca, cert, key = authority.ca, authority.cert, authority.key
    tls = ["--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0", "--tls-cert", str(cert), "--tls-key", str(key)]
    server = Server(folder / "server" / "data", *tls)
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="matrix")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_matrix")
    user = server.new_user("matrix", access(), topic("matrix"), group("GID_matrix"))
    doors = {"tcp": ("mqtt", ""), "tls": ("mqtts", ""), "ws": ("http", "/mqtt"), "wss": ("https", "/mqtt")}
    urls = {
        transport: f"{matrix.SCHEMES[transport]}://{server.addresses[door]}{path}" for transport, (door, path) in doors.items()
    }
    yield matrix.Place(urls, str(ca), user, "matrix", "GID_matrix")
    assert server.stop() == 0, server.log()


@pytest.fixture(scope="session")
def running(place):
    """The outcome to come of every cell."""
    build()
    with concurrent.futures.ThreadPoolExecutor(CELLS_AT_ONCE) as pool:
        found = {}
        for library, version, transport in matrix.cells():
            cell = matrix.Cell(library, version, transport, place)
            found[library, version, transport] = cell, pool.submit(cell.run)
        yield found
        for cell, future in found.values():
            OUTCOMES.append((cell, future.exception()))


def pytest_terminal_summary(terminalreporter):
    if OUTCOMES:
        terminalreporter.section("client matrix")
        terminalreporter.write_line(matrix.table(OUTCOMES))
