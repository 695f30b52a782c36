"""Sessions, messages and wills across the end of the process, in order and by SIGKILL: section 4.1, non-normative, and what Sluice promises
beyond it. Where a test says [`settle`], the client's own acknowledgements are on disk before the end: nobody is promised that of them.
"""

import os
import signal

import pytest

from support import packets
from support.open_listener import OpenBroker
from support.packets import Kind, Will
from support.raw import BOTH, fresh
from support.server import until

pytestmark = pytest.mark.skipif("SLUICE_CONFORMANCE_AT" in os.environ, reason="another broker is not ours to kill")
HOW = {"kill": signal.SIGKILL, "term": signal.SIGTERM}
ENDS = pytest.mark.parametrize("how", HOW.values(), ids=HOW)
VERSIONS = pytest.mark.parametrize("version", BOTH)
# Of what ends during the downtime, of the downtime, and of what does not.
SHORT_S, DOWN_S, LONG_S = 1, 2, 300


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """A server that these tests end and start again."""
    broker = OpenBroker(tmp_path_factory.mktemp("restart") / "data")
    yield broker
    assert broker.server.stop() == 0, broker.server.log()


@pytest.fixture(autouse=True)
def log_of_a_failure(lasting, request):
    """Shows the tail of the server's log with a test that failed."""
    yield
    print("".join(lasting.server.log().splitlines(keepends=True)[-20:]))


def stored(broker, version, topic, qos=2, **options):
    """A stored session with a subscription."""
    held = broker.session(version, **options)
    assert held.subscribe(topic, qos=qos).codes == [qos]
    return held


def nothing_more(client, topic):
    """The next message of a client is one that is published now."""
    client.publish(topic, b"end", 1)
    assert client.message().payload == b"end"


@ENDS
@VERSIONS
def test_session_and_subscriptions_are_there_after_a_restart_mqtt_4_1_0_1(lasting, version, how):
    one, other, held = fresh(), fresh(), lasting.session(version)
    assert held.subscribe(one, qos=2).codes == [2]
    assert held.subscribe(other, f"{other}/#", qos=1).codes == [1, 1]
    held.unsubscribe(other)
    lasting.restart(how)
    again = lasting.session(version, held.client_id)
    assert again.connack.session_present
    sender = lasting.client(version)
    for topic in (one, f"{other}/x"):
        sender.publish(topic, b"x", 2)
    assert sorted((m.topic, m.qos) for m in again.messages(2)) == sorted([(one, 2), (f"{other}/x", 1)])
    again.unsubscribe(f"{other}/#")
    sender.publish(f"{other}/x", b"no", 1)
    nothing_more(again, one)


@ENDS
def test_subscription_options_and_identifier_are_there_after_a_restart_mqtt_4_1_0_1(lasting, how):
    topic, held = fresh(), lasting.session()
    held.subscribe(topic, qos=1, options=0x04 | 0x08, props={"subscription_id": 42})
    lasting.restart(how)
    again = lasting.session(5, held.client_id)
    again.publish(topic, b"own", 1)
    sender = lasting.client()
    sender.publish(topic, b"x", 1, retain=True)
    message = again.message()
    assert (message.payload, message.prop("subscription_id"), message.retain) == (b"x", [42], True)
    sender.publish(topic, b"", 1, retain=True)


@ENDS
@VERSIONS
def test_queue_of_an_absent_client_keeps_its_order_over_a_restart_mqtt_4_6_0_6(lasting, version, how):
    topic = fresh()
    held, sender = stored(lasting, version, topic), lasting.client(version)
    held.disconnect()
    for number in range(20):
        sender.publish(topic, f"{number}", 1 + number % 2)
    lasting.restart(how)
    sender = lasting.client(version)
    for number in range(20, 30):
        sender.publish(topic, f"{number}", 1 + number % 2)
    again = lasting.session(version, held.client_id)
    assert again.connack.session_present
    seen = again.messages(30)
    assert [int(m.payload) for m in seen] == list(range(30))
    assert [m.qos for m in seen] == [1, 2] * 15
    nothing_more(again, topic)


