"""PUBLISH: what it may hold and what becomes of it, sections 3.3 of both standards."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import ALL, BOTH, DENIED, fresh
from support.together import waits

ANSWER = {0: None, 1: Kind.PUBACK, 2: Kind.PUBREC}


def pair(broker, version=5, topic=None, qos=2, sub=None, **options):
    """A subscriber of a fresh topic, and the topic."""
    topic = topic or fresh("t")
    client = broker.client(version, **(sub or {}))
    client.subscribe(topic, qos=qos, **options)
    return client, topic


@pytest.mark.parametrize("version", ALL)
def test_qos_3_closes_the_connection_mqtt_3_3_1_4(broker, version):
    client = broker.client(version)
    client.send(packets.publish(version, "a", b"x", 3, 1))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("version", BOTH)
def test_dup_at_qos_0_closes_the_connection_mqtt_3_3_1_2(broker, version):
    client = broker.client(version)
    client.send(packets.publish(version, "a", b"x", dup=True))
    assert client.ended() in ((0x81, 0x82) if version == 5 else (None,))


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", ALL)
def test_dup_of_the_publisher_is_not_passed_on_mqtt_3_3_1_3(broker, version, qos):
    client, topic = pair(broker, version)
    client.publish(topic, b"x", qos, dup=True)
    assert client.message().dup is False


@pytest.mark.parametrize("name", ["a/#", "#", "+", "a/+/b", "a+", "#a"])
@pytest.mark.parametrize("version", BOTH)
def test_topic_with_a_wildcard_closes_the_connection_mqtt_3_3_2_2(broker, version, name):
    client = broker.client(version)
    client.send(packets.publish(version, name, b"x"))
    assert client.ended() in ((0x81, 0x82, 0x90) if version == 5 else (None,))


@pytest.mark.parametrize("version", BOTH)
def test_topic_that_is_not_utf8_closes_the_connection_mqtt_3_3_2_1(broker, version):
    client = broker.client(version)
    client.send(packets.publish(version, b"a\xc3", b"x"))
    assert client.ended() in ((0x81, 0x90) if version == 5 else (None,))


@pytest.mark.parametrize("version", BOTH)
def test_publish_without_room_for_its_topic_closes_the_connection_mqtt_3_3_2_1(broker, version):
    client = broker.client(version)
    client.send(packets.packet(0x30, b"\0\x05ab"))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", ALL)
def test_packet_id_0_closes_the_connection_mqtt_2_2_1_3(broker, version, qos):
    client = broker.client(version)
    client.send(packets.publish(version, "a", b"x", qos, 0))
    assert client.ended() in ((0x81, 0x82) if version == 5 else (None,))


@pytest.mark.parametrize("version", ALL)
def test_qos_0_has_no_packet_id_either_way_mqtt_2_2_1_2(broker, version):
    # What stands where a packet ID would is payload.
    client, topic = pair(broker, version)
    client.publish(topic, b"\x00\x01 payload")
    assert client.message().payload == b"\x00\x01 payload"


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", ALL)
def test_each_qos_has_its_answer_with_the_same_packet_id_mqtt_3_3_4_1(broker, version, qos):
    client, topic = pair(broker, version)
    for packet_id in (1, 255, 65535):
        answer = client.publish(topic, b"x", qos, packet_id=packet_id)
        assert (answer and answer.kind) == ANSWER[qos]
        assert answer is None or (answer.packet_id == packet_id and answer.code in (None, 0))
        assert client.message().qos == qos
    client.ping()


@pytest.mark.parametrize("version", ALL)
def test_denied_publish_is_acknowledged_or_refused_and_never_routed_mqtt_3_3_5_2(sluice, version):
    topic = f"{DENIED}/{fresh()}"
    client, end = pair(sluice, version)
    codes = [client.publish(topic, b"x", qos).code for qos in (1, 2)]
    assert codes == ([0x87, 0x87] if version == 5 else [0, 0])
    client.publish(topic, b"x", 0)
    client.publish(end, b"end", 1)
    assert client.message().payload == b"end"


@pytest.mark.parametrize("size", [0, 1, 118, 119, 120, 16_370, 16_384, 100_000, 1_000_000])
@pytest.mark.parametrize("version", BOTH)
def test_payload_of_any_size_arrives_as_it_was_mqtt_3_3_4_1(broker, version, size):
    client, topic = pair(broker, version)
    payload = bytes(number % 251 for number in range(size))
    client.publish(topic, payload, 1)
    assert client.message().payload == payload


def test_properties_arrive_unaltered_and_in_order_mqtt_3_3_2_17(broker):
    """[MQTT-3.3.2-4], -15, -16, -17, -18 and -20 are one behaviour: what the publisher says of a message reaches the subscriber."""
    given = {
        "payload_format": 1, "content_type": "text/plain; größe", "response_topic": "answers/here", "correlation_data": b"\0\xff\x01",
        "user_property": [("b", "1"), ("a", "2"), ("b", "1"), ("a", ""), ("", "x")],
    }  # fmt: skip
    for qos in (0, 1, 2):
        client, topic = pair(broker)
        client.publish(topic, "größe", qos, props=given)
        assert client.message().props == given


def test_absent_properties_stay_absent_mqtt_3_3_2_4(broker):
    client, topic = pair(broker)
    client.publish(topic, b"x")
    assert client.message().props == {}


def test_payload_format_0_is_passed_on_mqtt_3_3_2_4(broker):
    client, topic = pair(broker)
    client.publish(topic, b"\xff", props={"payload_format": 0})
    assert client.message().prop("payload_format") in (0, None)


def test_properties_are_dropped_for_an_older_subscriber_and_none_come_from_an_older_publisher(broker):
    topic = fresh()
    old, new = broker.client(4), broker.client(5)
    for client in (old, new):
        client.subscribe(topic)
    new.publish(topic, b"five", props={"content_type": "t", "user_property": [("a", "b")]})
    assert old.message().payload == b"five"
    assert new.message().prop("content_type") == "t"
    old.publish(topic, b"four")
    assert new.message().props == {}


def test_payload_that_is_not_the_utf8_it_is_said_to_be_is_refused_mqtt_3_3_2_4(sluice):
    client = sluice.client(5)
    client.send(packets.publish(5, fresh(), b"\xff", props={"payload_format": 1}))
    assert client.ended() == 0x99


@pytest.mark.parametrize("name", ["a/#", "a/+", "+"])
def test_response_topic_with_a_wildcard_closes_the_connection_mqtt_3_3_2_14(broker, name):
    client = broker.client(5)
    client.send(packets.publish(5, fresh(), b"x", props={"response_topic": name}))
    assert client.ended() in (0x81, 0x82, 0x90)


@pytest.mark.parametrize("name", ["response_topic", "content_type"])
def test_text_property_that_is_not_utf8_closes_the_connection_mqtt_3_3_2_13(broker, name):
    client = broker.client(5)
    client.send(packets.publish(5, fresh(), b"x", props={name: b"a\xff"}))
    assert client.ended() in (0x81, 0x82)


def test_subscription_identifier_from_a_client_closes_the_connection_mqtt_3_3_4_6(broker):
    client = broker.client(5)
    client.send(packets.publish(5, fresh(), b"x", props={"subscription_id": 1}))
    assert client.ended() in (0x81, 0x82)


@waits(5)
def test_message_expiry_counts_down_while_a_message_waits_mqtt_3_3_2_6(broker, version):
    topic, sender, held = fresh(), broker.client(), broker.session()
    held.subscribe(topic, qos=1)
    sender.publish(topic, b"now", 1, props={"message_expiry": 100})
    assert held.message().prop("message_expiry") == 100
    held.disconnect()
    sender.publish(topic, b"later", 1, props={"message_expiry": 100})
    broker.seconds(2)
    again = broker.session(5, held.client_id)
    assert 50 < again.message().prop("message_expiry") < 100


@waits(5)
def test_message_that_waited_past_its_expiry_is_dropped_mqtt_3_3_2_5(broker, version):
    topic, sender, held = fresh(), broker.client(), broker.session()
    held.subscribe(topic, qos=2)
    held.disconnect()
    for qos in (1, 2):
        sender.publish(topic, b"short", qos, props={"message_expiry": 1})
    sender.publish(topic, b"long", 1, props={"message_expiry": 100})
    broker.seconds(2)
    again = broker.session(5, held.client_id)
    assert again.message().payload == b"long"


@waits(4)
def test_message_expiry_holds_for_an_older_subscriber_too_mqtt_3_3_2_5(broker, version):
    topic, sender, held = fresh(), broker.client(5), broker.session(4)
    held.subscribe(topic, qos=1)
    held.disconnect()
    sender.publish(topic, b"short", 1, props={"message_expiry": 1})
    sender.publish(topic, b"long", 1)
    broker.seconds(2)
    assert broker.session(4, held.client_id).message().payload == b"long"


@pytest.mark.parametrize("version", ALL)
def test_overlapping_subscriptions_give_the_highest_qos_mqtt_3_3_4_2(broker, version):
    topic, client = fresh(), broker.client(version)
    client.subscribe(f"{topic}/#", qos=0)
    client.subscribe(f"{topic}/a", qos=2)
    client.subscribe(f"{topic}/+", qos=1)
    client.publish(f"{topic}/a", b"x", 2)
    client.publish(f"{topic}/b", b"end", 2)
    seen = []
    while not seen or seen[-1].payload != b"end":
        seen.append(client.message())
    assert max(message.qos for message in seen if message.payload == b"x") == 2


def test_overlapping_subscriptions_give_one_message_with_all_identifiers_mqtt_3_3_4_4(sluice):
    topic, client = fresh(), sluice.client(5)
    for number, one in ((1, f"{topic}/#"), (200, f"{topic}/+"), (268_435_455, f"{topic}/a")):
        client.subscribe(one, props={"subscription_id": number})
    client.subscribe("+/a")
    client.publish(f"{topic}/a", b"x")
    client.publish(f"{topic}/a", b"end")
    message = client.message()
    assert sorted(message.prop("subscription_id")) == [1, 200, 268_435_455]
    assert client.message().payload == b"end"


def test_identifiers_of_every_matching_subscription_are_told_mqtt_3_3_4_3(broker):
    topic, client = fresh(), broker.client(5)
    client.subscribe(f"{topic}/#", props={"subscription_id": 7})
    client.subscribe(f"{topic}/a", props={"subscription_id": 8})
    client.publish(f"{topic}/a", b"x", 0)
    client.publish(f"{topic}/b", b"end", 0)
    told = []
    while (message := client.message()).payload != b"end":
        told += message.prop("subscription_id")
    assert sorted(told) == [7, 8] and message.prop("subscription_id") == [7]


def test_subscription_without_an_identifier_tells_none_mqtt_3_3_4_3(broker):
    client, topic = pair(broker)
    client.publish(topic, b"x")
    assert client.message().prop("subscription_id") == []


def test_request_and_response_by_their_properties_mqtt_3_3_2_15(broker):
    requests, answers = fresh(), fresh()
    asker, server = broker.client(), broker.client()
    asker.subscribe(answers)
    server.subscribe(requests)
    asker.publish(requests, b"question", props={"response_topic": answers, "correlation_data": b"17"})
    asked = server.message()
    server.publish(asked.prop("response_topic"), b"answer", props={"correlation_data": asked.prop("correlation_data")})
    got = asker.message()
    assert (got.payload, got.prop("correlation_data")) == (b"answer", b"17")


@pytest.mark.parametrize("qos", [1, 2])
def test_publish_that_nobody_wants_is_acknowledged_mqtt_3_4_2_1(broker, qos):
    """With 0x00, or with 0x10 where the server tells."""
    assert broker.client().publish(fresh(), b"x", qos).code in (0x00, 0x10)
