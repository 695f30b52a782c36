"""The client matrix: one scenario, every client library, every transport.

Each client is a small program in its own language. It is started with `NAME=VALUE` arguments (`url`, `version` 3, 4 or 5, `id`, `username`,
`password`, `stored` 0 or 1, `ca`, `will_topic`, `will_payload`), connects, and then reads commands and writes events, a line each:

    subscribe TOPIC QOS                                  > subscribed QOS
    publish TOPIC PAYLOAD QOS RETAIN [NAME=VALUE ...]    > published CODE
    disconnect                                           > disconnected CODE
    (on its own)                                         > connected SESSION_PRESENT, message TOPIC PAYLOAD QOS RETAIN [NAME=VALUE ...]

SESSION_PRESENT is `-` where the library does not tell. A lost connection is the program killed. mosquitto_pub and mosquitto_sub are such
programs already, one for each half, and have an adapter here.
"""

import dataclasses
import itertools
import queue
import subprocess
import threading

from support.mqtt import password
from support.server import INSTANCE, REPOSITORY

WAIT_S = 30
TRANSPORTS = ("tcp", "tls", "ws", "wss")
SCHEMES = {"tcp": "mqtt", "tls": "mqtts", "ws": "ws", "wss": "wss"}
HERE = REPOSITORY / "tests" / "clients"
PYTHON = str(REPOSITORY / "target" / "python" / "bin" / "python")
# Library: how its program is run, the versions that it speaks, and the transports that it has.
LIBRARIES = {
    "paho-mqtt": ([PYTHON, str(HERE / "programs" / "paho_mqtt.py")], (3, 4, 5), TRANSPORTS),
    "aiomqtt": ([PYTHON, str(HERE / "programs" / "aiomqtt_client.py")], (4, 5), TRANSPORTS),
    "mqtt.js": (["node", str(REPOSITORY / "tests" / "node" / "matrix_client.js")], (3, 4, 5), TRANSPORTS),
    "rumqttc": ([str(REPOSITORY / "target" / "rumqttc" / "debug" / "sluice-rumqttc")], (4, 5), TRANSPORTS),
    "paho-c": ([str(REPOSITORY / "target" / "clients" / "paho_c")], (3, 4, 5), TRANSPORTS),
    # Debian's build has no WebSocket.
    "mosquitto": (None, (3, 4, 5), ("tcp", "tls")),
}
STEPS = ("connect", "qos 0", "qos 1", "qos 2", "retained", "stored", "will", "disconnect", "properties")
NUMBERS = itertools.count()


@dataclasses.dataclass
class Place:
    """Where the clients connect: URLs by transport, the certificate to trust, the key, the parent topic."""

    urls: dict
    ca: str
    key: tuple
    topic: str
    group: str


@dataclasses.dataclass(frozen=True)
class Message:
    topic: str
    payload: str
    qos: int
    retain: bool
    pairs: tuple = ()


class Program:
    """A running client. Its events come in order; messages are kept apart."""

    def __init__(self, command, name=""):
        self.name = name
        self.events, self.messages, self.errors = queue.Queue(), queue.Queue(), []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        readers = (self.read, lambda: self.errors.extend(self.process.stderr))
        self.readers = [threading.Thread(target=reader, daemon=True) for reader in readers]
        for reader in self.readers:
            reader.start()

    def read(self):
        for line in self.process.stdout:
            self.take(line.split())
        self.events.put(["ended"])

    def take(self, words):
        if words[:1] == ["message"]:
            topic, payload, qos, retain, *pairs = words[1:]
            self.messages.put(Message(topic, payload, int(qos), retain == "1", tuple(pairs)))
        elif words:
            self.events.put(words)

    def expect(self, kind):
        """The words of the next event, which must be of this kind."""
        try:
            event = self.events.get(timeout=WAIT_S)
        except queue.Empty:
            raise AssertionError(f"{self.name}: no `{kind}` within {WAIT_S} s") from None
        assert event[0] == kind, f"{self.name}: {event} instead of `{kind}`: {''.join(self.errors)[-400:]}"
        return event[1:]

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def subscribe(self, topic, qos):
        self.ask("subscribe", topic, qos)
        granted = int(self.expect("subscribed")[0])
        assert granted == qos, f"{self.name}: QoS {granted} was granted for {qos}"

    def publish(self, topic, payload, qos, retain=False, pairs=()):
        self.ask("publish", topic, payload, qos, int(retain), *pairs)
        assert int(self.expect("published")[0]) in (0, 0x10)

    def message(self):
        try:
            return self.messages.get(timeout=WAIT_S)
        except queue.Empty:
            raise AssertionError(f"{self.name}: no message within {WAIT_S} s: {''.join(self.errors)[-400:]}") from None

    def disconnect(self):
        self.ask("disconnect")
        self.expect("disconnected")
        self.process.wait(WAIT_S)

    def cut(self):
        self.process.kill()
        self.process.wait(WAIT_S)

    def close(self):
        """Leaves no process and no pipe of it behind."""
        if self.process.poll() is None:
            self.cut()
        for reader in self.readers:
            reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


