"""The parts alone, by criterion: runs `cargo bench` and reads what it measured.

parts.py [--write]
"""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import page  # noqa: E402
from support.server import REPOSITORY  # noqa: E402

MEASURED = REPOSITORY / "target" / "criterion"
UNITS = ((1e6, "ms"), (1e3, "us"), (1, "ns"))


def readable(nanoseconds):
    size, unit = next(((size, unit) for size, unit in UNITS if nanoseconds >= size), UNITS[-1])
    return f"{nanoseconds / size:.3g} {unit}"


def measured(since):
    """(name, median in nanoseconds) of each benchmark of this run."""
    for path in sorted(MEASURED.glob("**/new/benchmark.json")):
        estimates = path.with_name("estimates.json")
        if estimates.stat().st_mtime >= since:
            median = json.loads(estimates.read_text())["median"]["point_estimate"]
            yield json.loads(path.read_text())["full_id"], median


def main():
    MEASURED.mkdir(parents=True, exist_ok=True)
    mark = MEASURED / "started"
    mark.touch()
    subprocess.run([os.environ.get("CARGO", "cargo"), "bench", "--locked", "--workspace", "--benches"], cwd=REPOSITORY, check=True)
    rows = [[name, readable(median)] for name, median in measured(mark.stat().st_mtime)]
    text = f"""## Parts, by criterion

`cargo bench --workspace`, one core; medians.

{page.table(("what", "time"), rows)}"""
    page.publish("parts", text, "--write" in sys.argv[1:])


if __name__ == "__main__":
    main()
