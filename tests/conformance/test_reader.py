"""The reader that every other test reads with notices what a server may not send."""

import pytest

from support import packets
from support.packets import Violation

# Version, bytes in hex, a word of the complaint.
VIOLATIONS = {
    "reserved flags [MQTT-2.1.3-1]": (5, "4202 0001", "2.1.3-1"),
    "PUBREL without its flag [MQTT-2.1.3-1]": (4, "6002 0001", "2.1.3-1"),
    "a packet of a client": (5, "c000", "may not send"),
    "CONNACK with reserved bits [MQTT-3.2.2-1]": (5, "2003 02 00 00", "3.2.2-1"),
    "a refusal with a session [MQTT-3.2.2-6]": (5, "2003 01 87 00", "3.2.2-6"),
    "a refusal with a session in 3.1.1 [MQTT-3.2.2-4]": (4, "2002 01 05", "3.2.2-6"),
    "CONNACK with a code of SUBACK [MQTT-3.2.2-8]": (5, "2003 00 01 00", "code"),
    "CONNACK with return code 6": (4, "2002 00 06", "code"),
    "CONNACK without properties [MQTT-2.2.2-1]": (5, "2002 00 00", "ends within"),
    "QoS 3 [MQTT-3.3.1-4]": (5, "3606 0001 61 0001 00", "3.3.1-4"),
    "DUP at QoS 0 [MQTT-3.3.1-2]": (4, "3803 0001 61", "3.3.1-2"),
    "a wildcard in a topic [MQTT-3.3.2-2]": (4, "3003 0001 23", "3.3.2-2"),
    "packet ID 0 [MQTT-2.2.1-4]": (4, "3205 0001 61 0000", "2.2.1-4"),
    "topic alias 0 [MQTT-3.3.2-8]": (5, "3007 0001 61 03 230000", "3.3.2-8"),
    "neither topic nor alias": (5, "3003 0000 00", "4.7.3-1"),
    "text that is not UTF-8 [MQTT-1.5.4-1]": (5, "3004 0001 ff 00", "1.5.4-1"),
    "text with U+0000 [MQTT-1.5.4-2]": (5, "3004 0001 00 00", "1.5.4-2"),
    "an integer that is too long [MQTT-1.5.5-1]": (5, "3005 0001 61 8000", "1.5.5-1"),
    "a remaining length that is too long [MQTT-1.5.5-1]": (5, "d08000", "1.5.5-1"),
    "a property twice": (5, "3008 0001 61 04 0100 0100", "twice"),
    "an unknown property": (5, "3006 0001 61 02 7f00", "no property"),
    "PUBACK with a code of PUBREL [MQTT-3.4.2-1]": (5, "4003 0001 92", "code"),
    "PUBREC with a code of SUBACK [MQTT-3.5.2-1]": (5, "5003 0001 01", "code"),
    "PUBREL with a code of PUBACK [MQTT-3.6.2-1]": (5, "6203 0001 10", "code"),
    "PUBCOMP with a code of PUBACK [MQTT-3.7.2-1]": (5, "7003 0001 10", "code"),
    "PUBACK with a code in 3.1.1": (4, "4003 0001 00", "after the last field"),
    "SUBACK with a code of its own [MQTT-3.9.3-2]": (5, "9004 0001 00 03", "code"),
    "SUBACK with a code of 5 in 3.1.1 [MQTT-3.9.3-2]": (4, "9003 0001 87", "code"),
    "UNSUBACK with a code of SUBACK [MQTT-3.11.3-2]": (5, "b004 0001 00 01", "code"),
    "UNSUBACK with codes in 3.1.1": (4, "b003 0001 00", "after the last field"),
    "DISCONNECT in 3.1.1": (4, "e000", "does not send"),
    "DISCONNECT with a code of the client [MQTT-3.14.2-1]": (5, "e001 04", "code"),
    "DISCONNECT with a session expiry [MQTT-3.14.2-2]": (5, "e007 00 05 1100000001", "session_expiry"),
    "bytes after the last field": (4, "d00100", "after the last field"),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_reader_refuses_what_a_server_may_not_send(name):
    version, data, complaint = VIOLATIONS[name]
    with pytest.raises(Violation, match=complaint):
        packets.read(version, *packets.split(bytes.fromhex(data)))


@pytest.mark.parametrize(
    ("version", "data"),
    [(4, "20020000"), (5, "2003000000"), (5, "3004000161 00"), (5, "40020001"), (5, "e000"), (5, "e0018e"), (4, "b0020001")],
)
def test_reader_takes_what_is_right(version, data):
    data = bytes.fromhex(data)
    assert packets.read(version, *packets.split(data)).size_bytes == len(data)
    assert all(packets.split(data[:cut]) is None for cut in range(len(data)))
