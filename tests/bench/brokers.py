"""The servers that are measured side by side, each started alone, on a free port, with a configuration of its own.

A broker is a context manager with `port`, `pid`, the arguments by which mqload signs in to it, and `absent`: why it cannot be had.
"""

import pathlib
import shutil
import socket
import subprocess
import time

from support.server import INSTANCE, REPOSITORY, Server, access, group, topic

MQLOAD = REPOSITORY / "target" / "mqload" / "release" / "mqload"
START_S = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tool(name, *places):
    """Where a program is, or `None`."""
    return shutil.which(name) or next((str(place) for place in places if pathlib.Path(place).is_file()), None)


class Sluice:
    """The release binary; a RAM user with five policies signs in, permission on."""

    name = "Sluice"
    absent = None

    def __init__(self, folder, statements=0, cores=None):
        self.folder, self.statements, self.cores = folder / f"sluice-{statements}", statements, cores
        self.server = self.key = None

    def __enter__(self):
        if self.server is None:
            self.server = Server(self.folder / "data", cores=self.cores)
            self.prepare()
        self.server.start()
        self.port, self.pid = self.server.mqtt_port, self.server.process.pid
        return self

    def prepare(self):
        server = self.server
        for parent in ("bench", *(f"other{n}" for n in range(4))):
            server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic=parent)
        server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_bench")
        many = [topic(f"other0/{n}") for n in range(self.statements)]
        self.key = server.new_user("bench", access(), group("GID_bench"))
        server.grant("bench", "traffic", topic("bench"))
        for n in range(3):
            server.grant("bench", f"other{n}", topic(f"other{n + 1}"))
        # A policy document has at most 6,144 characters, a user at most 10 custom policies.
        for n in range(0, len(many), 40):
            server.grant("bench", f"many{n}", *many[n : n + 40])
        # Hashing the first password leaves freed memory in which connections would hide.
        assert server.stop() == 0, server.log()

    def __exit__(self, *_):
        assert self.server.stop() == 0, self.server.log()

    @property
    def login(self):
        key, secret = self.key
        return ["--access-key", key, "--auth-secret", secret, "--instance", INSTANCE, "--client-id", "GID_bench@@@{r}{i}",
                "--topic-prefix", "bench/x/"]  # fmt: skip

    @property
    def own_login(self):
        """The same for `sluice bench`."""
        return ["--access-key-id", self.key[0], "--access-key-secret", self.key[1], "--instance", INSTANCE]


class Peer:
    """Another server: a program, its arguments and its configuration."""

    login = ["--topic-prefix", "bench/x/"]
    own_login = []
    program, why = None, ""

    def __init__(self, folder):
        self.folder = folder / type(self).__name__.lower()
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def absent(self):
        return None if self.program else self.why

    def __enter__(self):
        self.port = free_port()
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen([self.program, *self.arguments()], stdout=log, stderr=log)
        self.pid = self.process.pid
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < deadline, f"{self.name}: {self.log()}"
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self):
        return (self.folder / "log").read_text()

    def written(self, text):
        """A configuration file of this text; rumqttd wants the name's end."""
        path = self.folder / "conf.toml"
        path.write_text(text)
        return str(path)


class Floor(Peer):
    """Forwards without routing, sessions or checks: what the sockets alone cost."""

    name = "raw forwarder (the floor)"
    program, why = tool("mqload", MQLOAD), "mqload is not built"

    def arguments(self):
        return ["floor-server", "--port", str(self.port)]


class Mosquitto(Peer):
    """Without its limit of 1,000 queued messages, at which it would lose QoS 1 messages of a full window."""

    name = "mosquitto"
    program, why = tool("mosquitto", "/usr/sbin/mosquitto"), "no Debian package mosquitto"

    def arguments(self):
        settings = f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\nuser root\nmax_queued_messages 0\n"
        return ["-c", self.written(settings)]


class Rumqttd(Peer):
    name = "rumqttd"
    program, why = tool("rumqttd", REPOSITORY / "target/peers/bin/rumqttd"), "`cargo install rumqttd` did not work"

    def arguments(self):
        settings = f"""id = 0
[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v4.1]
name = "v4"
listen = "127.0.0.1:{self.port}"
next_connection_delay_ms = 0
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 500
dynamic_filters = true
"""
        return ["--quiet", "--config", self.written(settings)]


class Nats(Peer):
    name = "nats-server"
    program, why = tool("nats-server", "/usr/sbin/nats-server"), "no Debian package nats-server"

    def arguments(self):
        settings = f"""server_name: bench
listen: "127.0.0.1:{free_port()}"
jetstream {{ store_dir: "{self.folder / "store"}" }}
mqtt {{ listen: "127.0.0.1:{self.port}" }}
"""
        return ["-c", self.written(settings)]


PEERS = (Floor, Mosquitto, Rumqttd, Nats)
