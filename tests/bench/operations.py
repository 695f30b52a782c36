"""How many operations of the management API a second, on SQLite and on PostgreSQL.

operations.py [--rounds 3] [--seconds 3] [--write]    needs the release build. Data lies below target/.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import page  # noqa: E402
from support.postgres import Cluster  # noqa: E402
from support.server import REPOSITORY, ROOT_KEY, ROOT_SECRET, Server  # noqa: E402

RUNS = ("GetUser", "AttachPolicyToUser")
CALLERS = (1, 8)


def measure(server, run, callers, seconds):
    """One run of `sluice bench operations`."""
    done = server.run(
        "bench", "operations", run, "--callers", str(callers), "--seconds", str(seconds), "--json",
        "--pid", str(server.process.pid), "--endpoint", server.http,
        SLUICE_ACCESS_KEY_ID=ROOT_KEY, SLUICE_ACCESS_KEY_SECRET=ROOT_SECRET,
    )  # fmt: skip
    found = json.loads(done.stdout)
    print(server.database or "sqlite", found, file=sys.stderr, flush=True)
    return found


def cells(runs):
    """The medians of several runs of one kind."""
    median = lambda figure: statistics.median(figure(run) for run in runs)
    rate = median(lambda run: run["calls_per_s"])
    p50, p99 = median(lambda run: run["latency_us"]["p50"]), median(lambda run: run["latency_us"]["p99"])
    cpu = median(lambda run: run["server_cpu_ms_per_call"])
    return f"{rate:,.0f}", f"{p50 / 1000:.2f} ms", f"{p99 / 1000:.2f} ms", f"{cpu:.3f} ms"


def rows(folder, cluster, args):
    found = {}
    for turn in range(args.rounds):
        for name, database in (("SQLite", None), ("PostgreSQL 15", cluster.database())):
            server = Server(folder / f"{name[:3]}{turn}" / "data", database=database)
            try:
                for run in RUNS:
                    for callers in CALLERS:
                        found.setdefault((run, name, callers), []).append(measure(server, run, callers, args.seconds))
            finally:
                server.kill()
    return [(run, name, callers, *cells(found[run, name, callers])) for run in RUNS for name in ("SQLite", "PostgreSQL 15") for callers in CALLERS]  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    # With syncs, as a database is run; below target, which is on a disk.
    cluster = Cluster(durable=True)
    try:
        with tempfile.TemporaryDirectory(dir=REPOSITORY / "target") as folder:
            found = rows(pathlib.Path(folder), cluster, args)
    finally:
        cluster.remove()
    head = ("operation", "database", "callers", "calls a second", "p50", "p99", "server CPU a call")
    page.publish("operations", f"""## Management operations

`tests/bench/operations.py`, {page.machine()}. Each call is signed by V3 and checked; a write is on disk in the database, in
force and swept before its reply. `AttachPolicyToUser` counts its `DetachPolicyFromUser` too. PostgreSQL runs on the same cores,
with `fsync`. Medians of {args.rounds} rounds of {args.seconds} s.

{page.table(head, found)}""", args.write)  # fmt: skip


if __name__ == "__main__":
    main()
