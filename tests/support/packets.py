"""MQTT packets as bytes: a builder that lets any mistake through, and a reader that lets none.

The builder is for tests that send what is wrong. The reader holds everything that a server sends to the standard: flags, order, lengths,
text, the properties and reason codes that the packet may carry. So each statement about the shape of a server's packets is asked of every
packet of every test. `version` is 3 (MQTT 3.1), 4 (3.1.1) or 5.
"""

import dataclasses
import enum
import struct


class Kind(enum.IntEnum):
    """The types of packets, section 2.1.2."""

    RESERVED = 0
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


ACKS = {Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP}
REPLIES = {*ACKS, Kind.SUBACK, Kind.UNSUBACK, Kind.CONNACK, Kind.DISCONNECT, Kind.AUTH}
SAID = {*REPLIES, Kind.PUBLISH}
# Identifier: name, form, the packets of a server that may carry it (section 2.2.2.2).
PROPERTIES = {
    0x01: ("payload_format", "byte", {Kind.PUBLISH}),
    0x02: ("message_expiry", "four", {Kind.PUBLISH}),
    0x03: ("content_type", "text", {Kind.PUBLISH}),
    0x08: ("response_topic", "text", {Kind.PUBLISH}),
    0x09: ("correlation_data", "binary", {Kind.PUBLISH}),
    0x0B: ("subscription_id", "variable", {Kind.PUBLISH}),
    0x11: ("session_expiry", "four", {Kind.CONNACK}),
    0x12: ("assigned_client_id", "text", {Kind.CONNACK}),
    0x13: ("server_keep_alive", "two", {Kind.CONNACK}),
    0x15: ("auth_method", "text", {Kind.CONNACK, Kind.AUTH}),
    0x16: ("auth_data", "binary", {Kind.CONNACK, Kind.AUTH}),
    0x17: ("request_problem_information", "byte", set()),
    0x18: ("will_delay", "four", set()),
    0x19: ("request_response_information", "byte", set()),
    0x1A: ("response_information", "text", {Kind.CONNACK}),
    0x1C: ("server_reference", "text", {Kind.CONNACK, Kind.DISCONNECT}),
    0x1F: ("reason_string", "text", REPLIES),
    0x21: ("receive_maximum", "two", {Kind.CONNACK}),
    0x22: ("topic_alias_maximum", "two", {Kind.CONNACK}),
    0x23: ("topic_alias", "two", {Kind.PUBLISH}),
    0x24: ("maximum_qos", "byte", {Kind.CONNACK}),
    0x25: ("retain_available", "byte", {Kind.CONNACK}),
    0x26: ("user_property", "pair", SAID),
    0x27: ("maximum_packet_size", "four", {Kind.CONNACK}),
    0x28: ("wildcard_available", "byte", {Kind.CONNACK}),
    0x29: ("subscription_ids_available", "byte", {Kind.CONNACK}),
    0x2A: ("shared_available", "byte", {Kind.CONNACK}),
}
IDS = {name: (identifier, form) for identifier, (name, form, _) in PROPERTIES.items()}
REPEATED = {"user_property", "subscription_id"}
# What a server may send, by packet: the tables of the sections named.
CODES = {
    Kind.CONNACK: {0x00, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, 0x99, *range(0x9A, 0x9E), 0x9F},  # 3.2.2.2
    Kind.PUBACK: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},  # 3.4.2.1
    Kind.PUBREC: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},  # 3.5.2.1
    Kind.PUBREL: {0x00, 0x92},  # 3.6.2.1
    Kind.PUBCOMP: {0x00, 0x92},  # 3.7.2.1
    Kind.SUBACK: {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},  # 3.9.3
    Kind.UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},  # 3.11.3
    Kind.DISCONNECT: {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, *range(0x8D, 0x91), *range(0x93, 0xA3)},  # 3.14.2.1
    Kind.AUTH: {0x00, 0x18},  # 3.15.2.1; 0x19 is the client's alone
}
CODES_3 = {Kind.CONNACK: set(range(6)), Kind.SUBACK: {0, 1, 2, 0x80}}


class Violation(AssertionError):
    """The server sent what the standard forbids."""


def variable(number, length=0):
    """A variable byte integer; with a `length`, padded to so many bytes, which the standard forbids."""
    out = bytearray()
    while number > 127 or len(out) + 1 < length:
        out.append(number % 128 | 128)
        number //= 128
    out.append(number)
    return bytes(out)


def two(number):
    return struct.pack("!H", number)


def octets(value):
    return value if isinstance(value, bytes) else value.encode()


def text(value):
    """A text or binary field with its length; bytes go as they are, right or wrong."""
    value = octets(value)
    return two(len(value)) + value