@ENDS
@VERSIONS
def test_messages_in_flight_come_again_after_a_restart_mqtt_4_4_0_1(lasting, version, how):
    """With DUP, their identifiers and their order; what waited behind them comes after."""
    topic = fresh()
    held, sender = stored(lasting, version, topic), lasting.client(version)
    for number in range(6):
        sender.publish(topic, f"{number}", 1 + number % 2)
    before = held.messages(6, answer=False)
    held.cut()
    sender.publish(topic, b"behind", 1)
    lasting.restart(how)
    again = lasting.session(version, held.client_id)
    after = again.messages(7, answer=False)
    assert [(m.packet_id, m.payload, m.qos, m.dup) for m in after[:6]] == [(m.packet_id, m.payload, m.qos, True) for m in before]
    # Whether it comes again too depends on when the server saw the end of the connection.
    assert after[6].payload == b"behind"
    assert after[6].packet_id not in {m.packet_id for m in before}, "[MQTT-2.2.1-3]"


@VERSIONS
def test_order_of_what_is_in_flight_outlives_restarts_while_it_is_sent_again_mqtt_4_6_0_1(lasting, version):
    """What is sent again is written down again or not, by its QoS; its place stays."""
    topic = fresh()
    held, sender = stored(lasting, version, topic), lasting.client(version)
    for number in range(8):
        sender.publish(topic, f"{number}", 1 + number % 2)
    name, before = held.client_id, held.messages(8, answer=False)
    for _ in range(3):
        lasting.settle()
        lasting.restart(signal.SIGKILL)
        again = lasting.session(version, name)
        after = again.messages(8, answer=False)
        assert [(m.packet_id, m.payload, m.dup) for m in after] == [(m.packet_id, m.payload, True) for m in before]


@VERSIONS
def test_qos_2_that_was_written_before_a_kill_has_its_identifier_after_it_mqtt_4_4_0_1(lasting, version):
    """Without any wait: a copy at QoS 2 is written once it is on disk under its identifier."""
    topic = fresh()
    held, sender = stored(lasting, version, topic), lasting.client(version)
    for number in range(6):
        sender.send(packets.publish(version, topic, f"{number}", 2, number + 1))
    before = held.messages(6, answer=False)
    lasting.restart(signal.SIGKILL)
    again = lasting.session(version, held.client_id)
    after = again.messages(6, answer=False)
    assert [(m.packet_id, m.payload, m.dup) for m in after] == [(m.packet_id, m.payload, True) for m in before]


@ENDS
@VERSIONS
def test_acknowledged_messages_do_not_come_again_after_a_restart_mqtt_4_4_0_1(lasting, version, how):
    topic = fresh()
    held, sender = stored(lasting, version, topic), lasting.client(version)
    for number in range(6):
        sender.publish(topic, f"{number}", 1 + number % 2)
    held.messages(4)
    held.ping()
    lasting.settle()
    lasting.restart(how)
    again = lasting.session(version, held.client_id)
    assert [m.payload for m in again.messages(2)] == [b"4", b"5"]
    nothing_more(again, topic)


@ENDS
@VERSIONS
def test_released_message_comes_again_as_pubrel_after_a_restart_mqtt_4_3_3_6(lasting, version, how):
    """PUBREL was seen, so that PUBREC is on disk: the message is not sent again, not even after a kill at once."""
    topic = fresh()
    held = stored(lasting, version, topic)
    lasting.client(version).publish(topic, b"x", 2)
    message = held.message(answer=False)
    held.ack(Kind.PUBREC, message.packet_id)
    held.expect(Kind.PUBREL)
    lasting.restart(how)
    again = lasting.session(version, held.client_id)
    released = again.read()
    assert (released.kind, released.packet_id) == (Kind.PUBREL, message.packet_id)
    again.ack(Kind.PUBCOMP, message.packet_id)
    nothing_more(again, topic)


