"""`sluice backup` and `sluice restore` with the real binary: what is in a copy, what is not, and what is refused."""

import contextlib
import json
import shutil
import sqlite3
import stat
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest

from support import sample, sdk
from support.devices import connected, heard, revoke, say
from support.packets import Kind
from support.sample import MEMBER, READER, WRITER, session
from support.server import ALIAS, DEADLINE_S, INSTANCE, REPOSITORY, ROOT_PASSWORD, SLUICE, Server, access, environment, topic, until

NAMES = {"manifest.json", "sluice.db", "log"}


def sluice(*arguments):
    return subprocess.run([SLUICE, *map(str, arguments)], env=environment(), capture_output=True, text=True, timeout=DEADLINE_S)


def backup(data, copy):
    done = sluice("backup", copy, "--data-dir", data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def restore(copy, data):
    done = sluice("restore", copy, "--data-dir", data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*arguments):
    """What a command that must fail says."""
    done = sluice(*arguments)
    assert done.returncode == 1 and done.stdout == "", done
    return done.stderr


def files(copy):
    return sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file())


def serve_refused(data, *flags):
    """Why a server does not start on a folder."""
    done = sluice("serve", "--data-dir", data, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", *flags)
    assert done.returncode == 1, done
    return done.stderr


@contextlib.contextmanager
def running(folder, *flags):
    server = Server(folder, *flags)
    try:
        yield server
    finally:
        assert server.stop() == 0, server.log()


@pytest.fixture(scope="module")
def copied(server, tmp_path_factory):
    """A copy of a running server, made while users were created; what was there before and after; what was printed."""
    key = server.new_user("device", access(), topic("home"))
    server.api("onsmqtt", "UpdateMqttInstance", InstanceId=INSTANCE, Durability="Relaxed", OfflineMessagesMax="77")
    made, stop = [], threading.Event()

    def write():
        while not stop.is_set():
            server.api("ram", "CreateUser", UserName=f"writer{len(made)}")
            made.append(None)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: len(made) >= 3, "some writes")
        before = len(made)
        copy = tmp_path_factory.mktemp("copies") / "new" / "copy"
        printed = backup(server.folder, copy)
        after = len(made)
        until(lambda: len(made) > after, "a write behind the copy")
    finally:
        stop.set()
        writer.join()
    return {"copy": copy, "key": key, "before": before, "after": after, "printed": printed, "data": server.folder}


def test_a_copy_made_while_writes_go_on_has_what_was_acknowledged_and_starts_elsewhere(copied, tmp_path):
    data = tmp_path / "data"
    assert "master key is not part of a backup" in restore(copied["copy"], data)
    shutil.copy2(copied["data"] / "master.key", data)
    with running(data) as server:
        users = {user["UserName"] for user in server.api("ram", "ListUsers", MaxItems="1000")["Users"]["User"]}
        writers = {name for name in users if name.startswith("writer")}
        # No hole: what was there at one instant between the beginning of the copy and its end.
        assert writers == {f"writer{n}" for n in range(len(writers))}
        assert copied["before"] <= len(writers) <= copied["after"] + 1
        policies = server.api("ram", "ListPoliciesForUser", UserName="device")["Policies"]["Policy"]
        assert [policy["PolicyName"] for policy in policies] == ["device"]
        # The secrets open: both keys sign.
        refusal = sdk.code_of(lambda: sdk.generic(server, "GetMqttInstance", key=copied["key"], InstanceId=INSTANCE))
        assert refusal[0] == "PermissionCheckFailed"
        shown = sdk.generic(server, "GetMqttInstance", InstanceId=INSTANCE)["Instance"]
        assert (shown["Durability"], shown["Limits"]["OfflineMessagesMax"]) == ("Relaxed", 77)


def flow(server, key, taken, stop):
    """Publishes numbers to a session that is away, until it is told to stop; `taken` has those that were acknowledged."""
    client = session(server, key, WRITER)
    while not stop.is_set():
        assert client.publish("home/flow", str(len(taken)), qos=1).code == 0
        taken.append(None)
    client.cut()


