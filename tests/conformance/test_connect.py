"""CONNECT: sections 3.1 of both standards."""

import pytest

from support import packets
from support.packets import Kind, Will
from support.raw import ALL, BOTH, DENIED, Closed, fresh

FIRST = {
    "publish": lambda v: packets.publish(v, "a", b"x"),
    "subscribe": lambda v: packets.subscribe(v, 1, [("a", 0)]),
    "pingreq": lambda v: packets.PINGREQ,
    "disconnect": lambda v: packets.disconnect(v),
    "puback": lambda v: packets.ack(v, Kind.PUBACK, 1),
    "auth": lambda v: packets.auth(),
}


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("version", BOTH)
def test_first_packet_that_is_no_connect_closes_the_connection_mqtt_3_1_0_1(broker, version, first):
    client = broker.raw(version)
    client.send(FIRST[first](version))
    assert client.ended() is None


@pytest.mark.parametrize("version", ALL)
def test_second_connect_closes_the_connection_mqtt_3_1_0_2(broker, version):
    client = broker.client(version)
    client.send(packets.connect(version, client.client_id))
    assert client.ended() in ((0x82,) if version == 5 else (None,))


# A server that does not know the version of its peer may answer in the form of 3.1.1 or of 5.
UNSUPPORTED = (bytes.fromhex("20020001"), bytes.fromhex("2003008400"))


@pytest.mark.parametrize("name", ["MQTX", "mqtt", "", "MQTTT", "MQIsdp"])
@pytest.mark.parametrize("version", BOTH)
def test_protocol_name_that_is_not_mqtt_is_refused_mqtt_3_1_2_1(broker, version, name):
    client = broker.raw(version)
    client.send(packets.connect(version, fresh(), name=name))
    assert client.rest() in (b"", *UNSUPPORTED)


@pytest.mark.parametrize("level", [0, 1, 2, 6, 127, 255])
def test_unknown_protocol_version_gets_its_code_and_the_connection_closes_mqtt_3_1_2_2(broker, level):
    client = broker.raw(4)
    client.send(packets.connect(4, fresh(), level=level))
    assert client.rest() in UNSUPPORTED


@pytest.mark.parametrize("version", BOTH)
def test_reserved_connect_flag_closes_the_connection_mqtt_3_1_2_3(broker, version):
    assert broker.refusal(version, flags=0x03) in ((None, 0x81) if version == 5 else (None,))


def fields(*values):
    return b"".join(map(packets.text, values))


