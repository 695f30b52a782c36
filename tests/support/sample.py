"""A data folder with something of everything that is kept, stored in git by each version of the formats.

`scripts/make-sample N` makes `contract/samples/data-N` with the present binary; `tests/formats` opens every one of them. A
sample is never made anew: a later version has to open what an earlier one wrote.
"""

import json
import lzma
import pathlib
import sqlite3
import sys

from support.devices import connected, is_offline, login, publish_unreleased
from support.packets import Kind, Will
from support.raw import Raw
from support.server import INSTANCE, REPOSITORY, ROOT_KEY, ROOT_SECRET, SLUICE, Server, access, group, topic

SAMPLES = REPOSITORY / "contract" / "samples"
ROOT = (ROOT_KEY, ROOT_SECRET)
# The instance with other settings than the first start's.
STRICT = "mqtt-cn-strict"
# Clients, by what is kept of them.
READER, WRITER, MEMBER, LOST = ("GID_home@@@" + name for name in ("reader", "writer", "member", "lost"))
WITHOUT_END = 0xFFFFFFFF
# The identifiers of the reader's subscription and of the writer's QoS 2 message that it has not released.
SUBSCRIPTION_ID = 300
UNRELEASED = 7
# What waits for the reader, in order, after what is in flight to it.
WAITING = [("home/a", "waits at 1", 1), ("home/b", "waits at 2", 2), ("home/a", "taken once", 2), ("home/kept", "kept", 1)]
# Seconds. The will is due by the time that anybody opens the folder.
WILL_DELAY = 60
# Else what waits would be too old for a later test. No operation sets so long a time.
RETENTION = 100 * 365 * 24 * 3600


def session(server, key, client_id, will=None):
    """A client of MQTT 5 whose session is kept without end, connected."""
    client = Raw(("127.0.0.1", server.mqtt_port))
    connack = client.connect(client_id, clean=False, will=will, props={"session_expiry": WITHOUT_END}, **login(key, client_id))
    assert connack.code == 0, connack
    return client


def fill(server):
    """Has the server keep something of everything; the keys of the users."""
    for name in ("home", "yard"):
        server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic=name)
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_home")
    server.api(
        "onsmqtt", "CreateMqttInstance", InstanceName="strict", InstanceId=STRICT, Compatibility="Strict", Durability="Relaxed",
        DenyAction="Respond",
    )  # fmt: skip
    keys = {
        "reader": server.new_user("reader", access(), group("GID_home"), topic("home", "mq:SUB"), topic("yard", "mq:SUB")),
        "writer": server.new_user("writer", access(), topic("home", "mq:PUB"), topic("yard", "mq:PUB")),
    }
    reader = session(server, keys["reader"], READER)
    assert reader.subscribe("home/#", qos=2, props={"subscription_id": SUBSCRIPTION_ID}).codes == [2]
    member = session(server, keys["reader"], MEMBER)
    assert member.subscribe("$share/g/yard/#", qos=1).codes == [1]
    member.cut()
    is_offline(server, MEMBER)
    writer = session(server, keys["writer"], WRITER)
    # In flight: one that was sent, one that the client has and has not completed.
    writer.publish("home/a", "in flight", qos=1)
    writer.publish("home/a", "half", qos=2)
    assert reader.message(answer=False).payload == b"in flight"
    half = reader.message(answer=False)
    reader.ack(Kind.PUBREC, half.packet_id)
    assert reader.expect(Kind.PUBREL).packet_id == half.packet_id
    reader.cut()
    is_offline(server, READER)
    for path, payload, qos in WAITING:
        if payload == "taken once":
            publish_unreleased(writer, path, payload, UNRELEASED)
        else:
            assert writer.publish(path, payload, qos=qos, retain=payload == "kept").code == 0
    assert writer.publish("yard/shared", "for the group", qos=1).code == 0
    writer.cut()
    is_offline(server, WRITER)
    session(server, keys["writer"], LOST, Will("home/will", b"will", 1, properties={"will_delay": WILL_DELAY})).cut()
    is_offline(server, LOST)
    return keys


def make(number, folder):
    """Makes the sample of this version in `contract/samples`; refuses to replace one."""
    target = SAMPLES / f"data-{number}"
    target.mkdir(parents=True)
    server = Server(folder)
    keys = fill(server)
    assert server.stop() == 0, server.log()
    database = sqlite3.connect(folder / "sluice.db", isolation_level=None)
    database.execute("UPDATE instances SET offline_retention_s = ?", (RETENTION,))
    for statement in ("PRAGMA journal_mode = DELETE", "VACUUM", "PRAGMA journal_mode = WAL"):
        database.execute(statement)
    database.close()
    (target / "log").mkdir()
    for path in [folder / "sluice.db", *sorted((folder / "log").iterdir())]:
        packed = target / path.relative_to(folder)
        packed.with_name(packed.name + ".xz").write_bytes(lzma.compress(path.read_bytes(), preset=9))
    (target / "master.key").write_bytes((folder / "master.key").read_bytes())
    facts = {"made_by": server.run("--version").stdout.strip(), "keys": keys}
    (target / "sample.json").write_text(json.dumps(facts, indent=2) + "\n")
    return target


def unpack(sample, folder):
    """The sample as a data folder; what it says of itself."""
    (folder / "log").mkdir(parents=True)
    for packed in [*sample.glob("*.xz"), *sample.glob("log/*.xz")]:
        (folder / packed.relative_to(sample).with_suffix("")).write_bytes(lzma.decompress(packed.read_bytes()))
    key = folder / "master.key"
    key.touch(mode=0o600)
    key.write_bytes((sample / "master.key").read_bytes())
    facts = json.loads((sample / "sample.json").read_text())
    return facts | {"keys": {name: tuple(key) for name, key in facts["keys"].items()}}


if __name__ == "__main__":
    made = make(int(sys.argv[1]), pathlib.Path(sys.argv[2]))
    print(f"{made.relative_to(REPOSITORY)}, by {SLUICE}")
