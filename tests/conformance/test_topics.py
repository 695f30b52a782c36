"""Topic names, filters and how they match: section 4.7 of both standards."""

import pytest

from support import packets
from support.packets import Kind
from support.raw import ALL, BOTH, Closed, fresh

# Below a fresh first level: filter, the names that it matches, the names that it does not.
MATCHES = [
    ("a/b", ["a/b"], ["a", "a/b/c", "a/B", "/a/b", "a/b/", "b/a"]),
    ("a/#", ["a", "a/b", "a/b/c", "a/", "a//"], ["b", "ab", "A/b"]),
    ("#", ["a", "a/b/c", "/", "", "/a"], []),
    ("a/+", ["a/b", "a/"], ["a", "a/b/c", "a/b/"]),
    ("+/b", ["a/b", "/b"], ["b", "a/a/b", "a/b/c"]),
    ("a/+/c", ["a/b/c", "a//c"], ["a/c", "a/b/b/c", "a/b/d"]),
    ("+", ["a", ""], ["a/b", "/"]),
    ("+/+", ["/", "a/b", "a/"], ["a", "a/b/c"]),
    ("/+", ["/a", "/"], ["a", "a/b"]),
    ("+/#", ["a", "a/b", "a/b/c", "/x"], []),
    ("a/+/#", ["a/b", "a/b/c", "a/"], ["a", "b/a"]),
    ("/", ["/"], ["", "a", "//"]),
    ("a//b", ["a//b"], ["a/b", "a/x/b"]),
    ("a b", ["a b"], ["a  b", "ab", "a%20b"]),
    ("ä/ö", ["ä/ö"], ["a\u0308/o\u0308", "Ä/Ö"]),
    ("a$b", ["a$b"], ["ab"]),
    ("A", ["A"], ["a"]),
]  # fmt: skip


@pytest.mark.parametrize(("one", "yes", "no"), MATCHES, ids=[row[0] for row in MATCHES])
@pytest.mark.parametrize("version", BOTH)
def test_filter_matches_what_it_says_and_nothing_else_mqtt_4_7_1_2(broker, version, one, yes, no):
    """Also [MQTT-4.7.1-1], [MQTT-4.7.3-4], [MQTT-3.3.2-3] and, in 3.1.1, [MQTT-4.7.1-3]: nothing is normalised, whether it looks alike or not."""
    base, client = fresh(), broker.client(version)
    client.subscribe(f"{base}/{one}", f"{base}!end", qos=1)
    for name in (*no, *yes):
        client.publish(f"{base}/{name}", b"x", 1)
    client.publish(f"{base}!end", b"end", 1)
    seen = []
    while (message := client.message()).payload != b"end":
        seen.append(message.topic)
    assert seen == [f"{base}/{name}" for name in yes]


@pytest.mark.parametrize("version", BOTH)
def test_parent_level_is_matched_by_its_own_wildcard_mqtt_4_7_1_1(broker, version):
    base, client = fresh(), broker.client(version)
    client.subscribe(f"{base}/#", qos=1)
    client.publish(base, b"parent", 1)
    assert client.message().topic == base


@pytest.mark.parametrize("version", BOTH)
def test_leading_slash_is_a_level_of_its_own_mqtt_4_7_3_4(broker, version):
    name, client = fresh(), broker.client(version)
    client.subscribe(f"/{name}", f"+/{name}", "/+")
    client.publish(name, b"other")
    client.publish(f"/{name}", b"x")
    assert client.message().topic == f"/{name}"


WRONG = ["a/#/b", "a#", "#a", "a/b#", "##", "a/+b", "a+", "+a", "a+/b", "#/", "a/#/", "++", "+#"]


@pytest.mark.parametrize("one", WRONG)
@pytest.mark.parametrize("version", BOTH)
def test_misplaced_wildcard_is_refused_mqtt_4_7_1_1(broker, version, one):
    """Also [MQTT-4.7.1-2], in 3.1.1 -3: the packet is refused with its filter, or the connection ends."""
    client = broker.client(version)
    client.send(packets.subscribe(version, 1, [(one, 0)]))
    try:
        packet = client.read()
    except Closed:
        return
    if packet.kind == Kind.SUBACK:
        assert packet.codes in ([0x80], [0x8F])
    else:
        assert packet.kind == Kind.DISCONNECT and packet.code in (0x81, 0x82, 0x8F)