@ENDS
@VERSIONS
def test_qos_2_sent_again_after_a_restart_is_delivered_once_mqtt_4_3_3_10(lasting, version, how):
    topic = fresh()
    held, sender = stored(lasting, version, topic), lasting.session(version)
    sender.send(packets.publish(version, topic, b"once", 2, 7))
    sender.expect(Kind.PUBREC)
    lasting.restart(how)
    sender = lasting.session(version, sender.client_id)
    assert sender.connack.session_present
    for _ in range(2):
        sender.send(packets.publish(version, topic, b"once", 2, 7, dup=True))
        assert sender.expect(Kind.PUBREC).packet_id == 7
    assert sender.release(7).code == 0
    sender.publish(topic, b"new", 2, packet_id=7)
    again = lasting.session(version, held.client_id)
    assert [m.payload for m in again.messages(2)] == [b"once", b"new"]
    nothing_more(again, topic)


@ENDS
@VERSIONS
def test_pubrel_sent_again_after_a_restart_is_completed_mqtt_4_3_3_11(lasting, version, how):
    topic = fresh()
    held, sender = stored(lasting, version, topic), lasting.session(version)
    sender.send(packets.publish(version, topic, b"once", 2, 7))
    sender.expect(Kind.PUBREC)
    lasting.restart(how)
    sender = lasting.session(version, sender.client_id)
    # Its PUBREC was on disk before it was sent, so the identifier is known.
    assert sender.release(7).code == 0
    assert sender.release(7).code == (0x92 if version == 5 else 0)
    again = lasting.session(version, held.client_id)
    assert again.message().payload == b"once"
    nothing_more(again, topic)


@ENDS
@VERSIONS
def test_packet_id_released_before_a_restart_is_a_new_message_after_it_mqtt_4_3_3_12(lasting, version, how):
    topic = fresh()
    held, sender = stored(lasting, version, topic), lasting.session(version)
    sender.publish(topic, b"one", 2, packet_id=7)
    lasting.restart(how)
    sender = lasting.session(version, sender.client_id)
    sender.publish(topic, b"two", 2, packet_id=7)
    again = lasting.session(version, held.client_id)
    assert [m.payload for m in again.messages(2)] == [b"one", b"two"]


@ENDS
@VERSIONS
def test_retained_messages_are_there_after_a_restart_mqtt_3_1_2_7(lasting, version, how):
    topic, sender = fresh(), lasting.client(version)
    for name, texts in (("kept", [b"kept"]), ("twice", [b"old", b"new"]), ("gone", [b"gone", b""])):
        for text in texts:
            sender.publish(f"{topic}/{name}", text, 1 + len(texts) % 2, retain=True)
    lasting.restart(how)
    late = lasting.client(version)
    late.subscribe(f"{topic}/#", qos=2)
    nothing = fresh()
    late.subscribe(nothing, qos=1)
    found = {m.topic.split("/")[1]: (m.payload, m.qos, m.retain) for m in late.messages(2)}
    assert found == {"kept": (b"kept", 2, True), "twice": (b"new", 1, True)}
    nothing_more(late, nothing)
    for name in found:
        late.publish(f"{topic}/{name}", b"", 1, retain=True)


def test_retained_message_has_its_properties_after_a_kill_mqtt_3_3_2_20(lasting):
    topic, given = fresh(), {"content_type": "text/plain", "user_property": [("b", "1"), ("a", "2"), ("b", "1")], "correlation_data": b"\0"}
    lasting.client().publish(topic, b"x", 1, retain=True, props=given)
    lasting.restart(signal.SIGKILL)
    late = lasting.client()
    late.subscribe(topic, qos=1)
    assert late.message().props == given
    late.publish(topic, b"", 1, retain=True)


@ENDS
@VERSIONS
def test_discarded_session_is_not_there_after_a_restart_mqtt_3_1_2_4(lasting, version, how):
    topic = fresh()
    held = stored(lasting, version, topic)
    held.disconnect()
    lasting.client(version).publish(topic, b"lost", 1)
    lasting.client(version, held.client_id, clean=True).ping()
    lasting.settle()
    lasting.restart(how)
    again = lasting.session(version, held.client_id)
    assert not again.connack.session_present
    nothing = fresh()
    again.subscribe(nothing, qos=1)
    nothing_more(again, nothing)


