"""`sluice master-key rotate`: beside a running server, without one, and killed at any moment."""

import random
import subprocess
import threading
import time

import pytest

from support import sdk
from support.mqtt import connack
from support.server import INSTANCE, ROOT_KEY, ROOT_SECRET, SLUICE, Server, environment

ROOT = (ROOT_KEY, ROOT_SECRET)
USERS = 25
KILLS = 12


@pytest.fixture(scope="module")
def keys(server):
    """AccessKeys, besides the account's own."""
    made = []
    for n in range(USERS):
        server.api("ram", "CreateUser", UserName=f"u{n}")
        for _ in range(2):
            key = server.api("ram", "CreateAccessKey", UserName=f"u{n}")["AccessKey"]
            made.append((key["AccessKeyId"], key["AccessKeySecret"]))
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_key")
    return made


def rotate(server, *flags, check=True):
    return server.run("master-key", "rotate", "--data-dir", str(server.folder), *flags, check=check)


def key_file(server):
    return server.folder / "master.key"


def held(server):
    return key_file(server).read_text().split()


def all_open(server, keys):
    """Every secret signs a call; the account's own also a CONNECT."""
    for key in [ROOT, *keys]:
        assert sdk.sts(server, key).get_caller_identity().body.account_id
    assert connack(server, ROOT, "GID_key@@@1") == 0


def test_a_rotation_beside_a_running_server_ends_with_one_new_key(server, keys):
    before = held(server)
    done = rotate(server)
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert lines == {"MasterKeyFile": str(key_file(server)), "Resealed": str(len(keys) + 1)}
    after = held(server)
    assert len(after) == 1 and after != before
    assert key_file(server).stat().st_mode & 0o777 == 0o600
    for secret in before + after:
        assert secret not in done.stdout + done.stderr + server.log()
    all_open(server, keys)
    server.end()
    server.start()
    all_open(server, keys)


def test_keys_made_while_the_master_key_changes_open_after_it(server, keys):
    made, stop, faults = [], threading.Event(), []

    def make():
        n = 0
        while not stop.is_set():
            n += 1
            try:
                server.api("ram", "CreateUser", UserName=f"meanwhile{n}")
                key = server.api("ram", "CreateAccessKey", UserName=f"meanwhile{n}")["AccessKey"]
                made.append((key["AccessKeyId"], key["AccessKeySecret"]))
            except AssertionError as fault:
                faults.append(fault)

    maker = threading.Thread(target=make)
    maker.start()
    for _ in range(8):
        rotate(server)
    stop.set()
    maker.join()
    assert not faults and made
    server.end()
    server.start()
    all_open(server, keys + made)


def test_a_kill_at_any_moment_loses_no_secret(server, keys):
    chance = random.Random(6)
    seen = set()
    for _ in range(KILLS):
        command = [SLUICE, "master-key", "rotate", "--data-dir", str(server.folder)]
        asked = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # Not a wait for anything: the moment of the kill is drawn.
        time.sleep(chance.uniform(0, 0.06))
        server.kill()
        asked.communicate()
        seen.add((len(held(server)), asked.returncode))
        server.start()
        assert len(held(server)) == 1, "a start finishes what a kill interrupted"
        all_open(server, keys[:5])
    all_open(server, keys)
    print("key lines and exit codes that the kills left:", sorted(seen))


def test_without_a_server_the_key_changes_too_also_in_a_file_elsewhere(server, keys, tmp_path):
    server.end()
    before = held(server)
    rotate(server)
    assert held(server) != before
    # A mounted secret: the operator writes the new key above the one of before, and starts the server.
    elsewhere = tmp_path / "key"
    new = "5c" * 32
    elsewhere.write_text(f"{new}\n{held(server)[0]}\n")
    elsewhere.chmod(0o600)
    key_file(server).unlink()
    server.flags = ("--master-key-file", str(elsewhere))
    server.start()
    assert elsewhere.read_text().split() == [new]
    all_open(server, keys)
    rotate(server)
    assert elsewhere.read_text().split() != [new] and not key_file(server).exists()
    server.end()
    refused = rotate(server, check=False)
    assert refused.returncode == 1 and "missing" in refused.stderr
    assert rotate(server, "--master-key-file", str(elsewhere)).returncode == 0
    done = server.run("account", "reset-root", "--id", "1234567890123456", "--data-dir", str(server.folder), SLUICE_MASTER_KEY_FILE=str(elsewhere))
    assert "AccessKeySecret=" in done.stdout
    server.start()
    for key in keys:
        assert sdk.sts(server, key).get_caller_identity().body.account_id


def test_a_backup_opens_with_the_key_of_its_time_alone(tmp_path):
    source = Server(tmp_path / "source" / "data")
    old = key_file(source).read_text()
    source.run("backup", str(tmp_path / "copy"), "--data-dir", str(source.folder))
    rotate(source)
    new = key_file(source).read_text()
    assert source.stop() == 0
    target = tmp_path / "target" / "data"
    source.run("restore", str(tmp_path / "copy"), "--data-dir", str(target))
    for text, code in ((new, 1), (new + old, 0)):
        (target / "master.key").write_text(text)
        (target / "master.key").chmod(0o600)
        done = source.run("account", "list", "--data-dir", str(target), check=False)
        assert done.returncode == code, done.stderr
    assert (target / "master.key").read_text() == new, "two keys bring an old backup under the new one"
