"""Stored sessions: sections 3.1.2.4, 3.1.2.11.2 and 4.1."""

import pytest

from support import packets
from support.packets import Kind, Will
from support.raw import ALL, BOTH, V3, fresh
from support.together import waits


@pytest.mark.parametrize("version", BOTH)
def test_session_is_resumed_with_its_subscriptions_mqtt_3_1_2_5(broker, version):
    """3.1.1's [MQTT-3.1.2-4]; also [MQTT-3.1.2-23] and 3.1.1's [MQTT-4.1.0-1]."""
    topic, held = fresh(), broker.session(version)
    held.subscribe(topic, qos=1)
    held.disconnect()
    again = broker.session(version, held.client_id)
    assert again.connack.session_present
    again.publish(topic, b"x", 1)
    assert again.message().payload == b"x"


@pytest.mark.parametrize("version", BOTH)
def test_session_outlives_a_lost_connection_mqtt_3_1_2_23(broker, version):
    held = broker.session(version)
    held.cut()
    assert broker.session(version, held.client_id).connack.session_present


@pytest.mark.parametrize("version", BOTH)
def test_new_session_is_made_where_there_is_none_mqtt_3_1_2_6(broker, version):
    first = broker.session(version)
    assert not first.connack.session_present
    first.ping()


@pytest.mark.parametrize("version", ALL)
def test_clean_start_discards_the_session_mqtt_3_1_2_4(broker, version):
    """3.1.1's [MQTT-3.1.2-6]: neither subscriptions nor messages in flight or waiting are left."""
    topic, held, sender = fresh(), broker.session(version), broker.client(version)
    held.subscribe(topic, qos=1)
    sender.publish(topic, b"in flight", 1)
    held.message(answer=False)
    held.cut()
    sender.publish(topic, b"waiting", 1)
    clean = broker.client(version, held.client_id)
    assert not clean.connack.session_present
    sender.publish(topic, b"gone", 1)
    other = fresh()
    clean.subscribe(other)
    clean.publish(other, b"end")
    assert clean.message().payload == b"end"


@pytest.mark.parametrize("version", V3)
def test_clean_session_leaves_nothing_behind_mqtt_3_1_2_6(broker, version):
    topic, first = fresh(), broker.client(version)
    first.subscribe(topic, qos=1)
    first.disconnect()
    broker.client(version).publish(topic, b"lost", 1)
    again = broker.session(version, first.client_id)
    assert not again.connack.session_present
    again.subscribe(topic, qos=1)
    again.publish(topic, b"end", 1)
    assert again.message().payload == b"end"


def test_clean_start_makes_a_session_that_lasts_as_long_as_asked_mqtt_3_1_2_4(broker):
    first = broker.session(5, clean=True)
    first.disconnect()
    assert broker.session(5, first.client_id).connack.session_present


def test_session_without_an_expiry_ends_with_its_connection_mqtt_4_1_0_2(broker):
    for props in ({}, {"session_expiry": 0}):
        first = broker.client(5, clean=False, props=props)
        first.disconnect()
        assert not broker.session(5, first.client_id).connack.session_present


@waits(5)
def test_session_ends_when_its_expiry_has_passed_mqtt_4_1_0_2(broker, version):
    first = broker.session(5, expiry_s=1)
    first.disconnect()
    broker.seconds(2)
    assert not broker.session(5, first.client_id).connack.session_present


@waits(5)
def test_session_lives_as_long_as_its_connection_mqtt_4_1_0_1(broker, version):
    topic, first = fresh(), broker.session(5, expiry_s=1)
    first.subscribe(topic, qos=1)
    broker.seconds(2)
    first.publish(topic, b"x", 1)
    assert first.message().payload == b"x"
    first.disconnect()
    assert broker.session(5, first.client_id).connack.session_present


@waits(5)
def test_session_that_is_resumed_in_time_starts_its_expiry_again_mqtt_4_1_0_2(broker, version):
    first = broker.session(5, expiry_s=2)
    first.disconnect()
    again = broker.session(5, first.client_id, expiry_s=300)
    assert again.connack.session_present
    again.disconnect()
    broker.seconds(2)
    assert broker.session(5, first.client_id).connack.session_present


