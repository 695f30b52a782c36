"""PUBACK, PUBREC, PUBREL and PUBCOMP, and the exchanges of QoS 1 and 2: sections 3.4 to 3.7 and 4.3."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import ALL, BOTH, DENIED, fresh
from support.together import waits


def listener(broker, version=5, qos=2):
    topic = fresh()
    client = broker.client(version)
    client.subscribe(topic, qos=qos)
    return client, topic


@pytest.mark.parametrize("version", ALL)
def test_qos_1_is_acknowledged_with_its_packet_id_mqtt_4_3_2_4(broker, version):
    client = broker.client(version)
    assert client.publish(fresh(), b"x", 1, packet_id=4711).packet_id == 4711


@pytest.mark.parametrize("version", ALL)
def test_packet_id_is_a_new_message_after_its_puback_mqtt_4_3_2_5(broker, version):
    client, topic = listener(broker, version)
    for number in range(3):
        client.publish(topic, f"{number}", 1, packet_id=7, dup=number == 1)
    assert [message.payload for message in client.messages(3)] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("version", ALL)
def test_qos_2_is_received_released_and_completed_with_one_packet_id_mqtt_4_3_3_11(broker, version):
    client, topic = listener(broker, version)
    client.send(packets.publish(version, topic, b"x", 2, 4711))
    assert client.expect(Kind.PUBREC).packet_id == 4711
    assert client.release(4711).code in (None, 0)
    assert client.message().payload == b"x"


@pytest.mark.parametrize("version", ALL)
def test_qos_2_sent_again_before_its_release_is_delivered_once_mqtt_4_3_3_10(broker, version):
    client, topic = listener(broker, version)
    for dup in (False, True, True):
        client.send(packets.publish(version, topic, b"once", 2, 9, dup=dup))
        assert client.expect(Kind.PUBREC).packet_id == 9
    client.release(9)
    client.publish(topic, b"end", 2)
    assert [message.payload for message in client.messages(2)] == [b"once", b"end"]


@pytest.mark.parametrize("version", BOTH)
def test_qos_2_sent_again_after_a_reconnect_is_delivered_once_mqtt_4_3_3_10(broker, version):
    watcher, topic = listener(broker, version)
    sender = broker.session(version)
    sender.send(packets.publish(version, topic, b"once", 2, 9))
    sender.expect(Kind.PUBREC)
    sender.cut()
    again = broker.session(version, sender.client_id)
    assert again.connack.session_present
    again.send(packets.publish(version, topic, b"once", 2, 9, dup=True))
    assert again.expect(Kind.PUBREC).packet_id == 9
    again.release(9)
    again.publish(topic, b"end", 2, packet_id=9)
    assert [message.payload for message in watcher.messages(2)] == [b"once", b"end"]


@pytest.mark.parametrize("version", ALL)
def test_packet_id_is_a_new_message_after_its_pubcomp_mqtt_4_3_3_12(broker, version):
    client, topic = listener(broker, version)
    for number in range(3):
        client.publish(topic, f"{number}", 2, packet_id=7)
    assert [message.payload for message in client.messages(3)] == [b"0", b"1", b"2"]


def test_packet_id_is_a_new_message_after_a_refusing_pubrec_mqtt_4_3_3_9(sluice):
    client, topic = listener(sluice)
    assert client.publish(f"{DENIED}/a", b"no", 2, packet_id=3).code == 0x87
    assert client.publish(topic, b"yes", 2, packet_id=3).code == 0
    assert client.message().payload == b"yes"


@pytest.mark.parametrize("flags", [0, 1, 3, 4, 6, 10, 15])
@pytest.mark.parametrize("version", BOTH)
def test_flags_of_pubrel_other_than_2_close_the_connection_mqtt_3_6_1_1(broker, version, flags):
    client = broker.client(version)
    client.send(packets.ack(version, Kind.PUBREL, 1, flags=flags))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("kind", [Kind.PUBACK, Kind.PUBREC, Kind.PUBCOMP])
@pytest.mark.parametrize("version", BOTH)
def test_flags_of_an_acknowledgement_close_the_connection_mqtt_2_1_3_1(broker, version, kind):
    client = broker.client(version)
    client.send(packets.ack(version, kind, 1, flags=2))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("version", ALL)
def test_pubrel_of_an_unknown_packet_id_is_completed_mqtt_4_3_3_11(broker, version):
    client = broker.client(version)
    assert client.release(321).code in (0, 0x92)
    client.ping()


def test_pubrel_of_an_unknown_packet_id_says_so_mqtt_3_7_2_1(sluice):
    assert sluice.client(5).release(321).code == 0x92


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("kind", [Kind.PUBACK, Kind.PUBCOMP])
def test_acknowledgement_of_nothing_disturbs_nothing(broker, version, kind):
    client = broker.client(version)
    client.ack(kind, 99)
    client.ping()


def test_pubrec_of_an_unknown_packet_id_is_answered_0x92_mqtt_3_6_2_1(sluice):
    client = sluice.client(5)
    client.ack(Kind.PUBREC, 99)
    released = client.expect(Kind.PUBREL)
    assert (released.packet_id, released.code) == (99, 0x92)


@pytest.mark.parametrize("kind", [Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP])
def test_reason_code_of_another_packet_closes_the_connection_mqtt_3_4_2_1(broker, kind):
    client = broker.client(5)
    client.ack(kind, 1, code=0x8E)
    assert client.ended() in (0x81, 0x82)


@pytest.mark.parametrize("code", [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
@pytest.mark.parametrize("kind", [Kind.PUBACK, Kind.PUBREC])
def test_every_reason_code_of_an_acknowledgement_is_taken_mqtt_4_4_0_2(broker, kind, code):
    client, topic = listener(broker)
    qos = 1 if kind == Kind.PUBACK else 2
    client.publish(topic, b"x", qos)
    message = client.message(answer=False)
    client.ack(kind, message.packet_id, code, {"reason_string": "because", "user_property": [("a", "b")]})
    if kind == Kind.PUBREC and code < 0x80:
        client.expect(Kind.PUBREL)
        client.ack(Kind.PUBCOMP, message.packet_id, 0x00)
    client.ping()


def test_empty_properties_and_a_left_out_code_mean_success_mqtt_2_2_2_1(broker):
    client, topic = listener(broker)
    for tail in (b"", b"\0", b"\0\0"):
        client.publish(topic, b"x", 1)
        message = client.message(answer=False)
        client.send(packets.packet(0x40, packets.two(message.packet_id) + tail))
    client.ping()


@pytest.mark.parametrize("version", ALL)
def test_delivery_of_qos_2_is_received_released_and_completed_mqtt_4_3_3_4(broker, version):
    client, topic = listener(broker, version)
    client.publish(topic, b"x", 2)
    message = client.message(answer=False)
    assert message.qos == 2 and not message.dup
    client.ack(Kind.PUBREC, message.packet_id)
    assert client.expect(Kind.PUBREL).packet_id == message.packet_id
    client.ack(Kind.PUBREC, message.packet_id)
    assert client.expect(Kind.PUBREL).packet_id == message.packet_id
    client.ack(Kind.PUBCOMP, message.packet_id)
    client.ping()


@pytest.mark.parametrize("version", ALL)
def test_pubrels_come_in_the_order_of_pubrecs_mqtt_4_6_0_4(broker, version):
    client, topic = listener(broker, version)
    for number in range(5):
        client.publish(topic, f"{number}", 2)
    ids = [message.packet_id for message in client.messages(5, answer=False)]
    assert len(set(ids)) == 5
    order = [ids[2], ids[0], ids[4], ids[1], ids[3]]
    client.send(*(packets.ack(version, Kind.PUBREC, one) for one in order))
    assert [client.expect(Kind.PUBREL).packet_id for _ in order] == order


@pytest.mark.parametrize("version", ALL)
def test_acknowledgements_come_in_the_order_of_messages_mqtt_4_6_0_2(broker, version):
    client, topic = broker.client(version), fresh()
    for qos, kind in ((1, Kind.PUBACK), (2, Kind.PUBREC)):
        ids = [number * 7 % 101 for number in range(1, 41)]
        client.send(*(packets.publish(version, topic, b"x", qos, one) for one in ids))
        assert [client.expect(kind).packet_id for _ in ids] == ids


@pytest.mark.parametrize("version", ALL)
def test_packet_ids_in_flight_are_not_given_again_mqtt_2_2_1_4(broker, version):
    """Also [MQTT-4.3.2-1] and [MQTT-4.3.3-1]: 20 messages of each QoS are in flight together, and each has an ID of its own."""
    client, topic = listener(broker, version)
    for number in range(20):
        client.publish(topic, f"{number}", 1 + number % 2)
    seen = client.messages(20, answer=False)
    assert len({message.packet_id for message in seen}) == 20
    assert not any(message.dup for message in seen)


@waits(5)
def test_exchange_of_qos_2_goes_on_past_the_message_expiry_mqtt_4_3_3_13(broker, version):
    client, topic = listener(broker)
    client.send(packets.publish(5, topic, b"x", 2, 3, props={"message_expiry": 1}))
    client.expect(Kind.PUBREC)
    other = broker.client()
    end = fresh()
    other.subscribe(end, qos=2)
    client.publish(end, b"x", 2, props={"message_expiry": 1})
    message = other.message(answer=False)
    broker.seconds(2)
    assert client.release(3).code == 0
    client = other
    client.ack(Kind.PUBREC, message.packet_id)
    assert client.expect(Kind.PUBREL).packet_id == message.packet_id
    client.ack(Kind.PUBCOMP, message.packet_id)
    client.ping()


@waits(5)
def test_message_that_was_sent_does_not_expire_mqtt_4_3_3_7(broker, version):
    topic, held = fresh(), broker.session()
    held.subscribe(topic, qos=2)
    held.publish(topic, b"x", 2, props={"message_expiry": 1})
    first = held.message(answer=False)
    held.cut()
    broker.seconds(2)
    again = broker.session(5, held.client_id)
    message = again.message()
    assert (message.packet_id, message.dup, message.payload) == (first.packet_id, True, b"x")
