"""Shared subscriptions: section 4.8.2."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import BOTH, Closed, fresh

WRONG = ["$share/", "$share/g", "$share//a", "$share/g+/a", "$share/g#/a", "$share/+/a", "$share/#", "$share/g/", "$share", "$share/g/a#"]


def members(broker, count, qos=1, version=5, **options):
    """Members of a fresh group, a fresh topic, and a publisher."""
    topic, group = fresh(), fresh("g")
    clients = [broker.client(version, **options) for _ in range(count)]
    for client in clients:
        assert client.subscribe(f"$share/{group}/{topic}", qos=qos).codes == [qos]
    return clients, topic, broker.client(), group


def collect(clients, total):
    """The payloads that each client got, once there are so many in all."""
    seen = {client: [] for client in clients}
    for client in clients:
        client.ping()
        while client.waiting:
            seen[client].append(client.message().payload)
    left = total - sum(map(len, seen.values()))
    for client in clients * 50:
        if not left:
            break
        try:
            seen[client].append(client.message(wait_s=0.2).payload)
            left -= 1
        except TimeoutError:
            continue
    assert not left, f"{left} messages of {total} did not come"
    return list(seen.values())


@pytest.mark.parametrize("one", WRONG)
def test_malformed_shared_filter_is_refused_mqtt_4_8_2_2(sluice, one):
    """Also [MQTT-4.8.2-1]. `$share` alone is no shared subscription; Sluice keeps the whole name for them."""
    client = sluice.client()
    client.send(packets.subscribe(5, 1, [(one, 0)]))
    try:
        packet = client.read()
    except Closed:
        return
    if packet.kind == Kind.SUBACK:
        assert packet.codes in ([0x8F], [0]) and (packet.codes == [0x8F] or one == "$share")
    else:
        assert packet.kind == Kind.DISCONNECT and packet.code in (0x81, 0x82, 0x8F)


@pytest.mark.parametrize("one", ["$share//a", "$share/g+/a", "$share/g#/a", "$share/+/a"])
def test_share_name_is_not_empty_and_holds_no_wildcard_mqtt_4_8_2_2(broker, one):
    client = broker.client()
    client.send(packets.subscribe(5, 1, [(one, 0)]))
    try:
        packet = client.read()
    except Closed:
        return
    assert packet.code in (0x81, 0x82, 0x8F) or packet.codes == [0x8F]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_each_message_goes_to_one_member_mqtt_4_8_2_3(broker, qos):
    clients, topic, sender, _ = members(broker, 3, qos=qos)
    for number in range(30):
        sender.publish(topic, f"{number}", qos)
    seen = collect(clients, 30)
    assert sorted(sum(seen, []), key=int) == [f"{n}".encode() for n in range(30)]


def test_members_take_turns(sluice):
    clients, topic, sender, _ = members(sluice, 3)
    for number in range(30):
        sender.publish(topic, f"{number}", 1)
    assert [len(seen) for seen in collect(clients, 30)] == [10, 10, 10]


def test_each_group_gets_its_copy_and_so_does_a_plain_subscription(broker):
    topic, sender = fresh(), broker.client()
    clients = [broker.client() for _ in range(5)]
    for client, name in zip(clients, ("$share/one/", "$share/one/", "$share/two/", "", ""), strict=True):
        client.subscribe(name + topic, qos=1)
    for number in range(10):
        sender.publish(topic, f"{number}", 1)
    a, b, *rest = collect(clients, 40)
    assert len(a) + len(b) == 10 and [len(seen) for seen in rest] == [10, 10, 10]


def test_one_client_may_hold_a_plain_and_a_shared_subscription_to_one_topic(broker):
    (client,), topic, sender, _ = members(broker, 1)
    client.subscribe(topic, qos=1)
    sender.publish(topic, b"x", 1)
    assert [message.payload for message in client.messages(2)] == [b"x", b"x"]


def test_message_comes_at_the_qos_granted_to_the_member_mqtt_4_8_2_3(broker):
    topic, sender, client = fresh(), broker.client(), broker.client()
    for granted in (0, 1, 2):
        client.subscribe(f"$share/g/{topic}", qos=granted)
        for sent in (0, 1, 2):
            sender.publish(topic, b"x", sent)
            assert client.message().qos == min(granted, sent)


def test_shared_filter_may_hold_wildcards_and_an_identifier(broker):
    base, client = fresh(), broker.client()
    client.subscribe(f"$share/g/{base}/+/#", qos=1, props={"subscription_id": 9})
    client.publish(f"{base}/a/b", b"x", 1)
    message = client.message()
    assert (message.topic, message.prop("subscription_id")) == (f"{base}/a/b", [9])


def test_qos_2_that_was_begun_is_completed_with_the_same_member_mqtt_4_8_2_4(broker):
    topic, group, sender = fresh(), fresh("g"), broker.client()
    held, other = broker.session(), broker.client()
    held.subscribe(f"$share/{group}/{topic}", qos=2)
    sender.publish(topic, b"mine", 2)
    first = held.message(answer=False)
    other.subscribe(f"$share/{group}/{topic}", qos=2)
    held.cut()
    again = broker.session(5, held.client_id)
    message = again.message()
    assert (message.packet_id, message.dup, message.payload) == (first.packet_id, True, b"mine")
    other.ping()
    assert other.holds_nothing()


def test_qos_2_that_was_begun_goes_to_nobody_else_when_the_session_ends_mqtt_4_8_2_5(broker):
    (first, other), topic, sender, group = members(broker, 2, qos=2)
    other.unsubscribe(f"$share/{group}/{topic}")
    sender.publish(topic, b"begun", 2)
    assert first.message(answer=False).payload == b"begun"
    other.subscribe(f"$share/{group}/{topic}", qos=2)
    first.disconnect()
    sender.publish(topic, b"end", 2)
    assert other.message().payload == b"end"


def test_qos_1_that_a_lost_member_did_not_acknowledge_goes_to_another(sluice):
    (first, other), topic, sender, group = members(sluice, 2)
    other.unsubscribe(f"$share/{group}/{topic}")
    sender.publish(topic, b"open", 1)
    assert first.message(answer=False).payload == b"open"
    other.subscribe(f"$share/{group}/{topic}", qos=1)
    first.cut()
    assert other.message().payload == b"open"


@pytest.mark.parametrize("kind", [Kind.PUBACK, Kind.PUBREC])
def test_message_that_a_member_refuses_goes_to_no_other_mqtt_4_8_2_6(broker, kind):
    clients, topic, sender, _ = members(broker, 2, qos=2)
    sender.publish(topic, b"refused", 1 if kind == Kind.PUBACK else 2)
    found = None
    while found is None:
        for client in clients:
            try:
                message = client.message(wait_s=0.3, answer=False)
            except TimeoutError:
                continue
            client.ack(kind, message.packet_id, 0x80)
            found = client
            break
    found.ping()
    for number in range(4):
        sender.publish(topic, f"{number}", 1)
    assert sorted(sum(collect(clients, 4), [])) == [b"0", b"1", b"2", b"3"]


def test_unsubscribed_member_gets_nothing_more_mqtt_3_10_4_2(broker):
    (first, other), topic, sender, group = members(broker, 2)
    assert first.unsubscribe(topic).codes == [0x11]
    assert first.unsubscribe(f"$share/{group}/{topic}").codes == [0]
    for number in range(5):
        sender.publish(topic, f"{number}", 1)
    assert [message.payload for message in other.messages(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_shared_subscription_gets_no_retained_message_mqtt_3_3_1_9(broker):
    topic, client = fresh(), broker.client()
    client.publish(topic, b"kept", 1, retain=True)
    client.subscribe(f"$share/g/{topic}", qos=1)
    client.publish(topic, b"end", 1)
    assert client.message().payload == b"end"
    client.publish(topic, b"", 1, retain=True)


@pytest.mark.parametrize("version", BOTH)
def test_both_versions_may_share(sluice, version):
    clients, topic, sender, _ = members(sluice, 2, version=version)
    for number in range(6):
        sender.publish(topic, f"{number}", 1)
    assert [len(seen) for seen in collect(clients, 6)] == [3, 3]


def test_what_no_member_could_take_waits_for_one_that_returns(sluice):
    topic, group, sender, held = fresh(), fresh("g"), sluice.client(), sluice.session()
    held.subscribe(f"$share/{group}/{topic}", qos=1)
    held.disconnect()
    for number in range(5):
        sender.publish(topic, f"{number}", 1)
    again = sluice.session(5, held.client_id)
    assert [message.payload for message in again.messages(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_connected_member_takes_what_an_absent_one_cannot(sluice):
    topic, group, sender = fresh(), fresh("g"), sluice.client()
    held, present = sluice.session(), sluice.client()
    for client in (held, present):
        client.subscribe(f"$share/{group}/{topic}", qos=1)
    held.disconnect()
    for number in range(5):
        sender.publish(topic, f"{number}", 1)
    assert [message.payload for message in present.messages(5)] == [b"0", b"1", b"2", b"3", b"4"]