@dataclasses.dataclass
class Cell:
    """One library at one version over one transport, and what of the scenario it went through."""

    library: str
    version: int
    transport: str
    place: Place = None
    passed: list = dataclasses.field(default_factory=list)
    programs: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self.number = next(NUMBERS)

    @property
    def row(self):
        return f"{self.library} {({3: '3.1', 4: '3.1.1', 5: '5'})[self.version]}"

    def login(self, name):
        client_id = f"{self.place.group}@@@{self.number}-{name}"
        return client_id, f"Signature|{self.place.key[0]}|{INSTANCE}", password(self.place.key[1], client_id)

    def open(self, name, stored=False, will=None, resumes=()):
        """A connected client, and whether a session was present. `resumes` names the filters of its session."""
        if LIBRARIES[self.library][0] is None:
            from clients.mosquitto import Mosquitto

            opened = Mosquitto(self, name, stored, will, resumes)
            return opened, None
        client_id, username, secret = self.login(name)
        given = {
            "url": self.place.urls[self.transport], "version": self.version, "id": client_id, "username": username,
            "password": secret, "stored": int(stored), "ca": self.place.ca if self.transport in ("tls", "wss") else "",
            "will_topic": will[0] if will else "", "will_payload": will[1] if will else "",
        }  # fmt: skip
        command = [*LIBRARIES[self.library][0], *[f"{key}={value}" for key, value in given.items()]]
        opened = Program(command, f"{self.row} over {self.transport}, {name}")
        self.programs.append(opened)
        present = opened.expect("connected")[0]
        # CONNACK of MQTT 3.1 has no place for it.
        return opened, None if present == "-" or self.version == 3 else present == "1"

    def step(self, name):
        self.passed.append(name)

    def run(self):
        """The scenario."""
        try:
            self.messages_and_sessions(f"{self.place.topic}/{self.number}")
        finally:
            for program in self.programs:
                program.close()

    def messages_and_sessions(self, topic):
        reader, present = self.open("reader", stored=True)
        assert not present
        reader.subscribe(f"{topic}/live", 2)
        writer, _ = self.open("writer", will=(f"{topic}/will", "of-the-writer"))
        self.step("connect")
        for qos in (0, 1, 2):
            writer.publish(f"{topic}/live", f"at-{qos}", qos)
            assert reader.message() == Message(f"{topic}/live", f"at-{qos}", qos, False)
            self.step(f"qos {qos}")
        writer.publish(f"{topic}/kept", "kept", 1, retain=True)
        reader.subscribe(f"{topic}/kept", 1)
        assert reader.message() == Message(f"{topic}/kept", "kept", 1, True)
        # Its answer comes after the library's PUBACK, so that the message does not come again after the disconnect.
        reader.subscribe(f"{topic}/will", 1)
        self.step("retained")
        reader.disconnect()
        writer.publish(f"{topic}/live", "while-away", 1)
        reader, present = self.open("reader", stored=True, resumes=(f"{topic}/live", f"{topic}/will"))
        assert present in (True, None)
        assert reader.message() == Message(f"{topic}/live", "while-away", 1, False)
        self.step("stored")
        lost, _ = self.open("lost", will=(f"{topic}/will", "of-the-lost"))
        lost.cut()
        assert reader.message() == Message(f"{topic}/will", "of-the-lost", 1, False)
        self.step("will")
        # Whoever disconnects in order leaves no will: the next message is the next one that is published.
        writer.disconnect()
        writer, _ = self.open("writer")
        pairs = ("a=1", "b=2") if self.version == 5 else ()
        writer.publish(f"{topic}/live", "last", 1, pairs=pairs)
        assert reader.message() == Message(f"{topic}/live", "last", 1, False, pairs)
        if self.version == 5:
            self.step("properties")
        writer.publish(f"{topic}/kept", "gone", 1, retain=True)
        writer.disconnect()
        reader.disconnect()
        self.step("disconnect")


def cells():
    """Every cell that can be."""
    return [
        (library, version, transport)
        for library, (_, versions, transports) in LIBRARIES.items()
        for version in versions
        for transport in transports
    ]


def table(outcomes):
    """The matrix as text: a row a library and version, a column a transport; what failed is named."""
    rows = {}
    for cell, fault in outcomes:
        wanted = [step for step in STEPS if step != "properties" or cell.version == 5]
        text = "all" if fault is None and set(cell.passed) == set(wanted) else f"{len(cell.passed)}/{len(wanted)}"
        rows.setdefault(cell.row, {})[cell.transport] = text
    lines = [f"{'client and version':18}" + "".join(f"{transport:>8}" for transport in TRANSPORTS)]
    for row, found in rows.items():
        lines.append(f"{row:18}" + "".join(f"{found.get(transport, '-'):>8}" for transport in TRANSPORTS))
    return "\n".join([*lines, f"all: {', '.join(STEPS)} (MQTT 5)"])
