"""What waited for a client, as the original paces it."""

import time

import pytest
from support.devices import connected
from support.server import ROOT_KEY, ROOT_SECRET

ROOT = (ROOT_KEY, ROOT_SECRET)
# Of these the original delivers 30 at once and 30 every 5 seconds.
WAITING = 35


def place(server, compatibility):
    """An instance with a topic and a group."""
    instance = f"mqtt-cn-{compatibility.lower()}"
    server.api("onsmqtt", "CreateMqttInstance", InstanceName=compatibility, Compatibility=compatibility, InstanceId=instance)
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=instance, Topic="orders")
    server.api("onsmqtt", "CreateGroupId", InstanceId=instance, GroupId="GID_orders")
    return instance


@pytest.mark.parametrize(("compatibility", "at_once"), [("Strict", 30), ("Extended", WAITING)])
def test_what_waited_comes_thirty_every_five_seconds_under_strict_and_at_once_else(server, compatibility, at_once):
    instance = place(server, compatibility)
    client = lambda name, **options: connected(server, ROOT, f"GID_orders@@@{name}", instance=instance, **options)
    away = client("away", version=4, stored=True)
    assert away.subscribe("orders/#", qos=1).codes == [1]
    away.disconnect()
    publisher = client("publisher")
    for n in range(WAITING):
        assert publisher.publish("orders/a", f"waited {n}", qos=1).code == 0
    begin = time.monotonic()
    back = client("away", version=4, stored=True)
    assert back.connack.session_present
    # Another's message while the client is here: it comes behind what waited.
    assert publisher.publish("orders/a", "live", qos=1).code == 0
    got = [message.payload.decode() for message in back.messages(at_once)]
    assert time.monotonic() - begin < 4
    back.ping()
    if compatibility == "Strict":
        assert back.holds_nothing()
    got += [message.payload.decode() for message in back.messages(WAITING + 1 - at_once)]
    took_s = time.monotonic() - begin
    assert got == [f"waited {n}" for n in range(WAITING)] + ["live"]
    assert took_s >= 4.9 if compatibility == "Strict" else took_s < 4
