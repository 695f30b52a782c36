"""A model of delivery, and clients that hold a server to it while they come, go and lose their connections.

What is promised: QoS 1 at least once and QoS 2 exactly once, whatever connections are lost on either side, to every session that lives on;
QoS 0 at most once; the order of a topic and QoS; nothing that was published before SUBACK or after UNSUBACK; no packet ID reused while in
flight; never more in flight than Receive Maximum. One thread does all of it, so that a seed repeats the same actions.
"""

import collections
import dataclasses
import random

from support import packets
from support.packets import Kind
from support.raw import WAIT_S, Closed, Raw, fresh

READERS, TOPICS = 4, 3
ACTIONS_PER_WORLD = 120
# Seconds to wait for a packet that need not come.
GLANCE_S = 0.002


@dataclasses.dataclass
class Sent:
    """A message that was published, and its place in its topic."""

    payload: bytes
    topic: str
    number: int
    qos: int


class Endpoint:
    """A client over any number of connections. `connect` makes one: (version, client_id, clean, props) to a raw client after CONNACK."""

    def __init__(self, world, name, version, stored):
        self.world, self.name, self.version, self.stored = world, name, version, stored
        self.client_id, self.raw = world.client_id(name), None

    def come(self, props=None):
        """Connects; whether a session was present."""
        self.raw = Raw(self.world.address, self.version)
        props = {**(props or {}), **({"session_expiry": 3600} if self.stored else {})} if self.version == 5 else None
        self.raw.send(
            packets.connect(self.version, self.client_id, clean=not self.stored, props=props, **self.world.login(self.client_id))
        )
        connack = self.raw.read()
        assert connack.kind == Kind.CONNACK and connack.code == 0, f"{self.name}: {connack}"
        return connack.session_present

    def drop(self):
        self.raw.cut()
        self.raw = None

    def leave(self):
        """Disconnects in order. What the server had not read is not read: the socket is closed at once."""
        self.raw.send(packets.disconnect(self.version))
        self.drop()


class Reader(Endpoint):
    """A subscriber. It acknowledges when it likes, and remembers what its session must remember."""

    def __init__(self, world, name, version, stored, receive_maximum):
        super().__init__(world, name, version, stored)
        self.receive_maximum, self.identifiers = receive_maximum, 0
        self.filters, self.expected, self.allowed = {}, {}, {}
        self.begin()

    def begin(self):
        """A new session: nothing that was before is owed any more, and nothing of it may come."""
        self.filters, self.expected, self.allowed = {}, {}, {}
        self.got, self.last = collections.Counter(), {}
        # Packet ID: payload of what is not acknowledged; of QoS 2, what was taken and not yet released.
        self.in_flight, self.taken = {}, {}
        self.owed = []

    def connect(self):
        existed = self.raw is not None or self.known
        if not self.stored:
            self.begin()
        present = self.come({"receive_maximum": self.receive_maximum})
        assert present == (self.stored and existed), f"{self.name}: session present is {present}"
        self.known, self.connection = True, set()
        self.owed = []

    known = False

    def subscribe(self, filter, qos):
        packet_id = self.next_id()
        self.raw.send(packets.subscribe(self.version, packet_id, [(filter, qos)]))
        assert self.pump(Kind.SUBACK).codes == [qos]
        self.filters[filter] = qos

    def unsubscribe(self, filter):
        del self.filters[filter]
        self.raw.send(packets.unsubscribe(self.version, self.next_id(), [filter]))
        self.pump(Kind.UNSUBACK)

    def next_id(self):
        self.identifiers = self.identifiers % 65535 + 1
        return self.identifiers

    def will_get(self, sent):
        """Notes what the server owes for a message that is about to be published."""
        granted = [qos for filter, qos in self.filters.items() if filter in (sent.topic, f"{self.world.parent}/+")]
        if not granted:
            return
        qos = min(sent.qos, max(granted))
        # A publisher that resends at QoS 1 publishes again, at whatever QoS it is delivered.
        self.allowed[sent.payload] = qos, qos == 1 or sent.qos == 1
        if qos and (self.stored or self.raw is not None):
            self.expected[sent.payload] = qos

    def pump(self, kind=None, wait_s=WAIT_S):
        """Reads until a packet of this kind; without one, whatever is there."""
        while True:
            try:
                packet = self.raw.read(GLANCE_S if kind is None else wait_s)
            except TimeoutError:
                assert kind is None, f"{self.name}: no {kind.name} within {wait_s} s"
                return None
            if packet.kind == kind:
                return packet
            self.take(packet)

    def take(self, packet):
        if packet.kind == Kind.PUBLISH:
            self.take_publish(packet)
        elif packet.kind == Kind.PUBREL:
            self.taken.pop(packet.packet_id, None)
            self.owed.append((Kind.PUBCOMP, packet.packet_id))
        else:
            raise AssertionError(f"{self.name}: {packet}")

    def take_publish(self, packet):
        payload, packet_id = packet.payload, packet.packet_id
        assert payload in self.allowed, f"{self.name}: {packet} was not asked for"
        assert packet.qos == self.allowed[payload][0], f"{self.name}: {packet} at another QoS than {self.allowed[payload][0]}"
        if packet.qos:
            assert packet_id not in self.connection, f"{self.name}: {packet} reuses an ID in flight, or comes twice"
            known = self.in_flight.get(packet_id)
            assert known in (None, payload), f"{self.name}: {packet} reuses the ID of {known}"
            assert known is None or packet.dup, f"{self.name}: {packet} was sent before, and is not marked so"
            self.connection.add(packet_id)
            self.in_flight[packet_id] = payload
            assert len(self.connection) <= self.most(), f"{self.name}: {len(self.connection)} messages in flight"
            self.owed.append((Kind.PUBACK if packet.qos == 1 else Kind.PUBREC, packet_id))
        if packet.qos == 2 and self.taken.get(packet_id) == payload:
            return
        if packet.qos == 2:
            self.taken[packet_id] = payload
        self.count(packet)

    def most(self):
        return self.receive_maximum if self.version == 5 else 65535

    def count(self, packet):
        self.got[packet.payload] += 1
        may_repeat = self.allowed[packet.payload][1]
        assert may_repeat or self.got[packet.payload] == 1, f"{self.name}: {packet} came again at QoS {packet.qos}"
        if self.got[packet.payload] == 1:
            key, number = (packet.topic, packet.qos), int(packet.payload.split(b"-")[1])
            assert self.last.get(key, -1) < number, f"{self.name}: {packet} after {self.last[key]}"
            self.last[key] = number

    def answer(self, most=None):
        """Acknowledges the oldest of what is owed, in order [MQTT-4.6.0-2]."""
        for kind, packet_id in self.owed[:most]:
            self.raw.send(packets.ack(self.version, kind, packet_id))
            if kind in (Kind.PUBACK, Kind.PUBCOMP):
                self.in_flight.pop(packet_id, None)
                self.connection.discard(packet_id)
        del self.owed[:most]

    def missing(self):
        return [payload for payload in self.expected if not self.got[payload]]


