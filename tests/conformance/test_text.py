"""UTF-8, integers and properties: sections 1.5 and 2 of both standards."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import ALL, BOTH, Closed, fresh

ILL_FORMED = {
    "surrogate": b"\xed\xa0\x80",
    "last_surrogate": b"\xed\xbf\xbf",
    "overlong": b"\xc0\xaf",
    "overlong_null": b"\xc0\x80",
    "lone_continuation": b"\x80",
    "cut": b"\xe2\x82",
    "over_10ffff": b"\xf4\x90\x80\x80",
    "never": b"\xfe",
}
PLACES = {
    "topic": lambda v, wrong: packets.publish(v, wrong, b"x"),
    "filter": lambda v, wrong: packets.subscribe(v, 1, [(wrong, 0)]),
    "unsubscribed": lambda v, wrong: packets.unsubscribe(v, 1, [wrong]),
}
PLACES_5 = {
    "content_type": lambda wrong: packets.publish(5, "a", b"x", props={"content_type": wrong}),
    "response_topic": lambda wrong: packets.publish(5, "a", b"x", props={"response_topic": wrong}),
    "name": lambda wrong: packets.publish(5, "a", b"x", props={"user_property": (wrong, "v")}),
    "value": lambda wrong: packets.publish(5, "a", b"x", props={"user_property": ("n", wrong)}),
    "subscribe_value": lambda wrong: packets.subscribe(5, 1, [("a", 0)], {"user_property": ("n", wrong)}),
    "reason": lambda wrong: packets.disconnect(5, 0, {"reason_string": wrong}),
}


@pytest.mark.parametrize("wrong", ILL_FORMED)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("version", BOTH)
def test_text_that_is_not_utf8_closes_the_connection_mqtt_1_5_4_1(broker, version, place, wrong):
    """3.1.1's [MQTT-1.5.3-1]."""
    client = broker.client(version)
    client.send(PLACES[place](version, b"a" + ILL_FORMED[wrong]))
    assert client.ended() in ((0x81, 0x82, 0x8F, 0x90) if version == 5 else (None,))


@pytest.mark.parametrize("wrong", ["surrogate", "overlong", "cut"])
@pytest.mark.parametrize("place", PLACES_5)
def test_text_property_that_is_not_utf8_closes_the_connection_mqtt_1_5_7_1(broker, place, wrong):
    client = broker.client()
    client.send(PLACES_5[place](ILL_FORMED[wrong]))
    assert client.ended() in (0x81, 0x82, 0x90) or place == "reason"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("version", BOTH)
def test_null_character_closes_the_connection_mqtt_1_5_4_2(broker, version, place):
    """3.1.1's [MQTT-1.5.3-2]."""
    client = broker.client(version)
    client.send(PLACES[place](version, b"a\0b"))
    assert client.ended() in ((0x81, 0x82, 0x8F, 0x90) if version == 5 else (None,))


@pytest.mark.parametrize("version", ALL)
def test_zero_width_no_break_space_is_a_character_like_others_mqtt_1_5_4_3(broker, version):
    """3.1.1's [MQTT-1.5.3-3]: neither stripped nor skipped, at the beginning or within."""
    name, client = fresh(), broker.client(version)
    topic = f"\ufeff{name}/\ufeffx"
    client.subscribe(topic, f"{name}/x", qos=1)
    client.publish(f"{name}/x", b"without", 1)
    client.publish(topic, b"with", 1)
    assert [(m.topic, m.payload) for m in client.messages(2)] == [(f"{name}/x", b"without"), (topic, b"with")]


@pytest.mark.parametrize("version", BOTH)
def test_text_of_every_length_of_utf8_is_served_mqtt_1_5_4_1(broker, version):
    topic, client = f"{fresh()}/é/€/😀/\u0001\u007f\ufffd", broker.client(version)
    try:
        client.subscribe(topic, qos=1)
        client.publish(topic, b"x", 1)
        assert client.message().topic == topic
    except Closed:  # Control characters may be refused (1.5.4); what must not happen is that they are altered.
        return


def test_user_properties_may_be_any_text_mqtt_1_5_7_1(broker):
    pairs = [("", ""), ("é", "😀"), ("\ufeff", " "), ("x" * 1000, "y" * 3000)]
    topic, client = fresh(), broker.client()
    client.subscribe(topic)
    client.publish(topic, b"x", props={"user_property": pairs})
    assert client.message().prop("user_property") == pairs


@pytest.mark.parametrize("length", [2, 3, 4])
@pytest.mark.parametrize("what", ["properties", "subscription_id"])
def test_integer_longer_than_it_needs_to_be_closes_the_connection_mqtt_1_5_5_1(broker, what, length):
    client = broker.client()
    if what == "properties":
        client.send(packets.publish(5, fresh(), b"x", props=packets.variable(0, length)))
    else:
        body = b"\x0b" + packets.variable(1, length)
        client.send(packets.subscribe(5, 1, [(fresh(), 0)], packets.variable(len(body)) + body))
    assert client.ended() in (0x81, 0x82)


@pytest.mark.parametrize("version", BOTH)
def test_remaining_length_of_five_bytes_closes_the_connection_mqtt_2_1_3_1(broker, version):
    client = broker.client(version)
    client.send(bytes.fromhex("30ffffffff01"))
    assert client.ended() in ((0x81,) if version == 5 else (None,))


@pytest.mark.parametrize("first", [0x11, 0xC1, 0xCF, 0xD0, 0xD1, 0xE1, 0x81, 0xA0, 0x41, 0x53, 0x60, 0x71])
@pytest.mark.parametrize("version", BOTH)
def test_reserved_flags_and_packets_of_a_server_close_the_connection_mqtt_2_1_3_1(broker, version, first):
    """3.1.1's [MQTT-2.2.2-1] and -2."""
    client = broker.client(version)
    client.send(packets.packet(first, b"" if first >> 4 > 11 else b"\0\1"))
    assert client.ended() in ((0x81, 0x82) if version == 5 else (None,))


def test_every_packet_without_properties_says_so_mqtt_2_2_2_1(broker):
    """The reader demands a property length wherever the packet must have one: CONNACK, PUBLISH, SUBACK and UNSUBACK."""
    topic, client = fresh(), broker.client()
    client.subscribe(topic)
    client.publish(topic, b"x")
    assert client.message().props == {}
    client.unsubscribe(topic)


@pytest.mark.parametrize("version", BOTH)
def test_packet_may_be_cut_anywhere_mqtt_4_2_0_1(broker, version):
    """3.1.1's [MQTT-7.1.1-1]."""
    topic, client = fresh(), broker.client(version)
    client.subscribe(topic, qos=1)
    for byte in packets.publish(version, topic, b"x" * 130, 1, 9):
        client.send(bytes([byte]))
    assert client.expect(Kind.PUBACK).packet_id == 9
    assert client.message().payload == b"x" * 130


@pytest.mark.parametrize("version", BOTH)
def test_packets_may_come_in_one_piece_mqtt_4_2_0_1(broker, version):
    topic, client = fresh(), broker.client(version)
    client.send(packets.subscribe(version, 1, [(topic, 0)]), *(packets.publish(version, topic, f"{n}") for n in range(50)), packets.PINGREQ)
    assert client.expect(Kind.SUBACK).codes == [0]
    client.expect(Kind.PINGRESP)
    assert [int(message.payload) for message in client.messages(50)] == list(range(50))