@waits(5)
def test_disconnect_may_shorten_the_expiry_mqtt_4_1_0_2(broker, version):
    first = broker.session(5, expiry_s=300)
    first.disconnect(0, {"session_expiry": 1})
    broker.seconds(2)
    assert not broker.session(5, first.client_id).connack.session_present


def test_disconnect_with_expiry_0_ends_the_session_mqtt_4_1_0_2(broker):
    first = broker.session(5)
    first.disconnect(0, {"session_expiry": 0})
    assert not broker.session(5, first.client_id).connack.session_present


def test_disconnect_may_lengthen_the_expiry_mqtt_3_1_2_23(broker):
    first = broker.session(5, expiry_s=1)
    first.disconnect(0, {"session_expiry": 300})
    assert broker.session(5, first.client_id).connack.session_present


def test_disconnect_may_not_give_an_expiry_to_a_session_without_one_mqtt_4_13_1_1(broker):
    first = broker.client(5, props={"session_expiry": 0})
    first.send(packets.disconnect(5, 0, {"session_expiry": 5}))
    assert first.ended() in (0x82, None)
    assert not broker.session(5, first.client_id).connack.session_present


def test_session_without_end_is_kept_mqtt_3_1_2_23(broker):
    first = broker.session(5, expiry_s=0xFFFFFFFF)
    first.disconnect()
    assert broker.session(5, first.client_id).connack.session_present


@pytest.mark.parametrize("version", BOTH)
def test_takeover_resumes_the_session_mqtt_3_1_4_3(broker, version):
    topic, first, sender = fresh(), broker.session(version), broker.client(version)
    first.subscribe(topic, qos=1)
    sender.publish(topic, b"open", 1)
    first.message(answer=False)
    second = broker.session(version, first.client_id)
    assert first.ended() == (0x8E if version == 5 else None)
    assert second.connack.session_present
    message = second.message()
    assert (message.payload, message.dup) == (b"open", True)


@pytest.mark.parametrize("version", BOTH)
def test_takeover_with_clean_start_begins_anew_mqtt_3_1_4_4(broker, version):
    topic, first, sender = fresh(), broker.session(version), broker.client(version)
    first.subscribe(topic, qos=1)
    second = broker.client(version, first.client_id, clean=True)
    assert not second.connack.session_present
    first.ended()
    sender.publish(topic, b"lost", 1)
    second.subscribe(topic, qos=1)
    sender.publish(topic, b"end", 1)
    assert second.message().payload == b"end"


def test_session_goes_from_one_version_to_another_mqtt_3_1_3_2(broker):
    topic, first = fresh(), broker.session(4)
    first.subscribe(topic, qos=1)
    first.disconnect()
    broker.client(5).publish(topic, b"x", 1)
    again = broker.session(5, first.client_id)
    assert again.connack.session_present and again.message().payload == b"x"


@pytest.mark.parametrize("version", ALL)
def test_sessions_of_two_client_ids_are_apart_mqtt_3_1_3_2(broker, version):
    topic, one, other = fresh(), broker.session(version), broker.session(version)
    one.subscribe(topic, qos=1)
    one.disconnect()
    other.disconnect()
    broker.client(version).publish(topic, b"x", 1)
    end, again = fresh(), broker.session(version, other.client_id)
    again.subscribe(end)
    again.publish(end, b"end")
    assert again.message().payload == b"end"
    assert broker.session(version, one.client_id).message().payload == b"x"


@pytest.mark.parametrize("version", BOTH)
def test_client_ids_differ_by_case_mqtt_3_1_3_2(broker, version):
    name = fresh("case")
    one, other = broker.client(version, name.lower()), broker.client(version, name.upper())
    one.ping()
    other.ping()


@pytest.mark.parametrize("version", ALL)
def test_retained_message_outlives_its_publishers_session_mqtt_3_1_2_7(broker, version):
    topic, first = fresh(), broker.client(version)
    first.publish(topic, b"kept", 1, retain=True)
    first.disconnect()
    watcher = broker.client(version)
    watcher.subscribe(topic)
    assert watcher.message().payload == b"kept"
    watcher.publish(topic, b"", 1, retain=True)


