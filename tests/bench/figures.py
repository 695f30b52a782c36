"""Further figures, each a section of docs/benchmarks.md.

figures.py NAME... [--rounds 5] [--seconds 4] [--connections 10000] [--subscribers 9000] [--write]
NAME: connects, latency, tenants, many-statements, broadcast, cores, or all
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import load, page  # noqa: E402
from bench.brokers import Floor, Peer, Sluice  # noqa: E402
from support.server import REPOSITORY  # noqa: E402

CONNECT_CPU_S_MOST = 0.8
LATENCY_RATE = 2000
# Connections are added so many at a time, and looked at when the memory has settled.
IDLE_STEP, IDLE_STEPS, IDLE_WAIT_S = 4_000, 4, 10
LATENCY_ABOVE_US_MOST = 50
FLOOD_RATE = 200_000
# The flood goes on around the run that it disturbs.
FLOOD_MORE_S = 3
TENANTS_SHARE_MOST = 1.2
STATEMENTS = 200
STATEMENTS_SHARE_MOST = 1.10
BROADCAST_TIMES_MOST = 1.5
BROADCAST_BYTES = 256


def said(reached):
    return "reached" if reached else "not reached"


def alternate(brokers, rounds, measure):
    """Measures one broker after the other, round by round; {broker's place: [what was measured]}."""
    found = [[] for _ in brokers]
    for turn in range(rounds):
        for place, broker in enumerate(brokers):
            with broker:
                found[place].append(measure(broker))
            print(f"round {turn + 1}: {broker.name} {found[place][-1]}", file=sys.stderr, flush=True)
    return found


def medians(runs):
    """The median of each figure of several runs, and the sum of the lost messages."""
    return [statistics.median(figures) for figures in zip(*runs)]


def connects(folder, args):
    """CPU of 10,000 signed CONNECTs, memory and CPU of holding them."""
    count = args.connections

    def measure(broker):
        # First, on a process that has freed nothing yet.
        memory = memory_of_each(broker)
        found = load.mqload(broker, "conn", "--conns", str(count), "--seconds", "3")
        assert found["all_up"], found
        return found["connect_cpu_s_per_10k"], found["connects_per_s"], memory, found["idle_cpu_pct"]

    names = ("Sluice, each CONNECT signed", Floor.name)
    found = [medians(runs) for runs in alternate((Sluice(folder), Floor(folder)), args.rounds, measure)]
    rows = [
        [name, f"{cpu:.2f} s", f"{rate:,.0f}", f"{rss:,.0f} bytes", f"{idle:.1f} %"]
        for name, (cpu, rate, rss, idle) in zip(names, found)
    ]
    head = ("", "CPU of 10,000 CONNECTs", "a second", "memory of an idle one", "CPU while idle")
    return f"""## Connections

`tests/bench/figures.py connects`, {page.machine()}: {count:,} connections of one RAM user, opened 64 at a time, then held idle; medians of
{args.rounds} rounds. Memory is resident, without the kernel's: what the last
{IDLE_STEP * (IDLE_STEPS - 1):,} of {IDLE_STEP * IDLE_STEPS:,} connections held together add. Asked: at most {CONNECT_CPU_S_MOST} CPU seconds; {said(found[0][0] <= CONNECT_CPU_S_MOST)}.

{page.table(head, rows)}"""


def memory_of_each(broker):
    """Resident bytes of an idle connection: what the later ones add, while all are held, so that nothing freed before hides it."""
    resident = lambda: int(pathlib.Path(f"/proc/{broker.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    runs, sizes = [], []
    time.sleep(IDLE_WAIT_S)
    for step in range(IDLE_STEPS):
        login = [word.replace("{r}", f"{step}{{r}}") for word in broker.login]
        command = [str(load.MQLOAD), "conn", "--conns", str(IDLE_STEP), "--seconds", str(IDLE_WAIT_S * IDLE_STEPS),
                   "--port", str(broker.port), *login, "--quiet"]  # fmt: skip
        runs.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(IDLE_WAIT_S)
        sizes.append(resident())
    for run in runs:
        run.kill()
        run.wait()
    return (sizes[-1] - sizes[0]) / (IDLE_STEP * (IDLE_STEPS - 1))


def latency(folder, args):
    """Latency at a fixed rate far below what either can do."""
    rows, reached = [], True
    for qos in (0, 1):

        def measure(broker, qos=qos):
            found = load.mqload(
                broker, "p2p", "--pairs", "20", "--rate", str(LATENCY_RATE), "--qos", str(qos), "--seconds", str(args.seconds)
            )
            return found["lat_p50_us"], found["lat_p99_us"], found["lat_p999_us"], found["lost"]

        runs = alternate((Sluice(folder / f"latency{qos}"), Floor(folder)), args.rounds, measure)
        above = statistics.median(ours[0] - theirs[0] for ours, theirs in zip(*runs))
        reached = reached and above <= LATENCY_ABOVE_US_MOST
        for name, (p50, p99, p999, _) in zip((f"Sluice, QoS {qos}", f"{Floor.name}, QoS {qos}"), map(medians, runs)):
            more = f"{above:+.0f} us" if name.startswith("Sluice") else ""
            rows.append([name, f"{p50:.0f} us", f"{p99:.0f} us", f"{p999:.0f} us", more])
    head = ("", "p50", "p99", "p99.9", "p50 above the floor's")
    return f"""## Latency at {LATENCY_RATE:,} messages a second

`tests/bench/figures.py latency`, {page.machine()}: 20 pairs, 64 bytes, open loop: the time counts from when a message was due. Medians of
{args.rounds} rounds of {args.seconds} s, the two in turn. Asked: p50 at most {LATENCY_ABOVE_US_MOST} us above the floor's; {said(reached)}.

{page.table(head, rows)}"""


def tenants(folder, args):
    """One tenant's latency while another floods."""
    broker = Sluice(folder)
    rates = {"alone": None, f"{FLOOD_RATE:,} messages a second": str(FLOOD_RATE), "as many as go": "0"}
    found = {name: [] for name in rates}
    with broker:
        flooder = second_tenant(broker)
        for _ in range(args.rounds):
            for name, rate in rates.items():
                flood = flooder.start(rate, args.seconds + FLOOD_MORE_S) if rate else None
                run = load.mqload(broker, "p2p", "--pairs", "20", "--rate", str(LATENCY_RATE), "--seconds", str(args.seconds))
                if flood:
                    flood.communicate()
                found[name].append((run["lat_p50_us"], run["lat_p99_us"], run["lost"]))
                print(f"{name}: {found[name][-1]}", file=sys.stderr, flush=True)
    alone = medians(found["alone"])
    rows = [
        [name, f"{p50:.0f} us", f"{p99:.0f} us", f"x{p99 / alone[1]:.2f}"]
        for name, (p50, p99, _) in ((name, medians(runs)) for name, runs in found.items())
    ]
    share = medians(found[f"{FLOOD_RATE:,} messages a second"])[1] / alone[1]
    return f"""## One tenant's flood

`tests/bench/figures.py tenants`, {page.machine()}: the latency of one account's 20 pairs at {LATENCY_RATE:,} messages a second while another account's
20 pairs send what the first column says, from a second load generator on the same cores. Medians of {args.rounds} rounds of {args.seconds} s. Asked: p99 moves
by at most a fifth; {said(share <= TENANTS_SHARE_MOST)}.

{page.table(("the other tenant", "p50", "p99", "p99 against alone"), rows)}"""


class Flooder:
    """A second account's load on the same server."""

    def __init__(self, broker, login):
        self.broker, self.login = broker, login

    def start(self, rate, seconds):
        paced = ["--rate", rate] if rate != "0" else ["--window", "64"]
        command = [str(load.MQLOAD), "p2p", "--pairs", "20", *paced, "--seconds", str(seconds), "--warmup", "0",
                   "--port", str(self.broker.port), *self.login, "--quiet"]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def second_tenant(broker):
    """Another account with an instance, a topic and a group."""
    account = broker.server.new_account("flooder")
    key, instance = (account["AccessKeyId"], account["AccessKeySecret"]), "mqtt-cn-flood"
    call = lambda operation, **parameters: broker.server.api("onsmqtt", operation, key=key, **parameters)
    call("CreateMqttInstance", InstanceName="flood", InstanceId=instance)
    call("CreateMqttTopic", InstanceId=instance, Topic="bench")
    call("CreateGroupId", InstanceId=instance, GroupId="GID_bench")
    return Flooder(broker, ["--access-key", key[0], "--auth-secret", key[1], "--instance", instance,
                            "--client-id", "GID_bench@@@{r}{i}", "--topic-prefix", "bench/x/"])  # fmt: skip


def many_statements(folder, args):
    """A user with 200 statements more against the same user without."""
    rows, reached = [], True
    brokers = (Sluice(folder), Sluice(folder, statements=STATEMENTS))
    for cell in load.CELLS:
        runs = alternate(brokers, args.rounds, lambda broker, cell=cell: load.traffic(broker, cell, args.seconds))
        ratio = statistics.median(many[0] / few[0] for few, many in zip(*runs))
        reached = reached and ratio <= STATEMENTS_SHARE_MOST
        few, many = map(medians, runs)
        rows.append([cell[0], f"{few[0]:.3f}", f"{many[0]:.3f}", f"x{ratio:.3f}"])
    head = ("CPU seconds per million deliveries", "5 policies, 6 statements", f"and {STATEMENTS} statements more", "ratio")
    return f"""## A user with many statements

`tests/bench/figures.py many-statements`, {page.machine()}: the runs of the first table with a RAM user of a few statements and one of
{STATEMENTS} more, in turn; medians of {args.rounds} rounds of {args.seconds} s. Asked: at most x{STATEMENTS_SHARE_MOST:.2f}; {said(reached)}.

{page.table(head, rows)}"""


class BareSends(Peer):
    """The loop of sends of crates/server/examples/bare_sends.rs; it knows how long its loop took."""

    name = "bare loop of sends"
    program = REPOSITORY / "target/release/examples/bare_sends"

    def __enter__(self):
        self.process = subprocess.Popen([self.program], stdout=subprocess.PIPE, text=True)
        self.port, self.pid = int(self.process.stdout.readline()), self.process.pid
        return self

    def said(self):
        """What it printed when its publisher left."""
        return json.loads(self.process.stdout.readline())


def broadcast(folder, args):
    """One message to all subscribers, and when it is with the last one the next."""

    def measure(broker):
        found = load.own(
            broker, "fan-out", "--subscribers", str(args.subscribers), "--publishers", "1", "--window", "1",
            "--payload", str(BROADCAST_BYTES), "--seconds", str(args.seconds),
        )  # fmt: skip
        # The bare loop ends with its publisher, and closes whoever is still there.
        held = isinstance(broker, BareSends) or found["connections_lost"] == 0
        assert found["lost"] == 0 and held, found
        to_the_last_ms = args.subscribers / found["received_per_s"] * 1000
        cpu_ms = found["server"]["cpu_s_per_million_deliveries"] * args.subscribers / 1000
        return to_the_last_ms, cpu_ms, broker.said()["loop_us_p50"] / 1000 if isinstance(broker, BareSends) else 0.0

    runs = alternate((Sluice(folder), BareSends(folder)), args.rounds, measure)
    ratio = statistics.median(ours[0] / bare[0] for ours, bare in zip(*runs))
    ours, bare = map(medians, runs)
    rows = [
        ["Sluice", f"{ours[0]:.1f} ms", f"{ours[1]:.1f} ms"],
        ["bare loop of sends", f"{bare[0]:.1f} ms (its loop alone {bare[2]:.1f} ms)", f"{bare[1]:.1f} ms"],
        ["ratio", f"x{ratio:.2f}", f"x{ours[1] / bare[1]:.2f}"],
    ]
    return f"""## One message to {args.subscribers:,} subscribers

`tests/bench/figures.py broadcast`, {page.machine()}: {BROADCAST_BYTES} bytes at QoS 0 to {args.subscribers:,} connected subscribers, by
`sluice bench fan-out --window 1`; from the send to the last arrival, the reading of all of them in it. The bare loop
(`crates/server/examples/bare_sends.rs`) sends the same bytes to as many sockets and does nothing else. Medians of {args.rounds} rounds, the two
in turn. Asked: at most x{BROADCAST_TIMES_MOST}; {said(ratio <= BROADCAST_TIMES_MOST)}.

{page.table(("", "to the last arrival", "CPU of the server"), rows)}"""


def cores(folder, args):
    """The same load with one core for everything, and with two."""
    if os.cpu_count() < 2:
        return "## Cores\n\nThis machine has one core.\n"
    pins = (("one core for both", "0", "0"), ("a core each", "0", "1"), ("two cores for both", "0,1", "0,1"))
    brokers = [Sluice(folder / f"pin{place}", cores=pin[1]) for place, pin in enumerate(pins)]
    rows = []
    for cell in load.CELLS:
        generator = {id(broker): pin[2] for broker, pin in zip(brokers, pins)}
        runs = alternate(
            brokers, args.rounds,
            lambda broker, cell=cell, of=generator: load.traffic(broker, cell, args.seconds, cores=of[id(broker)]),
        )  # fmt: skip
        rates = [medians(of)[1] for of in runs]
        rows.append([cell[0], *(f"{rate / 1000:,.0f}" for rate in rates), f"x{rates[2] / rates[0]:.2f}"])
    head = ("thousand deliveries a second", *(pin[0] for pin in pins), "two against one")
    return f"""## Cores

`tests/bench/figures.py cores`, two cores: server and load generator pinned with taskset; medians of {args.rounds} rounds of {args.seconds} s, in turn.

{page.table(head, rows)}"""


FIGURES = {
    "connects": connects,
    "latency": latency,
    "tenants": tenants,
    "many-statements": many_statements,
    "broadcast": broadcast,
    "cores": cores,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+", choices=(*FIGURES, "all"), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--subscribers", type=int, default=9_000)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    for name in FIGURES if "all" in args.names else args.names:
        with tempfile.TemporaryDirectory() as folder:
            page.publish(name, FIGURES[name](pathlib.Path(folder), args), args.write)


if __name__ == "__main__":
    main()
