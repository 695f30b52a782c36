"""Receive Maximum and Maximum Packet Size both ways: sections 3.1.2.11, 3.2.2.3, 3.3.4 and 4.9."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import DENIED, Closed, fresh


def receiver(broker, most=2, qos=2, **options):
    topic, client = fresh(), broker.client(5, props={"receive_maximum": most}, **options)
    client.subscribe(topic, qos=qos)
    return client, topic, broker.client()


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_than_receive_maximum_is_in_flight_mqtt_3_3_4_9(broker, most):
    """Also [MQTT-4.9.0-1] and -2. A PINGRESP after the last message shows that no further one was sent."""
    client, topic, sender = receiver(broker, most)
    for number in range(10):
        sender.publish(topic, f"{number}", 1 + number % 2)
    first = client.messages(most, answer=False)
    client.ping()
    client.quiet(0.1)
    for message in first:
        client.answer(message)
    assert [int(m.payload) for m in first + client.messages(10 - most)] == list(range(10))


def test_other_packets_are_answered_while_the_window_is_full_mqtt_3_3_4_10(broker):
    """Also [MQTT-4.9.0-3]."""
    client, topic, sender = receiver(broker, 1)
    for _ in range(3):
        sender.publish(topic, b"x", 1)
    held, other = client.message(answer=False), fresh()
    client.ping()
    assert client.subscribe(other).codes == [0]
    assert client.unsubscribe(other).codes == [0]
    assert client.publish(other, b"x", 1).code in (0, 0x10)
    assert client.publish(other, b"x", 2).code in (0, 0x10)
    client.answer(held)
    client.messages(2)


def test_qos_0_does_not_count_against_receive_maximum_mqtt_4_9_0_2(broker):
    client, topic, sender = receiver(broker, 1)
    sender.publish(topic, b"held", 1)
    held = client.message(answer=False)
    sender.publish(topic, b"free", 0)
    assert client.message().payload == b"free"
    client.answer(held)


@pytest.mark.parametrize(("code", "frees"), [(0x00, False), (0x10, False), (0x80, True), (0x97, True)])
def test_only_a_refusing_pubrec_makes_room_mqtt_3_3_4_9(broker, code, frees):
    client, topic, sender = receiver(broker, 1)
    sender.publish(topic, b"one", 2)
    sender.publish(topic, b"two", 1)
    first = client.message(answer=False)
    client.ack(Kind.PUBREC, first.packet_id, code)
    if not frees:
        client.expect(Kind.PUBREL)
        client.ping()
        client.quiet(0.1)
        client.ack(Kind.PUBCOMP, first.packet_id)
    assert client.message().payload == b"two"


def test_receive_maximum_holds_for_what_waited_in_a_session_mqtt_3_3_4_9(broker):
    topic, held, sender = fresh(), broker.session(), broker.client()
    held.subscribe(topic, qos=2)
    held.disconnect()
    for number in range(6):
        sender.publish(topic, f"{number}", 1)
    again = broker.session(5, held.client_id, props={"receive_maximum": 2})
    first = again.messages(2, answer=False)
    again.quiet(0.2)
    for message in first:
        again.answer(message)
    assert [int(m.payload) for m in first + again.messages(4)] == list(range(6))


def test_receive_maximum_of_0_is_refused_mqtt_4_13_1_1(broker):
    assert broker.refusal(5, props={"receive_maximum": 0}) in (0x82, 0x81, None)


def test_more_than_the_servers_receive_maximum_closes_the_connection_mqtt_3_3_4_7(broker):
    client, topic = broker.client(), fresh()
    most = client.connack.prop("receive_maximum") or 65535
    client.send(*(packets.publish(5, topic, b"x", 2, number + 1) for number in range(most)))
    for _ in range(most):
        assert client.expect(Kind.PUBREC).code in (0, 0x10)
    client.send(packets.publish(5, topic, b"x", 2, most + 1))
    assert client.ended() == 0x93


def test_released_messages_make_room_for_more_mqtt_3_3_4_7(broker):
    client, topic = broker.client(), fresh()
    for number in range(250):
        client.publish(topic, b"x", 2, packet_id=number + 1)
    client.ping()


def test_packet_over_the_clients_maximum_is_dropped_as_if_sent_mqtt_3_1_2_25(broker):
    """Also [MQTT-3.1.2-24]: the size counts the whole packet, and what follows still comes."""
    topic, sender = fresh(), broker.client()
    client = broker.client(5, props={"maximum_packet_size": 60, "receive_maximum": 1})
    client.subscribe(topic, qos=2)
    fits = 60 - 2 - 2 - len(topic) - 2 - 1
    for qos in (0, 1, 2):
        sender.publish(topic, b"-" * (fits + 1 + (0 if qos else 2)), qos)
        sender.publish(topic, b"+" * (fits + (0 if qos else 2)), qos)
        message = client.message()
        assert (message.payload[:1], message.size_bytes, message.qos) == (b"+", 60, qos)
    client.ping()


def test_dropped_packet_does_not_wait_in_a_session_mqtt_3_1_2_25(broker):
    topic, sender, held = fresh(), broker.client(), broker.session()
    held.subscribe(topic, qos=2)
    held.disconnect()
    for payload in (b"x" * 200, b"small"):
        sender.publish(topic, payload, 1)
    again = broker.session(5, held.client_id, props={"maximum_packet_size": 100})
    assert again.message().payload == b"small"
    again.disconnect()
    third = broker.session(5, held.client_id)
    third.publish(topic, b"end", 1)
    assert third.message().payload == b"end"


def test_other_subscribers_get_what_is_too_large_for_one_mqtt_3_1_2_25(broker):
    topic, small, large = fresh(), broker.client(5, props={"maximum_packet_size": 50}), broker.client()
    for client in (small, large):
        client.subscribe(topic)
    large.publish(topic, b"x" * 100)
    assert len(large.message().payload) == 100


def test_explanations_never_make_an_answer_too_large_mqtt_3_4_2_2(sluice):
    """Reason strings and user properties of PUBACK, PUBREC, SUBACK and UNSUBACK: [MQTT-3.4.2-3], [MQTT-3.5.2-2], -3, [MQTT-3.9.2-1], -2."""
    for most in (*range(20, 40), 60, 80):
        client = sluice.client(5, props={"maximum_packet_size": most})
        answers = [
            client.publish(f"{DENIED}/x", b"", 1), client.publish(f"{DENIED}/x", b"", 2),
            client.subscribe(f"{DENIED}/x"), client.unsubscribe(f"{DENIED}/x"),
        ]  # fmt: skip
        assert all(answer.size_bytes <= most for answer in answers)


def test_pubrel_and_pubcomp_of_unknown_ids_are_never_too_large_mqtt_3_6_2_2(broker):
    """Also [MQTT-3.6.2-3], [MQTT-3.7.2-2] and -3."""
    for most in (20, 24, 30):
        topic, client = fresh(), broker.client(5, props={"maximum_packet_size": most})
        client.ack(Kind.PUBREL, 321)
        assert client.expect(Kind.PUBCOMP).size_bytes <= most
        client.subscribe(topic, qos=2)
        client.publish(topic, b"", 2)
        message = client.message(answer=False)
        client.ack(Kind.PUBREC, message.packet_id)
        assert client.expect(Kind.PUBREL).size_bytes <= most


def test_explanations_never_make_a_disconnect_too_large_mqtt_3_14_2_3(broker):
    """Also [MQTT-3.14.2-4] and [MQTT-3.1.2-24]."""
    for most in (20, 24, 30, 40):
        client = broker.client(5, props={"maximum_packet_size": most})
        client.send(packets.packet(0x00))
        try:
            assert client.read().size_bytes <= most
        except Closed:
            continue


def test_maximum_packet_size_of_0_is_refused_mqtt_4_13_1_1(broker):
    assert broker.refusal(5, props={"maximum_packet_size": 0}) in (0x82, 0x81, None)


@pytest.mark.parametrize("version", [4, 5])
def test_packet_over_the_servers_maximum_closes_the_connection_mqtt_3_2_2_15(sluice, version):
    """The length alone decides: the body need not come."""
    client = sluice.client(version)
    client.send(packets.packet(0x30, packets.text("a"), length=packets.variable((1 << 20) + 1)))
    assert client.ended() == (0x95 if version == 5 else None)


@pytest.mark.parametrize("version", [4, 5])
def test_packet_of_the_servers_maximum_is_served_mqtt_3_2_2_15(sluice, version):
    client, topic = sluice.client(version), fresh()
    head = len(packets.publish(version, topic, b"", 1, 1)) - 2 + 4
    client.subscribe(topic, qos=1)
    client.publish(topic, b"x" * ((1 << 20) - head), 1)
    assert len(client.message().payload) == (1 << 20) - head


def test_receive_maximum_of_a_new_connection_holds_for_what_comes_again_mqtt_3_3_4_9(broker):
    topic, held, sender = fresh(), broker.session(), broker.client()
    held.subscribe(topic, qos=2)
    for number in range(6):
        sender.publish(topic, f"{number}", 1 + number % 2)
    ids = [message.packet_id for message in held.messages(6, answer=False)]
    held.cut()
    again = broker.session(5, held.client_id, props={"receive_maximum": 2})
    first = again.messages(2, answer=False)
    again.quiet(0.2)
    for message in first:
        again.answer(message)
    assert [message.packet_id for message in first + again.messages(4)] == ids


def test_message_that_comes_again_too_large_is_dropped_as_if_sent_mqtt_3_1_2_25(broker):
    topic, held, sender = fresh(), broker.session(), broker.client()
    held.subscribe(topic, qos=2)
    for payload in (b"x" * 200, b"small"):
        sender.publish(topic, payload, 1)
    held.messages(2, answer=False)
    held.cut()
    again = broker.session(5, held.client_id, props={"maximum_packet_size": 100, "receive_maximum": 1})
    message = again.message()
    assert (message.payload, message.dup) == (b"small", True)
    again.publish(topic, b"end", 1)
    assert again.message().payload == b"end"
