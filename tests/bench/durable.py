"""What is acknowledged is on disk: how fast, beside the raw log and mosquitto, and how fast a server is back with all of it.

durable.py [PART...] [--rounds 3] [--seconds 2] [--messages 1000000] [--sessions 100000] [--write]
PART: rates, fan-out, start; all without one. Needs the release build. Takes about five minutes. Data lies below target/.
"""

import argparse
import pathlib
import re
import socket
import statistics
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import load, log_forms, page  # noqa: E402
from bench.brokers import Mosquitto, Sluice  # noqa: E402
from bench.revocation import packet, text  # noqa: E402
from support.mqtt import password  # noqa: E402
from support.server import INSTANCE, REPOSITORY, until  # noqa: E402

PAYLOADS = (16, 256)
PUBLISHERS = (1, 16, 256, 1000)
# The cell of the targets; only it is measured in rounds.
COMPARED = 256
SESSIONS = 16
# And once with so many messages of each on their way.
WINDOW = 4
OF_RAW_LEAST = 0.6
START_S_MOST = 5.0
FAN_OUT_SESSIONS = 10_000
FAN_OUT_MESSAGES = 50
FAN_OUT_BYTES = 256
START_SESSIONS = 100
START_BYTES = 160
LEVELS = ("Sync", "Relaxed")
TIMER = "mosquitto, written every 30 minutes"


class Timed(Mosquitto):
    """With persistence, by its default timer: what is acknowledged is in memory until the half hour is over."""

    def arguments(self):
        settings = (
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {self.folder}/\nlog_type error\nuser root\nmax_queued_messages 0\n"
        )
        return ["-c", self.written(settings)]


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def stored(broker, *arguments):
    """One run of `sluice bench stored`; nothing that was acknowledged may be lost."""
    found = load.own(broker, "stored", "--handshakes", "128", *map(str, arguments))
    drained = found.get("drained")
    assert not found["connections_lost"] and not (drained and drained["lost"]), found
    return found


def syncs(broker):
    """The log's syncs so far, by the server's own metric."""
    with urllib.request.urlopen(f"{broker.server.http}/metrics") as reply:
        found = re.search(r"^sluice_log_syncs_total (\d+)$", reply.read().decode(), re.MULTILINE)
    return int(found[1]) if found else 0


def level(broker, of):
    broker.server.api("onsmqtt", "UpdateMqttInstance", InstanceId=INSTANCE, Durability=of)


def acknowledged(broker, payload, publishers, seconds, *more):
    """One closed loop, by default with one message of each publisher on its way; then the sessions take it all."""
    at = syncs(broker) if isinstance(broker, Sluice) else 0
    found = stored(broker, "--publishers", publishers, "--sessions", SESSIONS, "--payload", payload, "--seconds", seconds, "--fresh", *more)
    published = found["published"]
    return {
        "rate": published["acknowledged_per_s"],
        "p50": published["latency_us"]["p50"],
        "p99": published["latency_us"]["p99"],
        "cpu": published["server_cpu_us_per_message"],
        "generator": published["generator_cpu_us_per_message"],
        "syncs": syncs(broker) - at if isinstance(broker, Sluice) else 0,
        "acknowledged": published["acknowledged"],
        "drained": found["drained"]["received_per_s"],
    }