@ENDS
def test_session_ended_by_its_disconnect_is_not_there_after_a_restart_mqtt_4_1_0_2(lasting, how):
    held = lasting.session()
    held.disconnect(0, {"session_expiry": 0})
    lasting.all_leave()
    lasting.restart(how)
    assert not lasting.session(5, held.client_id).connack.session_present


@ENDS
def test_qos_2_that_was_begun_is_completed_with_the_same_member_after_a_restart_mqtt_4_8_2_4(lasting, how):
    topic, group = fresh(), fresh("g")
    shared = f"$share/{group}/{topic}"
    held, sender = stored(lasting, 5, shared), lasting.client()
    sender.publish(topic, b"mine", 2)
    first = held.message(answer=False)
    other = stored(lasting, 5, shared)
    lasting.restart(how)
    other = lasting.session(5, other.client_id)
    other.ping()
    again = lasting.session(5, held.client_id)
    message = again.message()
    assert (message.packet_id, message.dup, message.payload) == (first.packet_id, True, b"mine")
    other.ping()
    assert other.holds_nothing()


@ENDS
def test_qos_2_that_was_begun_goes_to_nobody_else_after_a_restart_mqtt_4_8_2_5(lasting, how):
    topic, group = fresh(), fresh("g")
    shared = f"$share/{group}/{topic}"
    held, sender = stored(lasting, 5, shared), lasting.client()
    sender.publish(topic, b"begun", 2)
    assert held.message(answer=False).payload == b"begun"
    other = stored(lasting, 5, shared)
    lasting.restart(how)
    lasting.client(5, held.client_id, clean=True).ping()
    other = lasting.session(5, other.client_id)
    lasting.client().publish(topic, b"end", 2)
    assert other.message().payload == b"end"


@ENDS
@VERSIONS
def test_what_no_member_could_take_waits_over_a_restart(lasting, version, how):
    topic, group, sender = fresh(), fresh("g"), lasting.client()
    shared = f"$share/{group}/{topic}"
    members = [stored(lasting, version, shared) for _ in range(2)]
    for member in members:
        member.disconnect()
    for number in range(10):
        sender.publish(topic, f"{number}", 1 + number % 2)
    lasting.restart(how)
    first = lasting.session(version, members[0].client_id)
    assert [int(m.payload) for m in first.messages(10)] == list(range(10))
    second = lasting.session(version, members[1].client_id)
    second.ping()
    assert second.holds_nothing()


@ENDS
def test_qos_1_in_flight_to_a_member_goes_to_another_after_a_restart(lasting, how):
    topic, group, sender = fresh(), fresh("g"), lasting.client()
    shared = f"$share/{group}/{topic}"
    held = stored(lasting, 5, shared, qos=1)
    sender.publish(topic, b"open", 1)
    assert held.message(answer=False).payload == b"open"
    other = stored(lasting, 5, shared, qos=1)
    lasting.settle()
    lasting.restart(how)
    again = lasting.session(5, other.client_id)
    assert again.message().payload == b"open"


class Downtime:
    """What was set up before a downtime, and is looked at after it."""

    def __init__(self, broker, how):
        self.broker = broker
        self.prepare()
        broker.restart(how, DOWN_S)

    def prepare(self):
        broker = self.broker
        self.sessions = {}
        for name, expiry_s, props in (("short", SHORT_S, None), ("long", LONG_S, None), ("endless", 0xFFFFFFFF, None),
                                      ("shortened", LONG_S, {"session_expiry": SHORT_S})):  # fmt: skip
            held = broker.session(5, expiry_s=expiry_s)
            held.disconnect(0, props)
            self.sessions[name] = held
        self.topic = fresh()
        self.reader = stored(broker, 5, self.topic, qos=1)
        self.reader.disconnect()
        self.wills = fresh("w")
        self.watcher = stored(broker, 5, f"{self.wills}/#", qos=2)
        self.watcher.disconnect()
        sender = broker.client()
        for expiry_s in (SHORT_S, LONG_S):
            props = {"message_expiry": expiry_s}
            sender.publish(self.topic, f"{expiry_s}", 1, props=props)
            sender.publish(f"{self.topic}/kept/{expiry_s}", f"{expiry_s}", 1, retain=True, props=props)
        self.mortals = {}
        for name, delay_s in (("due", DOWN_S - 1), ("later", DOWN_S + 2), ("back", LONG_S), ("patient", LONG_S)):
            will = Will(f"{self.wills}/{name}", name.encode(), 2, properties={"will_delay": delay_s})
            mortal = broker.session(5, expiry_s=LONG_S, will=will)
            mortal.cut()
            self.mortals[name] = mortal
        broker.all_leave()


