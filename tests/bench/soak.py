"""`sluice bench soak` against a server of its own.

soak.py [--connections 10000] [--seconds 600] [--write] [what `sluice bench soak` takes]    exits 1 on any breach
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import page  # noqa: E402
from support.server import INSTANCE, ROOT_KEY, ROOT_SECRET, SLUICE, Server, environment  # noqa: E402

# Seconds beside the run's own: connecting, draining, leaving.
AROUND_S = 300


def soak(server, seconds, *arguments):
    """One soak; its JSON object, in which `breaches` should be empty."""
    command = [
        SLUICE, "bench", "soak", "--mqtt", f"127.0.0.1:{server.mqtt_port}", "--endpoint", server.http, "--instance", INSTANCE,
        "--access-key-id", ROOT_KEY, "--access-key-secret", ROOT_SECRET, "--pid", str(server.process.pid), "--json",
        "--seconds", str(seconds), *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds + AROUND_S, env=environment())
    assert done.stdout, f"the soak ended with {done.returncode}"
    seen = json.loads(done.stdout)
    assert (done.returncode == 0) == (not seen["breaches"]), seen
    return seen


def section(seen):
    by_qos = [
        [f"QoS {qos}", *(f"{seen[name][count]:,}" for count in ("received", "lost", "duplicated", "out_of_order"))]
        for qos, name in enumerate(("at_most_once", "at_least_once", "exactly_once"))
    ]
    revocation, breaches = seen["revocation_us"], seen["breaches"]
    verdict = "Nothing that may not happen happened." if not breaches else "What may not happen: " + "; ".join(breaches) + "."
    return f"""## Soak

`make soak`, {page.machine()}: {seen["connections"]:,} connections for {seen["seconds"]:,} s, {seen["replaced"]:,} of them replaced, half without
DISCONNECT; stored sessions that come and go; a user's rights changed {seen["changes"]:,} times. {verdict}

{page.table(("", "received", "lost", "duplicated", "out of order"), by_qos)}
From a revocation's reply to the end of a connection: p50 {revocation["p50"] / 1000:.1f} ms, p99 {revocation["p99"] / 1000:.1f} ms, longest
{revocation["max"] / 1000:.1f} ms. Memory: {seen["rss_kib_after_warm_up"] / 1024:.0f} MiB after the warm-up, {seen["rss_kib_at_the_end"] / 1024:.0f} MiB at the end.
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--write", action="store_true")
    args, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(pathlib.Path(folder) / "data")
        try:
            seen = soak(server, args.seconds, "--connections", str(args.connections), *more)
        finally:
            status = server.stop()
    print(json.dumps(seen), flush=True)
    page.publish("soak", section(seen), args.write)
    assert status == 0, f"the server ended with {status}"
    return 1 if seen["breaches"] else 0


if __name__ == "__main__":
    sys.exit(main())
