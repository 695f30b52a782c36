"""Attack 28: a source address that a proxy hides, or that somebody makes up."""

import contextlib
import json
import socket
import struct
import threading

import pytest
from alibabacloud_ims20190815.client import Client as Ims
from alibabacloud_ims20190815.models import SetAccessKeyPolicyRequest

from support import packets, sdk
from support.devices import NOT_AUTHORIZED, login
from support.server import ACCOUNT, ALIAS, INSTANCE, Server, access, allow, arn

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


class Proxy:
    """A proxy before the HTTP port: it says of each connection that it comes from `source`."""

    def __init__(self, server, source):
        self.server, self.source = server, source
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.http_port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            behind = socket.create_connection(("127.0.0.1", self.server.http_port), 10, (PROXY, 0))
            behind.sendall(header(self.source))
            for pair in ((client, behind), (behind, client)):
                threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    def close(self):
        # Closing alone does not wake whoever accepts.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    @staticmethod
    def pass_on(source, target):
        with contextlib.suppress(OSError):
            while some := source.recv(65536):
                target.sendall(some)
            target.shutdown(socket.SHUT_WR)


def test_28_a_keys_list_asks_where_the_proxy_says_that_a_client_is(server):
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_listed")
    key = server.new_user("listed", access(), allow("mq:SUB", arn(f"groupId/{INSTANCE}/GID_listed")))
    text = json.dumps({"Version": 1, "Status": "Active", "Statements": [{"Type": "ClassicWhiteList", "IPList": ["203.0.113.0/24"]}]})
    request = SetAccessKeyPolicyRequest(
        access_key_policy=text, user_access_key_id=key[0], user_principal_name=f"listed@{ALIAS}.onaliyun.com"
    )
    Ims(sdk.config(server)).set_access_key_policy(request)
    inside, outside = Proxy(server, ALLOWED), Proxy(server, FORBIDDEN)
    # Twice, one after the other: what is remembered of a key is not what was true of it elsewhere.
    for _ in range(2):
        assert sdk.sts(inside, key).get_caller_identity().body.account_id == ACCOUNT
        for elsewhere in (outside, server):
            refused = sdk.code_of(lambda: sdk.sts(elsewhere, key).get_caller_identity())
            assert refused == ("InvalidAccessKeyId.SourceIpNotAllowed", 403)
        assert answer(server, key, 5, header(ALLOWED), PROXY) == 0
        assert answer(server, key, 5, header(FORBIDDEN), PROXY) == NOT_AUTHORIZED[5]
        assert answer(server, key, 5, b"") == NOT_AUTHORIZED[5]
    for proxy in (inside, outside):
        proxy.close()
