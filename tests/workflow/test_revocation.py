"""A right taken back from 1,000 connections of one RAM user ends them all; how fast is the benchmark's question."""

from bench import revocation
from support.mqtt import Client
from support.server import INSTANCE, access, arn, deny, group, topic

CONNECTIONS = 1000


def test_each_way_of_revoking_ends_every_connection(server):
    ended = {name: len(times) for name, times in revocation.run(server, CONNECTIONS)}
    assert len(ended) == 9 and set(ended.values()) == {CONNECTIONS}


def test_a_deny_on_the_topic_alone_silences_without_closing(server):
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="news")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_news")
    key = server.new_user("reader", access(), topic("news"), group("GID_news"))
    readers = [Client(server, key, f"GID_news@@@{n}") for n in range(20)]
    for reader in readers:
        assert reader.subscribe("news/#") == [1]
    say = lambda text: server.api("onsmqtt", "SendMessage", InstanceId=INSTANCE, MqttTopic="news/a", Payload=text)
    say("before")
    for reader in readers:
        reader.receives("before")
    server.grant("reader", "silence", deny("mq:SUB", arn(f"topic/{INSTANCE}/news")))
    say("after")
    server.api("ram", "DetachPolicyFromUser", PolicyType="Custom", PolicyName="silence", UserName="reader")
    for reader in readers:
        # The subscription is gone, the connection is not: it may subscribe again and hears what comes then.
        assert reader.subscribe("news/#") == [1]
    say("again")
    for reader in readers:
        reader.receives("again")
        assert [m[1] for m in reader.messages] == ["before", "again"]
        reader.stop()