def raw(folder, how, publishers, payload, seconds):
    """The log alone, on the same disk."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        found = log_forms.run("own", place, how, publishers, payload, seconds)
    return {"rate": found["messages_per_s"], "p99": found["p99_us"], "syncs": found["syncs"]}


ALONE = {"threads": "the log alone, a thread a publisher", "rate": "the log alone, one thread for all"}


def cell(folder, broker, payload, publishers, args):
    """{who: what was measured, round by round}, one after the other."""
    found = {}
    note = lambda who, seen: (found.setdefault(who, []).append(seen), say(f"{payload} B, {publishers}, {who}: {seen}"))
    for _ in range(args.rounds if publishers == COMPARED else 1):
        with broker:
            for of in LEVELS:
                level(broker, of)
                note(f"Sluice, {of}", acknowledged(broker, payload, publishers, args.seconds))
        for how, who in ALONE.items():
            note(who, raw(folder, how, publishers, payload, args.seconds))
        if publishers == COMPARED and Timed.program:
            with Timed(pathlib.Path(tempfile.mkdtemp(dir=folder))) as timed:
                note(TIMER, acknowledged(timed, payload, publishers, args.seconds))
    return found


def rates(folder, args):
    broker = Sluice(folder / "rates")
    rows, ratios, beside = [], {how: [] for how in ALONE}, []
    for payload in PAYLOADS:
        for publishers in PUBLISHERS:
            found = cell(folder, broker, payload, publishers, args)
            alone = [f"{statistics.median(seen['rate'] for seen in found[who]):,.0f}" for who in ALONE.values()]
            ours = found["Sluice, Sync"]
            for who in (*(f"Sluice, {of}" for of in LEVELS), TIMER):
                if who in found:
                    rows.append([who, f"{payload} B", f"{publishers:,}", *figures(found[who]), *(alone if found[who] is ours else ("", ""))])
            if publishers == COMPARED:
                for how, who in ALONE.items():
                    ratios[how].append(statistics.median(one["rate"] / other["rate"] for one, other in zip(ours, found[who])))
                if TIMER in found:
                    beside.append(statistics.median(one["rate"] / other["rate"] for one, other in zip(ours, found[TIMER])))
    for of in LEVELS:
        with broker:
            level(broker, of)
            # Without a warm-up: an instance keeps 1,000,000 messages.
            seen = acknowledged(broker, PAYLOADS[-1], COMPARED, args.seconds, "--window", WINDOW, "--warmup", 0)
        alone = [f"{raw(folder, how, COMPARED * WINDOW, PAYLOADS[-1], args.seconds)['rate']:,.0f}" for how in ("rate",) if of == "Sync"]
        rows.append([f"Sluice, {of}", f"{PAYLOADS[-1]} B", f"{COMPARED} with {WINDOW} messages each", *figures([seen]), "", *(alone or [""])])
    return rates_text(rows, ratios, beside, args)


def figures(runs):
    """The medians of a server's rounds, as they stand in a row."""
    of = lambda figure: statistics.median(seen[figure] for seen in runs)
    syncs = (f"{of('syncs'):,.0f}", f"{of('acknowledged') / of('syncs'):,.1f}") if of("syncs") else ("", "")
    cpu = f"{of('cpu'):.1f} us, {of('generator'):.1f} us"
    return [f"{of('rate'):,.0f}", f"{of('p50') / 1000:.2f} ms", f"{of('p99') / 1000:.2f} ms", *syncs, cpu]


def verdict(values, least):
    """Of all payloads: reached only where each of them is."""
    return "reached" if values and min(values) >= least else "not reached"


def rates_text(rows, ratios, beside, args):
    listed = lambda values: " and ".join(f"x{value:.2f}" for value in values)
    sizes = " and ".join(f"{payload} B" for payload in PAYLOADS)
    head = ("", "payload", "publishers", "acknowledged/s", "p50", "p99", "syncs", "messages a sync", "CPU a message, load generator's",
            "log alone, a thread a publisher", "log alone, one thread for all")  # fmt: skip
    peer = f"x1: {listed(beside)}, {verdict(beside, 1.0)}" if beside else "x1: not measured, no mosquitto here"
    return f"""### Acknowledged messages a second

QoS 1. A publisher is a connection that has one message on its way and waits for its PUBACK; {SESSIONS} stored sessions, away, want the
messages and take them afterwards: none was lost. {args.seconds} s measured; {COMPARED} publishers in {args.rounds} rounds, one server after the other, medians.
`Sync` and the log alone acknowledge after fdatasync, `Relaxed` after write. Syncs are of the whole run, warm-up and drain in it.
The log alone is `EmbeddedLog` without a broker, on the same disk in the same run.

{page.table(head, rows)}
With {COMPARED} publishers at `Sync`, {sizes}: of the log alone with a thread a publisher, asked at least x{OF_RAW_LEAST}: {listed(ratios["threads"])},
{verdict(ratios["threads"], OF_RAW_LEAST)}; of the log alone with one thread that makes no call to the kernel for a message:
{listed(ratios["rate"])}, {verdict(ratios["rate"], OF_RAW_LEAST)}. Of mosquitto by its timer, asked at least {peer}."""


