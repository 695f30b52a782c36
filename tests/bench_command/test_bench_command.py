"""`sluice bench` against a real server, signed in as a RAM user: what it counts is what was sent."""

import json

import pytest
from support.server import INSTANCE, ROOT_KEY, ROOT_SECRET, access, group, topic

BRIEF = ("--seconds", "1", "--warmup", "0")
RUNS = {
    "p2p": (("p2p", "--pairs", "3"), 1, (3, 3)),
    "fan-in": (("fan-in", "--publishers", "5", "--subscribers", "2"), 2, (5, 2)),
    "shared": (("fan-in", "--publishers", "5", "--subscribers", "3", "--shared"), 1, (5, 3)),
    "fan-out": (("fan-out", "--publishers", "2", "--subscribers", "7"), 7, (2, 7)),
}


@pytest.fixture(scope="module")
def key(server):
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="bench")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_bench")
    return server.new_user("bench", access(), topic("bench"), group("GID_bench"))


def bench(server, key, *arguments, check=True):
    """One run; the finished process, and the JSON object that it printed."""
    done = server.run(
        "bench", *arguments, "--json", "--mqtt", f"127.0.0.1:{server.mqtt_port}", "--instance", INSTANCE, check=check,
        SLUICE_ACCESS_KEY_ID=key[0], SLUICE_ACCESS_KEY_SECRET=key[1],
    )  # fmt: skip
    return done, json.loads(done.stdout) if done.stdout else None


@pytest.mark.parametrize("version", ((), ("--v5",)), ids=("v3.1.1", "v5"))
@pytest.mark.parametrize("qos", (0, 1, 2))
@pytest.mark.parametrize("run", RUNS)
def test_every_message_is_counted_once_at_each_receiver(server, key, run, qos, version):
    arguments, fan, clients = RUNS[run]
    _, counted = bench(
        server, key, *arguments, *BRIEF, *version, "--qos", str(qos), "--window", "4", "--pid", str(server.process.pid)
    )
    assert (counted["publishers"], counted["subscribers"]) == clients
    assert counted["sent"] > 0 and counted["received"] == counted["sent"] * fan
    assert (counted["lost"], counted["duplicated"], counted["out_of_order"], counted["connections_lost"]) == (0, 0, 0, 0)
    latency = [counted["latency_us"][name] for name in ("p50", "p90", "p99", "p99_9", "max")]
    assert 0 < latency[0] and latency == sorted(latency)
    assert counted["server"]["cpu_s"] > 0 and counted["server"]["rss_kib"] > 0


def test_an_open_loop_sends_as_many_as_are_due(server, key):
    _, counted = bench(server, key, "p2p", "--pairs", "4", "--qos", "1", "--rate", "400", "--seconds", "2", "--warmup", "0")
    assert 780 <= counted["sent"] <= 900 and counted["received"] == counted["sent"]


@pytest.mark.parametrize("run", ("GetUser", "AttachPolicyToUser"))
def test_operations_are_called_and_their_users_taken_away(server, run):
    key, secret = ROOT_KEY, ROOT_SECRET
    done = server.run(
        "bench", "operations", run, "--callers", "3", *BRIEF, "--json", "--pid", str(server.process.pid),
        SLUICE_ENDPOINT=server.http, SLUICE_ACCESS_KEY_ID=key, SLUICE_ACCESS_KEY_SECRET=secret,
    )  # fmt: skip
    counted = json.loads(done.stdout)
    assert (counted["run"], counted["callers"]) == (run, 3) and counted["calls"] > 0
    assert 0 < counted["latency_us"]["p50"] <= counted["latency_us"]["max"]
    left = [user["UserName"] for user in server.api("ram", "ListUsers")["Users"]["User"]]
    assert not [name for name in left if name.startswith("bench-")]


def test_idle_connections_are_held_and_counted(server, key):
    _, counted = bench(server, key, "conn", "--connections", "50", "--seconds", "1", "--pid", str(server.process.pid))
    assert (counted["connected"], counted["connections_lost"]) == (50, 0)
    assert counted["connack_us"]["p50"] > 0 and counted["server"]["rss_kib"] > 0


def test_messages_that_a_policy_holds_back_are_lost_and_the_exit_code_says_so(server, key):
    deaf = server.new_user("deaf", access(), topic("bench", "mq:SUB"), group("GID_bench"))
    done, counted = bench(server, deaf, "p2p", "--pairs", "1", "--qos", "1", *BRIEF, "--drain", "1", check=False)
    assert done.returncode == 1 and counted["lost"] == counted["sent"] > 0
    assert counted["connections_lost"] > 0 and "GID_bench@@@" in counted["first_fault"]


def test_a_wrong_secret_is_told_and_not_measured(server, key):
    done, counted = bench(server, (key[0], "x" * 30), "p2p", *BRIEF, check=False)
    assert done.returncode == 1 and counted is None
    assert "CONNECT was refused with BadUserNameOrPassword" in done.stderr


def test_a_reader_gets_a_table(server, key):
    done = server.run(
        "bench", "fan-out", "--subscribers", "2", *BRIEF, "--mqtt", f"127.0.0.1:{server.mqtt_port}", "--instance", INSTANCE,
        SLUICE_ACCESS_KEY_ID=key[0], SLUICE_ACCESS_KEY_SECRET=key[1],
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == "fan-out of 1 publishers and 2 subscribers, MQTT 3.1.1, QoS 0, 64 bytes, window 32"
    assert any(line.startswith("  latency") and "p99.9" in line for line in lines)


@pytest.mark.parametrize("version", ((), ("--v5",)), ids=("v3.1.1", "v5"))
@pytest.mark.parametrize("qos", ("1", "2"))
@pytest.mark.parametrize("to_all", (False, True))
def test_sessions_that_were_away_get_once_what_was_acknowledged(server, key, to_all, qos, version):
    fan = 3 if to_all else 1
    _, counted = bench(
        server, key, "stored", "--publishers", "7", "--sessions", "3", "--qos", qos, "--messages", "100", "--window", "4", "--fresh",
        *version, *(["--to-all"] if to_all else []), "--pid", str(server.process.pid),
    )  # fmt: skip
    published, drained = counted["published"], counted["drained"]
    assert (published["sent"], published["acknowledged"], counted["fan"], counted["connections_lost"]) == (100, 100, fan, 0)
    assert drained["received"] == 100 * fan
    assert (drained["lost"], drained["duplicated"], drained["out_of_order"]) == (0, 0, 0)
    assert 0 < published["latency_us"]["p50"] <= published["latency_us"]["max"]


def test_stored_sessions_may_be_drained_by_a_later_run(server, key):
    work = ("stored", "--publishers", "4", "--sessions", "2", "--messages", "40")
    _, stored = bench(server, key, *work, "--fresh", "--phase", "publish")
    assert stored["published"]["acknowledged"] == 40 and "drained" not in stored
    _, drained = bench(server, key, *work, "--phase", "drain")
    assert drained["drained"]["received"] == 40 and drained["drained"]["lost"] == 0 and "published" not in drained
    done, again = bench(server, key, *work, "--phase", "drain", "--drain", "1", check=False)
    assert done.returncode == 1 and again["drained"]["lost"] == 40