class Writer(Endpoint):
    """A publisher with a stored session, which resends until it is done."""

    def __init__(self, world, name, version):
        super().__init__(world, name, version, stored=True)
        self.identifiers = 0

    def publish(self, sent, lost_before):
        """One message to its end; `lost_before` are the answers before which a connection is lost."""
        if sent.qos == 0:
            self.raw.send(packets.publish(self.version, sent.topic, sent.payload))
            self.raw.send(packets.PINGREQ)
            assert self.raw.read().kind == Kind.PINGRESP
            return
        self.identifiers = self.identifiers % 65535 + 1
        packet_id = self.identifiers
        publish = lambda dup: packets.publish(self.version, sent.topic, sent.payload, sent.qos, packet_id, dup=dup)
        first = Kind.PUBACK if sent.qos == 1 else Kind.PUBREC
        assert self.exchange(publish, first, packet_id, first in lost_before)
        if sent.qos == 2:
            release = lambda dup: packets.ack(self.version, Kind.PUBREL, packet_id)
            self.exchange(release, Kind.PUBCOMP, packet_id, Kind.PUBCOMP in lost_before)

    def exchange(self, make, kind, packet_id, is_lost):
        """Sends and gets the answer, over a second connection when the first is lost."""
        self.raw.send(make(False))
        if is_lost:
            self.drop()
            assert self.come(), f"{self.name}: its session is gone"
            self.raw.send(make(True))
        answer = self.raw.read()
        assert (answer.kind, answer.packet_id) == (kind, packet_id), f"{self.name}: {answer} instead of {kind.name}"
        return answer.code < 0x80 or (kind == Kind.PUBCOMP and answer.code == 0x92)


