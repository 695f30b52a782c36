"""Sluice beside other servers in the same run: CPU of the server per million deliveries, and memory of an idle connection.

peers.py [--rounds 5] [--seconds 4] [--idle 5000] [--write]    prints the section; --write puts it into docs/benchmarks.md
"""

import argparse
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import load, page  # noqa: E402
from bench.brokers import PEERS, Mosquitto, Sluice  # noqa: E402

# At most this share of mosquitto's CPU in the same run.
SHARES = (0.08, 0.06, 0.11, 0.10, 0.15, 0.155)
# A cell is reached when the median of the rounds' ratios is within a quarter of its share.
TOLERANCE = 1.25
IDLE_BYTES_MOST = 2048
IDLE = "idle"
# Characters of a failure that are shown.
WORDS_MOST = 160
BY_SLUICE = "Sluice, by `sluice bench`"


def measure(broker, cell, by_sluice, args):
    """One cell of one round: (CPU, rate, lost), bytes for the idle one, or the words of the failure."""
    try:
        with broker:
            if cell == IDLE:
                found = load.mqload(broker, "conn", "--conns", str(args.idle), "--seconds", "2")
                return found["rss_per_conn_bytes"] if found["all_up"] else f"{found['ready']} of {args.idle} came up"
            return load.traffic(broker, cell, args.seconds, by_sluice)
    except (load.Failed, AssertionError, KeyError) as failure:
        return " ".join(str(failure).split())[:WORDS_MOST]


def rounds(folder, args):
    """Measures all cells, server after server within each cell; {(server, cell): [a figure a round]}."""
    brokers = [Sluice(folder), *(peer(folder) for peer in PEERS)]
    found = {}
    for turn in range(args.rounds):
        for cell in (*load.CELLS, IDLE):
            for broker in brokers:
                forms = (False, True) if broker.name == Sluice.name and cell != IDLE else (False,)
                for by_sluice in forms:
                    name = BY_SLUICE if by_sluice else broker.name
                    figure = broker.absent or measure(broker, cell, by_sluice, args)
                    found.setdefault((name, cell), []).append(figure)
                    what = cell if cell == IDLE else cell[0]
                    print(f"round {turn + 1}: {what:14} {name:26} {figure}", file=sys.stderr, flush=True)
    return found


def figures(found, name, cell):
    return [figure for figure in found.get((name, cell), []) if not isinstance(figure, str)]


def cell_text(found, name, cell, place, form):
    measured = figures(found, name, cell)
    if not measured:
        return "-"
    if cell == IDLE:
        return f"{statistics.median(measured) / 1024:.1f} KB"
    text = form(statistics.median(figure[place] for figure in measured))
    lost = sum(figure[2] for figure in measured)
    return f"{text} ({lost} lost)" if lost else text


def ratios(found, cell):
    """Sluice's CPU by mosquitto's, round by round."""
    pairs = zip(found[(Sluice.name, cell)], found[(Mosquitto.name, cell)])
    return [ours[0] / theirs[0] for ours, theirs in pairs if not isinstance(ours, str) and not isinstance(theirs, str)]


def verdict(found):
    """The rows that compare with mosquitto."""
    medians = [statistics.median(ratio) if (ratio := ratios(found, cell)) else None for cell in load.CELLS]
    idle = figures(found, Sluice.name, IDLE)
    idle_reached = statistics.median(idle) <= IDLE_BYTES_MOST if idle else None
    said = {True: "yes", False: "no", None: "-"}
    reached = [None if m is None else m <= share * TOLERANCE for m, share in zip(medians, SHARES)]
    return [
        ["Sluice by mosquitto, median of the rounds", *("-" if m is None else f"{m:.3f}" for m in medians), ""],
        ["asked: at most", *SHARES, "2 KB"],
        ["reached (within a quarter)", *(said[r] for r in reached), said[idle_reached]],
    ]


def section(found, args):
    names = [Sluice.name, BY_SLUICE, *(peer.name for peer in PEERS)]
    head = ["", *(cell[0] for cell in load.CELLS)]
    with_idle = (*load.CELLS, IDLE)
    cpu = [[n, *(cell_text(found, n, c, 0, lambda v: f"{v:.2f}") for c in with_idle)] for n in names]
    rate = [[n, *(cell_text(found, n, c, 1, lambda v: f"{v / 1000:.0f}") for c in load.CELLS)] for n in names]
    missing = sorted({f"{name}: {f}" for (name, _), of in found.items() for f in of if isinstance(f, str)})
    text = f"""## Beside other servers

`tests/bench/peers.py`, {page.machine()}: {args.rounds} rounds of {args.seconds} s a cell, server after server within each cell, each
started for it alone; medians. Closed loop, MQTT 3.1.1: p2p of 20 pairs, window 64, 64 bytes; fan-in of 50 publishers to one, window 16,
16 bytes; fan-out of one publisher to 100, window 16, 256 bytes. A RAM user with five policies signs in to Sluice and is asked for
permission at every message; the others let anybody in. Idle: growth of resident memory (what a process had freed before hides
a part of it; see Connections) for each of {args.idle:,} connections, without the kernel's.

CPU seconds of the server per million deliveries:

{page.table([*head, "idle connection"], cpu + verdict(found))}
Thousand deliveries a second (the generator takes about half of the machine):

{page.table(head, rate)}"""
    if missing:
        text += "\nNot measured:\n\n" + "".join(f"- {line}\n" for line in missing)
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = rounds(pathlib.Path(folder), args)
    page.publish("peers", section(found, args), args.write)


if __name__ == "__main__":
    main()