def fan_out(folder, args):
    """Messages that each wait in 10,000 sessions."""
    rows = []
    with Sluice(folder / "fan-out") as broker:
        for of in LEVELS:
            level(broker, of)
            found = stored(broker, "--publishers", 1, "--sessions", FAN_OUT_SESSIONS, "--to-all", "--payload", FAN_OUT_BYTES,
                           "--messages", FAN_OUT_MESSAGES)  # fmt: skip
            say("fan-out", of, found)
            published, drained = found["published"], found["drained"]
            rows.append([f"Sluice, {of}", f"{published['latency_us']['p50'] / 1000:.1f} ms", f"{published['latency_us']['p99'] / 1000:.1f} ms",
                         f"{published['acknowledged_per_s'] * FAN_OUT_SESSIONS:,.0f}", f"{drained['received_per_s']:,.0f}",
                         f"{drained['seconds']:.1f} s"])  # fmt: skip
    head = ("", "p50 to PUBACK", "p99", "put into queues a second", "drained a second", "in all")
    return f"""### One message to {FAN_OUT_SESSIONS:,} sessions that are away

{FAN_OUT_MESSAGES} messages of {FAN_OUT_BYTES} bytes, QoS 1, one after the other; each is one record of the log. Then all sessions come back at once.

{page.table(head, rows)}"""


def start(folder, args):
    """Starts after a kill, with many messages and with many sessions."""
    rows, drained = [], {}
    for of in LEVELS[:1]:
        with Sluice(folder / f"messages-{of}") as broker:
            level(broker, of)
            work = ("--publishers", 256, "--sessions", START_SESSIONS, "--payload", START_BYTES, "--messages", args.messages)
            filled = stored(broker, *work, "--window", 16, "--phase", "publish")["published"]
            rows.append([f"{args.messages:,} messages of {START_BYTES} B in {START_SESSIONS} queues", of, *started(broker, "GID_bench@@@new", is_stored=False)])
            drained = stored(broker, *work, "--phase", "drain")["drained"]
            say("filled", filled, "drained", drained)
        with Sluice(folder / f"sessions-{of}") as broker:
            level(broker, of)
            stored(broker, "--publishers", 1, "--sessions", args.sessions, "--seconds", 0, "--phase", "publish")
            rows.append([f"{args.sessions:,} stored sessions", of, *started(broker, f"GID_bench@@@{args.sessions - 1}", is_stored=True)])
    slowest = max(float(row[3].split()[0]) for row in rows)
    reached = "reached" if slowest <= START_S_MOST else "not reached"
    head = ("", "durability", "to the ready line", "to the first CONNACK")
    return f"""### A start after a kill

From the exec of the binary, the server having been killed with SIGKILL; the files are in the page cache. Asked: at most {START_S_MOST:.0f} s to the first
connection; {reached}.

{page.table(head, rows)}
Then the {START_SESSIONS} sessions took all {args.messages:,} messages: {drained["received_per_s"]:,.0f} a second, the first CONNACK of them after
{drained["first_connack_ms"]:.0f} ms; lost {drained["lost"]:,}, duplicated {drained["duplicated"]:,}, out of order {drained["out_of_order"]:,}."""


def started(broker, client, is_stored):
    """Kills and starts; the time to the ready line and to the first CONNACK, which is of this client's stored session or a new one."""
    server = broker.server
    server.process.kill()
    server.process.wait()
    begin = time.monotonic()
    server.start()
    ready_s = time.monotonic() - begin
    broker.port, broker.pid = server.mqtt_port, server.process.pid
    key, secret = broker.key
    login = text(client) + text(f"Signature|{key}|{INSTANCE}") + text(password(secret, client))
    with socket.create_connection(("127.0.0.1", broker.port)) as peer:
        peer.sendall(packet(0x10, text("MQTT") + bytes([4, 0xC0 if is_stored else 0xC2, 0, 0]) + login))
        assert peer.recv(4) == bytes([0x20, 2, is_stored, 0])
        connack_s = time.monotonic() - begin
    until(lambda: urllib.request.urlopen(f"{server.http}/readyz").status == 200, "the server's readiness")
    found = [f"{ready_s:.2f} s", f"{connack_s:.2f} s"]
    say("started", found)
    return found


PARTS = {"rates": rates, "fan-out": fan_out, "start": start}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    parts = args.parts or list(PARTS)
    if not set(parts) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    if args.write and set(parts) != set(PARTS):
        parser.error("--write is for all parts together")
    log_forms.build()
    # Below target, which is on a disk: a folder for temporary files may be in memory.
    with tempfile.TemporaryDirectory(dir=REPOSITORY / "target") as folder:
        found = "\n\n".join(PARTS[part](pathlib.Path(folder), args).strip() for part in parts)
    page.publish("durable", f"""## On disk before it is acknowledged

`tests/bench/durable.py`, {page.machine()}.

{found}""", args.write)  # fmt: skip


if __name__ == "__main__":
    main()
