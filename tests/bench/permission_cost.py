"""What asking for permission costs: the message path with the policies of a RAM user against an authority that always says yes.

permission_cost.py [--rounds 5] [--seconds 3] [--write]    alternates the two; medians and their ratio
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench import page  # noqa: E402
from bench.brokers import MQLOAD  # noqa: E402
from support.server import REPOSITORY  # noqa: E402

BROKER = REPOSITORY / "target" / "release" / "examples" / "measured_broker"
MODES = ("asked", "allow-all")
SCENARIOS = (
    ("10 pairs, QoS 0", ["p2p", "--pairs", "10", "--qos", "0"]),
    ("10 pairs, QoS 1", ["p2p", "--pairs", "10", "--qos", "1"]),
    ("50 publishers to one, QoS 1", ["fanin", "--pubs", "50", "--subs", "1", "--qos", "1"]),
)


def run(arguments, scenario, seconds):
    """Messages per second and broker CPU seconds per million messages."""
    process = subprocess.Popen([BROKER, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        port, key, secret, instance = process.stdout.readline().split()
        done = subprocess.run(
            [MQLOAD, *scenario, "--port", port, "--pid", str(process.pid), "--access-key", key, "--auth-secret", secret,
             "--instance", instance, "--client-id", "GID_bench@@@{r}{i}", "--topic-prefix", "bench/x/",
             "--seconds", str(seconds), "--quiet"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["lost"] == 0, result
        return result["recv_per_s"], result["cpu_s_per_m_recv"]
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows = []
    for name, scenario in SCENARIOS:
        results = {mode: [] for mode in MODES}
        for _ in range(args.rounds):
            for mode in MODES:
                results[mode].append(run([mode], scenario, args.seconds))
        rate, cpu = ({mode: statistics.median(r[place] for r in results[mode]) for mode in MODES} for place in (0, 1))
        both = [f"{rate[mode] / 1000:,.0f} k msg/s, {cpu[mode]:.3f} s/M" for mode in MODES]
        rows.append([name, *both, *(f"x{of['asked'] / of['allow-all']:.3f}" for of in (rate, cpu))])
    text = f"""## What asking for permission costs

`tests/bench/permission_cost.py`, {page.machine()}: the message path with a RAM user of ten policies and the same with an authority that always
says yes (`crates/mqtt/examples/measured_broker.rs`), in turn; medians of {args.rounds} runs of {args.seconds} s, payload 64 bytes.

{page.table(("run", "asked", "always yes", "rate", "CPU"), rows)}"""
    page.publish("permission-cost", text, args.write)


if __name__ == "__main__":
    main()