def test_messages_and_sessions_are_in_a_copy_made_while_messages_flow(tmp_path):
    with running(tmp_path / "one" / "data") as server:
        keys = sample.fill(server)
        taken, stop = [], threading.Event()
        publisher = threading.Thread(target=flow, args=(server, keys["writer"], taken, stop))
        publisher.start()
        try:
            until(lambda: len(taken) >= 20, "some messages")
            before = len(taken)
            backup(server.folder, tmp_path / "copy")
            after = len(taken)
            until(lambda: len(taken) > after, "a message behind the copy")
        finally:
            stop.set()
            publisher.join()
        # A right that was taken back before the copy is not in it.
        revoke(server, "writer", "writer")
        backup(server.folder, tmp_path / "revoked")
    for copy in ("copy", "revoked"):
        restore(tmp_path / copy, tmp_path / f"of-{copy}" / "data")
        shutil.copy2(tmp_path / "one" / "data" / "master.key", tmp_path / f"of-{copy}" / "data")
    with running(tmp_path / "of-copy" / "data") as server:
        stored = sdk.generic(server, "GetMqttInstance", InstanceId=INSTANCE)["Instance"]["Stored"]
        assert stored["Messages"] > before and stored["Bytes"] > 0
        reader = session(server, keys["reader"], READER)
        assert reader.connack.session_present
        assert (reader.message().payload, reader.expect(Kind.PUBREL).kind) == (b"in flight", Kind.PUBREL)
        assert [reader.message().payload.decode() for _ in sample.WAITING] == [waiting[1] for waiting in sample.WAITING]
        # All that was acknowledged before the copy, in order and without a hole, and nothing twice.
        say(server, "home/end", "end")
        numbers = list(iter(lambda: reader.message().payload.decode(), "end"))
        assert numbers == [str(n) for n in range(len(numbers))] and before <= len(numbers) <= after + 1
        member = session(server, keys["reader"], MEMBER)
        assert member.connack.session_present and member.message().payload == b"for the group"
        fresh = connected(server, keys["reader"], "GID_home@@@fresh")
        assert fresh.subscribe("home/kept", qos=1).codes == [1] and fresh.message().payload == b"kept"
    with running(tmp_path / "of-revoked" / "data") as server:
        reader = session(server, keys["reader"], READER)
        assert reader.connack.session_present and reader.expect(Kind.PUBREL)
        assert heard(server, reader, "home/end") == []


def test_a_copy_is_private_and_holds_neither_the_master_key_nor_another_secret(copied):
    copy, key = copied["copy"], copied["data"] / "master.key"
    assert str(key) in copied["printed"] and "The master key is not in it" in copied["printed"]
    assert {path.name for path in copy.iterdir()} == NAMES
    assert {stat.S_IMODE(path.stat().st_mode) for path in (copy, copy / "log")} == {0o700}
    assert {stat.S_IMODE((copy / name).stat().st_mode) for name in files(copy)} == {0o600}
    digits = key.read_text().strip()
    whole = b"".join((copy / name).read_bytes() for name in files(copy))
    for secret in (digits.encode(), digits.upper().encode(), bytes.fromhex(digits), ROOT_PASSWORD.encode(), copied["key"][1].encode()):
        assert secret not in whole
    manifest = json.loads((copy / "manifest.json").read_text())
    steps = list((REPOSITORY / "crates" / "store" / "migrations").glob("*.sql"))
    assert (manifest["format"], manifest["schema"]) == (1, len(steps))
    assert [entry["name"] for entry in manifest["files"]] == [name for name in files(copy) if name != "manifest.json"]
    assert any(name.startswith("log/") for name in files(copy))


def test_a_copy_signs_nobody_in_to_the_console(server, tmp_path):
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    page = browser.open(f"{server.http}/console/").read().decode()
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": csrf, "logon_name": ALIAS, "password": ROOT_PASSWORD}
    signed_in = browser.open(f"{server.http}/console/", urllib.parse.urlencode(form).encode())
    assert "User center" in signed_in.read().decode()
    backup(server.folder, tmp_path / "copy")
    count = lambda database: sqlite3.connect(database).execute("SELECT COUNT(*) FROM console_sessions").fetchone()[0]
    assert (count(server.folder / "sluice.db"), count(tmp_path / "copy" / "sluice.db")) == (1, 0)


def test_a_flipped_byte_anywhere_is_refused_and_nothing_is_written(copied, tmp_path):
    copy, data = tmp_path / "copy", tmp_path / "data"
    shutil.copytree(copied["copy"], copy)
    for name in files(copy):
        path = copy / name
        whole = path.read_bytes()
        for index in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
            assert str(path) in refused("restore", copy, "--data-dir", data), (name, index)
        path.write_bytes(whole[:-1])
        assert str(path) in refused("restore", copy, "--data-dir", data), name
        path.write_bytes(whole)
    assert [path.name for path in data.iterdir()] == ["lock"]
    restore(copy, data)
    assert files(data) == ["lock", *(name for name in files(copy) if name != "manifest.json")]


def test_a_copy_that_lacks_a_file_is_refused_by_its_name(copied, tmp_path):
    copy, data = tmp_path / "copy", tmp_path / "data"
    shutil.copytree(copied["copy"], copy)
    for name in files(copy):
        whole = (copy / name).read_bytes()
        (copy / name).unlink()
        said = refused("restore", copy, "--data-dir", data)
        assert ("no manifest.json" if name == "manifest.json" else str(copy / name)) in said
        # A link out of the copy is no file of it.
        (copy / name).symlink_to(copied["copy"] / name)
        assert name == "manifest.json" or "damaged" in refused("restore", copy, "--data-dir", data)
        (copy / name).unlink()
        (copy / name).write_bytes(whole)
    assert "no manifest.json" in refused("restore", tmp_path / "nowhere", "--data-dir", data)


