"""PINGREQ, DISCONNECT, AUTH and keep-alive: sections 3.12 to 3.15, 3.1.2.10, 4.12 and 4.13."""

import time

import pytest

from support import packets
from support.packets import Kind, Will
from support.raw import ALL, BOTH, Broker, Closed, fresh
from support.server import INSTANCE, Server
from support.together import waits


@pytest.mark.parametrize("version", ALL)
def test_pingreq_is_answered_mqtt_3_12_4_1(broker, version):
    client = broker.client(version)
    client.send(packets.PINGREQ * 10)
    for _ in range(10):
        client.expect(Kind.PINGRESP)


@waits(3, 4, 5)
def test_silent_client_is_closed_after_one_and_a_half_keep_alives_mqtt_3_1_2_22(broker, version):
    """3.1.1's [MQTT-3.1.2-24]."""
    client = broker.client(version, keep_alive=1)
    began = time.monotonic()
    code = client.ended()
    assert 1.3 <= time.monotonic() - began < 6
    assert code in ((0x8D, None) if version == 5 else (None,))


@waits(4, 5)
def test_silence_lets_the_will_go_mqtt_3_1_2_22(broker, version):
    topic, watcher = fresh(), broker.client(version)
    watcher.subscribe(topic)
    broker.client(version, keep_alive=1, will=Will(topic, b"lost")).ended()
    assert watcher.message().payload == b"lost"


@waits(4, 5)
def test_any_packet_keeps_the_connection_mqtt_3_1_2_22(broker, version):
    client, watcher, topic = broker.client(version, keep_alive=1), broker.client(version), fresh()
    began = time.monotonic()
    for say in (client.ping, lambda: client.publish(topic, b"x", 1), lambda: client.subscribe(topic), client.ping):
        watcher.quiet(0.9)
        say()
    assert time.monotonic() - began > 3


@waits(4, 5)
def test_keep_alive_0_never_closes_mqtt_3_1_2_22(broker, version):
    client = broker.client(version, keep_alive=0)
    client.quiet(3)
    client.ping()


def test_keep_alive_is_the_clients_unless_connack_says_otherwise_mqtt_3_2_2_22(sluice):
    for keep_alive in (0, 1, 60, 65535):
        assert sluice.client(5, keep_alive=keep_alive).connack.prop("server_keep_alive") is None


@pytest.mark.parametrize("flags", [1, 2, 4, 8])
@pytest.mark.parametrize("version", BOTH)
def test_flags_of_disconnect_close_the_connection_mqtt_3_14_1_1(broker, version, flags):
    client = broker.client(version)
    client.send(packets.disconnect(version, first=0xE0 | flags))
    assert client.ended() == (0x81 if version == 5 else None)


@pytest.mark.parametrize("version", ALL)
def test_server_lets_go_after_disconnect_mqtt_3_14_4_2(broker, version):
    client = broker.client(version)
    client.disconnect()


@pytest.mark.parametrize("version", ALL)
def test_disconnect_discards_the_will_mqtt_3_14_4_3(broker, version):
    topic, watcher = fresh(), broker.client(version)
    watcher.subscribe(topic)
    broker.client(version, will=Will(topic, b"no")).disconnect()
    watcher.publish(topic, b"end")
    assert watcher.message().payload == b"end"


def test_disconnect_0x04_lets_the_will_go_mqtt_3_1_2_10(broker):
    topic, watcher = fresh(), broker.client()
    watcher.subscribe(topic)
    broker.client(5, will=Will(topic, b"asked for")).disconnect(0x04)
    assert watcher.message().payload == b"asked for"


@pytest.mark.parametrize("version", BOTH)
def test_nothing_after_disconnect_is_processed_mqtt_3_14_4_1(broker, version):
    topic, watcher = fresh(), broker.client(version)
    watcher.subscribe(topic)
    client = broker.client(version)
    client.send(packets.publish(version, topic, b"before"), packets.disconnect(version), packets.publish(version, topic, b"after"))
    client.ended()
    assert watcher.message().payload == b"before"
    watcher.publish(topic, b"end")
    assert watcher.message().payload == b"end"


