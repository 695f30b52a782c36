"""SUBSCRIBE and SUBACK: sections 3.8 and 3.9 of both standards."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import ALL, BOTH, DENIED, fresh

NO_LOCAL, AS_PUBLISHED = 0x04, 0x08


@pytest.mark.parametrize("flags", [0, 1, 3, 6, 10, 15])
@pytest.mark.parametrize("version", BOTH)
def test_flags_of_subscribe_other_than_2_close_the_connection_mqtt_3_8_1_1(broker, version, flags):
    client = broker.client(version)
    client.send(packets.subscribe(version, 1, [(fresh(), 0)], first=0x80 | flags))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("version", BOTH)
def test_filter_that_is_not_utf8_closes_the_connection_mqtt_3_8_3_1(broker, version):
    client = broker.client(version)
    client.send(packets.subscribe(version, 1, [(b"a/\xff", 0)]))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("version", ALL)
def test_subscribe_without_a_filter_closes_the_connection_mqtt_3_8_3_2(broker, version):
    client = broker.client(version)
    client.send(packets.subscribe(version, 1, []))
    assert client.ended() in ((0x81, 0x82) if version == 5 else (None,))


@pytest.mark.parametrize("version", BOTH)
def test_filter_without_its_options_closes_the_connection_mqtt_3_8_3_2(broker, version):
    client = broker.client(version)
    client.send(packets.packet(0x82, packets.two(1) + packets.block(version, {}) + packets.text("a")))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("version", ALL)
def test_subscribe_with_packet_id_0_closes_the_connection_mqtt_2_2_1_3(broker, version):
    client = broker.client(version)
    client.send(packets.subscribe(version, 0, [("a", 0)]))
    assert client.ended() in ((0x81, 0x82) if version == 5 else (None,))


# Bits 6 and 7, QoS 3 and Retain Handling 3 in MQTT 5; everything but QoS 0 to 2 in 3.1.1.
@pytest.mark.parametrize(
    ("version", "options"),
    [(5, 0x40), (5, 0x80), (5, 0xC1), (5, 0x03), (5, 0x30), (4, 0x03), (4, 0x04), (4, 0x08), (4, 0x10), (4, 0x80), (4, 0xFF)],
)
def test_reserved_bits_of_the_options_close_the_connection_mqtt_3_8_3_5(broker, version, options):
    client = broker.client(version)
    client.send(packets.subscribe(version, 1, [(fresh(), options)]))
    assert client.ended() in ((0x81, 0x82) if version == 5 else (None,))


@pytest.mark.parametrize("packet_id", [1, 2, 32768, 65535])
@pytest.mark.parametrize("version", ALL)
def test_suback_has_the_packet_id_of_its_subscribe_mqtt_3_8_4_2(broker, version, packet_id):
    """Also [MQTT-3.8.4-1]."""
    client = broker.client(version)
    client.send(packets.subscribe(version, packet_id, [(fresh(), 0)]))
    assert client.expect(Kind.SUBACK).packet_id == packet_id


@pytest.mark.parametrize("version", ALL)
def test_suback_has_one_code_a_filter_in_their_order_mqtt_3_9_3_1(broker, version):
    """Also [MQTT-3.8.4-5], -6 and -7: several filters in one packet are as good as several packets, with one answer."""
    client, base = broker.client(version), fresh()
    asked = [(f"{base}/{number}", number * 7 % 3) for number in range(30)]
    client.send(packets.subscribe(version, 77, asked))
    assert client.expect(Kind.SUBACK).codes == [qos for _, qos in asked]
    for name, _ in asked:
        client.publish(name, name, 2)
    assert [(message.topic, message.qos) for message in client.messages(30)] == asked


@pytest.mark.parametrize("version", ALL)
def test_refused_filter_has_its_code_among_the_others_mqtt_3_9_3_2(sluice, version):
    client, one = sluice.client(version), fresh()
    refused = 0x87 if version == 5 else 0x80
    client.send(packets.subscribe(version, 5, [(one, 1), (f"{DENIED}/x", 1), (f"{one}/b", 2)]))
    assert client.expect(Kind.SUBACK).codes == ([1, refused, 2] if version != 3 else [1, 0x80, 2])
    client.publish(one, b"x", 1)
    assert client.message().payload == b"x"


@pytest.mark.parametrize("version", ALL)
def test_subscribing_again_replaces_the_subscription_mqtt_3_8_4_3(broker, version):
    topic, client = fresh(), broker.client(version)
    for qos in (0, 2, 1):
        client.subscribe(topic, qos=qos)
    client.publish(topic, b"x", 2)
    client.publish(topic, b"end", 2)
    assert [(m.payload, m.qos) for m in client.messages(2)] == [(b"x", 1), (b"end", 1)]


@pytest.mark.parametrize("version", ALL)
def test_subscribing_again_sends_retained_messages_again_mqtt_3_8_4_4(broker, version):
    """3.1.1's [MQTT-3.8.4-3]."""
    topic, client = fresh(), broker.client(version)
    client.publish(topic, b"kept", 1, retain=True)
    for _ in range(2):
        client.subscribe(topic, qos=1)
        message = client.message()
        assert (message.payload, message.retain) == (b"kept", True)
    client.publish(topic, b"", 1, retain=True)