FORMS = {
    "byte": lambda value: bytes([value]),
    "two": two,
    "four": lambda value: struct.pack("!I", value),
    "variable": variable,
    "text": text,
    "binary": text,
    "pair": lambda value: text(value[0]) + text(value[1]),
}


def properties(given):
    """A block of properties: a dict (a list for what comes more than once), or bytes that are sent as they are, length and all."""
    if isinstance(given, bytes):
        return given
    body = b""
    for name, values in (given or {}).items():
        identifier, form = IDS[name]
        for value in values if isinstance(values, list) else [values]:
            body += bytes([identifier]) + FORMS[form](value)
    return variable(len(body)) + body


def block(version, given):
    return properties(given) if version == 5 else b""


def packet(first, body=b"", length=None):
    """A packet of a first byte and a body; `length` replaces the bytes of the remaining length."""
    return bytes([first]) + (variable(len(body)) if length is None else length) + body


@dataclasses.dataclass
class Will:
    """What CONNECT says of the will."""

    topic: str | bytes
    payload: bytes | str = b"gone"
    qos: int = 0
    retain: bool = False
    properties: dict | bytes | None = None


def connect(
    version=5, client_id="", clean=True, keep_alive=0, username=None, password=None, will=None, props=None,
    name=None, level=None, flags=None, first=0x10, tail=b"",
):  # fmt: skip
    """A CONNECT; `name`, `level`, `flags`, `first` and `tail` replace what would be right."""
    bits = 0x02 if clean else 0
    payload = text(client_id)
    if will is not None:
        bits |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        payload += block(version, will.properties) + text(will.topic) + text(will.payload)
    for given, bit in ((username, 0x80), (password, 0x40)):
        if given is not None:
            bits |= bit
            payload += text(given)
    head = text(("MQIsdp" if version == 3 else "MQTT") if name is None else name)
    head += bytes([version if level is None else level, bits if flags is None else flags]) + two(keep_alive)
    return packet(first, head + block(version, props) + payload + tail)


def publish(version, topic, payload=b"", qos=0, packet_id=None, retain=False, dup=False, props=None, first=None):
    """A PUBLISH; a packet ID is written whenever one is given."""
    if first is None:
        first = 0x30 | (8 if dup else 0) | qos << 1 | (1 if retain else 0)
    identifier = b"" if packet_id is None else two(packet_id)
    return packet(first, text(topic) + identifier + block(version, props) + octets(payload))


def ack(version, kind, packet_id, code=None, props=None, flags=None):
    """A PUBACK, PUBREC, PUBREL or PUBCOMP; code and properties in MQTT 5 only."""
    if flags is None:
        flags = 2 if kind == Kind.PUBREL else 0
    body = two(packet_id)
    if version == 5 and (code is not None or props is not None):
        body += bytes([code or 0]) + (b"" if props is None else properties(props))
    return packet(kind << 4 | flags, body)


def subscribe(version, packet_id, filters, props=None, first=0x82):
    """A SUBSCRIBE of pairs of a filter and its options byte."""
    body = b"".join(text(one) + bytes([options]) for one, options in filters)
    return packet(first, two(packet_id) + block(version, props) + body)


def unsubscribe(version, packet_id, filters, props=None, first=0xA2):
    return packet(first, two(packet_id) + block(version, props) + b"".join(map(text, filters)))


def disconnect(version, code=None, props=None, first=0xE0):
    body = b""
    if version == 5 and (code is not None or props is not None):
        body = bytes([code or 0]) + (b"" if props is None else properties(props))
    return packet(first, body)


def auth(code=0x18, props=None, first=0xF0):
    return packet(first, bytes([code]) + properties(props))


PINGREQ = packet(0xC0)


@dataclasses.dataclass
class Packet:
    """A packet as read. `codes` is a list for SUBACK and UNSUBACK; `code` is the code of the others."""

    kind: Kind
    size_bytes: int
    packet_id: int | None = None
    code: int | None = None
    codes: list = dataclasses.field(default_factory=list)
    props: dict = dataclasses.field(default_factory=dict)
    session_present: bool = False
    topic: str = ""
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    dup: bool = False

    def prop(self, name):
        """The value of a property, or `None`; of those that repeat, the list."""
        return self.props.get(name, [] if name in REPEATED else None)


