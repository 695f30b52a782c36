"""Retained messages: sections 3.3.1.3 and 3.8.3.1."""

import contextlib

import pytest

from support.raw import ALL, BOTH, fresh
from support.together import waits

HANDLING = {0: 0x00, 1: 0x10, 2: 0x20}
AS_PUBLISHED = 0x08


@contextlib.contextmanager
def kept(broker, payload=b"kept", version=5, qos=1, topic=None, props=None):
    """A topic with a retained message, which is removed again."""
    topic = topic or fresh("r")
    sender = broker.client(version)
    sender.publish(topic, payload, qos, retain=True, props=props)
    if qos == 0:
        sender.ping()
    yield topic
    sender.publish(topic, b"", 1, retain=True)


def nothing_but(client, payload=b"end", qos=1):
    """Publishes a last message to a topic of its own, and takes whatever came before it."""
    end = fresh("end")
    client.subscribe(end, qos=qos)
    client.publish(end, payload, qos)
    seen = []
    while (message := client.message()).topic != end:
        seen.append(message)
    return seen


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", ALL)
def test_new_subscriber_gets_the_retained_message_with_its_flag_mqtt_3_3_1_9(broker, version, qos):
    """3.1.1's [MQTT-3.3.1-5], -6 and -8; 5.0's [MQTT-3.3.1-5]."""
    with kept(broker, b"kept", version, qos) as topic:
        for granted in (0, 1, 2):
            client = broker.client(version)
            client.subscribe(topic, qos=granted)
            message = client.message()
            assert (message.payload, message.retain, message.qos, message.dup) == (b"kept", True, min(qos, granted), False)


@pytest.mark.parametrize("version", BOTH)
def test_later_retained_message_replaces_the_earlier_mqtt_3_3_1_5(broker, version):
    """3.1.1's [MQTT-3.3.1-7] for QoS 0."""
    for qos in (1, 0, 2):
        with kept(broker, b"old", version) as topic, kept(broker, b"new", version, qos, topic):
            client = broker.client(version)
            client.subscribe(topic, qos=2)
            assert [message.payload for message in nothing_but(client)] == [b"new"]


@pytest.mark.parametrize("version", ALL)
def test_empty_payload_removes_the_retained_message_and_is_delivered_mqtt_3_3_1_6(broker, version):
    """Also [MQTT-3.3.1-7]; 3.1.1's [MQTT-3.3.1-10] and -11."""
    with kept(broker, b"kept", version) as topic:
        present = broker.client(version)
        present.subscribe(topic, qos=1)
        assert present.message().retain is True
        present.publish(topic, b"", 1, retain=True)
        message = present.message()
        assert (message.payload, message.retain) == (b"", False)
        late = broker.client(version)
        late.subscribe(topic, qos=1)
        assert nothing_but(late) == []


@pytest.mark.parametrize("version", BOTH)
def test_message_without_retain_leaves_the_retained_one_mqtt_3_3_1_8(broker, version):
    """3.1.1's [MQTT-3.3.1-12]."""
    with kept(broker, b"kept", version) as topic:
        sender = broker.client(version)
        for payload in (b"passing", b""):
            sender.publish(topic, payload, 1)
        client = broker.client(version)
        client.subscribe(topic, qos=1)
        assert [message.payload for message in nothing_but(client)] == [b"kept"]
    other = fresh()
    sender.publish(other, b"passing", 1)
    client = broker.client(version)
    client.subscribe(other, qos=1)
    assert nothing_but(client) == []


@pytest.mark.parametrize("version", ALL)
def test_retain_flag_is_cleared_for_present_subscribers_mqtt_3_3_1_12(broker, version):
    """3.1.1's [MQTT-3.3.1-9]."""
    topic, client = fresh(), broker.client(version)
    client.subscribe(topic, qos=1)
    client.publish(topic, b"x", 1, retain=True)
    assert client.message().retain is False
    client.publish(topic, b"", 1, retain=True)


def test_retain_flag_of_the_retained_message_is_set_whatever_the_option_mqtt_3_3_1_13(broker):
    with kept(broker) as topic:
        for option in (0, AS_PUBLISHED):
            client = broker.client()
            client.subscribe(topic, options=option)
            assert client.message().retain is True


