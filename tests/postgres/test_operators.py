"""What an operator does on one of two servers on one database: the other follows within a second."""

import shutil

import pytest

from support import postgres, sdk
from support.devices import attempt, connected, refusal, subscribed
from support.server import Server, until

PLACE = "mqtt-cn-tenant"


def account_command(server, *arguments):
    done = server.run("account", *arguments, "--data-dir", str(server.folder))
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def furnish(server, *arguments):
    made = account_command(server, "create", "--alias", "tenant", *arguments)
    root = (made["AccessKeyId"], made["AccessKeySecret"])
    server.api("onsmqtt", "CreateMqttInstance", key=root, InstanceName="first", InstanceId=PLACE)
    server.api("onsmqtt", "CreateMqttTopic", key=root, InstanceId=PLACE, Topic="home")
    server.api("onsmqtt", "CreateGroupId", key=root, InstanceId=PLACE, GroupId="GID_mine")
    return made["AccountId"], root


def code(server, key):
    """The code that a call is refused with, or `ok`."""
    try:
        sdk.sts(server, key).get_caller_identity()
        return "ok"
    except Exception as error:  # The SDK raises several types; all of them have a code.
        return error.code


def test_an_account_is_disabled_deleted_and_made_again_on_both(pair):
    account, root = furnish(pair.one)
    until(lambda: refusal(pair.other, root, "GID_mine@@@look", instance=PLACE) == 0, "the account on the other server")
    client = connected(pair.other, root, "GID_mine@@@1", instance=PLACE)
    assert client.publish("home/kept", b"x", 1, retain=True).code == 0
    account_command(pair.one, "disable", "--id", account)
    assert client.ended() == 0x87
    until(lambda: code(pair.other, root) == "Inactive", "the end of its keys on the other server")
    account_command(pair.other, "enable", "--id", account)
    until(lambda: code(pair.one, root) == "ok", "its keys on the first server")
    client = connected(pair.other, root, "GID_mine@@@1", instance=PLACE)
    account_command(pair.one, "delete", "--id", account, "--yes", account)
    assert client.ended() == 0x87
    assert furnish(pair.one, "--id", account)[0] == account
    made = account_command(pair.other, "reset-root", "--id", account)
    root = (made["AccessKeyId"], made["AccessKeySecret"])
    until(lambda: code(pair.one, root) == "ok", "the new key on the first server")
    for server in pair.both:
        until(lambda: refusal(server, root, "GID_mine@@@look", instance=PLACE) == 0, "the instance")
        late = subscribed(server, root, "GID_mine@@@late", "home/#", instance=PLACE)
        late.ping()
        late.quiet(0.2)
    assert attempt(pair.one, root, "GID_mine@@@1", instance=PLACE).connack.code == 0


@pytest.fixture
def apart(tmp_path):
    """Two servers on one database, each with a key file of its own."""
    url = postgres.shared().database()
    one = Server(tmp_path / "one" / "data", database=url)
    folder = tmp_path / "other" / "data"
    folder.mkdir(parents=True)
    shutil.copy(one.folder / "master.key", folder / "master.key")
    other = Server(folder, database=url)
    yield one, other
    for server in (one, other):
        assert server.stop() == 0, server.log()


def rotate(server, check=True):
    return server.run("master-key", "rotate", "--data-dir", str(server.folder), check=check)


def test_the_master_key_is_changed_on_two_servers_that_go_on(apart):
    one, other = apart
    keys = []

    def new_key(server):
        name = f"u{len(keys)}"
        server.api("ram", "CreateUser", UserName=name)
        key = server.api("ram", "CreateAccessKey", UserName=name)["AccessKey"]
        keys.append((key["AccessKeyId"], key["AccessKeySecret"]))

    def all_open():
        for server in apart:
            for key in keys:
                until(lambda: code(server, key) == "ok", "a key in force")

    new_key(one)
    new_key(other)
    refused = rotate(one, check=False)
    assert refused.returncode == 1 and "every other server's file" in refused.stderr
    new = "7e" * 32
    for server in apart:
        path = server.folder / "master.key"
        path.write_text(f"{new}\n{path.read_text()}")
        assert server.stop() == 0
        server.start()
        assert len(path.read_text().split()) == 2, "no server goes ahead of the others"
    new_key(one)
    all_open()
    assert "Resealed=4" in rotate(one).stdout
    # The other one learns of it when it is refused, and when it reads a key again.
    new_key(other)
    new_key(one)
    all_open()
    assert "Resealed=0" in rotate(other).stdout
    for server in apart:
        assert (server.folder / "master.key").read_text().split() == [new]
        assert server.stop() == 0
        server.start()
    all_open()
