"""The database goes away while everything runs: what needs it is answered 503, and all is well again without a restart."""

import concurrent.futures
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from support import packets, sdk
from support.devices import attempt, connected, login, refusal, subscribed
from support.raw import Raw
from support.server import ACCOUNT, ALIAS, INSTANCE, ROOT_PASSWORD, Server, access, group, topic, until

SERVER_BUSY, SERVER_UNAVAILABLE = 0x89, 0x88
# Two seconds without a reading, half a second until it is tried, and what a busy machine adds.
CUT_OFF_S = 5


@pytest.fixture
def server(cluster, tmp_path):
    running = Server(tmp_path / "data", database=cluster.database())
    yield running
    assert running.stop() == 0, running.log()


def status(server, path, data=None, cookie=None):
    request = urllib.request.Request(server.http + path, data=data, headers={"Cookie": cookie} if cookie else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def people(server):
    """A topic, a group and somebody who may use them."""
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="home")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_home")
    return server.new_user("home", access(), topic("home"), group("GID_home"))


def is_cut_off(server):
    return status(server, "/readyz")[0] == 503


def recovers(server):
    until(lambda: status(server, "/readyz")[0] == 200, "ready again")
    until(lambda: server.api("ram", "GetUser", check=False, UserName="home")[0] == "", "an answer of the API")


def test_acknowledged_writes_outlive_a_database_that_is_stopped_hard(cluster, server):
    people(server)
    acknowledged, refused, stop = [], [], threading.Event()

    def write(worker):
        n = 0
        while not stop.is_set():
            n += 1
            name = f"w{worker}-{n}"
            code, _ = server.api("ram", "CreateUser", check=False, UserName=name)
            (acknowledged if code == "" else refused).append((name, code))

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(write, worker) for worker in range(6)]
        until(lambda: len(acknowledged) > 20, "some writes")
        cluster.stop()
        until(lambda: len(refused) > 5, "refusals")
        until(lambda: is_cut_off(server), "not ready", deadline_s=CUT_OFF_S)
        cluster.start()
        before = len(acknowledged)
        until(lambda: len(acknowledged) > before + 20, "writes again")
        stop.set()
        [writer.result() for writer in writers]
    codes = {code for _, code in refused}
    assert codes == {"ServiceUnavailable"}, codes
    recovers(server)
    there = {user["UserName"] for user in server.api("ram", "ListUsers", MaxItems=1000)["Users"]["User"]}
    assert {name for name, _ in acknowledged} <= there
    for name, _ in acknowledged[:3]:
        server.api("ram", "CreateAccessKey", UserName=name)
    assert "an operation failed" not in server.log() and "not-shown" not in server.log()


def test_everything_is_refused_while_nobody_can_know_and_nothing_is_lost(cluster, server):
    key = people(server)
    cookie = signed_in(server)
    stored = subscribed(server, key, "GID_home@@@stored", "home/#", stored=True)
    stored.cut()
    assert connected(server, key, "GID_home@@@sender").publish("home/kept", b"kept", qos=1).code == 0
    assert connected(server, key, "GID_home@@@keeper").publish("home/kept", b"retained", qos=1, retain=True).code == 0
    will = packets.Will("home/will", b"gone", 1)
    live, old = connected(server, key, "GID_home@@@v5"), connected(server, key, "GID_home@@@v3", version=4)
    willed = connected(server, key, "GID_home@@@will", will=will)
    waits = subscribed(server, key, "GID_home@@@waits", "home/#", stored=True)
    waits.messages(1)  # What is retained.
    cluster.stop()
    # Until it is known that nothing can be known, the connections go on.
    assert live.publish("home/still", b"still", qos=1).code == 0
    assert waits.message().payload == b"still"
    began = time.monotonic()
    assert [one.ended() for one in (live, old, willed, waits)] == [SERVER_BUSY, None, SERVER_BUSY, SERVER_BUSY]
    assert time.monotonic() - began < CUT_OFF_S
    assert is_cut_off(server) and status(server, "/healthz")[0] == 200
    assert refusal(server, key, "GID_home@@@v5") == SERVER_UNAVAILABLE
    assert refusal(server, key, "GID_home@@@v3", version=4) == 3
    for product, operation in (("ram", "ListUsers"), ("onsmqtt", "ListMqttInstance"), ("sts", "GetCallerIdentity")):
        assert server.api(product, operation, check=False)[0] == "ServiceUnavailable"
    assert sdk.code_of(lambda: sdk.generic(server, "ListMqttInstance")) == ("ServiceUnavailable", 503)
    for path in ("/console/", "/console/mqtt"):
        code, page = status(server, path, cookie=cookie)
        assert code == 503 and "Not available now" in page, (path, code)
    cluster.start()
    recovers(server)
    assert status(server, "/console/", cookie=cookie)[0] == 200
    back = Raw(("127.0.0.1", server.mqtt_port))
    back.connect("GID_home@@@stored", clean=False, props={"session_expiry": 3600}, **login(key, "GID_home@@@stored"))
    assert back.connack.code == 0 and back.connack.session_present
    assert [message.payload for message in back.messages(3)] == [b"kept", b"retained", b"still"]
    fresh = subscribed(server, key, "GID_home@@@fresh", "home/#")
    assert fresh.message().payload == b"retained"
    assert fresh.publish("home/again", b"again", qos=1).code == 0
    assert fresh.message().payload == b"again"
    fresh.ping()
    assert fresh.holds_nothing()  # No will was said of connections that the server ended.