# Flags and what follows the client ID. In MQTT 5 the will's properties are an empty block before its topic.
CONTRADICTIONS = {
    "will_qos_without_a_will": (0x0A, lambda v: b""),
    "will_retain_without_a_will": (0x22, lambda v: b""),
    "will_qos_3": (0x1E, lambda v: packets.block(v, {}) + fields("w", "x")),
    "will_without_its_fields": (0x06, lambda v: b""),
    "will_without_a_payload": (0x06, lambda v: packets.block(v, {}) + fields("w")),
    "will_fields_without_the_flag": (0x02, lambda v: packets.block(v, {}) + fields("w", "x")),
    "user_name_flag_without_a_user_name": (0x82, lambda v: b""),
    "user_name_without_the_flag": (0x02, lambda v: fields("u")),
    "password_flag_without_a_password": (0xC2, lambda v: fields("u")),
    "password_without_the_flag": (0x82, lambda v: fields("u", "p")),
    "bytes_after_the_last_field": (0x02, lambda v: b"\0"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
@pytest.mark.parametrize("version", BOTH)
def test_connect_whose_flags_and_payload_disagree_is_refused_mqtt_3_1_4_1(broker, version, case):
    flags, tail = CONTRADICTIONS[case]
    code = broker.refusal(version, flags=flags, tail=tail(version))
    assert code in ((None, 0x81, 0x82) if version == 5 else (None,))


def test_password_without_a_user_name_closes_in_3_1_1_mqtt_3_1_2_22(broker):
    assert broker.refusal(4, flags=0x42, tail=fields("p")) is None


def test_password_without_a_user_name_is_well_formed_in_5_mqtt_3_1_2_16(broker):
    client = broker.raw(5)
    assert client.connect(password=b"p").code not in (0x81, 0x82)


@pytest.mark.parametrize("version", ALL)
def test_credentials_are_read_in_the_order_of_the_payload_mqtt_3_1_3_1(broker, version):
    topic = fresh()
    watcher = broker.client(version)
    watcher.subscribe(topic)
    client = broker.client(version, username="u", password=b"p", will=Will(topic, b"the will"))
    client.cut()
    assert watcher.message().payload == b"the will"


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("field", ["client_id", "username", "will"])
def test_text_of_connect_that_is_not_utf8_is_refused_mqtt_3_1_3_4(broker, version, field):
    given = {field: Will(b"a\xff") if field == "will" else b"a\xff"}
    assert broker.refusal(version, **given) in ((None, 0x81, 0x85) if version == 5 else (None,))


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("client_id", ["a", "0123456789", "abcdefghijklmnopqrstuvw", "ABCDEFGHIJKLMNOPQRSTUVW", "xyzXYZ"])
def test_client_ids_of_1_to_23_letters_and_digits_are_allowed_mqtt_3_1_3_5(broker, version, client_id):
    broker.client(version, client_id)


def test_empty_client_id_gets_one_of_its_own_in_connack_mqtt_3_1_3_7(broker):
    assigned = {broker.client(5, "", clean=clean).connack.prop("assigned_client_id") for clean in (True, True, False)}
    assert len(assigned) == 3 and all(assigned)


def test_assigned_client_id_names_its_session_mqtt_3_1_3_7(broker):
    first = broker.session(5, "")
    assigned, topic = first.connack.prop("assigned_client_id"), fresh()
    first.subscribe(topic)
    first.disconnect()
    again = broker.session(5, assigned)
    assert again.connack.session_present and again.connack.prop("assigned_client_id") is None


def test_given_client_id_is_not_assigned_mqtt_3_2_2_16(broker):
    assert broker.client(5).connack.prop("assigned_client_id") is None


def test_empty_client_id_is_served_in_3_1_1_with_a_clean_session_mqtt_3_1_3_6(broker):
    one, other = broker.client(4, ""), broker.client(4, "")
    one.ping()
    other.ping()


def test_empty_client_id_with_a_stored_session_is_refused_in_3_1_1_mqtt_3_1_3_8(broker):
    assert broker.refusal(4, "", clean=False) == 2


@pytest.mark.parametrize("version", ALL)
def test_rejected_client_id_gets_its_code_and_the_connection_closes_mqtt_3_1_3_9(sluice, version):
    assert sluice.refusal(version, "GID_a@@@b") == (0x85 if version == 5 else 2)


@pytest.mark.parametrize("version", ALL)
def test_second_connection_of_a_client_id_closes_the_first_mqtt_3_1_4_3(broker, version):
    first = broker.client(version)
    second = broker.client(version, first.client_id)
    assert first.ended() == (0x8E if version == 5 else None)
    second.ping()


def test_takeover_goes_across_versions_mqtt_3_1_4_2(broker):
    first = broker.client(5)
    second = broker.client(4, first.client_id)
    assert first.ended() == 0x8E
    third = broker.client(5, first.client_id)
    assert second.ended() is None
    third.ping()


@pytest.mark.parametrize("version", ALL)
def test_accepted_connect_is_answered_with_0_mqtt_3_1_4_5(broker, version):
    assert broker.raw(version).connect().code == 0


def test_nothing_after_a_refused_connect_is_processed_mqtt_3_1_4_6(broker):
    topic = fresh()
    watcher = broker.client()
    watcher.subscribe(topic)
    client = broker.raw(5)
    client.send(packets.connect(5, fresh(), props={"auth_method": "none-such"}), packets.publish(5, topic, b"refused"))
    assert client.ended() == 0x8C
    watcher.publish(topic, b"end")
    assert watcher.message().payload == b"end"


def test_nothing_after_a_refused_connect_is_processed_in_3_1_1_mqtt_3_1_4_5(broker):
    topic = fresh()
    watcher = broker.client(4)
    watcher.subscribe(topic)
    client = broker.raw(4)
    client.send(packets.connect(4, "", clean=False), packets.publish(4, topic, b"refused"))
    assert client.ended() == 2
    watcher.publish(topic, b"end")
    assert watcher.message().payload == b"end"


@pytest.mark.parametrize("version", ALL)
def test_packets_sent_before_connack_are_served_after_it_mqtt_3_1_4_5(broker, version):
    topic, client = fresh(), broker.raw(version)
    client.send(packets.connect(version, fresh()), packets.subscribe(version, 5, [(topic, 1)]), packets.publish(version, topic, b"x"))
    assert client.expect(Kind.CONNACK).code == 0
    assert client.expect(Kind.SUBACK).codes == [1]
    assert client.message().payload == b"x"


@pytest.mark.parametrize("version", ALL)
def test_connect_may_come_byte_by_byte_mqtt_4_2_0_1(broker, version):
    client = broker.raw(version)
    for byte in packets.connect(version, fresh(), username="u", will=Will("w")):
        client.send(bytes([byte]))
    assert client.expect(Kind.CONNACK).code == 0


def test_response_information_is_not_given_unasked_mqtt_3_1_2_28(broker):
    for asked in (None, 0):
        props = {} if asked is None else {"request_response_information": asked}
        assert broker.client(5, props=props).connack.prop("response_information") is None


def test_without_problem_information_only_connack_publish_and_disconnect_explain_mqtt_3_1_2_29(sluice):
    quiet = sluice.client(5, props={"request_problem_information": 0})
    answers = [quiet.subscribe(f"{DENIED}/{fresh()}"), quiet.publish(f"{DENIED}/x", b"", 1), quiet.publish(f"{DENIED}/x", b"", 2)]
    assert [answer.code or answer.codes for answer in answers] == [[0x87], 0x87, 0x87]
    assert [answer.props for answer in answers] == [{}, {}, {}]


@pytest.mark.parametrize("name", ["request_problem_information", "request_response_information"])
def test_request_information_is_0_or_1_mqtt_3_1_4_1(broker, name):
    assert broker.refusal(5, props={name: 2}) in (None, 0x82)


def test_properties_of_connect_are_taken_whole_mqtt_3_1_4_1(broker):
    given = {
        "session_expiry": 1, "receive_maximum": 5, "maximum_packet_size": 1000, "topic_alias_maximum": 3,
        "request_response_information": 1, "request_problem_information": 1, "user_property": [("a", "1"), ("a", "2")],
    }  # fmt: skip
    will = {
        "will_delay": 1, "payload_format": 1, "message_expiry": 5, "content_type": "t", "response_topic": "r",
        "correlation_data": b"\0", "user_property": [("b", "1"), ("b", "1")],
    }  # fmt: skip
    client = broker.client(5, props=given, will=Will(fresh(), b"w", 1, False, will))
    client.ping()
    client.disconnect()


def test_refusal_of_connect_never_comes_as_disconnect_mqtt_3_14_0_1(broker):
    for given in ({"props": {"receive_maximum": 0}}, {"props": {"auth_method": "x"}}, {"props": {"auth_data": b"x"}}):
        client = broker.raw(5)
        client.send(packets.connect(5, fresh(), **given))
        try:
            assert client.read().kind == Kind.CONNACK
        except Closed:
            continue
        assert client.ended() is None
