"""MQTT over WebSocket: section 6 of both standards. It is served on the HTTP listener, where clients sign."""

import base64
import os
import socket
import struct

import pytest

from support import packets
from support.mqtt import password
from support.packets import Kind
from support.raw import ALL, WAIT_S, fresh
from support.server import INSTANCE, ROOT_KEY, ROOT_SECRET

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WebSocket:
    """One WebSocket connection, frame by frame."""

    def __init__(self, server, protocols="mqtt", path="/mqtt"):
        self.socket = socket.create_connection(("127.0.0.1", server.http_port), timeout=WAIT_S)
        offered = f"Sec-WebSocket-Protocol: {protocols}\r\n" if protocols else ""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.http_port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{offered}\r\n".encode()
        )
        self.reader = self.socket.makefile("rb")
        self.status = int(self.reader.readline().split()[1])
        self.headers = {}
        while line := self.reader.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.data = bytearray()

    def frame(self, payload, kind=BINARY, last=True):
        """Sends one masked frame."""
        mask = os.urandom(4)
        length = len(payload)
        head = bytes([(0x80 if last else 0) | kind])
        head += bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + struct.pack("!H", length)
        self.socket.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))

    def read(self):
        """The next frame: kind and payload; `None` when the connection ended."""
        try:
            head = self.reader.read(2)
            if len(head) < 2:
                return None
            length = head[1] & 127
            if length == 126:
                (length,) = struct.unpack("!H", self.reader.read(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self.reader.read(8))
            return head[0] & 15, self.reader.read(length)
        except ConnectionError:
            return None

    def packet(self, version=5):
        """The next MQTT packet; every data frame must be binary [MQTT-6.0.0-1]."""
        while (found := packets.split(self.data)) is None:
            frame = self.read()
            assert frame, "the connection ended"
            if frame[0] in (PING, PONG):
                continue
            assert frame[0] in (0, BINARY), frame
            self.data += frame[1]
        del self.data[: found[2]]
        return packets.read(version, *found)

    def ends(self):
        """Waits for the end: a close frame or the end of the connection."""
        while (frame := self.read()) is not None and frame[0] != CLOSE:
            pass


@pytest.fixture(scope="module")
def server(broker):
    if broker.server is None:
        pytest.skip("WebSocket is tested on Sluice's own HTTP listener")
    broker.server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_websocket")
    broker.server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="websocket")
    return broker.server


def connect(version=5):
    client_id = f"GID_websocket@@@{fresh()}"
    username = f"Signature|{ROOT_KEY}|{INSTANCE}"
    return packets.connect(version, client_id, username=username, password=password(ROOT_SECRET, client_id))


def connected(server, version=5, **options):
    client = WebSocket(server, **options)
    assert client.status == 101
    client.frame(connect(version))
    assert client.packet(version).code == 0
    return client


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("path", ["/mqtt", "/"])
def test_mqtt_is_spoken_in_binary_frames_mqtt_6_0_0_1(server, version, path):
    client, topic = connected(server, version, path=path), f"websocket/{fresh()}"
    client.frame(packets.subscribe(version, 1, [(topic, 1)]))
    assert client.packet(version).codes == [1]
    client.frame(packets.publish(version, topic, b"x" * 200, 1, 2))
    got = {packet.kind: packet for packet in (client.packet(version), client.packet(version))}
    assert got[Kind.PUBLISH].payload == b"x" * 200 and got[Kind.PUBACK].packet_id == 2


def test_text_frame_closes_the_connection_mqtt_6_0_0_1(server):
    client = connected(server)
    client.frame(b"\x40\x00", TEXT)
    client.ends()


def test_text_frame_instead_of_connect_closes_the_connection_mqtt_6_0_0_1(server):
    client = WebSocket(server)
    client.frame(b"hello", TEXT)
    client.ends()


def test_packets_need_not_keep_to_frames_mqtt_6_0_0_2(server):
    client, topic = WebSocket(server), f"websocket/{fresh()}"
    data = connect() + packets.subscribe(5, 1, [(topic, 0)]) + packets.publish(5, topic, b"one") + packets.publish(5, topic, b"two")
    for at in range(0, len(data), 7):
        client.frame(data[at : at + 7])
    kinds = [client.packet() for _ in range(4)]
    assert kinds[0].kind == Kind.CONNACK
    assert [packet.payload for packet in kinds if packet.kind == Kind.PUBLISH] == [b"one", b"two"]


def test_one_frame_may_hold_many_packets_mqtt_6_0_0_2(server):
    client = WebSocket(server)
    client.frame(connect() + packets.PINGREQ * 20)
    assert client.packet().kind == Kind.CONNACK
    assert {client.packet().kind for _ in range(20)} == {Kind.PINGRESP}


def test_fragmented_message_is_put_together_mqtt_6_0_0_2(server):
    client, data = WebSocket(server), connect()
    client.frame(data[:10], BINARY, last=False)
    client.frame(data[10:20], 0, last=False)
    client.frame(data[20:], 0)
    assert client.packet().code == 0


@pytest.mark.parametrize("offered", ["mqtt", "mqtt, mqttv3.1", "chat, mqtt"])
def test_sub_protocol_that_is_chosen_is_mqtt_mqtt_6_0_0_4(server, offered):
    """Also [MQTT-6.0.0-3], which the client keeps by offering it."""
    assert WebSocket(server, offered).headers["sec-websocket-protocol"] == "mqtt"


def test_sub_protocol_of_3_1_is_served(server):
    client = WebSocket(server, "mqttv3.1")
    assert client.headers["sec-websocket-protocol"] == "mqttv3.1"
    client.frame(connect(3))
    assert client.packet(3).code == 0


def test_ping_frame_is_answered(server):
    client = connected(server)
    client.frame(b"here?", PING)
    while (frame := client.read())[0] != PONG:
        pass
    assert frame[1] == b"here?"


def test_error_closes_a_websocket_like_a_socket_mqtt_4_13_1_1(server):
    client = connected(server)
    client.frame(b"\0\0")
    assert client.packet().code == 0x81
    client.ends()
