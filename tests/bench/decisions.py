"""What a decision costs, beside Cedar on the same rules: builds and runs tests/bench/decisions.

decisions.py [--write]
"""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import page  # noqa: E402
from support.server import REPOSITORY  # noqa: E402

SOURCES = pathlib.Path(__file__).resolve().parent / "decisions"
BUILT = REPOSITORY / "target" / "decisions"
OURS, CEDAR = "Sluice, decide", "Cedar, is_authorized"
PARSED, CEDAR_PARSED = "Sluice, Document::parse", "Cedar, PolicySet from text"
ROWS = (
    ("nothing remembered: `decide`", OURS),
    ("the same with its proof: `Authority::authorize`", "Sluice, Authority::authorize"),
    ("Cedar: `is_authorized`", CEDAR),
    ("remembered: `Authority::renew`", "Sluice, Authority::renew"),
)
STATEMENTS = (1, 20, 200)
TIMES_FASTER_MIN = 5
RUN_S = 600


def measured():
    """{(what, statements): (median, p99)} in nanoseconds."""
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", SOURCES / "Cargo.toml", "--target-dir", BUILT],
        check=True,
    )
    done = subprocess.run([BUILT / "release" / "decisions"], capture_output=True, text=True, timeout=RUN_S)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {(line["what"], line["statements"]): (line["median_ns"], line["p99_ns"]) for line in lines}


def readable(nanoseconds):
    if nanoseconds >= 1_000_000:
        return f"{nanoseconds / 1_000_000:.3g} ms"
    if nanoseconds >= 1000:
        return f"{nanoseconds / 1000:.3g} us"
    return f"{nanoseconds:.3g} ns"


def cedar_version():
    lock = (SOURCES / "Cargo.lock").read_text()
    return lock.split('name = "cedar-policy"\nversion = "')[1].split('"')[0]


def main():
    found = measured()
    rows = [
        [name, *(readable(time) for statements in STATEMENTS for time in found[what, statements])] for name, what in ROWS
    ]
    ratios = [found[CEDAR, n][which] / found[OURS, n][which] for n in STATEMENTS for which in (0, 1)]
    rows.append(["Cedar by `decide`", *(f"x{ratio:.1f}" for ratio in ratios)])
    reached = "reached" if min(ratios) >= TIMES_FASTER_MIN else "not reached"
    head = ("", *(f"{n} statement{'s' if n > 1 else ''}, {which}" for n in STATEMENTS for which in ("median", "p99")))
    (fitting,) = {statements for what, statements in found if what == PARSED}
    parsed, other = found[PARSED, fitting], found[CEDAR_PARSED, fitting]
    text = f"""## Decisions

`tests/bench/decisions.py`, one core: 100,000 decisions of one user's policies, timed one by one with the clock's own 20 to 40 ns in it
(a renewal is timed by the thousand). 1,000 requests on topics of three to five levels, from a fifth to four fifths of them granted, in turn. Beside it
cedar-policy {cedar_version()} on the same rules as far as both languages say them: principal, action, resource by equality and hierarchy,
patterns; every decision is first compared. Policies are compiled and requests built beforehand for both. Asked: at least
{TIMES_FASTER_MIN} times faster than Cedar with nothing remembered; {reached}.

{page.table(head, rows)}
Reading a policy of 6,144 characters, {fitting} statements: {readable(parsed[0])} (p99 {readable(parsed[1])}); Cedar reads the same
statements in {readable(other[0])} (p99 {readable(other[1])})."""
    page.publish("decisions", text, "--write" in sys.argv[1:])


if __name__ == "__main__":
    main()
