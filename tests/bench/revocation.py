"""How fast a right is taken back: from the reply to the end of each of N connections of one RAM user or role.

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
from support.roles import assume, make_role  # noqa: E402
from support.server import ACCOUNT, INSTANCE, Server, access, allow, deny, document, group, topic  # noqa: E402

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
    key_id, secret, *token = key
    login = text(client) + text("|".join(["Signature", key_id, INSTANCE, *token])) + text(password(secret, client))
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


def by_the_user(server):
    """A fleet of a user's key: the key, and each way to take its rights and to give them back."""
    key = server.new_user("fleet", access(), topic("fleet"), group("GID_fleet"))
    server.api("ram", "CreatePolicyVersion", PolicyName="fleet", PolicyDocument=document(topic("fleet")))
    server.api("ram", "CreatePolicy", PolicyName="forbid", PolicyDocument=document(deny("mq:*", "*")))
    user = {"UserName": "fleet"}
    policy = {"PolicyType": "Custom", "PolicyName": "fleet"} | user
    forbid = {"PolicyType": "Custom", "PolicyName": "forbid"} | user
    switch = lambda status: ram(server, "UpdateAccessKey", UserAccessKeyId=key[0], Status=status, **user)
    version = lambda number: ram(server, "SetDefaultPolicyVersion", PolicyName="fleet", VersionId=number)
    return key, (
        ("DetachPolicyFromUser", lambda: ram(server, "DetachPolicyFromUser", **policy), lambda: ram(server, "AttachPolicyToUser", **policy)),
        ("UpdateAccessKey to Inactive", lambda: switch("Inactive"), lambda: switch("Active")),
        ("SetDefaultPolicyVersion to one that grants less", lambda: version("v2"), lambda: version("v1")),
        ("attaching a Deny", lambda: ram(server, "AttachPolicyToUser", **forbid), lambda: ram(server, "DetachPolicyFromUser", **forbid)),
        ("DeleteAccessKey", lambda: ram(server, "DeleteAccessKey", UserAccessKeyId=key[0], **user), lambda: None),
    )


def by_a_group(server):
    """The same of a user who has the rights from a group."""
    key = server.new_user("member")
    server.api("ram", "CreateGroup", GroupName="crew")
    member = {"UserName": "member", "GroupName": "crew"}
    policy = {"PolicyType": "Custom", "PolicyName": "fleet", "GroupName": "crew"}
    server.api("ram", "AttachPolicyToGroup", **policy)
    server.api("ram", "AddUserToGroup", **member)
    return key, (
        ("DetachPolicyFromGroup", lambda: ram(server, "DetachPolicyFromGroup", **policy), lambda: ram(server, "AttachPolicyToGroup", **policy)),
        ("RemoveUserFromGroup", lambda: ram(server, "RemoveUserFromGroup", **member), lambda: ram(server, "AddUserToGroup", **member)),
    )


def by_a_role(server):
    """The same of a role's session."""
    courier = server.new_user("courier", allow("sts:AssumeRole", "*"))
    make_role(server, "driver", f"acs:ram::{ACCOUNT}:root", access(), topic("fleet"), group("GID_fleet"))
    key = assume(server, courier, "driver")
    policy = {"PolicyType": "Custom", "PolicyName": "role-driver", "RoleName": "driver"}
    return key, (
        ("DetachPolicyFromRole", lambda: ram(server, "DetachPolicyFromRole", **policy), lambda: ram(server, "AttachPolicyToRole", **policy)),
        ("`sluice account disable`", lambda: operator(server, "disable"), lambda: operator(server, "enable")),
    )


def ram(server, operation, **parameters):
    return sdk.generic(server, operation, version="2015-05-01", **parameters)


def operator(server, command):
    server.run("account", command, "--id", ACCOUNT, "--data-dir", str(server.folder))


def run(server, connections):
    """Revokes in each way and gives (kind, times)."""
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="fleet")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_fleet")
    for fleet in (by_the_user, by_a_group, by_a_role):
        key, kinds = fleet(server)
        for name, revoke, undo in kinds:
            peers = [connect(server.mqtt_port, key, f"GID_fleet@@@{n}") for n in range(connections)]
            times = measure(peers, revoke)
            for peer in peers:
                peer.close()
            undo()
            yield name, times


def section(connections, rows):
    return f"""## Revocation

`make revocation`, {page.machine()}: {connections:,} connected and subscribed clients of one RAM user or role session; from the reply to the end of
each connection, release build. Bound: {BOUND_MS} ms.

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