@pytest.fixture(scope="module", params=HOW.values(), ids=HOW)
def downtime(lasting, request):
    return Downtime(lasting, request.param)


def test_session_expiry_counts_over_a_downtime_mqtt_4_1_0_2(downtime):
    present = {name: downtime.broker.session(5, held.client_id).connack.session_present for name, held in downtime.sessions.items()}
    assert present == {"short": False, "long": True, "endless": True, "shortened": False}


def test_message_expiry_counts_over_a_downtime_mqtt_3_3_2_6(downtime):
    """Also [MQTT-3.3.2-5]; of a message that waits, and of a retained one."""
    again = downtime.broker.session(5, downtime.reader.client_id)
    assert again.connack.session_present
    late = downtime.broker.client()
    late.subscribe(f"{downtime.topic}/kept/#", qos=1)
    for client in (again, late):
        message = client.message()
        assert message.payload == str(LONG_S).encode()
        assert LONG_S - 60 < message.prop("message_expiry") <= LONG_S - DOWN_S
    nothing_more(again, downtime.topic)
    nothing_more(late, f"{downtime.topic}/kept/end")


def test_delayed_wills_are_published_at_their_time_after_a_restart_mqtt_3_1_2_8(downtime):
    """Also [MQTT-3.1.3-9]: who comes back in time has no will, whatever happened to the server meanwhile."""
    broker = downtime.broker
    assert broker.session(5, downtime.mortals["back"].client_id).connack.session_present
    watcher = broker.session(5, downtime.watcher.client_id)
    assert [m.payload for m in watcher.messages(2)] == [b"due", b"later"]
    # Ends the session, and what its will waited for with it. [MQTT-3.1.2-8]
    broker.client(5, downtime.mortals["patient"].client_id, clean=True)
    assert watcher.message().payload == b"patient"
    nothing_more(watcher, f"{downtime.wills}/end")


def test_client_that_was_connected_at_a_kill_has_left_when_the_server_starts(lasting):
    """Its will waits for the delay from there; who is back before has none."""
    topic = fresh("w")
    watcher = stored(lasting, 5, f"{topic}/#")
    delayed = lambda name: Will(f"{topic}/{name}", name.encode(), 1, properties={"will_delay": 1})
    away, back = (lasting.session(5, will=delayed(name)) for name in ("away", "back"))
    lasting.settle()
    lasting.restart(signal.SIGKILL)
    assert lasting.session(5, back.client_id).connack.session_present
    assert lasting.session(5, watcher.client_id).message().payload == b"away"
    assert lasting.session(5, away.client_id).connack.session_present


def test_clients_that_a_server_sends_away_have_no_will(lasting):
    topic = fresh("w")
    watcher = stored(lasting, 5, f"{topic}/#")
    lasting.session(5, will=Will(f"{topic}/told", b"told", 1, properties={"will_delay": 0}))
    lasting.restart(signal.SIGTERM)
    nothing_more(lasting.session(5, watcher.client_id), f"{topic}/end")


def test_sessions_survive_several_kills_in_a_row(lasting):
    topic = fresh()
    name = stored(lasting, 5, topic, qos=1).client_id
    for turn in range(4):
        lasting.client().publish(topic, f"{turn}", 1)
        lasting.restart(signal.SIGKILL)
    again = lasting.session(5, name)
    assert again.connack.session_present
    seen = []
    until(lambda: seen.append(again.message().payload) or len(set(seen)) == 4, "every message")
    assert list(dict.fromkeys(seen)) == [b"0", b"1", b"2", b"3"]
