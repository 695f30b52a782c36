"""Every row of `malformed.py` meets its reaction, and the server lives on."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import BOTH, Closed

from . import malformed

NAMES = {3: "0006 4d5149736470 03", 4: "0004 4d515454 04", 5: "0004 4d515454 05"}
CASES = [
    pytest.param(version, when, data, reaction, id=f"{version} {when}: {name}")
    for versions, when, name, data, reaction in malformed.ROWS
    for version in versions
]


def wire(version, data):
    """The bytes of a row."""
    for mark, value in (("{m}", NAMES[version]), ("{e}", "00" if version == 5 else "")):
        data = data.replace(mark, value)
    first, bar, body = data.partition("|")
    return packets.packet(bytes.fromhex(first)[0], bytes.fromhex(body)) if bar else bytes.fromhex(data)


def closes(client, code):
    """The connection ends; MQTT 5 says `code` when one is asked for."""
    if client.version != 5:
        # A refused CONNECT may be told by a return code; an error on a connection that is up has no packet.
        rest = client.rest()
        assert rest == b"" or (rest[:2] == b"\x20\x02" and rest[3]) or rest == b"\x20\x03\x00\x84\x00", rest
        return
    given = client.ended()
    assert given is None or given >= 0x80
    assert code is None or given == code, f"{given} instead of {code}"


@pytest.mark.parametrize(("version", "when", "data", "reaction"), CASES)
def test_packet_meets_its_reaction(broker, version, when, data, reaction):
    client = broker.client(version) if when == "then" else broker.raw(version)
    client.send(wire(version, data))
    if when == "first" and data.startswith(("16", "47")):
        client.socket.shutdown(1)
    if reaction == "alive":
        if when == "first":
            assert client.expect(Kind.CONNACK).code == 0
        alive(client)
    elif reaction == "refused":
        try:
            packet = client.read()
        except Closed:
            return
        assert packet.code in (0x81, 0x82, 0x8F) or packet.codes in ([0x80], [0x8F], [0x9E]), packet
    elif when == "first" and version == 5 and reaction != "close":
        closes_at_connect(client, reaction)
    else:
        closes(client, None if reaction == "close" else reaction)


def alive(client):
    """PINGREQ is answered, past whatever the packet itself is answered with."""
    client.send(packets.PINGREQ)
    while client.read().kind != Kind.PINGRESP:
        pass


def closes_at_connect(client, code):
    """At CONNECT the server may say why or just close [MQTT-3.1.4-1]."""
    assert client.ended() in (code, None)


def test_the_table_has_its_size_and_no_name_twice():
    assert len(malformed.ROWS) >= 150
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("version", BOTH)
def test_server_lives_after_all_of_them(broker, version):
    broker.client(version).ping()