def test_retain_handling_0_sends_at_every_subscribe_mqtt_3_3_1_9(broker):
    with kept(broker) as topic:
        client = broker.client()
        for _ in range(3):
            client.subscribe(topic, options=HANDLING[0])
            assert client.message().payload == b"kept"


def test_retain_handling_1_sends_only_for_a_new_subscription_mqtt_3_3_1_10(broker):
    with kept(broker) as topic:
        client = broker.client()
        client.subscribe(topic, qos=1, options=HANDLING[1])
        assert client.message().payload == b"kept"
        client.subscribe(topic, qos=1, options=HANDLING[1])
        assert nothing_but(client) == []
        client.unsubscribe(topic)
        client.subscribe(topic, qos=1, options=HANDLING[1])
        assert client.message().payload == b"kept"


def test_retain_handling_1_knows_the_subscriptions_of_a_stored_session_mqtt_3_3_1_10(broker):
    with kept(broker) as topic:
        held = broker.session()
        held.subscribe(topic, qos=1, options=HANDLING[2])
        held.disconnect()
        again = broker.session(5, held.client_id)
        again.subscribe(topic, qos=1, options=HANDLING[1])
        assert nothing_but(again) == []


def test_retain_handling_2_sends_nothing_mqtt_3_3_1_11(broker):
    with kept(broker) as topic:
        client = broker.client()
        for _ in range(2):
            client.subscribe(topic, qos=1, options=HANDLING[2])
        assert nothing_but(client) == []


@pytest.mark.parametrize("version", BOTH)
def test_wildcard_gets_every_retained_message_that_it_matches_mqtt_3_3_1_9(broker, version):
    base = fresh()
    with contextlib.ExitStack() as stack:
        for name in ("a", "b", "a/c", "a/c/d", "e/c"):
            stack.enter_context(kept(broker, name.encode(), version, topic=f"{base}/{name}"))
        for one, names in (
            ("#", "a a/c a/c/d b e/c"),
            ("+", "a b"),
            ("+/c", "a/c e/c"),
            ("a/#", "a a/c a/c/d"),
            ("a/+/d", "a/c/d"),
            ("b", "b"),
        ):
            client = broker.client(version)
            client.subscribe(f"{base}/{one}", qos=1)
            got = sorted(message.payload.decode() for message in client.messages(len(names.split())))
            assert got == names.split()
            assert nothing_but(client) == []


@pytest.mark.parametrize("version", BOTH)
def test_wildcard_at_the_first_level_gets_no_retained_dollar_topic_mqtt_4_7_2_1(broker, version):
    base = fresh()
    with kept(broker, b"hidden", version, topic=f"$x/{base}"), kept(broker, b"plain", version, topic=f"x/{base}"):
        client = broker.client(version)
        client.subscribe(f"+/{base}", qos=1)
        assert [message.payload for message in nothing_but(client)] == [b"plain"]


def test_retained_message_keeps_its_properties_mqtt_3_3_2_17(broker):
    given = {"content_type": "t", "response_topic": "r", "correlation_data": b"c", "user_property": [("b", "1"), ("a", "2")]}
    with kept(broker, props=given) as topic:
        client = broker.client()
        client.subscribe(topic, props={"subscription_id": 4})
        assert client.message().props == {**given, "subscription_id": [4]}


@waits(5)
def test_retained_message_ends_with_its_expiry_mqtt_3_3_2_5(broker, version):
    """Also [MQTT-3.3.2-6]."""
    with kept(broker, props={"message_expiry": 1}) as short, kept(broker, props={"message_expiry": 100}) as long:
        client = broker.client()
        client.subscribe(short, qos=1)
        assert client.message().prop("message_expiry") == 1
        broker.seconds(2)
        client.subscribe(short, long, qos=1)
        (message,) = nothing_but(client)
        assert message.topic == long and 90 < message.prop("message_expiry") < 100


@pytest.mark.parametrize("version", BOTH)
def test_retained_messages_come_for_each_filter_of_a_packet_mqtt_3_8_4_5(broker, version):
    with kept(broker, b"one", version) as one, kept(broker, b"two", version) as two:
        client = broker.client(version)
        client.subscribe(one, two, qos=1)
        assert sorted(message.payload for message in client.messages(2)) == [b"one", b"two"]