@pytest.mark.parametrize("version", BOTH)
def test_empty_topic_closes_the_connection_mqtt_4_7_3_1(broker, version):
    client = broker.client(version)
    client.send(packets.publish(version, "", b"x"))
    assert client.ended() in ((0x81, 0x82, 0x90) if version == 5 else (None,))


@pytest.mark.parametrize("version", BOTH)
def test_empty_filter_is_refused_mqtt_4_7_3_1(broker, version):
    client = broker.client(version)
    client.send(packets.subscribe(version, 1, [("", 0)]))
    assert client.ended() in ((0x81, 0x82, 0x8F) if version == 5 else (None,))


@pytest.mark.parametrize("version", BOTH)
def test_topic_or_filter_with_a_null_character_closes_the_connection_mqtt_4_7_3_2(broker, version):
    for wrong in (packets.publish(version, b"a\0b", b"x"), packets.subscribe(version, 1, [(b"a\0b", 0)])):
        client = broker.client(version)
        client.send(wrong)
        assert client.ended() in ((0x81, 0x82, 0x8F, 0x90) if version == 5 else (None,))


@pytest.mark.parametrize("version", BOTH)
def test_topic_of_65_535_bytes_is_served_mqtt_4_7_3_3(sluice, version):
    base = fresh()
    topic, client = base + "x" * (65_535 - len(base)), sluice.client(version)
    client.subscribe(topic, qos=1)
    client.publish(topic, b"x", 1)
    assert client.message().topic == topic


@pytest.mark.parametrize("version", BOTH)
def test_topic_of_128_levels_is_served_mqtt_4_7_3_3(sluice, version):
    base, client = fresh(), sluice.client(version)
    topic = base + "/a" * 127
    client.subscribe(topic, f"{base}/#" if version == 5 else topic, qos=1)
    client.publish(topic, b"x", 1)
    assert client.message().topic == topic
    client.ping()


@pytest.mark.parametrize("one", ["#", "+/{0}", "+/#", "+/+"])
@pytest.mark.parametrize("version", ALL)
def test_wildcard_at_the_first_level_matches_no_dollar_topic_mqtt_4_7_2_1(broker, version, one):
    name, client, sender = fresh(), broker.client(version), broker.client(version)
    client.subscribe(one.format(name), f"x/{name}", qos=1)
    sender.publish(f"$x/{name}", b"hidden", 1)
    sender.publish(f"x/{name}", b"end", 1)
    while (message := client.message()).payload != b"end":
        assert not message.topic.startswith("$")


@pytest.mark.parametrize("version", ALL)
def test_dollar_sys_is_the_servers_mqtt_4_7_2_1(broker, version):
    """What a client publishes below `$SYS` reaches nobody, and closes at most its own connection."""
    name, watcher = f"$SYS/{fresh()}", broker.client(version)
    watcher.subscribe(name)
    sender = broker.client(version)
    sender.send(packets.publish(version, name, b"forged"))
    watcher.quiet(0.3)


@pytest.mark.parametrize("version", BOTH)
def test_dollar_inside_a_topic_is_an_ordinary_character_mqtt_4_7_2_1(broker, version):
    base, client = fresh(), broker.client(version)
    client.subscribe(f"{base}/#", qos=1)
    client.publish(f"{base}/$SYS", b"x", 1)
    assert client.message().topic == f"{base}/$SYS"


@pytest.mark.parametrize("version", BOTH)
def test_topic_of_more_than_128_levels_is_refused_mqtt_4_13_1_1(sluice, version):
    """Beyond the limit the message is not routed: it is acknowledged with an error, or the connection ends."""
    base, client = fresh(), sluice.client(version)
    client.send(packets.publish(version, base + "/a" * 128, b"x", 1, 7))
    try:
        answer = client.read()
        assert answer.code in (0x90, 0x97, 0x80, 0x83, 0x95) or (version == 4 and answer.kind == Kind.PUBACK)
    except Closed:
        pass
    other = sluice.client(version)
    other.send(packets.subscribe(version, 7, [(base + "/a" * 128, 1)]))
    try:
        answer = other.read()
        assert answer.codes and answer.codes[0] >= 0x80 or answer.code and answer.code >= 0x80
    except Closed:
        pass
