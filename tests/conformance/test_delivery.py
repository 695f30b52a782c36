"""Delivery, retry and order: sections 4.3 to 4.6 of both standards."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import ALL, BOTH, fresh
from support.together import waits


@pytest.mark.parametrize("sent", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
@pytest.mark.parametrize("version", ALL)
def test_message_comes_at_the_lower_qos_mqtt_3_8_4_8(broker, version, granted, sent):
    topic, client = fresh(), broker.client(version)
    client.subscribe(topic, qos=granted)
    client.publish(topic, b"x", sent)
    message = client.message()
    assert (message.qos, message.dup) == (min(granted, sent), False)
    client.ping()


@pytest.mark.parametrize("version", ALL)
def test_message_reaches_every_version(broker, version):
    topic, receivers = fresh(), [broker.client(one) for one in ALL]
    for receiver in receivers:
        receiver.subscribe(topic, qos=1)
    broker.client(version).publish(topic, b"x", 1)
    assert [receiver.message().payload for receiver in receivers] == [b"x"] * 3


def in_flight(broker, version, count=6):
    """A stored session that was sent messages and answered none; its messages. The connection is cut."""
    topic, held = fresh(), broker.session(version)
    held.subscribe(topic, qos=2)
    sender = broker.client(version)
    for number in range(count):
        sender.publish(topic, f"{number}", 1 + number % 2)
    messages = held.messages(count, answer=False)
    return held, messages, topic


@pytest.mark.parametrize("version", BOTH)
def test_unacknowledged_messages_come_again_with_dup_their_ids_and_order_mqtt_4_4_0_1(broker, version):
    """Also [MQTT-3.3.1-1], [MQTT-4.3.2-3], [MQTT-4.3.3-3] and [MQTT-4.6.0-1]."""
    held, before, _ = in_flight(broker, version)
    held.cut()
    again = broker.session(version, held.client_id)
    after = again.messages(len(before), answer=False)
    assert [(m.packet_id, m.payload, m.qos) for m in after] == [(m.packet_id, m.payload, m.qos) for m in before]
    assert all(m.dup for m in after)


@pytest.mark.parametrize("version", BOTH)
def test_acknowledged_messages_do_not_come_again_mqtt_4_4_0_1(broker, version):
    held, before, topic = in_flight(broker, version)
    for message in before[:4]:
        held.answer(message)
    held.ping()
    held.cut()
    again = broker.session(version, held.client_id)
    assert [m.payload for m in again.messages(2)] == [b"4", b"5"]
    again.publish(topic, b"end", 1)
    assert again.message().payload == b"end"


@pytest.mark.parametrize("version", BOTH)
def test_released_message_comes_again_as_pubrel_and_not_as_publish_mqtt_4_3_3_6(broker, version):
    """Also [MQTT-4.3.3-5] and [MQTT-4.4.0-1]."""
    topic, held = fresh(), broker.session(version)
    held.subscribe(topic, qos=2)
    held.publish(topic, b"x", 2)
    message = held.message(answer=False)
    held.ack(Kind.PUBREC, message.packet_id)
    held.expect(Kind.PUBREL)
    held.cut()
    again = broker.session(version, held.client_id)
    assert again.read().kind == Kind.PUBREL
    again.ack(Kind.PUBCOMP, message.packet_id)
    again.publish(topic, b"end", 2)
    assert again.message().payload == b"end"
    again.disconnect()
    third = broker.session(version, held.client_id)
    third.publish(topic, b"last", 1)
    assert third.message().payload == b"last"


@pytest.mark.parametrize("version", BOTH)
def test_message_whose_pubrec_was_lost_comes_again_mqtt_4_3_3_3(broker, version):
    topic, held = fresh(), broker.session(version)
    held.subscribe(topic, qos=2)
    held.publish(topic, b"x", 2)
    first = held.message(answer=False)
    for _ in range(2):
        held.cut()
        held = broker.session(version, held.client_id)
        again = held.message(answer=False)
        assert (again.packet_id, again.dup) == (first.packet_id, True)
    held.answer(again)
    held.ping()


@waits(4, 5)
def test_nothing_is_sent_again_while_the_connection_lives_mqtt_4_4_0_1(broker, version):
    held, before, topic = in_flight(broker, version)
    held.quiet(1)
    held.publish(topic, b"end", 1)
    assert held.message(answer=False).payload == b"end"


@pytest.mark.parametrize("kind", [Kind.PUBACK, Kind.PUBREC])
def test_message_refused_by_its_receiver_does_not_come_again_mqtt_4_4_0_2(broker, kind):
    topic, held = fresh(), broker.session()
    held.subscribe(topic, qos=2)
    held.publish(topic, b"no", 1 if kind == Kind.PUBACK else 2)
    held.ack(kind, held.message(answer=False).packet_id, 0x80)
    held.ping()
    held.cut()
    again = broker.session(5, held.client_id)
    again.publish(topic, b"end", 1)
    assert again.message().payload == b"end"


@pytest.mark.parametrize("version", BOTH)
def test_messages_wait_for_a_stored_session_mqtt_4_5_0_1(broker, version):
    """Also 3.1.1's [MQTT-3.1.2-5]: QoS 1 and 2 are kept while the client is away, in their order, and are no repetition when they come."""
    topic, held, sender = fresh(), broker.session(version), broker.client(version)
    held.subscribe(topic, qos=2)
    held.disconnect()
    for number in range(50):
        sender.publish(topic, f"{number}", 1 + number % 2)
    again = broker.session(version, held.client_id)
    seen = again.messages(50)
    for qos in (1, 2):
        assert [int(m.payload) for m in seen if m.qos == qos] == list(range(qos - 1, 50, 2))
    assert not any(m.dup for m in seen)


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", ALL)
def test_messages_of_a_topic_keep_their_order_mqtt_4_6_0_6(broker, version, qos):
    """Also [MQTT-4.6.0-5]."""
    topic, receiver, sender = fresh(), broker.client(version), broker.client(version)
    receiver.subscribe(topic, qos=2)
    sender.send(*(packets.publish(version, topic, f"{n}", qos, n + 1 if qos else None) for n in range(90)))
    if qos == 2:
        sender.send(*(packets.ack(version, Kind.PUBREL, n + 1) for n in range(90)))
    assert [int(message.payload) for message in receiver.messages(90)] == list(range(90))


