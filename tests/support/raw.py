"""A raw MQTT client over one socket, for tests that look at packets."""

import contextlib
import itertools
import os
import socket
import threading
import time

from support import packets
from support.packets import Kind

WAIT_S = float(os.environ.get("SLUICE_CONFORMANCE_WAIT_S", 10))
# What the user of the open listener may neither publish nor subscribe to.
DENIED = "denied"
V3 = (3, 4)
BOTH = (4, 5)
ALL = (3, 4, 5)
SUFFIX = f"{os.getpid():x}{int(time.time()):x}"[-8:]
NUMBERS = itertools.count()
OPENED = threading.local()


class Closed(Exception):
    """The server closed the connection; what it said before is in `last`."""

    def __init__(self, last=None):
        super().__init__(f"closed after {last}")
        self.last = last


def fresh(what="x"):
    """A name that no other test uses: letters and digits, at most 23 for a `what` of up to 6."""
    return f"{what}{SUFFIX}{next(NUMBERS):x}"


def close_all():
    """Closes what this thread opened."""
    for one in getattr(OPENED, "clients", []):
        one.cut()
    OPENED.clients = []


class Raw:
    """One connection. Reads strictly, resolves topic aliases as a client must, and keeps messages apart from answers."""

    def __init__(self, address, version=5):
        self.version = version
        self.socket = socket.create_connection(address, timeout=WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.waiting = []
        self.aliases = {}
        self.identifiers = itertools.cycle(range(1, 65536))
        self.alias_maximum = 0
        if not hasattr(OPENED, "clients"):
            OPENED.clients = []
        OPENED.clients.append(self)

    def send(self, *parts):
        """Sends bytes in one write."""
        self.socket.sendall(b"".join(parts))

    def read(self, wait_s=WAIT_S):
        """The next packet. `Closed` when the connection ends, `TimeoutError` when nothing comes."""
        end = time.monotonic() + wait_s
        while (found := packets.split(self.buffer)) is None:
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                some = self.socket.recv(65536)
            except ConnectionError:
                some = b""
            if not some:
                packets.hold(not self.buffer, "the connection ended within a packet")
                raise Closed
            self.buffer += some
        first, body, size_bytes = found
        del self.buffer[:size_bytes]
        packet = packets.read(self.version, first, body, size_bytes)
        if packet.kind == Kind.PUBLISH:
            self.resolve(packet)
        return packet

    def resolve(self, packet):
        """Gives a PUBLISH with an alias alone its topic."""
        alias = packet.prop("topic_alias")
        if alias is None:
            return
        packets.hold(alias <= self.alias_maximum, f"topic alias {alias} is over the maximum [MQTT-3.3.2-11]")
        if packet.topic:
            self.aliases[alias] = packet.topic
        packets.hold(alias in self.aliases, f"topic alias {alias} was never given")
        packet.topic = self.aliases[alias]

    def expect(self, kind, wait_s=WAIT_S):
        """The next packet that is no message; messages wait for [`message`]."""
        while (packet := self.read(wait_s)).kind in (Kind.PUBLISH, Kind.PUBREL) and kind != packet.kind:
            if packet.kind == Kind.PUBLISH:
                self.waiting.append(packet)
            else:
                # Of a message of an earlier connection that is not sent again.
                self.ack(Kind.PUBCOMP, packet.packet_id)
        if packet.kind == Kind.DISCONNECT and kind != Kind.DISCONNECT:
            raise Closed(packet)
        assert packet.kind == kind, f"{packet} instead of {kind.name}"
        return packet

    def message(self, wait_s=WAIT_S, answer=True):
        """The next message; acknowledged to its end unless told otherwise."""
        packet = self.waiting.pop(0) if self.waiting else self.expect(Kind.PUBLISH, wait_s)
        if answer:
            self.answer(packet)
        return packet

    def answer(self, packet):
        """Acknowledges a message as its QoS asks."""
        if packet.qos == 1:
            self.ack(Kind.PUBACK, packet.packet_id)
        elif packet.qos == 2:
            self.ack(Kind.PUBREC, packet.packet_id)
            assert self.expect(Kind.PUBREL).packet_id == packet.packet_id
            self.ack(Kind.PUBCOMP, packet.packet_id)

    def messages(self, count, **options):
        return [self.message(**options) for _ in range(count)]

    def ack(self, kind, packet_id, code=None, props=None):
        self.send(packets.ack(self.version, kind, packet_id, code, props))

    def connect(self, client_id=None, **options):
        """Sends CONNECT; the CONNACK, accepted or not."""
        self.client_id = fresh("c") if client_id is None else client_id
        self.alias_maximum = (options.get("props") or {}).get("topic_alias_maximum", 0)
        self.send(packets.connect(self.version, self.client_id, **options))
        self.connack = self.expect(Kind.CONNACK)
        return self.connack

    def subscribe(self, *filters, qos=0, options=0, props=None):
        """Subscribes to filters with one QoS and the same further option bits; the SUBACK."""
        packet_id = next(self.identifiers)
        pairs = [(one, qos | options) for one in filters]
        self.send(packets.subscribe(self.version, packet_id, pairs, props))
        suback = self.expect(Kind.SUBACK)
        assert suback.packet_id == packet_id, "[MQTT-3.8.4-2]"
        assert len(suback.codes) == len(filters), "[MQTT-3.8.4-6]"
        return suback

    def unsubscribe(self, *filters, props=None):
        packet_id = next(self.identifiers)
        self.send(packets.unsubscribe(self.version, packet_id, filters, props))
        unsuback = self.expect(Kind.UNSUBACK)
        assert unsuback.packet_id == packet_id, "[MQTT-3.10.4-5]"
        assert len(unsuback.codes) == (len(filters) if self.version == 5 else 0), "[MQTT-3.11.3-2]"
        return unsuback

    def publish(self, topic, payload=b"", qos=0, retain=False, props=None, packet_id=None, dup=False):
        """Publishes to the end of the QoS's exchange; the first answer, `None` at QoS 0."""
        if qos == 0:
            self.send(packets.publish(self.version, topic, payload, 0, None, retain, dup, props))
            return None
        packet_id = packet_id or next(self.identifiers)
        self.send(packets.publish(self.version, topic, payload, qos, packet_id, retain, dup, props))
        answer = self.expect(Kind.PUBACK if qos == 1 else Kind.PUBREC)
        assert answer.packet_id == packet_id, "[MQTT-2.2.1-5]"
        if qos == 2 and answer.code < 0x80:
            self.release(packet_id)
        return answer

    def release(self, packet_id):
        """PUBREL and its PUBCOMP."""
        self.ack(Kind.PUBREL, packet_id)
        done = self.expect(Kind.PUBCOMP)
        assert done.packet_id == packet_id, "[MQTT-2.2.1-5]"
        return done

    def ping(self):
        """A PINGREQ answered: the connection lives, and what was sent before is read."""
        self.send(packets.PINGREQ)
        return self.expect(Kind.PINGRESP)

    def disconnect(self, code=None, props=None):
        """Leaves in order, and waits for the server to let go."""
        self.send(packets.disconnect(self.version, code, props))
        self.ended()

    def ended(self, wait_s=WAIT_S):
        """Waits for the server to close; the code that it gave in a CONNACK or DISCONNECT, or `None`.

        Messages and acknowledgements that were under way are read past; nothing may follow the DISCONNECT [MQTT-3.14.4-1].
        """
        code = None
        with contextlib.suppress(Closed):
            while True:
                packet = self.read(wait_s)
                assert code is None, f"{packet.kind.name} after the last packet"
                if packet.kind == Kind.DISCONNECT or (packet.kind == Kind.CONNACK and packet.code):
                    code = packet.code
        return code

    def quiet(self, seconds):
        """Waits on the connection for so long; nothing may come."""
        assert self.holds_nothing(), self.waiting
        try:
            packet = self.read(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"{packet} came")

    def rest(self):
        """Every byte that comes until the server closes, not read as packets: for an answer whose version is open."""
        got = bytes(self.buffer)
        self.socket.settimeout(WAIT_S)
        with contextlib.suppress(ConnectionError):
            while some := self.socket.recv(65536):
                got += some
        return got

    def cut(self):
        """Ends the connection without a word, as a network does."""
        self.socket.close()

    def holds_nothing(self):
        """True when no message is waiting that was read but not taken."""
        return not self.waiting


class Broker:
    """The server under test: where it listens, and whether it is Sluice."""

    def __init__(self, host, port, server=None):
        self.address = (host, port)
        self.server = server

    def raw(self, version=5):
        """A connection on which nothing was sent yet."""
        return Raw(self.address, version)

    def client(self, version=5, client_id=None, **options):
        """A connected client."""
        client = self.raw(version)
        connack = client.connect(client_id, **options)
        assert connack.code == 0, connack
        return client

    def session(self, version=5, client_id=None, expiry_s=300, clean=False, props=None, **options):
        """A connected client whose session outlives its connection."""
        if version == 5:
            props = {"session_expiry": expiry_s, **(props or {})}
        return self.client(version, client_id, clean=clean, props=props, **options)

    def refusal(self, version=5, client_id=None, **options):
        """The code with which a CONNECT is refused, once the connection is closed."""
        client = self.raw(version)
        client.send(packets.connect(version, fresh("c") if client_id is None else client_id, **options))
        return client.ended()

    def seconds(self, passed):
        """Lets time pass, and a little more: nothing comes to a client that asked for nothing."""
        self.client().quiet(passed + 0.3)