@pytest.mark.parametrize("code", [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99])
def test_reason_codes_of_a_client_are_taken_mqtt_3_14_2_1(broker, code):
    client = broker.client(5)
    client.send(packets.disconnect(5, code, {"reason_string": "because", "user_property": [("a", "b")]}))
    assert client.ended() is None


@pytest.mark.parametrize("code", [0x01, 0x05, 0x18, 0x92, 0xFF])
def test_reason_code_that_disconnect_does_not_have_is_an_error_mqtt_3_14_2_1(broker, code):
    """The will shows that the DISCONNECT did not count."""
    topic, watcher = fresh(), broker.client()
    watcher.subscribe(topic)
    client = broker.client(5, will=Will(topic, b"lost"))
    client.send(packets.disconnect(5, code))
    assert client.ended() in (0x81, 0x82, None)
    assert watcher.message().payload == b"lost"


@pytest.mark.parametrize("version", BOTH)
def test_error_closes_with_its_code_after_connack_mqtt_4_13_1_1(broker, version):
    """3.1.1's [MQTT-4.8.0-1]: nothing but the close tells it. Also [MQTT-4.13.2-1] and 5.0's [MQTT-3.14.4-1] for the server."""
    client = broker.client(version)
    client.send(packets.packet(0x00))
    assert client.ended() == (0x81 if version == 5 else None)


def test_enhanced_authentication_is_refused_mqtt_4_12_0_1(broker):
    for props in ({"auth_method": "SCRAM-SHA-1"}, {"auth_method": "x", "auth_data": b"\0\1"}, {"auth_method": ""}):
        assert broker.refusal(5, props=props) == 0x8C


def test_authentication_data_without_a_method_is_refused_mqtt_4_13_1_1(broker):
    assert broker.refusal(5, props={"auth_data": b"x"}) in (0x82, 0x81, None)


def test_no_authentication_method_comes_unasked_mqtt_4_12_0_6(broker):
    client = broker.client(5)
    assert client.connack.prop("auth_method") is None
    assert client.connack.prop("auth_data") is None


def test_auth_without_a_method_in_connect_closes_the_connection_mqtt_4_12_0_7(broker):
    """Also [MQTT-4.12.1-1]: what was never authenticated so cannot be again."""
    for code in (0x18, 0x19):
        client = broker.client(5)
        client.send(packets.auth(code, {"auth_method": "x"}))
        assert client.ended() in (0x81, 0x82)


@pytest.mark.parametrize("flags", [1, 2, 4, 8])
def test_flags_of_auth_close_the_connection_mqtt_3_15_1_1(broker, flags):
    client = broker.client(5)
    client.send(packets.auth(0x18, {"auth_method": "x"}, first=0xF0 | flags))
    assert client.ended() in (0x81, 0x82)


@pytest.mark.parametrize("version", (3, 4))
def test_auth_does_not_exist_before_5_mqtt_2_2_2_2(broker, version):
    client = broker.client(version)
    client.send(packets.auth())
    assert client.ended() is None


@pytest.mark.parametrize("version", ALL)
def test_errors_of_a_server_name_no_session_expiry_and_come_last_mqtt_3_14_2_2(broker, version):
    """The reader refuses a DISCONNECT of a server with a Session Expiry Interval, and any packet after it."""
    client = broker.client(version)
    client.send(packets.connect(version, client.client_id), packets.PINGREQ, packets.PINGREQ)
    try:
        while client.read().kind != Kind.DISCONNECT:
            pass
    except Closed:
        return
    assert client.ended() is None


def test_clients_are_told_when_the_server_ends_mqtt_3_14_4_2(sluice, tmp_path):
    flags = ["--open-mqtt", "127.0.0.1:0", "--open-instance", INSTANCE, "--open-user", "open"]
    running = Server(tmp_path / "data", *flags)
    running.api("ram", "CreateUser", UserName="open")
    running.api("ram", "AttachPolicyToUser", PolicyType="System", PolicyName="AliyunMQFullAccess", UserName="open")
    host, port = running.addresses["open-mqtt"].rsplit(":", 1)
    own = Broker(host, int(port), running)
    clients = [own.client(version) for version in ALL]
    assert running.stop() == 0, running.log()
    assert [client.ended() for client in clients] == [None, None, 0x8B]