@pytest.mark.parametrize("version", BOTH)
def test_no_message_is_lost_while_a_subscription_is_replaced_mqtt_3_8_4_4(broker, version):
    topic, client, sender = fresh(), broker.client(version), broker.client(version)
    client.subscribe(topic, qos=1)
    for number in range(40):
        sender.send(packets.publish(version, topic, f"{number}", 1, number + 1))
        client.send(packets.subscribe(version, number + 1, [(topic, 1)]))
    seen = []
    while len(seen) < 40:
        packet = client.read()
        if packet.kind == Kind.PUBLISH:
            client.answer(packet)
            seen.append(int(packet.payload))
    assert seen == list(range(40))


def test_no_local_keeps_a_clients_own_messages_from_it_mqtt_3_8_3_3(broker):
    topic, client, other = fresh(), broker.client(), broker.client()
    client.subscribe(topic, options=NO_LOCAL)
    other.subscribe(topic)
    client.publish(topic, b"own")
    assert other.message().payload == b"own"
    other.publish(topic, b"end")
    assert client.message().payload == b"end"


def test_without_no_local_a_client_hears_itself_mqtt_3_8_3_3(broker):
    topic, client = fresh(), broker.client()
    client.subscribe(topic)
    client.publish(topic, b"own")
    assert client.message().payload == b"own"


def test_no_local_is_about_the_client_id_and_outlives_the_connection_mqtt_3_8_3_3(broker):
    topic, held = fresh(), broker.session()
    held.subscribe(topic, qos=1, options=NO_LOCAL)
    held.disconnect()
    again = broker.session(5, held.client_id)
    again.publish(topic, b"own", 1)
    broker.client().publish(topic, b"end", 1)
    assert again.message().payload == b"end"


def test_no_local_on_a_shared_subscription_closes_the_connection_mqtt_3_8_3_4(broker):
    client = broker.client()
    client.send(packets.subscribe(5, 1, [(f"$share/g/{fresh()}", NO_LOCAL)]))
    assert client.ended() == 0x82


@pytest.mark.parametrize("number", [1, 127, 128, 16_383, 16_384, 268_435_455])
def test_subscription_identifier_comes_with_the_message_mqtt_3_3_4_3(broker, number):
    topic, client = fresh(), broker.client()
    client.subscribe(topic, props={"subscription_id": number})
    client.publish(topic, b"x")
    assert client.message().prop("subscription_id") == [number]


def test_subscription_identifier_0_closes_the_connection_mqtt_4_13_1_1(broker):
    client = broker.client()
    client.send(packets.subscribe(5, 1, [(fresh(), 0)], {"subscription_id": 0}))
    assert client.ended() in (0x81, 0x82)


def test_two_subscription_identifiers_close_the_connection_mqtt_4_13_1_1(broker):
    client = broker.client()
    client.send(packets.subscribe(5, 1, [(fresh(), 0)], {"subscription_id": [1, 2]}))
    assert client.ended() in (0x81, 0x82)


def test_subscription_identifier_is_replaced_with_its_subscription_mqtt_3_8_4_3(broker):
    topic, client = fresh(), broker.client()
    for number in (5, 6, None):
        client.subscribe(topic, props={} if number is None else {"subscription_id": number})
        client.publish(topic, b"x")
        assert client.message().prop("subscription_id") == ([] if number is None else [number])


def test_one_identifier_holds_for_all_filters_of_its_packet_mqtt_3_3_4_3(broker):
    base, client = fresh(), broker.client()
    client.subscribe(f"{base}/a", f"{base}/b", props={"subscription_id": 3})
    for name in ("a", "b"):
        client.publish(f"{base}/{name}", b"x")
        assert client.message().prop("subscription_id") == [3]


def test_retain_as_published_keeps_the_publishers_flag_mqtt_3_3_1_13(broker):
    """Also [MQTT-3.3.1-12]."""
    topic, plain, kept = fresh(), broker.client(), broker.client()
    plain.subscribe(topic)
    kept.subscribe(topic, options=AS_PUBLISHED)
    for retain in (True, False):
        broker.client().publish(topic, b"x", retain=retain)
        assert plain.message().retain is False
        assert kept.message().retain is retain
    plain.publish(topic, b"", 1, retain=True)


def test_a_thousand_filters_are_served_and_no_more_mqtt_3_9_3_2(sluice):
    client, base = sluice.client(), fresh()
    for hundred in range(10):
        assert set(client.subscribe(*(f"{base}/{hundred}/{n}" for n in range(100))).codes) == {0}
    assert client.subscribe(f"{base}/over").codes == [0x97]
    assert client.subscribe(f"{base}/0/0", qos=1).codes == [1]
    client.unsubscribe(f"{base}/0/1")
    assert client.subscribe(f"{base}/over").codes == [0]


def test_filters_over_the_limit_are_refused_in_3_1_1_mqtt_3_9_3_2(sluice):
    client, base = sluice.client(4), fresh()
    for hundred in range(10):
        client.subscribe(*(f"{base}/{hundred}/{n}" for n in range(100)))
    assert client.subscribe(f"{base}/over").codes == [0x80]


def test_user_properties_of_subscribe_are_taken_mqtt_3_8_4_1(broker):
    client = broker.client()
    assert client.subscribe(fresh(), props={"user_property": [("a", "b"), ("a", "b")]}).codes == [0]
    assert client.unsubscribe("a", props={"user_property": [("a", "b")]}).codes == [0x11]
