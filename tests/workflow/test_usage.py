"""Usage of messages: by QoS and session class, weighted as the original bills them, adding up to the account."""

import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support import sdk
from support.mqtt import Client
from support.server import ACCOUNT, INSTANCE, ROOT_KEY, ROOT_SECRET, access, group, topic, until

ROOT = (ROOT_KEY, ROOT_SECRET)
HOUR_MS = 3_600_000
FIELDS = ("MessagesIn", "MessagesOut", "BytesIn", "BytesOut", "ApiCalls", "BilledTps")


def usage(server, **query):
    """The sums of all items; what was used before this hour too."""
    now = time.time_ns() // 1_000_000
    times = {"BeginTime": now - HOUR_MS, "EndTime": now + HOUR_MS}
    items = sdk.generic(server, "QueryMqttUsage", **(times | query))["Items"]
    return {field: sum(item[field] for item in items) for field in FIELDS}


def of(server, name):
    return usage(server, Principal=name, InstanceId=INSTANCE)


def test_messages_count_for_who_sent_and_who_received_them(server):
    sdk.generic(server, "CreateMqttTopic", InstanceId=INSTANCE, Topic="orders")
    sdk.generic(server, "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_orders")
    rights = (access(), topic("orders"), group("GID_orders"))
    sender = Client(server, server.new_user("sender", *rights), "GID_orders@@@sender")
    receiver = Client(server, server.new_user("receiver", *rights), "GID_orders@@@receiver")
    assert receiver.subscribe("orders/#", qos=1) == [1]
    for n in range(3):
        assert sender.publish("orders/a", f"message {n}") == 0
    receiver.receives("message 2")
    sent, received = of(server, "sender"), of(server, "receiver")
    assert (sent["MessagesIn"], sent["MessagesOut"]) == (3, 0) and sent["BytesIn"] >= 3 * len("message 0")
    assert (received["MessagesIn"], received["MessagesOut"]) == (0, 3) and received["BytesOut"] >= 3 * len("message 0")
    # QoS 1 of a clean session weighs 2, both ways.
    assert sent["BilledTps"] == received["BilledTps"] == 6
    refused = of(server, "sender")
    assert sender.publish("alerts/a", "no right") == "closed"
    assert of(server, "sender") == refused
    receiver.stop()
    sender.stop()


def test_send_message_counts_for_its_caller(server):
    before = usage(server, Principal=f"acs:ram::{ACCOUNT}:root", InstanceId=INSTANCE)
    server.api("onsmqtt", "SendMessage", InstanceId=INSTANCE, MqttTopic="orders/api", Payload="by SendMessage")
    after = usage(server, Principal=f"acs:ram::{ACCOUNT}:root", InstanceId=INSTANCE)
    assert after["MessagesIn"] == before["MessagesIn"] + 1
    # The call itself, and the query before it.
    assert after["ApiCalls"] == before["ApiCalls"] + 2


def test_what_all_principals_use_is_what_the_account_uses(server):
    messages = ("MessagesIn", "MessagesOut", "BytesIn", "BytesOut")
    whole = [usage(server, GroupBy=by) for by in ("Account", "Instance", "Principal")]
    assert all([sums[field] for field in messages] == [whole[0][field] for field in messages] for sums in whole)
    assert whole[0]["MessagesIn"] >= 4 and whole[0]["MessagesOut"] >= 3


def test_messages_to_a_stored_session_have_their_own_weight(server):
    key = server.new_user("stored", access(), topic("orders"), group("GID_orders"))
    stays = Properties(PacketTypes.CONNECT)
    stays.SessionExpiryInterval = 600
    away = Client(server, key, "GID_orders@@@stored", connect=False)
    away.paho.connect("127.0.0.1", away.port, keepalive=30, clean_start=False, properties=stays)
    away.paho.loop_start()
    until(lambda: away.connack == 0, "a CONNACK")
    assert away.subscribe("orders/#", qos=1) == [1]
    away.stop()
    until(lambda: away.ended is not None, "the end of the connection")
    listed = lambda: sdk.generic(server, "ListMqttSession", InstanceId=INSTANCE, ClientId="GID_orders@@@stored")["Sessions"]
    until(lambda: [session["Online"] for session in listed()] == [False], "the session to be away")
    server.api("onsmqtt", "SendMessage", InstanceId=INSTANCE, MqttTopic="orders/kept", Payload="kept")
    until(lambda: listed()[0]["QueuedCount"] == 1, "the message to wait")
    assert listed()[0]["ExpireTime"] > time.time_ns() // 1_000_000
    # Stored while away: one push at QoS 1 of a stored session, 5.
    assert of(server, "stored")["BilledTps"] == 5
    back = Client(server, key, "GID_orders@@@stored", connect=False)
    back.paho.connect("127.0.0.1", back.port, keepalive=30, clean_start=paho.MQTT_CLEAN_START_FIRST_ONLY, properties=stays)
    back.paho.loop_start()
    back.stop()


def test_messages_survive_a_restart_to_the_last_one(server):
    key = server.new_user("last", access(), topic("orders"), group("GID_orders"))
    client = Client(server, key, "GID_orders@@@last")
    for n in range(5):
        assert client.publish("orders/last", f"last {n}") == 0
    assert server.stop() == 0
    client.stop()
    server.start()
    assert of(server, "last")["MessagesIn"] == 5