def test_a_newer_backup_is_refused_with_a_sentence(copied, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(copied["copy"], copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"format": 2, "something": "new"}))
    assert "use the newer program" in refused("restore", copy, "--data-dir", tmp_path / "data")


def test_a_restore_refuses_a_folder_that_is_in_use_or_not_empty(server, copied, tmp_path):
    assert "another sluice process uses the data folder" in refused("restore", copied["copy"], "--data-dir", server.folder)
    (tmp_path / "mine.txt").write_text("mine")
    assert "is not empty" in refused("restore", copied["copy"], "--data-dir", tmp_path)
    assert files(tmp_path) == ["mine.txt"]
    restored = tmp_path / "data"
    restore(copied["copy"], restored)
    assert "is not empty" in refused("restore", copied["copy"], "--data-dir", restored)


def test_a_restored_folder_starts_with_its_own_key_alone(copied, tmp_path):
    data, key = tmp_path / "data", copied["data"] / "master.key"
    restore(copied["copy"], data)
    said = serve_refused(data)
    assert str(data / "master.key") in said and "a backup does not contain it" in said
    assert not (data / "master.key").exists()
    other = tmp_path / "other.key"
    other.touch(mode=0o600)
    other.write_text("ab" * 32)
    assert "sealed under another master key" in serve_refused(data, "--master-key-file", other)
    with running(data, "--master-key-file", str(key)) as server:
        assert server.api("sts", "GetCallerIdentity")["IdentityType"] == "Account"


def test_a_key_that_was_put_there_before_is_kept(copied, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy2(copied["data"] / "master.key", data)
    assert "not part of a backup" not in restore(copied["copy"], data)
    with running(data) as server:
        assert server.api("sts", "GetCallerIdentity")["IdentityType"] == "Account"


def test_a_half_restored_folder_starts_no_server(copied, tmp_path):
    data = tmp_path / "data"
    restore(copied["copy"], data)
    shutil.copy2(copied["data"] / "master.key", data)
    (data / "restore.unfinished").touch()
    assert "did not end" in serve_refused(data)
    assert "did not end" in refused("restore", copied["copy"], "--data-dir", data)
    assert "did not end" in refused("backup", tmp_path / "copy", "--data-dir", data)


def test_a_backup_wants_an_empty_folder_outside_the_data(server, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert "is not empty" in refused("backup", tmp_path, "--data-dir", server.folder)
    for inside in (server.folder / "copy", server.folder / "new" / "copy"):
        assert "is inside the data folder" in refused("backup", inside, "--data-dir", server.folder)
    assert "cannot write" in refused("backup", tmp_path / "mine.txt" / "copy", "--data-dir", server.folder)
    assert files(tmp_path) == ["mine.txt"]
    # A path from the working folder is the caller's, not the server's.
    done = subprocess.run(
        [SLUICE, "backup", "here", "--data-dir", str(server.folder)], cwd=tmp_path, env=environment(), capture_output=True
    )
    assert done.returncode == 0 and (tmp_path / "here" / "manifest.json").exists()


def test_a_folder_without_a_server_is_copied_without_its_key_and_left_as_it_is(copied, tmp_path):
    data, key = tmp_path / "data", tmp_path / "kept.key"
    restore(copied["copy"], data)
    before = (data / "sluice.db").read_bytes()
    backup(data, tmp_path / "copy")
    assert (data / "sluice.db").read_bytes() == before and "master.key" not in files(data)
    restore(tmp_path / "copy", tmp_path / "again")
    shutil.copy2(copied["data"] / "master.key", key)
    with running(tmp_path / "again", "--master-key-file", str(key)) as server:
        assert server.api("ram", "GetUser", UserName="device")["User"]["UserName"] == "device"


def test_a_failed_backup_leaves_no_manifest_and_nothing_else(copied, tmp_path):
    data, copy = tmp_path / "data", tmp_path / "copy"
    restore(copied["copy"], data)
    whole = (data / "sluice.db").read_bytes()
    (data / "sluice.db").write_bytes(whole[: len(whole) // 2])
    assert "cannot copy the database" in refused("backup", copy, "--data-dir", data)
    assert list(copy.iterdir()) == []
    (data / "sluice.db").write_bytes(whole)
    backup(data, copy)
    assert "holds no data of sluice" in refused("backup", tmp_path / "other", "--data-dir", tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
