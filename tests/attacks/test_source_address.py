"""Attack 28: a source address that a proxy hides, or that somebody makes up."""

import socket
import struct

import pytest

from support import packets
from support.devices import NOT_AUTHORIZED, login
from support.server import INSTANCE, Server, access, allow, arn

BOTH = pytest.mark.parametrize("version", [4, 5])
# The proxy has an address of its own, so that the tests themselves come from elsewhere.
PROXY = "127.0.0.2"
ALLOWED, FORBIDDEN = "203.0.113.7", "198.51.100.9"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("data") / "data", "--trusted-proxy", f"{PROXY}/32")
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture(scope="module")
def key(server):
    """A user who may connect from one network alone."""
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_mine")
    from_there = {"Condition": {"IpAddress": {"acs:SourceIp": "203.0.113.0/24"}}}
    return server.new_user("placed", access() | from_there, allow("mq:SUB", arn(f"groupId/{INSTANCE}/GID_mine")))


def header(source, family=socket.AF_INET, command=0x21):
    """A PROXY protocol header, version 2."""
    if family is None:
        return SIGNATURE + bytes([0x20, 0x00]) + struct.pack("!H", 0)
    kind = 0x11 if family == socket.AF_INET else 0x21
    target = "192.0.2.1" if family == socket.AF_INET else "2001:db8::1"
    body = socket.inet_pton(family, source) + socket.inet_pton(family, target) + struct.pack("!HH", 40000, 1883)
    return SIGNATURE + bytes([command, kind]) + struct.pack("!H", len(body)) + body


def answer(server, key, version, preface, source="127.0.0.1"):
    """The code of the CONNACK to a CONNECT behind these bytes; `None` when the connection is closed without one."""
    with socket.create_connection(("127.0.0.1", server.mqtt_port), 10, (source, 0)) as peer:
        client_id = "GID_mine@@@placed"
        peer.sendall(preface + packets.connect(version, client_id, **login(key, client_id)))
        got = bytearray()
        while (found := packets.split(got)) is None:
            try:
                some = peer.recv(4096)
            except ConnectionResetError:
                some = b""
            if not some:
                return None
            got += some
        return packets.read(version, *found).code


@BOTH
def test_28_a_trusted_proxy_says_where_a_client_is(server, key, version):
    no = NOT_AUTHORIZED[version]
    assert answer(server, key, version, header(ALLOWED), PROXY) == 0
    assert answer(server, key, version, header(FORBIDDEN), PROXY) == no
    mapped = header(f"::ffff:{ALLOWED}", socket.AF_INET6)
    assert answer(server, key, version, mapped, PROXY) == 0
    assert answer(server, key, version, header(f"::ffff:{FORBIDDEN}", socket.AF_INET6), PROXY) == no
    assert answer(server, key, version, header("2001:db8::7", socket.AF_INET6), PROXY) == no


@BOTH
def test_28_the_proxy_itself_is_where_it_is(server, key, version):
    assert answer(server, key, version, header(None, None), PROXY) == NOT_AUTHORIZED[version]
    # Without a header nobody knows where the client is: it is not let in as the proxy.
    assert answer(server, key, version, b"", PROXY) is None
    assert answer(server, key, version, header(ALLOWED), PROXY) == 0


@BOTH
def test_28_nobody_else_says_where_it_is(server, key, version):
    for source in ("127.0.0.1", "127.0.0.3"):
        assert answer(server, key, version, header(ALLOWED), source) in (None, 1)
        assert answer(server, key, version, b"", source) == NOT_AUTHORIZED[version]
    doubled = header(ALLOWED) + header(ALLOWED)
    assert answer(server, key, version, doubled, PROXY) in (None, 1)
    assert answer(server, key, version, header(FORBIDDEN) + header(ALLOWED), PROXY) in (None, 1)
    assert answer(server, key, version, header(ALLOWED), PROXY) == 0


def test_28_the_address_of_a_session_is_that_of_its_connection(server, key):
    """The header of one connection is not the address of the next one."""
    for _ in range(3):
        assert answer(server, key, 5, header(ALLOWED), PROXY) == 0
        assert answer(server, key, 5, header(FORBIDDEN), PROXY) == NOT_AUTHORIZED[5]
