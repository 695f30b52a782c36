"""The will: sections 3.1.2.5 to 3.1.2.7 and 3.1.3.2 to 3.1.3.4."""

import pytest

from support import packets
from support.packets import Will
from support.raw import ALL, BOTH, DENIED, fresh
from support.together import waits


def watch(broker, version=5, qos=2, **options):
    topic, watcher = fresh("w"), broker.client(version)
    watcher.subscribe(topic, qos=qos, **options)
    return watcher, topic


@pytest.mark.parametrize("version", ALL)
def test_will_is_published_when_the_connection_is_lost_mqtt_3_1_2_8(broker, version):
    """5.0's [MQTT-3.1.2-7] and -9: it was stored with CONNECT."""
    watcher, topic = watch(broker, version)
    broker.client(version, will=Will(topic, b"gone")).cut()
    assert watcher.message().payload == b"gone"


@pytest.mark.parametrize("version", BOTH)
def test_will_is_published_when_the_client_breaks_the_protocol_mqtt_3_1_2_8(broker, version):
    watcher, topic = watch(broker, version)
    client = broker.client(version, will=Will(topic, b"broke"))
    client.send(packets.packet(0x00))
    client.ended()
    assert watcher.message().payload == b"broke"


@pytest.mark.parametrize("version", BOTH)
def test_will_is_published_on_takeover_mqtt_3_1_2_8(broker, version):
    watcher, topic = watch(broker, version)
    first = broker.client(version, will=Will(topic, b"taken over"))
    broker.client(version, first.client_id)
    assert watcher.message().payload == b"taken over"


@pytest.mark.parametrize("version", BOTH)
def test_will_is_published_once_mqtt_3_1_2_10(broker, version):
    watcher, topic = watch(broker, version)
    held = broker.session(version, will=Will(topic, b"once", 1))
    held.cut()
    assert watcher.message().payload == b"once"
    again = broker.session(version, held.client_id)
    again.cut()
    watcher.publish(topic, b"end", 1)
    assert watcher.message().payload == b"end"


@pytest.mark.parametrize("version", BOTH)
def test_no_will_is_published_for_a_client_without_one_mqtt_3_1_2_12(broker, version):
    """A will of an earlier connection of the session does not come back."""
    watcher, topic = watch(broker, version)
    held = broker.session(version, will=Will(topic, b"no"))
    held.disconnect()
    broker.session(version, held.client_id).cut()
    watcher.publish(topic, b"end")
    assert watcher.message().payload == b"end"


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", ALL)
def test_will_has_the_qos_that_was_asked_mqtt_3_1_2_12(broker, version, qos):
    """3.1.1's [MQTT-3.1.2-14]."""
    watcher, topic = watch(broker, version)
    broker.client(version, will=Will(topic, b"x", qos)).cut()
    assert watcher.message().qos == qos


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("version", ALL)
def test_will_is_retained_when_asked_and_only_then_mqtt_3_1_2_15(broker, version, retain):
    """Also [MQTT-3.1.2-14]; 3.1.1's [MQTT-3.1.2-16] and -17."""
    watcher, topic = watch(broker, version)
    broker.client(version, will=Will(topic, b"x", 1, retain)).cut()
    message = watcher.message()
    assert message.retain is False
    late = broker.client(version)
    late.subscribe(topic, qos=1)
    late.publish(topic, b"end", 1)
    first = late.message()
    assert (first.payload, first.retain) == ((b"x", True) if retain else (b"end", False))
    late.publish(topic, b"", 1, retain=True)


@pytest.mark.parametrize("version", BOTH)
def test_will_may_be_empty_mqtt_3_1_2_9(broker, version):
    watcher, topic = watch(broker, version)
    broker.client(version, will=Will(topic, b"")).cut()
    assert watcher.message().payload == b""


def test_will_has_its_properties_in_order_mqtt_3_1_3_10(broker):
    given = {
        "payload_format": 1, "content_type": "text/plain", "response_topic": "answers", "correlation_data": b"\0\1",
        "user_property": [("b", "1"), ("a", "2"), ("b", "1")],
    }  # fmt: skip
    watcher, topic = watch(broker)
    broker.client(5, will=Will(topic, b"x", properties={**given, "message_expiry": 100})).cut()
    props = watcher.message().props
    assert 95 <= props.pop("message_expiry") <= 100
    assert props == given


@pytest.mark.parametrize(
    "props", [{"topic_alias": 1}, {"subscription_id": 1}, {"session_expiry": 1}, {"will_delay": [1, 1]}, {"payload_format": 2}]
)
def test_property_that_a_will_may_not_have_is_refused_mqtt_3_1_4_1(broker, props):
    assert broker.refusal(5, will=Will(fresh(), b"x", properties=props)) in (0x81, 0x82, None)


