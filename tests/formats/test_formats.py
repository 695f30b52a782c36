"""The present version opens the folders of earlier ones, and refuses those of later ones politely."""

import hashlib
import re
import sqlite3
import subprocess
import zlib

import pytest
from support import sample
from support.devices import connected, publish_unreleased
from support.packets import Kind
from support.sample import INSTANCE, LOST, MEMBER, READER, ROOT, STRICT, WAITING, WRITER, session
from support.server import SLUICE, Server, environment

SAMPLES = sorted(sample.SAMPLES.glob("data-*"))


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda path: path.name)
def opened(request, tmp_path_factory):
    """A server on a copy of a sample, and its keys. It must end with exit 0, and open once more what it made of the folder."""
    folder = tmp_path_factory.mktemp("sample") / "data"
    facts = sample.unpack(request.param, folder)
    server = Server(folder)
    yield server, facts["keys"]
    assert server.stop() == 0, server.log()
    server.start()
    assert server.stop() == 0, server.log()


def test_there_is_a_sample():
    assert SAMPLES


def test_users_keys_policies_and_settings_are_there(opened):
    server, keys = opened
    users = server.api("ram", "ListUsers")["Users"]["User"]
    assert {user["UserName"] for user in users} == {"reader", "writer"}
    # A key's secret was sealed under the folder's master key.
    assert server.api("sts", "GetCallerIdentity", keys["reader"])["Arn"].endswith(":user/reader")
    document = server.api("ram", "GetPolicy", PolicyName="reader", PolicyType="Custom")["DefaultPolicyVersion"]["PolicyDocument"]
    assert "mq:SUB" in document
    shown = server.api("onsmqtt", "GetMqttInstance", InstanceId=STRICT)["Instance"]
    assert (shown["Compatibility"], shown["Durability"], shown["DenyAction"]) == ("Strict", "Relaxed", "Respond")
    sessions = server.api("onsmqtt", "ListMqttSession", InstanceId=INSTANCE)["Sessions"]
    assert {one["ClientId"] for one in sessions} == {READER, WRITER, MEMBER, LOST}


def test_a_qos_2_message_that_was_taken_is_not_taken_again(opened):
    server, keys = opened
    writer = session(server, keys["writer"], WRITER)
    assert writer.connack.session_present
    publish_unreleased(writer, "home/a", "taken once", sample.UNRELEASED, dup=True)
    writer.release(sample.UNRELEASED)
    writer.disconnect()


def test_a_session_goes_on_with_what_was_in_flight_its_queue_and_the_will_that_is_due(opened):
    server, keys = opened
    reader = session(server, keys["reader"], READER)
    assert reader.connack.session_present
    again = reader.message()
    assert (again.payload, again.qos, again.dup) == (b"in flight", 1, True)
    release = reader.expect(Kind.PUBREL)
    reader.ack(Kind.PUBCOMP, release.packet_id)
    got = [reader.message() for _ in WAITING]
    assert [(one.topic, one.payload.decode(), one.qos) for one in got] == WAITING
    assert all(one.prop("subscription_id") == [sample.SUBSCRIPTION_ID] for one in got)
    will = reader.message(wait_s=sample.WILL_DELAY + 30)
    assert (will.topic, will.payload) == ("home/will", b"will")
    # Its subscription holds.
    writer = session(server, keys["writer"], WRITER)
    assert writer.publish("home/new", "new", qos=2).code == 0
    assert reader.message().payload == b"new"
    reader.ping()
    assert reader.holds_nothing()
    for client in (reader, writer):
        client.disconnect()


def test_what_waits_for_a_group_comes_to_its_stored_member(opened):
    server, keys = opened
    member = session(server, keys["reader"], MEMBER)
    assert member.message().payload == b"for the group"
    member.disconnect()


def test_a_retained_message_comes_to_a_new_subscriber(opened):
    server, keys = opened
    fresh = connected(server, keys["reader"], "GID_home@@@fresh")
    assert fresh.subscribe("home/#", qos=1).codes == [1]
    kept = fresh.message()
    assert (kept.topic, kept.payload, kept.retain) == ("home/kept", b"kept", True)
    fresh.ping()
    assert fresh.holds_nothing()
    fresh.disconnect()


def test_the_account_itself_still_may_everything(opened):
    server, _ = opened
    owner = connected(server, ROOT, "GID_home@@@owner")
    assert owner.publish("home/owner", "x", qos=1).code in (0, 0x10)
    owner.disconnect()


def newer_database(folder):
    database = sqlite3.connect(folder / "sluice.db", isolation_level=None)
    database.execute("INSERT INTO schema_steps (step) VALUES (9999)")
    database.close()
    return "9999"


def newer_log(folder):
    """A segment whose header says a later version, in both copies and with their checks."""
    segment = max((folder / "log").glob("*.segment"))
    content = bytearray(segment.read_bytes())
    for at in (0, 32):
        assert content[at : at + 8] == b"SLUICELG"
        content[at + 8 : at + 12] = (9999).to_bytes(4, "little")
        content[at + 28 : at + 32] = zlib.crc32(content[at : at + 28]).to_bytes(4, "little")
    segment.write_bytes(content)
    return "9999"


def sums(folder):
    kept = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock" and "-wal" not in path.name and "-shm" not in path.name]
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.mark.parametrize("made_newer", [newer_database, newer_log], ids=["database", "log"])
def test_a_folder_of_a_newer_version_is_refused_politely_and_left_as_it_is(tmp_path, made_newer):
    folder = tmp_path / "data"
    sample.unpack(SAMPLES[-1], folder)
    version = made_newer(folder)
    before = sums(folder)
    command = [SLUICE, "serve", "--data-dir", str(folder), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "ready" not in done.stdout
    said = done.stderr.splitlines()[-1]
    assert version in said and re.search("newer|later", said) and "panicked" not in done.stderr, done.stderr
    assert sums(folder) == before