class World:
    """Readers, writers and what was published, over one seed."""

    def __init__(self, address, login, client_id, parent, seed):
        self.address, self.login, self.parent = address, login, parent
        self.client_id = lambda name: client_id(fresh(name))
        self.random, self.trace = random.Random(seed), []
        self.topics = [f"{parent}/{fresh('t')}" for _ in range(TOPICS)]
        self.filters = [*self.topics, f"{parent}/+"]
        self.numbers = collections.Counter()
        self.writers = [Writer(self, f"w{version}", version) for version in (4, 5)]
        self.readers = [
            Reader(self, f"r{n}", (4, 5)[n % 2], stored=n != READERS - 1, receive_maximum=self.random.choice((1, 3, 20)))
            for n in range(READERS)
        ]

    def run(self):
        """Random actions, then everything that is owed."""
        for writer in self.writers:
            writer.come()
        for reader in self.readers:
            reader.connect()
        for _ in range(ACTIONS_PER_WORLD):
            reader = self.random.choice(self.readers)
            action = self.random.choices(
                (self.publish, self.subscribe, self.unsubscribe, self.read, self.answer, self.lose, self.leave),
                (40, 12, 4, 16, 16, 6, 3),
            )[0]
            action(reader)
        self.settle()

    def note(self, *what):
        self.trace.append(" ".join(map(str, what)))

    def publish(self, _reader):
        topic, qos = self.random.choice(self.topics), self.random.choice((0, 1, 1, 2, 2))
        number = self.numbers[topic]
        self.numbers[topic] += 1
        sent = Sent(f"{topic}-{number}".encode(), topic, number, qos)
        lost = {kind for kind in (Kind.PUBACK, Kind.PUBREC, Kind.PUBCOMP) if self.random.random() < 0.1}
        # One writer a topic: the order between two is nobody's promise.
        writer = self.writers[self.topics.index(topic) % len(self.writers)]
        self.note(writer.name, "publishes", sent.payload.decode(), "at", qos, "losing", [kind.name for kind in lost])
        for reader in self.readers:
            reader.will_get(sent)
        writer.publish(sent, lost)

    def subscribe(self, reader):
        self.present(reader)
        filter = self.random.choice(self.filters)
        # The QoS of a subscription stays: what waits has that of its time, and the model keeps one for a message.
        if filter not in reader.filters:
            qos = self.random.choice((0, 1, 2, 2))
            self.note(reader.name, "subscribes", filter, "at", qos)
            reader.subscribe(filter, qos)

    def unsubscribe(self, reader):
        self.present(reader)
        if reader.filters:
            filter = self.random.choice(sorted(reader.filters))
            self.note(reader.name, "unsubscribes", filter)
            reader.unsubscribe(filter)

    def read(self, reader):
        self.present(reader)
        self.note(reader.name, "reads")
        reader.pump()

    def answer(self, reader):
        self.present(reader)
        most = self.random.choice((1, 2, None))
        self.note(reader.name, "answers", most or "all")
        reader.pump()
        reader.answer(most)

    def lose(self, reader):
        if reader.raw is not None:
            self.note(reader.name, "loses its connection")
            reader.drop()
            self.forget(reader)

    def leave(self, reader):
        if reader.raw is not None:
            self.note(reader.name, "disconnects")
            reader.leave()
            self.forget(reader)

    @staticmethod
    def forget(reader):
        """A session that is not stored ends with its connection, and nothing is owed to it."""
        if not reader.stored:
            reader.begin()
            reader.known = False

    def present(self, reader):
        if reader.raw is None:
            self.note(reader.name, "comes")
            reader.connect()

    def settle(self):
        """Everybody comes back and answers until nothing is missing; then a last message of each kind shows that nothing more came."""
        for reader in self.readers:
            self.present(reader)
        self.drain()
        for qos in (1, 2):
            for topic in self.topics:
                number = self.numbers[topic]
                self.numbers[topic] += 1
                sent = Sent(f"{topic}-{number}".encode(), topic, number, qos)
                for reader in self.readers:
                    reader.will_get(sent)
                self.writers[self.topics.index(topic) % len(self.writers)].publish(sent, set())
        self.drain()
        for endpoint in [*self.readers, *self.writers]:
            endpoint.leave()

    def drain(self):
        for reader in self.readers:
            self.note(reader.name, "reads to the end")
            while reader.missing() or reader.owed:
                reader.pump()
                if reader.owed:
                    reader.answer()
                elif reader.missing():
                    try:
                        reader.take(reader.raw.read())
                    except TimeoutError:
                        raise AssertionError(f"{reader.name}: {reader.missing()[:5]} never came") from None
                    except Closed as closed:
                        raise AssertionError(f"{reader.name}: the server closed: {closed.last}") from closed


def run(address, login, client_id, parent, seed):
    """One world. A failure shows the seed and what was done."""
    world = World(address, login, client_id, parent, seed)
    try:
        world.run()
    except (AssertionError, Closed, OSError) as error:
        done = "\n".join(world.trace[-60:])
        raise AssertionError(f"seed {seed}: {error!r}\nlast actions:\n{done}") from error