@pytest.mark.parametrize("version", BOTH)
def test_order_holds_across_a_reconnect_mqtt_4_6_0_5(broker, version):
    topic, held, sender = fresh(), broker.session(version), broker.client(version)
    held.subscribe(topic, qos=1)
    for number in range(10):
        sender.publish(topic, f"{number}", 1)
    held.messages(3)
    held.ping()
    held.cut()
    for number in range(10, 20):
        sender.publish(topic, f"{number}", 1)
    again = broker.session(version, held.client_id)
    assert [int(message.payload) for message in again.messages(17)] == list(range(3, 20))


@pytest.mark.parametrize("version", ALL)
def test_qos_0_is_sent_once_without_dup_mqtt_4_3_1_1(broker, version):
    topic, client = fresh(), broker.client(version)
    client.subscribe(topic)
    client.publish(topic, b"x", 0)
    client.publish(topic, b"end", 0)
    seen = client.messages(2)
    assert [(m.payload, m.qos, m.dup, m.packet_id) for m in seen] == [(b"x", 0, False, None), (b"end", 0, False, None)]


@pytest.mark.parametrize("version", BOTH)
def test_every_subscriber_gets_its_own_copy_mqtt_4_5_0_1(broker, version):
    topic, sender = fresh(), broker.client(version)
    receivers = [broker.client(version) for _ in range(20)]
    for number, receiver in enumerate(receivers):
        receiver.subscribe(topic, qos=number % 3)
    sender.publish(topic, b"x", 2)
    assert [receiver.message().qos for receiver in receivers] == [number % 3 for number in range(20)]
