"""UNSUBSCRIBE and UNSUBACK: sections 3.10 and 3.11 of both standards."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import ALL, BOTH, fresh


@pytest.mark.parametrize("flags", [0, 1, 3, 6, 10, 15])
@pytest.mark.parametrize("version", BOTH)
def test_flags_of_unsubscribe_other_than_2_close_the_connection_mqtt_3_10_1_1(broker, version, flags):
    client = broker.client(version)
    client.send(packets.unsubscribe(version, 1, ["a"], first=0xA0 | flags))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("version", BOTH)
def test_filter_to_unsubscribe_that_is_not_utf8_closes_the_connection_mqtt_3_10_3_1(broker, version):
    client = broker.client(version)
    client.send(packets.unsubscribe(version, 1, [b"a\xff"]))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("version", ALL)
def test_unsubscribe_without_a_filter_closes_the_connection_mqtt_3_10_3_2(broker, version):
    client = broker.client(version)
    client.send(packets.unsubscribe(version, 1, []))
    assert client.ended() in ((0x81, 0x82) if version == 5 else (None,))


@pytest.mark.parametrize("version", ALL)
def test_unsubscribe_with_packet_id_0_closes_the_connection_mqtt_2_2_1_3(broker, version):
    client = broker.client(version)
    client.send(packets.unsubscribe(version, 0, ["a"]))
    assert client.ended() in ((0x81, 0x82) if version == 5 else (None,))


@pytest.mark.parametrize("packet_id", [1, 65535])
@pytest.mark.parametrize("version", ALL)
def test_unsuback_has_the_packet_id_and_comes_even_for_nothing_mqtt_3_10_4_5(broker, version, packet_id):
    """Also [MQTT-3.10.4-4]."""
    client = broker.client(version)
    client.send(packets.unsubscribe(version, packet_id, [fresh()]))
    assert client.expect(Kind.UNSUBACK).packet_id == packet_id


@pytest.mark.parametrize("version", ALL)
def test_filters_are_compared_character_by_character_mqtt_3_10_4_1(broker, version):
    base, client = fresh(), broker.client(version)
    client.subscribe(f"{base}/+", qos=1)
    client.unsubscribe(f"{base}/a", f"{base}/#", f"{base}/+/", base, f"{base}/+".upper())
    client.publish(f"{base}/a", b"still", 1)
    assert client.message().payload == b"still"
    client.unsubscribe(f"{base}/+")
    end = fresh()
    client.subscribe(end)
    client.publish(f"{base}/a", b"gone", 1)
    client.publish(end, b"end")
    assert client.message().payload == b"end"


@pytest.mark.parametrize("version", ALL)
def test_no_new_message_comes_after_unsuback_mqtt_3_10_4_2(broker, version):
    topic, end, client, sender = fresh(), fresh(), broker.client(version), broker.client(version)
    client.subscribe(topic, end, qos=1)
    client.unsubscribe(topic)
    sender.publish(topic, b"gone", 1)
    sender.publish(end, b"end", 1)
    assert client.message().payload == b"end"


@pytest.mark.parametrize("version", ALL)
def test_delivery_that_has_begun_is_completed_after_unsubscribing_mqtt_3_10_4_3(broker, version):
    topic, client = fresh(), broker.client(version)
    client.subscribe(topic, qos=2)
    client.publish(topic, b"x", 2)
    message = client.message(answer=False)
    client.unsubscribe(topic)
    client.answer(message)
    client.ping()


@pytest.mark.parametrize("version", BOTH)
def test_delivery_that_has_begun_is_completed_even_after_a_reconnect_mqtt_3_10_4_3(broker, version):
    topic, held = fresh(), broker.session(version)
    held.subscribe(topic, qos=1)
    held.publish(topic, b"x", 1)
    held.message(answer=False)
    held.unsubscribe(topic)
    held.cut()
    message = broker.session(version, held.client_id).message()
    assert (message.payload, message.dup) == (b"x", True)


@pytest.mark.parametrize("version", ALL)
def test_several_filters_have_one_answer_mqtt_3_10_4_6(broker, version):
    """Also [MQTT-3.11.3-1] and -2: in MQTT 5 the answer has a code for each filter in their order."""
    base, client = fresh(), broker.client(version)
    client.subscribe(*(f"{base}/{number}" for number in range(5)))
    codes = client.unsubscribe(f"{base}/1", f"{base}/none", f"{base}/3", f"{base}/1").codes
    assert codes == ([0, 0x11, 0, 0x11] if version == 5 else [])
    for number in range(5):
        client.publish(f"{base}/{number}", f"{number}")
    assert [message.payload for message in client.messages(3)] == [b"0", b"2", b"4"]
