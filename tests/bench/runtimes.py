"""One work-stealing runtime against one current-thread runtime a core, on the same message path.

runtimes.py [--rounds N] [--seconds N]    alternates the two; prints medians and per-core as a share of work-stealing
"""

import argparse
import os
import statistics

from permission_cost import run

SCENARIOS = (
    ("p2p QoS 0", ["p2p", "--pairs", "20", "--window", "64", "--payload", "64", "--qos", "0"]),
    ("p2p QoS 1", ["p2p", "--pairs", "20", "--window", "64", "--payload", "64", "--qos", "1"]),
    ("fan-in QoS 0", ["fanin", "--pubs", "50", "--subs", "1", "--window", "16", "--payload", "16", "--qos", "0"]),
    ("fan-in QoS 1", ["fanin", "--pubs", "50", "--subs", "1", "--window", "16", "--payload", "16", "--qos", "1"]),
    ("fan-out QoS 0", ["fanout", "--pubs", "1", "--subs", "100", "--window", "16", "--payload", "256", "--qos", "0"]),
    ("fan-out QoS 1", ["fanout", "--pubs", "1", "--subs", "100", "--window", "16", "--payload", "256", "--qos", "1"]),
    ("p2p QoS 0 at 2,000/s", ["p2p", "--pairs", "20", "--rate", "2000", "--payload", "64", "--qos", "0"]),
)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    args = parser.parse_args()
    runtimes = {"work-stealing": "work-stealing", "per-core": f"per-core={os.cpu_count()}"}
    for name, scenario in SCENARIOS:
        results = {runtime: [] for runtime in runtimes}
        for _ in range(args.rounds):
            for runtime, of_runtime in results.items():
                of_runtime.append(run(["asked", runtimes[runtime]], scenario, args.seconds))
        (rate, cpu), (core_rate, core_cpu) = (
            [statistics.median(column) for column in zip(*of_runtime)] for of_runtime in results.values()
        )
        print(
            f"{name:21} work-stealing {rate:9.0f} msg/s {cpu:.3f} CPU s/M   per-core {core_rate:9.0f} msg/s {core_cpu:.3f} CPU s/M   "
            f"rate x{core_rate / rate:.3f} CPU x{core_cpu / cpu:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
