"""Topic aliases both ways: sections 3.1.2.11.5, 3.2.2.3.8 and 3.3.2.3.4."""

import pytest

from support import packets
from support.raw import fresh


def test_every_alias_up_to_the_servers_maximum_is_taken_mqtt_3_3_2_12(broker):
    base, client = fresh(), broker.client()
    most = client.connack.prop("topic_alias_maximum")
    assert most
    client.subscribe(f"{base}/#")
    for alias in range(1, most + 1):
        client.publish(f"{base}/{alias}", b"named", props={"topic_alias": alias})
        client.publish("", b"alias", props={"topic_alias": alias})
        assert [m.topic for m in client.messages(2)] == [f"{base}/{alias}"] * 2


def test_alias_is_not_passed_on_mqtt_3_1_2_27(broker):
    topic, client = fresh(), broker.client()
    client.subscribe(topic)
    client.publish(topic, b"x", props={"topic_alias": 1})
    assert client.message().prop("topic_alias") is None


def test_alias_may_be_given_to_another_topic_mqtt_3_3_2_12(broker):
    one, other, client = fresh(), fresh(), broker.client()
    client.subscribe(one, other)
    for topic in (one, other):
        client.publish(topic, b"x", props={"topic_alias": 1})
        client.publish("", b"x", props={"topic_alias": 1})
        assert [m.topic for m in client.messages(2)] == [topic] * 2


def test_aliases_work_at_qos_1_and_2_mqtt_3_3_2_12(broker):
    topic, client = fresh(), broker.client()
    client.subscribe(topic, qos=2)
    for qos in (1, 2):
        client.publish(topic, b"x", qos, props={"topic_alias": 2})
        client.publish("", b"y", qos, props={"topic_alias": 2})
        assert [m.topic for m in client.messages(2)] == [topic] * 2


def test_alias_0_closes_the_connection_mqtt_3_3_2_8(broker):
    client = broker.client()
    client.send(packets.publish(5, fresh(), b"x", props={"topic_alias": 0}))
    assert client.ended() in (0x94, 0x82, 0x81)


def test_alias_over_the_servers_maximum_closes_the_connection_mqtt_3_3_2_9(broker):
    """Also [MQTT-3.2.2-17]."""
    client = broker.client()
    client.send(packets.publish(5, fresh(), b"x", props={"topic_alias": client.connack.prop("topic_alias_maximum") + 1}))
    assert client.ended() == 0x94


def test_alias_that_was_never_given_closes_the_connection_mqtt_4_13_1_1(broker):
    client = broker.client()
    client.send(packets.publish(5, "", b"x", props={"topic_alias": 3}))
    assert client.ended() in (0x82, 0x94)


def test_aliases_end_with_the_connection_mqtt_3_3_2_7(broker):
    topic, held = fresh(), broker.session()
    held.publish(topic, b"x", props={"topic_alias": 1})
    held.ping()
    held.cut()
    again = broker.session(5, held.client_id)
    again.send(packets.publish(5, "", b"x", props={"topic_alias": 1}))
    assert again.ended() in (0x82, 0x94)


def test_aliases_of_two_connections_are_apart_mqtt_3_3_2_7(broker):
    one, other, watcher, topic = broker.client(), broker.client(), broker.client(), fresh()
    watcher.subscribe(f"{topic}/#")
    for number, client in enumerate((one, other)):
        client.publish(f"{topic}/{number}", b"x", props={"topic_alias": 1})
        watcher.message()
    one.publish("", b"y", props={"topic_alias": 1})
    assert watcher.message().topic == f"{topic}/0"


@pytest.mark.parametrize("offered", [None, 0])
def test_server_uses_no_alias_that_was_not_offered_mqtt_3_1_2_27(broker, offered):
    topic, client = fresh(), broker.client(5, props={} if offered is None else {"topic_alias_maximum": offered})
    client.subscribe(topic)
    for _ in range(5):
        client.publish(topic, b"x")
        assert client.message().prop("topic_alias") is None


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_server_keeps_within_the_aliases_that_were_offered_mqtt_3_1_2_26(broker, qos):
    """Also [MQTT-3.3.2-11]. The reader resolves each alias and refuses one that is over the maximum or was never given."""
    base, client, sender = fresh(), broker.client(5, props={"topic_alias_maximum": 3}), broker.client()
    client.subscribe(f"{base}/#", qos=qos)
    names = [f"{base}/{number * number % 7}" for number in range(60)]
    for name in names:
        sender.publish(name, name, qos)
    for name in names:
        message = client.message()
        assert (message.topic, message.payload.decode()) == (name, name)


def test_offered_aliases_are_used(sluice):
    """The second message of a long topic is shorter by that topic."""
    topic = fresh() + "/long" * 40
    client, sender = sluice.client(5, props={"topic_alias_maximum": 1}), sluice.client()
    client.subscribe(topic)
    for _ in range(5):
        sender.publish(topic, b"x")
    sizes = [message.size_bytes for message in client.messages(5)]
    assert min(sizes) < 40 < max(sizes)


def test_aliases_of_the_server_end_with_the_connection_mqtt_3_3_2_7(broker):
    """A message that comes again on a new connection has its topic: the reader of that connection knows no alias."""
    topic, props = fresh(), {"topic_alias_maximum": 2}
    held, sender = broker.session(props=props), broker.client()
    held.subscribe(topic, qos=1)
    for number in range(3):
        sender.publish(topic, f"{number}", 1)
    held.messages(3, answer=False)
    held.cut()
    again = broker.session(5, held.client_id, props=props)
    assert [(m.topic, m.payload, m.dup) for m in again.messages(3)] == [(topic, f"{n}".encode(), True) for n in range(3)]


def test_message_by_alias_is_kept_with_its_topic_mqtt_3_3_2_12(broker):
    """For a session that is away, and as a retained message."""
    topic, held, sender = fresh(), broker.session(), broker.client()
    held.subscribe(topic, qos=1)
    held.disconnect()
    sender.publish(topic, b"one", 1, props={"topic_alias": 1})
    sender.publish("", b"two", 1, retain=True, props={"topic_alias": 1})
    assert [(m.topic, m.payload) for m in broker.session(5, held.client_id).messages(2)] == [(topic, b"one"), (topic, b"two")]
    late = broker.client()
    late.subscribe(topic)
    message = late.message()
    assert (message.topic, message.payload, message.prop("topic_alias")) == (topic, b"two", None)
    sender.publish(topic, b"", 1, retain=True)
