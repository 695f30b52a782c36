"""How fast a right is taken back: from the API's reply to the end of each of N connections of one RAM user.

revocation.py [CONNECTIONS] [--write]    prints its section, milliseconds; --write puts it into docs/benchmarks.md
"""

import argparse
import pathlib
import select
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import page  # noqa: E402
from support import sdk  # noqa: E402
from support.mqtt import password  # noqa: E402
from support.server import INSTANCE, Server, access, deny, document, group, topic  # noqa: E402

BOUND_MS = 100


def text(value):
    return struct.pack("!H", len(value)) + value.encode()


def packet(header, body):
    length, rest = bytearray(), len(body)
    while True:
        length.append((rest & 127) | (128 if rest > 127 else 0))
        rest >>= 7
        if not rest:
            return bytes([header]) + bytes(length) + body


def connect(port, key, client):
    """A connected and subscribed MQTT 3.1.1 client, as a bare socket."""
    peer = socket.create_connection(("127.0.0.1", port))
    login = text(client) + text(f"Signature|{key[0]}|{INSTANCE}") + text(password(key[1], client))
    peer.sendall(packet(0x10, text("MQTT") + bytes([4, 0xC2, 0, 0]) + login))
    assert peer.recv(4) == b"\x20\x02\x00\x00"
    peer.sendall(packet(0x82, b"\x00\x01" + text("fleet/#") + b"\x01"))
    assert peer.recv(5) == b"\x90\x03\x00\x01\x01"
    peer.setblocking(False)
    return peer


def measure(peers, revoke):
    """Milliseconds from the reply of `revoke` to the end of each connection; 0 for those that ended before it."""
    poll = select.epoll()
    for peer in peers:
        poll.register(peer.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
    replied = []

    def call():
        revoke()
        replied.append(time.monotonic())

    caller = threading.Thread(target=call)
    caller.start()
    ended, deadline = [], time.monotonic() + 20
    while len(ended) < len(peers) and time.monotonic() < deadline:
        for fd, _ in poll.poll(0.1):
            ended.append(time.monotonic())
            poll.unregister(fd)
    caller.join()
    assert len(ended) == len(peers), f"{len(peers) - len(ended)} connections never ended"
    return sorted(max(0.0, (at - replied[0]) * 1000) for at in ended)


def kinds(server, key):
    """Each kind of revocation, and what makes it undone."""
    root = lambda operation, **parameters: sdk.generic(server, operation, version="2015-05-01", **parameters)
    user = {"UserName": "fleet"}
    policy = {"PolicyType": "Custom", "PolicyName": "fleet"} | user
    forbid = {"PolicyType": "Custom", "PolicyName": "forbid"} | user
    switch = lambda status: root("UpdateAccessKey", UserAccessKeyId=key[0], Status=status, **user)
    version = lambda number: root("SetDefaultPolicyVersion", PolicyName="fleet", VersionId=number)
    return (
        ("DetachPolicyFromUser", lambda: root("DetachPolicyFromUser", **policy), lambda: root("AttachPolicyToUser", **policy)),
        ("UpdateAccessKey to Inactive", lambda: switch("Inactive"), lambda: switch("Active")),
        ("SetDefaultPolicyVersion to one that grants less", lambda: version("v2"), lambda: version("v1")),
        ("attaching a Deny", lambda: root("AttachPolicyToUser", **forbid), lambda: root("DetachPolicyFromUser", **forbid)),
        ("DeleteAccessKey", lambda: root("DeleteAccessKey", UserAccessKeyId=key[0], **user), lambda: None),
    )


def run(server, connections):
    """Revokes in each way and gives (kind, times)."""
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="fleet")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_fleet")
    key = server.new_user("fleet", access(), topic("fleet"), group("GID_fleet"))
    server.api("ram", "CreatePolicyVersion", PolicyName="fleet", PolicyDocument=document(topic("fleet")))
    server.api("ram", "CreatePolicy", PolicyName="forbid", PolicyDocument=document(deny("mq:*", "*")))
    for name, revoke, undo in kinds(server, key):
        peers = [connect(server.mqtt_port, key, f"GID_fleet@@@{n}") for n in range(connections)]
        times = measure(peers, revoke)
        for peer in peers:
            peer.close()
        undo()
        yield name, times


def section(connections, rows):
    return f"""## Revocation

`make revocation`, {page.machine()}: {connections:,} connected and subscribed clients of one RAM user; from the API's reply to the end of each
connection, release build. Bound: {BOUND_MS} ms.

{page.table(("what takes the right back", "p50", "p99", "longest"), rows)}"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("connections", type=int, nargs="?", default=1000)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows, late = [], 0
    with tempfile.TemporaryDirectory() as folder:
        server = Server(pathlib.Path(folder) / "data")
        for name, times in run(server, args.connections):
            p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
            late += p99 > BOUND_MS
            rows.append([name, *(f"{time:.1f} ms" for time in (p50, p99, times[-1]))])
        assert server.stop() == 0
    page.publish("revocation", section(args.connections, rows), args.write)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