def signed_in(server):
    """A console session's cookie."""
    answer = urllib.request.urlopen(f"{server.http}/console/")
    before, page = answer.headers["Set-Cookie"].split(";")[0], answer.read().decode()
    token = re.search(r'name="csrf" value="([^"]+)"', page).group(1)
    data = urllib.parse.urlencode({"logon_name": ALIAS, "password": ROOT_PASSWORD, "csrf": token}).encode()
    opener = urllib.request.build_opener(StaysHere)
    try:
        opener.open(urllib.request.Request(f"{server.http}/console/", data=data, headers={"Cookie": before}))
    except urllib.error.HTTPError as redirect:
        assert redirect.code == 303
        return next(c.split(";")[0] for c in redirect.headers.get_all("Set-Cookie") if "Max-Age=0" not in c)
    raise AssertionError("the sign-in did not lead on")


class StaysHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def test_a_database_that_hangs_is_given_up_in_time(cluster, server):
    key = people(server)
    live = connected(server, key, "GID_home@@@live")
    postmaster = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
    children = [int(pid) for pid in os.popen(f"ps -o pid= --ppid {postmaster}").read().split()]
    stand_still = [postmaster, *children]
    for pid in stand_still:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        code, _ = server.api("ram", "CreateUser", check=False, UserName="hangs")
        assert code == "ServiceUnavailable" and time.monotonic() - began < 12
        assert live.ended() == SERVER_BUSY
        assert is_cut_off(server)
    finally:
        for pid in stand_still:
            os.kill(pid, signal.SIGCONT)
    recovers(server)
    assert connected(server, key, "GID_home@@@live").publish("home/a", b"x", qos=1).code == 0


def test_what_was_revoked_while_a_server_could_not_read_is_in_force_when_it_can(cluster, tmp_path):
    url = cluster.database()
    one = Server(tmp_path / "one" / "data", database=url)
    other = Server(tmp_path / "other" / "data", "--master-key-file", str(one.folder / "master.key"), database=url)
    key = people(one)
    until(lambda: refusal(other, key, "GID_home@@@live") == 0, "the new user")
    live = connected(other, key, "GID_home@@@live")
    # The other process stands still, as on a machine that sleeps, and its right is taken back meanwhile.
    other.process.send_signal(signal.SIGSTOP)
    one.api("ram", "DetachPolicyFromUser", PolicyType="Custom", PolicyName="home", UserName="home")
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2.5, "the time after which it may not know any more")
    other.process.send_signal(signal.SIGCONT)
    assert live.ended() in (SERVER_BUSY, 0x87)
    until(lambda: refusal(other, key, "GID_home@@@live") == 0x87, "the refusal")
    assert attempt(other, key, "GID_home@@@live", version=4).connack.code == 5
    for server in (one, other):
        assert server.stop() == 0, server.log()


def test_a_server_finds_no_database_and_says_so_without_the_password(cluster, tmp_path):
    url = cluster.database()
    cluster.stop()
    server = Server.__new__(Server)
    done = server.run("serve", "--data-dir", str(tmp_path / "data"), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", check=False, SLUICE_DATABASE=url)
    assert done.returncode == 1 and "the database cannot be reached" in done.stderr, done.stderr
    assert "not-shown" not in done.stderr + done.stdout
    wrong = server.run("serve", "--database", "mysql://sluice:not-shown@db/x", check=False)
    assert wrong.returncode == 2 and "postgres://" in wrong.stderr and "not-shown" not in wrong.stderr
    assert "not-shown" not in server.run("serve", "--help", check=False, SLUICE_DATABASE=url).stdout


def test_an_operator_works_beside_a_server_and_without_one(cluster, tmp_path):
    url = cluster.database()
    server = Server(tmp_path / "data", database=url)
    beside = server.new_account("beside")
    backup = ["backup", str(tmp_path / "copy"), "--data-dir", str(server.folder)]
    for variables in ({}, {"SLUICE_DATABASE": url}):
        refused = server.run(*backup, check=False, **variables)
        assert refused.returncode == 1 and "pg_dump" in refused.stderr, refused.stderr
    assert not (tmp_path / "copy").exists()
    assert server.stop() == 0
    without = server.new_account("without")
    refused = server.run("restore", str(tmp_path), "--data-dir", str(tmp_path / "new"), check=False, SLUICE_DATABASE=url)
    assert refused.returncode == 1 and "pg_dump" in refused.stderr, refused.stderr
    lines = server.run("account", "list", "--data-dir", str(server.folder), SLUICE_DATABASE=url).stdout.splitlines()
    listed = [line.removeprefix("AccountId=") for line in lines if line.startswith("AccountId=")]
    assert set(listed) == {ACCOUNT, beside["AccountId"], without["AccountId"]}
    # Another folder has another master key, which does not open what is in the database.
    stranger = server.run("account", "list", "--data-dir", str(tmp_path / "stranger"), check=False, SLUICE_DATABASE=url)
    assert stranger.returncode == 1 and "master key" in stranger.stderr, stranger.stderr