@pytest.mark.parametrize("version", BOTH)
def test_will_topic_with_a_wildcard_is_refused_mqtt_3_3_2_2(broker, version):
    code = broker.refusal(version, will=Will("a/#"))
    assert code in ((0x81, 0x82, 0x90, None) if version == 5 else (None,))


def test_will_qos_1_for_a_stored_session_waits_mqtt_4_5_0_1(broker):
    topic, held = fresh(), broker.session()
    held.subscribe(topic, qos=1)
    held.disconnect()
    broker.client(5, will=Will(topic, b"x", 1)).cut()
    assert broker.session(5, held.client_id).message().payload == b"x"


@waits(5)
def test_will_waits_for_its_delay_mqtt_3_1_2_8(broker, version):
    watcher, topic = watch(broker)
    broker.session(5, will=Will(topic, b"late", properties={"will_delay": 2})).cut()
    watcher.quiet(1)
    assert watcher.message().payload == b"late"


@waits(5)
def test_will_is_not_sent_when_the_client_is_back_in_time_mqtt_3_1_3_9(broker, version):
    watcher, topic = watch(broker)
    held = broker.session(5, will=Will(topic, b"no", properties={"will_delay": 1}))
    held.cut()
    again = broker.session(5, held.client_id)
    assert again.connack.session_present
    watcher.quiet(2.3)
    again.ping()


@waits(5)
def test_will_is_not_sent_when_the_session_is_taken_over_in_time_mqtt_3_1_3_9(broker, version):
    watcher, topic = watch(broker)
    held = broker.session(5, will=Will(topic, b"no", properties={"will_delay": 1}))
    broker.session(5, held.client_id)
    watcher.quiet(2.3)


@waits(5)
def test_will_goes_when_the_session_ends_before_its_delay_mqtt_3_1_2_8(broker, version):
    watcher, topic = watch(broker)
    broker.session(5, expiry_s=1, will=Will(topic, b"session over", properties={"will_delay": 60})).cut()
    assert watcher.message().payload == b"session over"


def test_will_goes_at_once_when_the_session_ends_with_the_connection_mqtt_3_1_2_8(broker):
    watcher, topic = watch(broker)
    broker.client(5, will=Will(topic, b"at once", properties={"will_delay": 60})).cut()
    assert watcher.message().payload == b"at once"


def test_will_goes_when_a_clean_start_ends_the_session_mqtt_3_1_2_8(broker):
    watcher, topic = watch(broker)
    held = broker.session(5, will=Will(topic, b"session over", properties={"will_delay": 60}))
    held.cut()
    broker.client(5, held.client_id, clean=True)
    assert watcher.message().payload == b"session over"


@waits(5)
def test_disconnect_0x04_keeps_the_delay_mqtt_3_1_2_8(broker, version):
    watcher, topic = watch(broker)
    broker.session(5, will=Will(topic, b"late", properties={"will_delay": 1})).disconnect(0x04)
    watcher.quiet(0.5)
    assert watcher.message().payload == b"late"


@waits(5)
def test_will_removed_by_disconnect_does_not_come_after_its_delay_mqtt_3_14_4_3(broker, version):
    watcher, topic = watch(broker)
    broker.session(5, will=Will(topic, b"no", properties={"will_delay": 1})).disconnect()
    watcher.quiet(2.3)


def test_will_reaches_its_own_session_unless_no_local_mqtt_3_8_3_3(broker):
    topic, held = fresh(), broker.session(will=Will("unused"))
    held.disconnect()
    held = broker.session(5, held.client_id, will=Will(topic, b"x", 1))
    held.subscribe(topic, qos=1, options=0x04)
    held.cut()
    again = broker.session(5, held.client_id)
    broker.client().publish(topic, b"end", 1)
    assert again.message().payload == b"end"


@waits(5)
def test_will_that_waits_for_a_session_ends_with_its_expiry_mqtt_3_3_2_5(broker, version):
    topic, held = fresh(), broker.session()
    held.subscribe(topic, qos=1)
    held.disconnect()
    for expiry in (1, 100):
        broker.client(5, will=Will(topic, f"{expiry}", 1, properties={"message_expiry": expiry})).cut()
    broker.seconds(2)
    assert broker.session(5, held.client_id).message().payload == b"100"


@pytest.mark.parametrize("version", ALL)
def test_will_that_its_client_may_not_publish_refuses_the_connection_mqtt_3_1_4_2(sluice, version):
    assert sluice.refusal(version, will=Will(f"{DENIED}/w")) == (0x87 if version == 5 else 5)


@pytest.mark.parametrize("version", BOTH)
def test_refused_connect_leaves_no_will_mqtt_3_1_2_7(sluice, version):
    watcher, topic = watch(sluice, version)
    assert sluice.refusal(version, "a@@@b", will=Will(topic, b"no")) == (0x85 if version == 5 else 2)
    watcher.publish(topic, b"end")
    assert watcher.message().payload == b"end"