class Body:
    """Takes fields off a packet's body, and refuses what the standard does."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    @property
    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        hold(count <= self.left, "the packet ends within a field")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self):
        return self.take(1)[0]

    def two(self):
        return struct.unpack("!H", self.take(2))[0]

    def four(self):
        return struct.unpack("!I", self.take(4))[0]

    def variable(self):
        number = 0
        for count in range(4):
            byte = self.byte()
            number |= (byte & 127) << 7 * count
            if byte < 128:
                hold(byte or not count, "an integer longer than it needs to be [MQTT-1.5.5-1]")
                return number
        raise Violation("an integer of more than four bytes")

    def binary(self):
        return self.take(self.two())

    def text(self):
        try:
            value = self.binary().decode()
        except UnicodeDecodeError as error:
            raise Violation("a text is not UTF-8 [MQTT-1.5.4-1]") from error
        hold("\0" not in value, "a text holds U+0000 [MQTT-1.5.4-2]")
        return value

    def pair(self):
        return self.text(), self.text()

    def identifier(self):
        number = self.two()
        hold(number, "packet ID 0 [MQTT-2.2.1-4]")
        return number

    def properties(self, kind):
        block, found = Body(self.take(self.variable())), {}
        while block.left:
            identifier = block.variable()
            hold(identifier in PROPERTIES, f"no property has the identifier {identifier}")
            name, form, packets = PROPERTIES[identifier]
            hold(kind in packets, f"a server may not send {name} in {kind.name}")
            value = getattr(block, form)()
            hold(name not in found or name in REPEATED, f"{name} comes twice")
            if name in REPEATED:
                found.setdefault(name, []).append(value)
            else:
                found[name] = value
        return found


def hold(condition, what):
    if not condition:
        raise Violation(what)


def split(data):
    """The first packet's first byte, body and size in bytes; `None` while it is not all there."""
    for end in range(2, min(len(data), 5) + 1):
        if data[end - 1] < 128:
            length = Body(data[1:end]).variable()
            if len(data) < end + length:
                return None
            return data[0], bytes(data[end : end + length]), end + length
    hold(len(data) < 5, "a remaining length of more than four bytes")
    return None


def read(version, first, body, size_bytes):
    """A server's packet, held to the standard."""
    kind, flags = Kind(first >> 4), first & 15
    hold(kind in SAID | {Kind.PINGRESP}, f"a server may not send {kind.name}")
    found, left = Packet(kind, size_bytes), Body(body)
    if kind == Kind.PUBLISH:
        read_publish(version, found, flags, left)
        return found
    hold(flags == (2 if kind == Kind.PUBREL else 0), f"flags {flags:#x} in {kind.name} [MQTT-2.1.3-1]")
    if kind == Kind.CONNACK:
        acknowledge = left.byte()
        hold(acknowledge in (0, 1), "reserved bits in CONNACK [MQTT-3.2.2-1]")
        found.session_present, found.code = bool(acknowledge), left.byte()
        found.props = left.properties(kind) if version == 5 else {}
        hold(not (found.code and acknowledge), "a session is present for a refused client [MQTT-3.2.2-6]")
    elif kind in ACKS:
        found.packet_id = left.identifier()
        read_code(version, found, left)
    elif kind in (Kind.SUBACK, Kind.UNSUBACK):
        found.packet_id = left.identifier()
        found.props = left.properties(kind) if version == 5 else {}
        if version == 5 or kind == Kind.SUBACK:
            found.codes = list(left.take(left.left))
    elif kind in (Kind.DISCONNECT, Kind.AUTH):
        hold(version == 5, f"a server does not send {kind.name} in MQTT 3")
        read_code(version, found, left)
    hold(not left.left, f"{left.left} bytes after the last field of {kind.name}")
    allowed = CODES if version == 5 else CODES_3
    for code in [*found.codes, *([] if found.code is None else [found.code])]:
        hold(kind not in allowed or code in allowed[kind], f"{kind.name} with the code {code:#04x}")
    return found


def read_code(version, found, left):
    """The code and the properties that acknowledgements and DISCONNECT may leave out."""
    found.code = 0
    if version == 5 and left.left:
        found.code = left.byte()
        found.props = left.properties(found.kind) if left.left else {}


def read_publish(version, found, flags, left):
    found.dup, found.qos, found.retain = bool(flags & 8), flags >> 1 & 3, bool(flags & 1)
    hold(found.qos < 3, "QoS 3 [MQTT-3.3.1-4]")
    hold(found.qos or not found.dup, "DUP at QoS 0 [MQTT-3.3.1-2]")
    found.topic = left.text()
    hold(not set("+#") & set(found.topic), "a wildcard in a topic name [MQTT-3.3.2-2]")
    if found.qos:
        found.packet_id = left.identifier()
    found.props = left.properties(found.kind) if version == 5 else {}
    hold(found.props.get("topic_alias") != 0, "topic alias 0 [MQTT-3.3.2-8]")
    hold(found.topic or "topic_alias" in found.props, "neither a topic nor an alias [MQTT-4.7.3-1]")
    hold(0 not in found.prop("subscription_id"), "subscription identifier 0")
    found.payload = left.take(left.left)
