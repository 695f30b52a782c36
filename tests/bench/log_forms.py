"""The same work on two forms of the message log, alternating: the figures of docs/adr/0008-message-log.md.

log_forms.py [--rounds 3] [--seconds 2] [--messages 1000000]    prints its tables; builds tests/bench/log_forms
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import page  # noqa: E402
from support.server import REPOSITORY  # noqa: E402

SOURCES = pathlib.Path(__file__).resolve().parent / "log_forms"
BUILT = REPOSITORY / "target" / "log-forms"
FORMS = ("own", "fjall")
PAYLOADS = (16, 160, 256)
WAITING = (1, 16, 256)
RUN_S = 120


def build():
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", SOURCES / "Cargo.toml", "--target-dir", BUILT]
    subprocess.run(command, check=True)


def run(form, folder, *words):
    """One run in a folder; its JSON object."""
    command = [BUILT / "release" / "log-forms", form, folder, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S)
    assert done.returncode == 0, done.stderr
    print(form, *words, done.stdout.strip(), file=sys.stderr, flush=True)
    return json.loads(done.stdout)


def median(runs, figure):
    return statistics.median(found[figure] for found in runs)


def fastest(runs):
    """The round that others on the machine disturbed least: noise only adds."""
    return max(runs, key=lambda found: found["messages_per_s"])


def rates(folder, args):
    """A row for each payload and number of publishers: both forms, side by side."""
    for payload in PAYLOADS:
        for waiting in WAITING:
            found = {form: [] for form in FORMS}
            for _ in range(args.rounds):
                for form in FORMS:
                    found[form].append(run(form, folder / "rate", "rate", waiting, payload, args.seconds))
                    shutil.rmtree(folder / "rate")
            best = {form: fastest(found[form]) for form in FORMS}
            yield [
                f"{payload} B, {waiting} waiting",
                *(f"{best[form]['messages_per_s']:,.0f}" for form in FORMS),
                *(f"{median(found[form], 'cpu_us'):.1f}" for form in FORMS),
                *(f"{best[form]['messages_per_sync']:.0f}" for form in FORMS),
                *(f"{best[form]['p99_us'] / 1000:.2f}" for form in FORMS),
            ]


def backlog(folder, args):
    """What becomes of many waiting messages: {form: (filled, recovered, drained)}."""
    found = {}
    for form in FORMS:
        place = folder / form
        found[form] = (
            run(form, place, "fill", args.messages, 160),
            run(form, place, "recover"),
            run(form, place, "drain"),
        )
        shutil.rmtree(place)
    row = lambda name, say: [name, *(say(*found[form]) for form in FORMS)]
    return [
        row("appended, 160 B each", lambda fill, *_: f"{fill['seconds']:.2f} s, {fill['cpu_us']:.1f} us each"),
        row("on the disk", lambda fill, *_: f"{fill['space_mib']:.0f} MiB"),
        row("read again", lambda _, found, __: f"{found['seconds']:.2f} s, {found['cpu_s']:.2f} s of CPU"),
        row("drained: in flight, acknowledged", lambda *all: f"{all[2]['messages_per_s']:,.0f} a second, {all[2]['cpu_us']:.1f} us each"),
        row("on the disk then; 10 s later", lambda *all: f"{all[2]['space_mib']:.0f} MiB; {all[2]['space_mib_later']:.0f} MiB"),
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--messages", type=int, default=1_000_000)
    args = parser.parse_args()
    build()
    with tempfile.TemporaryDirectory(dir=BUILT) as folder:
        folder = pathlib.Path(folder)
        head = ("", *(f"{form}: {what}" for what in ("msg/s", "CPU us", "messages a sync", "p99 ms") for form in FORMS))
        print(page.table(head, rates(folder, args)), flush=True)
        print(page.table((f"{args.messages:,} messages", *FORMS), backlog(folder, args)))


if __name__ == "__main__":
    main()
