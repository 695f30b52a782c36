"""A server with an open listener, whose user may do everything but what is denied, as a broker for tests that look at packets."""

import time
import urllib.request

from support.raw import DENIED, WAIT_S, Broker, close_all, fresh
from support.server import INSTANCE, Server, arn, deny, until

USER = "open"


class OpenBroker(Broker):
    """The server and its open listener. It can end and start again on its folder."""

    def __init__(self, folder):
        flags = ["--open-mqtt", "127.0.0.1:0", "--open-instance", INSTANCE, "--open-user", USER]
        server = Server(folder, *flags)
        server.api("ram", "CreateUser", UserName=USER)
        server.api("ram", "AttachPolicyToUser", PolicyType="System", PolicyName="AliyunMQFullAccess", UserName=USER)
        server.grant(USER, "no-denied", deny(["mq:PUB", "mq:SUB"], arn(f"topic/{INSTANCE}/{DENIED}")))
        super().__init__(*self.listener(server), server)

    @staticmethod
    def listener(server):
        host, port = server.addresses["open-mqtt"].rsplit(":", 1)
        return host, int(port)

    def settle(self):
        """What was appended to the log before is on disk: a later record was acknowledged, and they are written in order."""
        client = self.client()
        assert client.publish(fresh("settle"), b"x", 1, retain=True).code in (0, 0x10)
        client.cut()

    def all_leave(self):
        """Ends every connection, and waits until the server knows and has it on disk."""
        close_all()
        until(lambda: self.connections() == 0, "the end of every connection")
        self.settle()

    def connections(self):
        """How many there are, by the metrics."""
        with urllib.request.urlopen(f"{self.server.http}/metrics", timeout=WAIT_S) as answer:
            lines = answer.read().decode().splitlines()
        return int(float(next(line.split()[1] for line in lines if line.startswith("sluice_connections "))))

    def restart(self, how, down_s=0):
        """Ends the server with a signal while its clients are connected, and starts it again after so long."""
        began = time.monotonic()
        self.server.end(how)
        close_all()
        until(lambda: time.monotonic() - began > down_s, f"the downtime of {down_s} s", down_s + 1)
        self.server.start()
        self.address = self.listener(self.server)
