"""A client that keeps between connections what a durable MQTT client keeps: what it sent and was not answered, in order and with its packet
identifiers, and the identifiers of QoS 2 messages that it took and that were not released. Sections 4.3, 4.4 and 4.6 of both standards.

It writes into the history what it sees, before it sends and after it reads.
"""

import asyncio
import collections
import contextlib
import dataclasses

from crash import history as h
from support import packets
from support.devices import NOT_AUTHORIZED
from support.packets import Kind

ANSWER_S = 30
READ_BYTES = 1 << 16
CONNECT_S = 10


class Lost(Exception):
    """The connection ended before the answer came."""


class Refused(Exception):
    """CONNACK with an error."""

    def __init__(self, code):
        super().__init__(f"CONNACK {code}")
        self.code = code


@dataclasses.dataclass
class Outgoing:
    """A message that was sent and is not acknowledged to its end."""

    message: h.Message
    payload: bytes
    qos: int
    retain: bool
    is_released: bool = False
    since: int = 0


class Client:
    """One client over any number of connections.

    `take` is called with each message's packet when it is new. `will` gives the will of the next connection.
    """

    def __init__(self, run, name, version=5, stored=True, receive_maximum=None, will=None, take=None):
        self.run, self.name, self.version, self.stored = run, name, version, stored
        self.receive_maximum, self.will, self.take = receive_maximum, will, take or self.take_message
        self.client_id = run.client_id(name)
        self.connections, self.writer = 0, None
        self.outbound, self.last_id = {}, 0
        self.held = {}
        self.is_eager, self.owed = True, []
        self.begin_connection()

    def begin_connection(self):
        self.buffer, self.answers, self.pings = bytearray(), {}, collections.deque()
        self.since = self.began = self.run.history.now
        self.owed.clear()

    @property
    def session(self):
        """The name of the session in the history: each connection's own when it is not stored."""
        return self.name if self.stored else f"{self.name}#{self.connections}"

    @property
    def is_connected(self):
        return self.writer is not None

    def note(self, event):
        self.run.note(event)

    async def connect(self):
        """Connects and sends again what is not acknowledged. `Refused`, `Lost` or `OSError`."""
        assert not self.is_connected
        self.begin_connection()
        self.connections += 1
        if not self.stored:
            self.outbound.clear()
            self.held.clear()
        will = self.will(self.connections - 1) if self.will else None
        props = {}
        if self.version == 5:
            props = {"session_expiry": 0xFFFFFFFF} if self.stored else {}
            props |= {"receive_maximum": self.receive_maximum} if self.receive_maximum else {}
        login = self.run.login(self.name, self.client_id)
        reader, writer = await asyncio.open_connection(*self.run.address, limit=READ_BYTES)
        self.note(h.Connecting(self.name, self.run.now()))
        writer.write(packets.connect(self.version, self.client_id, clean=not self.stored, will=will, props=props, **login))
        try:
            connack = await asyncio.wait_for(self.read_connack(reader), CONNECT_S)
        except (OSError, TimeoutError, Lost, asyncio.IncompleteReadError) as error:
            writer.close()
            raise Lost(repr(error)) from error
        if will:
            self.note(h.Armed(self.name, self.connections - 1, self.run.now()))
        self.note(h.Connected(self.name, connack.session_present, self.stored))
        self.writer = writer
        if not connack.session_present:
            self.held.clear()
            for one in [packet_id for packet_id, out in self.outbound.items() if out.is_released]:
                del self.outbound[one]
        self.reading = asyncio.create_task(self.read_all(reader))
        for packet_id, out in list(self.outbound.items()):
            self.write_out(packet_id, out, dup=connack.session_present)

    async def read_connack(self, reader):
        while (found := packets.split(self.buffer)) is None:
            some = await reader.read(READ_BYTES)
            if not some:
                raise Lost("before CONNACK")
            self.buffer += some
        first, body, size_bytes = found
        del self.buffer[:size_bytes]
        packet = packets.read(self.version, first, body, size_bytes)
        if packet.kind != Kind.CONNACK:
            raise packets.Violation(f"{packet} before CONNACK")
        if packet.code:
            raise Refused(packet.code)
        return packet

    def write(self, data):
        if self.writer is not None and not self.writer.transport.is_closing():
            self.writer.write(data)

    def cut(self):
        """Ends the connection without a word."""
        if self.writer is not None:
            self.reading.cancel()
            self.writer.transport.abort()
            self.end()

    def leave(self):
        """Ends it with a DISCONNECT."""
        if self.writer is not None:
            self.write(packets.disconnect(self.version))
            self.reading.cancel()
            self.writer.close()
            self.end()

    def end(self):
        self.writer = None
        if not self.stored:
            self.note(h.Ended(self.session))
        for answer, _ in self.answers.values():
            if not answer.done():
                answer.set_exception(Lost(self.name))
                # Whoever asked may have gone.
                answer.exception()
        self.answers.clear()

    # What is read.

    async def read_all(self, reader):
        code = None
        try:
            while True:
                # What came with the CONNACK is read before more is waited for.
                while (found := packets.split(self.buffer)) is not None:
                    first, body, size_bytes = found
                    del self.buffer[:size_bytes]
                    packet = packets.read(self.version, first, body, size_bytes)
                    if packet.kind == Kind.DISCONNECT:
                        code = packet.code
                    else:
                        self.on_packet(packet)
                some = await reader.read(READ_BYTES)
                if not some:
                    break
                self.buffer += some
        except OSError:
            pass
        except packets.Violation as violation:
            self.note(h.Broken(self.name, str(violation)))
        except Exception as error:  # A fault of the client itself must not look like a quiet server.
            self.note(h.Broken(self.name, repr(error)))
        self.writer.close()
        self.note(h.Closed(self.name, self.began, code))
        self.end()

    def on_packet(self, packet):
        match packet.kind:
            case Kind.PUBLISH:
                self.on_publish(packet)
            case Kind.PUBREL:
                self.held.pop(packet.packet_id, None)
                self.owe(Kind.PUBCOMP, packet.packet_id)
            case Kind.PUBACK | Kind.PUBREC | Kind.PUBCOMP:
                self.on_answer(packet)
            case Kind.PINGRESP:
                self.since = self.pings.popleft()
            case Kind.SUBACK | Kind.UNSUBACK if packet.packet_id in self.answers:
                answer, on_answer = self.answers.pop(packet.packet_id)
                # Written down here and not where it is awaited: the connection may be over by then.
                on_answer(packet)
                if not answer.done():
                    answer.set_result(packet)
            case _:
                self.note(h.Broken(self.name, f"{packet} was not asked for"))

    def on_publish(self, packet):
        if packet.qos == 2:
            known = self.held.get(packet.packet_id)
            self.held[packet.packet_id] = packet.payload
            if known is not None:
                if known != packet.payload:
                    # A client has to take it for the one that it has. [MQTT-4.3.3-10]
                    self.note(h.Broken(self.name, f"identifier {packet.packet_id} of {known[:40]} was given to {packet.payload[:40]}"))
                self.owe(Kind.PUBREC, packet.packet_id)
                return
        self.take(packet)
        if packet.qos:
            self.owe(Kind.PUBACK if packet.qos == 1 else Kind.PUBREC, packet.packet_id)

    def take_message(self, packet):
        if not packet.payload:
            # It clears a retained message, and has no room for a name.
            return
        try:
            message = h.Message.read(packet.payload)
        except ValueError as error:
            self.note(h.Broken(self.name, repr(error)))
            return
        if message.topic != packet.topic:
            self.note(h.Broken(self.name, f"{message} came on {packet.topic}"))
        self.note(h.Delivered(self.session, message, packet.qos, self.since, packet.retain))

    def on_answer(self, packet):
        out = self.outbound.get(packet.packet_id)
        if out is None or (packet.kind == Kind.PUBACK) != (out.qos == 1):
            self.note(h.Broken(self.name, f"{packet} answers nothing"))
            return
        if packet.kind == Kind.PUBCOMP:
            if not out.is_released:
                self.note(h.Broken(self.name, f"{packet} before its PUBREC"))
            del self.outbound[packet.packet_id]
            return
        if packet.code >= 0x80:
            self.note(h.Broken(self.name, f"{packet} refuses {out.message}"))
            del self.outbound[packet.packet_id]
            return
        if not out.is_released:
            self.note(h.Taken(out.message, out.qos, out.since))
            if out.retain:
                self.note(h.Written(out.message.topic, out.message.number))
        if packet.kind == Kind.PUBACK:
            del self.outbound[packet.packet_id]
        else:
            out.is_released = True
            self.note(h.Releasing(out.message))
            self.write(packets.ack(self.version, Kind.PUBREL, packet.packet_id))

    # What is sent.

    def owe(self, kind, packet_id):
        self.owed.append((kind, packet_id))
        if self.is_eager:
            self.pay()

    def pay(self, most=None):
        """Acknowledges the oldest of what is owed, in order [MQTT-4.6.0-2]."""
        for kind, packet_id in self.owed[:most]:
            self.write(packets.ack(self.version, kind, packet_id))
        del self.owed[:most]

    def next_id(self):
        while True:
            self.last_id = self.last_id % 65535 + 1
            if self.last_id not in self.outbound and self.last_id not in self.answers:
                return self.last_id

    def publish(self, message, qos, retain=False, size_bytes=0, is_empty=False):
        """Sends a message, and again after each reconnect until it is acknowledged to its end."""
        self.note(h.Sending(message, qos, retain, is_empty))
        if retain:
            self.note(h.Writing(message.topic, message.number, None if is_empty else message.number, message.publisher))
        packet_id = self.next_id()
        out = Outgoing(message, b"" if is_empty else message.payload(size_bytes), qos, retain)
        self.outbound[packet_id] = out
        self.write_out(packet_id, out, dup=False)

    def write_out(self, packet_id, out, dup):
        if out.is_released:
            self.write(packets.ack(self.version, Kind.PUBREL, packet_id))
            return
        out.since = self.run.history.now
        self.write(packets.publish(self.version, out.message.topic, out.payload, out.qos, packet_id, out.retain, dup))

    async def ask(self, make, on_answer):
        """Sends what `make` gives for an identifier; the answer, which `on_answer` is called with as it is read. `Lost`."""
        packet_id = self.next_id()
        answer = asyncio.get_running_loop().create_future()
        self.answers[packet_id] = answer, on_answer
        self.write(make(packet_id))
        try:
            return await asyncio.wait_for(answer, ANSWER_S)
        except TimeoutError as error:
            self.note(h.Broken(self.name, f"no answer in {ANSWER_S} s"))
            raise Lost(self.name) from error

    async def subscribe(self, filter, qos):
        """Subscribes; whether the server granted it."""
        session = self.begin_asking(h.Subscribing, filter, qos)

        def on_answer(suback):
            if suback.codes == [qos]:
                self.note(h.Subscribed(session, filter))
            else:
                self.note(h.Broken(self.name, f"{suback} to {filter}"))

        suback = await self.ask(lambda packet_id: packets.subscribe(self.version, packet_id, [(filter, qos)]), on_answer)
        return suback.codes == [qos]

    async def unsubscribe(self, filter):
        session = self.begin_asking(h.Unsubscribing, filter)
        on_answer = lambda _unsuback: self.note(h.Unsubscribed(session, filter))
        await self.ask(lambda packet_id: packets.unsubscribe(self.version, packet_id, [filter]), on_answer)

    def begin_asking(self, event, *about):
        """Writes down that something is asked for; the name of the session. `Lost`, also where that is the moment of a kill."""
        session = self.session
        if self.is_connected:
            self.note(event(session, *about))
        if not self.is_connected:
            raise Lost(self.name)
        return session

    def ping(self):
        """Asks for a sign: what comes after it was written after now."""
        if self.is_connected:
            self.pings.append(self.run.history.now)
            self.write(packets.PINGREQ)

    async def come(self):
        """Connects, however long that takes, while the run goes on."""
        while not self.is_connected:
            await self.run.is_up.wait()
            with contextlib.suppress(Lost, OSError):
                try:
                    await self.connect()
                    return
                except Refused as refused:
                    self.note(h.Broken(self.name, f"{refused}, where {NOT_AUTHORIZED[self.version]} would be a missing right"))
            # The server is going down, or was killed while it started.
            await asyncio.sleep(0.02)