@pytest.mark.parametrize("version", BOTH)
def test_subscription_made_while_away_is_none_mqtt_3_1_2_5(broker, version):
    """What was unsubscribed before leaving stays so, and what was subscribed keeps its QoS."""
    one, other, held = fresh(), fresh(), broker.session(version)
    held.subscribe(one, qos=2)
    held.subscribe(other, qos=1)
    held.unsubscribe(other)
    held.disconnect()
    sender = broker.client(version)
    sender.publish(other, b"no", 1)
    sender.publish(one, b"yes", 2)
    message = broker.session(version, held.client_id).message()
    assert (message.payload, message.qos) == (b"yes", 2)


def test_subscription_options_and_identifiers_are_part_of_the_session_mqtt_3_1_2_5(broker):
    topic, held = fresh(), broker.session()
    held.subscribe(topic, qos=1, options=0x04 | 0x08, props={"subscription_id": 42})
    held.disconnect()
    broker.client().publish(topic, b"x", 1, retain=True)
    again = broker.session(5, held.client_id)
    message = again.message()
    assert (message.prop("subscription_id"), message.retain) == ([42], True)
    again.publish(topic, b"own", 1)
    again.unsubscribe(topic)
    again.ping()
    assert again.holds_nothing()
    again.publish(topic, b"", 1, retain=True)


def test_will_of_a_resumed_connection_replaces_the_old_one_mqtt_3_1_2_7(broker):
    topic, watcher = fresh(), broker.client()
    watcher.subscribe(topic)
    first = broker.session(5, will=Will(topic, b"first", properties={"will_delay": 30}))
    first.cut()
    second = broker.session(5, first.client_id, will=Will(topic, b"second"))
    second.cut()
    assert watcher.message().payload == b"second"


@pytest.mark.parametrize("version", BOTH)
def test_session_may_be_stored_and_discarded_in_turn_mqtt_3_1_2_4(broker, version):
    topic, name, sender = fresh(), fresh("c"), broker.client(version)
    for turn in range(3):
        clean = broker.client(version, name, clean=True)
        assert not clean.connack.session_present
        clean.disconnect()
        held = broker.session(version, name)
        assert not held.connack.session_present
        held.subscribe(topic, qos=1)
        held.disconnect()
        sender.publish(topic, f"{turn}", 1)
        again = broker.session(version, name)
        assert again.connack.session_present and again.message().payload == f"{turn}".encode()
        again.disconnect()


@pytest.mark.parametrize("version", BOTH)
def test_packet_id_of_a_discarded_session_is_a_new_message_mqtt_3_1_2_4(broker, version):
    topic, watcher, sender = fresh(), broker.client(version), broker.session(version)
    watcher.subscribe(topic, qos=2)
    sender.send(packets.publish(version, topic, b"one", 2, 5))
    sender.expect(Kind.PUBREC)
    sender.cut()
    again = broker.client(version, sender.client_id, clean=True)
    again.publish(topic, b"two", 2, packet_id=5)
    # Whether the first one was routed before its PUBREL is the server's choice.
    first = watcher.message().payload
    assert first == b"two" or (first == b"one" and watcher.message().payload == b"two")


@pytest.mark.parametrize("version", BOTH)
def test_no_message_is_lost_while_connections_take_over_mqtt_3_1_4_3(broker, version):
    """What comes twice says so; what comes first comes in order."""
    topic, sender, held = fresh(), broker.client(version), broker.session(version)
    held.subscribe(topic, qos=1)
    seen = []
    for number in range(60):
        sender.publish(topic, f"{number}", 1)
        if number % 10 == 9:
            for message in held.messages(5):
                seen += [] if message.dup and int(message.payload) in seen else [int(message.payload)]
            held = broker.session(version, held.client_id)
            assert held.connack.session_present
    while len(seen) < 60:
        message = held.message()
        assert message.dup or int(message.payload) not in seen
        seen += [] if int(message.payload) in seen else [int(message.payload)]
    assert seen == list(range(60))
