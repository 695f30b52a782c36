"""CONNACK: sections 3.2 of both standards."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import ALL, BOTH, Closed, fresh


@pytest.mark.parametrize("version", ALL)
def test_connack_is_the_first_packet_and_comes_once_mqtt_3_2_0_2(broker, version):
    topic, sender = fresh(), broker.client(version)
    held = broker.session(version)
    held.subscribe(topic, qos=1)
    held.disconnect()
    sender.publish(topic, b"waiting", 1)
    again = broker.raw(version)
    again.send(packets.connect(version, held.client_id, clean=False, props={"session_expiry": 300}))
    assert again.read().kind == Kind.CONNACK
    assert again.message().payload == b"waiting"
    again.ping()
    again.publish(fresh(), b"x", 2)
    again.disconnect()


@pytest.mark.parametrize("version", BOTH)
def test_clean_start_says_that_no_session_is_present_mqtt_3_2_2_2(broker, version):
    held = broker.session(version)
    held.disconnect()
    again = broker.client(version, held.client_id, clean=True)
    assert not again.connack.session_present and again.connack.code == 0


@pytest.mark.parametrize("version", BOTH)
def test_session_present_says_whether_there_is_a_session_mqtt_3_2_2_3(broker, version):
    first = broker.session(version)
    assert not first.connack.session_present
    first.disconnect()
    assert broker.session(version, first.client_id).connack.session_present


def test_session_present_is_never_set_in_3_1(broker):
    first = broker.session(3)
    first.disconnect()
    assert not broker.session(3, first.client_id).connack.session_present


def test_refusal_has_no_session_present_and_closes_mqtt_3_2_2_6(broker):
    held = broker.session(5)
    held.disconnect()
    client = broker.raw(5)
    refused = client.connect(held.client_id, clean=False, props={"auth_method": "none-such"})
    assert refused.code >= 0x80 and not refused.session_present
    assert client.ended() is None
    assert broker.session(5, held.client_id).connack.session_present


def test_refusal_has_no_session_present_and_closes_in_3_1_1_mqtt_3_2_2_4(broker):
    client = broker.raw(4)
    refused = client.connect("", clean=False)
    assert refused.code == 2 and not refused.session_present
    assert client.ended() is None


def test_connack_within_the_maximum_packet_size_of_the_client_mqtt_3_2_2_19(broker):
    for most in (2, 5, 8, 20, 40):
        client = broker.raw(5)
        client.send(packets.connect(5, "", props={"maximum_packet_size": most, "user_property": [("a", "b")]}))
        try:
            assert client.read().size_bytes <= most
        except Closed:
            continue
    for most in (5, 8, 20):
        client = broker.raw(5)
        client.send(packets.connect(5, fresh(), props={"maximum_packet_size": most, "auth_method": "none-such"}))
        try:
            assert client.read().size_bytes <= most
        except Closed:
            continue


def test_connack_says_what_is_served_mqtt_3_2_2_9(sluice):
    said = sluice.client(5).connack
    assert said.prop("receive_maximum") == 100
    assert said.prop("topic_alias_maximum") == 30
    assert said.prop("maximum_packet_size") == 1 << 20
    # Whatever is absent is served whole.
    names = ("maximum_qos", "retain_available", "wildcard_available", "subscription_ids_available", "shared_available")
    assert [said.prop(name) for name in names if said.prop(name) != 1] == [None] * len([n for n in names if said.prop(n) != 1])
    assert said.prop("auth_method") is None


def test_session_expiry_is_as_asked_mqtt_3_2_2_3(broker):
    for asked in (0, 1, 300, 0xFFFFFFFF):
        connack = broker.client(5, props={"session_expiry": asked}).connack
        assert connack.prop("session_expiry") in (None, asked)


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", ALL)
def test_every_qos_is_granted_as_asked_mqtt_3_2_2_10(broker, version, qos):
    client = broker.client(version)
    assert client.subscribe(fresh(), qos=qos).codes == [qos]
